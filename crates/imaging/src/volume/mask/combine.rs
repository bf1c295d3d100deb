//! Masks made of two masks, and of one by its words.

use glam::UVec3;
use rayon::prelude::*;

use super::{Brick, Mask};

/// How a mask is made of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// What is inside either.
    Union,
    /// What is inside both.
    Intersection,
    /// What is inside the first and not inside the second.
    Difference,
}

impl Mask {
    /// The mask made of this one and another; `None` where their grids are not equal. Bricks that are those of one of
    /// them are shared with it.
    pub fn combined(&self, other: &Self, how: Combine) -> Option<Self> {
        if self.grid != other.grid {
            return None;
        }
        let pairs = self.bricks.par_iter().zip(&other.bricks);
        let bricks = pairs.map(|(a, b)| combined(a, b, how)).collect();
        Some(Self::from_bricks(self.grid, bricks))
    }

    /// The mask of what `keep` leaves of each word: it is given the word's first voxel and its bits, and gives bits
    /// back, of which those count that were there. Words are asked for in parallel and in no order.
    pub(in crate::volume) fn filtered(&self, keep: impl Fn(UVec3, u32) -> u32 + Sync) -> Self {
        let height = self.layout.side().y as usize;
        let bricks = self.bricks.par_iter().enumerate().map(|(index, brick)| {
            let Some(rows) = brick.rows() else {
                return Brick::default();
            };
            let (first, _) = self.layout.voxels(index);
            let kept = rows.iter().enumerate().map(|(row, &word)| {
                let at = UVec3::new(0, (row % height) as u32, (row / height) as u32);
                if word == 0 {
                    0
                } else {
                    word & keep(first + at, word)
                }
            });
            let kept: Vec<u32> = kept.collect();
            if kept == rows {
                brick.clone()
            } else {
                Brick::new(&kept)
            }
        });
        Self::from_bricks(self.grid, bricks.collect())
    }
}

fn combined(a: &Brick, b: &Brick, how: Combine) -> Brick {
    let word = |a: u32, b: u32| match how {
        Combine::Union => a | b,
        Combine::Intersection => a & b,
        Combine::Difference => a & !b,
    };
    match (how, a.rows(), b.rows()) {
        (Combine::Union, None, _) | (Combine::Intersection, _, None) => b.clone(),
        (_, None, _) | (_, _, None) => a.clone(),
        (_, Some(first), Some(second)) => {
            let words: Vec<u32> = first
                .iter()
                .zip(second)
                .map(|(&a, &b)| word(a, b))
                .collect();
            if words == first {
                a.clone()
            } else {
                Brick::new(&words)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use glam::DAffine3;

    use super::*;
    use crate::geometry::VoxelGrid;

    #[test]
    fn sets_are_combined_voxel_by_voxel() {
        let grid = VoxelGrid::new(UVec3::new(75, 40, 35), DAffine3::IDENTITY).unwrap();
        let a = Mask::from_fn(grid, |v| v.x < 40 && v.y % 3 > 0);
        let b = Mask::from_fn(grid, |v| v.x > 30 && v.z < 33);
        for (how, wanted) in [
            (
                Combine::Union,
                Mask::from_fn(grid, |v| a.contains(v) || b.contains(v)),
            ),
            (
                Combine::Intersection,
                Mask::from_fn(grid, |v| a.contains(v) && b.contains(v)),
            ),
            (
                Combine::Difference,
                Mask::from_fn(grid, |v| a.contains(v) && !b.contains(v)),
            ),
        ] {
            assert_eq!(a.combined(&b, how).unwrap(), wanted, "{how:?}");
            let empty = Mask::empty(grid);
            let with_none = if how == Combine::Intersection {
                &empty
            } else {
                &a
            };
            assert_eq!(a.combined(&empty, how).as_ref(), Some(with_none));
        }
        let other = VoxelGrid::new(UVec3::new(75, 40, 34), DAffine3::IDENTITY).unwrap();
        assert!(a.combined(&Mask::empty(other), Combine::Union).is_none());
    }

    #[test]
    fn words_are_asked_for_with_their_place() {
        let grid = VoxelGrid::new(UVec3::new(75, 40, 35), DAffine3::IDENTITY).unwrap();
        let mask = Mask::from_fn(grid, |v| (v.x + v.y + v.z) % 4 > 0);
        let kept = mask.filtered(|first, _| {
            (0..32).fold(0, |word, bit| {
                word | u32::from((first.x + bit) * first.y > first.z * 9) << bit
            })
        });
        let wanted = Mask::from_fn(grid, |v| mask.contains(v) && v.x * v.y > v.z * 9);
        assert_eq!(kept, wanted);
    }
}
