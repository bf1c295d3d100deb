//! Choosing files and folders: the system's dialogs where it has them, our own elsewhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crossbeam_channel::{Receiver, Sender, bounded};
use m3d_assistant::hub::ModelFolder;

use super::file_browser::{Answer, FileBrowser, Wanted};
use super::portal;
use crate::app::jobs::Waker;
use crate::app::{
    Application, Effect, FindingId, ModelAction, Opening, Outbox, PieceId, ReportAction,
    SESSION_EXTENSION,
};

/// What paths are chosen for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To open the images there; the reader is asked what becomes of what is open.
    Open,
    /// To open the images in one file.
    OpenFile,
    /// To list the images there beside what is open.
    OpenBeside,
    /// To load the model there.
    Model,
    /// To write the table of findings there.
    ExportTable,
    /// To write a mask there.
    ExportMask(FindingId),
    /// To open the session there.
    OpenSession,
    /// To write the active study's session there.
    SaveSession {
        /// Whether the patient's identity goes along.
        with_identity: bool,
    },
    /// To write the report there.
    ExportReport {
        /// How the name of the file ends.
        ending: &'static str,
        /// The pieces that nobody has reviewed and that go out all the same.
        ticked: BTreeSet<PieceId>,
    },
}

impl Purpose {
    const fn title(&self) -> &'static str {
        match self {
            Self::Open => "Open folders or files",
            Self::OpenFile => "Open files",
            Self::OpenBeside => "Open beside what is open",
            Self::Model => "Choose the folder of a model",
            Self::ExportTable => "Export the table of findings",
            Self::ExportMask(_) => "Export the mask",
            Self::OpenSession => "Open a session",
            Self::SaveSession { .. } => "Save the session",
            Self::ExportReport { .. } => "Export the report",
        }
    }

    fn wanted(&self) -> Wanted {
        match self {
            Self::Open | Self::OpenFile | Self::OpenBeside => Wanted::Paths,
            Self::Model => Wanted::Folder,
            Self::OpenSession => Wanted::File,
            Self::ExportTable => Wanted::Save("findings.csv".into()),
            Self::ExportMask(_) => Wanted::Save("mask.nii.gz".into()),
            Self::SaveSession { .. } => Wanted::Save(format!("session.{SESSION_EXTENSION}")),
            Self::ExportReport { ending, .. } => Wanted::Save(format!("report{ending}")),
        }
    }

    /// What was wished for with these paths; `beside` where the reader has said so.
    fn effect(self, paths: Vec<PathBuf>, beside: bool) -> Option<Effect> {
        let first = paths.first()?.clone();
        Some(match self {
            Self::OpenBeside => Effect::Open(paths, Opening::Beside),
            Self::Open | Self::OpenFile if beside => Effect::Open(paths, Opening::Beside),
            Self::Open | Self::OpenFile => Effect::Open(paths, Opening::Instead),
            Self::Model => Effect::Model(ModelAction::Use(ModelFolder::from(first))),
            Self::ExportTable => Effect::ExportTable(first),
            Self::ExportMask(id) => Effect::ExportMask(id, first),
            Self::OpenSession => Effect::OpenSession(first),
            Self::SaveSession { with_identity } => Effect::SaveSession {
                path: first,
                with_identity,
            },
            Self::ExportReport { ticked, .. } => Effect::Report(ReportAction::Export {
                path: first,
                ticked,
            }),
        })
    }
}

/// The dialogs for files under way.
pub struct FileDialogs {
    sender: Sender<(Purpose, Vec<PathBuf>)>,
    receiver: Receiver<(Purpose, Vec<PathBuf>)>,
    wake: Waker,
    /// Whether the system has file dialogs, once that is known.
    system: Arc<OnceLock<bool>>,
    own: Option<(Purpose, FileBrowser)>,
    /// The folder that our own dialog was last in.
    last: Option<PathBuf>,
}

impl FileDialogs {
    /// None open. `wake` is called when the reader has chosen.
    pub fn new(wake: Waker) -> Self {
        let (sender, receiver) = bounded(8);
        let system = Arc::new(OnceLock::new());
        let known = Arc::clone(&system);
        let ask = move || {
            // Nobody else says so.
            let _ = known.set(portal::has_file_dialogs());
        };
        if let Err(error) = std::thread::Builder::new().name("portal".into()).spawn(ask) {
            tracing::warn!("no thread to look for the system's dialogs: {error}");
        }
        Self {
            sender,
            receiver,
            wake,
            system,
            own: None,
            last: None,
        }
    }

