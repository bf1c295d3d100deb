//! Numbers, measured by this program on the masks that were drawn.

use m3d_imaging::terms::{Kind, Term};
use m3d_imaging::volume::measure::{Comparison, Unit, Unknown, diameter_along};
use m3d_imaging::volume::{Modality, Units};

use super::respond::{Drawn, Responder};
use super::wording::{capital, listed};
use super::{Outcome, StepReply};
use crate::inference::Overlap;
use crate::plan::{Quantity, Step, StepKind, Subject};

impl Responder<'_> {
    /// The figures of a mask that a step before has drawn.
    pub(super) fn measure(&mut self, step: &Step, before: &[StepReply]) -> StepReply {
        let subject = step.subject.as_ref();
        let name = subject.map_or(String::new(), |s| s.name().to_owned());
        let plain =
            |outcome, text: String| StepReply::plain(StepKind::Measure, subject, outcome, text);
        if step.quantity == Some(Quantity::Count) {
            return count(step, before);
        }
        let Some(drawn) = self.masks.get(&name).cloned() else {
            // What stood in the way is said by the step that should have drawn it.
            let failed = before
                .iter()
                .rev()
                .find(|s| s.subject.as_deref() == Some(&name));
            let outcome = failed.map_or(Outcome::Unusable, |step| step.outcome);
            return plain(outcome, String::new());
        };
        let sides_known = self.question.about.stated.side_known;
        let measures = &drawn.measures;
        let is_vessel = subject
            .and_then(Subject::term)
            .is_some_and(|term| term.kind() == Kind::Vessel);
        let called = capital(&name);
        // A NIfTI does not say that its values are Hounsfield units.
        let unit = match self.question.about.survey.modality {
            Modality::Ct => Units::Hounsfield.symbol(),
            _ => measures.units.symbol(),
        };
        let mut reply = match step.quantity {
            Some(Quantity::Values) => match measures.values_words() {
                Some(words) => plain(
                    Outcome::Measured,
                    format!("{called}: {words} {unit}").trim_end().to_owned() + ".",
                ),
                None => plain(
                    Outcome::Unusable,
                    format!("{called}: there are no values inside the mask."),
                ),
            },
            Some(Quantity::Diameter) if is_vessel => Self::diameter(subject, &drawn),
            _ => {
                let mut words = vec![measures.extents_words(sides_known)];
                match measures.check_diameter() {
                    Ok(()) => words.push(format!(
                        "longest diameter {}",
                        measures.longest_words(sides_known)
                    )),
                    Err(error) => words.push(format!("no longest diameter: {error}")),
                }
                let mut reply = plain(
                    Outcome::Measured,
                    format!("{}.", capital(&words.join("; "))),
                );
                if is_vessel {
                    let across = Self::diameter(subject, &drawn);
                    reply.text = format!("{} {}", reply.text, across.text);
                }
                reply
            }
        };
        if let Some(dice) = self.dice_of(subject) {
            let Overlap { mean, n, on } = dice;
            let said = format!(" The model's masks of it reach a Dice of {mean:.2} on {n} {on}.");
            reply.text.push_str(&said);
        }
        reply.measures = Some(Box::new(drawn.measures));
        reply
    }

    /// The diameter across a vessel, along its centre line.
    fn diameter(subject: Option<&Subject>, drawn: &Drawn) -> StepReply {
        let called = capital(subject.map_or("", |s| s.name()));
        let (outcome, text) = match diameter_along(&drawn.mask, Some(drawn.voxel_mm)) {
            Ok(tube) => (
                Outcome::Measured,
                format!(
                    "{called}: largest diameter across its centre line {}; mean {} over {:.0} mm.",
                    tube.largest_mm.words(Unit::Mm),
                    tube.mean_mm.words(Unit::Mm),
                    tube.length_mm
                ),
            ),
            Err(error) => (
                Outcome::Unusable,
                format!("{called}: no diameter; {error}."),
            ),
        };
        StepReply::plain(StepKind::Measure, subject, outcome, text)
    }

    fn dice_of(&self, subject: Option<&Subject>) -> Option<&Overlap> {
        let term = subject.and_then(Subject::term)?;
        self.knowledge.target(term)?.dice.as_ref()
    }
}

