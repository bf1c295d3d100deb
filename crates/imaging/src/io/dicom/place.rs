//! Where a stack of frames lies (PS3.3 C.7.6.2.1.1), and whether it is a regular one.

use std::fmt::Write as _;

use glam::{DAffine3, DVec3, UVec3};

use super::frame::{Frame, Place};
use crate::geometry::VoxelGrid;
use crate::io::Warning;
use crate::io::error::Refusal;

/// Slices nearer to each other than this along the normal are at one place.
const SAME_PLACE_MM: f64 = 1e-3;
/// Slices that leave the even ladder by more are worth a warning...
const UNEVEN_MM: f64 = 1e-3;
/// ...and by more than this share of the step, or where one gap is this many times another, an even ladder no longer.
const MOST_OFF: f64 = 0.5;
const MOST_APART: f64 = 1.5;
/// An uneven stack is resampled to at most this many times its slices.
const MOST_RESAMPLED: usize = 4;
/// A stack that leans more than this is sheared.
const TILT_DEGREES: f64 = 0.5;
/// A stack that leans more than this was not cut from one body.
const MOST_TILT_DEGREES: f64 = 60.0;

/// A stack's place.
pub(super) struct Laid {
    pub grid: VoxelGrid,
    pub warnings: Vec<Warning>,
    /// How far each acquired slice is from the first, in mm along the stack, where the grid's slices are not those acquired.
    pub acquired_mm: Option<Vec<f64>>,
}

/// How far along `normal` a frame lies.
pub(super) fn depth_mm(frame: &Frame, normal: DVec3) -> f64 {
    frame
        .place
        .map_or(0.0, |place| place.position_mm.dot(normal))
}

/// The gaps between neighbours of an ascending stack.
fn gaps(frames: &[Frame]) -> Vec<f64> {
    let Some(place) = frames.first().and_then(|frame| frame.place) else {
        return Vec::new();
    };
    let normal = place.normal();
    let depths: Vec<f64> = frames.iter().map(|frame| depth_mm(frame, normal)).collect();
    depths
        .iter()
        .zip(depths.iter().skip(1))
        .map(|(a, b)| b - a)
        .collect()
}

/// How many neighbours in an ascending stack share their place.
pub(super) fn repeated(frames: &[Frame]) -> usize {
    gaps(frames)
        .iter()
        .filter(|&&gap| gap < SAME_PLACE_MM)
        .count()
}

/// Whether all gaps of an ascending stack are about the same.
pub(super) fn is_even(frames: &[Frame]) -> bool {
    let (least, most) = extremes(&gaps(frames));
    most <= MOST_APART * least
}

fn extremes(values: &[f64]) -> (f64, f64) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    (least, most)
}

/// Whether two frames lie at one place.
pub(super) fn same_place(a: &Frame, b: &Frame) -> bool {
    match (&a.place, &b.place) {
        (Some(one), Some(other)) => {
            let apart = other.position_mm - one.position_mm;
            apart.dot(one.normal()).abs() < SAME_PLACE_MM
        }
        (None, None) => true,
        _ => false,
    }
}

