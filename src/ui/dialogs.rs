//! What is open over the views: dialogs of the system, without making the window wait, and our own.

use std::path::PathBuf;

use crossbeam_channel::{Receiver, Sender, bounded};
use m3d_assistant::hub::ModelFolder;

use super::keys_dialog::KeysDialog;
use super::palette::Palette;
use super::session_dialog::{Choice, Question};
use crate::app::jobs::Waker;
use crate::app::{
    Application, DialogRequest, Effect, FindingId, ModelAction, Opening, Outbox, SESSION_EXTENSION,
};

/// What a path was chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// To open the images there.
    Open,
    /// To list the images there beside what is open.
    OpenBeside,
    /// To load the model there.
    Model,
    /// To write a mask there.
    ExportMask(FindingId),
    /// To open the session there.
    OpenSession,
    /// To write the active study's session there.
    SaveSession { with_identity: bool },
}

/// A text the reader is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Path,
    LayoutName,
    Words(FindingId),
}

impl Asked {
    const fn title(self) -> &'static str {
        match self {
            Self::Path => "Open path",
            Self::LayoutName => "Save layout",
            Self::Words(_) => "Words",
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Path => "Folder or file with DICOM or NIfTI images",
            Self::LayoutName => "Name of this layout",
            Self::Words(_) => "What stands on the image",
        }
    }

    const fn button(self) -> &'static str {
        match self {
            Self::Path => "Open this path",
            Self::LayoutName => "Save this layout",
            Self::Words(_) => "Write",
        }
    }
}

/// The dialogs under way.
pub struct Dialogs {
    sender: Sender<(Purpose, PathBuf)>,
    receiver: Receiver<(Purpose, PathBuf)>,
    wake: Waker,
    /// The text that is asked for, as far as it is typed.
    asked: Option<(Asked, String)>,
    palette: Option<Palette>,
    keys: Option<KeysDialog>,
    question: Option<Question>,
    /// Whether a field was opened since the last frame.
    fresh: bool,
}

impl Dialogs {
    /// None open. `wake` is called when the reader has chosen.
    pub fn new(wake: Waker) -> Self {
        let (sender, receiver) = bounded(8);
        Self {
            sender,
            receiver,
            wake,
            asked: None,
            palette: None,
            keys: None,
            question: None,
            fresh: false,
        }
    }

    /// Opens a dialog; one that is open already closes.
    pub fn open(&mut self, request: DialogRequest) {
        match request {
            DialogRequest::OpenFolder => self.pick_folder(Purpose::Open, "Open a folder"),
            DialogRequest::OpenBeside => {
                self.pick_folder(Purpose::OpenBeside, "Open a folder beside what is open");
            }
            DialogRequest::OpenFile => self.pick_file(Purpose::Open, "Open a file"),
            DialogRequest::ChooseModel => {
                self.pick_folder(Purpose::Model, "Choose the folder of a model");
            }
            DialogRequest::ExportMask(id) => {
                let purpose = Purpose::ExportMask(id);
                self.save_file(purpose, "Export the mask", "mask.nii.gz");
            }
            DialogRequest::OpenSession => self.pick_file(Purpose::OpenSession, "Open a session"),
            DialogRequest::SaveSession => self.question = Some(Question::Identity),
            DialogRequest::ForgetStudy(study) => self.question = Some(Question::Forget(study)),
            DialogRequest::OpenPath => self.ask_for(Asked::Path),
            DialogRequest::SaveLayout => self.ask_for(Asked::LayoutName),
            DialogRequest::Words(id) => self.ask_for(Asked::Words(id)),
            DialogRequest::Palette => {
                self.palette = self.palette.is_none().then(Palette::default);
                self.fresh = self.palette.is_some();
            }
            DialogRequest::Keys => self.keys = self.keys.is_none().then(KeysDialog::default),
        }
    }

    fn ask_for(&mut self, asked: Asked) {
        if self.asked.as_ref().is_none_or(|(open, _)| *open != asked) {
            self.asked = Some((asked, String::new()));
            self.fresh = true;
        }
    }

    /// Whether a field is open that keys belong to.
    pub const fn is_typed_in(&self) -> bool {
        self.asked.is_some() || self.palette.is_some()
    }

    /// Puts what was typed while a field was being opened into it.
    pub fn type_ahead(&mut self, typed: &str) {
        if let Some((_, text)) = &mut self.asked {
            text.push_str(typed);
        } else if let Some(palette) = &mut self.palette {
            palette.type_ahead(typed);
        }
    }

