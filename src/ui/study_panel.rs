//! The left panel: patients, studies, series, and what could not be opened.

use std::collections::HashMap;

use egui::{ColorImage, RichText, ScrollArea, TextureHandle, TextureOptions, Ui};

use super::slice_overlay::readable_date;
use super::theme;
use crate::app::{Application, Document, THUMBNAIL_PX, shortened};
use m3d_imaging::io::{Refused, Series, SeriesId};

/// The thumbnails known to egui.
#[derive(Default)]
pub struct Thumbnails {
    textures: HashMap<SeriesId, TextureHandle>,
}

impl Thumbnails {
    /// The texture of a series' thumbnail, once it is drawn.
    fn get(&mut self, ui: &Ui, document: &Document, id: &SeriesId) -> Option<&TextureHandle> {
        let Some(picture) = document.thumbnails.get(id) else {
            self.textures.remove(id);
            return None;
        };
        let texture = self.textures.entry(id.clone()).or_insert_with(|| {
            let size = [picture.width as usize, picture.height as usize];
            let image = ColorImage::from_rgba_unmultiplied(size, &picture.rgba);
            ui.ctx()
                .load_texture(&id.uid, image, TextureOptions::LINEAR)
        });
        Some(texture)
    }
}

/// Shows the panel; returns a series the reader chose.
pub fn show(ui: &mut Ui, app: &Application, thumbnails: &mut Thumbnails) -> Option<SeriesId> {
    ui.heading("Study");
    let Some(library) = &app.document.library else {
        ui.weak("Nothing is open. Drop a folder or a file here, or use Open.");
        return None;
    };
    let current = app.document.shown.as_ref().map(|s| s.series.id());
    let mut chosen = None;
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        for patient in &library.patients {
            let name = if patient.name.is_empty() {
                "No name"
            } else {
                &patient.name
            };
            ui.label(RichText::new(name).strong());
            if !patient.id.is_empty() {
                ui.weak(format!("ID {}", patient.id));
            }
            for study in &patient.studies {
                let mut title = readable_date(&study.date);
                if !study.description.is_empty() {
                    title = format!("{title}  {}", study.description);
                }
                if !title.trim().is_empty() {
                    ui.label(RichText::new(title.trim()).color(theme::FAINT));
                }
                for series in &study.series {
                    let id = series.id();
                    let on = current.as_ref() == Some(&id);
                    let picture = thumbnails.get(ui, &app.document, &id);
                    if series_entry(ui, series, picture, on) && !on {
                        chosen = Some(id);
                    }
                }
            }
            ui.add_space(6.0);
        }
        if !library.refused.is_empty() {
            refused(ui, &library.refused);
        }
    });
    chosen
}

/// The side of a thumbnail in points.
const SIDE: f32 = THUMBNAIL_PX as f32 / 2.0;

fn series_entry(ui: &mut Ui, series: &Series, picture: Option<&TextureHandle>, on: bool) -> bool {
    let description = if series.description.is_empty() {
        "no description"
    } else {
        &series.description
    };
    let title = format!("{}  {}", series.modality_code, shortened(description, 30));
    let dims = series.grid.dims();
    let spacing = series.grid.spacing_mm();
    let detail = format!(
        "{} × {} × {}   {:.2} × {:.2} × {:.2} mm",
        dims.x, dims.y, dims.z, spacing.x, spacing.y, spacing.z
    );
    let mut clicked = false;
    theme::card().show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal(|ui| {
            if let Some(texture) = picture {
                let side = egui::Vec2::splat(SIDE);
                let image = egui::Image::new((texture.id(), side)).sense(egui::Sense::click());
                clicked = ui.add(image).clicked();
            }
            ui.vertical(|ui| {
                clicked |= ui.selectable_label(on, title).clicked();
                ui.small(detail);
            });
        });
        for warning in &series.warnings {
            ui.label(
                RichText::new(&warning.message)
                    .small()
                    .color(theme::WARNING),
            );
        }
    });
    clicked
}

/// The most reasons listed one by one; a folder may hold thousands of other files.
const MOST_REFUSED: usize = 200;

fn refused(ui: &mut Ui, refused: &[Refused]) {
    let title = format!("Not opened ({})", refused.len());
    ui.collapsing(title, |ui| {
        for entry in refused.iter().take(MOST_REFUSED) {
            let name = entry.path.file_name().unwrap_or(entry.path.as_os_str());
            ui.label(RichText::new(name.to_string_lossy()).small())
                .on_hover_text(entry.path.display().to_string());
            ui.label(RichText::new(&entry.message).small().color(theme::FAINT));
        }
        if refused.len() > MOST_REFUSED {
            ui.weak(format!("and {} more", refused.len() - MOST_REFUSED));
        }
    });
}
