//! Painting by hand.

use glam::{DVec3, UVec3};

use super::range::{Values, in_range};
use super::{EditError, ValueRange};
use crate::geometry::VoxelGrid;
use crate::volume::mask::Capsule;
use crate::volume::{Combine, Mask, MaskPatch, Paint, Volume, contours};

/// The form of a brush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tip {
    /// A ball: it paints in all slices that it reaches.
    Ball,
    /// The part of the ball in one slice.
    Disc {
        /// The axis of the grid that runs across the slice: 0 for i, 1 for j, 2 for k.
        axis: usize,
        /// The slice, from 0.
        slice: u32,
    },
}

/// A brush or an eraser.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Brush {
    /// Half its size, in mm.
    pub radius_mm: f64,
    /// Its form.
    pub tip: Tip,
    /// The values that it paints on; all where there is none.
    pub range: Option<ValueRange>,
}

impl Brush {
    /// The patch that a brush moved straight from one patient point to another leaves on a mask: the voxels whose centres
    /// come into it, and those its middle goes through, however small it is. A dab is a move to where it is.
    ///
    /// # Errors
    /// When the mask lies on another grid than the image.
    pub fn stroke(
        &self,
        mask: &Mask,
        volume: &Volume,
        ends_mm: [DVec3; 2],
        paint: Paint,
    ) -> Result<MaskPatch, EditError> {
        let grid = *volume.grid();
        if *mask.grid() != grid {
            return Err(EditError::OtherGrid);
        }
        let mut painted = mask.clone();
        let mut values = Values::of(volume);
        let mut run = |first: UVec3, len: u32| match self.range {
            None => painted.paint_run(first, len, paint),
            Some(range) => {
                for (n, part) in (0..).zip(values.read(first, len)) {
                    if range.contains(*part) {
                        painted.paint_run(first.with_x(first.x + n), 1, paint);
                    }
                }
            }
        };
        let slice = match self.tip {
            Tip::Ball => None,
            Tip::Disc { axis, slice } if axis < 3 => Some((axis, slice)),
            Tip::Disc { .. } => return Ok(mask.patch_to(mask)),
        };
        let moved = Capsule {
            ends_mm,
            radius_mm: self.radius_mm,
        };
        moved.runs(&grid, slice, &mut run);
        for voxel in middle(&grid, ends_mm) {
            if slice.is_none_or(|(axis, slice)| voxel[axis] == slice) {
                run(voxel, 1);
            }
        }
        Ok(mask.patch_to(&painted))
    }
}

/// The voxels of a grid that a straight line goes through, asked four times along each.
fn middle(grid: &VoxelGrid, ends_mm: [DVec3; 2]) -> impl Iterator<Item = UVec3> {
    let [a, b] = ends_mm.map(|end| grid.voxel_from_patient().transform_point3(end));
    let way = b - a;
    // The part of the line that is inside the grid, so that a far end costs nothing.
    let (mut from, mut to) = (0.0_f64, 1.0_f64);
    for axis in 0..3 {
        let [low, high] = [-0.5, f64::from(grid.dims()[axis]) - 0.5];
        if way[axis].abs() < 1e-9 {
            if !(low..=high).contains(&a[axis]) {
                to = -1.0;
            }
        } else {
            let ends = [(low - a[axis]) / way[axis], (high - a[axis]) / way[axis]];
            from = from.max(ends[0].min(ends[1]));
            to = to.min(ends[0].max(ends[1]));
        }
    }
    let usable = a.is_finite() && b.is_finite() && from <= to;
    let steps = ((way * (to - from)).abs().max_element() * 4.0)
        .ceil()
        .max(1.0);
    let count = if usable { steps as u32 + 1 } else { 0 };
    let mut last = None;
    let grid = *grid;
    (0..count).filter_map(move |n| {
        let share = from + (to - from) * f64::from(n) / steps;
        let voxel = grid.nearest(a + way * share);
        let new = voxel.filter(|_| voxel != last);
        last = voxel;
        new
    })
}

/// The patch of what a closed outline encloses, its corners in patient mm in the plane of one slice; an outline that
/// crosses itself encloses what lies inside an odd number of its turns. Of the values in a range where one is given.
///
/// # Errors
/// When the mask lies on another grid than the image.
pub fn paint_outline(
    mask: &Mask,
    volume: &Volume,
    outline_mm: &[DVec3],
    range: Option<ValueRange>,
    paint: Paint,
) -> Result<MaskPatch, EditError> {
    let grid = volume.grid();
    if mask.grid() != grid {
        return Err(EditError::OtherGrid);
    }
    let mut area = contours::fill(grid, &[outline_mm.to_vec()]).mask;
    if let Some(range) = range {
        area = in_range(&area, volume, range);
    }
    let how = match paint {
        Paint::Add => Combine::Union,
        Paint::Erase => Combine::Difference,
    };
    let painted = mask.combined(&area, how).ok_or(EditError::OtherGrid)?;
    Ok(mask.patch_to(&painted))
}
