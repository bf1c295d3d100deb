//! Smaller copies of volumes that no adapter could hold whole.

use std::ops::Range;

use glam::{DAffine3, DVec3, UVec3};
use rayon::prelude::*;

use super::texels::Stored;
use m3d_imaging::geometry::{GridError, VoxelGrid};
use m3d_imaging::volume::{Volume, Voxels};

/// The grid of blocks of `n` voxels a side; the last ones may be partly filled.
fn reduced_grid(grid: &VoxelGrid, n: u32) -> Result<VoxelGrid, GridError> {
    let dims = grid.dims();
    let blocks = UVec3::new(dims.x.div_ceil(n), dims.y.div_ceil(n), dims.z.div_ceil(n));
    let voxel_from_block = DAffine3::from_scale_rotation_translation(
        DVec3::splat(f64::from(n)),
        glam::DQuat::IDENTITY,
        DVec3::splat(f64::from(n - 1) / 2.0),
    );
    VoxelGrid::new(blocks, grid.patient_from_voxel() * voxel_from_block)
}

/// The blocks' values, by `of(voxel ranges)` in parallel over slices of blocks.
fn per_block<R: Send + Clone + Default>(
    dims: UVec3,
    blocks: UVec3,
    n: u32,
    of: impl Fn([std::ops::Range<usize>; 3]) -> R + Sync,
) -> Vec<R> {
    let mut out = vec![R::default(); blocks.element_product() as usize];
    let range = |block: u32, size: u32| (block * n) as usize..((block + 1) * n).min(size) as usize;
    out.par_chunks_mut(blocks.x as usize)
        .enumerate()
        .for_each(|(row, line)| {
            let (j, k) = (row as u32 % blocks.y, row as u32 / blocks.y);
            for (i, value) in (0..).zip(line) {
                *value = of([range(i, dims.x), range(j, dims.y), range(k, dims.z)]);
            }
        });
    out
}

/// The means of blocks of `n` voxels a side, stored as the volume stores its own; `None` when they
/// cannot be placed.
pub(super) fn reduced_volume(volume: &Volume, n: u32) -> Option<Volume> {
    fn means<T: Stored + Default>(values: &[T], dims: UVec3, blocks: UVec3, n: u32) -> Vec<T> {
        per_block(dims, blocks, n, |[xs, ys, zs]| {
            let rows = zs.flat_map(|z| ys.clone().map(move |y| z * dims.y as usize + y));
            T::mean(rows.flat_map(|row| {
                let start = row * dims.x as usize;
                values[start + xs.start..start + xs.end].iter().copied()
            }))
        })
    }
    let grid = reduced_grid(volume.grid(), n).ok()?;
    let (dims, blocks) = (volume.grid().dims(), grid.dims());
    let voxels = match volume.voxels() {
        Voxels::U8(v) => Voxels::U8(means(v, dims, blocks, n)),
        Voxels::I8(v) => Voxels::I8(means(v, dims, blocks, n)),
        Voxels::U16(v) => Voxels::U16(means(v, dims, blocks, n)),
        Voxels::I16(v) => Voxels::I16(means(v, dims, blocks, n)),
        Voxels::I32(v) => Voxels::I32(means(v, dims, blocks, n)),
        Voxels::F32(v) => Voxels::F32(means(v, dims, blocks, n)),
        Voxels::Rgb8(v) => Voxels::Rgb8(means(v, dims, blocks, n)),
    };
    let (modality, units) = (volume.modality(), volume.units());
    Volume::new(grid, voxels, volume.rescale(), modality, units).ok()
}

/// The voxel along an axis of `size` whose label block `block` of `n` voxels shows: the middle one.
pub(super) fn shown_voxel(block: u32, n: u32, size: u32) -> u32 {
    let first = block * n;
    first.midpoint(first.saturating_add(n).min(size) - 1)
}

/// The blocks along an axis of `size` that show one of `voxels`.
pub(super) fn blocks_showing(voxels: Range<u32>, n: u32, size: u32) -> Range<u32> {
    let from = |voxel: u32| {
        let block = voxel / n;
        if voxel < size {
            block + u32::from(shown_voxel(block, n, size) < voxel)
        } else {
            size.div_ceil(n)
        }
    };
    from(voxels.start)..from(voxels.end)
}

/// The smallest whole reduction that brings `dims` down to `most` on every axis.
pub(super) fn reduction_to_fit(dims: UVec3, most: u32) -> u32 {
    dims.max_element().div_ceil(most.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use m3d_imaging::volume::{Modality, Rescale, Units};

    #[test]
    fn blocks_stay_where_their_voxels_were() {
        let place = DAffine3::from_scale_rotation_translation(
            DVec3::new(0.5, 0.7, 2.0),
            glam::DQuat::from_rotation_x(0.4),
            DVec3::new(3.0, -8.0, 100.0),
        );
        let grid = VoxelGrid::new(UVec3::new(6, 4, 5), place).unwrap();
        let values: Vec<f32> = (0..grid.len()).map(|n| (n % 6) as f32).collect();
        let volume = Volume::new(
            grid,
            Voxels::F32(values),
            Rescale::IDENTITY,
            Modality::Other,
            Units::Arbitrary,
        )
        .unwrap();
        let reduced = reduced_volume(&volume, 2).unwrap();
        assert_eq!(reduced.grid().dims(), UVec3::new(3, 2, 3));
        // The ramp along i means the same at the same place.
        let at_mm = place.transform_point3(DVec3::new(2.5, 0.5, 0.5));
        let block = reduced.grid().voxel_from_patient().transform_point3(at_mm);
        assert!(block.distance(DVec3::new(1.0, 0.0, 0.0)) < 1e-9);
        assert_eq!(
            reduced.sample(block),
            volume.sample(DVec3::new(2.5, 0.5, 0.5))
        );
        assert_eq!(reduction_to_fit(UVec3::new(600, 20, 2049), 1024), 3);
    }

    #[test]
    fn colours_are_reduced_by_channel() {
        let grid = VoxelGrid::new(UVec3::new(3, 2, 1), DAffine3::IDENTITY).unwrap();
        let colours = vec![
            [0, 10, 255],
            [100, 20, 255],
            [7, 8, 9],
            [50, 30, 255],
            [50, 41, 254],
            [9, 8, 7],
        ];
        let voxels = Voxels::Rgb8(colours);
        let (modality, units) = (Modality::Other, Units::Arbitrary);
        let volume = Volume::new(grid, voxels, Rescale::IDENTITY, modality, units).unwrap();
        let reduced = reduced_volume(&volume, 2).unwrap();
        let wanted = Voxels::Rgb8(vec![[50, 25, 255], [8, 8, 8]]);
        assert_eq!(reduced.voxels(), &wanted);
    }

    #[test]
    fn each_block_shows_one_voxel_of_its_own() {
        for n in 1..7 {
            for size in 1..100_u32 {
                let blocks = size.div_ceil(n);
                let shown: Vec<u32> = (0..blocks).map(|b| shown_voxel(b, n, size)).collect();
                assert!((0..).zip(&shown).all(|(b, v)| v / n == b && *v < size));
                for start in (0..size).step_by(11) {
                    let voxels = start..(start + 11).min(size);
                    let found: Vec<u32> = blocks_showing(voxels.clone(), n, size).collect();
                    let shows = |b: &u32| voxels.contains(&shown[*b as usize]);
                    assert_eq!(found, (0..blocks).filter(shows).collect::<Vec<_>>());
                }
            }
        }
    }
}
