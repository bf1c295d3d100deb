//! A measured number with its error, and which of two is larger.

/// A number measured on a mask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The number.
    pub value: f64,
    /// How far the truth may lie from it, from where the mask's border can be: half a drawn voxel inwards or outwards,
    /// everywhere at once.
    pub error: f64,
    /// Whether the image ends before the structure does: the truth is this much or more.
    pub at_least: bool,
}

/// Which of two measured numbers is larger, as far as their errors and the image's edge let that be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The first is larger, whatever lies outside of the image.
    Larger,
    /// The first is smaller, whatever lies outside of the image.
    Smaller,
    /// Both are whole, and they differ by no more than their errors.
    Alike,
    /// What the image cuts off could make either the larger one.
    CannotTell {
        /// What stands in the way.
        why: Unknown,
    },
}

/// Why two measured numbers cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The first is cut by the image's edge.
    FirstIsCut,
    /// The second is cut by the image's edge.
    SecondIsCut,
    /// Both are cut by the image's edge.
    BothAreCut,
}

impl Measured {
    /// The least that the truth can be.
    pub fn low(&self) -> f64 {
        (self.value - self.error).max(0.0)
    }

    /// The most that the truth can be: infinite where the image cuts.
    pub fn high(&self) -> f64 {
        if self.at_least {
            f64::INFINITY
        } else {
            self.value + self.error
        }
    }

    /// How this number stands to another.
    pub fn compare(&self, other: &Self) -> Comparison {
        if self.low() > other.high() {
            return Comparison::Larger;
        }
        if self.high() < other.low() {
            return Comparison::Smaller;
        }
        let why = match (self.at_least, other.at_least) {
            (false, false) => return Comparison::Alike,
            (true, false) => Unknown::FirstIsCut,
            (false, true) => Unknown::SecondIsCut,
            (true, true) => Unknown::BothAreCut,
        };
        Comparison::CannotTell { why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: f64, at_least: bool) -> Measured {
        Measured {
            value,
            error: 10.0,
            at_least,
        }
    }

    #[test]
    fn a_comparison_holds_whatever_lies_outside() {
        use Comparison::{Alike, CannotTell, Larger, Smaller};
        let whole = of(100.0, false);
        assert_eq!(of(121.0, false).compare(&whole), Larger);
        assert_eq!(of(79.0, false).compare(&whole), Smaller);
        assert_eq!(of(119.0, false).compare(&whole), Alike);
        // Cut, it is only larger than it looks.
        assert_eq!(of(121.0, true).compare(&whole), Larger);
        assert_eq!(whole.compare(&of(121.0, true)), Smaller);
        let why = Unknown::FirstIsCut;
        assert_eq!(of(79.0, true).compare(&whole), CannotTell { why });
        let why = Unknown::SecondIsCut;
        assert_eq!(whole.compare(&of(79.0, true)), CannotTell { why });
        let why = Unknown::BothAreCut;
        assert_eq!(of(500.0, true).compare(&of(1.0, true)), CannotTell { why });
    }
}