    /// Takes what is typed in the first frame of a field, in which it cannot have the keyboard yet.
    fn take_first_keys(&mut self, ctx: &egui::Context) {
        if std::mem::take(&mut self.fresh) {
            let typed: String = ctx.input_mut(|i| {
                let texts = i
                    .events
                    .extract_if(.., |e| matches!(e, egui::Event::Text(_)));
                let texts = texts.filter_map(|event| match event {
                    egui::Event::Text(text) => Some(text),
                    _ => None,
                });
                texts.collect()
            });
            self.type_ahead(&typed);
        }
    }

    /// Wishes for what was chosen in the system's dialogs since the last call.
    pub fn take_chosen(&self, outbox: &mut Outbox) {
        for (purpose, path) in self.receiver.try_iter() {
            outbox.push(match purpose {
                Purpose::Open => Effect::Open(vec![path], Opening::Instead),
                Purpose::OpenBeside => Effect::Open(vec![path], Opening::Beside),
                Purpose::Model => Effect::Model(ModelAction::Use(ModelFolder::from(path))),
                Purpose::ExportMask(id) => Effect::ExportMask(id, path),
                Purpose::OpenSession => Effect::OpenSession(path),
                Purpose::SaveSession { with_identity } => Effect::SaveSession {
                    path,
                    with_identity,
                },
            });
        }
    }

    /// Shows our own dialogs.
    pub fn show(&mut self, ctx: &egui::Context, app: &Application, outbox: &mut Outbox) {
        self.take_first_keys(ctx);
        self.show_asked(ctx, outbox);
        self.show_question(ctx, outbox);
        if let Some(palette) = &mut self.palette
            && !palette.show(ctx, app, outbox)
        {
            self.palette = None;
        }
        if let Some(keys) = &mut self.keys
            && !keys.show(ctx, app, outbox)
        {
            self.keys = None;
        }
    }

    fn show_asked(&mut self, ctx: &egui::Context, outbox: &mut Outbox) {
        let Some((asked, text)) = &mut self.asked else {
            return;
        };
        let (mut open, mut confirmed, mut opening) = (true, false, Opening::Instead);
        egui::Window::new(asked.title())
            .open(&mut open)
            .collapsible(false)
            .resizable(false)
            .anchor(egui::Align2::CENTER_CENTER, [0.0, -60.0])
            .show(ctx, |ui| {
                let label = ui.label(asked.label());
                let edit = ui
                    .add(egui::TextEdit::singleline(text).desired_width(420.0))
                    .labelled_by(label.id);
                edit.request_focus();
                let entered = ui.input(|i| i.key_pressed(egui::Key::Enter));
                let shift = ui.input(|i| i.modifiers.shift);
                ui.horizontal(|ui| {
                    confirmed = ui.button(asked.button()).clicked() || entered;
                    if *asked == Asked::Path {
                        let beside = ui.button("Open beside");
                        let beside = beside.on_hover_text("Keep what is open (Shift+Enter)");
                        if beside.clicked() || (entered && shift) {
                            (confirmed, opening) = (true, Opening::Beside);
                        }
                    }
                });
            });
        let words = text.trim().to_owned();
        if confirmed && !words.is_empty() {
            outbox.push(match asked {
                Asked::Path => Effect::Open(vec![PathBuf::from(words)], opening),
                Asked::LayoutName => Effect::SaveLayout(words),
                Asked::Words(id) => Effect::Name(*id, words),
            });
        }
        if !open || confirmed || ctx.input(|i| i.key_pressed(egui::Key::Escape)) {
            self.asked = None;
        }
    }

    fn show_question(&mut self, ctx: &egui::Context, outbox: &mut Outbox) {
        let Some(question) = self.question else {
            return;
        };
        match question.show(ctx) {
            Choice::None => return,
            Choice::Cancel => {}
            Choice::Forget(study) => outbox.push(Effect::ForgetStudy(study)),
            Choice::Save { with_identity } => {
                let name = format!("session.{SESSION_EXTENSION}");
                let purpose = Purpose::SaveSession { with_identity };
                self.save_file(purpose, "Save the session", &name);
            }
        }
        self.question = None;
    }

    fn pick_folder(&self, purpose: Purpose, title: &str) {
        let dialog = rfd::AsyncFileDialog::new().set_title(title);
        self.run(purpose, async move { dialog.pick_folder().await });
    }

    fn pick_file(&self, purpose: Purpose, title: &str) {
        let dialog = rfd::AsyncFileDialog::new().set_title(title);
        self.run(purpose, async move { dialog.pick_file().await });
    }

    fn save_file(&self, purpose: Purpose, title: &str, name: &str) {
        let dialog = rfd::AsyncFileDialog::new()
            .set_title(title)
            .set_file_name(name);
        self.run(purpose, async move { dialog.save_file().await });
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
