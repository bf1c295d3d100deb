//! The application: the reader's work, what it is drawn from, and what is being done.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use m3d_assistant::hub::{BuiltIn, Fetched, HubError, ModelFolder, ModelName, local};
use m3d_assistant::inference::release_freed_memory;
use m3d_imaging::io::{IoError, Library};
use m3d_imaging::volume::{ImageKey, LabelMap};

use super::desk::{Arrival, Desk};
use super::jobs::{DrawLabels, Jobs, Waker};
use super::report::Templates;
use super::resources::{ImageTime, LabelSources, Resources};
use super::session::{Import, Sessions};
use super::structures::Waiting;
use super::workspace::{Edit, FindingColour, FindingId, MaskLook, ViewId, Workspace};
use super::{
    Assistant, Command, DialogRequest, Draft, Effect, History, MaskWork, ModelAction, Models,
    NoticeKind, Notices, Outbox, Playback, Revision, Screen, Settings, Shortcut, Step, StudyId,
    Tool, Topic, USUAL_RATE,
};
use crate::render::Gpu;

/// Images that are not on screen are kept while all take at most so much.
const MOST_IMAGE_BYTES: usize = 3 << 30;

/// How the threshold that is being chosen is drawn.
const PREVIEW: (FindingColour, MaskLook) = (
    FindingColour::Own([255, 214, 70]),
    MaskLook {
        opacity: Some(0.5),
        outline: false,
    },
);

/// Everything behind the window.
pub struct Application {
    /// The reader's work.
    pub workspace: Workspace,
    /// What was done, to be taken back.
    pub history: History,
    /// What pictures are drawn from.
    pub resources: Resources,
    /// The files found.
    pub library: Option<Library>,
    /// What is being done.
    pub jobs: Jobs,
    /// What the reader should know.
    pub notices: Notices,
    /// The model.
    pub assistant: Assistant,
    /// The models that are here and that could be.
    pub models: Models,
    /// What reports are begun with.
    pub templates: Templates,
    /// What the left button does.
    pub tool: Tool,
    /// What is left off the screen for a moment.
    pub screen: Screen,
    /// Whether the window has room for a panel on both sides.
    pub is_wide: bool,
    /// What masks are corrected with.
    pub masks: MaskWork,
    /// The question that is being written.
    pub draft: Draft,
    /// The time points that are being played.
    pub playback: Option<Playback>,
    /// How many pictures a second are played.
    pub rate: f32,
    pub(super) active: ViewId,
    /// The views and steps of studies that were left, the last one left last.
    pub(super) desks: Vec<Desk>,
    /// What was opened and is not on screen yet.
    pub(super) arrival: Option<Arrival>,
    /// Structures whose image is being read.
    pub(super) waiting: Vec<Waiting>,
    /// Images that could not be read again; they are not tried in every frame.
    pub(super) unreadable: BTreeSet<ImageKey>,
    /// The findings that are chosen.
    pub(super) selected: Vec<FindingId>,
    pub(super) dialogs: Vec<DialogRequest>,
    pub(super) gpu: Option<Gpu>,
    /// The sessions of the studies that are open; none where nothing is kept.
    pub(super) sessions: Option<Sessions>,
    /// Sessions from elsewhere whose images are not all here.
    pub(super) imports: Vec<Import>,
    /// Counts the changes of the workspace.
    pub(super) changes: Revision,
    settings: Settings,
    settings_path: Option<PathBuf>,
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
    /// The folder where the reader's work is kept; none in tests.
    pub sessions: Option<PathBuf>,
}

