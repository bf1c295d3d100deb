//! Commands as buttons, menu entries and keys.

use egui::{Event, Key, KeyboardShortcut, Modifiers, Response, Ui};
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

/// Runs the commands whose keys were pressed, in order; none while the reader is typing. What is typed
/// behind the key that opens a field comes back: it belongs there.
pub fn keys(ctx: &egui::Context, app: &Application, outbox: &mut Outbox) -> String {
    if ctx.egui_wants_keyboard_input() {
        return String::new();
    }
    let mut with_keys: Vec<(Command, KeyboardShortcut)> = Command::all()
        .into_iter()
        .filter_map(|command| Some((command, keyboard(&app.settings().keys.of(command)?)?)))
        .collect();
    // egui matches modifiers loosely: the more special shortcut must be asked first.
    with_keys.sort_by_key(|(_, keys)| !(keys.modifiers.shift || keys.modifiers.alt));
    let menu = egui::Popup::is_any_open(ctx);
    ctx.input_mut(|input| {
        let mut at = 0;
        while let Some(event) = input.events.get(at) {
            // Escape closes an open menu.
            let mut candidates = with_keys
                .iter()
                .filter(|(_, keys)| !(menu && keys.logical_key == Key::Escape))
                // What a command has no use for now is left to the views: Escape gives up a drag.
                .filter(|(command, _)| app.can_run(*command));
            let Some((command, _)) = candidates.find(|(_, keys)| is_press(event, *keys)) else {
                at += 1;
                continue;
            };
            input.events.remove(at);
            outbox.run(*command);
            if opens_field(*command) {
                let behind = input.events.drain(at..);
                let typed = behind.filter_map(|event| match event {
                    Event::Text(text) => Some(text),
                    _ => None,
                });
                return typed.collect();
            }
        }
        String::new()
    })
}

fn is_press(event: &Event, keys: KeyboardShortcut) -> bool {
    matches!(event, Event::Key { key, modifiers, pressed: true, .. }
        if *key == keys.logical_key && modifiers.matches_logically(keys.modifiers))
}

/// Whether a command opens a field that the reader types in.
const fn opens_field(command: Command) -> bool {
    matches!(
        command,
        Command::OpenPath | Command::Palette | Command::SaveLayout
    )
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
