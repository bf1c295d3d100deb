//! Holes.

use super::pieces::Pieces;
use super::{Cancelled, EditError};
use crate::volume::Mask;
use crate::volume::mask::Rows;

/// What counts as a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holes {
    /// What is enclosed on all sides.
    Enclosed,
    /// What is enclosed within the slices across an axis of the grid: 0 for i, 1 for j, 2 for k.
    InSlices(usize),
}

/// A mask with its holes filled. What reaches the border of the image is no hole.
///
/// # Errors
/// When the mask is empty or too ragged, or it was cancelled.
pub fn fill_holes(mask: &Mask, holes: Holes, cancelled: Cancelled<'_>) -> Result<Mask, EditError> {
    if mask.count() == 0 {
        return Err(EditError::Empty);
    }
    let Some(mut outside) = Rows::of(mask, false) else {
        return Err(EditError::Empty);
    };
    let across = match holes {
        Holes::Enclosed => None,
        Holes::InSlices(axis) => Some(axis),
    };
    if across == Some(0) {
        outside = outside.voxel_by_voxel();
    }
    let pieces = Pieces::of(outside, [across != Some(1), across != Some(2)], cancelled)?;
    // A piece that reaches the side of the smallest box around the mask goes on outside of it, or ends with the image.
    let dims = pieces.rows.dims;
    let mut enclosed = vec![true; pieces.sizes.len()];
    pieces.each(|piece, row, [from, to]| {
        let at = pieces.rows.first_of(row) - pieces.rows.first;
        let ends = [
            from == 0 || to == dims.x,
            at.y == 0 || at.y + 1 == dims.y,
            at.z == 0 || at.z + 1 == dims.z,
        ];
        if (0..3).any(|axis| across != Some(axis) && ends[axis]) {
            enclosed[piece as usize] = false;
        }
    });
    let mut filled = mask.clone();
    pieces.paint(&mut filled, |piece| enclosed[piece as usize]);
    Ok(filled)
}
