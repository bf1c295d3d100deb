//! A set of voxels.

mod brick;
mod build;
mod capsule;
mod combine;
mod edit;
mod figures;
mod rows;
mod stored;

use glam::UVec3;

use super::brick_layout::BrickLayout;
use crate::geometry::VoxelGrid;
use brick::Brick;
pub(super) use capsule::Capsule;
pub use combine::Combine;
pub use edit::{MaskPatch, Paint};
pub(super) use rows::Rows;
pub use stored::MaskStoreError;

/// A set of voxels of a grid, one bit each.
///
/// The bits lie in bricks ([`BrickLayout`]) that copies share until one of them is changed, so a copy
/// of a mask costs a pointer per brick, and a change costs the bricks it touches. Bricks with nothing
/// inside take no memory. How many voxels are inside is always known.
#[derive(Clone, PartialEq)]
pub struct Mask {
    grid: VoxelGrid,
    layout: BrickLayout,
    bricks: Vec<Brick>,
    count: usize,
}

impl Mask {
    /// Size and place.
    pub const fn grid(&self) -> &VoxelGrid {
        &self.grid
    }

    /// How the grid is cut into bricks.
    pub const fn layout(&self) -> &BrickLayout {
        &self.layout
    }

    /// Whether a voxel is inside; never outside the grid.
    pub fn contains(&self, voxel: UVec3) -> bool {
        if !voxel.cmplt(self.grid.dims()).all() {
            return false;
        }
        let (brick, row, bit) = self.layout.place(voxel);
        self.bricks[brick].row(row) >> bit & 1 == 1
    }

    /// Whether the voxel at a memory offset is inside.
    pub fn contains_offset(&self, offset: usize) -> bool {
        self.voxel_at(offset).is_some_and(|v| self.contains(v))
    }

    /// How many voxels are inside.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The volume inside, in mL.
    pub fn volume_ml(&self) -> f64 {
        self.count as f64 * self.grid.voxel_ml()
    }

    /// Bytes of memory, those shared with copies included.
    pub fn bytes(&self) -> usize {
        self.bricks.iter().map(Brick::bytes).sum()
    }

    /// The bricks in which a voxel is inside, ascending.
    pub fn occupied(&self) -> impl Iterator<Item = usize> + '_ {
        let numbered = self.bricks.iter().enumerate();
        numbered.filter_map(|(index, brick)| (brick.count() > 0).then_some(index))
    }

    /// The rows of a brick, bit `n` of a row for its voxel `n`; `None` where nothing is inside.
    pub(super) fn rows(&self, brick: usize) -> Option<&[u32]> {
        self.bricks.get(brick)?.rows()
    }

    /// The voxel at a memory offset; `None` past the end.
    fn voxel_at(&self, offset: usize) -> Option<UVec3> {
        let dims = self.grid.dims();
        let (width, height) = (dims.x as usize, dims.y as usize);
        let (row, i) = (offset / width, offset % width);
        (offset < self.grid.len())
            .then(|| UVec3::new(i as u32, (row % height) as u32, (row / height) as u32))
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mask")
            .field("grid", &self.grid)
            .field("count", &self.count)
            .field("bricks", &self.occupied().count())
            .finish_non_exhaustive()
    }
}
