//! What a name stands for.

use std::fmt;
use std::sync::OnceLock;

use crate::geometry::BodyLevel;

use super::lexicon::Lexicon;

/// What sort of thing a term names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An organ, or a part of one.
    Organ,
    /// An artery, a vein, or several.
    Vessel,
    /// A bone or a tooth.
    Bone,
    /// A muscle.
    Muscle,
    /// A tissue: fat, skin, cartilage, lymph nodes.
    Tissue,
    /// A cavity, a canal, a joint or a region of the body.
    Space,
    /// Something that can be wrong, or was put in.
    Finding,
}

/// The patient's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The patient's left.
    Left,
    /// The patient's right.
    Right,
}

impl Side {
    /// `left` or `right`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }

    /// The other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// A coded concept as DICOM writes it (PS3.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The coding scheme's designator: `SCT`, SNOMED CT.
    pub scheme: &'static str,
    /// The code's value.
    pub value: &'static str,
    /// The code's meaning, in the standard's words.
    pub meaning: &'static str,
}

/// One thing that has a name: a structure of the body, a group of them, or a finding.
///
/// Terms live as long as the program; two are equal where their names are.
pub struct Term {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) side: Option<Side>,
    pub(super) levels: Option<[BodyLevel; 2]>,
    pub(super) colour: Option<[u8; 3]>,
    pub(super) code: Option<Code>,
    pub(super) names: Vec<String>,
    pub(super) links: OnceLock<Links>,
}

/// Where a term stands among the others.
#[derive(Clone, Default)]
pub(super) struct Links {
    pub organ: Option<&'static Term>,
    pub whole: Option<&'static Term>,
    pub unsided: Option<&'static Term>,
    pub sided: [Option<&'static Term>; 2],
    pub members: Vec<&'static Term>,
    pub parts: Vec<&'static Term>,
    /// Those of the parts that together are the whole.
    pub made_of: Vec<&'static Term>,
    /// The finding without its organ.
    pub generic: Option<&'static Term>,
}

impl Term {
    /// The name: singular, lower case but for levels and people: "left kidney", "L3 vertebra".
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What sort of thing it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it is something that can be wrong.
    pub fn is_finding(&self) -> bool {
        self.kind == Kind::Finding
    }

    /// The side that it lies on by its name.
    pub fn side(&self) -> Option<Side> {
        self.side
    }

    /// The usual upper and lower end along the body, of findings that of the organ; none for what may be anywhere.
    pub fn levels(&self) -> Option<[BodyLevel; 2]> {
        self.levels
    }

    /// Of a finding, the organ it lies in, if it is one.
    pub fn organ(&self) -> Option<&'static Term> {
        self.links().and_then(|l| l.organ)
    }

    /// Of a group, what it is made of: of "kidney" the left and the right one, of "lung lobe" the lobes, which may be
    /// groups again. Empty for single things.
    pub fn members(&self) -> &[&'static Term] {
        self.links().map_or(&[], |l| &l.members)
    }

    /// The named parts of a single thing: of "left lung" its lobes, of "colon" its sections.
    pub fn parts(&self) -> &[&'static Term] {
        self.links().map_or(&[], |l| &l.parts)
    }

    /// The single thing that it is a part of.
    pub fn whole(&self) -> Option<&'static Term> {
        self.links().and_then(|l| l.whole)
    }

    /// The same on one side: of "kidney" the left kidney. None where it has no sides.
    pub fn on(&self, side: Side) -> Option<&'static Term> {
        let links = self.links()?;
        let made = || {
            let lexicon = Lexicon::built_in();
            Some(lexicon.finding_in(links.organ?.on(side)?, links.generic?))
        };
        links.sided[side as usize].or_else(made)
    }

    /// The same without a side: of "left kidney" the kidney, of "left pleural effusion" the pleural effusion.
    pub fn unsided(&self) -> Option<&'static Term> {
        let links = self.links()?;
        let made = || {
            let lexicon = Lexicon::built_in();
            Some(lexicon.finding_in(links.organ?.unsided()?, links.generic?))
        };
        links.unsided.or_else(made)
    }

    /// Of a finding in an organ, the finding alone: of "liver lesion" the lesion.
    pub fn generic(&self) -> Option<&'static Term> {
        self.links().and_then(|l| l.generic)
    }

    /// A colour that readers know it by, red, green and blue.
    pub fn colour(&self) -> Option<[u8; 3]> {
        self.colour
    }

    /// The code under which PS3.16 prints it; of sided things that of the thing, the side being a modifier.
    pub fn code(&self) -> Option<Code> {
        self.code
    }

    /// All its other names, as they are written.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether it stands for several things.
    pub fn is_group(&self) -> bool {
        !self.members().is_empty()
    }

    /// The fewest terms that `known` accepts and that make this one up: itself, or else those of its members or of the
    /// parts that together are the whole (of "left lung" the lobes), left first. What is not known is left out; empty
    /// where nothing of it is known.
    pub fn expand(&'static self, known: &dyn Fn(&Term) -> bool) -> Vec<&'static Term> {
        if known(self) {
            return vec![self];
        }
        let mut found: Vec<&'static Term> = Vec::new();
        for below in self.members().iter().chain(self.made_of()) {
            for term in below.expand(known) {
                if !found.contains(&term) {
                    found.push(term);
                }
            }
        }
        found
    }

    /// The single things of a group, through groups of groups; itself where it is none.
    pub fn singles(&'static self) -> Vec<&'static Term> {
        self.expand(&|term| !term.is_group())
    }

    fn made_of(&self) -> &[&'static Term] {
        self.links().map_or(&[], |l| &l.made_of)
    }

    fn links(&self) -> Option<&Links> {
        self.links.get()
    }
}

impl PartialEq for Term {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Term {}

impl fmt::Debug for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Term({:?})", self.name)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
