//! `tests/data/edit/make.py` made what is expected here.

use std::path::Path;

use glam::UVec3;
use m3d_imaging::io::{self, Progress};
use m3d_imaging::volume::edit::{self, Holes, ValueRange};
use m3d_imaging::volume::{Mask, Volume};

const GO_ON: edit::Cancelled<'static> = &|| false;

fn read(path: &str) -> Volume {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/data")
        .join(path);
    let library = io::scan(&path, &Progress::silent()).unwrap();
    let series = library.series().next().unwrap();
    io::load(series, &Progress::silent()).unwrap()
}

struct Golden {
    image: Volume,
    expected: Volume,
}

impl Golden {
    fn new() -> Self {
        let image = read("ibsi_pet/PET_image.nii.gz");
        let expected = read("edit/expected.nii.gz");
        assert!(image.grid().matches(expected.grid()));
        Self { image, expected }
    }

    /// The mask of one bit, on the grid of the image.
    fn bit(&self, n: u32) -> Mask {
        let mask = Mask::from_fn(*self.image.grid(), |v| {
            self.expected.value(v).unwrap() as u32 >> n & 1 == 1
        });
        assert!(mask.count() > 100, "bit {n}");
        mask
    }
}

#[track_caller]
fn assert_same(found: &Mask, expected: &Mask) {
    let apart = found.iter().filter(|&v| !expected.contains(v)).count();
    let missing = expected.iter().filter(|&v| !found.contains(v)).count();
    assert_eq!((apart, missing), (0, 0), "of {}", expected.count());
}

#[test]
fn thresholds_and_pieces() {
    let golden = Golden::new();
    let range = ValueRange::new(0.8, f32::INFINITY);
    let mask = edit::threshold(&golden.image, range, None, GO_ON).unwrap();
    assert_same(&mask, &golden.bit(0));
    assert_same(&edit::keep_largest(&mask, GO_ON).unwrap(), &golden.bit(1));
    let least_ml = 20.0 * mask.grid().voxel_ml();
    let kept = edit::remove_islands(&mask, least_ml, GO_ON).unwrap();
    assert_same(&kept, &golden.bit(2));
    // SimpleITK counted 111.
    let error = edit::pieces(&mask, 110, GO_ON).unwrap_err();
    assert_eq!(
        error,
        edit::EditError::TooManyPieces {
            found: 111,
            most: 110
        }
    );
    let pieces = edit::pieces(&mask, 111, GO_ON).unwrap();
    assert_same(&pieces[0], &golden.bit(1));
    assert_eq!(pieces.iter().map(Mask::count).sum::<usize>(), mask.count());
    let within = edit::threshold(&golden.image, ValueRange::new(1.9, 0.8), Some(&mask), GO_ON);
    assert_same(&within.unwrap(), &golden.bit(3));
}

#[test]
fn holes() {
    let golden = Golden::new();
    let hollow = golden.bit(3);
    let filled = edit::fill_holes(&hollow, Holes::Enclosed, GO_ON).unwrap();
    assert_same(&filled, &golden.bit(4));
    let filled = edit::fill_holes(&hollow, Holes::InSlices(2), GO_ON).unwrap();
    assert_same(&filled, &golden.bit(5));
}

#[test]
fn growing_shrinking_and_smoothing() {
    let golden = Golden::new();
    let largest = golden.bit(1);
    assert_same(&edit::grow(&largest, 9.0, GO_ON).unwrap(), &golden.bit(6));
    assert_same(&edit::shrink(&largest, 6.0, GO_ON).unwrap(), &golden.bit(7));
    assert_same(
        &edit::smooth(&golden.bit(0), 5.0, GO_ON).unwrap(),
        &golden.bit(8),
    );
}

#[test]
fn regions_from_a_click() {
    let golden = Golden::new();
    let place = golden.image.grid().patient_from_voxel();
    let seed_mm = place.transform_point3(UVec3::new(15, 15, 25).as_dvec3() + 0.3);
    let range = ValueRange::new(1.5, 10.0);
    let region = edit::grow_region(&golden.image, seed_mm, range, None, GO_ON).unwrap();
    assert_same(&region, &golden.bit(9));
    let near = edit::grow_region(&golden.image, seed_mm, range, Some(12.0), GO_ON).unwrap();
    assert!(near.count() > 20 && near.count() < region.count());
    assert!(near.iter().all(|v| {
        region.contains(v) && place.transform_point3(v.as_dvec3()).distance(seed_mm) < 15.0
    }));
    let around = ValueRange::around(&golden.image, seed_mm, 8.0, 2.0).unwrap();
    assert!(
        around.contains(4.423_676) && around.low > 0.0 && around.high < 20.0,
        "{around:?}"
    );
}

#[test]
fn between_slices() {
    let golden = Golden::new();
    let filled = edit::fill_between(&golden.bit(10), 2, GO_ON).unwrap();
    assert_same(&filled, &golden.bit(11));
}
