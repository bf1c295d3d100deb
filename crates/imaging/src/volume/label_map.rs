//! Several masks as one map of labels, the form they are drawn in.

use std::sync::Arc;

use glam::UVec3;
use rayon::prelude::*;

use super::bits::bytes_from_word;
use super::{BrickLayout, Mask};
use crate::geometry::VoxelGrid;

/// One label per voxel: 0 for none, else 1 for the first mask and so on. Where masks overlap the
/// later one is seen.
///
/// The labels lie in the bricks of the masks, shared by copies of the map until they change; bricks
/// without labels take no memory. Where two states of a map differ is read off what they share.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelMap {
    grid: VoxelGrid,
    layout: BrickLayout,
    bricks: Vec<Option<Arc<[u8]>>>,
}

impl LabelMap {
    /// The most masks one map can show.
    pub const MOST: usize = 255;

    /// The map of up to [`Self::MOST`] masks on `grid`; masks of another grid are left out.
    pub fn from_masks<'a>(grid: VoxelGrid, masks: impl IntoIterator<Item = &'a Mask>) -> Self {
        let layout = BrickLayout::of(&grid);
        let masks = labelled(&grid, masks);
        let bricks = (0..layout.len()).into_par_iter();
        Self {
            grid,
            layout,
            bricks: bricks.map(|n| composed(&layout, &masks, n)).collect(),
        }
    }

    /// Makes these bricks anew from `masks`, which are all that the map shows, in the order of their
    /// labels: as [`Self::from_masks`], for the cost of what has changed. Bricks in which no label is
    /// another stay what they were.
    pub fn update<'a>(
        &mut self,
        masks: impl IntoIterator<Item = &'a Mask>,
        bricks: impl IntoIterator<Item = usize>,
    ) {
        let masks = labelled(&self.grid, masks);
        let bricks: Vec<usize> = bricks
            .into_iter()
            .filter(|&n| n < self.layout.len())
            .collect();
        let made: Vec<_> = bricks
            .par_iter()
            .map(|&n| composed(&self.layout, &masks, n))
            .collect();
        for (n, brick) in bricks.into_iter().zip(made) {
            if self.bricks[n] != brick {
                self.bricks[n] = brick;
            }
        }
    }

    /// The bricks in which this map may differ from an earlier state of it, or from any other map, ascending:
    /// all that the two do not share. All of them where the grids differ.
    pub fn changed_since(&self, earlier: &Self) -> Vec<usize> {
        let shared = |n: usize| match (&self.bricks[n], &earlier.bricks[n]) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        let same_grid = self.grid == earlier.grid;
        (0..self.layout.len())
            .filter(|&n| !(same_grid && shared(n)))
            .collect()
    }

    /// Size and place.
    pub const fn grid(&self) -> &VoxelGrid {
        &self.grid
    }

    /// How the grid is cut into bricks.
    pub const fn layout(&self) -> &BrickLayout {
        &self.layout
    }

    /// The label of a voxel; 0 outside the grid.
    pub fn label(&self, voxel: UVec3) -> u8 {
        if !voxel.cmplt(self.grid.dims()).all() {
            return 0;
        }
        let (brick, row, bit) = self.layout.place(voxel);
        let width = self.layout.side().x as usize;
        self.bricks[brick]
            .as_deref()
            .map_or(0, |labels| labels[row * width + bit as usize])
    }

    /// The labels of a brick, [`BrickLayout::side`] of them along each axis, in memory order; `None` where
    /// there are none.
    pub fn brick(&self, index: usize) -> Option<&[u8]> {
        self.bricks.get(index)?.as_deref()
    }

    /// The labels of the voxels along `i` from `first` on, as many as `run` has room for; what of it lies
    /// past the end of the row is left as it is.
    pub fn read_run(&self, first: UVec3, run: &mut [u8]) {
        let dims = self.grid.dims();
        if !first.cmplt(dims).all() {
            return;
        }
        let width = self.layout.side().x as usize;
        let (mut brick, row, bit) = self.layout.place(first);
        let in_row = run.len().min((dims.x - first.x) as usize);
        let (mut at, mut rest) = (bit as usize, &mut run[..in_row]);
        while !rest.is_empty() {
            let (part, after) = rest.split_at_mut(rest.len().min(width - at));
            match &self.bricks[brick] {
                Some(labels) => part.copy_from_slice(&labels[row * width + at..][..part.len()]),
                None => part.fill(0),
            }
            (brick, at, rest) = (brick + 1, 0, after);
        }
    }
}

