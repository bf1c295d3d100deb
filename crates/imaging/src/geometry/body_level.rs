//! Heights along the body, counted in vertebrae.

use std::fmt;
use std::str::FromStr;

/// A height along the body: the vertebra at whose middle it lies, counted from the atlas down, so that different bodies
/// can be compared. C1 is 1, C7 is 7, T1 8, T12 19, L1 20, L5 24, S1 25, S5 29; 0 is the base of the skull and -6 its
/// vertex; the tip of the coccyx and the pubic symphysis lie at 31, the knees at 48 and the soles at 66.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct BodyLevel(pub f32);

/// Level, and mm below the vertex in an adult of 1.72 m (means of common anatomical tables, rounded to 5 mm).
const ADULT: [(f32, f32); 11] = [
    (-6.0, 0.0),
    (0.0, 130.0),
    (1.0, 150.0),
    (7.0, 250.0),
    (8.0, 270.0),
    (19.0, 535.0),
    (24.0, 710.0),
    (29.0, 830.0),
    (31.0, 870.0),
    (48.0, 1260.0),
    (66.0, 1720.0),
];

const NAMED: [(&str, f32); 7] = [
    ("vertex", -6.0),
    ("skull base", 0.0),
    ("coccyx", 30.0),
    ("symphysis", 31.0),
    ("thigh", 40.0),
    ("knee", 48.0),
    ("sole", 66.0),
];

/// The first vertebra of each part of the spine, its number, and how many there are.
const PARTS: [(char, f32, u8); 4] = [
    ('C', 1.0, 7),
    ('T', 8.0, 12),
    ('L', 20.0, 5),
    ('S', 25.0, 5),
];

/// A level that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no height along the body; give a vertebra such as T12, or vertex, skull base, symphysis, knee or sole"
)]
pub struct NotALevel(String);

impl BodyLevel {
    /// The top of the head.
    pub const VERTEX: Self = Self(-6.0);
    /// The soles of the feet.
    pub const SOLES: Self = Self(66.0);

    /// How far below the vertex it lies in an adult of 1.72 m, in mm; beyond the ends the last slope goes on.
    pub fn adult_mm(self) -> f32 {
        along(&ADULT, self.0)
    }

    /// The level so many mm below the vertex of an adult of 1.72 m.
    pub fn from_adult_mm(mm: f32) -> Self {
        Self(along(&ADULT.map(|(level, mm)| (mm, level)), mm))
    }
}

/// A table of ascending pairs read at `x`, linear between them and beyond.
fn along(table: &[(f32, f32)], x: f32) -> f32 {
    let after = table
        .iter()
        .position(|&(at, _)| at >= x)
        .unwrap_or(table.len() - 1);
    let pair = &table[after.clamp(1, table.len() - 1) - 1..][..2];
    let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
    y0 + (x - x0) / (x1 - x0) * (y1 - y0)
}

impl FromStr for BodyLevel {
    type Err = NotALevel;

    fn from_str(word: &str) -> Result<Self, NotALevel> {
        let unreadable = || NotALevel(word.to_owned());
        if let Some(&(_, level)) = NAMED.iter().find(|(name, _)| *name == word) {
            return Ok(Self(level));
        }
        let mut letters = word.chars();
        let part = letters.next().ok_or_else(unreadable)?.to_ascii_uppercase();
        let number: u8 = letters.as_str().parse().map_err(|_| unreadable())?;
        PARTS
            .iter()
            .find(|&&(letter, _, count)| letter == part && (1..=count).contains(&number))
            .map(|&(_, first, _)| Self(first + f32::from(number - 1)))
            .ok_or_else(unreadable)
    }
}

impl fmt::Display for BodyLevel {
    /// The nearest vertebra, or the nearest name away from the spine.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0.round();
        let part = PARTS
            .iter()
            .find(|&&(_, first, count)| number >= first && number < first + f32::from(count));
        if let Some((letter, first, _)) = part {
            return write!(f, "{letter}{}", number - first + 1.0);
        }
        let (name, _) = NAMED
            .iter()
            .min_by(|a, b| (a.1 - self.0).abs().total_cmp(&(b.1 - self.0).abs()))
            .unwrap_or(&NAMED[0]);
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_and_written() {
        for name in [
            "C1",
            "C7",
            "T1",
            "T12",
            "L1",
            "L5",
            "S1",
            "S5",
            "vertex",
            "skull base",
            "symphysis",
            "knee",
            "sole",
        ] {
            let level: BodyLevel = name.parse().unwrap();
            assert_eq!(level.to_string(), name);
        }
        assert_eq!("l3".parse(), Ok(BodyLevel(22.0)));
        for wrong in ["", "L", "L6", "T0", "C8", "X1", "L-1"] {
            assert!(wrong.parse::<BodyLevel>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn millimetres_lead_back() {
        for tenth in -80..700_u16.cast_signed() {
            let level = BodyLevel(f32::from(tenth) / 10.0);
            let back = BodyLevel::from_adult_mm(level.adult_mm());
            assert!((back.0 - level.0).abs() < 1e-3, "{level:?} {back:?}");
        }
        assert!(BodyLevel(24.0).adult_mm() > BodyLevel(19.0).adult_mm());
    }
}
