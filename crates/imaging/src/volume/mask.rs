//! A set of voxels.

use glam::{DVec3, UVec3};

use super::VolumeError;
use crate::geometry::{VoxelBox, VoxelGrid};

/// A set of voxels of a grid, one bit each.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    grid: VoxelGrid,
    words: Vec<u64>,
}

impl Mask {
    /// The empty set.
    pub fn empty(grid: VoxelGrid) -> Self {
        Self {
            grid,
            words: vec![0; grid.len().div_ceil(64)],
        }
    }

    /// The voxels that `inside` holds for, asked in memory order (`k`, `j`, `i` fastest).
    pub fn from_fn(grid: VoxelGrid, mut inside: impl FnMut(UVec3) -> bool) -> Self {
        let mut mask = Self::empty(grid);
        let dims = grid.dims();
        let mut offset = 0;
        for k in 0..dims.z {
            for j in 0..dims.y {
                for i in 0..dims.x {
                    if inside(UVec3::new(i, j, k)) {
                        mask.insert(offset);
                    }
                    offset += 1;
                }
            }
        }
        mask
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
        let words = bytes
            .chunks(64)
            .map(|chunk| {
                chunk
                    .iter()
                    .enumerate()
                    .fold(0, |word, (bit, &b)| word | u64::from(b != 0) << bit)
            })
            .collect();
        Ok(Self { grid, words })
    }

    /// One byte per voxel in memory order: 1 inside, 0 outside.
    pub fn to_bytes(&self) -> Vec<u8> {
        (0..self.grid.len())
            .map(|offset| u8::from(self.contains_offset(offset)))
            .collect()
    }

    /// Puts the voxel at a memory offset into the set; offsets past the end are ignored.
    pub fn insert(&mut self, offset: usize) {
        if offset < self.grid.len() {
            self.words[offset / 64] |= 1 << (offset % 64);
        }
    }

    /// Size and place.
    pub const fn grid(&self) -> &VoxelGrid {
        &self.grid
    }

    /// Whether the voxel at a memory offset is inside.
    pub fn contains_offset(&self, offset: usize) -> bool {
        self.words
            .get(offset / 64)
            .is_some_and(|word| word >> (offset % 64) & 1 == 1)
    }

    /// Whether a voxel is inside; never outside the grid.
    pub fn contains(&self, voxel: UVec3) -> bool {
        self.grid
            .offset(voxel)
            .is_some_and(|offset| self.contains_offset(offset))
    }

    /// How many voxels are inside.
    pub fn count(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// The volume inside, in mL.
    pub fn volume_ml(&self) -> f64 {
        self.count() as f64 * self.grid.voxel_ml()
    }

    /// The voxels inside, in memory order.
    pub fn iter(&self) -> impl Iterator<Item = UVec3> + '_ {
        let dims = self.grid.dims();
        let (width, height) = (dims.x as usize, dims.y as usize);
        self.words
            .iter()
            .enumerate()
            .flat_map(move |(index, &word)| {
                let mut rest = word;
                std::iter::from_fn(move || {
                    (rest != 0).then(|| {
                        let offset = index * 64 + rest.trailing_zeros() as usize;
                        rest &= rest - 1;
                        let (row, i) = (offset / width, offset % width);
                        UVec3::new(i as u32, (row % height) as u32, (row / height) as u32)
                    })
                })
            })
    }

    /// The smallest box around the set; `None` when it is empty.
    pub fn bounding_box(&self) -> Option<VoxelBox> {
        let bounds = self.iter().fold(None, |bounds: Option<(UVec3, UVec3)>, v| {
            Some(bounds.map_or((v, v), |(low, high)| (low.min(v), high.max(v))))
        });
        bounds.map(|(low, high)| VoxelBox {
            min: low.as_dvec3() - 0.5,
            max: high.as_dvec3() + 0.5,
        })
    }

    /// The mean place of the voxels inside, in voxel coordinates; `None` when the set is empty.
    pub fn centroid(&self) -> Option<DVec3> {
        let (sum, n) = self.iter().fold((DVec3::ZERO, 0_u64), |(sum, n), v| {
            (sum + v.as_dvec3(), n + 1)
        });
        (n > 0).then(|| sum / n as f64)
    }

    /// The Dice coefficient with another mask of the same grid: 1 when equal, 0 when apart. Two empty
    /// sets are equal.
    pub fn dice(&self, other: &Self) -> f64 {
        let total = self.count() + other.count();
        if total == 0 {
            return 1.0;
        }
        let words = self.words.iter().zip(&other.words);
        let both: u64 = words.map(|(a, b)| u64::from((a & b).count_ones())).sum();
        2.0 * both as f64 / total as f64
    }
}

#[cfg(test)]
mod tests {
    use glam::DAffine3;

    use super::*;

    fn ball() -> Mask {
        let place = DAffine3::from_scale(DVec3::new(1.0, 2.0, 5.0));
        let grid = VoxelGrid::new(UVec3::new(21, 17, 11), place).unwrap();
        let centre = DVec3::new(9.0, 8.0, 5.0);
        Mask::from_fn(grid, |v| v.as_dvec3().distance(centre) < 4.2)
    }

    #[test]
    fn bytes_and_bits_agree() {
        let mask = ball();
        let again = Mask::from_bytes(*mask.grid(), &mask.to_bytes()).unwrap();
        assert_eq!(mask, again);
        assert_eq!(mask.iter().count(), mask.count());
        assert!(mask.iter().all(|v| mask.contains(v)));
        assert!(Mask::from_bytes(*mask.grid(), &[1]).is_err());
    }

    #[test]
    fn figures_of_a_ball() {
        let mask = ball();
        assert!((mask.volume_ml() - mask.count() as f64 * 0.01).abs() < 1e-12);
        assert!(mask.centroid().unwrap().distance(DVec3::new(9.0, 8.0, 5.0)) < 1e-9);
        let bounds = mask.bounding_box().unwrap();
        assert_eq!(bounds.min, DVec3::new(4.5, 3.5, 0.5));
        assert_eq!(bounds.max, DVec3::new(13.5, 12.5, 9.5));
        assert_eq!(Mask::empty(*mask.grid()).bounding_box(), None);
    }

    #[test]
    fn dice_is_one_only_for_equal_sets() {
        let mask = ball();
        assert_eq!(mask.dice(&mask), 1.0);
        assert_eq!(mask.dice(&Mask::empty(*mask.grid())), 0.0);
        let mut more = mask.clone();
        more.insert(0);
        assert!(mask.dice(&more) < 1.0);
    }
}
