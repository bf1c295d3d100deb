//! Pairs of questions and answers about places: boxes from words, words from boxes, masks.

use super::{Random, Scene, Target};
use crate::dataset::scene::box_text;
pub use m3d_imaging::wording::{
    REC, REC_ANSWER, REC_DESCRIBED, REC_DESCRIBED_ANSWER, REFUSAL, REG, REG_ANSWER, REG_DESCRIBED,
    REPORT, SEG, SEG_ANSWER, SEG_DESCRIBED, SEG_DESCRIBED_ANSWER, fill, fill_two,
};

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

/// What a question is about, whatever data it comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Subject<'a> {
    /// As questions and answers name it.
    pub name: &'a str,
    /// A sentence that describes it; may be empty.
    pub description: &'a str,
    /// The box around it, as the model writes boxes; `None` where there is none of it in the image.
    pub place: Option<[f64; 6]>,
}

/// A question about a subject and the answer that should follow; `None` where a box is asked about that is
/// not there, or a description is needed and there is none.
pub fn pair_about(
    subject: &Subject,
    task: PairTask,
    described: bool,
    random: &mut Random,
) -> Option<[String; 2]> {
    let Subject {
        name, description, ..
    } = *subject;
    if described && description.is_empty() {
        return None;
    }
    let place = subject.place.map(box_text);
    let refusal = || fill(REFUSAL, name);
    let (question, answer) = match (task, described) {
        (PairTask::Reg, false) => {
            let question = fill(random.word(REG), &place?);
            (question, fill(random.word(REG_ANSWER), name))
        }
        (PairTask::Reg, true) => {
            let named = fill(random.word(&REG_ANSWER[..2]), name);
            let question = fill(random.word(REG_DESCRIBED), &place?);
            (question, format!("{named} {description}"))
        }
        (PairTask::Rec, false) => {
            let question = fill(random.word(REC), name);
            let answer = place.map(|b| fill(random.word(REC_ANSWER), &b));
            (question, answer.unwrap_or_else(refusal))
        }
        (PairTask::Rec, true) => {
            let question = fill(random.word(REC_DESCRIBED), description);
            let form = random.word(REC_DESCRIBED_ANSWER);
            let answer = place.map(|b| fill_two(form, name, &b));
            (question, answer.unwrap_or_else(refusal))
        }
        (PairTask::Seg, false) => {
            let question = fill(random.word(SEG), name);
            let answer = place.map(|_| random.word(SEG_ANSWER).to_owned());
            (question, answer.unwrap_or_else(refusal))
        }
        (PairTask::Seg, true) => {
            let question = fill(random.word(SEG_DESCRIBED), description);
            let answer = place.map(|_| fill(random.word(SEG_DESCRIBED_ANSWER), name));
            (question, answer.unwrap_or_else(refusal))
        }
    };
    Some([question, answer])
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
    let place = scene.model_box(target);
    pair_at(place, scene, task, target, described, random)
}

fn pair_at(
    place: Option<[f64; 6]>,
    scene: &Scene,
    task: PairTask,
    target: Target,
    described: bool,
    random: &mut Random,
) -> Option<Pair> {
    let present = scene.shows(target)?;
    let subject = Subject {
        name: target.name(),
        description: target.description(),
        place,
    };
    let [question, answer] = pair_about(&subject, task, described, random)?;
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
/// `negatives`, in a described form with the probability `described`. Half of the boxes that are asked about are as
/// readers draw them.
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
    let mut place = scene.model_box(target);
    if task == PairTask::Reg && random.chance(0.5) {
        place = place.map(|exact| drawn_by_hand(exact, random));
    }
    pair_at(place, scene, task, target, described, random)
}

/// A box as a reader draws it around something: each face off by some hundredths of the image and a part of the side.
fn drawn_by_hand(exact: [f64; 6], random: &mut Random) -> [f64; 6] {
    let mut drawn = exact;
    for (low, high) in [(0, 3), (1, 4), (2, 5)] {
        let reach = 0.01 + 0.08 * (exact[high] - exact[low]);
        let faces = [low, high].map(|face| {
            let moved = exact[face] + f64::from(random.about(0.0, reach as f32));
            moved.clamp(0.0, 1.0)
        });
        drawn[low] = faces[0].min(faces[1]);
        drawn[high] = faces[0].max(faces[1]);
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_drawn_by_hand_is_around_the_same_place() {
        let exact = [0.1, 0.2, 0.3, 0.6, 0.3, 1.0];
        let mut random = Random::new(1, "boxes");
        let mut off = [0.0; 6];
        for _ in 0..400 {
            let drawn = drawn_by_hand(exact, &mut random);
            assert!(
                (0..3).all(|axis| drawn[axis] <= drawn[axis + 3]),
                "{drawn:?}"
            );
            assert!(drawn.iter().all(|face| (0.0..=1.0).contains(face)));
            for (off, (drawn, exact)) in off.iter_mut().zip(drawn.iter().zip(exact)) {
                *off += (drawn - exact).powi(2) / 400.0;
            }
        }
        // Deviations of a box whose faces are free to move both ways: a longer side's are larger.
        let [wide, low, deep] = [0.05, 0.018, 0.066];
        for (off, wanted) in off.into_iter().zip([wide, low, deep, wide, low]) {
            assert!(
                (off.sqrt() - wanted).abs() < 0.15 * wanted,
                "{off} {wanted}"
            );
        }
    }
}
