//! Why a model cannot be measured.

use std::path::{Path, PathBuf};

use super::metrics::{BertScoreError, WordNetError};
use crate::dataset::read::ReadError;
use m3d_assistant::inference::InferenceError;
use m3d_model::ModelError;

/// Why a benchmark cannot be run or its rows not be read. Every message is one line that says what, where and what to
/// do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// The data set or a file of it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The model, or a question.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// M3D-CLIP.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model behind BERTScore.
    #[error(transparent)]
    BertScore(#[from] BertScoreError),
    /// The synonyms behind METEOR.
    #[error(transparent)]
    WordNet(#[from] WordNetError),
    /// There is nothing to ask.
    #[error("{} holds nothing to ask for {task} in its part {part:?}; choose another --split, or give other data", data.display())]
    Empty {
        /// The data.
        data: PathBuf,
        /// The task's name.
        task: &'static str,
        /// The part's name.
        part: &'static str,
    },
    /// An image that is no volume.
    #[error(
        "the image {image} has {size:?} voxels, which is no volume that a model can see; prepare it again"
    )]
    Image {
        /// As the list names it.
        image: String,
        /// Its size.
        size: [usize; 3],
    },
    /// A model of the other kind.
    #[error("{} is {found}, and {task} needs {wanted}; give another --model", folder.display())]
    WrongModel {
        /// The model's folder.
        folder: PathBuf,
        /// What it is.
        found: &'static str,
        /// The task's name.
        task: &'static str,
        /// What is needed.
        wanted: &'static str,
    },
    /// Rows of another run.
    #[error("{} holds answers of another run ({what}: {found} there, {wanted} asked for); give another --out", path.display())]
    OtherRun {
        /// The file that says so.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// What is there.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// A row that cannot be used.
    #[error("{}: line {line} {message}; mend it, or give another --out", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// What is wrong.
        message: String,
    },
    /// A file that is not what its name says.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        message: String,
    },
    /// A file cannot be read.
    #[error("{} cannot be read ({source}); check the path and that you may open it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file or folder cannot be written.
    #[error("{} cannot be written ({source}); check the folder and the free space", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl EvaluationError {
    pub(super) fn unreadable(path: &Path, source: std::io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn write(path: &Path, source: std::io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn file(path: &Path, message: impl Into<String>) -> Self {
        Self::File {
            path: path.to_owned(),
            message: message.into(),
        }
    }
}
