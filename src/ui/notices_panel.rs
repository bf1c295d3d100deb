//! Notices, in a strip above the views.

use egui::{Frame, Panel, RichText, Ui};

use super::theme;
use crate::app::{Effect, NoticeKind, Notices, Outbox};

/// Shows the notices until each is dismissed or no longer so; the views make room for them.
pub fn show(ui: &mut Ui, notices: &Notices, outbox: &mut Outbox) {
    if notices.iter().next().is_none() {
        return;
    }
    Panel::top("notices").show(ui, |ui| {
        for (n, notice) in notices.iter().enumerate() {
            let (word, colour) = match notice.kind {
                NoticeKind::Info => ("Done", theme::ACCENT),
                NoticeKind::Warning => ("Note", theme::WARNING),
                NoticeKind::Error => ("Error", theme::ERROR),
            };
            Frame::new().inner_margin(2).show(ui, |ui| {
                ui.horizontal(|ui| {
                    ui.label(RichText::new(word).color(colour).strong());
                    let room = ui.available_width() - 70.0;
                    ui.scope(|ui| {
                        ui.set_max_width(room);
                        ui.add(egui::Label::new(&notice.text).wrap());
                    });
                    if notice.stays.is_none() && ui.small_button("Dismiss").clicked() {
                        outbox.push(Effect::Dismiss(n));
                    }
                });
            });
        }
    });
}
