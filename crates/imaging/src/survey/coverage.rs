//! Which heights of the body an image shows.

use super::cautions::TRUNK;
use crate::geometry::BodyLevel;

/// An end of an image along the body, and how surely it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct End {
    /// The most likely level.
    pub level: BodyLevel,
    /// The highest level it may be (19 times of 20), with a smaller number than `level`.
    pub highest: BodyLevel,
    /// The lowest level it may be, likewise.
    pub lowest: BodyLevel,
}

impl End {
    /// How far off it may be, in mm of an adult: the larger of both sides.
    pub fn error_mm(&self) -> f64 {
        let [at, high, low] = [self.level, self.highest, self.lowest].map(BodyLevel::adult_mm);
        f64::from((at - high).max(low - at))
    }
}

/// The heights of the body that an image shows, from its upper to its lower end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// The end at the head.
    pub top: End,
    /// The end at the feet.
    pub bottom: End,
}

/// Whether something is in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InView {
    /// All of it, surely.
    Whole,
    /// At least a part of it.
    Partly,
    /// Nothing of it, surely.
    Not,
    /// The image does not tell.
    Unknown,
}

/// Bodies differ: an organ may lie so much higher or lower than it usually does, in mm.
const MARGIN_MM: f32 = 15.0;

impl Coverage {
    /// Whether what usually lies between two levels (their middles, the upper one first) is shown.
    pub fn shows(&self, levels: [BodyLevel; 2]) -> InView {
        let [a, b] = levels.map(BodyLevel::adult_mm);
        let (upper, lower) = (a.min(b), a.max(b));
        let [top, bottom] = [self.top, self.bottom];
        let mm = BodyLevel::adult_mm;
        let is_above = lower + MARGIN_MM < mm(top.highest);
        let is_below = upper - MARGIN_MM > mm(bottom.lowest);
        if is_above || is_below {
            return InView::Not;
        }
        if upper - MARGIN_MM >= mm(top.lowest) && lower + MARGIN_MM <= mm(bottom.highest) {
            return InView::Whole;
        }
        let is_met = lower - MARGIN_MM > mm(top.lowest) && upper + MARGIN_MM < mm(bottom.highest);
        if is_met {
            InView::Partly
        } else {
            InView::Unknown
        }
    }

    /// What is shown in place of the trunk, where hardly anything of it is: by the likely levels less than a fifth of the
    /// image, by the least favourable ones not even half of it.
    pub(super) fn outside_of_trunk(&self) -> Option<&'static str> {
        let mm = BodyLevel::adult_mm;
        let [upper, lower] = TRUNK.map(mm);
        let share = |top: BodyLevel, bottom: BodyLevel| {
            let shown = mm(bottom).min(lower) - mm(top).max(upper);
            shown.max(0.0) / (mm(bottom) - mm(top)).max(1.0)
        };
        let [top, bottom] = [self.top, self.bottom];
        let likely = share(top.level, bottom.level);
        let most = share(top.highest, bottom.highest).max(share(top.lowest, bottom.lowest));
        if likely >= 0.2 || most >= 0.5 {
            None
        } else if mm(bottom.lowest) < lower {
            Some("the head or the neck")
        } else if mm(top.highest) > upper {
            Some("the legs")
        } else {
            None
        }
    }
}
