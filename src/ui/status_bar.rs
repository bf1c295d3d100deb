//! The bar at the bottom: where the pointer is, what is being done, and what this program is not.

use egui::{Align, Layout, ProgressBar, RichText, Ui};
use glam::DVec3;
use m3d_imaging::geometry::signed_letters;
use m3d_imaging::volume::Spacing;

use super::theme;
use crate::app::{Application, Effect, Outbox, RESEARCH_NOTICE, ViewId};

/// Shows the bar; without a pointer in a view the active view's crosshair is read.
pub fn show(ui: &mut Ui, app: &Application, pointer: Option<(ViewId, DVec3)>, outbox: &mut Outbox) {
    ui.horizontal(|ui| {
        ui.label(
            RichText::new(RESEARCH_NOTICE)
                .color(theme::WARNING)
                .strong(),
        );
        ui.separator();
        let (view, point) = pointer.map_or((app.active_view(), None), |(v, p)| (v, Some(p)));
        if let Some(seen) = app.seen(view) {
            let place = seen.place(point.unwrap_or_else(|| seen.cursor_mm()));
            let p = place.point_mm;
            let voxel = place.voxel.map_or_else(String::new, |v| {
                format!("   voxel {}, {}, {}", v.x, v.y, v.z)
            });
            let value = match (place.colour, place.value) {
                (Some([red, green, blue]), _) => format!("   R {red} G {green} B {blue}"),
                (None, Some(value)) => format!("   {}", seen.image.value_words(value)),
                (None, None) => String::new(),
            };
            // Without a known side, or a length, the voxel alone says where it is.
            let stated = &seen.image.series.stated;
            let at = if stated.side_known && stated.spacing == Spacing::Patient {
                let [x, y, z] = [(DVec3::X, p.x), (DVec3::Y, p.y), (DVec3::Z, p.z)]
                    .map(|(axis, mm)| signed_letters(axis, mm));
                format!("{x}  {y}  {z} mm")
            } else {
                String::new()
            };
            let text = format!("{at}{voxel}{value}");
            ui.monospace(text.trim_start());
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let bytes = app.resources.byte_len();
            if bytes > 0 {
                let text = format!("{:.0} MB", bytes as f64 / 1e6);
                ui.weak(text)
                    .on_hover_text("Voxels of the open images, in memory and on the GPU");
            }
            for job in app.jobs.iter() {
                if ui.small_button("Cancel").clicked() {
                    outbox.push(Effect::CancelJob(job.id));
                }
                let bar = ProgressBar::new(job.progress()).desired_width(120.0);
                ui.add(bar);
                ui.label(&job.title);
            }
        });
    });
}
