//! Closing the window: what is still running is said first. The reader's work is saved anyway.

use egui::{Align2, Context, ViewportCommand, Window};

use crate::app::Application;

/// Whether the reader was asked, and has said so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quit {
    /// Nobody wants to.
    #[default]
    No,
    /// The reader is asked.
    Asked,
    /// The reader said yes.
    Yes,
}

/// What would be lost, in words.
fn unfinished(app: &Application) -> Vec<String> {
    let jobs = app.jobs.iter().filter(|job| job.is_missed);
    let mut unfinished: Vec<String> = jobs.map(|job| job.title.clone()).collect();
    if app.is_answering() {
        unfinished.push("The assistant is writing an answer".into());
    }
    unfinished
}

impl Quit {
    /// Holds a window back that is to be closed while something is running.
    pub fn hear(&mut self, ctx: &Context, app: &Application) {
        let closing = ctx.input(|i| i.viewport().close_requested());
        if closing && *self != Self::Yes && !unfinished(app).is_empty() {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            *self = Self::Asked;
        }
    }

    /// Asks; what has ended meanwhile needs no answer.
    pub fn show(&mut self, ctx: &Context, app: &Application) {
        if *self != Self::Asked {
            return;
        }
        let unfinished = unfinished(app);
        let (mut open, mut quit, mut stay) = (true, unfinished.is_empty(), false);
        Window::new("Still running")
            .open(&mut open)
            .collapsible(false)
            .resizable(false)
            .anchor(Align2::CENTER_CENTER, [0.0, -60.0])
            .show(ctx, |ui| {
                for title in &unfinished {
                    ui.label(title);
                }
                ui.weak("Your findings and answers are saved. What is still running is not.");
                ui.horizontal(|ui| {
                    stay = ui.button("Wait").clicked();
                    quit |= ui.button("Quit without it").clicked();
                });
            });
        if quit {
            *self = Self::Yes;
            ctx.send_viewport_cmd(ViewportCommand::Close);
        } else if stay || !open {
            *self = Self::No;
        }
    }
}