/// How many of the things asked for were found.
fn count(step: &Step, before: &[StepReply]) -> StepReply {
    let subject = step.subject.as_ref();
    let plain = |outcome, text: String| StepReply::plain(StepKind::Measure, subject, outcome, text);
    let is_finding = subject
        .and_then(Subject::term)
        .is_some_and(|term| term.kind() == Kind::Finding);
    if is_finding {
        let text = "Findings are not counted: a mask does not tell how many there are.";
        return plain(Outcome::NotKnown, text.to_owned());
    }
    let is_one_mask = subject.and_then(Subject::term).is_some_and(Term::is_group);
    if is_one_mask {
        let text = "They are drawn as one mask, which does not tell how many there are.";
        return plain(Outcome::NotKnown, text.to_owned());
    }
    let drawn = before.iter().filter(|s| s.kind == StepKind::Segment);
    let found: Vec<&str> = drawn
        .clone()
        .filter(|s| s.outcome.is_success())
        .filter_map(|s| s.subject.as_deref())
        .collect();
    let name = subject.map_or("", |s| s.name());
    // Said once, behind the last of them.
    if drawn.clone().next_back().and_then(|s| s.subject.as_deref()) != Some(name)
        || found.is_empty()
    {
        let failed = before
            .iter()
            .rev()
            .find(|s| s.subject.as_deref() == Some(name));
        let outcome = failed.map_or(Outcome::Unusable, |s| s.outcome);
        let outcome = if outcome == Outcome::Answered {
            Outcome::Measured
        } else {
            outcome
        };
        return plain(outcome, String::new());
    }
    let text = format!("Found: {} ({}).", found.len(), listed(&found, "and"));
    plain(Outcome::Measured, text)
}

/// Which of what was measured is the larger.
pub(super) fn compare(before: &[StepReply]) -> StepReply {
    let plain = |outcome, text: String| StepReply::plain(StepKind::Compare, None, outcome, text);
    let measured: Vec<&StepReply> = before
        .iter()
        .filter(|s| s.kind == StepKind::Measure && s.measures.is_some())
        .collect();
    let [first, rest @ ..] = measured.as_slice() else {
        return plain(Outcome::Unusable, "There is nothing to compare.".to_owned());
    };
    if rest.is_empty() {
        return plain(
            Outcome::Unusable,
            "Only one of them was drawn: there is nothing to compare it with.".to_owned(),
        );
    }
    let mut sentences = Vec::new();
    let mut told = false;
    for pair in std::iter::once(first)
        .chain(rest)
        .collect::<Vec<_>>()
        .windows(2)
    {
        let (a, b) = (pair[0].name(), pair[1].name());
        let (Some(left), Some(right)) = (&pair[0].measures, &pair[1].measures) else {
            continue;
        };
        let volumes = format!(
            "{:.0} and {:.0} mL",
            left.volume_ml.value, right.volume_ml.value
        );
        sentences.push(match left.compare(right) {
            Comparison::Larger => format!("The {a} is larger than the {b} ({volumes})."),
            Comparison::Smaller => format!("The {b} is larger than the {a} ({volumes})."),
            Comparison::Alike => {
                format!("The {a} and the {b} are alike within what the masks can tell ({volumes}).")
            }
            Comparison::CannotTell { why } => {
                let cut = match why {
                    Unknown::FirstIsCut => format!("the {a} is"),
                    Unknown::SecondIsCut => format!("the {b} is"),
                    Unknown::BothAreCut => "both are".to_owned(),
                };
                sentences.push(format!(
                    "Which of the {a} and the {b} is larger cannot be told: {cut} cut by the image ({volumes} are seen)."
                ));
                continue;
            }
        });
        told = true;
    }
    let outcome = if told {
        Outcome::Measured
    } else {
        Outcome::Unusable
    };
    plain(outcome, sentences.join(" "))
}
