//! The model's worker.

use std::sync::Arc;

use m3d_assistant::hub::{ModelFolder, local};
use m3d_assistant::inference::{InferenceError, ModelFacts};
use m3d_assistant::reply::Question;
use m3d_assistant::{Worker, WorkerEvent};
use m3d_model::{DTypeChoice, DeviceChoice};

use super::Seen;
use super::jobs::Waker;
use super::workspace::CardId;

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

/// The worker that owns the model.
pub struct Assistant {
    worker: Option<Worker>,
    /// Whether a model is there.
    pub status: ModelStatus,
}

impl Assistant {
    /// No model yet. `wake` is called when there is news.
    pub fn new(wake: Waker) -> Self {
        let (worker, status) = match Worker::start(move || wake()) {
            Ok(worker) => (Some(worker), ModelStatus::Absent),
            Err(error) => (None, ModelStatus::Failed(error.to_string())),
        };
        Self { worker, status }
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

    /// Starts encoding an image, so that the first question finds it ready.
    pub fn encode(&self, seen: &Seen<'_>) {
        if let Some(worker) = &self.worker {
            // With the window that questions are prepared with, whatever is on screen.
            let window = seen.image.about.window;
            worker.encode(Arc::clone(seen.volume()), seen.fingerprint(), window);
        }
    }

    /// Whether questions can be asked.
    pub const fn is_ready(&self) -> bool {
        matches!(self.status, ModelStatus::Ready(_))
    }

    /// Sends a question to the worker.
    ///
    /// # Errors
    /// When it has ended or too many questions wait.
    pub fn ask(&self, question: Question) -> Result<(), InferenceError> {
        self.with_worker(|worker| worker.ask(question))
    }

    /// Stops a question.
    pub fn cancel(&self, card: CardId) {
        if let Some(worker) = &self.worker {
            worker.cancel(card.0);
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

    /// What the worker has said since the last call.
    pub fn events(&self) -> Vec<WorkerEvent> {
        let worker = self.worker.iter();
        worker
            .flat_map(|worker| worker.events().try_iter())
            .collect()
    }
}
