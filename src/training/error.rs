//! What can go wrong while training.

use std::path::{Path, PathBuf};

use crate::model::ModelError;

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
    /// The networks refused.
    #[error(transparent)]
    Model(#[from] ModelError),
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

impl From<candle_core::Error> for TrainingError {
    fn from(error: candle_core::Error) -> Self {
        Self::Model(error.into())
    }
}
