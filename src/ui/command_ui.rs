//! Commands as buttons, menu entries and keys.

use egui::{Key, KeyboardShortcut, Modifiers, Response, Ui};
use m3d_imaging::volume::{CT_PRESETS, Modality};

use crate::app::{Application, Command, Outbox, Seen, Shortcut};

fn keyboard(shortcut: &Shortcut) -> Option<KeyboardShortcut> {
    let mut modifiers = Modifiers::NONE;
    modifiers.command = shortcut.command;
    modifiers.shift = shortcut.shift;
    modifiers.alt = shortcut.alt;
    Some(KeyboardShortcut::new(
        modifiers,
        Key::from_name(&shortcut.key)?,
    ))
}

/// A key with its modifiers as the system writes them.
pub fn key_text(ctx: &egui::Context, shortcut: &Shortcut) -> String {
    let keys = keyboard(shortcut);
    keys.map_or_else(String::new, |keys| ctx.format_shortcut(&keys))
}

/// Runs the commands whose keys were pressed; none while the reader is typing.
pub fn keys(ctx: &egui::Context, app: &Application, outbox: &mut Outbox) {
    if ctx.egui_wants_keyboard_input() {
        return;
    }
    let mut with_keys: Vec<(Command, KeyboardShortcut)> = Command::all()
        .into_iter()
        .filter_map(|command| Some((command, keyboard(&app.settings().keys.of(command)?)?)))
        .collect();
    // egui matches modifiers loosely: the more special shortcut must be asked first.
    with_keys.sort_by_key(|(_, keys)| !(keys.modifiers.shift || keys.modifiers.alt));
    ctx.input_mut(|input| {
        for (command, keys) in &with_keys {
            if input.consume_shortcut(keys) {
                outbox.run(*command);
            }
        }
    });
}

/// What a tooltip says: what the command does and its key.
fn hint(ui: &Ui, app: &Application, command: Command) -> String {
    match app.settings().keys.of(command) {
        Some(shortcut) => {
            let keys = key_text(ui.ctx(), &shortcut);
            format!("{} ({keys})", command.tooltip())
        }
        None => command.tooltip().to_owned(),
    }
}

/// A button for a command.
pub fn button(ui: &mut Ui, app: &Application, command: Command, outbox: &mut Outbox) -> Response {
    let enabled = app.can_run(command);
    let hint = hint(ui, app, command);
    let response = ui
        .add_enabled(enabled, egui::Button::new(app.label_of(command)))
        .on_hover_text(&hint)
        .on_disabled_hover_text(hint);
    if response.clicked() {
        outbox.run(command);
    }
    response
}

/// A button that shows whether its command is in force.
pub fn toggle(
    ui: &mut Ui,
    app: &Application,
    command: Command,
    on: bool,
    outbox: &mut Outbox,
) -> Response {
    let hint = hint(ui, app, command);
    let enabled = app.can_run(command);
    let button = egui::Button::selectable(on, app.label_of(command));
    let response = ui.add_enabled(enabled, button).on_hover_text(hint);
    if response.clicked() {
        outbox.run(command);
    }
    response
}

/// A line of a menu: the command with its key.
pub fn entry(ui: &mut Ui, app: &Application, command: Command, outbox: &mut Outbox) {
    let keys = app.settings().keys.of(command);
    let keys = keys.map_or_else(String::new, |keys| key_text(ui.ctx(), &keys));
    let button = egui::Button::new(app.label_of(command)).shortcut_text(keys);
    let response = ui
        .add_enabled(app.can_run(command), button)
        .on_hover_text(command.tooltip());
    if response.clicked() {
        outbox.run(command);
        ui.close();
    }
}

/// The commands that choose a window for what a view shows.
pub fn window_commands(seen: &Seen<'_>) -> impl Iterator<Item = Command> + use<> {
    let presets = match seen.shown_as() {
        Modality::Ct => CT_PRESETS.len(),
        _ => 0,
    };
    let presets = (0..presets).map(Command::WindowPreset);
    presets.chain([Command::WindowFromValues])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shortcut_names_a_key_egui_knows() {
        for command in Command::all() {
            if let Some(shortcut) = command.shortcut() {
                assert!(
                    keyboard(&shortcut).is_some(),
                    "{command:?}: {}",
                    shortcut.key
                );
            }
        }
    }
}
