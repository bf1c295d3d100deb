//! How far a job is, and whether it should stop.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::IoError;

/// Reports the share of a job that is done and carries the wish to stop it.
#[derive(Clone, Copy)]
pub struct Progress<'a> {
    report: &'a (dyn Fn(f32) + Sync),
    cancelled: &'a AtomicBool,
}

impl<'a> Progress<'a> {
    /// `report` is given shares from 0 to 1, from any thread; setting `cancelled` makes the job return
    /// [`IoError::Cancelled`] soon after.
    pub const fn new(report: &'a (dyn Fn(f32) + Sync), cancelled: &'a AtomicBool) -> Self {
        Self { report, cancelled }
    }

    /// Reports to nobody and never stops.
    pub const fn silent() -> Self {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Self {
            report: &|_| {},
            cancelled: &NEVER,
        }
    }

    /// Reports the share that is done, held to 0 to 1.
    pub fn set(&self, share: f32) {
        (self.report)(share.clamp(0.0, 1.0));
    }

    /// Whether the job should stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(super) fn check(&self) -> Result<(), IoError> {
        if self.is_cancelled() {
            Err(IoError::Cancelled)
        } else {
            Ok(())
        }
    }

    /// Counts one of `total` steps as done.
    pub(super) fn step(&self, done: &AtomicUsize, total: usize) {
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        self.set(done as f32 / total.max(1) as f32);
    }
}
