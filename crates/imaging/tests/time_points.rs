//! Any time point of a 4-D NIfTI is read, with its own values.

use std::path::Path;

use glam::{DAffine3, DVec3, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::io::{self, Progress, Series, write_nifti};
use m3d_imaging::volume::{Modality, Rescale, Units, Volume, Voxels};

const TIMES: i16 = 3;

/// A series of three time points whose values are 100 t + n, as nibabel would write it: time is the slowest
/// axis (NIfTI-1, `dim[4]`).
fn write_series(path: &Path) {
    let place = DAffine3::from_scale(DVec3::new(-1.0, -1.0, 2.0));
    let grid = VoxelGrid::new(UVec3::new(4, 3, 2), place).unwrap();
    let values = (0..24).collect();
    let rescale = Rescale {
        slope: 2.0,
        intercept: 1.0,
    };
    let volume = Volume::new(
        grid,
        Voxels::I16(values),
        rescale,
        Modality::Other,
        Units::Arbitrary,
    );
    write_nifti(path, &volume.unwrap()).unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    bytes[40..42].copy_from_slice(&4_i16.to_le_bytes());
    bytes[48..50].copy_from_slice(&TIMES.to_le_bytes());
    for time in 1..TIMES {
        bytes.extend((0..24_i16).flat_map(|n| (100 * time + n).to_le_bytes()));
    }
    std::fs::write(path, bytes).unwrap();
}

fn series(path: &Path) -> Series {
    let library = io::scan(path, &Progress::silent()).unwrap();
    library.first_series().unwrap().clone()
}

#[test]
fn each_time_point_has_its_own_values_and_one_identity() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("series.nii");
    write_series(&path);
    let series = series(&path);
    assert_eq!(series.times, 3);
    let first = io::load_image(&series, &Progress::silent()).unwrap();
    for time in 0..3_u32 {
        let image = io::load_time(&series, time, &Progress::silent()).unwrap();
        let wanted = (0..24).map(|n| 2.0 * (100.0 * time as f32 + n as f32) + 1.0);
        assert_eq!(image.volume.values_f32(), wanted.collect::<Vec<f32>>());
        assert_eq!(image.identity, first.identity);
        assert_eq!(image.volume.grid(), first.volume.grid());
    }
    let error = io::load_time(&series, 3, &Progress::silent()).unwrap_err();
    assert!(error.to_string().contains("3 time points"), "{error}");
}

#[test]
fn a_series_cut_in_its_second_time_point_still_gives_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("series.nii");
    write_series(&path);
    let series = series(&path);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 60]).unwrap();
    assert!(io::load_time(&series, 0, &Progress::silent()).is_ok());
    let error = io::load_time(&series, 2, &Progress::silent()).unwrap_err();
    assert!(error.to_string().contains("cut short"), "{error}");
}
