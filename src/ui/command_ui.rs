//! Commands as buttons, menu entries and keys.

use egui::{Key, KeyboardShortcut, Modifiers, Response, Ui};

use crate::app::{Command, Shortcut};

fn keyboard(shortcut: Shortcut) -> Option<KeyboardShortcut> {
    let mut modifiers = Modifiers::NONE;
    modifiers.command = shortcut.command;
    modifiers.shift = shortcut.shift;
    Some(KeyboardShortcut::new(
        modifiers,
        Key::from_name(shortcut.key)?,
    ))
}

/// The commands whose keys were pressed; none while the reader is typing.
pub fn pressed(ctx: &egui::Context) -> Vec<Command> {
    if ctx.egui_wants_keyboard_input() {
        return Vec::new();
    }
    let mut with_keys: Vec<(Command, KeyboardShortcut)> = Command::all()
        .into_iter()
        .filter_map(|command| Some((command, keyboard(command.shortcut()?)?)))
        .collect();
    // egui matches modifiers loosely: the more special shortcut must be asked first.
    with_keys.sort_by_key(|(_, keys)| !keys.modifiers.shift);
    ctx.input_mut(|input| {
        with_keys
            .iter()
            .filter(|(_, keys)| input.consume_shortcut(keys))
            .map(|(command, _)| *command)
            .collect()
    })
}

/// What a tooltip says: what the command does and its key.
fn hint(ui: &Ui, command: Command) -> String {
    match command.shortcut().and_then(keyboard) {
        Some(keys) => format!(
            "{} ({})",
            command.tooltip(),
            ui.ctx().format_shortcut(&keys)
        ),
        None => command.tooltip().to_owned(),
    }
}

/// A button for a command.
pub fn button(
    ui: &mut Ui,
    command: Command,
    enabled: bool,
    commands: &mut Vec<Command>,
) -> Response {
    named_button(ui, command, command.label(), enabled, commands)
}

/// A button for a command under a name that says more than the command's label.
pub fn named_button(
    ui: &mut Ui,
    command: Command,
    name: &str,
    enabled: bool,
    commands: &mut Vec<Command>,
) -> Response {
    let hint = hint(ui, command);
    let response = ui
        .add_enabled(enabled, egui::Button::new(name))
        .on_hover_text(hint);
    if response.clicked() {
        commands.push(command);
    }
    response
}

/// A button that shows whether its command is in force.
pub fn toggle(ui: &mut Ui, command: Command, on: bool, commands: &mut Vec<Command>) -> Response {
    let hint = hint(ui, command);
    let response = ui.selectable_label(on, command.label()).on_hover_text(hint);
    if response.clicked() {
        commands.push(command);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shortcut_names_a_key_egui_knows() {
        for command in Command::all() {
            if let Some(shortcut) = command.shortcut() {
                assert!(
                    keyboard(shortcut).is_some(),
                    "{command:?}: {}",
                    shortcut.key
                );
            }
        }
    }
}
