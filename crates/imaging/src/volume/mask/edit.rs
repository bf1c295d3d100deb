//! Changing a mask, and taking changes back.

use std::collections::BTreeMap;

use glam::{DVec3, UVec3};

use super::{Brick, Capsule, Mask};
use crate::geometry::VoxelGrid;
use crate::volume::bits::bits_between;
use crate::volume::brick_layout::BRICK_SIDE;

/// What is done with voxels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// They are put into the set.
    Add,
    /// They are taken out of the set.
    Erase,
}

/// Bricks of a mask before a change, or after it: [`Mask::apply`] puts them in their places.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskPatch {
    grid: VoxelGrid,
    bricks: BTreeMap<usize, Brick>,
}

impl MaskPatch {
    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.bricks.is_empty()
    }

    /// The bricks that were changed, ascending.
    pub fn bricks(&self) -> impl Iterator<Item = usize> + '_ {
        self.bricks.keys().copied()
    }

    /// Bytes of memory, as if it shared none with a mask.
    pub fn bytes(&self) -> usize {
        let bricks = self.bricks.values().map(Brick::bytes);
        size_of::<Self>() + bricks.map(|n| n + size_of::<usize>()).sum::<usize>()
    }

    /// The patch that takes back two changes of a mask at once: this one's, and after it a `later` one's.
    #[must_use]
    pub fn joined(self, later: Self) -> Self {
        if self.grid != later.grid {
            return self;
        }
        let mut bricks = later.bricks;
        bricks.extend(self.bricks);
        Self { bricks, ..self }
    }
}

impl Mask {
    /// Puts the voxel at a memory offset into the set; offsets past the end are ignored.
    pub fn insert(&mut self, offset: usize) {
        if let Some(voxel) = self.voxel_at(offset) {
            self.paint_run(voxel, 1, Paint::Add);
        }
    }

    /// Paints `len` voxels along `i` from `first` on; those past the end of the row are ignored.
    pub fn paint_run(&mut self, first: UVec3, len: u32, paint: Paint) {
        let dims = self.grid.dims();
        if !first.cmplt(dims).all() {
            return;
        }
        let (start, row, _) = self.layout.place(first.with_x(0));
        let (from, to) = (first.x, first.x.saturating_add(len).min(dims.x));
        for n in from / BRICK_SIDE..to.div_ceil(BRICK_SIDE) {
            let low = n * BRICK_SIDE;
            let bits = bits_between(from.saturating_sub(low), to - low);
            let brick = &mut self.bricks[start + n as usize];
            let before = brick.count();
            brick.paint(self.layout.rows(), row, bits, paint);
            self.count = self.count + brick.count() as usize - before as usize;
        }
    }

    /// Paints the voxels whose centres are at most `radius_mm` from a patient point, on whatever grid; none
    /// when the ball is not finite.
    pub fn paint_ball(&mut self, centre_mm: DVec3, radius_mm: f64, paint: Paint) {
        let grid = self.grid;
        let ball = Capsule {
            ends_mm: [centre_mm; 2],
            radius_mm,
        };
        ball.runs(&grid, None, |first, len| {
            self.paint_run(first, len, paint);
        });
    }

    /// Changes the mask and gives the patch that takes it back. Many changes in one `change` cost one
    /// copy of the bricks they touch. The grid stays: a mask of another grid is not taken in its place.
    pub fn edit(&mut self, change: impl FnOnce(&mut Self)) -> MaskPatch {
        let before = self.clone();
        change(self);
        if self.grid != before.grid {
            *self = before.clone();
        }
        let pairs = before.bricks.into_iter().zip(&self.bricks).enumerate();
        MaskPatch {
            grid: before.grid,
            bricks: pairs
                .filter(|(_, (old, new))| old != *new)
                .map(|(index, (old, _))| (index, old))
                .collect(),
        }
    }

    /// The bricks in which this mask differs from an earlier state of it, or from any other, ascending. All
    /// of them where the grids differ.
    pub fn changed_since(&self, earlier: &Self) -> Vec<usize> {
        if self.grid != earlier.grid {
            return (0..self.layout.len()).collect();
        }
        let pairs = self.bricks.iter().zip(&earlier.bricks).enumerate();
        let changed = pairs.filter(|(_, (new, old))| new != old);
        changed.map(|(index, _)| index).collect()
    }

