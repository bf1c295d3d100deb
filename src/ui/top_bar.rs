//! The bar above the views: opening, tools, windows, layout.

use egui::Ui;
use m3d_imaging::volume::{CT_PRESETS, VolumePreset};

use super::command_ui::{button, entry, toggle, window_commands};
use crate::app::{
    Application, Command, Effect, MeasurementKind, Outbox, Seen, StandardLayout, Tool, ViewKind,
};

/// Shows the bar.
pub fn show(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
    ui.horizontal_wrapped(|ui| {
        ui.menu_button("Open", |ui| {
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
        ui.separator();
        for tool in [Tool::Window, Tool::Crosshair, Tool::Box] {
            toggle(ui, app, Command::UseTool(tool), app.tool == tool, outbox);
        }
        measure_menu(ui, app, outbox);
        if let Some(seen) = app.seen_active() {
            ui.separator();
            image_controls(ui, app, &seen, outbox);
        }
        ui.separator();
        button(ui, app, Command::NextLayout, outbox);
        button(ui, app, Command::ResetView, outbox);
        ui.separator();
        button(ui, app, Command::Undo, outbox);
        button(ui, app, Command::Redo, outbox);
    });
}

/// How the image of the active view is shown.
fn image_controls(ui: &mut Ui, app: &Application, seen: &Seen<'_>, outbox: &mut Outbox) {
    let window = seen.window();
    let current = CT_PRESETS.iter().find(|p| p.window == window);
    let name = current.map_or("Custom", |p| p.name);
    ui.menu_button(format!("Preset: {name}"), |ui| {
        for command in window_commands(seen) {
            entry(ui, app, command, outbox);
        }
    });
    toggle(ui, app, Command::Invert, seen.layer.invert, outbox);
    ui.menu_button(format!("3-D: {}", app.volume_preset().name()), |ui| {
        for preset in VolumePreset::for_choice(seen.shown_as()) {
            entry(ui, app, Command::VolumePreset(preset), outbox);
        }
    });
    if seen.record.times > 1 {
        toggle(ui, app, Command::Play, app.playback.is_some(), outbox);
    }
}

/// The measuring tools; the button has the name of the one in hand.
fn measure_menu(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
    let chosen = match app.tool {
        Tool::Measure(kind) => Some(kind),
        _ => None,
    };
    let name = chosen.map_or("Measure", MeasurementKind::name);
    let button = egui::Button::selectable(chosen.is_some(), name);
    egui::containers::menu::MenuButton::from_button(button).ui(ui, |ui| {
        for kind in MeasurementKind::ALL {
            entry(ui, app, Command::UseTool(Tool::Measure(kind)), outbox);
        }
    });
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
    ui.menu_button("View", |ui| {
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
        ] {
            toggle(ui, app, command, on, outbox);
        }
    });
}