/// The masks that lie on `grid`, with their labels.
fn labelled<'a>(
    grid: &VoxelGrid,
    masks: impl IntoIterator<Item = &'a Mask>,
) -> Vec<(u8, &'a Mask)> {
    let labelled = (1..=u8::MAX).zip(masks);
    labelled.filter(|(_, mask)| mask.grid() == grid).collect()
}

/// The labels of one brick.
fn composed(layout: &BrickLayout, masks: &[(u8, &Mask)], brick: usize) -> Option<Arc<[u8]>> {
    let width = layout.side().x as usize;
    let mut labels: Option<Vec<u8>> = None;
    for (label, mask) in masks {
        let Some(rows) = mask.rows(brick) else {
            continue;
        };
        let labels = labels.get_or_insert_with(|| vec![0; layout.rows() * width]);
        for (row, &word) in labels.chunks_exact_mut(width).zip(rows) {
            if word != 0 {
                for (voxel, inside) in row.iter_mut().zip(bytes_from_word(word)) {
                    *voxel = *voxel & !inside | label & inside;
                }
            }
        }
    }
    labels.map(Arc::from)
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DVec3};

    use super::*;
    use crate::volume::Paint;

    fn labels(map: &LabelMap) -> Vec<u8> {
        let dims = map.grid().dims();
        let mut labels = vec![9; map.grid().len()];
        let rows = labels.chunks_mut(dims.x as usize);
        for (row, n) in rows.zip(0..) {
            map.read_run(UVec3::new(0, n % dims.y, n / dims.y), row);
        }
        labels
    }

    #[test]
    fn later_masks_cover_earlier_ones() {
        let grid = VoxelGrid::new(UVec3::new(4, 1, 1), DAffine3::IDENTITY).unwrap();
        let first = Mask::from_bytes(grid, &[1, 1, 0, 0]).unwrap();
        let second = Mask::from_bytes(grid, &[0, 1, 1, 0]).unwrap();
        let map = LabelMap::from_masks(grid, [&first, &second]);
        assert_eq!(labels(&map), [1, 2, 2, 0]);
        assert_eq!(map.label(UVec3::new(2, 0, 0)), 2);
        assert_eq!(map.label(UVec3::new(2, 1, 0)), 0);
        let mut run = [7; 4];
        map.read_run(UVec3::new(1, 0, 0), &mut run);
        assert_eq!(run, [2, 2, 0, 7]);
    }

    /// As large is not the same: the voxels of another image, or of the same one mirrored, are elsewhere.
    #[test]
    fn masks_of_another_grid_are_left_out_and_keep_their_label() {
        let dims = UVec3::new(40, 3, 2);
        let grid = VoxelGrid::new(dims, DAffine3::IDENTITY).unwrap();
        let here = Mask::from_fn(grid, |v| v.x > 30);
        for place in [
            DAffine3::from_scale(DVec3::new(-1.0, 1.0, 1.0)),
            DAffine3::from_translation(DVec3::X * 1e-9),
        ] {
            let other = VoxelGrid::new(dims, place).unwrap();
            let elsewhere = Mask::from_fn(other, |_| true);
            let map = LabelMap::from_masks(grid, [&elsewhere, &here]);
            let found = labels(&map).into_iter().zip(here.to_bytes());
            assert!(found.into_iter().all(|(label, inside)| label == 2 * inside));
        }
    }

    #[test]
    fn an_updated_map_is_the_map_made_anew() {
        let grid = VoxelGrid::new(UVec3::new(75, 64, 33), DAffine3::IDENTITY).unwrap();
        let mut below = Mask::from_fn(grid, |v| v.x < 40);
        let above = Mask::from_fn(grid, |v| v.y < 20);
        let first = LabelMap::from_masks(grid, [&below, &above]);
        let mut map = first.clone();
        let centre = DVec3::new(60.0, 25.0, 8.0);
        let patch = below.edit(|m| m.paint_ball(centre, 6.0, Paint::Add));
        map.update([&below, &above], patch.bricks());
        assert_eq!(map, LabelMap::from_masks(grid, [&below, &above]));
        assert_eq!(
            map.changed_since(&first),
            patch.bricks().collect::<Vec<_>>()
        );
        // Under a mask that covers it a change is not seen, and nothing has to be drawn again.
        let before = map.clone();
        let patch = below.edit(|m| m.paint_ball(centre.with_y(10.0), 6.0, Paint::Add));
        map.update([&below, &above], patch.bricks());
        assert!(!patch.is_empty());
        assert_eq!(map.changed_since(&before), [0; 0]);
        let undone = below.apply(patch);
        map.update([&below], 0..grid.len());
        assert_eq!(map, LabelMap::from_masks(grid, [&below]));
        assert!(!undone.is_empty());
    }
}
