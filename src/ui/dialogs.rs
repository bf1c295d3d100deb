//! What is open over the views: dialogs of the system, without making the window wait, and our own.

use std::path::PathBuf;

use super::file_dialogs::{FileDialogs, Purpose};
use super::keys_dialog::KeysDialog;
use super::palette::Palette;
use super::report_dialog::{Chosen, ReportDialog};
use super::session_dialog::{Choice, Question};
use crate::app::jobs::Waker;
use crate::app::{
    Application, DialogRequest, Effect, FindingId, Opening, Outbox, SESSION_EXTENSION,
};

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
    files: FileDialogs,
    /// Paths that were dropped or chosen, until the reader says what becomes of what is open.
    offered: Vec<PathBuf>,
    /// The text that is asked for, as far as it is typed.
    asked: Option<(Asked, String)>,
    palette: Option<Palette>,
    keys: Option<KeysDialog>,
    question: Option<Question>,
    report: Option<ReportDialog>,
    /// Whether a field was opened since the last frame.
    fresh: bool,
}

impl Dialogs {
    /// None open. `wake` is called when the reader has chosen.
    pub fn new(wake: Waker) -> Self {
        Self {
            files: FileDialogs::new(wake),
            offered: Vec::new(),
            asked: None,
            palette: None,
            keys: None,
            question: None,
            report: None,
            fresh: false,
        }
    }

    /// Opens a dialog; one that is open already closes.
    pub fn open(&mut self, request: DialogRequest, app: &Application) {
        match request {
            DialogRequest::OpenFolder => self.files.open(Purpose::Open, app),
            DialogRequest::OpenFile => self.files.open(Purpose::OpenFile, app),
            DialogRequest::OpenBeside => self.files.open(Purpose::OpenBeside, app),
            DialogRequest::ChooseModel => self.files.open(Purpose::Model, app),
            DialogRequest::ExportTable => self.files.open(Purpose::ExportTable, app),
            DialogRequest::ExportMask(id) => self.files.open(Purpose::ExportMask(id), app),
            DialogRequest::OpenSession => self.files.open(Purpose::OpenSession, app),
            DialogRequest::ExportReport => self.report = Some(ReportDialog::default()),
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
        self.asked.is_some() || self.palette.is_some() || self.files.is_open()
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
    pub fn take_chosen(&mut self, app: &Application, outbox: &mut Outbox) {
        let paths = self.files.take_chosen(outbox);
        self.offer(paths, app, outbox);
    }

    /// Opens paths; where something is open the reader is asked what becomes of it.
    pub fn offer(&mut self, paths: Vec<PathBuf>, app: &Application, outbox: &mut Outbox) {
        if paths.is_empty() {
            return;
        }
        let session = |path: &PathBuf| path.extension().is_some_and(|e| e == SESSION_EXTENSION);
        if app.library.is_none() || paths.iter().all(session) {
            outbox.push(Effect::Open(paths, Opening::Instead));
        } else {
            self.offered = paths;
        }
    }

    fn show_offered(&mut self, ctx: &egui::Context, outbox: &mut Outbox) {
        let names = self.offered.iter().map(|path| {
            let name = path.file_name().unwrap_or(path.as_os_str());
            name.to_string_lossy().into_owned()
        });
        let names: Vec<String> = names.take(6).collect();
        if names.is_empty() {
            return;
        }
        let (mut open, mut opening) = (true, None);
        egui::Window::new("Open")
            .open(&mut open)
            .collapsible(false)
            .resizable(false)
            .anchor(egui::Align2::CENTER_CENTER, [0.0, -60.0])
            .show(ctx, |ui| {
                ui.label(names.join(", "));
                ui.horizontal(|ui| {
                    let instead = ui.button("Instead of what is open");
                    let instead = instead.on_hover_text("Your work on it is kept");
                    if instead.clicked() {
                        opening = Some(Opening::Instead);
                    }
                    if ui.button("Beside it").clicked() {
                        opening = Some(Opening::Beside);
                    }
                });
            });
        let given_up = !open || ctx.input(|i| i.key_pressed(egui::Key::Escape));
        let paths = std::mem::take(&mut self.offered);
        match opening {
            Some(opening) => outbox.push(Effect::Open(paths, opening)),
            None if given_up => {}
            None => self.offered = paths,
        }
    }

    /// Shows our own dialogs.
    pub fn show(&mut self, ctx: &egui::Context, app: &Application, outbox: &mut Outbox) {
        self.take_first_keys(ctx);
        self.show_asked(ctx, outbox);
        self.show_question(ctx, app, outbox);
        self.show_report(ctx, app);
        self.show_offered(ctx, outbox);
        self.files.show(ctx, outbox);
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

    fn show_question(&mut self, ctx: &egui::Context, app: &Application, outbox: &mut Outbox) {
        let Some(question) = self.question else {
            return;
        };
        match question.show(ctx) {
            Choice::None => return,
            Choice::Cancel => {}
            Choice::Forget(study) => outbox.push(Effect::ForgetStudy(study)),
            Choice::Save { with_identity } => {
                self.files.open(Purpose::SaveSession { with_identity }, app);
            }
        }
        self.question = None;
    }

    fn show_report(&mut self, ctx: &egui::Context, app: &Application) {
        let Some(dialog) = &mut self.report else {
            return;
        };
        match dialog.show(ctx, app) {
            Chosen::Open => return,
            Chosen::Cancel => {}
            Chosen::Export { format, ticked } => {
                let purpose = Purpose::ExportReport {
                    ending: format.ending(),
                    ticked,
                };
                self.files.open(purpose, app);
            }
        }
        self.report = None;
    }
}
