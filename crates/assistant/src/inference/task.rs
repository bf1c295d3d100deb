//! What a model can be asked to do.

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
}
