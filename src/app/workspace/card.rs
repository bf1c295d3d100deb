//! Questions and answers.

use glam::DVec3;
use m3d_assistant::inference::Task;
use m3d_assistant::plan::StepKind;
use m3d_assistant::reply::Outcome;
use m3d_imaging::volume::{ImageIdentity, Window};
use serde::{Deserialize, Serialize};

use super::{CardId, FindingId};

/// How far an answer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CardState {
    /// Waiting for the one before.
    Queued,
    /// The image is being prepared and encoded.
    Reading,
    /// Words are coming.
    Answering,
    /// Finished.
    Done,
    /// Stopped by the reader.
    Cancelled,
    /// Failed; what went wrong and what to do.
    Failed(String),
}

impl CardState {
    /// Whether something is still to come.
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Queued | Self::Reading | Self::Answering)
    }
}

/// What a finished answer was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// What the model wrote, to the letter.
    pub raw_text: String,
    /// The model's name.
    pub model_name: String,
    /// The model's fingerprint.
    pub model_fingerprint: String,
    /// The licence of the model's weights, where it is known.
    #[serde(default)]
    pub model_licence: Option<String>,
    /// The version of this program.
    pub program_version: String,
    /// The most tokens of the answer.
    pub max_tokens: usize,
    /// 0 for the likeliest token always.
    pub temperature: f64,
    /// The seed of the choice of tokens.
    pub seed: u64,
    /// The window the image was prepared with.
    pub window: Window,
    /// Tokens generated.
    pub token_count: usize,
    /// Milliseconds per stage, in order. A stage that was found ready is not listed.
    pub timings_ms: Vec<(String, f64)>,
    /// The size of the voxels a mask was drawn in, in mm along i, j, k.
    pub mask_voxel_mm: Option<DVec3>,
}

/// One step of how a question was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardStep {
    /// What it does.
    pub kind: StepKind,
    /// What it is about, by the lexicon's name.
    pub subject: Option<String>,
    /// How it ended; none while it is still to come.
    pub outcome: Option<Outcome>,
}

impl CardStep {
    /// `segment: liver`.
    pub fn label(&self) -> String {
        match &self.subject {
            Some(subject) => format!("{}: {subject}", self.kind.name()),
            None => self.kind.name().to_owned(),
        }
    }
}

/// Something to be careful about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardCaution {
    /// Machine-readable.
    pub code: String,
    /// In words.
    pub message: String,
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Its name.
    pub id: CardId,
    /// The image it was asked about.
    pub image: ImageIdentity,
    /// The time point.
    pub time: u32,
    /// The window that questions and reports were prepared with.
    pub window: Window,
    /// What the reader wrote or pressed.
    pub question: String,
    /// The task, where the reader chose one.
    pub task: Option<Task>,
    /// The steps it was taken for.
    #[serde(default)]
    pub plan: Vec<CardStep>,
    /// How what was named was read, where it was written otherwise.
    #[serde(default)]
    pub read_as: Option<String>,
    /// How it ended, once it is finished.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// What to be careful about.
    #[serde(default)]
    pub cautions: Vec<CardCaution>,
    /// The exact text given to the model after the image.
    pub prompt: String,
    /// The answer so far; the reader's own words once a report was edited.
    pub text: String,
    /// How far it is.
    pub state: CardState,
    /// The boxes and masks it brought, in order; some may have been removed since.
    pub findings: Vec<FindingId>,
    /// What it was made from, once it is finished.
    pub made_from: Option<Provenance>,
}

impl Card {
    /// A question that was asked about an image as it stands at a time point, prepared with a window; nothing has come yet.
    pub fn asked(
        image: ImageIdentity,
        time: u32,
        window: Window,
        question: String,
        task: Option<Task>,
    ) -> Self {
        Self {
            id: CardId::fresh(),
            image,
            time,
            window,
            question,
            task,
            plan: Vec::new(),
            read_as: None,
            outcome: None,
            cautions: Vec::new(),
            prompt: String::new(),
            text: String::new(),
            state: CardState::Queued,
            findings: Vec::new(),
            made_from: None,
        }
    }

    /// Whether it is the draft of a report.
    pub fn is_report(&self) -> bool {
        self.task == Some(Task::Report) || self.plan.iter().any(|s| s.kind == StepKind::Report)
    }

    /// The card once the program that asked has ended: nothing more is to come.
    #[must_use]
    pub fn without_its_worker(mut self) -> Self {
        if self.state.is_open() {
            let why = "The program ended before the answer was finished. Ask again.";
            self.state = CardState::Failed(why.into());
        }
        self
    }

    /// Bytes it holds.
    pub fn byte_len(&self) -> usize {
        size_of::<Self>() + self.question.len() + self.prompt.len() + self.text.len()
    }
}
