//! How far a long job on a model is, and whether it should stop.

use super::HubError;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferStage {
    /// Bytes come from the hub.
    Fetching,
    /// Bytes on disk are read and summed.
    Checking,
    /// Bytes are written to disk.
    Writing,
    /// The connection broke; the next attempt is about to begin.
    Waiting,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferStatus<'a> {
    /// What is being done.
    pub stage: TransferStage,
    /// To which file.
    pub file: &'a str,
    /// Bytes done, of all files.
    pub done: u64,
    /// Bytes of all files.
    pub total: u64,
}

impl TransferStatus<'_> {
    /// The share that is done, 0 to 1.
    pub fn share(&self) -> f32 {
        (self.done as f64 / self.total.max(1) as f64).clamp(0.0, 1.0) as f32
    }
}

/// Reports where a job stands and carries the wish to stop it.
#[derive(Clone, Copy)]
pub struct TransferProgress<'a> {
    report: &'a dyn Fn(TransferStatus<'_>),
    stop: &'a dyn Fn() -> bool,
}

impl<'a> TransferProgress<'a> {
    /// `report` is called about once per MB; once `stop` says so the job returns [`HubError::Cancelled`].
    pub const fn new(report: &'a dyn Fn(TransferStatus<'_>), stop: &'a dyn Fn() -> bool) -> Self {
        Self { report, stop }
    }

    /// Reports to nobody and never stops.
    pub const fn silent() -> Self {
        Self {
            report: &|_| {},
            stop: &|| false,
        }
    }

    pub(super) fn set(&self, status: TransferStatus<'_>) {
        (self.report)(status);
    }

    pub(super) fn check(&self) -> Result<(), HubError> {
        if (self.stop)() {
            Err(HubError::Cancelled)
        } else {
            Ok(())
        }
    }
}
