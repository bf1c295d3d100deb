//! How long the adapter takes for a picture, told without waiting for it.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};

use super::Gpu;

/// How often the adapter is asked while it draws: times are as exact as that.
const ASK: Duration = Duration::from_millis(1);

/// Times pictures, one after another, and tells when one is done. A thread of its own asks the adapter, so
/// that neither the window waits nor times are counted in its frames.
#[derive(Debug)]
pub struct DrawTimer {
    gpu: Gpu,
    watcher: Sender<Arc<Timing>>,
    running: Option<Arc<Timing>>,
}

/// When the adapter was asked for a picture, and its answers.
#[derive(Debug)]
struct Timing {
    sent: Instant,
    /// What was sent before was done: the picture is begun.
    begun: OnceLock<Instant>,
    done: OnceLock<Instant>,
}

impl DrawTimer {
    /// A timer that calls `wake`, on its own thread, when a picture is done. The thread ends with the timer.
    pub fn new(gpu: &Gpu, wake: impl Fn() + Send + 'static) -> Self {
        let (watcher, pictures) = bounded::<Arc<Timing>>(1);
        let asked = gpu.clone();
        let watch = move || {
            for picture in pictures {
                while picture.done.get().is_none() && asked.poll() {
                    std::thread::sleep(ASK);
                }
                wake();
            }
        };
        let thread = std::thread::Builder::new().name("draw timer".into());
        if let Err(why) = thread.spawn(watch) {
            // `taken` asks too, so that times still come, only later.
            tracing::warn!("no thread to time pictures: {why}");
        }
        Self {
            gpu: gpu.clone(),
            watcher,
            running: None,
        }
    }

    /// Times what `draw` sends to the adapter. A picture that is still being timed is forgotten.
    pub fn time(&mut self, draw: impl FnOnce()) {
        let timing = Arc::new(Timing {
            sent: Instant::now(),
            begun: OnceLock::new(),
            done: OnceLock::new(),
        });
        // Nobody else sets what these answers set.
        let before = Arc::clone(&timing);
        self.gpu.queue.on_submitted_work_done(move || {
            let _ = before.begun.set(Instant::now());
        });
        draw();
        let after = Arc::clone(&timing);
        self.gpu.queue.on_submitted_work_done(move || {
            let _ = after.done.set(Instant::now());
        });
        if self.watcher.try_send(Arc::clone(&timing)).is_err() {
            tracing::debug!("a picture is timed by the window's own questions");
        }
        self.running = Some(timing);
    }

    /// Whether a picture is being drawn whose time has not been told.
    pub const fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// How long the adapter took for the picture, without what it had to do before; told once, as soon as it
    /// is done. Never waits.
    pub fn taken(&mut self) -> Option<Duration> {
        let timing = self.running.as_ref()?;
        let answers = self.gpu.poll();
        let taken = match (timing.done.get(), timing.begun.get()) {
            (Some(done), begun) => done.duration_since(*begun.unwrap_or(&timing.sent)),
            (None, _) if answers => return None,
            // A lost device draws nothing more; waiting for it would never end.
            (None, _) => timing.sent.elapsed(),
        };
        self.running = None;
        Some(taken)
    }
}
