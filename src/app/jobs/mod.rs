//! Long work on named threads, with progress and cancel. A job is a file here: what it is called, which
//! others it replaces, what it does, and what its end does to the application.

mod export;
mod label;
mod load;
mod masks;
mod measure;
mod models;
mod report;
mod scan;
mod structures;
mod table;
mod thumbnails;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use m3d_imaging::io::Progress;

use super::Application;

pub use export::ExportMask;
pub use label::DrawLabels;
pub use load::{LoadImage, first_window};
pub use masks::{AddArea, Area, EditMask, PreviewThreshold};
pub use measure::MeasureValues;
pub use models::{FetchModel, FindModels, VerifyModel};
pub use report::WriteReport;
pub use scan::Scan;
pub use structures::LoadStructures;
pub use table::WriteTable;
pub use thumbnails::{DrawThumbnails, THUMBNAIL_PX};

/// Called from a job's thread when the window has something new to show.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// What a job does to the application when it has ended.
pub type Finish = Box<dyn FnOnce(&mut Application) + Send>;

/// Which jobs make each other pointless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// All such jobs count.
    Every,
    /// A newer one takes the place of an older one of the same kind and key.
    Latest {
        /// The kind.
        kind: &'static str,
        /// What it is about; empty where there is one at a time.
        key: String,
    },
}

impl Slot {
    /// One at a time.
    pub const fn latest(kind: &'static str) -> Self {
        Self::Latest {
            kind,
            key: String::new(),
        }
    }

    /// One at a time for each key.
    pub fn latest_for(kind: &'static str, key: impl Into<String>) -> Self {
        Self::Latest {
            kind,
            key: key.into(),
        }
    }
}

/// Work for a thread of its own.
pub trait Job: Send + 'static {
    /// What is being done, without a patient's name.
    fn title(&self) -> String;

    /// Which jobs it replaces.
    fn slot(&self) -> Slot;

    /// Whether its end counts even when it was cancelled: what it has left on disk is to be known.
    fn ends_when_cancelled(&self) -> bool {
        false
    }

    /// Whether it makes something that is lost when the program ends before it.
    fn is_missed(&self) -> bool {
        false
    }

    /// Does the work; what comes back is run on the window's thread.
    fn run(self: Box<Self>, progress: &Progress) -> Finish;
}

/// Names a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JobId(u64);

/// A job under way, as the status bar shows it.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its name.
    pub id: JobId,
    /// What is being done.
    pub title: String,
    slot: Slot,
    ends_when_cancelled: bool,
    /// Whether it makes something that is lost when the program ends before it.
    pub is_missed: bool,
    progress: Arc<AtomicU32>,
    cancelled: Arc<AtomicBool>,
}

impl Running {
    /// How far it is, 0 to 1.
    pub fn progress(&self) -> f32 {
        f32::from_bits(self.progress.load(Ordering::Relaxed))
    }

    /// Whether it was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

/// The jobs under way.
pub struct Jobs {
    running: Vec<Running>,
    next: u64,
    sender: Sender<(JobId, Finish)>,
    receiver: Receiver<(JobId, Finish)>,
    /// Also of jobs that were cancelled and are dropped when they come.
    threads: Vec<JoinHandle<()>>,
    wake: Waker,
}

/// How long jobs that were asked to stop are waited for when the program ends.
const LONGEST_END: Duration = Duration::from_secs(3);

impl Drop for Jobs {
    /// Stops all jobs and waits for their threads, so that none is in a graphics driver while the process unloads it. One
    /// that does not hear is left behind after a while.
    fn drop(&mut self) {
        self.running.iter().for_each(Running::cancel);
        // Nobody takes results any more: no thread waits for room.
        self.receiver = bounded(0).1;
        let start = Instant::now();
        while start.elapsed() < LONGEST_END && !self.threads.iter().all(JoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Jobs {
    /// None yet. `wake` is called when one has news.
    pub fn new(wake: Waker) -> Self {
        let (sender, receiver) = bounded(64);
        Self {
            running: Vec::new(),
            next: 0,
            sender,
            receiver,
            threads: Vec::new(),
            wake,
        }
    }

    /// Those under way that were not asked to stop.
    pub fn iter(&self) -> impl Iterator<Item = &Running> {
        self.running.iter().filter(|job| !job.is_cancelled())
    }

    /// The last of a slot, also while it is being stopped.
    pub fn in_slot(&self, slot: &Slot) -> Option<&Running> {
        self.running.iter().rev().find(|job| job.slot == *slot)
    }

    /// Whether one of a slot goes on.
    pub fn goes_on(&self, slot: &Slot) -> bool {
        self.iter().any(|job| job.slot == *slot)
    }

    /// Asks a job to stop; its result will be dropped.
    pub fn cancel(&self, id: JobId) {
        for job in self.running.iter().filter(|job| job.id == id) {
            job.cancel();
        }
    }

    /// Asks all jobs of a kind to stop.
    pub(super) fn cancel_kind(&self, kind: &str) {
        let is_one =
            |job: &&Running| matches!(job.slot, Slot::Latest { kind: known, .. } if known == kind);
        self.running.iter().filter(is_one).for_each(Running::cancel);
    }

    /// What has finished since the last call; cancelled and replaced jobs are dropped.
    pub(super) fn drain(&mut self) -> Vec<Finish> {
        let mut done = Vec::new();
        while let Ok((id, finish)) = self.receiver.try_recv() {
            let Some(at) = self.running.iter().position(|job| job.id == id) else {
                continue;
            };
            let job = self.running.remove(at);
            if !job.is_cancelled() || job.ends_when_cancelled {
                done.push(finish);
            }
        }
        done
    }

    /// Runs a job on a thread of its own; whether there was one to be had.
    pub fn start(&mut self, job: impl Job) -> bool {
        let slot = job.slot();
        if slot != Slot::Every {
            let replaced = self.running.iter().filter(|job| job.slot == slot);
            replaced.for_each(Running::cancel);
        }
        let id = JobId(self.next);
        self.next += 1;
        let running = Running {
            id,
            title: job.title(),
            slot,
            ends_when_cancelled: job.ends_when_cancelled(),
            is_missed: job.is_missed(),
            progress: Arc::default(),
            cancelled: Arc::default(),
        };
        self.running.push(running.clone());
        let (sender, wake) = (self.sender.clone(), Arc::clone(&self.wake));
        let body = move || {
            let report = |share: f32| {
                let old = running.progress.swap(share.to_bits(), Ordering::Relaxed);
                // A repaint per percent is plenty.
                if (share * 100.0) as u32 != (f32::from_bits(old) * 100.0) as u32 {
                    wake();
                }
            };
            let finish = Box::new(job).run(&Progress::new(&report, &running.cancelled));
            // The window may be gone; then nobody wants the result.
            let _ = sender.send((id, finish));
            wake();
        };
        let thread = std::thread::Builder::new().name(format!("job-{}", id.0));
        match thread.spawn(body) {
            Ok(thread) => {
                self.threads.retain(|thread| !thread.is_finished());
                self.threads.push(thread);
                true
            }
            Err(error) => {
                tracing::error!("no thread for a job: {error}");
                self.running.retain(|job| job.id != id);
                false
            }
        }
    }
}
