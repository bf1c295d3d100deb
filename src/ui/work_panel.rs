//! The panel to the right of the views: findings, assistant and report as tabs, and the question below them.

use egui::{CentralPanel, CollapsingHeader, Panel, ScrollArea, Ui};

use super::{
    assistant_panel, command_ui, display_panel, findings_panel, mask_edit_panel, report_panel,
};
use crate::app::{Application, Command, Outbox, WorkTab};

/// Shows the panel.
pub fn show(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
    let shown = app.settings().panels.tab;
    Panel::top("tabs").show(ui, |ui| {
        ui.horizontal(|ui| {
            for tab in WorkTab::ALL {
                command_ui::toggle(ui, app, Command::Tab(tab), tab == shown, outbox);
            }
        });
    });
    Panel::bottom("question").show(ui, |ui| assistant_panel::ask_area(ui, app, outbox));
    CentralPanel::default().show(ui, |ui| match shown {
        WorkTab::Findings => {
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                findings_panel::show(ui, app, outbox);
                CollapsingHeader::new("Edit masks")
                    .show(ui, |ui| mask_edit_panel::show(ui, app, outbox));
                CollapsingHeader::new("Display")
                    .default_open(true)
                    .show(ui, |ui| display_panel::show(ui, app, outbox));
            });
        }
        WorkTab::Assistant => assistant_panel::conversation(ui, app, outbox),
        WorkTab::Report => report_panel::show(ui, app, outbox),
    });
}
