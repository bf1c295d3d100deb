//! Structured reports in radiological English from what is known about a phantom.
//!
//! After the technique comes one statement for each part of the body in the picture, in the same order always, as a
//! reader with a checklist dictates (European Society of Radiology, paper on structured reporting, 2018). So a
//! statement's first word after its heading decides between what is normal and what is not, and a model that writes the
//! likeliest word weighs one finding at a time. In free prose the way a sentence begins belongs to several findings at
//! once; together they outweigh silence where each alone is unlikely.

use super::phantom::{FindingKind, PhantomFinding, Phase};
use super::{Laterality, Random, Scene, Structure, Target};

/// Least voxels of an organ that a report speaks of.
const LEAST_VOXELS: usize = 12;

/// A statement's heading, the structures of which one must be in the picture, and the finding that would stand there.
type Part = (&'static str, &'static [Structure], Option<FindingKind>);

const LUNGS: &[Structure] = &[Structure::RightLung, Structure::LeftLung];
const KIDNEYS: &[Structure] = &[Structure::RightKidney, Structure::LeftKidney];

/// The parts of the body from top to bottom, bones last.
const PARTS: [Part; 13] = [
    ("Lungs", LUNGS, Some(FindingKind::LungNodule)),
    ("Pleura", LUNGS, Some(FindingKind::PleuralEffusion)),
    ("Heart", &[Structure::Heart], None),
    (
        "Aorta",
        &[Structure::Aorta],
        Some(FindingKind::AorticCalcification),
    ),
    ("Liver", &[Structure::Liver], Some(FindingKind::LiverLesion)),
    ("Gallbladder", &[Structure::Gallbladder], None),
    (
        "Spleen",
        &[Structure::Spleen],
        Some(FindingKind::Splenomegaly),
    ),
    ("Pancreas", &[Structure::Pancreas], None),
    ("Stomach", &[Structure::Stomach], None),
    ("Kidneys", KIDNEYS, Some(FindingKind::KidneyStone)),
    ("Bladder", &[Structure::Bladder], None),
    (
        "Spine",
        &[Structure::Vertebrae],
        Some(FindingKind::VertebralFracture),
    ),
    ("Ribs", &[Structure::Ribs], Some(FindingKind::RibFracture)),
];

/// A report: how the image was taken, and of each part of the body in the picture what is wrong with it or that it is
/// normal. A kind of finding is named if and only if it is present.
pub fn report(scene: &Scene, random: &mut Random) -> String {
    let statements = PARTS.iter().filter_map(|&(heading, structures, kind)| {
        let wrong = scene.findings.iter().find(|f| Some(f.kind) == kind);
        let shown = |s: &Structure| scene.voxels(Target::Structure(*s)) >= LEAST_VOXELS;
        let text = match wrong {
            Some(finding) => statement(scene, finding),
            None if structures.iter().any(shown) => "normal".to_owned(),
            None => return None,
        };
        Some(format!("{heading}: {text}."))
    });
    let all: Vec<String> = std::iter::once(technique(scene, random))
        .chain(statements)
        .collect();
    all.join(" ")
}

fn technique(scene: &Scene, random: &mut Random) -> String {
    let region = scene.region.name();
    let phase = match scene.phase {
        Phase::NonContrast => "without contrast medium".to_owned(),
        other => format!("in the {}", other.name()),
    };
    let plane = scene.plane.name().to_lowercase();
    match random.below(3) {
        0 => format!("CT of the {region} {phase}, {plane} slices."),
        1 => format!("{} CT of the {region} {phase}.", scene.plane.name()),
        _ => format!("Computed tomography of the {region} {phase} in the {plane} plane."),
    }
}

/// The sides of all findings of the kind: `right`, `left`, `bilateral`; empty where sides do not matter.
fn sides(scene: &Scene, kind: FindingKind) -> &'static str {
    match scene.sides(kind).as_slice() {
        [one] => one.name(),
        [_, _] => "bilateral",
        _ => "",
    }
}

/// What is wrong: the finding's name first, for a model is less sure of size and place.
fn statement(scene: &Scene, finding: &PhantomFinding) -> String {
    let side = sides(scene, finding.kind);
    let mm = finding.size.round().max(1.0);
    let place = finding.place;
    match finding.kind {
        FindingKind::LiverLesion => {
            let look = if finding.bright == Some(true) {
                "hyperattenuating"
            } else {
                "hypoattenuating"
            };
            if finding.count > 1 {
                format!("liver lesions, {look}, the largest of {mm} mm in the {place}")
            } else {
                format!("liver lesion, {look}, of {mm} mm in the {place}")
            }
        }
        FindingKind::KidneyStone => {
            format!("kidney stone of {mm} mm in the {place} of the {side} kidney")
        }
        FindingKind::LungNodule => {
            format!("lung nodule of {mm} mm in the {place} of the {side} lung")
        }
        FindingKind::PleuralEffusion => {
            let amount = if mm < 30.0 {
                "small"
            } else if mm < 48.0 {
                "moderate"
            } else {
                "large"
            };
            format!("pleural effusion, {amount}, {side}")
        }
        FindingKind::AorticCalcification => format!("aortic calcification of the {place} part"),
        FindingKind::Splenomegaly => format!("splenomegaly with a length of {mm} mm"),
        FindingKind::VertebralFracture => {
            format!("vertebral fracture of {place} with about {mm} percent loss of height")
        }
        FindingKind::RibFracture => {
            format!("rib fracture of the {place} rib on the {side} side")
        }
    }
}

/// The words for sides in answers.
pub(super) const fn side_words(sides: &[Laterality]) -> Option<&'static str> {
    match sides {
        [Laterality::Right] => Some("Right"),
        [Laterality::Left] => Some("Left"),
        [_, _] => Some("Both sides"),
        _ => None,
    }
}
