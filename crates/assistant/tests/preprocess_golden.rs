//! Preparing volumes against the public reference: both ways, three shapes (thick slices, thin ones,
//! and a volume smaller than the result).

use std::path::PathBuf;

use glam::{DAffine3, UVec3};
use m3d_assistant::inference::{Preparation, PreparedImage, prepare};
use m3d_imaging::geometry::{OrderedCrop, VoxelGrid};
use m3d_imaging::volume::{CT_PRESETS, Mask, Modality, Rescale, Units, Volume, Voxels};
use safetensors::SafeTensors;

const SIZE: [usize; 3] = [32, 256, 256];
/// The reference stores every 4th slice and every 8th row and column.
const STEPS: [usize; 3] = [4, 8, 8];
const CASES: [&str; 3] = ["thick", "thin", "upsampled"];

struct Golden {
    cases: serde_json::Value,
    bytes: Vec<u8>,
}

/// The copy beside the tests, else the shared goldens.
fn golden() -> Option<Golden> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let shared =
        std::env::var_os("M3D_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let folders = [
        root.join("tests/golden/preprocess"),
        shared.join("goldens/preprocess"),
    ];
    let Some(folder) = folders.iter().find(|f| f.join("cases.json").is_file()) else {
        eprintln!("skipped: no preprocess goldens in tests/golden or ../shared/goldens");
        return None;
    };
    let text = std::fs::read_to_string(folder.join("cases.json")).unwrap();
    Some(Golden {
        cases: serde_json::from_str(&text).unwrap(),
        bytes: std::fs::read(folder.join("cases.safetensors")).unwrap(),
    })
}

impl Golden {
    fn bytes_of(&self, name: &str) -> Vec<u8> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        file.tensor(name).unwrap().data().to_vec()
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        let bytes = self.bytes_of(name);
        let of = |b: &[u8]| f32::from_le_bytes(b.try_into().unwrap());
        bytes.chunks_exact(4).map(of).collect()
    }

    fn grid(&self, case: &str) -> VoxelGrid {
        let shape = &self.cases[case]["shape_zyx"];
        let axis = |n: usize| u32::try_from(shape[n].as_u64().unwrap()).unwrap();
        VoxelGrid::new(UVec3::new(axis(2), axis(1), axis(0)), DAffine3::IDENTITY).unwrap()
    }

    fn integers(&self, case: &str) -> Vec<i32> {
        let bytes = self.bytes_of(&format!("{case}.volume_i16"));
        let of = |b: &[u8]| i32::from_le_bytes(b.try_into().unwrap());
        bytes.chunks_exact(4).map(of).collect()
    }

    fn volume(&self, case: &str, voxels: Voxels, rescale: Rescale) -> Volume {
        Volume::new(
            self.grid(case),
            voxels,
            rescale,
            Modality::Ct,
            Units::Hounsfield,
        )
        .unwrap()
    }

    fn number(&self, case: &str, key: &str) -> f64 {
        self.cases[case][key].as_f64().unwrap()
    }

    /// First voxel and the one past the last, as z, y, x.
    fn crop(&self, case: &str, key: &str) -> [u32; 6] {
        std::array::from_fn(|n| self.cases[case][key][n].as_u64().unwrap() as u32)
    }
}

fn caption() -> Preparation {
    // The reference's caption images are CT slices as displayed with this window.
    Preparation::Caption {
        window: CT_PRESETS[0].window,
    }
}

fn subsample<T: Copy>(voxels: &[T]) -> Vec<T> {
    let [d, h, w] = SIZE;
    let mut out = Vec::new();
    for z in (0..d).step_by(STEPS[0]) {
        for y in (0..h).step_by(STEPS[1]) {
            out.extend(
                (0..w)
                    .step_by(STEPS[2])
                    .map(|x| voxels[(z * h + y) * w + x]),
            );
        }
    }
    out
}

fn crop_of(image: &PreparedImage) -> [u32; 6] {
    let OrderedCrop {
        min: low,
        max: high,
        ..
    } = image.frame.crop();
    [low.z, low.y, low.x, high.z, high.y, high.x]
}

