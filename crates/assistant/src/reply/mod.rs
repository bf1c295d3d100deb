//! From a reader's question to an answer that can be trusted as far as it goes.
//!
//! A model only does what a model is for; around it stand the plan ([`crate::plan`]), what the image is
//! ([`m3d_imaging::survey`]), what the model was taught ([`Knowledge`](crate::inference::Knowledge)), measuring, and the guards: an answer is about what
//! was asked, or it is said to be unusable.
//!
//! ```text
//! Question --plan--> steps --model, measures, header--> StepReply --guards--> Reply
//! ```

mod about;
mod find;
mod guards;
mod header;
mod measuring;
mod outcome;
mod presence;
mod report;
mod respond;
mod statement;
mod wording;

pub use about::ImageFacts;
pub use outcome::Outcome;
pub use respond::respond;
pub use statement::{NOT_MEASURED, Statement, sentences};

use std::sync::Arc;

use glam::DVec3;
use m3d_imaging::geometry::VoxelBox;
use m3d_imaging::terms::Term;
use m3d_imaging::volume::measure::Measures;
use m3d_imaging::volume::{Mask, Volume, Window};

use crate::inference::{Answer, GenerationSettings, InferenceError, Request, Task};
use crate::plan::{Plan, StepKind};

/// A reader's question about an image.
#[derive(Clone, Debug)]
pub struct Question {
    /// The caller's number for it, unlike that of any question still waiting; events carry it.
    pub id: u64,
    /// The volume asked about.
    pub volume: Arc<Volume>,
    /// The revision of the study the volume comes from. Equal revisions mean equal voxels.
    pub revision: u64,
    /// What is known of the image beside its voxels.
    pub about: Arc<ImageFacts>,
    /// What the reader typed; may be empty for a report or a box.
    pub text: String,
    /// The task, where the reader chose one: then there is no plan, and guards only warn.
    pub task: Option<Task>,
    /// The box drawn, on the volume's grid.
    pub voxel_box: Option<VoxelBox>,
    /// The window that questions and reports are prepared with; `None` for the one that the model was taught with.
    pub window: Option<Window>,
    /// How to generate.
    pub settings: GenerationSettings,
    /// To answer although the image is none that the model was taught.
    pub anyway: bool,
}

impl From<Request> for Question {
    /// The same question about an image of which nothing is known but its voxels and their place.
    fn from(request: Request) -> Self {
        Self {
            about: Arc::new(ImageFacts::of_volume(&request.volume)),
            id: request.id,
            volume: request.volume,
            revision: request.revision,
            text: request.text,
            task: Some(request.task),
            voxel_box: request.voxel_box,
            window: Some(request.window),
            settings: request.settings,
            anyway: false,
        }
    }
}

/// What happens on the way to an answer, in order. The last one of every question is `Done`, `Cancelled` or `Failed`.
#[derive(Clone, Debug)]
pub enum ReplyEvent {
    /// What is going to be done.
    Plan(Plan),
    /// The step of this number begins.
    Step(usize),
    /// The exact text given to the model after the image.
    Prompt(String),
    /// The model has seen the image.
    Encoded,
    /// A further piece of what the model writes, where its words are wanted.
    Token(String),
    /// A place that was found.
    Found(Found),
    /// The whole answer.
    Done(Box<Reply>),
    /// The question was cancelled.
    Cancelled,
    /// There is no answer.
    Failed(InferenceError),
}

/// A place that was found, on the volume's grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// What it is: the lexicon's name, or the reader's words.
    pub name: String,
    /// The lexicon's term, where it has one.
    pub term: Option<&'static Term>,
    /// Where.
    pub place: Place,
}

/// Where something is.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// A box.
    Box(VoxelBox),
    /// A mask, with the mm (along the axes i, j, k) that one voxel of it as drawn really covers.
    Mask(Arc<Mask>, DVec3),
}

/// Something to be careful about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyWarning {
    /// Machine-readable.
    pub code: &'static str,
    /// In words.
    pub message: String,
}

impl ReplyWarning {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }
}

/// What came of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReply {
    /// What was done.
    pub kind: StepKind,
    /// What it was about: the lexicon's name, or the reader's words.
    pub subject: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// What it says, in whole sentences; empty where another step says it.
    pub text: String,
    /// Whether a model wrote the words, so that nothing here has checked them.
    pub by_model: bool,
    /// What was found.
    pub found: Vec<Found>,
    /// The figures, of a step that measures.
    pub measures: Option<Box<Measures>>,
    /// What the model answered, of a step that asked it.
    pub answer: Option<Box<Answer>>,
}

/// An answer with all that is needed to judge it and to get it again.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// How it ended, all steps together.
    pub outcome: Outcome,
    /// What the question is about: the lexicon's names.
    pub subjects: Vec<String>,
    /// How what was named was read, where it was written otherwise.
    pub read_as: Option<String>,
    /// The steps, in order.
    pub steps: Vec<StepReply>,
    /// The answer in words, without raw tokens.
    pub text: String,
    /// Its sentences, each with what it is about.
    pub statements: Vec<Statement>,
    /// What to be careful about.
    pub warnings: Vec<ReplyWarning>,
    /// The window that questions and reports were prepared with.
    pub window: Window,
    /// The model's name.
    pub model_name: String,
    /// The model's fingerprint.
    pub model_fingerprint: String,
    /// How it was generated.
    pub settings: GenerationSettings,
    /// Milliseconds in all.
    pub total_ms: f64,
}

impl Reply {
    /// What was found, step by step.
    pub fn found(&self) -> impl Iterator<Item = &Found> {
        self.steps.iter().flat_map(|step| &step.found)
    }

    /// The model's answers, in the order they were asked for.
    pub fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.steps.iter().filter_map(|step| step.answer.as_deref())
    }

    /// Milliseconds per stage over all of the model's answers, in the order they were first reached.
    pub fn timings_ms(&self) -> Vec<(&'static str, f64)> {
        let mut sums: Vec<(&'static str, f64)> = Vec::new();
        for &(stage, ms) in self.answers().flat_map(|answer| &answer.timings_ms) {
            match sums.iter_mut().find(|(known, _)| *known == stage) {
                Some((_, sum)) => *sum += ms,
                None => sums.push((stage, ms)),
            }
        }
        sums
    }
}
