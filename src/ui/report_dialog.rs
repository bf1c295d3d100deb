//! What a reader chooses before a report is exported: the form, and what goes out unreviewed.

use std::collections::BTreeSet;

use egui::{Align2, Context, Key, RichText, ScrollArea, Window};
use m3d_imaging::volume::ImageKey;

use super::theme;
use crate::app::report::{ReportFormat, unreviewed};
use crate::app::{Application, PieceId};

/// What is chosen so far.
#[derive(Clone, Debug)]
pub struct ReportDialog {
    format: ReportFormat,
    ticked: BTreeSet<PieceId>,
}

/// What the reader says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// Nothing yet.
    Open,
    /// Never mind.
    Cancel,
    /// Write it.
    Export {
        /// In this form.
        format: ReportFormat,
        /// With these pieces that nobody has reviewed.
        ticked: BTreeSet<PieceId>,
    },
}

impl Default for ReportDialog {
    fn default() -> Self {
        Self {
            format: ReportFormat::Pdf,
            ticked: BTreeSet::new(),
        }
    }
}

impl ReportDialog {
    /// Shows the dialog, and gives the choice of this frame.
    pub fn show(&mut self, ctx: &Context, app: &Application) -> Chosen {
        let Some(report) = app.report() else {
            return Chosen::Cancel;
        };
        let sources = app.report_sources();
        let has_dicom = matches!(
            &report.image,
            ImageKey::Dicom { study_uid, series_uid, .. } if !study_uid.is_empty() && !series_uid.is_empty()
        );
        let (mut open, mut chosen) = (true, Chosen::Open);
        Window::new("Export report")
            .open(&mut open)
            .collapsible(false)
            .resizable(false)
            .anchor(Align2::CENTER_CENTER, [0.0, -60.0])
            .show(ctx, |ui| {
                ui.set_max_width(520.0);
                ui.horizontal_wrapped(|ui| {
                    for format in ReportFormat::ALL {
                        let possible = has_dicom || !format.is_dicom();
                        ui.add_enabled_ui(possible, |ui| {
                            ui.radio_value(&mut self.format, format, format.label());
                        });
                    }
                });
                if !has_dicom {
                    let text =
                        "The image names no DICOM study that a DICOM object could belong to.";
                    ui.label(RichText::new(text).small().weak());
                }
                let grey: Vec<_> = unreviewed(report, &sources).collect();
                // What was accepted or taken out meanwhile needs no tick.
                self.ticked
                    .retain(|id| grey.iter().any(|(piece, _)| piece == id));
                if !grey.is_empty() {
                    ui.separator();
                    ui.label("Not accepted, and left out unless you tick it; it stays marked:");
                    ScrollArea::vertical().max_height(260.0).show(ui, |ui| {
                        for (id, run) in &grey {
                            let mut ticked = self.ticked.contains(id);
                            let by = run.unreviewed.as_deref().unwrap_or_default();
                            let text = format!("{} [{by}]", run.text);
                            if ui.checkbox(&mut ticked, text).changed() {
                                if ticked {
                                    self.ticked.insert(*id);
                                } else {
                                    self.ticked.remove(id);
                                }
                            }
                        }
                    });
                }
                ui.separator();
                let notice = RichText::new(crate::app::RESEARCH_NOTICE).small();
                ui.label(notice.color(theme::WARNING));
                ui.horizontal(|ui| {
                    if ui.button("Choose where…").clicked() {
                        chosen = Chosen::Export {
                            format: self.format,
                            ticked: self.ticked.clone(),
                        };
                    }
                    if ui.button("Cancel").clicked() {
                        chosen = Chosen::Cancel;
                    }
                });
            });
        if chosen == Chosen::Open && (!open || ctx.input(|i| i.key_pressed(Key::Escape))) {
            return Chosen::Cancel;
        }
        chosen
    }
}
