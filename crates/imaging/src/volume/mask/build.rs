//! Whole masks from other forms, and back.

use glam::UVec3;
use rayon::prelude::*;

use super::{Brick, Mask};
use crate::geometry::VoxelGrid;
use crate::volume::VolumeError;
use crate::volume::bits::{bytes_from_word, word_from_bytes};
use crate::volume::brick_layout::{BRICK_SIDE, BrickLayout};

impl Mask {
    /// The empty set.
    pub fn empty(grid: VoxelGrid) -> Self {
        let layout = BrickLayout::of(&grid);
        Self::from_bricks(grid, vec![Brick::default(); layout.len()])
    }

    /// The voxels that `inside` holds for, asked in memory order (`k`, `j`, `i` fastest).
    pub fn from_fn(grid: VoxelGrid, mut inside: impl FnMut(UVec3) -> bool) -> Self {
        let layout = BrickLayout::of(&grid);
        let (dims, bricks) = (grid.dims(), layout.dims());
        let mut all = Vec::with_capacity(layout.len());
        // The rows of a layer of bricks, brick by brick.
        let in_layer = bricks.x as usize * bricks.y as usize;
        let mut words = vec![0; in_layer * layout.rows()];
        for layer in 0..bricks.z {
            words.fill(0);
            for k in within(layer, dims.z) {
                for j in 0..dims.y {
                    let start = layout.start_of_row(j / BRICK_SIDE, 0);
                    for n in 0..bricks.x {
                        let voxels = within(n, dims.x).zip(0..);
                        let word = voxels.fold(0, |word, (i, bit)| {
                            word | u32::from(inside(UVec3::new(i, j, k))) << bit
                        });
                        words[(start + n as usize) * layout.rows() + layout.row(j, k)] = word;
                    }
                }
            }
            all.extend(words.chunks_exact(layout.rows()).map(Brick::new));
        }
        Self::from_bricks(grid, all)
    }

    /// From rows of voxels along `i`: `fill(j, k, row)` makes those bytes of a row of zeros anything else
    /// whose voxels are inside. Rows are asked for in parallel and in no order.
    pub fn from_rows(grid: VoxelGrid, fill: impl Fn(u32, u32, &mut [u8]) + Sync) -> Self {
        let layout = BrickLayout::of(&grid);
        let (dims, bricks) = (grid.dims(), layout.dims());
        let width = bricks.x as usize;
        let all = (0..bricks.y * bricks.z)
            .into_par_iter()
            .flat_map_iter(|n| {
                let (y, z) = (n % bricks.y, n / bricks.y);
                let mut words = vec![0; width * layout.rows()];
                let mut row = vec![0; width * BRICK_SIDE as usize];
                for k in within(z, dims.z) {
                    for j in within(y, dims.y) {
                        row.fill(0);
                        fill(j, k, &mut row[..dims.x as usize]);
                        let places = words.iter_mut().skip(layout.row(j, k));
                        let parts = row.as_chunks::<{ BRICK_SIDE as usize }>().0;
                        for (word, bytes) in places.step_by(layout.rows()).zip(parts) {
                            *word = word_from_bytes(bytes);
                        }
                    }
                }
                let row: Vec<Brick> = words.chunks_exact(layout.rows()).map(Brick::new).collect();
                row
            })
            .collect();
        Self::from_bricks(grid, all)
    }

    /// From one byte per voxel in memory order; anything but 0 is inside.
    ///
    /// # Errors
    /// When there are not as many bytes as voxels.
    pub fn from_bytes(grid: VoxelGrid, bytes: &[u8]) -> Result<Self, VolumeError> {
        if bytes.len() != grid.len() {
            return Err(VolumeError::Count {
                wanted: grid.len(),
                found: bytes.len(),
            });
        }
        Ok(Self::from_rows(grid, |j, k, row| {
            if let Some(start) = grid.offset(UVec3::new(0, j, k)) {
                row.copy_from_slice(&bytes[start..start + row.len()]);
            }
        }))
    }

    /// One byte per voxel in memory order: 1 inside, 0 outside.
    pub fn to_bytes(&self) -> Vec<u8> {
        let dims = self.grid.dims();
        let mut bytes = vec![0; self.grid.len()];
        bytes
            .par_chunks_exact_mut(dims.x as usize * dims.y as usize)
            .zip(0..dims.z)
            .for_each(|(slice, k)| self.read_slice(k, slice));
        bytes
    }

