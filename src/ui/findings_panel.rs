//! The findings: masks and boxes with their figures.

use egui::{RichText, Ui};

use super::theme;
use crate::app::{Finding, FindingId, FindingKind, Findings};
use m3d_imaging::geometry::VoxelGrid;

/// What the reader did to a finding.
#[derive(Clone, Debug, PartialEq)]
pub enum FindingAction {
    /// Go there in all views.
    GoTo(FindingId),
    /// Show or hide it.
    Show(FindingId, bool),
    /// Take it away.
    Remove(FindingId),
    /// Give it another name.
    Rename(FindingId, String),
    /// Write the mask to a file.
    Export(FindingId),
    /// Make the box of a finding the reader's box.
    UseAsBox(FindingId),
}

/// Shows the list.
pub fn show(ui: &mut Ui, findings: &Findings, grid: &VoxelGrid) -> Option<FindingAction> {
    if findings.is_empty() {
        ui.weak("Masks and boxes of the assistant's answers are listed here.");
        return None;
    }
    let mut action = None;
    for finding in findings.iter() {
        theme::card().show(ui, |ui| {
            ui.set_width(ui.available_width());
            if let Some(asked) = entry(ui, finding, grid) {
                action = Some(asked);
            }
        });
    }
    action
}

fn entry(ui: &mut Ui, finding: &Finding, grid: &VoxelGrid) -> Option<FindingAction> {
    let mut action = None;
    let id = finding.id;
    ui.horizontal(|ui| {
        let mut visible = finding.visible;
        let shown = ui.checkbox(&mut visible, "").on_hover_text("Show or hide");
        shown.widget_info(|| {
            let label = format!("Show {}", finding.name);
            egui::WidgetInfo::selected(egui::Role::CheckBox, true, visible, label)
        });
        if shown.changed() {
            action = Some(FindingAction::Show(id, visible));
        }
        let (swatch, _) = ui.allocate_exact_size(egui::vec2(12.0, 12.0), egui::Sense::hover());
        ui.painter()
            .rect_filled(swatch, 3.0, theme::finding_colour(finding.colour));
        let mut name = finding.name.clone();
        let edit = egui::TextEdit::singleline(&mut name).desired_width(ui.available_width());
        let edit = ui.add(edit);
        edit.widget_info(|| {
            let mut info = egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Name");
            info.current_text_value = Some(finding.name.clone());
            info
        });
        if edit.changed() {
            action = Some(FindingAction::Rename(id, name));
        }
    });
    let is_mask = match &finding.kind {
        FindingKind::Mask { mask, drawn_at_mm } => {
            ui.label(format!(
                "Mask  {:.1} mL, {} voxels",
                mask.volume_ml(),
                mask.count()
            ));
            if let Some(mm) = drawn_at_mm {
                let text = drawn_at(*mm);
                ui.label(RichText::new(text).small().color(theme::WARNING));
            }
            true
        }
        FindingKind::Box(voxel_box) => {
            let size = voxel_box.size_mm(grid);
            ui.label(format!(
                "Box  {:.0} × {:.0} × {:.0} mm",
                size.x, size.y, size.z
            ));
            false
        }
    };
    ui.horizontal_wrapped(|ui| {
        if ui.small_button("Go to").clicked() {
            action = Some(FindingAction::GoTo(id));
        }
        if is_mask && ui.small_button("Export…").clicked() {
            action = Some(FindingAction::Export(id));
        }
        if ui.small_button("Use as box").clicked() {
            action = Some(FindingAction::UseAsBox(id));
        }
        if ui.small_button("Remove").clicked() {
            action = Some(FindingAction::Remove(id));
        }
    });
    action
}

/// How coarse the model's drawing is.
pub fn drawn_at(mm: glam::DVec3) -> String {
    format!(
        "drawn by the model at {:.1} × {:.1} × {:.1} mm per voxel",
        mm.x, mm.y, mm.z
    )
}
