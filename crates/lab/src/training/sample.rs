//! What is learnt from: a volume, what is said about it, and what is to be outlined in it.

use std::sync::Arc;

use super::TrainingError;
use super::facts::{FactKinds, Facts};

/// A question and its answer in tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuestionAnswer {
    /// What follows the image tokens.
    pub prompt: Vec<u32>,
    /// What the model is to say, the stop token included.
    pub answer: Vec<u32>,
    /// Which of the answer's tokens decide what the others only follow from: its first one, and in a structured report
    /// the one after each heading.
    pub openings: Vec<usize>,
    /// What the `[SEG]` of the answer is to outline: the number of one of the sample's masks.
    pub mask: Option<usize>,
}

/// What is to be outlined.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskLabel {
    /// Which of the kinds that a segmentation network learns before it understands words; `None` for what is only
    /// ever named in words.
    pub class: Option<usize>,
    /// 0 or 1 for each voxel of the prepared image, D-major.
    pub voxels: Arc<[u8]>,
}

/// One prepared volume with all that is asked about it: the encoders run once for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// The prepared image, D-major, in 0..=1.
    pub image: Vec<f32>,
    /// What is said about it.
    pub questions: Vec<QuestionAnswer>,
    /// What can be outlined in it.
    pub masks: Vec<MaskLabel>,
    /// All that is labelled in it, for dense supervision.
    pub labels: Vec<MaskLabel>,
    /// What else is known of it as a whole.
    pub facts: Facts,
    /// Text that describes the volume as a whole, for contrastive training; may be empty.
    pub description: String,
}

/// What an objective needs of each sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Questions with their answers.
    pub questions: usize,
    /// Masks of classes, at most.
    pub masks: usize,
    /// Whether all masks of classes are wanted as labels, and what is known of the image as a whole.
    pub labels: bool,
    /// How likely each kind of finding is, where images are made for it; `None` for as likely as usual.
    pub findings: Option<f32>,
}

/// Where samples come from. The same number always gives the same sample, so that a training that was broken off goes
/// on exactly where it stood.
pub trait Samples: Send + Sync {
    /// The sample of a number. Sources without end have one for every number; others begin again.
    fn sample(&self, number: u64) -> Result<Sample, TrainingError>;

    /// How many classes the masks may have.
    fn class_count(&self) -> usize;

    /// What could not be read since this was last asked, each file or entry once, with the reason in a line.
    fn take_left_out(&self) -> Vec<String> {
        Vec::new()
    }

    /// What is known of each image as a whole.
    fn fact_kinds(&self) -> FactKinds {
        FactKinds::default()
    }
}
