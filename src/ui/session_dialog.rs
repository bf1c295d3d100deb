//! What the reader is asked before a session is written or removed.

use egui::{Align2, Context, Key, RichText, Ui, Window};

use super::theme;
use crate::app::StudyId;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether the patient's identity goes along with a session.
    Identity,
    /// Whether everything that was saved of a study is to be removed.
    Forget(StudyId),
}

/// What the reader says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Nothing yet.
    None,
    /// Never mind.
    Cancel,
    /// Write the session.
    Save {
        /// With the patient's identity.
        with_identity: bool,
    },
    /// Remove everything.
    Forget(StudyId),
}

impl Question {
    /// Asks, and gives the answer of this frame.
    pub fn show(self, ctx: &Context) -> Choice {
        let title = match self {
            Self::Identity => "Save session",
            Self::Forget(_) => "Forget this study",
        };
        let (mut open, mut answer) = (true, Choice::None);
        Window::new(title)
            .open(&mut open)
            .collapsible(false)
            .resizable(false)
            .anchor(Align2::CENTER_CENTER, [0.0, -60.0])
            .show(ctx, |ui| {
                ui.set_max_width(460.0);
                answer = match self {
                    Self::Identity => identity(ui),
                    Self::Forget(study) => forget(ui, study),
                };
            });
        if answer == Choice::None && (!open || ctx.input(|i| i.key_pressed(Key::Escape))) {
            return Choice::Cancel;
        }
        answer
    }
}

fn identity(ui: &mut Ui) -> Choice {
    ui.label("Does the patient's identity go along?");
    ui.label(
        RichText::new(
            "Without it names, numbers, dates and descriptions are left out; whoever has the same images \
             can open the session all the same. Look through your own notes for what else may tell.",
        )
        .weak(),
    );
    let mut answer = Choice::None;
    ui.horizontal(|ui| {
        for (label, with_identity) in [("Without identity…", false), ("With identity…", true)] {
            if ui.button(label).clicked() {
                answer = Choice::Save { with_identity };
            }
        }
        if ui.button("Cancel").clicked() {
            answer = Choice::Cancel;
        }
    });
    answer
}

fn forget(ui: &mut Ui, study: StudyId) -> Choice {
    ui.label(
        "Remove everything that was saved of this study: findings, answers, reports and views?",
    );
    ui.label(RichText::new("This cannot be taken back. The images stay.").weak());
    let mut answer = Choice::None;
    ui.horizontal(|ui| {
        let remove = RichText::new("Forget the study").color(theme::ERROR);
        if ui.button(remove).clicked() {
            answer = Choice::Forget(study);
        }
        if ui.button("Cancel").clicked() {
            answer = Choice::Cancel;
        }
    });
    answer
}
