//! How the image is shown: window, interpolation, masks, the 3-D view.

use egui::{DragValue, Grid, Slider, Ui};

use super::command_ui::toggle;
use crate::app::{Application, Command};
use m3d_imaging::volume::{VolumePreset, Window};

/// Shows the settings.
pub fn show(ui: &mut Ui, app: &mut Application, commands: &mut Vec<Command>) {
    let Some(shown) = &mut app.document.shown else {
        ui.weak("Open an image first.");
        return;
    };
    Grid::new("display").num_columns(2).show(ui, |ui| {
        let (mut width, mut centre) = (shown.window.width, shown.window.centre);
        let speed = f64::from(width) / 200.0;
        let decimals = if width < 20.0 { 3 } else { 0 };
        let label = ui.label("Width");
        let w = ui
            .add(
                DragValue::new(&mut width)
                    .speed(speed)
                    .max_decimals(decimals),
            )
            .labelled_by(label.id);
        ui.end_row();
        let label = ui.label("Centre");
        let c = ui
            .add(
                DragValue::new(&mut centre)
                    .speed(speed)
                    .max_decimals(decimals),
            )
            .labelled_by(label.id);
        ui.end_row();
        if w.changed() || c.changed() {
            shown.window = Window::new(centre, width);
        }
        let label = ui.label("Masks");
        ui.add(Slider::new(&mut app.mask_opacity, 0.0..=1.0).show_value(false))
            .labelled_by(label.id)
            .on_hover_text("Opacity of masks");
        ui.end_row();
    });
    ui.checkbox(&mut app.interpolate, "Smooth between voxels");
    ui.add_space(4.0);
    ui.label("3-D view");
    ui.horizontal_wrapped(|ui| {
        for preset in VolumePreset::for_choice(shown.shown_as()) {
            let on = shown.preset == preset;
            toggle(ui, Command::VolumePreset(preset), on, commands);
        }
    });
    ui.add_space(4.0);
    let grid = shown.volume.grid();
    let (dims, mm) = (grid.dims(), grid.spacing_mm());
    ui.small(format!(
        "{} × {} × {} voxels of {:.3} × {:.3} × {:.3} mm, {} on disk, {:.0} MB",
        dims.x,
        dims.y,
        dims.z,
        mm.x,
        mm.y,
        mm.z,
        shown.volume.voxels().type_name(),
        shown.volume.byte_len() as f64 / 1e6,
    ));
}
