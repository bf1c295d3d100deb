//! Reports in radiological English from what is known about a phantom.

use super::phantom::{Finding, FindingKind, Phase};
use super::{Random, Scene, Side, Structure, Target, capital};

/// Least voxels of an organ that a report speaks of.
const LEAST_VOXELS: usize = 12;

/// A report: how the image was taken, each finding with side and size, and the organs without one. A
/// kind of finding is named if and only if it is present.
pub fn report(scene: &Scene, random: &mut Random) -> String {
    let mut sentences = vec![technique(scene, random)];
    let mut said: Vec<FindingKind> = Vec::new();
    for finding in &scene.findings {
        if said.contains(&finding.kind) {
            continue;
        }
        said.push(finding.kind);
        sentences.push(sentence(scene, finding, random));
    }
    let normal = normal_organs(scene);
    if let Some(text) = listed(&normal) {
        sentences.push(match random.below(3) {
            0 => format!("The {text} {} unremarkable.", be(&normal)),
            1 => format!("No abnormality is seen in the {text}."),
            _ => format!(
                "The {text} {} normal.",
                if normal.len() > 1 {
                    "appear"
                } else {
                    "appears"
                }
            ),
        });
    }
    if said.is_empty() {
        sentences.push(
            random
                .word(&[
                    "No acute abnormality.",
                    "There is no abnormality.",
                    "Normal examination.",
                ])
                .to_owned(),
        );
    }
    sentences.join(" ")
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

fn sentence(scene: &Scene, finding: &Finding, random: &mut Random) -> String {
    let side = sides(scene, finding.kind);
    let mm = finding.size.round().max(1.0);
    let place = finding.place;
    let many = finding.count > 1;
    let form = random.below(2);
    match (finding.kind, form) {
        (FindingKind::LiverLesion, _) => {
            let look = if finding.bright == Some(true) {
                "hyperattenuating"
            } else {
                "hypoattenuating"
            };
            match (many, form) {
                (true, _) => {
                    format!("Multiple {look} liver lesions, the largest of {mm} mm in the {place}.")
                }
                (false, 0) => format!("There is a {look} liver lesion of {mm} mm in the {place}."),
                (false, _) => format!("A {mm} mm {look} liver lesion lies in the {place}."),
            }
        }
        (FindingKind::KidneyStone, 0) => {
            format!("There is a {mm} mm kidney stone in the {place} of the {side} kidney.")
        }
        (FindingKind::KidneyStone, _) => {
            format!("A {side} kidney stone of {mm} mm is seen in the {place}.")
        }
        (FindingKind::LungNodule, 0) => {
            format!("A {mm} mm lung nodule is seen in the {place} of the {side} lung.")
        }
        (FindingKind::LungNodule, _) => {
            format!("There is a solid {side} lung nodule of {mm} mm in the {place}.")
        }
        (FindingKind::PleuralEffusion, _) => {
            let amount = if mm < 30.0 {
                "small"
            } else if mm < 48.0 {
                "moderate"
            } else {
                "large"
            };
            match (side, form) {
                ("bilateral", 0) => "Bilateral pleural effusion.".to_owned(),
                ("bilateral", _) => "There is pleural effusion on both sides.".to_owned(),
                (_, 0) => format!("There is a {amount} {side} pleural effusion."),
                _ => format!(
                    "{amount} pleural effusion on the {side} side.",
                    amount = capital(amount)
                ),
            }
        }
        (FindingKind::AorticCalcification, 0) => {
            format!("Aortic calcification of the {place} aorta.")
        }
        (FindingKind::AorticCalcification, _) => {
            format!("There is aortic calcification in the {place} part.")
        }
        (FindingKind::Splenomegaly, 0) => format!("Splenomegaly with a length of {mm} mm."),
        (FindingKind::Splenomegaly, _) => {
            format!("The spleen measures {mm} mm, consistent with splenomegaly.")
        }
        (FindingKind::VertebralFracture, 0) => {
            format!("Vertebral fracture of {place} with about {mm} percent loss of height.")
        }
        (FindingKind::VertebralFracture, _) => {
            format!("There is a vertebral fracture at {place}, wedge-shaped.")
        }
        (FindingKind::RibFracture, 0) => {
            format!("There is a rib fracture of the {place} rib on the {side} side.")
        }
        (FindingKind::RibFracture, _) => format!("Rib fracture, {side} {place} rib."),
    }
}

/// The organs in the picture that nothing is wrong with, kidneys and lungs as pairs where both are so.
fn normal_organs(scene: &Scene) -> Vec<&'static str> {
    let sound = |s: Structure| {
        scene.voxels(Target::Structure(s)) >= LEAST_VOXELS
            && !scene.findings.iter().any(|f| f.site == s)
    };
    let mut names = Vec::new();
    for s in [
        Structure::Liver,
        Structure::Gallbladder,
        Structure::Spleen,
        Structure::Pancreas,
        Structure::Stomach,
        Structure::Heart,
        Structure::Aorta,
        Structure::Bladder,
    ] {
        if sound(s) {
            names.push(s.name());
        }
    }
    for (pair, both) in [
        ([Structure::RightKidney, Structure::LeftKidney], "kidneys"),
        ([Structure::RightLung, Structure::LeftLung], "lungs"),
    ] {
        match pair.map(sound) {
            [true, true] => names.push(both),
            [true, false] => names.push(pair[0].name()),
            [false, true] => names.push(pair[1].name()),
            [false, false] => {}
        }
    }
    names
}

fn be(names: &[&str]) -> &'static str {
    if names.len() > 1
        || names
            .first()
            .is_some_and(|n| n.ends_with('s') && *n != "pancreas")
    {
        "are"
    } else {
        "is"
    }
}

/// `a`, `a and b`, `a, b and c`.
fn listed(names: &[&str]) -> Option<String> {
    let (last, rest) = names.split_last()?;
    Some(if rest.is_empty() {
        (*last).to_owned()
    } else {
        format!("{} and {last}", rest.join(", "))
    })
}

/// The words for sides in answers.
pub(super) const fn side_words(sides: &[Side]) -> Option<&'static str> {
    match sides {
        [Side::Right] => Some("Right"),
        [Side::Left] => Some("Left"),
        [_, _] => Some("Both sides"),
        _ => None,
    }
}