impl Application {
    /// Starts: reads the settings, loads the model, opens the path. `wake` is called from other
    /// threads when the window has something new to show.
    pub fn new(options: StartOptions, wake: &Waker, gpu: Option<Gpu>) -> Self {
        let path = options.settings_path;
        let template_folder = path.as_deref().and_then(Path::parent);
        let template_folder = template_folder.map(|folder| folder.join("report-templates"));
        let settings = path.as_deref().map(Settings::load).unwrap_or_default();
        let workspace = Workspace::default();
        let active = workspace.layout.shown().first().copied();
        let mut app = Self {
            active: active.unwrap_or_else(ViewId::fresh),
            workspace,
            history: History::default(),
            resources: Resources::bounded(MOST_IMAGE_BYTES),
            library: None,
            jobs: Jobs::new(Arc::clone(wake)),
            notices: Notices::default(),
            assistant: Assistant::new(Arc::clone(wake)),
            models: Models::new(options.models),
            templates: Templates::read(template_folder),
            tool: Tool::Window,
            screen: Screen::default(),
            is_wide: true,
            masks: MaskWork::default(),
            draft: Draft::default(),
            playback: None,
            rate: USUAL_RATE,
            desks: Vec::new(),
            arrival: None,
            waiting: Vec::new(),
            unreadable: BTreeSet::new(),
            selected: Vec::new(),
            dialogs: Vec::new(),
            gpu,
            sessions: None,
            imports: Vec::new(),
            changes: Revision::default(),
            settings,
            settings_path: path,
        };
        if let Some(root) = options.sessions {
            app.start_sessions(root, wake);
        }
        let model = options
            .model
            .unwrap_or_else(|| chosen_assistant(&app.settings));
        app.assistant.load(model);
        if let Some(path) = options.path {
            app.open(path);
        }
        app
    }

    /// Which state of the reader's work this is.
    pub const fn revision(&self) -> Revision {
        self.changes
    }

