//! How a question ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a question, or one of its steps, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With what was asked for, by the model or from the header.
    Answered,
    /// With numbers that this program measured.
    Measured,
    /// The model looked for it and found none. That there is none it cannot know.
    Absent,
    /// The image does not show the part of the body where it would be.
    NotInView,
    /// The model was not taught it, or nobody here can know.
    NotKnown,
    /// There was an answer that must not be believed, or there could be none for this image.
    Unusable,
}

impl Outcome {
    /// The name on the command line and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Measured => "measured",
            Self::Absent => "absent",
            Self::NotInView => "not_in_view",
            Self::NotKnown => "not_known",
            Self::Unusable => "unusable",
        }
    }

    /// Whether the reader got what was asked for.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Answered | Self::Measured)
    }

    /// That of several steps: of the first that did not succeed, unless all about another subject did; then measured
    /// where anything was, else answered. `steps` are each step's outcome and what it was about.
    pub fn of_steps<'a>(steps: &(impl Iterator<Item = (Self, Option<&'a str>)> + Clone)) -> Self {
        let failed = steps.clone().find(|(outcome, _)| !outcome.is_success());
        let measured = steps.clone().any(|(outcome, _)| outcome == Self::Measured);
        let success = if measured {
            Self::Measured
        } else {
            Self::Answered
        };
        let Some((first_failure, _)) = failed else {
            return success;
        };
        let all_well = |subject: Option<&str>| {
            let mut own = steps.clone().filter(|(_, about)| *about == subject);
            subject.is_some() && own.all(|(outcome, _)| outcome.is_success())
        };
        let another_succeeded = steps.clone().any(|(_, subject)| all_well(subject));
        if another_succeeded {
            success
        } else {
            first_failure
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome::{Absent, Answered, Measured, NotInView, Unusable};
    use super::*;

    #[test]
    fn another_subject_that_succeeds_decides() {
        for (steps, wanted) in [
            (vec![(Answered, Some("liver"))], Answered),
            (
                vec![(Answered, Some("spleen")), (Measured, Some("spleen"))],
                Measured,
            ),
            (
                vec![(Answered, Some("spleen")), (Unusable, Some("spleen"))],
                Unusable,
            ),
            (
                vec![(NotInView, Some("heart")), (Absent, Some("spleen"))],
                NotInView,
            ),
            (
                vec![(NotInView, Some("heart")), (Answered, Some("liver"))],
                Answered,
            ),
            (vec![], Answered),
        ] {
            assert_eq!(
                Outcome::of_steps(&steps.iter().copied()),
                wanted,
                "{steps:?}"
            );
        }
    }
}
