//! The application: takes commands, starts jobs, takes in what they bring.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::assistant::Brought;
use super::jobs::{JobResult, Jobs, LoadedSeries, Waker};
use super::{
    Assistant, Card, Command, Document, FindingId, FindingKind, Layout, Models, NoticeKind,
    Notices, Revision, Settings, Shown, Tool,
};
use crate::render::Gpu;
use m3d_assistant::hub::{BuiltIn, ModelFolder, local};
use m3d_assistant::inference::Task;
use m3d_imaging::io::{IoError, Library, Series, SeriesId};
use m3d_imaging::volume::{CT_PRESETS, Modality, Window};

/// A folder may hold thousands of series; the first ones get a small picture.
const MOST_THUMBNAILS: usize = 100;

/// Everything behind the window.
pub struct Application {
    /// What is open.
    pub document: Document,
    /// What is being done.
    pub jobs: Jobs,
    /// What the reader should know.
    pub notices: Notices,
    /// The model and the conversation.
    pub assistant: Assistant,
    /// The models that are here and that could be.
    pub models: Models,
    /// What the left button does.
    pub tool: Tool,
    /// How the views share the window.
    pub layout: Layout,
    /// Smooth between voxels.
    pub interpolate: bool,
    /// Opacity of masks, 0 to 1.
    pub mask_opacity: f32,
    settings: Settings,
    settings_path: Option<PathBuf>,
    /// What was last sent to be drawn: the opening and the state of its masks.
    labelled: (Revision, Revision),
}

/// How to start.
#[derive(Clone, Debug, Default)]
pub struct StartOptions {
    /// What to open at once.
    pub path: Option<PathBuf>,
    /// The model to use instead of the one in the settings.
    pub model: Option<ModelFolder>,
    /// The folders where models are looked for; none in tests.
    pub models: Vec<PathBuf>,
    /// Where settings are kept; none in tests.
    pub settings_path: Option<PathBuf>,
}

impl Application {
    /// Starts: reads the settings, loads the model, opens the path. `wake` is called from other
    /// threads when the window has something new to show.
    pub fn new(options: StartOptions, wake: &Waker, gpu: Option<Gpu>) -> Self {
        let path = options.settings_path;
        let folders = options.models;
        let settings = path.as_deref().map(Settings::load).unwrap_or_default();
        let mut app = Self {
            document: Document::default(),
            jobs: Jobs::new(Arc::clone(wake), gpu),
            notices: Notices::default(),
            assistant: Assistant::new(Arc::clone(wake)),
            models: Models::new(folders),
            tool: Tool::Window,
            layout: Layout::Grid,
            interpolate: true,
            mask_opacity: 0.38,
            settings,
            settings_path: path,
            labelled: Default::default(),
        };
        let model = options
            .model
            .unwrap_or_else(|| chosen_assistant(&app.settings));
        app.assistant.load(model);
        if let Some(path) = options.path {
            app.open(path);
        }
        app
    }

    /// Opens a file or folder. What is open stays until something else was found.
    pub fn open(&mut self, path: PathBuf) {
        self.notices.clear();
        self.jobs.scan(path);
    }

    /// Shows a series of the library.
    pub fn open_series(&mut self, id: &SeriesId) {
        if let Some(series) = self.document.series(id) {
            self.jobs.load(series.clone());
        }
    }

    /// Uses a model, now and at the next start.
    pub fn use_model(&mut self, folder: ModelFolder) {
        self.settings.model_folder = Some(folder.path().to_owned());
        if let Some(path) = &self.settings_path
            && let Err(error) = self.settings.save(path)
        {
            let text = format!("The settings could not be saved: {error}");
            self.notices.add(NoticeKind::Warning, text);
        }
        self.assistant.load(folder);
    }

    /// Asks the assistant about what is shown.
    pub fn ask(&mut self, text: &str, task: Option<Task>) {
        if let Some(shown) = &self.document.shown {
            self.assistant.ask(shown, text, task);
        }
    }

