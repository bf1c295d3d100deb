//! A term in a text.

use std::ops::Range;

use super::term::{Side, Term};

/// Where a text speaks of a term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The bytes of the text that name it; both ends lie between characters.
    pub bytes: Range<usize>,
    /// The most exact term; may be a group.
    pub term: &'static Term,
    /// The side that the words give, also where the term itself has none ("left rib fracture").
    pub side: Option<Side>,
    /// Where the words put a finding, if that is more exact than its organ: of "nodule in the right upper lobe" that lobe.
    pub place: Option<&'static Term>,
    /// The term's name, where spelling was corrected.
    pub read_as: Option<String>,
}

impl Mention {
    /// The single things that are meant: of "both kidneys" the left and the right one, of "left ribs" the twelve on the
    /// left. Try [`Mention::term`] first: a model may know a group as one thing.
    pub fn terms(&self) -> Vec<&'static Term> {
        let singles = self.term.singles();
        let Some(side) = self.side else {
            return singles;
        };
        let other = |term: &&&'static Term| term.side() != Some(side.other());
        let ours: Vec<&'static Term> = singles.iter().filter(other).copied().collect();
        if ours.is_empty() { singles } else { ours }
    }
}
