//! Diameters of a tube along its centre line.

mod cells;
mod centre_line;
mod section;

use glam::DVec3;

use super::crop::Crop;
use super::drawn::DrawnVoxel;
use super::{LEAST_DRAWN_VOXELS, MeasureError, Measured};
use crate::volume::Mask;
use cells::Cells;
use section::Slicer;

/// A cross-section of a tube, in the plane across its centre line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Section {
    /// The middle of its area, in patient mm.
    pub middle_mm: DVec3,
    /// The unit direction of the centre line there, in the patient.
    pub along: DVec3,
    /// The diameter of the circle of equal area, in mm.
    pub diameter_mm: Measured,
    /// How round it is: its shorter by its longer axis, those of the ellipse with the same second moments.
    pub roundness: f64,
}

/// What is measured on a tube, such as the aorta.
#[derive(Clone, Debug, PartialEq)]
pub struct Tube {
    /// The cross-sections that lie whole in the image, in order along the centre line and evenly apart; those of a
    /// closed end are left out.
    pub sections: Vec<Section>,
    /// The length of the centre line through them, in mm.
    pub length_mm: f64,
    /// The largest diameter, of three neighbouring sections in the middle; `at_least` where the tube goes on outside of
    /// the image.
    pub largest_mm: Measured,
    /// Where that is, in patient mm.
    pub largest_at_mm: DVec3,
    /// The mean of all diameters.
    pub mean_mm: Measured,
}

/// A tube is at least so many times as long as wide, if it ends in the image.
const LEAST_LENGTH: f64 = 3.0;
/// And this where it leaves the image at both ends.
const LEAST_LENGTH_OF_CUT: f64 = 0.8;
/// The least median roundness of its sections: flat veins are tubes.
const LEAST_ROUNDNESS: f64 = 0.35;
/// The most that its diameters vary: deviation by mean.
const MOST_VARIATION: f64 = 0.45;
/// Its volume as the sum of its sections, by that of the mask, lies between these: what winds or branches has more, or
/// less, along one line.
const VOLUME_OF_SECTIONS: std::ops::Range<f64> = 0.4..1.3;
/// The share of a mask that its largest piece has at least, if it is to count as one.
const LEAST_PIECE: f64 = 0.9;

/// The diameters of a tubular mask across its centre line. `drawn_at_mm` is the size, along `i`, `j` and `k`, of the
/// voxels that it was drawn in; `None` for a mask that was drawn in the image's own.
///
/// # Errors
/// When the mask is empty, in several pieces or no tube, when its diameter is fewer than four of the voxels it was drawn
/// in, or the size of those is not finite and positive.
pub fn diameter_along(mask: &Mask, drawn_at_mm: Option<DVec3>) -> Result<Tube, MeasureError> {
    let grid = mask.grid();
    let drawn = DrawnVoxel::new(grid, drawn_at_mm)?;
    let crop = Crop::around(mask).ok_or(MeasureError::Empty)?;
    let cells = Cells::of(&crop, mask);
    let share = cells.share_of_largest();
    if share < LEAST_PIECE {
        return Err(MeasureError::InPieces { share });
    }
    let path = cells.path();
    let slicer = Slicer::new(&crop, grid, path.radius_mm);
    let traced = centre_line::trace(&slicer, &path);
    let sections: Vec<Section> = traced
        .sections
        .iter()
        .map(|cut| Section {
            middle_mm: cut.middle_mm,
            along: cut.along,
            diameter_mm: Measured {
                value: cut.diameter_mm(),
                error: drawn.mean_width_across_mm(cut.along),
                at_least: false,
            },
            roundness: cut.roundness,
        })
        .collect();
    let leaves = (0..3).flat_map(|axis| crop.reaches(axis));
    let cut = leaves.into_iter().any(|leaves| leaves);
    let tube = summary(sections, cut).ok_or(MeasureError::NoTube)?;
    check_shape(&tube, mask.volume_ml(), traced.leaves == [true; 2])?;
    check_size(&tube, &drawn)?;
    Ok(tube)
}

/// The figures over all sections; `None` where there are fewer than three.
fn summary(sections: Vec<Section>, cut: bool) -> Option<Tube> {
    let steps = sections.windows(2);
    let length_mm = steps.map(|s| s[0].middle_mm.distance(s[1].middle_mm)).sum();
    let middle_of_three = |three: &[Section]| {
        let mut three = [three[0], three[1], three[2]];
        three.sort_by(|a, b| a.diameter_mm.value.total_cmp(&b.diameter_mm.value));
        three[1]
    };
    let middles = sections.windows(3).map(middle_of_three);
    let largest = middles.max_by(|a, b| a.diameter_mm.value.total_cmp(&b.diameter_mm.value))?;
    let mean = |of: fn(&Measured) -> f64| {
        let all = sections.iter().map(|s| of(&s.diameter_mm));
        all.sum::<f64>() / sections.len() as f64
    };
    Some(Tube {
        length_mm,
        largest_mm: Measured {
            at_least: cut,
            ..largest.diameter_mm
        },
        largest_at_mm: largest.middle_mm,
        mean_mm: Measured {
            value: mean(|m| m.value),
            error: mean(|m| m.error),
            at_least: false,
        },
        sections,
    })
}

/// Whether it is long, round and even enough for a tube.
fn check_shape(tube: &Tube, volume_ml: f64, both_ends_cut: bool) -> Result<(), MeasureError> {
    let mean = tube.mean_mm.value;
    let least = if both_ends_cut {
        LEAST_LENGTH_OF_CUT
    } else {
        LEAST_LENGTH
    };
    let squares = tube
        .sections
        .iter()
        .map(|s| (s.diameter_mm.value - mean).powi(2));
    let deviation = (squares.sum::<f64>() / tube.sections.len() as f64).sqrt();
    let mut roundness: Vec<f64> = tube.sections.iter().map(|s| s.roundness).collect();
    roundness.sort_by(f64::total_cmp);
    let round = roundness[roundness.len() / 2] >= LEAST_ROUNDNESS;
    let long = tube.length_mm >= least * mean;
    let pairs = tube.sections.windows(2).map(|pair| {
        let area = |s: &Section| std::f64::consts::PI * (s.diameter_mm.value / 2.0).powi(2);
        let areas = f64::midpoint(area(&pair[0]), area(&pair[1]));
        areas * pair[0].middle_mm.distance(pair[1].middle_mm) / 1000.0
    });
    let whole = VOLUME_OF_SECTIONS.contains(&(pairs.sum::<f64>() / volume_ml));
    if whole && long && round && deviation <= MOST_VARIATION * mean {
        Ok(())
    } else {
        Err(MeasureError::NoTube)
    }
}

/// Whether its diameters have enough drawn voxels.
fn check_size(tube: &Tube, drawn: &DrawnVoxel) -> Result<(), MeasureError> {
    let coarsest = |s: &Section| drawn.coarsest_across_mm(s.along);
    let drawn_mm = tube.sections.iter().map(coarsest).sum::<f64>() / tube.sections.len() as f64;
    let diameter_mm = tube.mean_mm.value;
    if diameter_mm < LEAST_DRAWN_VOXELS * drawn_mm {
        return Err(MeasureError::TooFine {
            diameter_mm,
            drawn_mm,
        });
    }
    Ok(())
}
