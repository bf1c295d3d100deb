//! The bar at the bottom: where the pointer is, what is being done, and what this program is not.

use egui::{Align, Layout, ProgressBar, RichText, Ui};
use glam::DVec3;

use super::slice_overlay::figure;
use super::theme;
use crate::app::{Application, RESEARCH_NOTICE};
use m3d_imaging::geometry::signed_letters;

/// Shows the bar.
pub fn show(ui: &mut Ui, app: &Application, pointer_mm: Option<DVec3>) {
    ui.horizontal(|ui| {
        ui.label(
            RichText::new(RESEARCH_NOTICE)
                .color(theme::WARNING)
                .strong(),
        );
        ui.separator();
        if let Some(shown) = &app.document.shown {
            let place = shown.place(pointer_mm.unwrap_or(shown.crosshair_mm));
            let p = place.point_mm;
            let voxel = place.voxel.map_or_else(String::new, |v| {
                format!("   voxel {}, {}, {}", v.x, v.y, v.z)
            });
            let value = place.value.map_or_else(String::new, |value| {
                format!("   {} {}", figure(value), shown.volume.units().symbol())
            });
            let [x, y, z] = [(DVec3::X, p.x), (DVec3::Y, p.y), (DVec3::Z, p.z)]
                .map(|(axis, mm)| signed_letters(axis, mm));
            let text = format!("{x}  {y}  {z} mm{voxel}{value}");
            ui.monospace(text);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if let Some(shown) = &app.document.shown {
                let bytes = shown.volume.byte_len() as f64 / 1e6;
                ui.weak(format!("{bytes:.0} MB"));
            }
            for job in app.jobs.iter() {
                if ui.small_button("Cancel").clicked() {
                    job.cancel();
                }
                let bar = ProgressBar::new(job.progress()).desired_width(120.0);
                ui.add(bar);
                ui.label(&job.title);
            }
        });
    });
}
