//! What can go wrong while training.

use std::path::{Path, PathBuf};

use m3d_model::ModelError;

/// An error of the training layer: one line that says what, where and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The configuration does not parse or asks for what cannot be done.
    #[error("{}: {message}", path.display())]
    Config {
        /// The configuration file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A file could not be read or written.
    #[error("cannot access {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A saved state is damaged or belongs to another training.
    #[error("{}: {message}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        message: String,
    },
    /// Another training writes this folder.
    #[error("another training is writing {}; wait for it, stop it or choose another out", .0.display())]
    Busy(PathBuf),
    /// The data gave nothing that can be learnt from.
    #[error("{0}")]
    Data(String),
    /// The loss is no number any more.
    #[error("the loss of step {step} is {loss}; lower the learning rate and go on with --resume")]
    Diverged {
        /// The step.
        step: u64,
        /// The loss.
        loss: f64,
    },
    /// The memory of the machine or of the GPU did not suffice.
    #[error("memory ran out ({0}); take fewer volumes, talks or masks at once, and accumulate")]
    OutOfMemory(String),
    /// The networks refused.
    #[error(transparent)]
    Model(ModelError),
}

impl TrainingError {
    /// An input/output error at `path`.
    pub(super) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_path_buf(),
            source,
        }
    }

    /// A damaged or foreign state at `path`.
    pub(super) fn state(path: &Path, message: impl Into<String>) -> Self {
        Self::State {
            path: path.to_path_buf(),
            message: message.into(),
        }
    }
}

impl From<ModelError> for TrainingError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::OutOfMemory(what) => Self::OutOfMemory(what),
            other => Self::Model(other),
        }
    }
}

impl From<candle_core::Error> for TrainingError {
    fn from(error: candle_core::Error) -> Self {
        ModelError::from(error).into()
    }
}
