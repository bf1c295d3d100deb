//! Numbered pictures as slices.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma, Rgb, RgbImage};

use crate::support::{codes, only, repository, scan};
use crate::warnings;

fn slice(folder: &Path, name: &str, value: u8) {
    fs::create_dir_all(folder).unwrap();
    let picture = GrayImage::from_fn(4, 3, |x, y| Luma([value + x as u8 + 10 * y as u8]));
    picture.save(folder.join(name)).unwrap();
}

#[test]
fn a_folder_of_numbered_pictures_is_an_image() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("case 7");
    for n in [10, 2, 9, 1] {
        slice(&inside, &format!("slice {n}.png"), n);
    }
    fs::write(inside.join("report.txt"), "study_findings: none").unwrap();
    let library = scan(folder.path());
    assert_eq!(codes(&library), ["not_an_image"]);
    let series = library.series().next().unwrap();
    let volume = crate::load(series);
    assert_eq!(series.grid.dims().to_array(), [4, 3, 4]);
    let firsts: Vec<_> = (0..4).map(|k| volume.values_f32()[12 * k]).collect();
    assert_eq!(firsts, [1.0, 2.0, 9.0, 10.0], "by number, not by letter");
    let told: Vec<_> = warnings(series);
    assert_eq!(told, ["no_spacing", "no_orientation", "missing_slices"]);
    assert!(series.warnings[2].message.contains("3 to 8"));
    assert_eq!(
        (series.description.as_str(), series.files().len()),
        ("case 7", 4)
    );
}

#[test]
fn pictures_that_are_no_slices_are_named() {
    let refused = |make: &dyn Fn(&Path)| {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path());
        let library = scan(folder.path());
        let series = library.series().count();
        (series, codes(&library))
    };
    let two = |folder: &Path| {
        slice(folder, "1.png", 1);
        slice(folder, "2.png", 2);
    };
    assert_eq!(refused(&two), (1, vec![]));
    let beside_an_image = |folder: &Path| {
        let image = repository("tests/data/nifti_types/int16.nii");
        fs::copy(image, folder.join("a.nii")).unwrap();
        two(folder);
        two(&folder.join("thumbnails"));
    };
    assert_eq!(refused(&beside_an_image), (1, vec!["picture"; 4]));
    let lone = |folder: &Path| slice(folder, "1.png", 1);
    let library_of_one = refused(&lone);
    assert_eq!(library_of_one, (0, vec!["picture"]));
    let unnumbered = |folder: &Path| {
        slice(folder, "liver.png", 1);
        slice(folder, "spleen.png", 1);
    };
    assert_eq!(refused(&unnumbered), (0, vec!["picture"; 2]));
    let sizes = |folder: &Path| {
        two(folder);
        GrayImage::new(5, 3).save(folder.join("3.png")).unwrap();
    };
    assert_eq!(refused(&sizes), (0, vec!["picture_sizes"; 3]));
    let twice = |folder: &Path| {
        slice(folder, "1.png", 1);
        slice(folder, "01.png", 1);
    };
    assert_eq!(refused(&twice), (0, vec!["duplicate_positions"; 2]));
    let damaged = |folder: &Path| {
        two(folder);
        fs::write(folder.join("3.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    };
    assert_eq!(refused(&damaged), (1, vec!["malformed"]));
}

#[test]
fn a_picture_that_is_opened_is_a_flat_image() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photo.jpg");
    RgbImage::from_pixel(8, 8, Rgb([200, 200, 200]))
        .save(&path)
        .unwrap();
    let (series, volume) = only(&path);
    assert_eq!(series.grid.dims().to_array(), [8, 8, 1]);
    assert!(series.stated.lossy);
    let colour = volume.colour(glam::UVec3::ZERO).unwrap();
    assert!(colour.iter().all(|c| c.abs_diff(200) <= 2), "{colour:?}");
    assert!((volume.values_f32()[0] - 200.0).abs() <= 2.0);
}
