//! What the window wants: panels and views read the application and put their wishes here.

use std::path::PathBuf;

use m3d_assistant::hub::{ModelFolder, Published};
use m3d_imaging::io::SeriesId;

use super::workspace::{CardId, Edit, FindingId, NamedLayout, ViewId};
use super::{
    Command, Draft, FindingChange, JobId, MaskAct, NoticeKind, ReportAction, Shortcut, Step,
    StructureFile, StudyId,
};

/// What becomes of what is open when something else is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// The new files take the place of those listed.
    Instead,
    /// They are listed beside them.
    Beside,
}

/// Where a series is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// In every view of the layout.
    AllViews,
    /// In the active view; in all views where they all show one image, as the planes of one series do.
    Active,
    /// In one view.
    View(ViewId),
    /// Over what one view shows.
    Over(ViewId),
    /// Where views already want it.
    Wanted,
}

/// What a dialog is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialogRequest {
    /// Choose a folder of images.
    OpenFolder,
    /// Choose an image file.
    OpenFile,
    /// Type a path.
    OpenPath,
    /// Choose a folder of images to be listed beside what is open.
    OpenBeside,
    /// Choose the folder of a model.
    ChooseModel,
    /// Choose where the table of findings is written.
    ExportTable,
    /// Choose where a mask is written.
    ExportMask(FindingId),
    /// Choose a command by its name.
    Palette,
    /// List the keys, to be changed.
    Keys,
    /// Name the arrangement of the views.
    SaveLayout,
    /// Write the words of an arrow or a text.
    Words(FindingId),
    /// Ask whether the patient's identity goes along, and choose where the active study's session is written.
    SaveSession,
    /// Choose a session that was taken along.
    OpenSession,
    /// Choose in which form the report is exported, and what goes out unreviewed.
    ExportReport,
    /// Ask whether everything that was saved of a study is to be removed.
    ForgetStudy(StudyId),
}

/// What is done with a model.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelAction {
    /// Load it now and at the next start.
    Use(ModelFolder),
    /// Read every byte of it.
    Verify(ModelFolder),
    /// Show its licence.
    AskFor(&'static Published),
    /// Fetch it: its licence was accepted.
    Fetch(&'static Published),
    /// Do not fetch it.
    Decline,
    /// Look for models again.
    Look,
    /// Close the dialog.
    Close,
}

/// One wish.
#[derive(Debug)]
pub enum Effect {
    /// Change the reader's work; without a step it is a look that is not taken back.
    Edit(Edit, Option<Step>),
    /// Take back what belongs to this group, which is still being made.
    CancelStep(u64),
    /// Carry a command out.
    Run(Command),
    /// Open files or folders.
    Open(Vec<PathBuf>, Opening),
    /// Show a series.
    Show(SeriesId, Placement),
    /// Read structures onto an image, which is opened first where it is not here.
    LoadStructures {
        /// Where they are.
        from: StructureFile,
        /// The image.
        onto: SeriesId,
    },
    /// Arrange the views.
    Arrange(NamedLayout),
    /// Keep the arrangement of the views under a name.
    SaveLayout(String),
    /// Give a command another key, or none.
    Bind(Command, Option<Shortcut>),
    /// Give all commands their usual keys.
    ResetKeys,
    /// Make a view the active one.
    Activate(ViewId),
    /// Write the question that is being written anew.
    Draft(Draft),
    /// Ask again what a card asked, although the image is none that the model was taught.
    AskAnyway(CardId),
    /// Do something with a model.
    Model(ModelAction),
    /// Name a finding.
    Name(FindingId, String),
    /// Change findings, in one step.
    ChangeFindings(Vec<FindingId>, FindingChange),
    /// Write the table of findings to a file.
    ExportTable(PathBuf),
    /// The window has room for a panel on both sides, or has not any more.
    Wide(bool),
    /// Play so many pictures a second.
    Rate(f32),
    /// Choose these findings and no others.
    Select(Vec<FindingId>),
    /// Correct a mask.
    Mask(MaskAct),
    /// Go to a finding in all views, and show it.
    GoToFinding(FindingId),
    /// Write a mask to a file.
    ExportMask(FindingId, PathBuf),
    /// Open a recent study again.
    OpenRecent(StudyId),
    /// Remove everything that was saved of a study: the reader was asked.
    ForgetStudy(StudyId),
    /// Open a session that was taken along.
    OpenSession(PathBuf),
    /// Write the session of the active study to a file to take along.
    SaveSession {
        /// Where.
        path: PathBuf,
        /// Whether the patient's name, numbers and dates go along.
        with_identity: bool,
    },
    /// Do something with the report of the active study.
    Report(ReportAction),
    /// Stop a job.
    CancelJob(JobId),
    /// Tell the reader something.
    Notice(NoticeKind, String),
    /// Take a notice away, by its place.
    Dismiss(usize),
    /// Open a dialog.
    Dialog(DialogRequest),
}

/// The wishes of one frame, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    effects: Vec<Effect>,
}

impl Outbox {
    /// Wishes for something.
    pub fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Wishes for a command.
    pub fn run(&mut self, command: Command) {
        self.push(Effect::Run(command));
    }

    /// Changes how something is looked at; it is no step.
    pub fn look(&mut self, edits: impl IntoIterator<Item = Edit>) {
        let effects = edits.into_iter().map(|edit| Effect::Edit(edit, None));
        self.effects.extend(effects);
    }

    /// Changes the reader's work as (a part of) a step.
    pub fn step(&mut self, edit: Edit, step: Step) {
        self.push(Effect::Edit(edit, Some(step)));
    }

    /// Whether nothing is wished for.
    pub const fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }

    /// Everything wished for, in order.
    pub fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}
