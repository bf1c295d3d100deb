//! Questions with four choices, and the same questions open.

use super::phantom::{FindingKind, Phase};
use super::report::side_words;
use super::{Random, Scene, Structure, Target, capital};
use m3d_imaging::geometry::Orientation;
use m3d_imaging::wording::{closed_answer, closed_question};

/// The five types of M3D-VQA, with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum VqaType {
    /// The plane of the slices.
    Plane = 1,
    /// The phase of contrast.
    Phase = 2,
    /// An organ that is seen.
    Organ = 3,
    /// Something wrong.
    Abnormality = 4,
    /// Where something is.
    Location = 5,
}

impl VqaType {
    /// All types.
    pub const ALL: [Self; 5] = [
        Self::Plane,
        Self::Phase,
        Self::Organ,
        Self::Abnormality,
        Self::Location,
    ];

    /// The type's number in M3D-VQA.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The type of a number; `None` where M3D-VQA has none.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

/// A question, its four choices and which of them is right.
#[derive(Clone, Debug, PartialEq)]
pub struct VqaItem {
    /// What it is about.
    pub kind: VqaType,
    /// The question alone, as it is asked openly.
    pub question: String,
    /// Choices A to D.
    pub choices: [String; 4],
    /// The index of the right one.
    pub right: usize,
}

const LETTERS: [char; 4] = ['A', 'B', 'C', 'D'];

impl VqaItem {
    /// The right choice's letter.
    pub fn letter(&self) -> char {
        LETTERS[self.right.min(3)]
    }

    /// The right choice: the answer to the open question.
    pub fn answer(&self) -> &str {
        &self.choices[self.right.min(3)]
    }

    /// `Q Choices: A. a B. b C. c D. d`, without the leading space.
    pub fn closed_question(&self) -> String {
        closed_question(&self.question, &self.choices)
    }

