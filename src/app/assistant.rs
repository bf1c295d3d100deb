//! The assistant's side of the application: the model, the questions and the answers.

use std::sync::Arc;

use glam::DVec3;

use super::jobs::Waker;
use super::{FindingId, Shown};
use m3d_assistant::hub::{ModelFolder, local};
use m3d_assistant::inference::{
    Answer, Event, InferenceError, ModelFacts, Request, Settings, Task, Worker, WorkerEvent,
    recognise,
};
use m3d_imaging::geometry::VoxelBox;
use m3d_imaging::volume::{ImageIdentity, Mask};
use m3d_model::{DTypeChoice, DeviceChoice};

/// Whether a model is there.
#[derive(Clone, Debug)]
pub enum ModelStatus {
    /// None was chosen, or it was unloaded.
    Absent,
    /// One is being read; the share that is done.
    Loading(f32),
    /// One is ready.
    Ready(ModelFacts),
    /// One could not be read; what is wrong and what to do.
    Failed(String),
}

/// How far an answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A question and its answer.
#[derive(Clone, Debug)]
pub struct Card {
    /// The worker's name for it.
    pub id: u64,
    /// The image it was asked about.
    pub image: ImageIdentity,
    /// That image in words, for when another is shown.
    pub about: String,
    /// What the reader wrote or pressed.
    pub question: String,
    /// The task it was taken for.
    pub task: Task,
    /// The exact text given to the model after the image.
    pub prompt: String,
    /// The answer so far.
    pub text: String,
    /// How far it is.
    pub state: CardState,
    /// The boxes and masks it brought.
    pub findings: Vec<FindingId>,
    /// Everything about the finished answer.
    pub answer: Option<Answer>,
}

/// Something an answer brought for the document.
#[derive(Clone, Debug)]
pub enum Brought {
    /// A box on the study's grid.
    Box(VoxelBox),
    /// A mask on the study's grid, with the size of the voxels it was drawn in.
    Mask(Arc<Mask>, Option<DVec3>),
}

/// The model's worker and the conversation.
pub struct Assistant {
    worker: Option<Worker>,
    /// Whether a model is there.
    pub status: ModelStatus,
    /// Questions and answers, oldest first.
    pub cards: Vec<Card>,
    next: u64,
}

impl Assistant {
    /// No model yet. `wake` is called when there is news.
    pub fn new(wake: Waker) -> Self {
        let (worker, status) = match Worker::start(move || wake()) {
            Ok(worker) => (Some(worker), ModelStatus::Absent),
            Err(error) => (None, ModelStatus::Failed(error.to_string())),
        };
        Self {
            worker,
            status,
            cards: Vec::new(),
            next: 0,
        }
    }

    /// Reads a model; the one before stays until the new one is read.
    pub fn load(&mut self, folder: ModelFolder) {
        let place = local::place(folder, None);
        let asked =
            self.with_worker(|worker| worker.load(place, DeviceChoice::Auto, DTypeChoice::Auto));
        self.status = match asked {
            Ok(()) => ModelStatus::Loading(0.0),
            Err(error) => ModelStatus::Failed(error.to_string()),
        };
    }

    /// Gives the model's memory back.
    pub fn unload(&mut self) {
        if let Err(error) = self.with_worker(Worker::unload) {
            self.status = ModelStatus::Failed(error.to_string());
        }
    }

    /// Starts encoding a study, so that the first question finds it ready.
    pub fn study_opened(&self, shown: &Shown) {
        if let Some(worker) = &self.worker {
            let fingerprint = shown.identity.digest.short();
            worker.encode(Arc::clone(&shown.volume), fingerprint, shown.window);
        }
    }

    /// Whether questions can be asked.
    pub const fn is_ready(&self) -> bool {
        matches!(self.status, ModelStatus::Ready(_))
    }

    /// Whether an answer is still to come.
    pub fn is_busy(&self) -> bool {
        self.cards.iter().any(|card| card.state.is_open())
    }

