//! Colours, against what pydicom and nibabel give.

use std::path::PathBuf;

use glam::UVec3;
use m3d_imaging::io;
use m3d_imaging::volume::{Digest, Rescale, Units, Volume, Voxels, Window, luma};

use crate::support::{json, only, repository, shared};

fn colours(volume: &Volume) -> &[[u8; 3]] {
    match volume.voxels() {
        Voxels::Rgb8(colours) => colours,
        other => panic!("{}", other.type_name()),
    }
}

/// A bundled file, or one of the wide collection.
fn find(name: &str) -> Option<PathBuf> {
    let bundled = repository("tests/data/colour").join(name);
    if bundled.exists() {
        return Some(bundled);
    }
    shared(&format!("pydicom_test_files/test_files/{name}"))
}

#[test]
fn colours_are_those_other_programs_give() {
    let expected = json(&repository("tests/data/colour/expected.json"));
    for (name, figures) in expected.as_object().unwrap() {
        let Some(path) = find(name) else { continue };
        let (series, volume) = only(&path);
        let greys: Vec<_> = series
            .warnings
            .iter()
            .filter(|w| w.code.contains("colour"))
            .collect();
        assert!(greys.is_empty(), "{name}: {greys:?}");
        let shape: Vec<u64> = serde_json::from_value(figures["shape"].clone()).unwrap();
        let frames = series.grid.dims().z as usize * series.times;
        assert_eq!(
            volume.grid().dims().truncate().to_array().map(u64::from)[..],
            shape[..2],
            "{name}"
        );
        assert_eq!(frames as u64, shape[2], "{name}");
        let found = colours(&volume);
        if let Some(sha) = figures["sha256_rgb"].as_str() {
            let mut all = found.as_flattened().to_vec();
            for time in 1..series.times {
                let later = io::load_time(&series, time as u32, &io::Progress::silent()).unwrap();
                all.extend_from_slice(colours(&later.volume).as_flattened());
            }
            assert_eq!(Digest::of(&all).to_string(), sha, "{name}");
        } else {
            // Decoders of lossy streams round differently.
            let area = shape[0] as usize * shape[1] as usize;
            for (channel, wanted) in figures["mean"].as_array().unwrap().iter().enumerate() {
                let sum: f64 = found[..area].iter().map(|c| f64::from(c[channel])).sum();
                let off = sum / area as f64 - wanted.as_f64().unwrap();
                assert!(off.abs() < 0.5, "{name}: channel {channel} is off by {off}");
            }
        }
        let most = if figures["mean"].is_null() { 0 } else { 3 };
        for pixel in figures["pixels"].as_array().unwrap() {
            let [i, j, red, green, blue]: [u32; 5] = serde_json::from_value(pixel.clone()).unwrap();
            let voxel = UVec3::new(i, j, 0);
            let found = volume.colour(voxel).unwrap();
            for (found, wanted) in found.into_iter().zip([red, green, blue]) {
                assert!(
                    u32::from(found).abs_diff(wanted) <= most,
                    "{name} {voxel}: {found}, {wanted}"
                );
            }
            assert_eq!(volume.value(voxel), Some(f32::from(luma(found))), "{name}");
        }
        let statistics = volume.statistics();
        assert!(
            statistics.colour && (0.0..=255.0).contains(&statistics.mean),
            "{name}"
        );
        assert_eq!(
            Window::for_volume(volume.modality(), &statistics),
            Window::COLOURS
        );
    }
}

#[test]
fn colours_are_written_as_colours() {
    let folder = tempfile::tempdir().unwrap();
    for (name, out) in [
        ("ExplVR_BigEnd.dcm", "us.nii"),
        ("rgb_3D.nii", "cube.nii.gz"),
    ] {
        let (_, volume) = only(&find(name).unwrap());
        let path = folder.path().join(out);
        io::write_nifti(&path, &volume).unwrap();
        assert_eq!(only(&path).1.voxels(), volume.voxels(), "{name}");
    }
    // NIFTI_TYPE_RGB24 with 24 bits a voxel.
    let bytes = std::fs::read(folder.path().join("us.nii")).unwrap();
    assert_eq!(bytes[70..74], [128, 0, 24, 0]);
    let (_, volume) = only(&find("ExplVR_BigEnd.dcm").unwrap());
    assert_eq!(bytes.len(), 352 + 3 * volume.grid().len());
}

#[test]
fn colours_have_no_rescale() {
    let (_, volume) = only(&find("rgb_3D.nii").unwrap());
    let scaled = Rescale {
        slope: 2.0,
        intercept: 0.0,
    };
    let voxels = volume.voxels().clone();
    assert!(
        Volume::new(
            *volume.grid(),
            voxels,
            scaled,
            volume.modality(),
            Units::Arbitrary
        )
        .is_err()
    );
}