    /// The patch that makes a `later` state of this mask of it. Empty where the grids differ.
    pub fn patch_to(&self, later: &Self) -> MaskPatch {
        let changed = later.changed_since(self).into_iter();
        let same_grid = self.grid == later.grid;
        MaskPatch {
            grid: self.grid,
            bricks: changed
                .filter(|_| same_grid)
                .map(|index| (index, later.bricks[index].clone()))
                .collect(),
        }
    }

    /// Puts the bricks of a patch in their places and gives the patch that takes that back. A patch of
    /// another grid changes nothing.
    pub fn apply(&mut self, patch: MaskPatch) -> MaskPatch {
        let mut taken = BTreeMap::new();
        if patch.grid == self.grid {
            for (index, brick) in patch.bricks {
                let old = std::mem::replace(&mut self.bricks[index], brick);
                self.count += self.bricks[index].count() as usize;
                self.count -= old.count() as usize;
                taken.insert(index, old);
            }
        }
        MaskPatch {
            grid: self.grid,
            bricks: taken,
        }
    }
}

#[cfg(test)]
mod tests {
    use glam::DAffine3;

    use super::*;

    fn mask() -> Mask {
        let grid = VoxelGrid::new(UVec3::new(100, 70, 40), DAffine3::IDENTITY).unwrap();
        Mask::from_fn(grid, |v| (v.x + v.y * 3 + v.z * 7) % 5 == 0)
    }

    #[test]
    fn runs_stop_at_the_end_of_the_row() {
        let mut mask = Mask::empty(*mask().grid());
        mask.paint_run(UVec3::new(20, 3, 5), 60, Paint::Add);
        assert_eq!(mask.count(), 60);
        assert!((20..80).all(|i| mask.contains(UVec3::new(i, 3, 5))));
        mask.paint_run(UVec3::new(90, 69, 39), u32::MAX, Paint::Add);
        assert_eq!(mask.count(), 70);
        mask.paint_run(UVec3::new(100, 0, 0), 1, Paint::Add);
        mask.paint_run(UVec3::new(0, 3, 5), 100, Paint::Erase);
        assert_eq!(mask.count(), 10);
    }

    #[test]
    fn a_copy_shares_what_is_not_changed() {
        let mut mask = mask();
        let copy = mask.clone();
        let patch = mask.edit(|m| m.paint_run(UVec3::new(30, 0, 0), 8, Paint::Add));
        assert_eq!(patch.bricks().collect::<Vec<_>>(), [0, 1]);
        let pairs = mask.bricks.iter().zip(&copy.bricks);
        let memory = |brick: &Brick| brick.rows().map(<[u32]>::as_ptr);
        let apart = pairs.filter(|(a, b)| memory(a) != memory(b)).count();
        assert_eq!(apart, 2);
        // Two bricks of 4096 bytes and what names them.
        assert!(
            (8192..8192 + 600).contains(&patch.bytes()),
            "{}",
            patch.bytes()
        );
    }

    #[test]
    fn a_patch_to_a_later_state_makes_it() {
        let mut mask = mask();
        let first = mask.clone();
        let mut later = mask.clone();
        later.paint_ball(DVec3::splat(20.0), 9.0, Paint::Erase);
        let back = mask.apply(first.patch_to(&later));
        assert_eq!(mask, later);
        mask.apply(back);
        assert_eq!(mask, first);
        let aside = DAffine3::from_translation(DVec3::X);
        let other = Mask::empty(VoxelGrid::new(mask.grid().dims(), aside).unwrap());
        assert!(mask.patch_to(&other).is_empty());
    }

    #[test]
    fn joined_patches_take_back_both_changes() {
        let first = mask();
        let mut mask = first.clone();
        let middle = DVec3::new(40.0, 30.0, 20.0);
        let one = mask.edit(|m| m.paint_ball(middle, 9.0, Paint::Add));
        let two = mask.edit(|m| m.paint_ball(middle + 8.0, 9.0, Paint::Erase));
        let last = mask.clone();
        let again = mask.apply(one.joined(two));
        assert_eq!(mask, first);
        mask.apply(again);
        assert_eq!(mask, last);
    }

    #[test]
    fn a_patch_of_another_grid_changes_nothing() {
        let mut mask = mask();
        let before = mask.clone();
        let aside = DAffine3::from_translation(DVec3::X * 0.5);
        let mut other = Mask::empty(VoxelGrid::new(mask.grid().dims(), aside).unwrap());
        let patch = other.edit(|m| m.insert(0));
        assert!(mask.apply(patch).is_empty());
        let replaced = mask.edit(|m| *m = other);
        assert!(replaced.is_empty());
        assert_eq!(mask, before);
    }
}
