//! The findings: masks and boxes with their figures.

use egui::{RichText, Ui};
use m3d_imaging::volume::Spacing;

use super::{mask_edit_panel, theme};
use crate::app::{
    Application, DialogRequest, Edit, Effect, Finding, Origin, Outbox, PatientBox, ReportAction,
    Seen, Shape, Step, Subject,
};

/// Shows the findings of what the active view shows.
pub fn show(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
    let Some(seen) = app.seen_active() else {
        return;
    };
    let mut listed = seen.findings().peekable();
    if listed.peek().is_none() {
        ui.weak("Masks and boxes of the assistant's answers are listed here.");
    }
    for finding in listed {
        theme::card().show(ui, |ui| {
            ui.set_width(ui.available_width());
            entry(ui, app, finding, &seen, outbox);
        });
    }
}

fn entry(ui: &mut Ui, app: &Application, finding: &Finding, seen: &Seen<'_>, outbox: &mut Outbox) {
    let id = finding.id;
    ui.horizontal(|ui| {
        let mut visible = finding.visible;
        let shown = ui.checkbox(&mut visible, "").on_hover_text("Show or hide");
        shown.widget_info(|| {
            let label = format!("Show {}", finding.name);
            egui::WidgetInfo::selected(egui::Role::CheckBox, true, visible, label)
        });
        if shown.changed() {
            let verb = if visible { "show" } else { "hide" };
            let changed = Finding {
                visible,
                ..finding.clone()
            };
            let step = Step::new(format!("{verb} {}", finding.name));
            outbox.step(Edit::add(changed), step);
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
            // All letters typed into one name are one step.
            let step = Step::of_group(format!("rename {name}"), id.0);
            let changed = Finding {
                name,
                ..finding.clone()
            };
            outbox.step(Edit::add(changed), step);
        }
    });
    match &finding.shape {
        Shape::Mask(mask) => {
            let (ml, count) = (mask.volume_ml(), mask.count());
            // A projection has no volume.
            let text = match seen.image.series.stated.spacing {
                Spacing::Patient => format!("Mask  {ml:.1} mL, {count} voxels"),
                Spacing::Detector | Spacing::Unknown => format!("Mask  {count} pixels"),
            };
            ui.label(text);
            if let Some(words) = values(app, finding, seen) {
                ui.label(RichText::new(words).small());
            }
        }
        Shape::Box(found) => {
            let lines = app.box_words(Subject::Finding(id), found, seen);
            ui.label(format!("Box  {}", lines.join("\n")));
        }
        Shape::Measurement(drawn) => {
            let lines = app.measurement_words(finding, drawn, seen);
            let lines = lines.into_iter().filter(|line| *line != finding.name);
            ui.label(lines.collect::<Vec<_>>().join("\n"));
        }
    }
    if let Origin::File { name, drawn_by } = &finding.source {
        ui.label(RichText::new(from_file(name, drawn_by)).small().weak());
    }
    if let Some(mm) = finding.drawn_at_mm {
        let text = RichText::new(drawn_at(mm)).small();
        ui.label(text.color(theme::WARNING));
    }
    ui.horizontal_wrapped(|ui| {
        if ui.small_button("Go to").clicked() {
            outbox.push(Effect::GoToFinding(id));
        }
        if finding.mask().is_some() {
            mask_edit_panel::choose(ui, app, finding, outbox);
        }
        if finding.mask().is_some() && ui.small_button("Export…").clicked() {
            outbox.push(Effect::Dialog(DialogRequest::ExportMask(id)));
        }
        if ui.small_button("To report").clicked() {
            outbox.push(Effect::Report(ReportAction::AddFinding(id)));
        }
        if ui.small_button("Use as box").clicked() {
            let region: Option<PatientBox> = finding.bounds();
            let image = finding.image.clone();
            outbox.step(Edit::Region { image, region }, Step::new("use as box"));
        }
        if ui.small_button("Remove").clicked() {
            let step = Step::new(format!("remove {}", finding.name));
            outbox.step(Edit::remove(id), step);
        }
    });
}

/// Mean and largest value inside a mask, in the image's unit and as uptake, once they are measured.
fn values(app: &Application, finding: &Finding, seen: &Seen<'_>) -> Option<String> {
    let found = app.figures_of(finding, seen)?.values?;
    let [mean, max] = [found.mean, found.max].map(|v| seen.image.value_words(v as f32));
    Some(format!("mean {mean}\nmax {max}"))
}

/// Which file a finding is from, and who drew it.
fn from_file(name: &str, drawn_by: &str) -> String {
    let name = if name.is_empty() { "a file" } else { name };
    let by = match drawn_by {
        "AUTOMATIC" => ", drawn by a program",
        "SEMIAUTOMATIC" => ", drawn with a program's help",
        "MANUAL" => ", drawn by hand",
        _ => "",
    };
    format!("from {name}{by}")
}

/// How coarse the model's drawing is.
pub fn drawn_at(mm: glam::DVec3) -> String {
    format!(
        "drawn by the model at {:.1} × {:.1} × {:.1} mm per voxel",
        mm.x, mm.y, mm.z
    )
}
