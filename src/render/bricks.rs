//! Bricks: small blocks of voxels whose value ranges tell where nothing can be seen.

use glam::{IVec3, UVec3};
use rayon::prelude::*;

use super::label_bricks::LabelBricks;
use super::texels::{Stored, with_values};
use m3d_imaging::volume::Volume;

/// The side of a brick in voxels.
pub(super) const BRICK: u32 = 8;

/// The value range of each brick of a volume. A brick covers the continuous voxel coordinates from
/// `BRICK * n - 0.5` to `BRICK * (n + 1) - 0.5`; the voxels one beyond its sides belong to its range,
/// since samples inside are interpolated with them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bricks {
    dims: UVec3,
    /// Lowest and highest value after rescale, by `k`, `j`, `i`.
    ranges: Vec<[f32; 2]>,
}

/// The number of bricks along each axis.
pub(super) fn brick_dims(dims: UVec3) -> UVec3 {
    UVec3::new(
        dims.x.div_ceil(BRICK),
        dims.y.div_ceil(BRICK),
        dims.z.div_ceil(BRICK),
    )
}

/// The voxels of brick `n` along an axis of `size`, border included.
fn reach(n: u32, size: u32) -> std::ops::Range<usize> {
    let low = (n * BRICK).saturating_sub(1);
    let high = ((n + 1) * BRICK + 1).min(size);
    low as usize..high as usize
}

/// `fold` over the rows of voxels of each brick, in parallel over rows of bricks.
fn per_brick<T: Sync, R: Send + Copy>(
    values: &[T],
    dims: UVec3,
    identity: R,
    fold: impl Fn(R, &[T]) -> R + Sync,
) -> Vec<R> {
    let bricks = brick_dims(dims);
    let mut out = vec![identity; bricks.element_product() as usize];
    out.par_chunks_mut(bricks.x as usize)
        .enumerate()
        .for_each(|(row, chunk)| {
            let (by, bz) = (row as u32 % bricks.y, row as u32 / bricks.y);
            for z in reach(bz, dims.z) {
                for y in reach(by, dims.y) {
                    let start = (z * dims.y as usize + y) * dims.x as usize;
                    let Some(line) = values.get(start..start + dims.x as usize) else {
                        continue;
                    };
                    for (bx, brick) in (0..).zip(chunk.iter_mut()) {
                        *brick = fold(*brick, &line[reach(bx, dims.x)]);
                    }
                }
            }
        });
    out
}

impl Bricks {
    /// The bricks of a volume, and the lowest and the highest value it stores.
    pub(super) fn of(volume: &Volume) -> (Self, [f32; 2]) {
        const NONE: [f32; 2] = [f32::INFINITY, f32::NEG_INFINITY];
        let dims = volume.grid().dims();
        let mut ranges = with_values!(volume.voxels(), values => per_brick(
            values,
            dims,
            NONE,
            |[low, high], line| line.iter().fold([low, high], |[low, high], v| {
                let v = v.f32();
                [low.min(v), high.max(v)]
            }),
        ));
        let stored = ranges
            .iter()
            .fold(NONE, |a, b| [a[0].min(b[0]), a[1].max(b[1])]);
        let rescale = volume.rescale();
        for range in &mut ranges {
            let [a, b] = range.map(|v| rescale.apply(v));
            *range = [a.min(b), a.max(b)];
        }
        let bricks = Self {
            dims: brick_dims(dims),
            ranges,
        };
        (bricks, stored)
    }

    /// The number of bricks along each axis.
    pub(super) const fn dims(&self) -> UVec3 {
        self.dims
    }

    /// The distance of each brick from the nearest one in which something can be seen, in bricks, the
    /// longest axis counting (0: something can be seen here). Labels of other bricks than these count
    /// as being everywhere.
    pub(super) fn distances(
        &self,
        visible: impl Fn([f32; 2]) -> bool,
        labels: Option<&LabelBricks>,
    ) -> Vec<u8> {
        if labels.is_some_and(|l| l.dims() != self.dims) {
            return vec![0; self.ranges.len()];
        }
        let mut out: Vec<u8> = self
            .ranges
            .iter()
            .map(|&range| if visible(range) { 0 } else { u8::MAX })
            .collect();
        if let Some(labels) = labels {
            for (distance, &any) in out.iter_mut().zip(labels.any()) {
                if any {
                    *distance = 0;
                }
            }
        }
        spread(&mut out, self.dims);
        out
    }
}

/// Turns 0 here and 255 elsewhere into chessboard distances: once forwards and once backwards, each
/// brick looking at the 13 neighbours already done (Rosenfeld and Pfaltz 1968).
fn spread(distances: &mut [u8], dims: UVec3) {
    let size = dims.as_ivec3();
    let offset = |at: IVec3| ((at.z * size.y + at.y) * size.x + at.x) as usize;
    let before: Vec<IVec3> = (0..13)
        .map(|n| IVec3::new(n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1))
        .collect();
    let count = distances.len();
    for (forwards, sign) in [(true, 1), (false, -1)] {
        for step in 0..count {
            let here = if forwards { step } else { count - 1 - step };
            if distances[here] == 0 {
                continue;
            }
            let row = here as i32 / size.x;
            let at = IVec3::new(here as i32 % size.x, row % size.y, row / size.y);
            for &way in &before {
                let other = at + way * sign;
                if other.cmpge(IVec3::ZERO).all() && other.cmplt(size).all() {
                    let through = distances[offset(other)].saturating_add(1);
                    distances[here] = distances[here].min(through);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use glam::DAffine3;

    use super::*;
    use m3d_imaging::geometry::VoxelGrid;
    use m3d_imaging::volume::{Modality, Rescale, Units, Voxels};

    #[test]
    fn ranges_reach_one_voxel_beyond_the_brick() {
        let dims = UVec3::new(20, 9, 8);
        let grid = VoxelGrid::new(dims, DAffine3::IDENTITY).unwrap();
        let mut values = vec![0_i16; grid.len()];
        values[grid.offset(UVec3::new(8, 0, 0)).unwrap()] = 5;
        let rescale = Rescale {
            slope: -2.0,
            intercept: 1.0,
        };
        let volume = Volume::new(
            grid,
            Voxels::I16(values),
            rescale,
            Modality::Ct,
            Units::Hounsfield,
        )
        .unwrap();
        let (bricks, stored) = Bricks::of(&volume);
        assert_eq!(stored, [0.0, 5.0]);
        assert_eq!(bricks.dims(), UVec3::new(3, 2, 1));
        // Voxel 8 is the first of brick 1 and the border of brick 0; not of brick 2, nor of row 1.
        let low: Vec<f32> = bricks.ranges.iter().map(|r| r[0]).collect();
        assert_eq!(low, [-9.0, -9.0, 1.0, 1.0, 1.0, 1.0]);
        assert!(bricks.ranges.iter().all(|r| r[1] == 1.0));
    }

    #[test]
    fn distances_are_chessboard_distances() {
        let dims = UVec3::new(7, 6, 5);
        let seen = [IVec3::new(1, 4, 0), IVec3::new(6, 0, 4)];
        let mut found = vec![u8::MAX; 7 * 6 * 5];
        for at in seen {
            found[((at.z * 6 + at.y) * 7 + at.x) as usize] = 0;
        }
        spread(&mut found, dims);
        for (n, &distance) in (0..).zip(&found) {
            let at = IVec3::new(n % 7, n / 7 % 6, n / 42);
            let wanted = seen.iter().map(|s| (at - s).abs().max_element()).min();
            assert_eq!(Some(i32::from(distance)), wanted, "{at}");
        }
    }
}
