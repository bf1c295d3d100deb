//! The anatomical planes and the letters that name directions.

use glam::DVec3;
use serde::{Deserialize, Serialize};

/// The three anatomical planes a reader expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// Across the body: seen from the feet.
    Axial,
    /// Along the body from the side: seen from the patient's left.
    Sagittal,
    /// Along the body from the front: seen from the front.
    Coronal,
}

impl Orientation {
    /// All three, in the order of the layout.
    pub const ALL: [Self; 3] = [Self::Axial, Self::Sagittal, Self::Coronal];

    /// The plane's name, as shown on screen.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Axial => "Axial",
            Self::Sagittal => "Sagittal",
            Self::Coronal => "Coronal",
        }
    }

    /// The patient direction in which slices are counted up: to the head, to the left, to the back.
    pub const fn normal(self) -> DVec3 {
        match self {
            Self::Axial => DVec3::Z,
            Self::Sagittal => DVec3::X,
            Self::Coronal => DVec3::Y,
        }
    }

    /// The patient direction that points right on the screen in the radiological convention: the
    /// patient's left, or in a sagittal view the patient's back (anterior is on the left).
    pub const fn screen_right(self) -> DVec3 {
        match self {
            Self::Axial | Self::Coronal => DVec3::X,
            Self::Sagittal => DVec3::Y,
        }
    }

    /// The patient direction that points down on the screen: the back, or the feet.
    pub const fn screen_down(self) -> DVec3 {
        match self {
            Self::Axial => DVec3::Y,
            Self::Sagittal | Self::Coronal => DVec3::NEG_Z,
        }
    }
}

/// The least share of a unit direction that still earns a letter: about 11 degrees off the plane.
const LEAST_SHARE: f64 = 0.2;

/// The letters of a patient direction, the strongest first: `L`, `R`, `A`, `P`, `H`, `F`, compound
/// where the direction is oblique (`HA`). Empty for a zero direction.
pub fn direction_letters(direction: DVec3) -> String {
    let Some(unit) = direction.try_normalize() else {
        return String::new();
    };
    let mut parts = [(unit.x, 'L', 'R'), (unit.y, 'P', 'A'), (unit.z, 'H', 'F')];
    parts.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
    parts
        .iter()
        .filter(|(share, ..)| share.abs() >= LEAST_SHARE)
        .map(|&(share, plus, minus)| if share > 0.0 { plus } else { minus })
        .collect()
}

/// A distance along a patient direction, with the letter of the side it lies on instead of a sign: `R 12.5`.
pub fn signed_letters(direction: DVec3, distance_mm: f64) -> String {
    let towards = if distance_mm < 0.0 {
        -direction
    } else {
        direction
    };
    format!("{} {:.1}", direction_letters(towards), distance_mm.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_follow_lps() {
        assert_eq!(direction_letters(DVec3::X), "L");
        assert_eq!(direction_letters(-DVec3::Y), "A");
        assert_eq!(direction_letters(DVec3::new(0.0, 0.05, 1.0)), "H");
        assert_eq!(direction_letters(DVec3::new(-0.3, 0.0, -0.9)), "FR");
        assert_eq!(direction_letters(DVec3::ZERO), "");
        assert_eq!(signed_letters(DVec3::X, -127.52), "R 127.5");
        assert_eq!(signed_letters(DVec3::Z, 3.0), "H 3.0");
    }

    #[test]
    fn right_and_down_lie_in_the_plane() {
        for orientation in Orientation::ALL {
            assert!(orientation.normal().dot(orientation.screen_right()).abs() < 1e-12);
            assert!(orientation.normal().dot(orientation.screen_down()).abs() < 1e-12);
        }
    }
}
