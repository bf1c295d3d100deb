//! What can go wrong between a folder on disk and an answer.

use std::path::{Path, PathBuf};

/// An error of the model layer: one line that says what, where and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file that the checkpoint needs is not there.
    #[error("{} is missing: {hint}", path.display())]
    MissingFile {
        /// The file looked for.
        path: PathBuf,
        /// What to do.
        hint: &'static str,
    },
    /// The file is there only in a form that is not read.
    #[error("{} is there and {wanted} is not: {how}", path.display())]
    OtherForm {
        /// The file that is there.
        path: PathBuf,
        /// The file that is read.
        wanted: &'static str,
        /// How to come by it.
        how: &'static str,
    },
    /// A file exists but could not be read or written.
    #[error("cannot access {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A JSON file does not parse, or lacks a field.
    #[error("{} is not valid: {message}; fetch the file again", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's answer.
        message: String,
    },
    /// A configuration describes a network that this program does not build.
    #[error("unsupported model configuration: {0}")]
    Config(String),
    /// A weights file is damaged or lies about its contents.
    #[error("{} is damaged: {message}; fetch the file again", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A tensor that the network needs is in no weights file.
    #[error(
        "{}: tensor {tensor} {expected:?} is missing; the files are incomplete or belong to another model",
        path.display()
    )]
    MissingTensor {
        /// The weights file, or the folder where there are several.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The shape that the configuration asks for.
        expected: Vec<usize>,
    },
    /// A tensor has another shape than the configuration implies.
    #[error(
        "{}: tensor {tensor} has shape {found:?} where config.json asks for {expected:?}; \
         config.json and weights belong to different models",
        path.display()
    )]
    TensorShape {
        /// The weights file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The shape that the configuration asks for.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor that would change what the network computes has no place in it.
    #[error(
        "{}: the network here has no place for tensor {tensor}, which would change its answers; config.json belongs to \
         another model, or the model is of a kind that is not supported",
        path.display()
    )]
    UnknownTensor {
        /// The checkpoint's folder.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
    },
    /// A tensor is stored in a number format that cannot be loaded.
    #[error("{}: tensor {tensor} is stored as {found}; only F32, F16, BF16, Q8_0 and Q4_K can be loaded", path.display())]
    TensorType {
        /// The weights file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The format in the file.
        found: String,
    },
    /// The tokenizer's files are damaged or of another kind.
    #[error("{}: {message}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A token id lies outside the vocabulary.
    #[error(
        "token {id} is outside the vocabulary of {vocabulary}; tokenizer and weights belong to different models"
    )]
    TokenOutOfRange {
        /// The id.
        id: u32,
        /// Size of the vocabulary.
        vocabulary: usize,
    },
    /// Prompt and answer do not fit into the model's context.
    #[error(
        "{asked} positions do not fit into the model's context of {limit}; shorten the question"
    )]
    ContextTooLong {
        /// Positions needed.
        asked: usize,
        /// Positions available.
        limit: usize,
    },
    /// A tensor handed in has the wrong shape.
    #[error("{what} has shape {found:?} where {expected:?} is needed")]
    Input {
        /// Which input.
        what: &'static str,
        /// The shape needed.
        expected: Vec<usize>,
        /// The shape found.
        found: Vec<usize>,
    },
    /// An adapter is damaged, of another kind, or belongs to another model.
    #[error("adapter {}: {message}", path.display())]
    Adapter {
        /// The adapter's folder or file.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// A folder that is to be written cannot be.
    #[error("{} cannot be written: {message}", path.display())]
    Output {
        /// The folder or file.
        path: PathBuf,
        /// What stands in the way and what to do.
        message: String,
    },
    /// The user cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The memory of the machine or of the GPU did not suffice.
    #[error("memory ran out ({0}); choose fewer bits or a smaller model")]
    OutOfMemory(String),
    /// Computation failed (a device error).
    #[error("computing the model failed: {0}")]
    Compute(String),
}

impl ModelError {
    /// An input/output error at `path`.
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_path_buf(),
            source,
        }
    }

    /// A tokenizer error at `path`.
    pub(crate) fn tokenizer(path: &Path, message: impl Into<String>) -> Self {
        Self::Tokenizer {
            path: path.to_path_buf(),
            message: message.into(),
        }
    }
}

impl From<candle_core::Error> for ModelError {
    /// Keeps the first line: the rest is a backtrace.
    fn from(error: candle_core::Error) -> Self {
        let text = error.to_string();
        let text = text.lines().next().unwrap_or("unknown error").to_string();
        if OUT_OF_MEMORY.iter().any(|words| text.contains(words)) {
            Self::OutOfMemory(text)
        } else {
            Self::Compute(text)
        }
    }
}

/// How drivers, libraries and the kernels of this program say it: candle keeps nothing of their errors but the words.
const OUT_OF_MEMORY: [&str; 5] = [
    "CUDA_ERROR_OUT_OF_MEMORY",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CURAND_STATUS_ALLOCATION_FAILED",
    "create metal resource: Buffer",
    "cannot reserve",
];

/// Opens a file. Pipes and devices are refused unopened: they may never give a byte, or never end.
pub(crate) fn open_file(path: &Path) -> std::io::Result<std::fs::File> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            "it is not a regular file; fetch the file again",
        ));
    }
    std::fs::File::open(path)
}

/// The longest reason carried along, in characters.
const LONGEST: usize = 600;

/// A message on one line, of sane length and without control characters.
pub fn one_line(message: &str) -> String {
    message
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}