    /// What is remembered from one start to the next.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes what is remembered; a file that cannot be written is a notice.
    pub fn remember(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings);
        if let Some(path) = &self.settings_path
            && let Err(error) = self.settings.save(path)
        {
            let text = format!("The settings could not be saved: {error}");
            self.notices.add(NoticeKind::Warning, text);
        }
    }

    /// Uses a model, now and at the next start.
    pub fn use_model(&mut self, folder: ModelFolder) {
        let path = folder.path().to_owned();
        self.remember(|settings| settings.model_folder = Some(path));
        self.assistant.load(folder);
    }

    fn start_sessions(&mut self, root: PathBuf, wake: &Waker) {
        match Sessions::start(root, wake) {
            Ok(sessions) => self.sessions = Some(sessions),
            Err(error) => {
                let text = format!("Your work cannot be saved: {error}. Start the program again.");
                self.notices.stay(Topic::Saving, NoticeKind::Error, text);
            }
        }
    }

    /// Changes the reader's work as (a part of) a step, unless it may not be changed here.
    pub(super) fn change(&mut self, edit: Edit, step: Step) {
        if !self.refuses(&edit) {
            // An answer may come when the reader has gone to another study.
            let study = self.image_of(&edit).map(|image| StudyId::of(&image));
            let left = study.and_then(|study| self.desk_of(study));
            let mut history = left.map(|desk| std::mem::take(&mut desk.history));
            let steps = history.as_mut().unwrap_or(&mut self.history);
            steps.apply(&mut self.workspace, edit, step);
            if let (Some(history), Some(study)) = (history, study)
                && let Some(desk) = self.desk_of(study)
            {
                desk.history = history;
            }
            self.changes = self.changes.next();
        }
    }

    /// Changes the reader's work in a way that is not taken back: a look, or what comes by itself.
    pub(super) fn apply(&mut self, edit: Edit) {
        self.workspace.apply(edit);
        self.changes = self.changes.next();
    }

    /// Changes that are one step.
    pub(super) fn change_together(
        &mut self,
        edits: impl IntoIterator<Item = Edit>,
        label: &'static str,
    ) {
        let group = Step::group();
        for edit in edits {
            self.change(edit, Step::of_group(label, group));
        }
    }

    /// Changes that are not taken back, in order.
    pub(super) fn apply_all(&mut self, edits: impl IntoIterator<Item = Edit>) {
        for edit in edits {
            self.apply(edit);
        }
    }

    /// Takes steps back or makes them again.
    pub(super) fn go_through_history(&mut self, go: impl FnOnce(&mut History, &mut Workspace)) {
        go(&mut self.history, &mut self.workspace);
        self.changes = self.changes.next();
    }

    /// Carries out what the window wishes for, in order; what is to be opened as a dialog comes back.
    pub fn handle(&mut self, outbox: &mut Outbox) -> Vec<DialogRequest> {
        for effect in outbox.take() {
            self.handle_effect(effect);
        }
        std::mem::take(&mut self.dialogs)
    }

    fn handle_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Edit(Edit::Look { id, look }, None) => {
                self.apply_all(self.look_edits(id, look));
            }
            Effect::Edit(edit, Some(step)) => self.change(edit, step),
            Effect::Edit(edit, None) => self.apply(edit),
            Effect::CancelStep(group) => {
                self.go_through_history(|history, workspace| history.cancel(workspace, group));
            }
            Effect::Run(command) => self.run(command),
            Effect::Open(paths, opening) => self.open_paths(paths, opening),
            Effect::Show(series, placement) => self.show(&series, placement),
            Effect::LoadStructures { from, onto } => self.load_structures(from, &onto),
            Effect::Arrange(named) => self.arrange(&named),
            Effect::SaveLayout(name) => self.save_layout(name),
            Effect::Bind(command, shortcut) => self.bind(command, shortcut),
            Effect::ResetKeys => self.remember(|settings| settings.keys.reset()),
            Effect::Activate(view) => self.activate(view),
            Effect::Draft(draft) => self.draft = draft,
            Effect::AskAnyway(card) => self.ask_anyway(card),
            Effect::Model(action) => self.handle_model(action),
            Effect::Name(id, name) => self.name_finding(id, name),
            Effect::ChangeFindings(ids, change) => self.change_findings(&ids, &change),
            Effect::ExportTable(path) => self.export_table(path),
            Effect::Wide(is_wide) => self.is_wide = is_wide,
            Effect::Rate(rate) => self.rate = rate,
            Effect::Select(ids) => self.select(ids),
            Effect::Mask(act) => self.handle_mask(act),
            Effect::GoToFinding(id) => self.go_to_finding(id),
            Effect::ExportMask(id, path) => self.export_mask(id, path),
            Effect::OpenRecent(study) => self.open_recent(study),
            Effect::ForgetStudy(study) => self.forget_study(study),
            Effect::OpenSession(path) => self.open_session(path),
            Effect::SaveSession {
                path,
                with_identity,
            } => self.save_session(path, with_identity),
            Effect::Report(action) => self.handle_report(action),
            Effect::CancelJob(id) => self.jobs.cancel(id),
            Effect::Notice(kind, text) => self.notices.add(kind, text),
            Effect::Dismiss(index) => self.notices.dismiss(index),
            Effect::Dialog(request) => self.dialogs.push(request),
        }
    }

    fn bind(&mut self, command: Command, shortcut: Option<Shortcut>) {
        let mut robbed = None;
        self.remember(|settings| robbed = settings.keys.bind(command, shortcut));
        if let Some(other) = robbed {
            let text = format!("{} has no key any more.", other.label());
            self.notices.add(NoticeKind::Info, text);
        }
    }

    fn handle_model(&mut self, action: ModelAction) {
        match action {
            ModelAction::Use(folder) => self.use_model(folder),
            ModelAction::Verify(folder) => self.models.verify(folder, &mut self.jobs),
            ModelAction::AskFor(model) => self.models.asking = Some(model),
            ModelAction::Fetch(model) => self.models.fetch(model, &mut self.jobs),
            ModelAction::Decline => self.models.asking = None,
            ModelAction::Look => self.models.look(&mut self.jobs),
            ModelAction::Close => self.models.open = false,
        }
    }

    pub(super) fn model_fetched(&mut self, name: &ModelName, fetched: Result<Fetched, HubError>) {
        if let Some(news) = self.models.fetched(name, fetched, &mut self.jobs) {
            self.notices.add(NoticeKind::Info, news);
        }
    }

    /// Handles everything that has happened since the last frame.
    pub fn update(&mut self) {
        for finish in self.jobs.drain() {
            finish(self);
        }
        self.forget_waiting();
        self.hear_assistant();
        self.hear_saver();
        self.play();
        let shown = self.wanted_images();
        self.load_wanted(&shown);
        self.follow_threshold();
        self.draw_labels(&shown);
        // What is measured of a mask waits for the end of a stroke.
        if !self.masks.painting {
            self.measure_findings(&shown);
        }
        self.resources.drop_unseen(&shown);
        if self.resources.take_freed() {
            give_back_soon();
        }
        self.hand_over();
    }

    pub(super) fn fail(&mut self, error: &IoError) {
        if !matches!(error, IoError::Cancelled) {
            self.notices.add(NoticeKind::Error, error.to_string());
        }
    }

    /// Lets the assistant read what the active view shows ahead of the first question.
    pub(super) fn encode_active(&self) {
        if let Some(seen) = self.seen_active().filter(|_| self.assistant.is_ready()) {
            self.assistant.encode(&seen);
        }
    }

    /// Sends the visible masks of the images on screen to be drawn when they have changed.
    fn draw_labels(&mut self, shown: &[ImageTime]) {
        for (image, _) in shown {
            let visible = self.workspace.findings_of(image).filter(|f| f.visible);
            let masks = visible.filter_map(|f| {
                let look = (f.colour, f.mask_look);
                Some((Arc::clone(f.mask()?), look))
            });
            let threshold = self.masks.threshold.as_ref().filter(|t| t.image == *image);
            let preview = threshold.and_then(|threshold| threshold.shown.as_ref());
            let preview = preview.map(|(_, mask)| (Arc::clone(mask), PREVIEW));
            let sources = LabelSources(masks.chain(preview).take(LabelMap::MOST).collect());
            let Some(record) = self.workspace.images.get(image) else {
                continue;
            };
            // The next is drawn when the last is here: a long stroke is seen on the way.
            let busy = self.jobs.goes_on(&DrawLabels::slot_of(image));
            if busy || !self.resources.label(image, &sources) {
                continue;
            }
            let drawn = self.resources.labels(image);
            let has_texture = drawn.is_some_and(|labels| labels.texture.is_some());
            let job = DrawLabels {
                grid: record.grid,
                sources,
                earlier: drawn.map(|labels| (labels.sources.clone(), labels.map.clone())),
                upload_to: self.gpu.clone().filter(|_| !has_texture),
                revision: self.resources.next_revision(),
                image: image.clone(),
            };
            self.jobs.start(job);
        }
    }
}

impl Drop for Application {
    /// What is not saved yet is handed over; the saver writes it before it ends.
    fn drop(&mut self) {
        self.hand_over();
    }
}

/// Lets the allocator give freed voxels back once the last hand has let go of them: a job's thread, the
/// GPU's queue, the assistant.
fn give_back_soon() {
    let later = std::thread::Builder::new().name("give-back".into());
    let body = || {
        std::thread::sleep(Duration::from_secs(1));
        release_freed_memory();
    };
    if let Err(error) = later.spawn(body) {
        tracing::debug!("no thread to give memory back: {error}");
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
                ..Settings::default()
            })
        };
        assert_eq!(chosen(None), BuiltIn::Small.into());
        assert_eq!(chosen(Some("small")), BuiltIn::Small.into());
        // What is gone is not replaced by another.
        let gone = Path::new("/no/such/folder");
        assert_eq!(chosen(gone.to_str()), gone.into());
    }
}
