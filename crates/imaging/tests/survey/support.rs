//! What the tests of surveys share: real images, and images made up for one property each.

use std::path::{Path, PathBuf};

use glam::{DAffine3, DMat3, DVec3, UVec3};
use m3d_imaging::geometry::{BodyLevel, VoxelGrid};
use m3d_imaging::io::{self, Progress};
use m3d_imaging::survey::{InView, Survey};
use m3d_imaging::volume::{Modality, Rescale, Stated, Units, Volume, Voxels};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

/// What a file says that says where left is.
pub fn says_side() -> Stated {
    Stated {
        side_known: true,
        ..Stated::NOTHING
    }
}

pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

pub fn load(path: &Path) -> Volume {
    let library = io::scan(path, &Progress::silent()).unwrap();
    let series = library.first_series().unwrap();
    io::load(series, &Progress::silent()).unwrap()
}

/// A slab of 4 cm at the 11th and 12th thoracic vertebra, arms down, with contrast medium.
pub fn slab() -> Volume {
    load(&repository().join("assets/sample/ct_abdomen"))
}

/// The wide collection of test data; `None`, said aloud, where it is not there.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("M3D_SHARED");
    let root = root.map_or_else(|| repository().join("../shared"), PathBuf::from);
    let found = root.join("data").join(path);
    if !found.exists() {
        eprintln!("skipped: {} is not there", found.display());
        return None;
    }
    Some(found)
}

/// A volume with axes to the patient's left, back and head, its centre at the origin.
pub fn volume(
    dims: [u32; 3],
    spacing_mm: [f64; 3],
    values: Vec<f32>,
    modality: Modality,
) -> Volume {
    let (dims, spacing) = (UVec3::from_array(dims), DVec3::from_array(spacing_mm));
    let origin = -spacing * (dims.as_dvec3() - 1.0) / 2.0;
    let place = DAffine3::from_translation(origin) * DAffine3::from_scale(spacing);
    let grid = VoxelGrid::new(dims, place).unwrap();
    let voxels = Voxels::F32(values);
    Volume::new(grid, voxels, Rescale::IDENTITY, modality, Units::Arbitrary).unwrap()
}

/// A CT with the value of each voxel by its place in mm (LPS, from its centre) and a scanner's noise.
pub fn scanned(dims: [u32; 3], spacing_mm: [f64; 3], value: impl Fn(DVec3) -> f32) -> Volume {
    let mut noise = random(3);
    let clean = painted(dims, spacing_mm, value);
    let mut values = clean.values_f32();
    for value in &mut values {
        *value = (*value + 40.0 * (noise() - 0.5)).round();
    }
    volume(dims, spacing_mm, values, Modality::Other)
}

/// A volume with the value of each voxel by its place in mm (LPS, from its centre).
pub fn painted(dims: [u32; 3], spacing_mm: [f64; 3], value: impl Fn(DVec3) -> f32) -> Volume {
    let blank = vec![0.0; dims.iter().product::<u32>() as usize];
    let grid = *volume(dims, spacing_mm, blank, Modality::Other).grid();
    let mut values = Vec::new();
    for k in 0..dims[2] {
        for j in 0..dims[1] {
            for i in 0..dims[0] {
                let voxel = UVec3::new(i, j, k).as_dvec3();
                values.push(value(grid.patient_from_voxel().transform_point3(voxel)));
            }
        }
    }
    volume(dims, spacing_mm, values, Modality::Other)
}

/// The same image with each value changed.
pub fn mapped(image: &Volume, modality: Modality, change: impl Fn(f32) -> f32) -> Volume {
    let values = image.values_f32().into_iter().map(change).collect();
    let (grid, voxels) = (*image.grid(), Voxels::F32(values));
    Volume::new(grid, voxels, Rescale::IDENTITY, modality, Units::Arbitrary).unwrap()
}

/// Every `step`th voxel of the box from `low` to `high`.
pub fn cut(image: &Volume, low: [u32; 3], high: [u32; 3], step: [u32; 3]) -> Volume {
    let [low, high, step] = [low, high, step].map(UVec3::from_array);
    let dims = (high - low).map(|n| n) / step;
    let inner = DAffine3::from_translation(low.as_dvec3()) * DAffine3::from_scale(step.as_dvec3());
    let grid = VoxelGrid::new(dims, image.grid().patient_from_voxel() * inner).unwrap();
    let mut values = Vec::new();
    for k in 0..dims.z {
        for j in 0..dims.y {
            for i in 0..dims.x {
                values.push(image.value(low + UVec3::new(i, j, k) * step).unwrap());
            }
        }
    }
    let (voxels, modality) = (Voxels::F32(values), image.modality());
    Volume::new(grid, voxels, Rescale::IDENTITY, modality, image.units()).unwrap()
}

/// The image stored with `axes[n]` of the old grid as the new axis `n`, counted backwards where `reversed` says.
pub fn stored_as(image: &Volume, axes: [usize; 3], reversed: [bool; 3]) -> Volume {
    let old = image.grid().dims();
    let dims = UVec3::from_array(axes.map(|axis| old[axis]));
    let mut columns = [DVec3::ZERO; 3];
    let mut start = DVec3::ZERO;
    for n in 0..3 {
        columns[n][axes[n]] = if reversed[n] { -1.0 } else { 1.0 };
        start[axes[n]] = if reversed[n] {
            f64::from(dims[n] - 1)
        } else {
            0.0
        };
    }
    let turn = DAffine3 {
        matrix3: DMat3::from_cols(columns[0], columns[1], columns[2]),
        translation: start,
    };
    let grid = VoxelGrid::new(dims, image.grid().patient_from_voxel() * turn).unwrap();
    let mut values = Vec::new();
    for k in 0..dims.z {
        for j in 0..dims.y {
            for i in 0..dims.x {
                let from = turn.transform_point3(UVec3::new(i, j, k).as_dvec3());
                values.push(image.value(from.round().as_uvec3()).unwrap());
            }
        }
    }
    let (voxels, modality) = (Voxels::F32(values), image.modality());
    Volume::new(grid, voxels, Rescale::IDENTITY, modality, image.units()).unwrap()
}

pub fn of(image: &Volume) -> Survey {
    Survey::of(image, &says_side())
}

pub fn codes(survey: &Survey) -> Vec<&'static str> {
    survey.cautions.iter().map(|c| c.code).collect()
}

pub fn shows(survey: &Survey, upper: &str, lower: &str) -> InView {
    let levels = [upper, lower].map(|name| name.parse::<BodyLevel>().unwrap());
    survey.coverage.unwrap().shows(levels)
}

pub fn random(seed: u64) -> impl FnMut() -> f32 {
    let mut source = SplitMix64::seed_from_u64(seed);
    move || (source.next_u64() >> 40) as f32 / (1_u64 << 24) as f32
}
