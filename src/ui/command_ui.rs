//! Commands as buttons, menu entries and keys.

use egui::{Event, Key, KeyboardShortcut, Modifiers, Response, Ui};
use m3d_imaging::volume::{CT_PRESETS, Modality};

use super::icons;
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
                .filter(|(_, keys)| !(menu && keys.logical_key == Key::Escape));
            // What a command has no use for now is left to the views: Escape gives up a drag.
            let is_meant = |(command, keys): &&(Command, KeyboardShortcut)| {
                is_press(event, *keys) && app.can_run(*command)
            };
            let Some((command, _)) = candidates.find(is_meant) else {
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

/// The room of a button with an icon, in points.
const ICON_BUTTON: egui::Vec2 = egui::vec2(42.0, 36.0);
/// The room of a button with an icon alone, in points.
const SMALL_ICON: egui::Vec2 = egui::vec2(27.0, 23.0);
/// The side of an icon, in points.
const ICON: f32 = 16.0;

/// A button that is an icon with its name in small letters below.
pub fn icon_button(ui: &mut Ui, app: &Application, command: Command, outbox: &mut Outbox) {
    icon(ui, app, command, None, app.is_wide, outbox);
}

/// A button that is an icon alone, where there is little height.
pub fn small_icon(ui: &mut Ui, app: &Application, command: Command, outbox: &mut Outbox) {
    icon(ui, app, command, None, false, outbox);
}

/// A button with an icon that shows whether its command is in force.
pub fn icon_toggle(
    ui: &mut Ui,
    app: &Application,
    command: Command,
    on: bool,
    outbox: &mut Outbox,
) {
    icon(ui, app, command, Some(on), app.is_wide, outbox);
}

/// Where there is little room the icon stands alone (not `named`): its name is in the tooltip.
fn icon(
    ui: &mut Ui,
    app: &Application,
    command: Command,
    on: Option<bool>,
    named: bool,
    outbox: &mut Outbox,
) {
    let enabled = app.can_run(command);
    let sense = if enabled {
        egui::Sense::click()
    } else {
        egui::Sense::hover()
    };
    let words = named.then(|| {
        let font = egui::FontId::proportional(10.0);
        let colour = egui::Color32::PLACEHOLDER;
        ui.painter()
            .layout_no_wrap(command.label().into(), font, colour)
    });
    let size = words.as_ref().map_or(SMALL_ICON, |words| {
        egui::vec2((words.size().x + 6.0).max(ICON_BUTTON.x), ICON_BUTTON.y)
    });
    let (rect, response) = ui.allocate_exact_size(size, sense);
    let name = app.label_of(command);
    response.widget_info(|| match on {
        Some(on) => egui::WidgetInfo::selected(egui::Role::Button, enabled, on, &name),
        None => egui::WidgetInfo::labeled(egui::Role::Button, enabled, &name),
    });
    let mut visuals = ui.style().interact_selectable(&response, on == Some(true));
    if !enabled {
        visuals.fg_stroke.color = ui.visuals().weak_text_color().gamma_multiply(0.6);
    }
    if on == Some(true) || response.hovered() || response.has_focus() {
        let fill = if on == Some(true) {
            visuals.bg_fill
        } else {
            visuals.weak_bg_fill
        };
        ui.painter().rect_filled(rect, 4.0, fill);
    }
    let colour = visuals.fg_stroke.color;
    let above = if named {
        rect.top() + 4.0 + ICON / 2.0
    } else {
        rect.center().y
    };
    let centre = egui::pos2(rect.center().x, above);
    let square = egui::Rect::from_center_size(centre, egui::Vec2::splat(ICON));
    icons::paint(ui.painter(), square, command, colour);
    if let Some(words) = words {
        let at = egui::pos2(
            rect.center().x - words.size().x / 2.0,
            rect.bottom() - words.size().y - 1.0,
        );
        ui.painter().galley(at, words, colour);
    }
    let hint = match on {
        // Undo and redo name their step.
        _ if !named => format!("{name}: {}", hint(ui, app, command)),
        None if name != command.label() => format!("{name}\n{}", hint(ui, app, command)),
        _ => hint(ui, app, command),
    };
    if response.on_hover_text(hint).clicked() {
        outbox.run(command);
    }
}

/// A button that opens a menu, with a mark that says so.
pub fn menu_button(ui: &mut Ui, name: &str, on: bool, contents: impl FnOnce(&mut Ui)) {
    let button = egui::Button::selectable(on, format!("{name}     ")).frame_when_inactive(true);
    let (response, _) = egui::containers::menu::MenuButton::from_button(button).ui(ui, contents);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name));
    let colour = ui.style().interact(&response).fg_stroke.color;
    let at = egui::pos2(response.rect.right() - 10.0, response.rect.center().y);
    icons::menu_mark(ui.painter(), at, colour);
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
    presets.chain([Command::WindowFromValues, Command::WindowFromRegion])
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
