//! Sentences of answers.

use glam::DVec3;
pub(super) use m3d_imaging::wording::capital;

use m3d_imaging::geometry::{VoxelBox, VoxelGrid, signed_letters};

/// `a`, `a and b`, `a, b and c`.
pub(super) fn listed(words: &[&str], and: &str) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} {and} {last}", rest.join(", ")),
    }
}

/// `box 77 x 99 x 40 mm at L 84 A 122 H 12`: extents from right to left, front to back and foot to head, and the centre.
/// Where the file does not say which side is left, only the extents.
pub(super) fn box_words(place: &VoxelBox, grid: &VoxelGrid, sides_known: bool) -> String {
    let [a, b] = place.patient_corners(grid);
    let middle = grid
        .patient_from_voxel()
        .transform_point3((place.min + place.max) / 2.0);
    let mm = (b - a).abs();
    let size = format!("box {:.0} x {:.0} x {:.0} mm", mm.x, mm.y, mm.z);
    if !sides_known {
        return size;
    }
    let at = [
        (DVec3::X, middle.x),
        (DVec3::Y, middle.y),
        (DVec3::Z, middle.z),
    ];
    let at = at.map(|(direction, mm)| {
        let letters = signed_letters(direction, mm);
        letters
            .split_once('.')
            .map_or(letters.clone(), |(whole, _)| whole.to_owned())
    });
    format!("{size} at {}", at.join(" "))
}

/// `2 in 3` and the like: a share as people say it.
pub(super) fn share_words(share: f64) -> String {
    let (mut best, mut error) = ((1, 1), f64::INFINITY);
    for of in 1..=10_u32 {
        let part = (share * f64::from(of)).round();
        let off = (part / f64::from(of) - share).abs();
        if off + 0.02 < error {
            (best, error) = ((part as u32, of), off);
        }
    }
    match best {
        (part, of) if part == of => "nearly all".to_owned(),
        (0, _) => "hardly any".to_owned(),
        (part, of) => format!("{part} in {of}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_said_plainly() {
        for (share, words) in [
            (0.5, "1 in 2"),
            (0.82, "4 in 5"),
            (0.67, "2 in 3"),
            (0.995, "nearly all"),
            (0.01, "hardly any"),
        ] {
            assert_eq!(share_words(share), words, "{share}");
        }
        assert_eq!(listed(&["a", "b", "c"], "and"), "a, b and c");
        assert_eq!(capital("left kidney"), "Left kidney");
    }
}
