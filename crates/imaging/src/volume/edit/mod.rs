//! What a reader does to correct a mask. Each operation takes masks as they are and gives another mask, or the patch
//! that makes one: nothing is changed in place, so every act can be taken back.
//!
//! Lengths are patient mm on grids that may be anisotropic and oblique. Neighbours are voxels with a common face, as in
//! ITK. What runs over a whole image asks `cancelled` as it goes, and takes bounded memory.

mod between;
mod brush;
mod fill;
mod pieces;
mod range;
mod region;
mod resize;
mod smooth;

pub use between::fill_between;
pub use brush::{Brush, Tip, paint_outline};
pub use fill::{Holes, fill_holes};
pub use pieces::{keep_largest, pieces, remove_islands};
pub use range::{ValueRange, threshold};
pub use region::grow_region;
pub use resize::{grow, shrink};
pub use smooth::smooth;

/// Why a mask cannot be changed so.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EditError {
    /// Nothing is inside.
    #[error("the mask is empty: there is nothing to change")]
    Empty,
    /// Mask and image, or two masks, have other voxels.
    #[error("the mask lies on another grid than the image or mask it is changed with")]
    OtherGrid,
    /// A length is not finite, negative, or larger than what is asked for makes sense.
    #[error("{0} mm is no length for this: it must be from 0 to {MOST_MM} mm")]
    Length(f64),
    /// A click beside the image, or on a voxel without a value.
    #[error("the place that was chosen has no value in the image")]
    Seed,
    /// More pieces than anybody wants as masks of their own.
    #[error("the mask is in {found} pieces, more than {most}: remove islands first")]
    TooManyPieces {
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// Noise instead of a structure.
    #[error("the mask is too ragged: smooth it, or choose a narrower range of values")]
    TooRagged,
    /// Fewer than two slices have something inside, or none lies between those that have.
    #[error("there is no empty slice between two that are drawn in this plane")]
    NothingBetween,
    /// It was asked to stop.
    #[error("cancelled")]
    Cancelled,
}

/// The longest length that a mask is grown, shrunk or smoothed by, in mm.
pub const MOST_MM: f64 = 200.0;

/// Whether to stop, asked from any thread.
pub type Cancelled<'a> = &'a (dyn Fn() -> bool + Sync);

fn checked_mm(mm: f64) -> Result<f64, EditError> {
    if (0.0..=MOST_MM).contains(&mm) {
        Ok(mm)
    } else {
        Err(EditError::Length(mm))
    }
}

fn check(cancelled: Cancelled<'_>) -> Result<(), EditError> {
    if cancelled() {
        Err(EditError::Cancelled)
    } else {
        Ok(())
    }
}
