//! The thread that owns the model.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, TryRecvError, TrySendError, bounded};

use crate::inference::{InferenceError, ModelFacts, OpenedModel, Session, release_freed_memory};
use crate::reply::{Question, ReplyEvent, respond};
use m3d_imaging::volume::{Volume, Window};
use m3d_model::ModelPlace;
use m3d_model::error::one_line;
use m3d_model::{DTypeChoice, DeviceChoice};

/// The most requests that wait.
const MOST_REQUESTS: usize = 32;
/// The most events that wait to be read; the thread pauses when there are more.
const MOST_EVENTS: usize = 512;

/// What the worker reports, in order.
#[derive(Clone, Debug)]
pub enum WorkerEvent {
    /// A model is being loaded: 0 to 1.
    Loading(f32),
    /// A model is ready. It has seen nothing yet: what another model encoded ahead is gone.
    Loaded(ModelFacts),
    /// A model could not be loaded. One that was there before stays when the new folder was at fault.
    LoadFailed(InferenceError),
    /// The model is gone and its memory free.
    Unloaded,
    /// A volume was encoded ahead of any question, or could not be.
    Encoded {
        /// The revision it was asked for with.
        revision: u64,
        /// Whether it went well.
        result: Result<(), InferenceError>,
    },
    /// What happens to the question of this id.
    Question(u64, ReplyEvent),
}

