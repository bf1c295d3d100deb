//! How a grid is cut into bricks.

use glam::UVec3;

use crate::geometry::VoxelGrid;

/// The side of a brick in voxels.
pub const BRICK_SIDE: u32 = 32;

/// The bricks of a grid: blocks of [`BRICK_SIDE`] voxels a side from voxel 0 on, thinner only where the
/// grid itself is. A brick is named by its number in memory order (`k`, `j`, then `i` fastest).
///
/// All bricks of a grid hold equally many voxels, in rows along `i`; those at the far borders reach past
/// the grid, and nothing is ever inside there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrickLayout {
    voxels: UVec3,
    side: UVec3,
    bricks: UVec3,
}

impl BrickLayout {
    /// The bricks of a grid.
    pub fn of(grid: &VoxelGrid) -> Self {
        let voxels = grid.dims();
        let bricks = voxels.map(|n| n.div_ceil(BRICK_SIDE));
        Self {
            voxels,
            side: voxels.min(UVec3::splat(BRICK_SIDE)),
            bricks,
        }
    }

    /// The number of bricks along each axis.
    pub const fn dims(&self) -> UVec3 {
        self.bricks
    }

    /// The number of bricks.
    pub const fn len(&self) -> usize {
        self.bricks.x as usize * self.bricks.y as usize * self.bricks.z as usize
    }

    /// Never true: a grid has voxels.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The voxels of a brick along each axis.
    pub const fn side(&self) -> UVec3 {
        self.side
    }

    /// The number of a brick; `None` outside.
    pub fn index(&self, brick: UVec3) -> Option<usize> {
        let inside = brick.cmplt(self.bricks).all();
        inside.then(|| self.start_of_row(brick.y, brick.z) + brick.x as usize)
    }

    /// Where a brick stands, in bricks.
    pub const fn brick(&self, index: usize) -> UVec3 {
        let (x, y) = (self.bricks.x as usize, self.bricks.y as usize);
        UVec3::new(
            (index % x) as u32,
            (index / x % y) as u32,
            (index / x / y) as u32,
        )
    }

    /// The first voxel of a brick, and how many of its voxels are inside the grid along each axis.
    pub fn voxels(&self, index: usize) -> (UVec3, UVec3) {
        let first = self.brick(index) * BRICK_SIDE;
        (first, self.side.min(self.voxels.saturating_sub(first)))
    }

    /// The rows of a brick.
    pub(super) const fn rows(&self) -> usize {
        self.side.y as usize * self.side.z as usize
    }

    /// The brick of a voxel inside the grid, the row in it and the place in the row.
    pub(super) const fn place(&self, voxel: UVec3) -> (usize, usize, u32) {
        let [i, j, k] = [voxel.x, voxel.y, voxel.z];
        let start = self.start_of_row(j / BRICK_SIDE, k / BRICK_SIDE);
        let brick = start + (i / BRICK_SIDE) as usize;
        (brick, self.row(j, k), i % BRICK_SIDE)
    }

    /// The first of a row of bricks.
    pub(super) const fn start_of_row(&self, y: u32, z: u32) -> usize {
        (z as usize * self.bricks.y as usize + y as usize) * self.bricks.x as usize
    }

    /// The row of a brick that voxels at `j` and `k` lie in.
    pub(super) const fn row(&self, j: u32, k: u32) -> usize {
        (k % BRICK_SIDE) as usize * self.side.y as usize + (j % BRICK_SIDE) as usize
    }
}

#[cfg(test)]
mod tests {
    use glam::DAffine3;

    use super::*;

    fn layout(dims: UVec3) -> BrickLayout {
        BrickLayout::of(&VoxelGrid::new(dims, DAffine3::IDENTITY).unwrap())
    }

    #[test]
    fn bricks_cover_the_grid_once() {
        let layout = layout(UVec3::new(70, 32, 5));
        assert_eq!(layout.dims(), UVec3::new(3, 1, 1));
        assert_eq!(layout.side(), UVec3::new(32, 32, 5));
        assert_eq!(layout.rows(), 160);
        let sizes: Vec<UVec3> = (0..layout.len()).map(|n| layout.voxels(n).1).collect();
        let widths: Vec<u32> = sizes.iter().map(|s| s.x).collect();
        assert_eq!(widths, [32, 32, 6]);
        assert_eq!(layout.place(UVec3::new(69, 31, 4)), (2, 159, 5));
        assert_eq!(layout.index(UVec3::new(3, 0, 0)), None);
    }

    #[test]
    fn numbers_and_places_agree() {
        let layout = layout(UVec3::new(100, 65, 97));
        for index in 0..layout.len() {
            let (first, _) = layout.voxels(index);
            assert_eq!(layout.index(layout.brick(index)), Some(index));
            assert_eq!(layout.place(first).0, index);
        }
    }
}
