//! Correcting masks: tools and their sizes, operations on the chosen mask, how it is drawn.

use egui::{DragValue, Grid, Slider, Ui};
use m3d_imaging::volume::edit::ValueRange;

use super::command_ui::{button, toggle};
use crate::app::{
    Application, Command, Edit, Effect, Finding, MaskAct, MaskLook, MaskOperation, MaskSettings,
    MaskTool, Outbox, Seen, Step, Tool,
};

/// Shows the section.
pub fn show(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
    let Some(seen) = app.seen_active() else {
        ui.weak("Open an image first.");
        return;
    };
    ui.horizontal_wrapped(|ui| {
        for tool in MaskTool::ALL {
            let tool = Tool::Mask(tool);
            toggle(ui, app, Command::UseTool(tool), app.tool == tool, outbox);
        }
    });
    let mut settings = app.masks.settings;
    tools(ui, &mut settings, &seen);
    threshold(ui, app, &seen, settings.range, outbox);
    ui.separator();
    match app.masks_in_hand() {
        None => {
            ui.weak("Choose a mask in the list (with Ctrl a second one to combine it with), or draw a new one.");
        }
        Some((mask, other)) => {
            ui.horizontal(|ui| {
                ui.strong(&mask.name);
                let new = ui
                    .small_button("New mask")
                    .on_hover_text("Draw a new mask next");
                if new.clicked() {
                    outbox.push(Effect::Select(Vec::new()));
                }
            });
            looks(ui, app, mask, outbox);
            operations(ui, app, &mut settings, other, outbox);
        }
    }
    if settings != app.masks.settings {
        outbox.push(Effect::Mask(MaskAct::Settings(settings)));
    }
}

fn number(ui: &mut Ui, name: &str, hint: &str, value: &mut f64, most: f64, unit: &str) {
    let label = ui.label(name);
    let drag = DragValue::new(value)
        .range(0.0..=most)
        .speed(0.1)
        .max_decimals(2)
        .suffix(unit);
    ui.add(drag).labelled_by(label.id).on_hover_text(hint);
    ui.end_row();
}

fn tools(ui: &mut Ui, settings: &mut MaskSettings, seen: &Seen<'_>) {
    Grid::new("mask tools").num_columns(2).show(ui, |ui| {
        let label = ui.label("Brush");
        let slider = Slider::new(&mut settings.size_mm, MaskSettings::SIZES_MM)
            .logarithmic(true)
            .suffix(" mm");
        ui.add(slider)
            .labelled_by(label.id)
            .on_hover_text("How large brush and eraser are across");
        ui.end_row();
        let hint = "How far a region goes from the click, at most";
        number(
            ui,
            "Region within",
            hint,
            &mut settings.reach_mm,
            1000.0,
            " mm",
        );
    });
    ui.checkbox(&mut settings.ball, "Ball")
        .on_hover_text("Paint and erase in all slices that a ball reaches");
    ui.checkbox(&mut settings.limit, "Only these values")
        .on_hover_text("All tools keep to voxels with values in the range below");
    ui.horizontal(|ui| {
        let range = &mut settings.range;
        let speed = seen.image.statistics.std.max(1e-6) / 100.0;
        let unit = format!(" {}", seen.volume().units().symbol());
        for (name, value) in [("From", &mut range.low), ("To", &mut range.high)] {
            let label = ui.label(name);
            let drag = DragValue::new(value).speed(speed).suffix(unit.trim_end());
            ui.add(drag)
                .labelled_by(label.id)
                .on_hover_text("The values that count, for the tools and the threshold");
        }
        *range = ValueRange::new(range.low, range.high);
    });
}

fn threshold(
    ui: &mut Ui,
    app: &Application,
    seen: &Seen<'_>,
    range: ValueRange,
    outbox: &mut Outbox,
) {
    let current = app.masks.threshold.as_ref();
    let here = current.filter(|t| t.image == seen.layer.image && t.time == seen.layer.time);
    let mut act = |act| outbox.push(Effect::Mask(act));
    ui.horizontal(|ui| {
        let mut on = here.is_some();
        let shown = ui
            .checkbox(&mut on, "Show these values")
            .on_hover_text("Show live which voxels have values in the range");
        if shown.changed() {
            act(MaskAct::Preview(on.then_some(range)));
        } else if here.is_some_and(|t| t.range != range) {
            act(MaskAct::Preview(Some(range)));
        }
        let take = ui
            .add_enabled(here.is_some(), egui::Button::new("Take"))
            .on_hover_text("Put them into the chosen mask, or a new one");
        if take.clicked() {
            act(MaskAct::TakePreview);
        }
    });
}

/// How a mask is drawn.
fn looks(ui: &mut Ui, app: &Application, mask: &Finding, outbox: &mut Outbox) {
    let MaskLook {
        opacity,
        mut outline,
    } = mask.mask_look;
    let mut shown = opacity.unwrap_or(app.workspace.display.mask_opacity);
    let mut locked = mask.locked;
    let mut changed = mask.clone();
    let mut label = None;
    ui.horizontal(|ui| {
        let name = ui.label("Opacity");
        let slider = Slider::new(&mut shown, 0.05..=1.0).show_value(false);
        if ui.add(slider).labelled_by(name.id).changed() {
            changed.mask_look.opacity = Some(shown);
            label = Some("opacity of");
        }
    });
    ui.horizontal(|ui| {
        if ui
            .checkbox(&mut outline, "Outline alone")
            .on_hover_text("Draw the outline alone on slices")
            .changed()
        {
            changed.mask_look.outline = outline;
            label = Some("outline of");
        }
        if ui
            .checkbox(&mut locked, "Locked")
            .on_hover_text("Keep it safe from changes")
            .changed()
        {
            changed.locked = locked;
            label = Some(if locked { "lock" } else { "unlock" });
        }
    });
    if let Some(label) = label {
        // All that is chosen in one drag of the slider is one step.
        let began = ui.input(|i| i.pointer.press_start_time().unwrap_or_default());
        let group = ui.scope_id().with((label, began.to_bits())).value();
        let step = Step::of_group(format!("{label} {}", mask.name), group);
        outbox.step(Edit::add(changed), step);
    }
}

fn operations(
    ui: &mut Ui,
    app: &Application,
    settings: &mut MaskSettings,
    other: Option<&Finding>,
    outbox: &mut Outbox,
) {
    Grid::new("mask amounts").num_columns(2).show(ui, |ui| {
        let hint = "How far grow and shrink move the border";
        number(
            ui,
            "Grow, shrink by",
            hint,
            &mut settings.move_mm,
            200.0,
            " mm",
        );
        let hint = "The deviation of the blur; details of less than twice that go";
        number(ui, "Smooth by", hint, &mut settings.smooth_mm, 50.0, " mm");
        let hint = "Pieces smaller than this are islands";
        number(
            ui,
            "Islands below",
            hint,
            &mut settings.island_ml,
            10_000.0,
            " mL",
        );
    });
    ui.horizontal_wrapped(|ui| {
        for operation in MaskOperation::ALL {
            if operation.combines().is_none() {
                button(ui, app, Command::Mask(operation), outbox);
            }
        }
    });
    let name = other.map(|other| format!("With {}:", other.name));
    ui.label(name.unwrap_or_else(|| "With another mask (Ctrl and a click in the list):".into()));
    ui.horizontal_wrapped(|ui| {
        for operation in MaskOperation::ALL {
            if operation.combines().is_some() {
                button(ui, app, Command::Mask(operation), outbox);
            }
        }
    });
}