/// A named thread that owns the model. Requests go in, ordered events come out; questions are answered
/// one after the other, and a volume is encoded ahead only while no question waits. A question that
/// fails, or even panics inside the model, leaves the thread alive.
///
/// Dropping the worker cancels everything and waits for the thread: at most one stage of the model.
pub struct Worker {
    commands: Sender<Command>,
    events: Receiver<WorkerEvent>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

enum Command {
    Load {
        place: ModelPlace,
        device: DeviceChoice,
        dtype: DTypeChoice,
    },
    Unload,
    Ask(Box<Question>, Arc<AtomicBool>),
    /// Look at the background work.
    Wake,
}

/// A volume to encode when there is time; the latest wins.
struct Ahead {
    volume: Arc<Volume>,
    revision: u64,
    window: Window,
}

#[derive(Default)]
struct Shared {
    ended: AtomicBool,
    /// The cancel flags of the questions that wait or run.
    questions: Mutex<HashMap<u64, Arc<AtomicBool>>>,
    ahead: Mutex<Option<Ahead>>,
}

/// A lock whose holder panicked still guards a whole value here: nothing is half-written under it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Worker {
    /// Starts the thread. `on_event` is called on it after every event, to wake the window.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(on_event: impl Fn() + Send + 'static) -> Result<Self, InferenceError> {
        let (commands, inbox) = bounded(MOST_REQUESTS);
        let (outbox, events) = bounded(MOST_EVENTS);
        let shared = Arc::new(Shared::default());
        let mut inference_loop = InferenceLoop {
            inbox,
            outbox,
            shared: Arc::clone(&shared),
            on_event: Box::new(on_event),
            session: None,
        };
        let thread = std::thread::Builder::new()
            .name("inference".to_owned())
            .spawn(move || inference_loop.work())
            .map_err(|error| {
                InferenceError::Unsupported(format!(
                    "the system gives no thread for the model ({error}); close other programs"
                ))
            })?;
        Ok(Self {
            commands,
            events,
            shared,
            thread: Some(thread),
        })
    }

    /// Loads a model in place of the one that is there.
    ///
    /// # Errors
    /// When too many requests wait or the thread has ended.
    pub fn load(
        &self,
        place: impl Into<ModelPlace>,
        device: DeviceChoice,
        dtype: DTypeChoice,
    ) -> Result<(), InferenceError> {
        self.send(Command::Load {
            place: place.into(),
            device,
            dtype,
        })
    }

    /// Frees the model.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn unload(&self) -> Result<(), InferenceError> {
        self.send(Command::Unload)
    }

    /// Encodes a volume ahead of any question, when a model is there and nothing else waits. A later
    /// volume takes the place of an earlier one that is not done.
    pub fn encode(&self, volume: Arc<Volume>, revision: u64, window: Window) {
        *lock(&self.shared.ahead) = Some(Ahead {
            volume,
            revision,
            window,
        });
        // With a full queue the thread is awake and looks by itself.
        let _ = self.commands.try_send(Command::Wake);
    }

    /// Asks a question; its events carry the question's id.
    ///
    /// # Errors
    /// When too many requests wait or the thread has ended.
    pub fn ask(&self, question: impl Into<Question>) -> Result<(), InferenceError> {
        let question = question.into();
        let (id, cancelled) = (question.id, Arc::new(AtomicBool::new(false)));
        lock(&self.shared.questions).insert(id, Arc::clone(&cancelled));
        let sent = self.send(Command::Ask(Box::new(question), cancelled));
        if sent.is_err() {
            lock(&self.shared.questions).remove(&id);
        }
        sent
    }

    /// Cancels a question that waits or runs; it ends with [`ReplyEvent::Cancelled`]. Others are not touched.
    pub fn cancel(&self, id: u64) {
        if let Some(flag) = lock(&self.shared.questions).get(&id) {
            flag.store(true, Ordering::Relaxed);
        }
    }

    /// The events, in order.
    pub const fn events(&self) -> &Receiver<WorkerEvent> {
        &self.events
    }

    fn send(&self, command: Command) -> Result<(), InferenceError> {
        self.commands
            .try_send(command)
            .map_err(|error| match error {
                TrySendError::Full(_) => InferenceError::Busy,
                TrySendError::Disconnected(_) => InferenceError::Ended,
            })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        for flag in lock(&self.shared.questions).values() {
            flag.store(true, Ordering::Relaxed);
        }
        // Wakes the thread where it waits for a command; a full queue wakes it too.
        let _ = self.commands.try_send(Command::Wake);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread runs: requests in, events out.
struct InferenceLoop {
    inbox: Receiver<Command>,
    outbox: Sender<WorkerEvent>,
    shared: Arc<Shared>,
    on_event: Box<dyn Fn() + Send>,
    session: Option<Session>,
}

/// Unwinds out of a load that nobody waits for any more.
struct LoadAbandoned;

impl InferenceLoop {
    fn work(&mut self) {
        while !self.ended() {
            let command = match self.inbox.try_recv() {
                Ok(command) => command,
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => {
                    if let Some(ahead) = self.next_ahead() {
                        self.encode(ahead);
                        continue;
                    }
                    match self.inbox.recv() {
                        Ok(command) => command,
                        Err(_) => return,
                    }
                }
            };
            match command {
                Command::Wake => {}
                Command::Unload => {
                    self.drop_session();
                    self.emit(WorkerEvent::Unloaded);
                }
                Command::Load {
                    place,
                    device,
                    dtype,
                } => self.load(&place, device, dtype),
                Command::Ask(question, cancelled) => self.ask(&question, &cancelled),
            }
        }
    }

    /// Frees the model and what it has seen.
    fn drop_session(&mut self) {
        self.session = None;
        release_freed_memory();
    }

    /// The volume to encode ahead; it waits until there is a model.
    fn next_ahead(&self) -> Option<Ahead> {
        self.session.as_ref()?;
        lock(&self.shared.ahead).take()
    }

    fn ended(&self) -> bool {
        self.shared.ended.load(Ordering::Relaxed)
    }

    /// Sends an event, waiting while the reader is behind, unless the worker is being dropped.
    fn emit(&self, event: WorkerEvent) {
        let mut event = event;
        loop {
            match self.outbox.send_timeout(event, Duration::from_millis(50)) {
                Ok(()) => break (self.on_event)(),
                Err(SendTimeoutError::Disconnected(_)) => break,
                Err(SendTimeoutError::Timeout(_)) if self.ended() => break,
                Err(SendTimeoutError::Timeout(back)) => event = back,
            }
        }
    }

    fn load(&mut self, place: &ModelPlace, device: DeviceChoice, dtype: DTypeChoice) {
        self.emit(WorkerEvent::Loading(0.0));
        // A folder at fault leaves the present model in place; past this point two might not fit.
        let returned = self.session.as_ref().map_or(0, |s| s.facts().bytes);
        let opened = guarded(|| OpenedModel::open(place, device, dtype)?.check_room(returned));
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => return self.emit(WorkerEvent::LoadFailed(error)),
        };
        self.drop_session();
        let loaded = guarded(|| {
            opened.load(&|part| {
                if self.ended() {
                    resume_unwind(Box::new(LoadAbandoned));
                }
                self.send_progress(part);
            })
        });
        match loaded {
            Ok(session) => {
                let facts = session.facts().clone();
                self.session = Some(session);
                self.emit(WorkerEvent::Loaded(facts));
            }
            Err(error) => self.emit(WorkerEvent::LoadFailed(error)),
        }
    }

    /// Progress is sent only while there is room: it is not worth waiting for.
    fn send_progress(&self, part: f32) {
        if self.outbox.len() < MOST_EVENTS / 2
            && self.outbox.try_send(WorkerEvent::Loading(part)).is_ok()
        {
            (self.on_event)();
        }
    }

    fn encode(&mut self, ahead: Ahead) {
        let Some(mut session) = self.session.take() else {
            return;
        };
        // Any request comes first.
        let interrupted = || self.ended() || !self.inbox.is_empty();
        let result =
            guarded(|| session.encode(&ahead.volume, ahead.revision, ahead.window, &interrupted));
        if matches!(result, Err(InferenceError::Panicked(_))) {
            session.forget_images();
        }
        self.session = Some(session);
        if result == Err(InferenceError::Cancelled) {
            // Goes on where it stopped, unless another volume has come.
            lock(&self.shared.ahead).get_or_insert(ahead);
        } else {
            let revision = ahead.revision;
            self.emit(WorkerEvent::Encoded { revision, result });
        }
    }

    fn ask(&mut self, question: &Question, cancelled: &AtomicBool) {
        let id = question.id;
        let session = self.session.take();
        let stop = || cancelled.load(Ordering::Relaxed) || self.ended();
        if stop() {
            self.emit(WorkerEvent::Question(id, ReplyEvent::Cancelled));
            self.session = session;
        } else if let Some(mut session) = session {
            let mut emit = |event| self.emit(WorkerEvent::Question(id, event));
            let done = guarded(|| {
                respond(&mut session, question, &mut emit, &stop);
                Ok(())
            });
            if let Err(error) = done {
                session.forget_images();
                self.emit(WorkerEvent::Question(id, ReplyEvent::Failed(error)));
            }
            self.session = Some(session);
        } else {
            let error = InferenceError::NoModel;
            self.emit(WorkerEvent::Question(id, ReplyEvent::Failed(error)));
        }
        lock(&self.shared.questions).remove(&id);
    }
}

/// Runs the model's code; a panic in it becomes an error.
fn guarded<T>(work: impl FnOnce() -> Result<T, InferenceError>) -> Result<T, InferenceError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panic_error(&*panic)))
}

fn panic_error(panic: &(dyn Any + Send)) -> InferenceError {
    if panic.is::<LoadAbandoned>() {
        return InferenceError::Cancelled;
    }
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    InferenceError::Panicked(one_line(text.as_deref().unwrap_or("no reason given")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_become_errors() {
        let fail = |text: String| guarded::<()>(|| panic!("{text}"));
        assert_eq!(
            fail("one\ntwo".to_owned()),
            Err(InferenceError::Panicked("one two".to_owned()))
        );
        assert_eq!(guarded(|| Ok(3)), Ok(3));
        let abandoned = guarded::<()>(|| resume_unwind(Box::new(LoadAbandoned)));
        assert_eq!(abandoned, Err(InferenceError::Cancelled));
    }

    #[test]
    fn dropping_an_idle_or_unread_worker_ends_its_thread() {
        let worker = Worker::start(|| {}).unwrap();
        for _ in 0..MOST_REQUESTS / 2 {
            worker.unload().unwrap();
        }
        drop(worker);
    }
}