    /// `B. b`.
    pub fn closed_answer(&self) -> String {
        closed_answer(self.letter(), self.answer())
    }
}

/// A question of a type; `None` where the picture has nothing to ask for it.
pub fn vqa(scene: &Scene, kind: VqaType, random: &mut Random) -> Option<VqaItem> {
    let (question, right, wrong) = match kind {
        VqaType::Plane => plane(scene, random),
        VqaType::Phase => phase(scene, random),
        VqaType::Organ => organ(scene, random)?,
        VqaType::Abnormality => abnormality(scene, random),
        VqaType::Location => location(scene, random)?,
    };
    let mut choices = [right.clone(), String::new(), String::new(), String::new()];
    for (choice, word) in choices[1..].iter_mut().zip(wrong) {
        *choice = word;
    }
    random.shuffle(&mut choices);
    let right = choices.iter().position(|choice| *choice == right)?;
    Some(VqaItem {
        kind,
        question,
        choices,
        right,
    })
}

/// A question, its answer and three wrong ones.
type Asked = (String, String, [String; 3]);

fn three(words: &[&str]) -> [String; 3] {
    std::array::from_fn(|n| words.get(n).copied().unwrap_or_default().to_owned())
}

fn plane(scene: &Scene, random: &mut Random) -> Asked {
    let question = random.word(&[
        "Which plane is this image in?",
        "What is the imaging plane of this scan?",
        "In which plane was this CT reconstructed?",
    ]);
    let mut names: Vec<&str> = Orientation::ALL
        .iter()
        .filter(|&&p| p != scene.plane)
        .map(|p| p.name())
        .collect();
    names.push("Oblique");
    (
        question.to_owned(),
        scene.plane.name().to_owned(),
        three(&names),
    )
}

fn phase(scene: &Scene, random: &mut Random) -> Asked {
    let question = random.word(&[
        "What is the phase of this image?",
        "Which contrast phase does this CT show?",
        "In what phase was this scan taken?",
    ]);
    let name = |p: Phase| capital(p.name());
    let others: Vec<String> = Phase::ALL
        .into_iter()
        .filter(|&p| p != scene.phase)
        .map(name)
        .collect();
    let words: Vec<&str> = others.iter().map(String::as_str).collect();
    (question.to_owned(), name(scene.phase), three(&words))
}

/// Least voxels for an organ to be called visible.
const LEAST_VOXELS: usize = 20;

fn organ(scene: &Scene, random: &mut Random) -> Option<Asked> {
    let organs = Structure::ALL.iter().copied();
    let organs: Vec<Structure> = organs
        .filter(|s| s.is_organ() || *s == Structure::Pelvis)
        .collect();
    let count = |s: &Structure| scene.voxels(Target::Structure(*s));
    let mut seen: Vec<Structure> = organs
        .iter()
        .copied()
        .filter(|s| count(s) >= LEAST_VOXELS)
        .collect();
    let mut unseen: Vec<Structure> = organs.iter().copied().filter(|s| count(s) == 0).collect();
    random.shuffle(&mut seen);
    random.shuffle(&mut unseen);
    let seen_is_right = random.chance(0.5);
    let (right, wrong, question) =
        if unseen.len() >= 3 && !seen.is_empty() && (seen_is_right || seen.len() < 3) {
            let question = random.word(&[
                "Which organ is visible in this image?",
                "Which of the following is seen in this scan?",
            ]);
            (seen[0], unseen, question)
        } else if seen.len() >= 3 && !unseen.is_empty() {
            let question = random.word(&[
                "Which organ is not visible in this image?",
                "Which of the following is not seen in this scan?",
            ]);
            (unseen[0], seen, question)
        } else {
            return None;
        };
    let words: Vec<String> = wrong.iter().take(3).map(|s| capital(s.name())).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Some((question.to_owned(), capital(right.name()), three(&words)))
}

/// The answer where nothing is wrong.
const NOTHING: &str = "No abnormality";

fn abnormality(scene: &Scene, random: &mut Random) -> Asked {
    let question = random.word(&[
        "What abnormality is seen in this image?",
        "Which abnormal finding is present?",
        "What is the abnormality in this scan?",
    ]);
    let present: Vec<FindingKind> = FindingKind::ALL
        .into_iter()
        .filter(|&k| scene.has(k))
        .collect();
    let mut absent: Vec<String> = FindingKind::ALL
        .into_iter()
        .filter(|&k| !scene.has(k))
        .map(|k| capital(k.name()))
        .collect();
    random.shuffle(&mut absent);
    let right = random
        .pick(&present)
        .map_or_else(|| NOTHING.to_owned(), |k| capital(k.name()));
    if !present.is_empty() && (absent.len() < 3 || random.chance(0.5)) {
        absent.insert(0, NOTHING.to_owned());
    }
    let words: Vec<&str> = absent.iter().map(String::as_str).collect();
    // With nearly every kind present too few are absent: some that phantoms never have stand in.
    let mut wrong = three(&words);
    for (n, word) in wrong.iter_mut().enumerate().filter(|(_, w)| w.is_empty()) {
        ["Pneumothorax", "Ascites", "Gallstone"][n].clone_into(word);
    }
    (question.to_owned(), right, wrong)
}

fn location(scene: &Scene, random: &mut Random) -> Option<Asked> {
    let mut asked: Vec<Asked> = Vec::new();
    for kind in FindingKind::ALL {
        let name = kind.name();
        let mut of_kind = scene.findings.iter().filter(|f| f.kind == kind);
        let Some(first) = of_kind.next() else {
            continue;
        };
        let sides = scene.sides(kind);
        if matches!(
            kind,
            FindingKind::PleuralEffusion
                | FindingKind::KidneyStone
                | FindingKind::LungNodule
                | FindingKind::RibFracture
        ) && let Some(side) = side_words(&sides)
        {
            let others: Vec<&str> = ["Right", "Left", "Both sides", "Neither side"]
                .into_iter()
                .filter(|w| *w != side)
                .collect();
            asked.push((
                format!("On which side of the patient is the {name}?"),
                side.to_owned(),
                three(&others),
            ));
        }
        let groups: &[&str] = match kind {
            FindingKind::LiverLesion => &[
                "right lobe",
                "left lobe",
                "gallbladder fossa",
                "porta hepatis",
            ],
            FindingKind::KidneyStone => &["upper pole", "middle third", "lower pole", "ureter"],
            FindingKind::LungNodule => &["upper zone", "middle zone", "lower zone", "hilum"],
            FindingKind::AorticCalcification => &["thoracic", "abdominal", "cervical", "iliac"],
            FindingKind::VertebralFracture => &["L1", "T12", "L3", "T8", "L5", "T10"],
            _ => &[],
        };
        let several = first.count > 1 && kind == FindingKind::LiverLesion;
        if !groups.is_empty() && !first.place.is_empty() && !several && of_kind.next().is_none() {
            let others: Vec<String> = groups
                .iter()
                .filter(|w| **w != first.place)
                .take(3)
                .map(|w| capital(w))
                .collect();
            let words: Vec<&str> = others.iter().map(String::as_str).collect();
            asked.push((
                format!("Where is the {name}?"),
                capital(first.place),
                three(&words),
            ));
        }
    }
    for &structure in Structure::ALL {
        let seen = scene.voxels(Target::Structure(structure)) >= LEAST_VOXELS;
        // Of organs whose name already says the side nothing is asked.
        let names_side =
            structure.name().starts_with("right") || structure.name().starts_with("left");
        if let Some(side) = structure.side().filter(|_| seen && !names_side) {
            let right = capital(side.name());
            let others: Vec<&str> = ["Right", "Left", "In the midline", "Both sides"]
                .into_iter()
                .filter(|w| *w != right)
                .collect();
            let question = format!("On which side of the patient is the {}?", structure.name());
            asked.push((question, right, three(&others)));
        }
    }
    random.pick(&asked).cloned()
}
