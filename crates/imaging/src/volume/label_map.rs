//! Several masks as one map of labels, the form they are drawn in.

use super::Mask;
use crate::geometry::VoxelGrid;

/// One label per voxel: 0 for none, else 1 for the first mask and so on. Where masks overlap the
/// later one is seen.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelMap {
    grid: VoxelGrid,
    labels: Vec<u8>,
}

impl LabelMap {
    /// The most masks one map can show.
    pub const MOST: usize = 255;

    /// The map of up to [`Self::MOST`] masks on `grid`; masks of another grid are left out.
    pub fn from_masks<'a>(grid: VoxelGrid, masks: impl IntoIterator<Item = &'a Mask>) -> Self {
        let mut labels = vec![0; grid.len()];
        for (mask, label) in masks.into_iter().zip(1..=u8::MAX) {
            if *mask.grid() != grid {
                continue;
            }
            for voxel in mask.iter() {
                if let Some(offset) = grid.offset(voxel) {
                    labels[offset] = label;
                }
            }
        }
        Self { grid, labels }
    }

    /// Size and place.
    pub const fn grid(&self) -> &VoxelGrid {
        &self.grid
    }

    /// The labels in memory order (`k`, `j`, then `i` fastest).
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, UVec3};

    use super::*;

    #[test]
    fn later_masks_cover_earlier_ones() {
        let grid = VoxelGrid::new(UVec3::new(4, 1, 1), DAffine3::IDENTITY).unwrap();
        let first = Mask::from_bytes(grid, &[1, 1, 0, 0]).unwrap();
        let second = Mask::from_bytes(grid, &[0, 1, 1, 0]).unwrap();
        assert_eq!(
            LabelMap::from_masks(grid, [&first, &second]).labels(),
            [1, 2, 2, 0]
        );
    }
}
