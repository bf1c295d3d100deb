//! NIfTI written and read back.

use glam::{DAffine3, DQuat, DVec3, EulerRot, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::io;
use m3d_imaging::volume::{Mask, Modality, Rescale, Units, Volume, Voxels};

use crate::support::{Numbers, only};

/// Oblique, anisotropic, mirrored for odd seeds, and away from the origin.
fn grid(seed: u64) -> VoxelGrid {
    let mut numbers = Numbers::new(seed);
    let mut angle = || numbers.between(-3.0, 3.0);
    let turn = DQuat::from_euler(EulerRot::XYZ, angle(), angle(), angle());
    let mirror = if seed % 2 == 1 { -1.0 } else { 1.0 };
    let place = DAffine3::from_scale_rotation_translation(
        DVec3::new(0.71, 0.93, 3.3 * mirror),
        turn,
        DVec3::new(-211.3, 187.9, -1033.1),
    );
    VoxelGrid::new(UVec3::new(17, 11, 7), place).unwrap()
}

#[test]
fn nifti_round_trips_for_every_type() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..12 {
        let grid = grid(seed);
        let mut numbers = Numbers::new(seed);
        let n = grid.len();
        let mut fill = || {
            std::iter::repeat_with(|| numbers.bits())
                .take(n)
                .collect::<Vec<_>>()
        };
        let voxels = [
            Voxels::U8(fill().iter().map(|&v| v as u8).collect()),
            Voxels::I8(fill().iter().map(|&v| v as i8).collect()),
            Voxels::U16(fill().iter().map(|&v| v as u16).collect()),
            Voxels::I16(fill().iter().map(|&v| v as i16).collect()),
            Voxels::I32(fill().iter().map(|&v| v as i32).collect()),
            Voxels::F32(fill().iter().map(|&v| v as f32 * 1e-16).collect()),
        ];
        for voxels in voxels {
            let rescale = Rescale {
                slope: 0.5,
                intercept: -1024.0,
            };
            let volume =
                Volume::new(grid, voxels, rescale, Modality::Other, Units::Arbitrary).unwrap();
            let ending = if seed % 3 == 0 { "nii" } else { "nii.gz" };
            let path = folder.path().join(format!("v{seed}.{ending}"));
            io::write_nifti(&path, &volume).unwrap();
            let (series, back) = only(&path);
            assert_eq!(back.voxels(), volume.voxels());
            assert_eq!(back.rescale(), rescale);
            assert!(series.warnings.is_empty(), "{:?}", series.warnings);
            let corners = back.grid().corners_mm().into_iter().zip(grid.corners_mm());
            // Offsets near 1000 mm are 32-bit floats in the file: 6e-5 mm.
            for (found, wanted) in corners {
                assert!(found.distance(wanted) < 1e-3);
            }
            let map = (back.grid().patient_from_voxel(), grid.patient_from_voxel());
            let off = (map.0.matrix3 - map.1.matrix3).to_cols_array();
            assert!(off.iter().all(|v| v.abs() < 1e-6));
            assert!(map.0.translation.distance(map.1.translation) < 1e-4);
            assert_eq!(io::voxels_sha256(&back), io::voxels_sha256(&volume));
        }
    }
}

/// The qform alone must give the same place as the sform that was written with it.
#[test]
fn the_written_qform_agrees_with_the_sform() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..12 {
        let grid = grid(seed);
        let path = folder.path().join("mask.nii");
        io::write_mask(&path, &Mask::empty(grid)).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        assert_eq!(&bytes[252..256], [1, 0, 1, 0], "both codes are set");
        bytes[254..256].fill(0);
        std::fs::write(&path, bytes).unwrap();
        let found = only(&path).0.grid;
        for (a, b) in found.corners_mm().into_iter().zip(grid.corners_mm()) {
            assert!(a.distance(b) < 1e-3, "seed {seed}: {a} {b}");
        }
    }
}

#[test]
fn masks_round_trip_and_follow_their_affine() {
    let folder = tempfile::tempdir().unwrap();
    let grid = grid(3);
    let mut numbers = Numbers::new(5);
    let mask = Mask::from_fn(grid, |_| numbers.bits().is_multiple_of(3));
    let path = folder.path().join("mask.nii.gz");
    io::write_mask(&path, &mask).unwrap();
    assert_eq!(io::read_mask(&path, &grid).unwrap(), mask);

    // The same voxels with axes (k, i, j) and i backwards.
    let dims = grid.dims();
    let turned_dims = UVec3::new(dims.z, dims.x, dims.y);
    let there = |v: UVec3| UVec3::new(dims.x - 1 - v.y, v.z, v.x);
    let map = grid.patient_from_voxel();
    let origin = map.transform_point3(there(UVec3::ZERO).as_dvec3());
    let turned_map = DAffine3::from_cols(
        map.matrix3.z_axis,
        -map.matrix3.x_axis,
        map.matrix3.y_axis,
        origin,
    );
    let turned_grid = VoxelGrid::new(turned_dims, turned_map).unwrap();
    let turned = Mask::from_fn(turned_grid, |v| mask.contains(there(v)));
    io::write_mask(&path, &turned).unwrap();
    assert_eq!(io::read_mask(&path, &grid).unwrap(), mask);

    // Half a voxel aside is another grid.
    let aside = DAffine3::from_translation(DVec3::X * 0.4) * map;
    let other = VoxelGrid::new(dims, aside).unwrap();
    let message = io::read_mask(&path, &other).unwrap_err().to_string();
    assert!(message.contains("resample"), "{message}");
}
