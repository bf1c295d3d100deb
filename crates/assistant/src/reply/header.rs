//! Answers that the file itself gives.

use m3d_imaging::geometry::{AxisOrder, Orientation};
use m3d_imaging::wording::readable_date;

use super::respond::Responder;
use super::{Outcome, StepReply};
use crate::plan::{HeaderFact, Step, StepKind};

impl Responder<'_> {
    /// What the header or the grid says.
    pub(super) fn header(&self, step: &Step) -> StepReply {
        let (outcome, text) = match step.fact {
            Some(fact) => self.fact(fact),
            None => (Outcome::NotKnown, String::new()),
        };
        StepReply::plain(StepKind::Header, None, outcome, text)
    }

    fn fact(&self, fact: HeaderFact) -> (Outcome, String) {
        let about = &self.question.about;
        let survey = &about.survey;
        let grid = self.question.volume.grid();
        let said = |what: &str, value: &str, words: fn(&str) -> String| {
            if value.trim().is_empty() {
                let text = format!("{what}: the file does not say, and the picture does not tell.");
                (Outcome::NotKnown, text)
            } else {
                let value = words(value);
                (
                    Outcome::Answered,
                    format!("{what}: {value}, as the file says."),
                )
            }
        };
        match fact {
            HeaderFact::Age => said("The patient's age", &about.stated.patient_age, age_words),
            HeaderFact::Sex => said("The patient's sex", &about.stated.patient_sex, sex_words),
            HeaderFact::Date => said("The date of the study", &about.stated.study_date, |date| {
                readable_date(date.trim())
            }),
            HeaderFact::Modality => {
                let by = if survey.modality_by_values {
                    "by its values"
                } else {
                    "as the file says"
                };
                (
                    Outcome::Answered,
                    format!("Modality: {}, {by}.", survey.modality.code()),
                )
            }
            HeaderFact::Plane => {
                let order = AxisOrder::of_patient(grid);
                // The slices are stacked along the grid's last axis.
                let stacked = (0..3).find(|&n| order.axis(n) == 2).unwrap_or(2);
                let plane = [
                    Orientation::Sagittal,
                    Orientation::Coronal,
                    Orientation::Axial,
                ][stacked];
                let direction = grid.directions().col(2);
                let tilt = direction[stacked].abs().clamp(0.0, 1.0).acos().to_degrees();
                let oblique = if tilt > 3.0 {
                    format!(", tilted by {tilt:.0} degrees")
                } else {
                    String::new()
                };
                (
                    Outcome::Measured,
                    format!("The slices are {}{oblique}.", plane.name().to_lowercase()),
                )
            }
            HeaderFact::Spacing => {
                let mm = grid.spacing_mm();
                let text = format!(
                    "Voxels of {:.2} x {:.2} mm in slices {:.2} mm apart.",
                    mm.x, mm.y, mm.z
                );
                (Outcome::Measured, text)
            }
            HeaderFact::Slices => {
                let dims = grid.dims();
                let text = format!("{} slices of {} x {} voxels.", dims.z, dims.x, dims.y);
                (Outcome::Measured, text)
            }
            HeaderFact::Region => match &survey.coverage {
                Some(coverage) => {
                    let (top, bottom) = (&coverage.top, &coverage.bottom);
                    let text = format!(
                        "It shows the body from about {} (± {:.0} mm) to about {} (± {:.0} mm), by its values.",
                        top.level,
                        top.error_mm(),
                        bottom.level,
                        bottom.error_mm()
                    );
                    (Outcome::Measured, text)
                }
                None => (
                    Outcome::NotKnown,
                    "Which part of the body this is cannot be told from the values.".to_owned(),
                ),
            },
        }
    }
}

/// `67 years` from DICOM's `067Y` (PS3.5 6.2, AS).
fn age_words(age: &str) -> String {
    let age = age.trim();
    let unit = match age.chars().last() {
        Some('Y') => "years",
        Some('M') => "months",
        Some('W') => "weeks",
        Some('D') => "days",
        _ => return age.to_owned(),
    };
    match age[..age.len() - 1].parse::<u32>() {
        Ok(number) => format!("{number} {unit}"),
        Err(_) => age.to_owned(),
    }
}

fn sex_words(sex: &str) -> String {
    match sex.trim() {
        "F" => "female".to_owned(),
        "M" => "male".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dicoms_words_become_people() {
        assert_eq!(age_words("067Y"), "67 years");
        assert_eq!(age_words("003M"), "3 months");
        assert_eq!(age_words("unknown"), "unknown");
        assert_eq!(sex_words("F "), "female");
    }
}
