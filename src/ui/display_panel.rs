//! How images are shown: windows, layers, interpolation, masks, the 3-D view.

use egui::{ComboBox, DragValue, Grid, RichText, Slider, Ui};
use m3d_imaging::volume::{Spacing, Suv, VolumePreset, Window};

use super::command_ui::toggle;
use super::theme;
use crate::app::{Application, Command, Display, Edit, Layer, Outbox, Seen, Step, shortened};
use crate::render::ColourMap;

/// Shows the settings of the active view.
pub fn show(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
    let Some(seen) = app.seen_active() else {
        ui.weak("Open an image first.");
        return;
    };
    Grid::new("display").num_columns(2).show(ui, |ui| {
        if let Some(window) = window_values(ui, seen.window(), seen.image.series.suv.as_ref()) {
            for edit in app.layer_edits(seen.id, |layer| layer.window = window) {
                outbox.step(edit, Step::of_group("window", group_of(ui, "window")));
            }
        }
        let display = app.workspace.display;
        let mut mask_opacity = display.mask_opacity;
        let label = ui.label("Masks");
        let slider = ui
            .add(Slider::new(&mut mask_opacity, 0.0..=1.0).show_value(false))
            .labelled_by(label.id)
            .on_hover_text("Opacity of masks");
        if slider.changed() {
            outbox.look([Edit::Display(Display {
                mask_opacity,
                ..display
            })]);
        }
        ui.end_row();
        time(ui, app, &seen, outbox);
    });
    let display = app.workspace.display;
    let mut interpolate = display.interpolate;
    if ui
        .checkbox(&mut interpolate, "Smooth between voxels")
        .changed()
    {
        outbox.look([Edit::Display(Display {
            interpolate,
            ..display
        })]);
    }
    layers(ui, app, &seen, outbox);
    ui.add_space(4.0);
    ui.label("3-D view");
    ui.horizontal_wrapped(|ui| {
        for preset in VolumePreset::for_choice(seen.shown_as()) {
            let on = app.volume_preset() == preset;
            toggle(ui, app, Command::VolumePreset(preset), on, outbox);
        }
    });
    ui.add_space(4.0);
    let (dims, mm) = (seen.grid().dims(), seen.grid().spacing_mm());
    let size = match seen.image.series.stated.spacing {
        Spacing::Patient => format!("{:.3} × {:.3} × {:.3} mm", mm.x, mm.y, mm.z),
        Spacing::Detector => format!("{:.3} × {:.3} mm at the detector", mm.x, mm.y),
        Spacing::Unknown => "unknown size".into(),
    };
    ui.small(format!(
        "{} × {} × {} voxels of {size}, {} on disk, {:.0} MB",
        dims.x,
        dims.y,
        dims.z,
        seen.volume().voxels().type_name(),
        seen.volume().byte_len() as f64 / 1e6,
    ));
}

/// Values typed or dragged in one go are one step: told by the press that they began with.
fn group_of(ui: &Ui, what: &str) -> u64 {
    let began = ui.input(|i| i.pointer.press_start_time().unwrap_or_default());
    ui.scope_id().with((what, began.to_bits())).value()
}

/// Width and centre as numbers, as uptake where that is known; the window when one was changed.
pub fn window_values(ui: &mut Ui, window: Window, suv: Option<&Suv>) -> Option<Window> {
    let factor = suv.map_or(1.0, |suv| suv.factor as f32);
    let unit = suv.map_or_else(String::new, |suv| format!(" {}", suv.kind));
    let (mut width, mut centre) = (window.width * factor, window.centre * factor);
    let speed = f64::from(width) / 200.0;
    let decimals = if width < 20.0 { 3 } else { 0 };
    let number = |ui: &mut Ui, name: &str, value: &mut f32| {
        let label = ui.label(name);
        let drag = DragValue::new(value).speed(speed).max_decimals(decimals);
        let drag = drag.suffix(&unit);
        let changed = ui.add(drag).labelled_by(label.id).changed();
        ui.end_row();
        changed
    };
    let w = number(ui, "Width", &mut width);
    let c = number(ui, "Centre", &mut centre);
    (w || c).then(|| Window::new(centre / factor, width / factor))
}

fn time(ui: &mut Ui, app: &Application, seen: &Seen<'_>, outbox: &mut Outbox) {
    let times = seen.record.times;
    if times < 2 {
        return;
    }
    let mut time = seen.layer.time + 1;
    let label = ui.label("Time");
    let slider = Slider::new(&mut time, 1..=times).text(format!("of {times}"));
    if ui.add(slider).labelled_by(label.id).changed() {
        outbox.look(app.time_edits(seen.id, time - 1));
    }
    ui.end_row();
}

/// The images laid over the base, each with its colours and opacity.
fn layers(ui: &mut Ui, app: &Application, seen: &Seen<'_>, outbox: &mut Outbox) {
    let over = seen.view.layers.iter().enumerate().skip(1);
    for (n, layer) in over {
        let record = app.workspace.images.get(&layer.image);
        let title = record.map_or("", |record| record.description.as_str());
        let source = app.resources.source(&layer.image);
        let suv = source.and_then(|series| series.suv.as_ref());
        theme::card().show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.horizontal(|ui| {
                ui.label(RichText::new(format!("Over: {}", shortened(title, 24))).strong());
                if ui.small_button("Take away").clicked() {
                    put_layer(seen, n, None, Step::new("take layer away"), outbox);
                }
            });
            let mut changed = layer.clone();
            ComboBox::from_id_salt(("colours", n))
                .selected_text(layer.colour_map.name())
                .show_ui(ui, |ui| {
                    for map in ColourMap::ALL {
                        ui.selectable_value(&mut changed.colour_map, map, map.name());
                    }
                });
            ui.add(Slider::new(&mut changed.opacity, 0.0..=1.0).text("opacity"));
            Grid::new(("layer", n)).num_columns(2).show(ui, |ui| {
                if let Some(window) = window_values(ui, layer.window, suv) {
                    changed.window = window;
                }
            });
            if changed != *layer {
                let step = Step::of_group("layer", group_of(ui, "layer"));
                put_layer(seen, n, Some(changed), step, outbox);
            }
        });
    }
}

fn put_layer(seen: &Seen<'_>, n: usize, layer: Option<Layer>, step: Step, outbox: &mut Outbox) {
    let mut view = seen.view.clone();
    match layer {
        Some(layer) => view.layers[n] = layer,
        None => drop(view.layers.remove(n)),
    }
    outbox.step(Edit::view(seen.id, view), step);
}
