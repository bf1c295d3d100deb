//! What the reader wants, recognised from the words by simple rules.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Preparation;
use m3d_imaging::volume::Window;
use m3d_model::UnknownChoice;

/// What the model is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A free question, with choices or without (VQA).
    Chat,
    /// A report or caption of the whole image.
    Report,
    /// Finding what is named: text to box (REC).
    Rec,
    /// Describing what is in a box: box to text (REG).
    Reg,
    /// Segmenting what is named or described: text to mask.
    Seg,
}

impl Task {
    /// All, in the order of the menu.
    pub const ALL: [Self; 5] = [Self::Chat, Self::Report, Self::Rec, Self::Reg, Self::Seg];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Report => "report",
            Self::Rec => "rec",
            Self::Reg => "reg",
            Self::Seg => "seg",
        }
    }

    /// What the reader knows it by.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Chat => "Ask",
            Self::Report => "Report",
            Self::Rec => "Find",
            Self::Reg => "Describe box",
            Self::Seg => "Segment",
        }
    }

    /// The way the task's training data was prepared; `window` is the one on screen.
    pub const fn preparation(self, window: Window) -> Preparation {
        match self {
            Self::Chat | Self::Report => Preparation::Caption { window },
            Self::Rec | Self::Reg | Self::Seg => Preparation::Segmentation,
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Task {
    type Err = UnknownChoice;

    fn from_str(word: &str) -> Result<Self, UnknownChoice> {
        let found = Self::ALL.into_iter().find(|t| t.name() == word);
        found.ok_or_else(|| UnknownChoice {
            what: "task",
            word: word.to_owned(),
            choices: "chat, report, rec, reg, seg",
        })
    }
}

const SEGMENT_WORDS: [&str; 9] = [
    "segment",
    "segments",
    "segmentation",
    "mask",
    "outline",
    "delineate",
    "contour",
    "[seg]",
    "segmented",
];
const FIND_WORDS: [&str; 7] = [
    "find",
    "locate",
    "localize",
    "localise",
    "coordinates",
    "box",
    "where's",
];
const REPORT_WORDS: [&str; 5] = ["report", "findings", "caption", "captions", "impression"];
const DESCRIBE_PHRASES: [&str; 6] = [
    "describe",
    "what is this",
    "what's this",
    "what is that",
    "what is here",
    "what is in",
];
/// Words that open a sentence rather than name a thing.
const OPENING_WORDS: [&str; 32] = [
    "what",
    "which",
    "who",
    "whose",
    "why",
    "when",
    "how",
    "where",
    "is",
    "are",
    "was",
    "were",
    "do",
    "does",
    "did",
    "can",
    "could",
    "would",
    "should",
    "has",
    "have",
    "describe",
    "explain",
    "tell",
    "list",
    "compare",
    "summarize",
    "summarise",
    "hello",
    "hi",
    "thanks",
    "thank",
];
/// The most words of a phrase that names something to segment.
const PHRASE_WORDS: usize = 4;

/// The task a text is taken for, by the first rule that fits:
///
/// 1. `Choices:` in it: a question.
/// 2. `coordinates` and a written box in it, or a box is drawn and the text is empty or asks "describe",
///    "what is this", "what is in": describe the box.
/// 3. "segment", "mask", "outline", "delineate", "contour": segment.
/// 4. "where is", "where are", "find", "locate", "coordinates", "box": find.
/// 5. "report", "findings", "caption", "impression": report.
/// 6. Up to four words that are no question, do not open like a sentence and hold a letter ("left
///    kidney"): segment.
/// 7. Anything else: a question.
pub fn recognise(text: &str, has_box: bool) -> Task {
    let lower = text.trim().to_lowercase();
    let words: Vec<&str> = lower
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| ".,;:!?\"'()".contains(c)))
        .filter(|word| !word.is_empty())
        .collect();
    let any = |list: &[&str]| words.iter().any(|word| list.contains(word));
    if lower.contains("choices:") {
        return Task::Chat;
    }
    let box_is_written = super::ModelBox::parse(&lower).is_some();
    let describes = words.is_empty() || DESCRIBE_PHRASES.iter().any(|p| lower.starts_with(p));
    if box_is_written || (has_box && describes) {
        return Task::Reg;
    }
    if any(&SEGMENT_WORDS) {
        return Task::Seg;
    }
    let asks_where = words
        .windows(2)
        .any(|pair| pair[0] == "where" && ["is", "are"].contains(&pair[1]));
    if asks_where || any(&FIND_WORDS) {
        return Task::Rec;
    }
    if any(&REPORT_WORDS) {
        return Task::Report;
    }
    let opens_a_sentence = words.first().is_some_and(|w| OPENING_WORDS.contains(w));
    let names = lower.chars().any(char::is_alphabetic);
    if names && words.len() <= PHRASE_WORDS && !opens_a_sentence && !lower.contains('?') {
        return Task::Seg;
    }
    Task::Chat
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for task in Task::ALL {
            assert_eq!(task.to_string().parse(), Ok(task));
        }
        assert!("Segment".parse::<Task>().is_err());
    }

    #[test]
    fn the_rules_as_the_reader_meets_them() {
        for (text, has_box, wanted) in [
            ("", true, Task::Reg),
            ("Describe", true, Task::Reg),
            ("What is this?", true, Task::Reg),
            ("What is this?", false, Task::Chat),
            ("", false, Task::Chat),
            ("Is this benign?", true, Task::Chat),
            ("Segment the liver", true, Task::Seg),
            ("where is the spleen", false, Task::Rec),
            (
                "Where is liver in this image? Please output the box.",
                false,
                Task::Rec,
            ),
            (
                "Can you find the aorta in this image? Give coordinates.",
                false,
                Task::Rec,
            ),
            ("locate the pancreas", false, Task::Rec),
            (
                "Can you segment the spleen in this image?",
                false,
                Task::Seg,
            ),
            (
                "What is liver in this image? Please output segmentation mask.",
                false,
                Task::Seg,
            ),
            ("outline both kidneys", false, Task::Seg),
            ("left kidney", false, Task::Seg),
            ("the left adrenal gland.", false, Task::Seg),
            ("left kidney?", false, Task::Chat),
            ("hello", false, Task::Chat),
            ("42", false, Task::Chat),
            ("Report", false, Task::Report),
            (
                "Please generate a medical report based on this image.",
                false,
                Task::Report,
            ),
            ("What are the findings?", false, Task::Report),
            ("Which organ is enlarged?", false, Task::Chat),
            (
                "Where is the lesion? Choices: A. Liver B. Spleen C. Kidney D. Lung",
                false,
                Task::Chat,
            ),
            (
                "What target is present within the coordinates [0.1, 0.2, 0.3, 0.4, 0.5, 0.6] ?",
                false,
                Task::Reg,
            ),
        ] {
            assert_eq!(recognise(text, has_box), wanted, "{text:?}");
        }
    }
}
