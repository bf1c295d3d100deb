//! What the import tests share: where data lies, what it must give, and a small generator.

use std::path::{Path, PathBuf};

use glam::{DAffine3, DMat4, DVec3, DVec4};
use m3d_imaging::io::{self, Library, Progress, Series};
use m3d_imaging::volume::Volume;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
use serde_json::Value;

/// A path in the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path)
}

/// The wide collection of test data; `None`, said aloud, where it is not there.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root =
        std::env::var_os("M3D_SHARED").map_or_else(|| repository("../shared"), PathBuf::from);
    let found = root.join("data").join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("skipped: {} is not there", found.display());
    None
}

pub fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub fn scan(path: &Path) -> Library {
    io::scan(path, &Progress::silent()).unwrap()
}

pub fn load(series: &Series) -> Volume {
    io::load(series, &Progress::silent()).unwrap()
}

/// The only series under a path, loaded.
pub fn only(path: &Path) -> (Series, Volume) {
    let library = scan(path);
    let series: Vec<_> = library.series().collect();
    assert_eq!(series.len(), 1, "{}: {:?}", path.display(), library.refused);
    (series[0].clone(), load(series[0]))
}

/// The codes of everything refused under a path, sorted.
pub fn codes(library: &Library) -> Vec<&'static str> {
    let mut codes: Vec<_> = library.refused.iter().map(|r| r.code).collect();
    codes.sort_unstable();
    codes
}

/// Compares a volume with the figures of a manifest: `affine_ras`, then the SHA-256 of the values where
/// there is one, else minimum, maximum and mean.
pub fn check(name: &str, volume: &Volume, expected: &Value) {
    let lps_from_ras = DAffine3::from_scale(DVec3::new(-1.0, -1.0, 1.0));
    let found = lps_from_ras * volume.grid().patient_from_voxel();
    let wanted = affine(&expected["affine_ras"]);
    let off = DMat4::from(found) - wanted;
    let worst = off
        .to_cols_array()
        .iter()
        .fold(0.0_f64, |w, v| w.max(v.abs()));
    assert!(
        worst < 1e-3,
        "{name}: affine off by {worst}\n{found}\n{wanted}"
    );

    let sha = ["sha256_float32_zyx", "sha256"]
        .iter()
        .find_map(|key| expected[key].as_str())
        .filter(|_| expected["dtype"].is_null());
    if let Some(sha) = sha {
        assert_eq!(io::voxels_sha256(volume), sha, "{name}: voxels");
    }
    if !expected["data_error"].is_null() {
        // The voxels were not beside the header when the manifest was made.
        return;
    }
    if expected["min"].is_null() {
        // Colours and complex numbers have no order; a test of their own says what is shown of them.
        return;
    }
    let figures = volume.statistics();
    let range = f64::from(figures.max - figures.min).max(f64::MIN_POSITIVE);
    let pairs = [
        ("min", f64::from(figures.min)),
        ("max", f64::from(figures.max)),
        ("mean", figures.mean),
    ];
    for (key, found) in pairs {
        let wanted = expected[key].as_f64().unwrap();
        // The manifest keeps 7 digits.
        let tolerance = 1e-6 * range.max(wanted.abs());
        assert!(
            (found - wanted).abs() <= tolerance,
            "{name}: {key} {found}, wanted {wanted}"
        );
    }
}

fn affine(rows: &Value) -> DMat4 {
    let at = |row: usize, column: usize| rows[row][column].as_f64().unwrap();
    let column = |n: usize| DVec4::new(at(0, n), at(1, n), at(2, n), at(3, n));
    DMat4::from_cols(column(0), column(1), column(2), column(3))
}

/// Numbers that are the same on every run.
pub struct Numbers(SplitMix64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(SplitMix64::seed_from_u64(seed))
    }

    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// From `low` to `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
