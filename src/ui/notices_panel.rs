//! Notices over the views.

use egui::{Align2, Area, Frame, Order, RichText, Ui};

use super::theme;
use crate::app::{NoticeKind, Notices};

/// Shows the notices at the top of the views until each is dismissed.
pub fn show(ui: &Ui, notices: &mut Notices) {
    let mut dismissed = None;
    let rect = ui.max_rect();
    Area::new(egui::Id::unique("notices"))
        .order(Order::Foreground)
        .pivot(Align2::CENTER_TOP)
        .fixed_pos(rect.center_top() + egui::vec2(0.0, 10.0))
        .show(ui.ctx(), |ui| {
            ui.set_max_width((rect.width() * 0.8).max(240.0));
            for (n, notice) in notices.iter().enumerate() {
                let (word, colour) = match notice.kind {
                    NoticeKind::Info => ("Done", theme::ACCENT),
                    NoticeKind::Warning => ("Note", theme::WARNING),
                    NoticeKind::Error => ("Error", theme::ERROR),
                };
                Frame::popup(ui.style())
                    .stroke(egui::Stroke::new(1.0, colour))
                    .show(ui, |ui| {
                        ui.horizontal(|ui| {
                            ui.label(RichText::new(word).color(colour).strong());
                            let close = egui::Button::new("Dismiss").small();
                            let room = ui.available_width() - 70.0;
                            ui.scope(|ui| {
                                ui.set_max_width(room);
                                ui.add(egui::Label::new(&notice.text).wrap());
                            });
                            if ui.add(close).clicked() {
                                dismissed = Some(n);
                            }
                        });
                    });
            }
        });
    if let Some(n) = dismissed {
        notices.dismiss(n);
    }
}
