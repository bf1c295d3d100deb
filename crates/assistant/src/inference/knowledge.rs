//! What a model was taught, as its card says.

use m3d_imaging::terms::{Lexicon, Term};
use m3d_model::ModelFolder;
use m3d_model::file_names::CARD;
use serde::Deserialize;

use super::InferenceError;

/// The most bytes of it that are read.
const MOST_BYTES: u64 = 1 << 20;

/// The lexicon's group of all structures: of a model that was taught a list, all of that.
const EVERYTHING: &str = "everything";

/// What a model was taught.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Knowledge {
    /// `None` for a model that may be asked anything, in any words.
    taught: Option<Taught>,
}

#[derive(Clone, Debug, PartialEq)]
struct Taught {
    /// What it draws and finds.
    targets: Vec<Target>,
    /// The questions it was taught, by name.
    questions: Vec<String>,
}

/// Something a model was taught to draw and to find.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What it is.
    pub term: &'static Term,
    /// The name it was taught.
    pub name: String,
    /// How well its masks cover what they should, where that was measured.
    pub dice: Option<Overlap>,
    /// How often it names a finding that is there, and one that is not, where that was measured.
    pub detection: Option<Detection>,
}

/// How well a model's masks cover what they should.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Overlap {
    /// The mean Dice.
    pub mean: f64,
    /// Over how many images.
    pub n: u32,
    /// What kind of images: `phantoms`, `real CTs`.
    pub on: String,
}

/// How well a model tells whether a finding is there.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Detection {
    /// Share of those there that it names.
    pub sensitivity: f64,
    /// Share of those it names that are there.
    pub precision: f64,
    /// Of how many images with one.
    pub n: u32,
    /// What kind of images: `phantoms`.
    pub on: String,
}

impl Detection {
    /// Below this share what a model does not name says nothing.
    pub const LEAST: f64 = 0.75;

    /// Whether it says something that the model names none.
    pub fn tells_absence(&self) -> bool {
        self.sensitivity >= Self::LEAST
    }

    /// Whether it says something that the model names one.
    pub fn tells_presence(&self) -> bool {
        self.precision >= Self::LEAST
    }
}

/// `card.json` as it is written.
#[derive(Deserialize)]
struct Card {
    targets: Vec<CardTarget>,
    #[serde(default)]
    questions: Vec<String>,
}

#[derive(Deserialize)]
struct CardTarget {
    name: String,
    dice: Option<Overlap>,
    detection: Option<Detection>,
}

impl Knowledge {
    /// What the card in a checkpoint's folder says. A folder without one is of a model that may be asked anything: what it
    /// answers is marked as its own words.
    ///
    /// # Errors
    /// When there is a card that cannot be read: without it the model would be asked what it was never taught.
    pub fn of(folder: &ModelFolder) -> Result<Self, InferenceError> {
        if !folder.has(CARD) {
            return Ok(Self::default());
        }
        let fault =
            |why: String| InferenceError::Card(format!("{}: {why}", folder.file(CARD).display()));
        if folder.size(CARD).is_none_or(|n| n > MOST_BYTES) {
            return Err(fault("it is too large".to_owned()));
        }
        let mut text = String::new();
        folder
            .open(CARD)
            .and_then(|mut file| std::io::Read::read_to_string(&mut file, &mut text))
            .map_err(|error| fault(error.to_string()))?;
        let card = serde_json::from_str(&text).map_err(|error| fault(error.to_string()))?;
        Ok(Self::from_card(card))
    }

    fn from_card(card: Card) -> Self {
        let known = |target: CardTarget| {
            // What the lexicon does not know nobody can ask for by name.
            let term = Lexicon::built_in().get(&target.name)?;
            Some(Target {
                term,
                name: target.name,
                dice: target.dice,
                detection: target.detection,
            })
        };
        Self {
            taught: Some(Taught {
                targets: card.targets.into_iter().filter_map(known).collect(),
                questions: card.questions,
            }),
        }
    }

    /// Whether it may be asked anything.
    pub const fn is_open(&self) -> bool {
        self.taught.is_none()
    }

    /// Everything it was taught to draw; empty for a model that may be asked anything.
    pub fn targets(&self) -> &[Target] {
        self.taught.as_ref().map_or(&[], |taught| &taught.targets)
    }

    /// What it was taught of a term.
    pub fn target(&self, term: &Term) -> Option<&Target> {
        self.targets().iter().find(|t| t.term.name() == term.name())
    }

    /// The name it is asked by for a term; `None` where it was taught none.
    pub fn name_of<'a>(&'a self, term: &'a Term) -> Option<&'a str> {
        if self.is_open() {
            return Some(term.name());
        }
        self.target(term).map(|target| target.name.as_str())
    }

    /// Whether it was taught a question of this name.
    pub fn answers(&self, question: &str) -> bool {
        match &self.taught {
            None => true,
            Some(taught) => taught.questions.iter().any(|known| known == question),
        }
    }

    /// A term as the things a model is asked for, one after the other: itself where it is one thing or is known as one, of a
    /// group its members (of a large one those that are known). Itself where nothing of it is known.
    pub fn parts(&self, term: &'static Term) -> Vec<&'static Term> {
        if term.name() == EVERYTHING && !self.is_open() {
            let structures = self.targets().iter().map(|target| target.term);
            return structures.filter(|term| !term.is_finding()).collect();
        }
        let parts = if self.is_open() {
            let singles = term.singles();
            // A model that knows any words is better asked for the ribs than for each of them.
            if singles.len() > 2 {
                vec![term]
            } else {
                singles
            }
        } else if term.members().len() == 2 && self.target(term).is_none() {
            term.members().to_vec()
        } else {
            term.expand(&|part| self.target(part).is_some())
        };
        if parts.is_empty() { vec![term] } else { parts }
    }

    /// What it was taught that comes nearest to a term: what the term is a part of, or a finding of the same organ, or the
    /// organ itself.
    pub fn nearest(&self, term: &Term) -> Option<&Target> {
        let mut whole = term.unsided().or(term.whole());
        while let Some(around) = whole {
            if let Some(target) = self.target(around) {
                return Some(target);
            }
            whole = around.whole();
        }
        let group = self.targets().iter().find(|target| {
            let members = target.term.members();
            members.iter().any(|member| member.name() == term.name())
        });
        group.or_else(|| self.target(term.organ()?))
    }
}
