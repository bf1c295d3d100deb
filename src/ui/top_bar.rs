//! The bar above the views: opening, tools, windows, layout.

use egui::Ui;
use m3d_imaging::volume::{CT_PRESETS, VolumePreset};

use super::command_ui::{entry, icon_button, icon_toggle, menu_button, toggle, window_commands};
use crate::app::{
    Application, Command, Effect, MaskTool, MeasurementKind, Outbox, Seen, StandardLayout, Tool,
    ViewKind,
};

/// The menus of files and views.
pub fn menus(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
    menu_button(ui, "Open", false, |ui| {
        for command in [
            Command::OpenFolder,
            Command::OpenFile,
            Command::OpenPath,
            Command::OpenBeside,
        ] {
            entry(ui, app, command, outbox);
        }
        recent_menu(ui, app, outbox);
        ui.separator();
        for command in [
            Command::OpenSession,
            Command::SaveSession,
            Command::ForgetStudy,
        ] {
            entry(ui, app, command, outbox);
        }
        ui.separator();
        for command in [
            Command::ShowModels,
            Command::ChooseModel,
            Command::UnloadModel,
        ] {
            entry(ui, app, command, outbox);
        }
        ui.separator();
        for command in [Command::Palette, Command::Keys] {
            entry(ui, app, command, outbox);
        }
    });
    layout_menu(ui, app, outbox);
}

/// Shows the bar: tools, how the image is shown, what is taken back.
pub fn show(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
    ui.horizontal_wrapped(|ui| {
        let tool = |tool| Command::UseTool(tool);
        for each in [Tool::Window, Tool::Crosshair, Tool::Box] {
            icon_toggle(ui, app, tool(each), app.tool == each, outbox);
        }
        ui.separator();
        let near = [
            MeasurementKind::Length,
            MeasurementKind::Angle,
            MeasurementKind::Ellipse,
            MeasurementKind::Arrow,
        ];
        for each in near.map(Tool::Measure) {
            icon_toggle(ui, app, tool(each), app.tool == each, outbox);
        }
        let chosen = match app.tool {
            Tool::Measure(kind) if !near.contains(&kind) => Some(kind),
            _ => None,
        };
        menu_button(
            ui,
            chosen.map_or("More", MeasurementKind::name),
            chosen.is_some(),
            |ui| {
                for kind in MeasurementKind::ALL {
                    entry(ui, app, tool(Tool::Measure(kind)), outbox);
                }
            },
        );
        ui.separator();
        for each in MaskTool::ALL.map(Tool::Mask) {
            icon_toggle(ui, app, tool(each), app.tool == each, outbox);
        }
        if let Some(seen) = app.seen_active() {
            ui.separator();
            image_controls(ui, app, &seen, outbox);
        }
        ui.separator();
        for command in [
            Command::NextLayout,
            Command::ResetView,
            Command::Undo,
            Command::Redo,
        ] {
            icon_button(ui, app, command, outbox);
        }
    });
}

/// How the image of the active view is shown.
fn image_controls(ui: &mut Ui, app: &Application, seen: &Seen<'_>, outbox: &mut Outbox) {
    let window = seen.window();
    let current = CT_PRESETS.iter().find(|p| p.window == window);
    let name = current.map_or("Manual", |p| p.name);
    menu_button(ui, name, false, |ui| {
        for command in window_commands(seen) {
            entry(ui, app, command, outbox);
        }
    });
    icon_toggle(ui, app, Command::Invert, seen.layer.invert, outbox);
    menu_button(
        ui,
        &format!("3-D {}", app.volume_preset().name()),
        false,
        |ui| {
            for preset in VolumePreset::for_choice(seen.shown_as()) {
                entry(ui, app, Command::VolumePreset(preset), outbox);
            }
        },
    );
    icon_toggle(ui, app, Command::Play, app.playback.is_some(), outbox);
    if app.playback.is_some() {
        let mut rate = app.rate;
        let drag = egui::DragValue::new(&mut rate)
            .range(1.0..=60.0)
            .speed(0.2)
            .suffix(" /s");
        if ui.add(drag).on_hover_text("Pictures a second").changed() {
            outbox.push(Effect::Rate(rate));
        }
    }
}

fn recent_menu(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
    if app.recent_studies().is_empty() {
        return;
    }
    ui.menu_button("Open recent", |ui| {
        for recent in app.recent_studies() {
            let button = ui.button(recent.title());
            let button = button.on_hover_text(recent.path.display().to_string());
            if button.clicked() {
                outbox.push(Effect::OpenRecent(recent.study));
                ui.close();
            }
        }
    });
}

fn layout_menu(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
    menu_button(ui, "View", false, |ui| {
        for layout in StandardLayout::ALL {
            entry(ui, app, Command::Layout(layout), outbox);
        }
        for named in &app.settings().layouts {
            if ui.button(&named.name).clicked() {
                outbox.push(Effect::Arrange(named.clone()));
                ui.close();
            }
        }
        ui.menu_button("Plane", |ui| {
            for kind in ViewKind::ALL {
                entry(ui, app, Command::Plane(kind), outbox);
            }
        });
        ui.separator();
        for command in [Command::SaveLayout, Command::Maximise, Command::NextLayout] {
            entry(ui, app, command, outbox);
        }
        ui.separator();
        let links = app.workspace.links;
        let anchored = !app.workspace.anchors.is_empty();
        for (command, on) in [
            (Command::LinkZoom, links.zoom),
            (Command::LinkWindow, links.window),
            (Command::LinkPlaces, anchored),
            (Command::ShowOverlays, app.screen.overlays),
            (Command::ShowCrosshair, app.screen.crosshair),
            (Command::HideNames, app.screen.anonymous),
        ] {
            toggle(ui, app, command, on, outbox);
        }
    });
}
