//! The list of keys, to be read and changed.

use egui::{Align2, Event, Grid, Key, RichText, ScrollArea, Ui};

use super::command_ui::key_text;
use super::theme;
use crate::app::{Application, Command, Effect, Outbox, Shortcut};

/// The mouse, which cannot be changed.
const MOUSE: [(&str, &str); 9] = [
    ("Drag", "the tool: window, crosshair or box; in 3-D turn"),
    ("Middle drag", "pan"),
    ("Right drag", "zoom"),
    ("Right click", "what can be done here"),
    ("Wheel, arrows, Page keys", "slice"),
    ("Ctrl+wheel", "zoom"),
    ("Shift+move", "crosshair"),
    ("Double click", "one view alone, or all again"),
    (
        "Shift while dropping a series",
        "lay it over what the view shows",
    ),
];

/// Which command waits for its new key.
#[derive(Debug, Default)]
pub struct KeysDialog {
    waiting: Option<Command>,
}

impl KeysDialog {
    /// Shows the list; whether it stays open.
    pub fn show(&mut self, ctx: &egui::Context, app: &Application, outbox: &mut Outbox) -> bool {
        let waited = self.waiting.is_some();
        if let Some(command) = self.waiting
            && let Some(pressed) = pressed_key(ctx)
        {
            self.waiting = None;
            match pressed {
                Pressed::Nothing => outbox.push(Effect::Bind(command, None)),
                Pressed::Key(shortcut) => outbox.push(Effect::Bind(command, Some(shortcut))),
                Pressed::Escape => {}
            }
        }
        let mut open = true;
        let height = ctx.content_rect().height() - 160.0;
        egui::Window::new("Keys")
            .open(&mut open)
            .collapsible(false)
            .resizable(false)
            .anchor(Align2::CENTER_CENTER, [0.0, 0.0])
            .show(ctx, |ui| {
                ScrollArea::vertical()
                    .max_height(height.max(160.0))
                    .show(ui, |ui| {
                        Grid::new("mouse").num_columns(2).show(ui, |ui| {
                            for (hand, does) in MOUSE {
                                ui.label(RichText::new(hand).color(theme::FAINT));
                                ui.label(does);
                                ui.end_row();
                            }
                        });
                        ui.separator();
                        self.list(ui, app);
                    });
                ui.separator();
                ui.horizontal(|ui| {
                    if ui.button("All as they were").clicked() {
                        outbox.push(Effect::ResetKeys);
                    }
                    ui.weak("Press a command's key, then the new one; Backspace takes it away.");
                });
            });
        open && (waited || !ctx.input(|i| i.key_pressed(Key::Escape)))
    }

    fn list(&mut self, ui: &mut Ui, app: &Application) {
        Grid::new("keys")
            .num_columns(2)
            .striped(true)
            .show(ui, |ui| {
                for command in Command::all() {
                    let keys = app.settings().keys.of(command);
                    let text = match (self.waiting == Some(command), keys) {
                        (true, _) => "press a key…".to_owned(),
                        (false, Some(keys)) => key_text(ui.ctx(), &keys),
                        (false, None) => "—".to_owned(),
                    };
                    let heading = command.heading();
                    let label = match heading {
                        "" => command.label().to_owned(),
                        heading => format!("{heading}: {}", command.label()),
                    };
                    let response = ui.add_sized([120.0, 18.0], egui::Button::new(text));
                    response.widget_info(|| {
                        let name = format!("Key of {label}");
                        egui::WidgetInfo::labeled(egui::Role::Button, true, name)
                    });
                    if response.clicked() {
                        self.waiting = Some(command);
                    }
                    ui.label(label).on_hover_text(command.tooltip());
                    ui.end_row();
                }
            });
    }
}

enum Pressed {
    Key(Shortcut),
    Nothing,
    Escape,
}

/// The key pressed in this frame; it does nothing else.
fn pressed_key(ctx: &egui::Context) -> Option<Pressed> {
    ctx.input_mut(|input| {
        let mut pressed = None;
        input.events.retain(|event| match event {
            Event::Key {
                key,
                pressed: true,
                modifiers,
                ..
            } => {
                pressed = Some(match key {
                    Key::Escape => Pressed::Escape,
                    Key::Backspace if modifiers.is_none() => Pressed::Nothing,
                    key => Pressed::Key(Shortcut {
                        key: key.name().to_owned(),
                        command: modifiers.command,
                        shift: modifiers.shift,
                        alt: modifiers.alt,
                    }),
                });
                false
            }
            _ => true,
        });
        pressed
    })
}
