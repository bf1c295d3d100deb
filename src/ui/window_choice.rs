//! The window in the lower left corner of a slice is a button: its numbers are changed and its presets chosen there.

use egui::{Popup, PopupCloseBehavior, Rect, Sense, Ui, pos2, vec2};

use super::command_ui;
use super::display_panel::window_values;
use super::pane::PaneContext;
use crate::app::{Effect, Seen, Step};

/// The room of the window's line, in points.
const SIZE: egui::Vec2 = vec2(150.0, 20.0);

/// Lets the reader change the window of the view that fills `rect`.
pub fn show(ui: &Ui, rect: Rect, seen: &Seen<'_>, cx: &mut PaneContext<'_>) {
    let corner = Rect::from_min_size(pos2(rect.left(), rect.bottom() - SIZE.y - 4.0), SIZE);
    let id = ui.scope_id().with("window");
    let button = ui.interact(corner.intersect(rect), id, Sense::click());
    button
        .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Window of this view"));
    if button.clicked() {
        cx.outbox.push(Effect::Activate(cx.id));
    }
    let button = button.on_hover_cursor(egui::CursorIcon::PointingHand);
    Popup::menu(&button)
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .show(|ui| {
            egui::Grid::new("window").num_columns(2).show(ui, |ui| {
                if let Some(window) =
                    window_values(ui, seen.window(), seen.image.series.suv.as_ref())
                {
                    let group = id.value();
                    for edit in cx.app.layer_edits(cx.id, |layer| layer.window = window) {
                        cx.outbox.step(edit, Step::of_group("window", group));
                    }
                }
            });
            for command in command_ui::window_commands(seen) {
                command_ui::entry(ui, cx.app, command, cx.outbox);
            }
        });
}