/// The grid of a stack that ascends along its normal without repeated places, or of one picture.
///
/// # Errors
/// When the stack is empty or too uneven, or leans too much.
pub(super) fn lay(frames: &[Frame]) -> Result<Laid, Refusal> {
    let (Some(first), Some(last)) = (frames.first(), frames.last()) else {
        return Err(Refusal::new("single_slice", "an empty series"));
    };
    // A picture without a place lies in a plane of its own.
    let place = mean_place(frames).unwrap_or(Place {
        position_mm: DVec3::ZERO,
        row: DVec3::X,
        column: DVec3::Y,
    });
    let normal = place.normal();
    if frames.len() == 1 {
        let step = first.between_mm.or(first.thickness_mm).unwrap_or(1.0);
        let grid = grid(first, place, normal * step, 1)?;
        return Ok(Laid {
            grid,
            warnings: Vec::new(),
            acquired_mm: None,
        });
    }
    let mut warnings: Vec<Warning> = turned(frames, place).into_iter().collect();
    let height = depth_mm(last, normal) - depth_mm(first, normal);
    // The way from slice to slice for each mm along the normal.
    let lean = lean(frames, normal, height);
    warnings.extend(tilt(lean, normal)?);
    let depth = |frame: &Frame| depth_mm(frame, normal) - depth_mm(first, normal);
    let gaps = gaps(frames);
    let (least, most) = extremes(&gaps);
    let step = height / gaps.len() as f64;
    refuse_displaced(frames, place, lean)?;
    let off = frames
        .iter()
        .enumerate()
        .map(|(k, frame)| {
            let even = place.position_mm + lean * (step * k as f64);
            frame
                .place
                .map_or(0.0, |place| place.position_mm.distance(even))
        })
        .fold(0.0, f64::max);
    let place_tolerance = first.spacing_mm.iter().copied().fold(step, f64::min) * MOST_OFF;
    if most <= MOST_APART * least && off <= place_tolerance.max(MOST_OFF * step) {
        if off > UNEVEN_MM {
            let message = format!(
                "slices are {least:.3} to {most:.3} mm apart and up to {off:.3} mm off an even spacing; they \
                 are shown evenly spaced"
            );
            warnings.push(Warning::new("uneven_spacing", message));
        }
        let grid = grid(first, place, lean * step, frames.len())?;
        return Ok(Laid {
            grid,
            warnings,
            acquired_mm: None,
        });
    }
    let most_slices = MOST_RESAMPLED * frames.len();
    let count = ((height / least).round() as usize).saturating_add(1);
    if count > 2 * most_slices {
        return Err(Refusal::new(
            "uneven_spacing",
            format!(
                "slices are {least:.3} to {most:.3} mm apart; some lie far from the others, or many are missing: \
                 copy or export the whole series again"
            ),
        ));
    }
    let count = count.min(most_slices);
    let step = height / (count - 1) as f64;
    warnings.push(resampled(&gaps, frames.len(), count, step));
    Ok(Laid {
        grid: grid(first, place, lean * step, count)?,
        warnings,
        acquired_mm: Some(
            frames
                .iter()
                .map(|frame| depth(frame) * lean.length())
                .collect(),
        ),
    })
}

/// Slices that lie beside the line through the first and the last would be shown where they are not.
fn refuse_displaced(frames: &[Frame], place: Place, lean: DVec3) -> Result<(), Refusal> {
    let Some(first) = frames.first() else {
        return Ok(());
    };
    let normal = place.normal();
    let aside = |frame: &Frame| {
        let way = frame
            .place
            .map_or(DVec3::ZERO, |p| p.position_mm - place.position_mm);
        (way - lean * way.dot(normal)).length()
    };
    let most = first
        .spacing_mm
        .iter()
        .copied()
        .fold(0.0, f64::max)
        .max(0.2)
        * MOST_OFF;
    let furthest = frames
        .iter()
        .enumerate()
        .max_by(|(_, a), (_, b)| aside(a).total_cmp(&aside(b)));
    match furthest {
        Some((k, frame)) if aside(frame) > most => Err(Refusal::new(
            "displaced_slices",
            format!(
                "slice {} of {} lies {:.1} mm to the side of the line through the first and the last, so the slices \
                 make no volume; export the series again",
                k + 1,
                frames.len(),
                aside(frame)
            ),
        )),
        _ => Ok(()),
    }
}

fn grid(first: &Frame, place: Place, step: DVec3, count: usize) -> Result<VoxelGrid, Refusal> {
    let [between_rows, between_columns] = first.spacing_mm;
    let patient_from_voxel = DAffine3::from_cols(
        place.row * between_columns,
        place.column * between_rows,
        step,
        place.position_mm,
    );
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let dims = UVec3::new(first.columns, first.rows, count);
    VoxelGrid::new(dims, patient_from_voxel)
        .map_err(|error| Refusal::new("no_geometry", error.to_string()))
}

