//! What can go wrong between a volume and an answer.

use m3d_model::error::one_line;
use m3d_model::{DTypeChoice, DeviceError, ModelError};

/// Why a question cannot be answered or a model cannot be used. Every message is one line that says
/// what and what to do next.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InferenceError {
    /// The reader cancelled, or something more urgent came up.
    #[error("cancelled")]
    Cancelled,
    /// Nothing in the volume stands out from the background.
    #[error(
        "this volume has no contrast for the model to see: after {0} nothing is left; try another series or window"
    )]
    Flat(&'static str),
    /// The model asks for an image size that cannot be made.
    #[error(
        "the model asks for an image of {0:?} voxels (depth, height, width), which cannot be prepared"
    )]
    ImageSize([usize; 3]),
    /// The card beside the model cannot be read.
    #[error(
        "the model's card cannot be read ({0}); repair it, or take it away to ask the model anything"
    )]
    Card(String),
    /// The box lies where the model sees nothing.
    #[error(
        "the box lies outside the part of the volume that the model sees; draw it over the body"
    )]
    BoxOutside,
    /// The box has a side that is not a number.
    #[error("the box has a corner that is not a finite number; draw it again")]
    BoxNotFinite,
    /// A box is needed.
    #[error("describing a place needs a box: draw one in a slice view first")]
    NoBox,
    /// There is no question.
    #[error("there is no question: type one, or a phrase to find or segment")]
    EmptyQuestion,
    /// The question does not fit into the model's context.
    #[error(
        "the question is too long: {asked} tokens where the model has room for {room} after the image; shorten it"
    )]
    TooLong {
        /// Tokens of the question; a lower bound where it was too long to count.
        asked: usize,
        /// Tokens the context has left after the image.
        room: usize,
    },
    /// A setting is outside its range.
    #[error("the setting {name} is {value}, but {wanted}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What was given.
        value: String,
        /// What is possible.
        wanted: &'static str,
    },
    /// The device asked for cannot be had.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A choice that does not work on this device.
    #[error("{0}")]
    Unsupported(String),
    /// The model does not fit into the memory that is free.
    #[error("the model needs {needed} in {dtype} and {free} are free: {advice}")]
    NoRoom {
        /// The dtype asked for, or the smallest tried.
        dtype: DTypeChoice,
        /// Memory needed, with what answering takes.
        needed: String,
        /// Memory that is free.
        free: String,
        /// What to do.
        advice: String,
    },
    /// Memory ran out while the model was read or computed.
    #[error("the model ran out of memory{}: {advice}", in_dtype(.dtype.as_ref()))]
    OutOfMemory {
        /// The dtype it was held in, where that is known.
        dtype: Option<DTypeChoice>,
        /// What to do.
        advice: String,
    },
    /// The model or its files are at fault.
    #[error("{0}")]
    Model(String),
    /// The model returned scores that are not numbers.
    #[error(
        "the model's scores are not numbers: its weights are damaged, or the number type is too narrow; try f32"
    )]
    NotANumber,
    /// The model's code panicked.
    #[error(
        "the model stopped with an internal fault ({0}); the question was dropped, the viewer goes on"
    )]
    Panicked(String),
    /// No model is loaded.
    #[error("no model is loaded: choose a model folder in the settings, or start with --model DIR")]
    NoModel,
    /// Too many requests wait already.
    #[error("too many questions are waiting; wait for an answer or cancel one")]
    Busy,
    /// The worker has ended.
    #[error("the inference thread has ended; restart the program")]
    Ended,
}

/// What to do where memory does not suffice and no smaller choice is known.
pub(super) const NO_CHOICE: &str = "close other programs, or choose a smaller model";

fn in_dtype(dtype: Option<&DTypeChoice>) -> String {
    dtype.map_or_else(String::new, |dtype| format!(" in {dtype}"))
}

impl From<ModelError> for InferenceError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Cancelled => Self::Cancelled,
            ModelError::OutOfMemory(_) => Self::OutOfMemory {
                dtype: None,
                advice: NO_CHOICE.to_owned(),
            },
            error => Self::Model(one_line(&error.to_string())),
        }
    }
}

impl From<candle_core::Error> for InferenceError {
    fn from(error: candle_core::Error) -> Self {
        ModelError::from(error).into()
    }
}