    /// Slice `k` as [`Self::to_bytes`] gives it; `out` has a byte for each of its voxels. Nothing is
    /// written outside the grid.
    pub fn read_slice(&self, k: u32, out: &mut [u8]) {
        let dims = self.grid.dims();
        if k >= dims.z {
            return;
        }
        for (row, j) in out.chunks_exact_mut(dims.x as usize).zip(0..dims.y) {
            let start = self.layout.start_of_row(j / BRICK_SIDE, k / BRICK_SIDE);
            let parts = row.chunks_mut(BRICK_SIDE as usize);
            for (part, brick) in parts.zip(&self.bricks[start..]) {
                let bytes = bytes_from_word(brick.row(self.layout.row(j, k)));
                for (to, from) in part.iter_mut().zip(bytes) {
                    *to = from & 1;
                }
            }
        }
    }

    /// The voxels along `i` from `first` on, a byte each: 1 inside, 0 outside. What of `run` lies past the end of
    /// the row is left as it is.
    pub(in crate::volume) fn read_run(&self, first: UVec3, run: &mut [u8]) {
        let dims = self.grid.dims();
        if !first.cmplt(dims).all() {
            return;
        }
        let (mut brick, row, bit) = self.layout.place(first);
        let in_row = run.len().min((dims.x - first.x) as usize);
        let (mut at, mut rest) = (bit as usize, &mut run[..in_row]);
        while !rest.is_empty() {
            let in_word = BRICK_SIDE as usize - at;
            let (part, after) = rest.split_at_mut(rest.len().min(in_word));
            let bytes = bytes_from_word(self.bricks[brick].row(row));
            for (to, from) in part.iter_mut().zip(&bytes[at..]) {
                *to = from & 1;
            }
            (brick, at, rest) = (brick + 1, 0, after);
        }
    }

    /// The mask of these bricks, one for each of the grid.
    pub(super) fn from_bricks(grid: VoxelGrid, bricks: Vec<Brick>) -> Self {
        Self {
            layout: BrickLayout::of(&grid),
            count: bricks.iter().map(|brick| brick.count() as usize).sum(),
            grid,
            bricks,
        }
    }
}

/// The voxels of brick `n` along an axis of `size` voxels.
fn within(n: u32, size: u32) -> std::ops::Range<u32> {
    let first = n * BRICK_SIDE;
    first..size.min(first.saturating_add(BRICK_SIDE))
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DVec3};

    use super::*;

    fn ball() -> Mask {
        let place = DAffine3::from_scale(DVec3::new(1.0, 2.0, 5.0));
        let grid = VoxelGrid::new(UVec3::new(71, 37, 41), place).unwrap();
        let centre = DVec3::new(30.0, 18.0, 25.0);
        Mask::from_fn(grid, |v| v.as_dvec3().distance(centre) < 17.2)
    }

    #[test]
    fn bytes_and_bits_agree() {
        let mask = ball();
        let bytes = mask.to_bytes();
        let again = Mask::from_bytes(*mask.grid(), &bytes).unwrap();
        assert_eq!(mask, again);
        assert_eq!(
            bytes.iter().map(|&b| usize::from(b)).sum::<usize>(),
            mask.count()
        );
        for (offset, &byte) in bytes.iter().enumerate() {
            assert_eq!(mask.contains_offset(offset), byte == 1);
        }
        assert!(!mask.contains_offset(bytes.len()));
        assert!(Mask::from_bytes(*mask.grid(), &[1]).is_err());
    }

    #[test]
    fn voxels_are_asked_for_in_memory_order() {
        let mut last = None;
        Mask::from_fn(*ball().grid(), |v| {
            let offset = ball_offset(v);
            assert_eq!(offset, last.map_or(0, |n: usize| n + 1));
            last = Some(offset);
            false
        });
        assert_eq!(last, Some(71 * 37 * 41 - 1));
    }

    fn ball_offset(v: UVec3) -> usize {
        ((v.z * 37 + v.y) * 71 + v.x) as usize
    }

    #[test]
    fn flat_grids_take_no_more_than_twice_the_bits() {
        let grid = VoxelGrid::new(UVec3::new(640, 480, 1), DAffine3::IDENTITY).unwrap();
        let all = Mask::from_rows(grid, |_, _, row| row[1..].fill(1));
        assert_eq!(all.count(), 639 * 480);
        assert!(all.bytes() < 640 * 480 / 8 * 2, "{}", all.bytes());
    }
}
