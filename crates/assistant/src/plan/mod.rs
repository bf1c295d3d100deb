//! From a reader's words to the steps that answer them.
//!
//! A question is read with the lexicon ([`m3d_imaging::terms`]): what it names, and what it wants of it. Steps that a model
//! is for (segment, find, describe, ask, report) go to a model in the words it was taught; measuring, comparing, reading
//! the header and moving the views is this program's own work.
//!
//! ```text
//! text --words--> requests \
//!                           rules --> Plan { steps, subjects }
//! text --lexicon--> terms  /
//! ```

mod header;

mod rules;
mod vocabulary;
mod words;

pub use header::HeaderFact;
pub use rules::plan;

use m3d_imaging::terms::Term;
use serde::{Deserialize, Serialize};

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// A mask of what is named, by the segmenter.
    Segment,
    /// A box around what is named.
    Find,
    /// What is in a box, in words.
    Describe,
    /// A question to the model, or about the image as a whole.
    Ask,
    /// A report of the whole image.
    Report,
    /// Numbers of a mask, by this program.
    Measure,
    /// Which of two is larger, by this program.
    Compare,
    /// The views move there.
    Go,
    /// What the file says of patient and image.
    Header,
}

impl StepKind {
    /// The name on the command line and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Find => "find",
            Self::Describe => "describe",
            Self::Ask => "ask",
            Self::Report => "report",
            Self::Measure => "measure",
            Self::Compare => "compare",
            Self::Go => "go",
            Self::Header => "header",
        }
    }
}

/// What a step is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// Something that the lexicon knows.
    Term(&'static Term),
    /// The reader's own words for something that it does not know.
    Phrase(String),
}

impl Subject {
    /// The lexicon's name, or the words.
    pub fn name(&self) -> &str {
        match self {
            Self::Term(term) => term.name(),
            Self::Phrase(words) => words,
        }
    }

    /// What the lexicon knows of it.
    pub const fn term(&self) -> Option<&'static Term> {
        match self {
            Self::Term(term) => Some(term),
            Self::Phrase(_) => None,
        }
    }
}

/// What is to be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Volume, extents and longest diameter.
    Size,
    /// The diameter across a tube, along its centre line.
    Diameter,
    /// The image's values inside: Hounsfield units in CT.
    Values,
    /// How many there are.
    Count,
}

/// What is asked about a subject, or about the whole image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Whether there is one.
    Presence,
    /// Whether it is as it should be, or what is wrong with it.
    State,
    /// The phase after contrast medium.
    Phase,
    /// Anything else, in the reader's own words.
    Free,
}

/// One thing to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What it does.
    pub kind: StepKind,
    /// What it is about, where it is about something.
    pub subject: Option<Subject>,
    /// Of a measuring step.
    pub quantity: Option<Quantity>,
    /// Of an asking step.
    pub topic: Option<Topic>,
    /// Of a step that reads the header.
    pub fact: Option<HeaderFact>,
}

impl Step {
    /// A step that is told by its kind and subject alone.
    pub const fn only(kind: StepKind, subject: Option<Subject>) -> Self {
        Self {
            kind,
            subject,
            quantity: None,
            topic: None,
            fact: None,
        }
    }

    /// `segment: left kidney`.
    pub fn label(&self) -> String {
        match (&self.subject, self.fact) {
            (Some(subject), _) => format!("{}: {}", self.kind.name(), subject.name()),
            (None, Some(fact)) => format!("{}: {}", self.kind.name(), fact.name()),
            (None, None) => self.kind.name().to_owned(),
        }
    }
}

/// What is done to answer a question, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// What the question is about, in its order; groups are told member by member where each gets a step of its own.
    pub subjects: Vec<&'static Term>,
    /// How what was named was read, where it was written otherwise: "left kidney" for "lt kidny".
    pub read_as: Option<String>,
}

impl Plan {
    /// The steps in one line: `segment: liver · measure: liver`.
    pub fn label(&self) -> String {
        let labels: Vec<String> = self.steps.iter().map(Step::label).collect();
        labels.join(" · ")
    }
}
