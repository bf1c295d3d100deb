//! The part of a mask in which something is inside, a byte for each voxel.

use glam::{DVec3, IVec3, UVec3};
use rayon::prelude::*;

use crate::geometry::{VoxelBox, VoxelGrid};
use crate::volume::Mask;

/// The voxels of a mask in a box of its grid: 1 inside, 0 outside.
pub(in crate::volume) struct Crop {
    /// The voxel of the grid at which the box begins.
    pub(in crate::volume) first: UVec3,
    /// Voxels along each axis.
    pub(in crate::volume) dims: UVec3,
    /// The size of the whole grid.
    pub(in crate::volume) whole: UVec3,
    bytes: Vec<u8>,
}

impl Crop {
    /// The smallest box around what is inside; `None` where nothing is.
    pub(in crate::volume) fn around(mask: &Mask) -> Option<Self> {
        let bounds = mask.bounding_box()?;
        let first = (bounds.min + 0.5).as_uvec3();
        let dims = (bounds.max + 0.5).as_uvec3() - first;
        Some(Self::of(mask, first, dims))
    }

    /// The box of `dims` voxels from `first` on, which lies inside the grid.
    pub(in crate::volume) fn of(mask: &Mask, first: UVec3, dims: UVec3) -> Self {
        let (width, height) = (dims.x as usize, dims.y as usize);
        let mut bytes = vec![0; width * height * dims.z as usize];
        let rows = bytes.par_chunks_exact_mut(width).enumerate();
        rows.for_each(|(n, row)| {
            let (j, k) = ((n % height) as u32, (n / height) as u32);
            mask.read_run(first + UVec3::new(0, j, k), row);
        });
        Self {
            first,
            dims,
            whole: mask.grid().dims(),
            bytes,
        }
    }

    /// All voxels whose centres are in a box of a grid; `None` where there are none.
    pub(super) fn filled(voxel_box: &VoxelBox, grid: &VoxelGrid) -> Option<Self> {
        let last = grid.dims().as_dvec3() - 1.0;
        let low = voxel_box.min.ceil().max(DVec3::ZERO);
        let high = voxel_box.max.floor().min(last);
        if !low.is_finite() || !high.is_finite() || low.cmpgt(high).any() {
            return None;
        }
        let first = low.as_uvec3();
        let dims = high.as_uvec3() + 1 - first;
        Some(Self {
            first,
            dims,
            whole: grid.dims(),
            bytes: vec![1; dims.x as usize * dims.y as usize * dims.z as usize],
        })
    }

    /// One slice after another.
    pub(in crate::volume) fn slices(&self) -> impl IndexedParallelIterator<Item = &[u8]> {
        let area = self.dims.x as usize * self.dims.y as usize;
        self.bytes.par_chunks_exact(area)
    }

    /// All voxels in memory order.
    pub(in crate::volume) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where a voxel of the box lies in memory; `None` outside the box.
    fn offset(&self, voxel: IVec3) -> Option<usize> {
        let inside = voxel.cmpge(IVec3::ZERO).all() && voxel.cmplt(self.dims.as_ivec3()).all();
        let [i, j, k] = voxel.to_array().map(|n| n as usize);
        let (width, height) = (self.dims.x as usize, self.dims.y as usize);
        inside.then(|| (k * height + j) * width + i)
    }

    /// Whether a voxel of the box is inside; never outside of the box.
    pub(in crate::volume) fn contains(&self, voxel: IVec3) -> bool {
        self.offset(voxel).is_some_and(|n| self.bytes[n] == 1)
    }

    /// The voxel of the box at a place in memory.
    pub(in crate::volume) const fn voxel(&self, offset: usize) -> UVec3 {
        let (width, height) = (self.dims.x as usize, self.dims.y as usize);
        UVec3::new(
            (offset % width) as u32,
            (offset / width % height) as u32,
            (offset / width / height) as u32,
        )
    }

    /// Whether it reaches the first and the last voxel of the grid along an axis.
    pub(in crate::volume) fn reaches(&self, axis: usize) -> [bool; 2] {
        let end = self.first[axis] + self.dims[axis];
        [self.first[axis] == 0, end == self.whole[axis]]
    }

    /// How many faces of voxels lie between inside and outside, along each axis; the image's own edges do not count.
    pub(in crate::volume) fn border_faces(&self) -> [u64; 3] {
        let (width, height) = (self.dims.x as usize, self.dims.y as usize);
        let area = width * height;
        let [x, y, z] = [0, 1, 2].map(|axis| self.reaches(axis).map(|edge| u8::from(!edge)));
        let outer = |ends: [u8; 2], [first, last]: [u8; 2]| {
            u64::from(ends[0] & first) + u64::from(ends[1] & last)
        };
        let of_slice = |slice: &[u8]| {
            let along_i: u64 = slice
                .chunks_exact(width)
                .map(|row| apart(&row[1..], row) + outer([row[0], row[width - 1]], x))
                .sum();
            let (first, last) = (&slice[..width], &slice[area - width..]);
            let borders = u64::from(y[0]) * sum(first) + u64::from(y[1]) * sum(last);
            [along_i, apart(&slice[width..], slice) + borders]
        };
        let [i, j] = self
            .slices()
            .map(of_slice)
            .reduce(|| [0; 2], |a, b| [a[0] + b[0], a[1] + b[1]]);
        let between = self.slices().zip(self.slices().skip(1));
        let k: u64 = between.map(|(a, b)| apart(a, b)).sum();
        let (first, last) = (&self.bytes[..area], &self.bytes[self.bytes.len() - area..]);
        [
            i,
            j,
            k + u64::from(z[0]) * sum(first) + u64::from(z[1]) * sum(last),
        ]
    }
}

/// In how many places two runs of voxels differ.
fn apart(a: &[u8], b: &[u8]) -> u64 {
    a.iter().zip(b).map(|(a, b)| u64::from(a ^ b)).sum()
}

fn sum(voxels: &[u8]) -> u64 {
    voxels.iter().map(|&v| u64::from(v)).sum()
}
