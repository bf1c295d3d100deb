//! The left panel: patients, studies, series, and what could not be opened.

use std::collections::HashMap;

use egui::{ColorImage, RichText, ScrollArea, TextureHandle, TextureOptions, Ui};

use super::structure_list::{self, Placed};
use super::theme;
use crate::app::jobs::THUMBNAIL_PX;
use crate::app::{Application, Effect, Outbox, Placement, Resources, shortened};
use m3d_imaging::io::{Library, Series, SeriesId};
use m3d_imaging::volume::Spacing;
use m3d_imaging::wording::readable_date;

/// The thumbnails known to egui.
#[derive(Default)]
pub struct Thumbnails {
    textures: HashMap<SeriesId, TextureHandle>,
}

impl Thumbnails {
    /// The texture of a series' thumbnail, once it is drawn.
    fn get(&mut self, ui: &Ui, resources: &Resources, id: &SeriesId) -> Option<&TextureHandle> {
        let Some(picture) = resources.thumbnails.get(id) else {
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

/// Shows the panel. A series is dragged onto a view, or double-clicked for the active one.
pub fn show(ui: &mut Ui, app: &Application, thumbnails: &mut Thumbnails, outbox: &mut Outbox) {
    ui.heading("Study");
    let Some(library) = &app.library else {
        ui.weak("Nothing is open. Drop a folder or a file here, or use Open.");
        return;
    };
    let shown = app.shown_series();
    thumbnails
        .textures
        .retain(|id, _| app.resources.thumbnails.contains_key(id));
    let placed = Placed::of(library);
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        for patient in &library.patients {
            let hidden = app.screen.anonymous;
            let name = match patient.name.as_str() {
                _ if hidden => "Name hidden",
                "" => "No name",
                name => name,
            };
            ui.label(RichText::new(name).strong());
            if !patient.id.is_empty() && !hidden {
                ui.weak(format!("ID {}", patient.id));
            }
            for study in &patient.studies {
                let date = if hidden { "" } else { study.date.as_str() };
                let mut title = readable_date(date);
                if !study.description.is_empty() {
                    title = format!("{title}  {}", study.description);
                }
                if !title.trim().is_empty() {
                    ui.label(RichText::new(title.trim()).color(theme::FAINT));
                }
                for series in &study.series {
                    let id = series.id();
                    let on = shown.contains(&id);
                    let picture = thumbnails.get(ui, &app.resources, &id);
                    series_entry(ui, app, series, picture, on, outbox);
                    placed.show(ui, app, Some(&id), outbox);
                }
            }
            ui.add_space(6.0);
        }
        placed.show(ui, app, None, outbox);
        if !library.refused.is_empty() {
            refused(ui, library);
        }
    });
}

/// The side of a thumbnail in points.
const SIDE: f32 = THUMBNAIL_PX as f32 / 2.0;

fn series_entry(
    ui: &mut Ui,
    app: &Application,
    series: &Series,
    picture: Option<&TextureHandle>,
    on: bool,
    outbox: &mut Outbox,
) {
    let description = if series.description.is_empty() {
        "no description"
    } else {
        &series.description
    };
    let title = format!("{}  {}", series.modality_code, shortened(description, 30));
    let dims = series.grid.dims();
    let spacing = series.grid.spacing_mm();
    let times = match series.times {
        0 | 1 => String::new(),
        n => format!("   {n} time points"),
    };
    let size = match (series.stated.spacing, dims.z) {
        (Spacing::Patient, 1) => format!("{:.2} × {:.2} mm", spacing.x, spacing.y),
        (Spacing::Patient, _) => {
            format!("{:.2} × {:.2} × {:.2} mm", spacing.x, spacing.y, spacing.z)
        }
        (Spacing::Detector, _) => format!("{:.2} × {:.2} mm at the detector", spacing.x, spacing.y),
        (Spacing::Unknown, _) => "size not known".into(),
    };
    let uptake = series.suv.as_ref();
    let uptake = uptake.map_or_else(String::new, |suv| format!("   {}", suv.kind));
    let detail = format!(
        "{} × {} × {}   {size}{times}{uptake}",
        dims.x, dims.y, dims.z
    );
    let id = series.id();
    let drag = egui::Id::unique(("series", &id));
    let response = ui
        .dnd_drag_source(drag, id.clone(), |ui| {
            theme::card().show(ui, |ui| {
                ui.set_width(ui.available_width());
                ui.horizontal(|ui| {
                    if let Some(texture) = picture {
                        let side = egui::Vec2::splat(SIDE);
                        ui.add(egui::Image::new((texture.id(), side)));
                    }
                    ui.vertical(|ui| {
                        let mut text = RichText::new(&title);
                        if on {
                            text = text.color(theme::ACCENT).strong();
                        }
                        ui.add(egui::Label::new(text).selectable(false));
                        ui.add(egui::Label::new(RichText::new(detail).small()).selectable(false));
                    });
                });
                for warning in &series.warnings {
                    let text = RichText::new(&warning.message).small();
                    ui.add(egui::Label::new(text.color(theme::WARNING)).selectable(false));
                }
            });
        })
        .response;
    let response = ui
        .interact(response.rect, drag.with("click"), egui::Sense::click())
        .on_hover_text(
            "Double-click for the active view, or drag onto a view; with Shift it is laid over what \
             the view shows.",
        );
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &title));
    let show = |placement| Effect::Show(id.clone(), placement);
    if response.double_clicked() {
        outbox.push(show(Placement::Active));
    }
    response.context_menu(|ui| {
        for (text, placement) in [
            ("Show in the active view", Placement::Active),
            ("Show in all views", Placement::AllViews),
        ] {
            if ui.button(text).clicked() {
                outbox.push(show(placement));
                ui.close();
            }
        }
        structure_list::offer_label_map(ui, app, series, outbox);
    });
}

/// The most reasons listed one by one; a folder may hold thousands of other files.
const MOST_REFUSED: usize = 200;
/// The most files of one reason that are named.
const MOST_PATHS: usize = 20;

fn refused(ui: &mut Ui, library: &Library) {
    let title = format!("Not opened ({})", library.refused.len());
    ui.collapsing(title, |ui| {
        let groups = library.refused_groups();
        for group in groups.iter().take(MOST_REFUSED) {
            let Some(first) = group.first() else {
                continue;
            };
            let name = first.path.file_name().unwrap_or(first.path.as_os_str());
            let title = match (group.files.len(), first.series_description.as_str()) {
                (1, _) => name.to_string_lossy().into_owned(),
                (n, "") => format!("{} and {} more", name.to_string_lossy(), n - 1),
                (n, series) => format!("{series}, {n} files"),
            };
            let paths = group.files.iter().take(MOST_PATHS);
            let paths: Vec<String> = paths.map(|r| r.path.display().to_string()).collect();
            ui.label(RichText::new(title).small())
                .on_hover_text(paths.join("\n"));
            ui.label(RichText::new(&first.message).small().color(theme::FAINT));
        }
        if groups.len() > MOST_REFUSED {
            ui.weak(format!("and {} more", groups.len() - MOST_REFUSED));
        }
    });
}
