//! Dialogs of the system, without making the window wait, and the one of our own for a path.

use std::path::PathBuf;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::app::FindingId;
use crate::app::jobs::Waker;

/// What a path was chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To open the images there.
    Open,
    /// To load the model there.
    Model,
    /// To write a mask there.
    ExportMask(FindingId),
}

/// The dialogs under way.
pub struct Dialogs {
    sender: Sender<(Purpose, PathBuf)>,
    receiver: Receiver<(Purpose, PathBuf)>,
    wake: Waker,
    /// The text of the dialog for a path, while it is open.
    typed: Option<String>,
}

impl Dialogs {
    /// None open. `wake` is called when the reader has chosen.
    pub fn new(wake: Waker) -> Self {
        let (sender, receiver) = bounded(8);
        Self {
            sender,
            receiver,
            wake,
            typed: None,
        }
    }

    /// What was chosen since the last call.
    pub fn chosen(&self) -> Vec<(Purpose, PathBuf)> {
        self.receiver.try_iter().collect()
    }

    /// Asks for a folder.
    pub fn pick_folder(&self, purpose: Purpose, title: &str) {
        let dialog = rfd::AsyncFileDialog::new().set_title(title);
        self.run(purpose, async move { dialog.pick_folder().await });
    }

    /// Asks for a file.
    pub fn pick_file(&self, purpose: Purpose, title: &str) {
        let dialog = rfd::AsyncFileDialog::new().set_title(title);
        self.run(purpose, async move { dialog.pick_file().await });
    }

    /// Asks where to save a file.
    pub fn save_file(&self, purpose: Purpose, title: &str, name: &str) {
        let dialog = rfd::AsyncFileDialog::new()
            .set_title(title)
            .set_file_name(name);
        self.run(purpose, async move { dialog.save_file().await });
    }

    /// Opens the dialog for a typed path.
    pub fn type_path(&mut self) {
        self.typed.get_or_insert_default();
    }

    /// Shows the dialog for a typed path, if open; returns the path when the reader confirms.
    pub fn show(&mut self, ctx: &egui::Context) -> Option<PathBuf> {
        let text = self.typed.as_mut()?;
        let (mut open, mut confirmed) = (true, false);
        egui::Window::new("Open path")
            .open(&mut open)
            .collapsible(false)
            .resizable(false)
            .anchor(egui::Align2::CENTER_CENTER, [0.0, -60.0])
            .show(ctx, |ui| {
                let label = ui.label("Folder or file with DICOM or NIfTI images");
                let edit = ui
                    .add(egui::TextEdit::singleline(text).desired_width(420.0))
                    .labelled_by(label.id);
                edit.request_focus();
                let entered = ui.input(|i| i.key_pressed(egui::Key::Enter));
                confirmed = ui.button("Open this path").clicked() || entered;
            });
        let path = PathBuf::from(text.trim());
        if !open || confirmed || ctx.input(|i| i.key_pressed(egui::Key::Escape)) {
            self.typed = None;
        }
        (confirmed && !path.as_os_str().is_empty()).then_some(path)
    }

    fn run(
        &self,
        purpose: Purpose,
        dialog: impl Future<Output = Option<rfd::FileHandle>> + Send + 'static,
    ) {
        let (sender, wake) = (self.sender.clone(), self.wake.clone());
        let body = move || {
            if let Some(file) = pollster::block_on(dialog) {
                // The window may be gone; then nobody wants the path.
                let _ = sender.send((purpose, file.path().to_owned()));
                wake();
            }
        };
        let thread = std::thread::Builder::new().name("dialog".into());
        if let Err(error) = thread.spawn(body) {
            tracing::error!("no thread for a dialog: {error}");
        }
    }
}
