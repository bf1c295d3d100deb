//! The forms of questions and answers about places: boxes from words, words from boxes, masks.
//!
//! The first of each family is the form the published model was trained with; the others are our own
//! wording of the same kind. `{}` stands for the name, the description or the box. Texts carry no
//! leading space: the prompt puts one before everything but captions.

use super::{Random, Scene, Target};
use crate::dataset::scene::box_text;

/// Requests for a report.
pub const REPORT: &[&str] = &[
    "Please generate a medical report based on this image.",
    "Can you provide a caption consists of findings for this medical image?",
    "What are the findings in this image?",
    "Please describe this medical scan.",
    "Write the radiology report of this image.",
    "Can you summarize what is seen in this image?",
];
/// Text to box, by name.
pub const REC: &[&str] = &[
    "Where is {} in this image? Please output the box.",
    "Can you find the {} in this image? Give coordinates.",
    "Please output the box of {} in this image.",
    "Locate the {} in this image and give coordinates.",
    "Is there {} in this image? If so, please output the box.",
];
/// Text to box, by description.
pub const REC_DESCRIBED: &[&str] = &[
    "Description: {} Please answer and find it by box based on the above description.",
    "Definition: {} Please answer and output the box of what is defined.",
    "{} Which target fits this? Please answer and find it by box.",
];
/// Answers of a box.
pub const REC_ANSWER: &[&str] = &[
    "Coordinates are {}.",
    "Sure, it is {}.",
    "Sure, coordinates are {}.",
    "The box is {}.",
];
/// Answers of a name and a box.
pub const REC_DESCRIBED_ANSWER: &[[&str; 2]] = &[
    ["The target is ", " and the coordinates is "],
    ["It is ", " and the box is "],
];
/// Box to name.
pub const REG: &[&str] = &[
    "What target is present within the coordinates {} ?",
    "Does the box {} contain a target? If so, which?",
    "What can be seen within the box {} ?",
    "Please name the target in the coordinates {} .",
];
/// Box to name and description.
pub const REG_DESCRIBED: &[&str] = &[
    "Please describe the target and its function based on the box {} in the image.",
    "What is within the coordinates {} and what does it do?",
    "Name and explain the target in the box {} .",
];
/// Answers of a name.
pub const REG_ANSWER: &[&str] = &[
    "The target is {}.",
    "Sure, it is {}.",
    "It is {}.",
    "The box contains {}.",
];
/// Mask by name.
pub const SEG: &[&str] = &[
    "Can you segment the {} in this image?",
    "What is {} in this image? Please output segmentation mask.",
    "Please segment the {} in this image.",
    "Can you segment {} in this image? Please output the mask.",
    "Please output the segmentation mask of {} in this image.",
];
/// Mask by description.
pub const SEG_DESCRIBED: &[&str] = &[
    "{} Please answer and segment.",
    "Description: {} Please answer and segment based on the above description.",
    "Definition: {} Please answer and output segmentation mask.",
];
/// Answers of a mask.
pub const SEG_ANSWER: &[&str] = &[
    "It is [SEG].",
    "Sure, it is [SEG].",
    "Sure, the mask is [SEG].",
    "The segmentation mask is [SEG].",
];
/// Answers of a name and a mask.
pub const SEG_DESCRIBED_ANSWER: &[&str] = &[
    "The target is {} and the segmentation mask is [SEG].",
    "It is {} and the mask is [SEG].",
];
/// The answer where there is nothing to show.
pub const REFUSAL: &str = "Sorry, there is no {}.";

/// What a pair of question and answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PairTask {
    /// Text to box.
    Rec,
    /// Box to text.
    Reg,
    /// Text to mask.
    Seg,
}

/// A question with the answer that should follow.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// What it is for.
    pub task: PairTask,
    /// The question, without the leading space.
    pub question: String,
    /// The answer.
    pub answer: String,
    /// What it is about.
    pub target: Target,
    /// Whether the target is there.
    pub present: bool,
    /// Whether the question describes its target instead of naming it, or asks for a description.
    pub described: bool,
}

/// A form with its gap filled.
pub fn fill(form: &str, with: &str) -> String {
    form.replacen("{}", with, 1)
}

/// A pair about a target; `None` where there is too little of it in the picture to be fair, or where a
/// box is asked about that is not there.
pub fn pair(
    scene: &Scene,
    task: PairTask,
    target: Target,
    described: bool,
    random: &mut Random,
) -> Option<Pair> {
    let present = scene.shows(target)?;
    let name = target.name();
    let (question, answer) = match (task, described) {
        (PairTask::Reg, false) => {
            let place = box_text(scene.model_box(target)?);
            (
                fill(random.word(REG), &place),
                fill(random.word(REG_ANSWER), name),
            )
        }
        (PairTask::Reg, true) => {
            let place = box_text(scene.model_box(target)?);
            let answer = format!(
                "{} {}",
                fill(random.word(&REG_ANSWER[..2]), name),
                target.description()
            );
            (fill(random.word(REG_DESCRIBED), &place), answer)
        }
        (PairTask::Rec, false) => {
            let question = fill(random.word(REC), name);
            let answer = scene
                .model_box(target)
                .map(|b| fill(random.word(REC_ANSWER), &box_text(b)));
            (question, answer.unwrap_or_else(|| fill(REFUSAL, name)))
        }
        (PairTask::Rec, true) => {
            let question = fill(random.word(REC_DESCRIBED), target.description());
            let [before, between] = random
                .pick(REC_DESCRIBED_ANSWER)
                .copied()
                .unwrap_or_default();
            let answer = scene
                .model_box(target)
                .map(|b| format!("{before}{name}{between}{}.", box_text(b)));
            (question, answer.unwrap_or_else(|| fill(REFUSAL, name)))
        }
        (PairTask::Seg, false) => {
            let question = fill(random.word(SEG), name);
            let answer = if present {
                random.word(SEG_ANSWER).to_owned()
            } else {
                fill(REFUSAL, name)
            };
            (question, answer)
        }
        (PairTask::Seg, true) => {
            let question = fill(random.word(SEG_DESCRIBED), target.description());
            let form = if present {
                random.word(SEG_DESCRIBED_ANSWER)
            } else {
                REFUSAL
            };
            (question, fill(form, name))
        }
    };
    Some(Pair {
        task,
        question,
        answer,
        target,
        present,
        described,
    })
}

/// One pair of a random kind about a random target: about something absent with the probability
/// `negatives`, in a described form with the probability `described`.
pub fn random_pair(
    scene: &Scene,
    negatives: f32,
    described: f32,
    random: &mut Random,
) -> Option<Pair> {
    let task = *random.pick(&[PairTask::Rec, PairTask::Reg, PairTask::Seg])?;
    let absent = task != PairTask::Reg && random.chance(negatives);
    let targets = scene.targets();
    let target = *random.pick(&targets[usize::from(absent)])?;
    let described = random.chance(described);
    pair(scene, task, target, described, random)
}