    /// Carries a command out. Commands that open a dialog belong to the window and do nothing here.
    pub fn run(&mut self, command: Command) {
        match command {
            Command::UseTool(tool) => self.tool = tool,
            Command::ShowModels => self.models.show(&mut self.jobs),
            Command::UnloadModel => self.assistant.unload(),
            Command::CancelAnswer => self.assistant.cancel(),
            Command::Describe => self.describe(),
            Command::Report => self.ask("", Some(Task::Report)),
            Command::NextLayout | Command::Maximise(_) => self.lay_out(command),
            _ => {
                if let Some(shown) = &mut self.document.shown {
                    run_on_shown(shown, command);
                }
            }
        }
    }

    /// The next layout keeps the view in front that the reader works in.
    pub fn next_layout(&mut self, active: super::ViewId) {
        self.layout = self.layout.next(active);
    }

    fn lay_out(&mut self, command: Command) {
        match command {
            Command::Maximise(view) => self.layout = self.layout.toggled(view),
            _ => self.next_layout(super::ViewId::ALL[0]),
        }
    }

    fn describe(&mut self) {
        let has_box = self.document.shown.as_ref().map(|s| s.region.is_some());
        match has_box {
            Some(true) => self.ask("", Some(Task::Reg)),
            Some(false) => {
                self.tool = Tool::Box;
                let text = "Draw a box in a slice view first: drag with the Box tool (B).";
                self.notices.add(NoticeKind::Warning, text);
            }
            None => {}
        }
    }

    /// Takes in everything that has happened since the last frame.
    pub fn update(&mut self) {
        for result in self.jobs.drain() {
            match result {
                JobResult::Scanned(path, found) => self.scanned(&path, found),
                JobResult::Loaded(series, loaded) => self.loaded(*series, loaded),
                JobResult::Labelled(revision, labels) => {
                    if let Some(shown) = &mut self.document.shown
                        && shown.revision == revision
                    {
                        shown.labels = Some(*labels);
                    }
                }
                JobResult::Thumbnails(drawn) => self.document.thumbnails.extend(drawn),
                JobResult::Exported(path, Ok(())) => {
                    let text = format!("Wrote {}", path.display());
                    self.notices.add(NoticeKind::Info, text);
                }
                JobResult::Exported(_, Err(error)) => self.fail(&error),
                JobResult::Model(result) => {
                    if let Some(news) = self.models.take_in(result, &mut self.jobs) {
                        self.notices.add(NoticeKind::Info, news);
                    }
                }
            }
        }
        let document = &mut self.document;
        let was_ready = self.assistant.is_ready();
        self.assistant
            .update(|card, brought| bring(document, card, brought));
        if let (false, true, Some(shown)) =
            (was_ready, self.assistant.is_ready(), &self.document.shown)
        {
            self.assistant.study_opened(shown);
        }
        self.label();
    }

    fn scanned(&mut self, path: &Path, found: Result<Library, IoError>) {
        let library = match found {
            Ok(library) => library,
            Err(error) => return self.fail(&error),
        };
        let largest = library.largest_series().cloned();
        let refused = library.refused.len();
        let Some(series) = largest else {
            let text = library.nothing_opened(path);
            self.notices.add(NoticeKind::Error, text);
            return;
        };
        if refused > 0 {
            let text = format!("Files not opened: {refused}. The study panel says why.");
            self.notices.add(NoticeKind::Warning, text);
        }
        let listed = library.series().take(MOST_THUMBNAILS).cloned().collect();
        self.document.library = Some(library);
        self.document.thumbnails.clear();
        self.jobs.load(series);
        self.jobs.thumbnails(listed);
    }

