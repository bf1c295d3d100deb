//! Growing and shrinking by a distance.

use glam::{DVec3, IVec3, UVec3};

use super::{Cancelled, EditError, check, checked_mm};
use crate::geometry::VoxelGrid;
use crate::volume::mask::Capsule;
use crate::volume::measure::crop::Crop;
use crate::volume::measure::distance_map::squared_distances;
use crate::volume::{Mask, Paint};

/// About as many voxels are worked on at a time.
const VOXELS_AT_A_TIME: usize = 1 << 24;
/// Distances that are equal but for rounding are equal.
const SLACK: f64 = 1.0 + 1e-5;
/// The most that the cosine between two axes may be for distances along them to be added by Pythagoras.
const RIGHT_ANGLE: f64 = 1e-3;

/// A mask with all voxels whose centres are at most `mm` from the centre of one inside.
///
/// # Errors
/// When the mask is empty, the length is none from 0 to 200 mm, or it was cancelled.
pub fn grow(mask: &Mask, mm: f64, cancelled: Cancelled<'_>) -> Result<Mask, EditError> {
    resized(mask, checked_mm(mm)?, Paint::Add, cancelled)
}

/// A mask without all voxels whose centres are at most `mm` from the centre of one outside. Where the image ends nothing
/// is outside: a structure that goes on there is not shrunk there.
///
/// # Errors
/// When the mask is empty, the length is none from 0 to 200 mm, or it was cancelled.
pub fn shrink(mask: &Mask, mm: f64, cancelled: Cancelled<'_>) -> Result<Mask, EditError> {
    resized(mask, checked_mm(mm)?, Paint::Erase, cancelled)
}

fn resized(
    mask: &Mask,
    mm: f64,
    paint: Paint,
    cancelled: Cancelled<'_>,
) -> Result<Mask, EditError> {
    let grid = mask.grid();
    let bounds = mask.bounding_box().ok_or(EditError::Empty)?;
    let spacing = grid.spacing_mm();
    let reach = (mm / spacing).ceil().as_uvec3() + 1;
    // What is painted lies in here.
    let last = grid.dims();
    let margin = if paint == Paint::Add {
        reach
    } else {
        UVec3::ONE
    };
    let low = (bounds.min + 0.5).as_uvec3().saturating_sub(margin);
    let high = ((bounds.max + 0.5).as_uvec3() + margin).min(last);
    let mut painted = mask.clone();
    if !is_right_angled(grid) {
        paint_balls(mask, &mut painted, mm, paint, cancelled)?;
        return Ok(painted);
    }
    let area = ((high.x - low.x) as usize * (high.y - low.y) as usize).max(1);
    let thick = (VOXELS_AT_A_TIME / area).max(1) as u32 + reach.z;
    let limit = (mm * mm * SLACK) as f32;
    for k in (low.z..high.z).step_by(thick as usize) {
        check(cancelled)?;
        let part = k..(k + thick).min(high.z);
        // Distances that count begin no further away than they reach.
        let first = low.with_z(part.start.saturating_sub(reach.z));
        let past = high.with_z((part.end + reach.z).min(last.z));
        let crop = Crop::of(mask, first, past - first);
        let outside = |byte: &u8| 1 - byte;
        let distances = match paint {
            Paint::Add => squared_distances(crop.bytes(), crop.dims, spacing),
            Paint::Erase => {
                let marked: Vec<u8> = crop.bytes().iter().map(outside).collect();
                squared_distances(&marked, crop.dims, spacing)
            }
        };
        let width = crop.dims.x as usize;
        let rows = (0..).zip(distances.chunks_exact(width));
        let rows =
            rows.map(|(n, row)| (first + UVec3::new(0, n % crop.dims.y, n / crop.dims.y), row));
        for (first, row) in rows.filter(|(first, _)| part.contains(&first.z)) {
            let near = |&d: &f32| d <= limit;
            let mut at = 0;
            while let Some(from) = row[at..].iter().position(near).map(|n| at + n) {
                let to = row[from..]
                    .iter()
                    .position(|d| !near(d))
                    .map_or(width, |n| from + n);
                painted.paint_run(
                    first.with_x(first.x + from as u32),
                    (to - from) as u32,
                    paint,
                );
                at = to;
            }
        }
    }
    Ok(painted)
}

fn is_right_angled(grid: &VoxelGrid) -> bool {
    let axes = grid.directions();
    [(0, 1), (0, 2), (1, 2)]
        .iter()
        .all(|&(m, n)| axes.col(m).dot(axes.col(n)).abs() <= RIGHT_ANGLE)
}

/// Balls around all voxels at the border, on grids whose axes are not at right angles (a tilted gantry): slower, and as
/// exact.
fn paint_balls(
    mask: &Mask,
    painted: &mut Mask,
    mm: f64,
    paint: Paint,
    cancelled: Cancelled<'_>,
) -> Result<(), EditError> {
    let grid = *mask.grid();
    // Of each voxel on one side of the border that has a neighbour on the other: balls are painted around those inside to
    // grow, around those outside to shrink.
    let bounds = mask.bounding_box().ok_or(EditError::Empty)?;
    let low = (bounds.min + 0.5).as_uvec3().saturating_sub(UVec3::ONE);
    let high = ((bounds.max + 0.5).as_uvec3() + 1).min(grid.dims());
    let wanted = paint == Paint::Add;
    let steps: Vec<IVec3> = (0..27)
        .map(|n| IVec3::new(n % 3, n / 3 % 3, n / 9) - 1)
        .filter(|&step| step != IVec3::ZERO)
        .collect();
    for k in low.z..high.z {
        check(cancelled)?;
        for j in low.y..high.y {
            for i in low.x..high.x {
                let voxel = UVec3::new(i, j, k);
                let is_border = mask.contains(voxel) == wanted
                    && steps.iter().any(|&step| {
                        let beside = voxel.as_ivec3() + step;
                        let in_image = beside.cmpge(IVec3::ZERO).all()
                            && beside.as_uvec3().cmplt(grid.dims()).all();
                        in_image && mask.contains(beside.as_uvec3()) != wanted
                    });
                if is_border {
                    let centre: DVec3 =
                        grid.patient_from_voxel().transform_point3(voxel.as_dvec3());
                    let ball = Capsule {
                        ends_mm: [centre; 2],
                        radius_mm: mm * SLACK.sqrt(),
                    };
                    ball.runs(&grid, None, |first, len| {
                        painted.paint_run(first, len, paint);
                    });
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DQuat};

    use super::*;

    #[test]
    fn balls_and_distances_agree() {
        let place = DAffine3::from_scale_rotation_translation(
            DVec3::new(0.8, 1.1, 2.5),
            DQuat::from_rotation_x(0.4),
            DVec3::new(3.0, -50.0, 7.0),
        );
        let grid = VoxelGrid::new(UVec3::new(48, 41, 25), place).unwrap();
        let mask = Mask::from_fn(grid, |v| {
            let from = (v.as_dvec3() - DVec3::new(10.0, 20.0, 12.0)) / DVec3::new(12.0, 9.0, 6.0);
            from.length() < 1.0 && (v.x + 2 * v.y) % 7 > 0
        });
        for (mm, paint) in [(2.6, Paint::Add), (5.3, Paint::Add), (2.0, Paint::Erase)] {
            let mut painted = mask.clone();
            paint_balls(&mask, &mut painted, mm, paint, &|| false).unwrap();
            assert_eq!(
                resized(&mask, mm, paint, &|| false).unwrap(),
                painted,
                "{mm}"
            );
        }
    }
}
