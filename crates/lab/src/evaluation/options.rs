//! What is to be measured, and how.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::metrics::{BertScorer, WordNet};
use crate::dataset::Split;
use m3d_assistant::inference::Task;

/// The tasks of M3D-Bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BenchTask {
    /// Reports of whole images (M3D-Cap).
    Report,
    /// Questions with four choices (M3D-VQA).
    VqaClosed,
    /// The same questions without choices.
    VqaOpen,
    /// Text to box (M3D-Seg).
    Rec,
    /// Box to text.
    Reg,
    /// Text to mask.
    Seg,
    /// Questions that a mask answers (M3D-RefSeg).
    RefSeg,
    /// Texts for images and images for texts (M3D-Cap, with M3D-CLIP).
    Retrieval,
}

impl BenchTask {
    /// All tasks.
    pub const ALL: [Self; 8] = [
        Self::Report,
        Self::VqaClosed,
        Self::VqaOpen,
        Self::Rec,
        Self::Reg,
        Self::Seg,
        Self::RefSeg,
        Self::Retrieval,
    ];

    /// The name on the command line and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::VqaClosed => "vqa-closed",
            Self::VqaOpen => "vqa-open",
            Self::Rec => "rec",
            Self::Reg => "reg",
            Self::Seg => "seg",
            Self::RefSeg => "refseg",
            Self::Retrieval => "retrieval",
        }
    }

    /// The task of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.name() == name)
    }

    /// What the model is asked to do.
    pub(super) const fn inference(self) -> Task {
        match self {
            Self::Report | Self::Retrieval => Task::Report,
            Self::VqaClosed | Self::VqaOpen => Task::Chat,
            Self::Rec => Task::Rec,
            Self::Reg => Task::Reg,
            Self::Seg | Self::RefSeg => Task::Seg,
        }
    }
}

/// The split of a data set to measure with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SplitChoice {
    /// The test split; everything where there is none.
    #[default]
    Auto,
    /// One split.
    One(Split),
    /// Everything.
    All,
}

impl SplitChoice {
    /// All choices.
    pub const ALL: [Self; 5] = [
        Self::Auto,
        Self::One(Split::Test),
        Self::One(Split::Validation),
        Self::One(Split::Train),
        Self::All,
    ];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::One(Split::Test) => "test",
            Self::One(Split::Validation) => "validation",
            Self::One(Split::Train) => "train",
            Self::All => "all",
        }
    }
}

impl FromStr for SplitChoice {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|part| part.name() == word);
        found.ok_or_else(|| {
            format!("{word:?} is no split; choose auto, test, validation, train or all")
        })
    }
}

/// Whether structures are asked for by their names or by descriptions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wording {
    /// By name.
    #[default]
    Name,
    /// By description, where the data's dictionary has one; boxes are asked to be described.
    Description,
    /// Once each.
    Both,
}

impl Wording {
    /// All choices.
    pub const ALL: [Self; 3] = [Self::Name, Self::Description, Self::Both];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Description => "description",
            Self::Both => "both",
        }
    }
}

impl FromStr for Wording {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|wording| wording.name() == word);
        found.ok_or_else(|| format!("{word:?} is no wording; choose name, description or both"))
    }
}

/// A share of the images: of `count` shares that of number `index`, from 1 to `count`.
///
/// The image of number g, from 0, belongs to the share whose number is g modulo `count`; multiples of `count` belong to
/// the last share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    index: u32,
    count: u32,
}

impl Shard {
    /// Everything.
    pub const WHOLE: Self = Self { index: 1, count: 1 };

    /// The most shares.
    const MOST: u32 = 100_000;

    /// A share; `None` where there are no shares, too many, or `index` is 0 or above their number.
    pub fn new(index: u32, count: u32) -> Option<Self> {
        let fits = (1..=Self::MOST).contains(&count) && (1..=count).contains(&index);
        fits.then_some(Self { index, count })
    }

    /// How many shares there are.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// The share's number, from 1.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Whether the image of this number belongs to the share.
    pub const fn has(self, image: usize) -> bool {
        image % self.count as usize == (self.index % self.count) as usize
    }

    /// What the share's files have in their names: nothing, or `.4-of-4`.
    pub(super) fn suffix(self) -> String {
        self.suffix_of(self.index)
    }

    /// What the last share's files had in their names when shares were counted from 0: `.0-of-4`.
    pub(super) fn old_suffix(self) -> Option<String> {
        let is_last = self.index == self.count && self != Self::WHOLE;
        is_last.then(|| self.suffix_of(0))
    }

    fn suffix_of(self, index: u32) -> String {
        if self == Self::WHOLE {
            String::new()
        } else {
            format!(".{index}-of-{}", self.count)
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let parts = word.split_once('/');
        let parts = parts.and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        parts
            .and_then(|(index, count)| Self::new(index, count))
            .ok_or_else(|| {
                format!(
                    "{word:?} is no share; write I/N with I from 1 to N, as 2/8 (where the jobs of an array are \
                     numbered from 0, give the number plus 1)"
                )
            })
    }
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// The task.
    pub task: BenchTask,
    /// A folder in M3D-Data's layout.
    pub data: PathBuf,
    /// The folder for rows and summary; it is made.
    pub out: PathBuf,
    /// The part of the data.
    pub part: SplitChoice,
    /// How structures are asked for.
    pub wording: Wording,
    /// The one data set of M3D-Seg to ask about, by its tag; all where `None`.
    pub tag: Option<String>,
    /// The least voxels of a prepared mask that is asked for by name (REC, REG, segmentation).
    pub least_voxels: usize,
    /// The share of the images.
    pub shard: Shard,
    /// The most entries of the list that are looked at, over all shares.
    pub limit: Option<usize>,
}

/// What some measures of texts need beside the texts.
#[derive(Default)]
pub struct Helpers {
    /// Synonyms for METEOR.
    pub wordnet: Option<WordNet>,
    /// The model behind BERTScore.
    pub bertscore: Option<BertScorer>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_count_from_1() {
        let last: Shard = "3/3".parse().unwrap();
        assert_eq!((last.index(), last.count()), (3, 3));
        assert_eq!(
            (last.to_string(), last.suffix()),
            ("3/3".into(), ".3-of-3".into())
        );
        assert_eq!(last.old_suffix().as_deref(), Some(".0-of-3"));
        assert_eq!(Shard::new(2, 3).unwrap().old_suffix(), None);
        let taken: Vec<u32> = (0..9)
            .map(|image| {
                (1..=3)
                    .filter(|&i| Shard::new(i, 3).unwrap().has(image))
                    .count() as u32
            })
            .collect();
        assert_eq!(taken, [1; 9]);
        for bad in ["4/3", "0/3", "0/1", "0/0", "1", "a/b", "-1/2", "1/2/3"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
        let from_0 = "0/4".parse::<Shard>().unwrap_err();
        assert!(from_0.contains("plus 1"), "{from_0}");
        assert_eq!(Shard::WHOLE, "1/1".parse().unwrap());
        assert_eq!(Shard::WHOLE.suffix(), "");
        assert_eq!(Shard::WHOLE.old_suffix(), None);
    }

    #[test]
    fn names_lead_back() {
        for task in BenchTask::ALL {
            assert_eq!(BenchTask::from_name(task.name()), Some(task));
        }
        for part in SplitChoice::ALL {
            assert_eq!(part.name().parse(), Ok(part));
        }
        for wording in Wording::ALL {
            assert_eq!(wording.name().parse(), Ok(wording));
        }
    }
}