/// The first frame's position with the directions that all frames have on average.
fn mean_place(frames: &[Frame]) -> Option<Place> {
    let first = frames.first()?.place?;
    let same = |frame: &Frame| {
        let place = frame.place;
        place.is_some_and(|place| place.row == first.row && place.column == first.column)
    };
    if frames.iter().all(same) {
        return Some(first);
    }
    let sum = |direction: fn(&Place) -> DVec3| {
        let directions = frames
            .iter()
            .filter_map(|frame| frame.place.as_ref().map(direction));
        directions.sum::<DVec3>().normalize()
    };
    let (row, column) = (sum(|place| place.row), sum(|place| place.column));
    let column = (column - row * row.dot(column)).normalize();
    Some(Place {
        row,
        column,
        ..first
    })
}

/// A warning where orientations differ enough to move a pixel.
fn turned(frames: &[Frame], mean: Place) -> Option<Warning> {
    let first = frames.first()?;
    let [between_rows, between_columns] = first.spacing_mm;
    let half = |pixels: u32, mm: f64| f64::from(pixels) * mm / 2.0;
    let moved = frames
        .iter()
        .filter_map(|frame| frame.place)
        .map(|place| {
            place.row.distance(mean.row) * half(first.columns, between_columns)
                + place.column.distance(mean.column) * half(first.rows, between_rows)
        })
        .fold(0.0, f64::max);
    (moved > 1e-3).then(|| {
        let message = format!(
            "the orientations of its slices differ, by up to {moved:.3} mm at the picture's edge; their \
             mean is used"
        );
        Warning::new("orientation_varies", message)
    })
}

/// The way from slice to slice for each mm along the normal. Positions that are rounded to a tenth of a millimetre do not
/// show a lean of less.
fn lean(frames: &[Frame], normal: DVec3, height: f64) -> DVec3 {
    let (Some(first), Some(last)) = (
        frames.first().and_then(|f| f.place),
        frames.last().and_then(|f| f.place),
    ) else {
        return normal;
    };
    let way = (last.position_mm - first.position_mm) / height;
    let aside = ((way - normal) * height).length();
    let is_rounded = |mm: f64| (mm * 10.0 - (mm * 10.0).round()).abs() < 1e-6;
    let places = frames.iter().filter_map(|frame| frame.place);
    let mut coordinates = places.flat_map(|place| place.position_mm.to_array());
    if aside < 0.1 && coordinates.all(is_rounded) {
        return normal;
    }
    way
}

fn tilt(lean: DVec3, normal: DVec3) -> Result<Option<Warning>, Refusal> {
    let tilt = lean.angle_between(normal).to_degrees();
    if tilt > MOST_TILT_DEGREES || !tilt.is_finite() {
        return Err(Refusal::new(
            "gantry_tilt",
            format!(
                "its slices lean by {tilt:.1} degrees against each other, which is no gantry's tilt; export \
                 the series again"
            ),
        ));
    }
    Ok((tilt > TILT_DEGREES).then(|| {
        let message = format!(
            "the gantry was tilted by {tilt:.1} degrees: voxels are sheared; slices and volume are shown straight"
        );
        Warning::new("gantry_tilt", message)
    }))
}

/// What became of an uneven stack, with the slices that are missing where the gaps show that.
fn resampled(gaps: &[f64], acquired: usize, count: usize, step: f64) -> Warning {
    let whole = |gap: f64| (gap / step).round().max(1.0);
    let is_ladder = gaps
        .iter()
        .all(|&gap| (gap / step - whole(gap)).abs() < 0.05);
    let missing: f64 = gaps.iter().map(|&gap| whole(gap) - 1.0).sum();
    let (least, most) = extremes(gaps);
    let mut text = format!(
        "{acquired} slices {least:.3} to {most:.3} mm apart are resampled to {count} slices {step:.3} mm apart"
    );
    if is_ladder && missing >= 1.0 && (missing as usize) < acquired {
        let after: Vec<String> = gaps
            .iter()
            .enumerate()
            .filter(|(_, gap)| whole(**gap) > 1.0)
            .take(8)
            .map(|(k, gap)| format!("{} after slice {}", whole(*gap) - 1.0, k + 1))
            .collect();
        let after = after.join(", ");
        // Writing to a string does not fail.
        let _ = write!(text, "; it looks as if {missing} are missing ({after})");
    }
    Warning::new("resampled", text)
}