    /// Lets the reader choose paths for something.
    pub fn open(&mut self, purpose: Purpose, app: &Application) {
        if self.system.get() == Some(&true) {
            return self.open_system(purpose);
        }
        let recent = app.recent_studies().iter().map(|recent| {
            let folder = recent.path.is_dir().then_some(recent.path.as_path());
            folder.or_else(|| recent.path.parent()).map(Path::to_owned)
        });
        let recent: Vec<PathBuf> = recent.flatten().take(8).collect();
        let start = self.last.clone().filter(|folder| folder.is_dir());
        let start = start.or_else(|| recent.first().cloned());
        let start = start.or_else(|| {
            let user = directories::UserDirs::new();
            user.map(|user| user.home_dir().to_owned())
        });
        let beside = matches!(purpose, Purpose::Open | Purpose::OpenFile) && app.library.is_some();
        let browser = FileBrowser::new(
            purpose.title(),
            purpose.wanted(),
            start.unwrap_or_else(|| PathBuf::from("/")),
            recent,
            beside,
            Arc::clone(&self.wake),
        );
        self.own = Some((purpose, browser));
    }

    /// Whether our own dialog is open: keys belong to it.
    pub const fn is_open(&self) -> bool {
        self.own.is_some()
    }

    /// Shows our own dialog.
    pub fn show(&mut self, ctx: &egui::Context, outbox: &mut Outbox) {
        let Some((purpose, browser)) = &mut self.own else {
            return;
        };
        let effect = match browser.show(ctx) {
            Answer::None => return,
            Answer::Cancel => None,
            Answer::Taken(paths) => purpose.clone().effect(paths, false),
            Answer::Beside(paths) => purpose.clone().effect(paths, true),
        };
        if let Some(effect) = effect {
            outbox.push(effect);
        }
        self.last = Some(browser.folder().to_owned());
        self.own = None;
    }

    /// What was chosen in the system's dialogs since the last call: wishes, and paths that the reader is to be asked
    /// about.
    pub fn take_chosen(&self, outbox: &mut Outbox) -> Vec<PathBuf> {
        let mut to_open = Vec::new();
        for (purpose, paths) in self.receiver.try_iter() {
            match purpose {
                Purpose::Open | Purpose::OpenFile => to_open.extend(paths),
                _ => {
                    if let Some(effect) = purpose.effect(paths, false) {
                        outbox.push(effect);
                    }
                }
            }
        }
        to_open
    }

    fn open_system(&self, purpose: Purpose) {
        let dialog = rfd::AsyncFileDialog::new().set_title(purpose.title());
        let paths = |files: Vec<rfd::FileHandle>| -> Vec<PathBuf> {
            files.iter().map(|file| file.path().to_owned()).collect()
        };
        match purpose {
            Purpose::Open | Purpose::OpenBeside => {
                self.wait(
                    purpose,
                    async move { Some(paths(dialog.pick_folders().await?)) },
                );
            }
            Purpose::OpenFile => {
                self.wait(
                    purpose,
                    async move { Some(paths(dialog.pick_files().await?)) },
                );
            }
            Purpose::Model => self.wait(purpose, async move {
                Some(paths(vec![dialog.pick_folder().await?]))
            }),
            Purpose::OpenSession => self.wait(purpose, async move {
                Some(paths(vec![dialog.pick_file().await?]))
            }),
            Purpose::ExportTable
            | Purpose::ExportMask(_)
            | Purpose::SaveSession { .. }
            | Purpose::ExportReport { .. } => {
                let Wanted::Save(name) = purpose.wanted() else {
                    return;
                };
                let dialog = dialog.set_file_name(name);
                self.wait(purpose, async move {
                    Some(paths(vec![dialog.save_file().await?]))
                });
            }
        }
    }

    fn wait(
        &self,
        purpose: Purpose,
        dialog: impl Future<Output = Option<Vec<PathBuf>>> + Send + 'static,
    ) {
        let (sender, wake) = (self.sender.clone(), Arc::clone(&self.wake));
        let body = move || {
            if let Some(paths) = pollster::block_on(dialog) {
                // The window may be gone; then nobody wants the paths.
                let _ = sender.send((purpose, paths));
                wake();
            }
        };
        let thread = std::thread::Builder::new().name("dialog".into());
        if let Err(error) = thread.spawn(body) {
            tracing::error!("no thread for a dialog: {error}");
        }
    }
}
