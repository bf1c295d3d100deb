//! The command palette: every command by its name.

use egui::{Align2, Key, RichText, ScrollArea, TextEdit};

use super::command_ui::key_text;
use super::theme;
use crate::app::{Application, Command, Outbox};

/// What is being typed and chosen.
#[derive(Debug, Default)]
pub struct Palette {
    text: String,
    chosen: usize,
}

impl Palette {
    /// Puts what was typed while it was being opened into its field.
    pub fn type_ahead(&mut self, typed: &str) {
        self.text.push_str(typed);
    }

    /// Shows the palette; whether it stays open.
    pub fn show(&mut self, ctx: &egui::Context, app: &Application, outbox: &mut Outbox) -> bool {
        let mut found = matches(app, &self.text);
        let (down, up, enter, escape) = ctx.input_mut(|i| {
            let mut taken = |key| i.consume_key(egui::Modifiers::NONE, key);
            let arrows = (taken(Key::ArrowDown), taken(Key::ArrowUp));
            (arrows.0, arrows.1, taken(Key::Enter), taken(Key::Escape))
        });
        let last = found.len().saturating_sub(1);
        self.chosen = (self.chosen + usize::from(down)).min(last);
        self.chosen = self.chosen.saturating_sub(usize::from(up));
        let mut run = found.get(self.chosen).copied().filter(|_| enter);
        let mut open = true;
        egui::Window::new("Commands")
            .open(&mut open)
            .collapsible(false)
            .resizable(false)
            .anchor(Align2::CENTER_TOP, [0.0, 60.0])
            .show(ctx, |ui| {
                let edit = TextEdit::singleline(&mut self.text)
                    .hint_text("Type a command")
                    .desired_width(420.0);
                let response = ui.add(edit);
                response.widget_info(|| {
                    egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Command")
                });
                response.request_focus();
                if response.changed() {
                    self.chosen = 0;
                    found = matches(app, &self.text);
                }
                ScrollArea::vertical().max_height(320.0).show(ui, |ui| {
                    ui.set_width(420.0);
                    for (n, command) in found.iter().enumerate() {
                        let line = line(app, *command);
                        let keys = app.settings().keys.of(*command);
                        let keys = keys.map_or_else(String::new, |k| key_text(ui.ctx(), &k));
                        let button = egui::Button::selectable(n == self.chosen, line);
                        let width = ui.available_width();
                        let button = button.shortcut_text(keys).min_size(egui::vec2(width, 0.0));
                        let press = ui.add_enabled(app.can_run(*command), button);
                        if n == self.chosen && (down || up) {
                            press.scroll_to_me(None);
                        }
                        if press.clicked() {
                            run = Some(*command);
                        }
                    }
                    if found.is_empty() {
                        ui.label(RichText::new("No command has these words.").color(theme::FAINT));
                    }
                });
            });
        if let Some(command) = run.filter(|command| app.can_run(*command)) {
            outbox.run(command);
            return false;
        }
        open && !escape
    }
}

/// The heading of a command with its name.
fn line(app: &Application, command: Command) -> String {
    let label = app.label_of(command);
    match command.heading() {
        "" => label,
        heading => format!("{heading}: {label}"),
    }
}

/// The commands that have all the words, best first: those whose name begins with them, then those that
/// can be run now.
fn matches(app: &Application, text: &str) -> Vec<Command> {
    let text = text.to_lowercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut found: Vec<Command> = Command::all()
        .into_iter()
        .filter(|command| {
            let all = format!("{} {}", line(app, *command), command.tooltip()).to_lowercase();
            words.iter().all(|word| all.contains(word))
        })
        .collect();
    found.sort_by_key(|command| {
        let label = command.label().to_lowercase();
        (!label.starts_with(&text), !app.can_run(*command))
    });
    found
}