fn check(golden: &Golden, case: &str, volume: &Volume) {
    for (way, name) in [(Preparation::Segmentation, "seg"), (caption(), "cap")] {
        let image = prepare(volume, way, SIZE, &|| false).unwrap();
        let key = format!("crop_box_{name}_zyx_min_maxexcl");
        assert_eq!(crop_of(&image), golden.crop(case, &key), "{case} {name}");
        if let Some(found) = image.clipped_to {
            for (found, key) in found.iter().zip(["percentile_lower", "percentile_upper"]) {
                let wanted = golden.number(case, key);
                assert!((found - wanted).abs() < 1e-3, "{case} {key}: {found}");
            }
        }
        let wanted = golden.floats(&format!("{case}.m3d_{name}_sub"));
        let found = subsample(&image.voxels);
        assert_eq!(found.len(), wanted.len());
        let apart = found
            .iter()
            .zip(&wanted)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        eprintln!("{case} {name}: largest difference {apart:.2e}");
        assert!(apart < 1e-4, "{case} {name}: {apart}");
        let n = image.voxels.len() as f64;
        let mean = image.voxels.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let square = image
            .voxels
            .iter()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>()
            / n;
        // The figures of the whole image, not of every 256th voxel only.
        let wanted_mean = golden.number(case, &format!("{name}_out_mean"));
        let wanted_std = golden.number(case, &format!("{name}_out_std"));
        assert!(
            (mean - wanted_mean).abs() < 1e-4,
            "{case} {name}: mean {mean}"
        );
        assert!(
            (square.sqrt() - wanted_std).abs() < 1e-4,
            "{case} {name}: deviation"
        );
    }
}

#[test]
fn both_ways_agree_with_the_reference() {
    let Some(golden) = golden() else { return };
    for case in CASES {
        let values = golden.integers(case);
        let i16s = values.iter().map(|&v| i16::try_from(v).unwrap()).collect();
        check(
            &golden,
            case,
            &golden.volume(case, Voxels::I16(i16s), Rescale::IDENTITY),
        );
    }
}

/// The same image whatever the file stored: shifted unsigned values with a rescale, wide integers, or
/// halved and negated floats.
#[test]
fn the_stored_form_does_not_matter() {
    let Some(golden) = golden() else { return };
    let case = "upsampled";
    let values = golden.integers(case);
    let shifted = values
        .iter()
        .map(|&v| u16::try_from(v + 2000).unwrap())
        .collect();
    let rescale = Rescale {
        slope: 1.0,
        intercept: -2000.0,
    };
    check(
        &golden,
        case,
        &golden.volume(case, Voxels::U16(shifted), rescale),
    );
    check(
        &golden,
        case,
        &golden.volume(case, Voxels::I32(values.clone()), Rescale::IDENTITY),
    );
    let negated = values.iter().map(|&v| -(v as f32) / 2.0).collect();
    let rescale = Rescale {
        slope: -2.0,
        intercept: 0.0,
    };
    check(
        &golden,
        case,
        &golden.volume(case, Voxels::F32(negated), rescale),
    );
}

#[test]
fn labels_are_resized_to_the_nearest_voxel() {
    let Some(golden) = golden() else { return };
    for case in CASES {
        let values = golden.integers(case);
        let i16s = values.iter().map(|&v| i16::try_from(v).unwrap()).collect();
        let volume = golden.volume(case, Voxels::I16(i16s), Rescale::IDENTITY);
        let image = prepare(&volume, Preparation::Segmentation, SIZE, &|| false).unwrap();
        let labels = golden.bytes_of(&format!("{case}.label"));
        let mask = Mask::from_bytes(*volume.grid(), &labels).unwrap();
        assert!(mask.count() > 0);
        let found = subsample(&image.frame.labels_from_mask(&mask));
        let wanted = golden.bytes_of(&format!("{case}.m3d_seg_label_sub"));
        let apart = found
            .iter()
            .zip(&wanted)
            .filter(|(a, b)| (**a != 0) != (**b != 0))
            .count();
        assert_eq!((found.len(), apart), (wanted.len(), 0), "{case}");
    }
}
