//! Questions and answers.

use std::sync::Arc;

use glam::DVec3;

use super::{GenerationSettings, InferenceError, Knowledge, Task};
use m3d_imaging::geometry::{OrderedCrop, VoxelBox};
use m3d_imaging::volume::{Mask, Volume, Window};
use m3d_imaging::wording::readable;
use m3d_model::ModelFolder;

/// A question about a volume.
#[derive(Clone, Debug)]
pub struct Request {
    /// The caller's number for it, unlike that of any question still waiting; events carry it.
    pub id: u64,
    /// The volume asked about.
    pub volume: Arc<Volume>,
    /// The revision of the study the volume comes from. Equal revisions mean equal voxels.
    pub revision: u64,
    /// The task.
    pub task: Task,
    /// What the reader typed; may be empty for a report or a box.
    pub text: String,
    /// The box drawn, on the volume's grid.
    pub voxel_box: Option<VoxelBox>,
    /// The window on screen, which questions and reports are prepared with.
    pub window: Window,
    /// How to generate.
    pub settings: GenerationSettings,
}

/// What happens on the way to an answer, in order. The last one of every question is `Done`,
/// `Cancelled` or `Failed`.
#[derive(Clone, Debug)]
pub enum Event {
    /// A model is being loaded, 0 to 1: for a caller that loads one for a single question and shows both
    /// in one stream. A loaded session never sends it.
    Loading(f32),
    /// The volume is prepared.
    Prepared,
    /// The exact text given to the model after the image.
    Prompt(String),
    /// The model has seen the image.
    Encoded,
    /// A further piece of the answer's text.
    Token(String),
    /// A place the answer names, on the volume's grid.
    Box(VoxelBox),
    /// The mask of the answer, on the volume's grid, with the mm (along its axes i, j, k) that one
    /// voxel of it as drawn really covers.
    Mask(Arc<Mask>, DVec3),
    /// The whole answer.
    Done(Box<Answer>),
    /// The question was cancelled.
    Cancelled,
    /// There is no answer.
    Failed(InferenceError),
}

/// An answer with all that is needed to judge it and to get it again.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The task it was taken for.
    pub task: Task,
    /// The exact text given to the model after the image.
    pub prompt: String,
    /// The text: the concatenation of all [`Event::Token`]s.
    pub text: String,
    /// The boxes in the text, on the volume's grid.
    pub boxes: Vec<VoxelBox>,
    /// The mask, on the volume's grid, where the model gave one.
    pub mask: Option<Arc<Mask>>,
    /// The mm (along the volume's axes i, j, k) that one voxel of the mask as drawn really covers.
    pub mask_voxel_mm: Option<DVec3>,
    /// The model's name.
    pub model_name: String,
    /// The model's fingerprint.
    pub model_fingerprint: String,
    /// How it was generated.
    pub settings: GenerationSettings,
    /// Milliseconds per stage, in order. A stage that was found ready is not listed.
    pub timings_ms: Vec<(&'static str, f64)>,
    /// Tokens generated.
    pub token_count: usize,
    /// Whether it ended for want of room rather than by the model's own word.
    pub truncated: bool,
    /// The values that became 0 and 1, where the image was cut off at percentiles.
    pub clipped_to: Option<[f64; 2]>,
    /// The voxels that the model saw, and the order in which they were read.
    pub crop: OrderedCrop,
}

impl Answer {
    /// The text as people write it, without the spaces that the tokenizer sets around marks.
    pub fn readable(&self) -> String {
        readable(&self.text)
    }
}

/// What is known of a loaded model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFacts {
    /// The folder's name.
    pub name: String,
    /// The folder, on disk or in the program.
    pub folder: ModelFolder,
    /// The checkpoint's fingerprint.
    pub fingerprint: String,
    /// Its parameters.
    pub parameters: u64,
    /// The bytes they take in memory.
    pub bytes: u64,
    /// The device it runs on: `cpu`, `cuda` or `metal`.
    pub device: &'static str,
    /// What the decoder's weights are held in: `f32`, `bf16`, `f16`, `q8_0` or `q4k`.
    pub dtype: &'static str,
    /// The prepared image's depth, height and width.
    pub image_size: [usize; 3],
    /// Positions of the context: image, question and answer together.
    pub context: usize,
    /// What it was taught.
    pub knowledge: Knowledge,
    /// Whether the weights were never trained, so that answers mean nothing.
    pub untrained: bool,
}
