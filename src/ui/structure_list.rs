//! Segmentations and structure sets in the study panel.

use egui::{Color32, Label, RichText, Sense, Ui};
use m3d_imaging::io::objects::{ObjectKind, ObjectOnTop};
use m3d_imaging::io::{Library, Series, SeriesId};

use super::theme;
use crate::app::{Application, Effect, Outbox, StructureFile, shortened};

/// Letters of the names of structures that are listed.
const MOST_LETTERS: usize = 60;
/// The most swatches of colours.
const MOST_SWATCHES: usize = 12;

/// The objects of a library, each with the series it is listed under.
pub struct Placed<'a> {
    objects: Vec<(Option<SeriesId>, &'a ObjectOnTop)>,
}

impl<'a> Placed<'a> {
    /// Those of a library: an object is listed under the first image it lies on.
    pub fn of(library: &'a Library) -> Self {
        let first = |object| {
            let images = library.images_of(object);
            images.first().map(|(series, _)| series.id())
        };
        let objects = library.objects.iter();
        Self {
            objects: objects.map(|object| (first(object), object)).collect(),
        }
    }

    /// Shows those of a series, or (`None`) those whose image is not here.
    pub fn show(
        &self,
        ui: &mut Ui,
        app: &Application,
        under: Option<&SeriesId>,
        outbox: &mut Outbox,
    ) {
        let ours = self.objects.iter().filter(|(id, _)| id.as_ref() == under);
        for (n, (_, object)) in ours.enumerate() {
            if under.is_none() && n == 0 {
                ui.label(RichText::new("Structures whose image is not here").color(theme::FAINT));
            }
            entry(ui, app, object, outbox);
        }
    }
}

fn entry(ui: &mut Ui, app: &Application, object: &ObjectOnTop, outbox: &mut Outbox) {
    let title = title(object);
    let shown = ui.horizontal(|ui| {
        ui.add_space(10.0);
        theme::card().show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.add(Label::new(RichText::new(&title).small()).selectable(false));
            swatches(ui, object);
            for warning in &object.warnings {
                let text = RichText::new(&warning.message).small();
                ui.add(Label::new(text.color(theme::WARNING)).selectable(false));
            }
        });
    });
    let id = ui.scope_id().with(("object", &object.path));
    let response = ui.interact(shown.response.rect, id, Sense::click());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &title));
    let all: Vec<&str> = object.structures.iter().map(|s| s.name.as_str()).collect();
    let hint = match app.image_for(object) {
        Some(_) => "Double-click to load them onto their image.",
        None => "Open the images of the study as well: the structures lie on one of them.",
    };
    let response = response.on_hover_text(format!("{}\n{hint}", shortened(&all.join(", "), 600)));
    let load = |onto: SeriesId| Effect::LoadStructures {
        from: StructureFile::Object(Box::new(object.clone())),
        onto,
    };
    if response.double_clicked()
        && let Some(onto) = app.image_for(object)
    {
        outbox.push(load(onto));
    }
    response.context_menu(|ui| {
        let images = app.library.iter().flat_map(|l| l.images_of(object));
        let mut none = true;
        for (series, _) in images {
            none = false;
            if ui.button(format!("Load onto {}", name(series))).clicked() {
                outbox.push(load(series.id()));
                ui.close();
            }
        }
        if none {
            ui.weak(hint);
        }
    });
}

fn title(object: &ObjectOnTop) -> String {
    let kind = match object.kind {
        ObjectKind::Segmentation => "Segmentation",
        ObjectKind::StructureSet => "Structure set",
    };
    let names: Vec<&str> = object.structures.iter().map(|s| s.name.as_str()).collect();
    let names = shortened(&names.join(", "), MOST_LETTERS);
    let plural = if object.structures.len() == 1 {
        ""
    } else {
        "s"
    };
    format!(
        "{kind}, {} structure{plural}: {names}",
        object.structures.len()
    )
}

fn swatches(ui: &mut Ui, object: &ObjectOnTop) {
    let own = |s: &m3d_imaging::io::objects::Structure| s.colour.or_else(|| s.term?.colour());
    let colours: Vec<[u8; 3]> = object.structures.iter().filter_map(own).collect();
    if colours.is_empty() {
        return;
    }
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 3.0;
        for [r, g, b] in colours.into_iter().take(MOST_SWATCHES) {
            let (swatch, _) = ui.allocate_exact_size(egui::vec2(9.0, 9.0), Sense::hover());
            let colour = Color32::from_rgb(r, g, b);
            ui.painter().rect_filled(swatch, 2.0, colour);
        }
    });
}

/// What a series is called in menus.
fn name(series: &Series) -> String {
    let name = format!(
        "{} {}",
        series.modality_code,
        shortened(&series.description, 30)
    );
    name.trim().to_owned()
}

/// What the context menu of a series offers where it may be a label map of an image on screen.
pub fn offer_label_map(ui: &mut Ui, app: &Application, series: &Series, outbox: &mut Outbox) {
    for (onto, title) in app.labelled_by(series) {
        let text = format!("Load as segmentation of {}", shortened(title.trim(), 40));
        if ui.button(text).clicked() {
            let from = StructureFile::LabelMap(Box::new(series.clone()));
            outbox.push(Effect::LoadStructures { from, onto });
            ui.close();
        }
    }
}
