//! Where a stack of slices lies (PS3.3 C.7.6.2.1.1), and whether it is a regular one.

use glam::{DAffine3, DVec3, UVec3};

use super::slice::Slice;
use crate::geometry::VoxelGrid;
use crate::io::Warning;
use crate::io::error::Refusal;

/// Slices nearer to each other than this along the normal are at one place.
const SAME_PLACE_MM: f64 = 1e-3;
/// Slices that leave the even ladder by more are worth a warning...
const UNEVEN_MM: f64 = 1e-2;
/// ...and by more than this share of the step, a volume no longer: measures would be wrong.
const UNEVEN_SHARE: f64 = 0.05;
/// A stack that leans more than this is sheared.
const TILT_DEGREES: f64 = 0.5;

/// How far along the normal of `reference` a slice lies.
pub(super) fn depth_mm(slice: &Slice, normal: DVec3) -> f64 {
    slice.position_mm.dot(normal)
}

/// How many neighbours in an ascending stack share their place.
pub(super) fn repeated(slices: &[Slice]) -> usize {
    let Some(normal) = slices.first().map(Slice::normal) else {
        return 0;
    };
    slices
        .windows(2)
        .filter(|pair| match pair {
            [a, b] => depth_mm(b, normal) - depth_mm(a, normal) < SAME_PLACE_MM,
            _ => false,
        })
        .count()
}

/// The grid of a stack that ascends along its normal without repeated places.
pub(super) fn grid(slices: &[Slice]) -> Result<(VoxelGrid, Vec<Warning>), Refusal> {
    let (Some(first), Some(last)) = (slices.first(), slices.last()) else {
        return Err(single("an empty series"));
    };
    if slices.len() < 2 {
        let is_localizer = first
            .image_type
            .split('\\')
            .any(|part| part.trim() == "LOCALIZER");
        return Err(if is_localizer {
            Refusal::new(
                "localizer",
                "a localizer (scout) picture, which is no volume",
            )
        } else {
            single("a single slice, which is no volume; open the folder with its whole series")
        });
    }
    let steps = slices.len() as f64 - 1.0;
    let step = (last.position_mm - first.position_mm) / steps;
    let normal = first.normal();
    refuse_tilt(step, normal)?;
    let warnings = uneven(slices, step, normal)?;
    let [between_rows, between_columns] = first.spacing_mm;
    let patient_from_voxel = DAffine3::from_cols(
        first.row * between_columns,
        first.column * between_rows,
        step,
        first.position_mm,
    );
    let count = u32::try_from(slices.len()).unwrap_or(u32::MAX);
    let dims = UVec3::new(first.columns, first.rows, count);
    VoxelGrid::new(dims, patient_from_voxel)
        .map(|grid| (grid, warnings))
        .map_err(|error| Refusal::new("no_geometry", error.to_string()))
}

fn single(what: &str) -> Refusal {
    Refusal::new("single_slice", what)
}

fn refuse_tilt(step: DVec3, normal: DVec3) -> Result<(), Refusal> {
    let tilt = step.angle_between(normal).to_degrees();
    if tilt > TILT_DEGREES {
        return Err(Refusal::new(
            "gantry_tilt",
            format!(
                "its slices lean by {tilt:.1} degrees (gantry tilt), which is not corrected yet; \
                 resample the series on the scanner or convert it with a tilt correction"
            ),
        ));
    }
    Ok(())
}

/// Compares each slice's place with an even ladder from the first to the last.
fn uneven(slices: &[Slice], step: DVec3, normal: DVec3) -> Result<Vec<Warning>, Refusal> {
    let first = slices.first().map_or(DVec3::ZERO, |s| s.position_mm);
    let furthest = slices
        .iter()
        .enumerate()
        .map(|(k, slice)| slice.position_mm.distance(first + step * k as f64))
        .fold(0.0, f64::max);
    if furthest <= UNEVEN_MM {
        return Ok(Vec::new());
    }
    let gaps = slices.windows(2).filter_map(|pair| match pair {
        [a, b] => Some(depth_mm(b, normal) - depth_mm(a, normal)),
        _ => None,
    });
    let (least, most) = gaps.fold((f64::INFINITY, 0.0_f64), |(least, most), gap| {
        (least.min(gap), most.max(gap))
    });
    let figures = format!(
        "slices are {least:.3} to {most:.3} mm apart and up to {furthest:.3} mm off an even spacing"
    );
    if furthest > UNEVEN_SHARE * step.length() {
        return Err(Refusal::new(
            "uneven_spacing",
            format!("{figures}; slices may be missing: copy or export the whole series again"),
        ));
    }
    Ok(vec![Warning::new(
        "uneven_spacing",
        format!("{figures}; they are shown evenly spaced"),
    )])
}