    fn loaded(&mut self, series: Series, loaded: Result<Box<LoadedSeries>, IoError>) {
        match loaded {
            Ok(read) => {
                if let Some(error) = read.render_error {
                    let text = format!("The image cannot be drawn: {error}");
                    self.notices.add(NoticeKind::Error, text);
                }
                if self.document.show(series, read.loaded) {
                    let text = "This series has changed since it was last shown; what was found in it \
                                before is not drawn on it.";
                    self.notices.add(NoticeKind::Warning, text);
                }
                if let (Some(shown), true) = (&self.document.shown, self.assistant.is_ready()) {
                    self.assistant.study_opened(shown);
                }
            }
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &IoError) {
        if !matches!(error, IoError::Cancelled) {
            self.notices.add(NoticeKind::Error, error.to_string());
        }
    }

    /// Sends the visible masks to be drawn when they have changed.
    fn label(&mut self) {
        let Some(shown) = &self.document.shown else {
            return;
        };
        let state = (shown.revision, shown.findings.mask_revision());
        let masks = shown.findings.visible_masks();
        let nothing_drawn = masks.is_empty() && shown.labels.is_none();
        if state != self.labelled && !nothing_drawn {
            let masks = masks
                .into_iter()
                .map(|(mask, colour)| (Arc::clone(mask), colour))
                .collect();
            self.jobs.label(state.0, masks, &shown.volume, state.1);
            self.labelled = state;
        }
    }
}

/// Puts what an answer brought among the findings of the image it was made from, whatever is shown by
/// now; the views go there if it is that image.
fn bring(document: &mut Document, card: &Card, brought: Brought) -> Option<FindingId> {
    let name = super::assistant::short_name(&card.question);
    let kind = match brought {
        Brought::Box(voxel_box) => FindingKind::Box(voxel_box),
        Brought::Mask(mask, drawn_at_mm) => FindingKind::Mask { mask, drawn_at_mm },
    };
    if let Some(shown) = &mut document.shown
        && shown.identity == card.image
        && let Some(centre) = kind.centre()
    {
        shown.go_to_voxel(centre);
    }
    Some(document.findings_of(&card.image)?.add(name, kind))
}

fn run_on_shown(shown: &mut Shown, command: Command) {
    match command {
        Command::WindowPreset(n) => {
            if let Some(preset) = CT_PRESETS.get(n)
                && shown.shown_as() == Modality::Ct
            {
                shown.window = preset.window;
            }
        }
        Command::WindowFromValues => {
            shown.window = Window::from_range(shown.statistics.p01, shown.statistics.p99);
        }
        Command::Invert => shown.invert = !shown.invert,
        Command::ResetView => shown.reset_view(),
        Command::VolumePreset(preset) => shown.preset = preset,
        Command::ClearBox => shown.region = None,
        Command::Undo => shown.findings.undo(),
        Command::Redo => shown.findings.redo(),
        _ => {}
    }
}

/// The assistant to use where none is asked for: the one in the settings, else the one that is built in.
pub fn chosen_assistant(settings: &Settings) -> ModelFolder {
    match &settings.model_folder {
        Some(folder) => by_name(folder),
        None => BuiltIn::Small.into(),
    }
}

/// The settings may name a model instead of its folder. Where neither is there any more, loading says so.
fn by_name(folder: &Path) -> ModelFolder {
    let name = folder.to_str().unwrap_or_default();
    // Whatever is called so where the program is started.
    if let Some(model) = BuiltIn::named(name) {
        return model.into();
    }
    local::resolve(name).unwrap_or_else(|_| folder.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_choose_the_assistant() {
        let chosen = |folder: Option<&str>| {
            chosen_assistant(&Settings {
                model_folder: folder.map(PathBuf::from),
            })
        };
        assert_eq!(chosen(None), BuiltIn::Small.into());
        assert_eq!(chosen(Some("small")), BuiltIn::Small.into());
        // What is gone is not replaced by another.
        let gone = Path::new("/no/such/folder");
        assert_eq!(chosen(gone.to_str()), gone.into());
    }
}
