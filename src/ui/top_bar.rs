//! The bar above the views: opening, tools, windows, layout.

use egui::Ui;

use super::command_ui::{button, named_button, toggle};
use crate::app::{Application, Command, Tool};
use m3d_imaging::volume::{CT_PRESETS, Modality, VolumePreset, Window};

/// Shows the bar.
pub fn show(ui: &mut Ui, app: &Application, commands: &mut Vec<Command>) {
    ui.horizontal_wrapped(|ui| {
        ui.menu_button("Open", |ui| {
            button(ui, Command::OpenFolder, true, commands);
            button(ui, Command::OpenFile, true, commands);
            button(ui, Command::OpenPath, true, commands);
            ui.separator();
            button(ui, Command::ShowModels, true, commands);
            button(ui, Command::ChooseModel, true, commands);
            button(ui, Command::UnloadModel, true, commands);
        });
        let Some(shown) = &app.document.shown else {
            return;
        };
        ui.separator();
        for tool in Tool::ALL {
            toggle(ui, Command::UseTool(tool), app.tool == tool, commands);
        }
        ui.separator();
        window_menu(ui, shown.shown_as(), shown.window, commands);
        toggle(ui, Command::Invert, shown.invert, commands);
        ui.menu_button(format!("3-D: {}", shown.preset.name()), |ui| {
            for preset in VolumePreset::for_choice(shown.shown_as()) {
                button(ui, Command::VolumePreset(preset), true, commands);
            }
        });
        ui.separator();
        button(ui, Command::NextLayout, true, commands);
        button(ui, Command::ResetView, true, commands);
        ui.separator();
        let steps = shown.findings.undo_redo_labels();
        for (command, step) in [Command::Undo, Command::Redo].into_iter().zip(steps) {
            let label = command.label();
            let name = step.map_or(label.to_owned(), |step| format!("{label}: {step}"));
            named_button(ui, command, &name, step.is_some(), commands);
        }
    });
}

fn window_menu(ui: &mut Ui, modality: Modality, window: Window, commands: &mut Vec<Command>) {
    let current = CT_PRESETS.iter().find(|p| p.window == window);
    let name = current.map_or("Custom", |p| p.name);
    ui.menu_button(format!("Preset: {name}"), |ui| {
        if modality == Modality::Ct {
            for (n, preset) in CT_PRESETS.iter().enumerate() {
                let Window { centre, width } = preset.window;
                button(ui, Command::WindowPreset(n), true, commands)
                    .on_hover_text(format!("W {width:.0}  C {centre:.0}"));
            }
            ui.separator();
        }
        button(ui, Command::WindowFromValues, true, commands);
    });
}