    /// Asks a question about what is shown. `task` is what the reader chose; without it the text is
    /// recognised by its words.
    pub fn ask(&mut self, shown: &Shown, text: &str, task: Option<Task>) {
        self.next += 1;
        let id = self.next;
        let task = task.unwrap_or_else(|| recognise(text, shown.region.is_some()));
        let asked = self.with_worker(|worker| {
            worker.ask(Request {
                id,
                volume: Arc::clone(&shown.volume),
                revision: shown.identity.digest.short(),
                task: Some(task),
                text: text.to_owned(),
                voxel_box: shown.region,
                window: shown.window,
                settings: Settings::default(),
            })
        });
        self.cards.push(Card {
            id,
            image: shown.identity.clone(),
            about: shown.title(),
            question: match text.trim() {
                "" => task.label().to_owned(),
                text => text.to_owned(),
            },
            task,
            prompt: String::new(),
            text: String::new(),
            state: match asked {
                Ok(()) => CardState::Queued,
                Err(error) => CardState::Failed(error.to_string()),
            },
            findings: Vec::new(),
            answer: None,
        });
    }

    /// Stops everything that is still to come.
    pub fn cancel(&mut self) {
        if let Some(worker) = &self.worker {
            for card in self.cards.iter().filter(|card| card.state.is_open()) {
                worker.cancel(card.id);
            }
        }
    }

    fn with_worker<R>(
        &self,
        ask: impl FnOnce(&Worker) -> Result<R, InferenceError>,
    ) -> Result<R, InferenceError> {
        self.worker
            .as_ref()
            .ok_or(InferenceError::Ended)
            .and_then(ask)
    }

    /// Takes in what the worker has said since the last call; `bring` puts a box or a mask among
    /// the findings of the image it was made from and returns its name there.
    pub fn update(&mut self, mut bring: impl FnMut(&Card, Brought) -> Option<FindingId>) {
        let Some(worker) = &self.worker else {
            return;
        };
        for event in worker.events().try_iter() {
            match event {
                WorkerEvent::Loading(share) => self.status = ModelStatus::Loading(share),
                WorkerEvent::Loaded(facts) => self.status = ModelStatus::Ready(facts),
                WorkerEvent::LoadFailed(error) => {
                    self.status = ModelStatus::Failed(error.to_string());
                }
                WorkerEvent::Unloaded => self.status = ModelStatus::Absent,
                WorkerEvent::Encoded { result, .. } => {
                    // The first question about the study will meet the same error and show it.
                    if let Err(error) = result {
                        tracing::debug!("a study was not encoded ahead: {error}");
                    }
                }
                WorkerEvent::Question(id, event) => {
                    if let Some(card) = self.cards.iter_mut().rev().find(|c| c.id == id) {
                        take_in(card, event, &mut bring);
                    }
                }
            }
        }
    }
}

fn take_in(
    card: &mut Card,
    event: Event,
    bring: &mut impl FnMut(&Card, Brought) -> Option<FindingId>,
) {
    match event {
        Event::Loading(_) | Event::Prepared => card.state = CardState::Reading,
        Event::Encoded => card.state = CardState::Answering,
        Event::Prompt(prompt) => {
            card.prompt = prompt;
            card.state = CardState::Reading;
        }
        Event::Token(piece) => {
            card.state = CardState::Answering;
            card.text += &piece;
        }
        Event::Box(voxel_box) => {
            let id = bring(card, Brought::Box(voxel_box));
            card.findings.extend(id);
        }
        Event::Mask(mask, drawn_at_mm) => {
            let id = bring(card, Brought::Mask(mask, Some(drawn_at_mm)));
            card.findings.extend(id);
        }
        Event::Done(answer) => {
            card.text = answer.readable();
            card.answer = Some(*answer);
            card.state = CardState::Done;
        }
        Event::Cancelled => card.state = CardState::Cancelled,
        Event::Failed(error) => card.state = CardState::Failed(error.to_string()),
    }
}

/// A question as the name of what it brought: its first words.
pub(super) fn short_name(question: &str) -> String {
    shortened(question.lines().next().unwrap_or_default().trim(), 28)
}

/// At most `most` characters, with an ellipsis where some are left out.
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    kept.trim_end().to_owned() + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_end_in_an_ellipsis() {
        assert_eq!(shortened("abcdef", 4), "abc…");
        assert_eq!(shortened("abcd", 4), "abcd");
        assert_eq!(short_name("  where is it\nnow"), "where is it");
    }
}
