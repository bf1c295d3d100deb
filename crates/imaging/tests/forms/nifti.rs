//! What bug reports say of NIfTI: each kind with the file it was seen in.

use crate::support::{load, only, repository, scan, shared};
use crate::{warnings, written};

fn ramp() -> Vec<u8> {
    std::fs::read(repository("tests/data/nifti_malformed/00_valid.nii")).unwrap()
}

/// A ramp with sizes (`dim`) and intent; as many bytes as they need.
fn with(dim: &[i16], intent: i16) -> Vec<u8> {
    let mut bytes = ramp();
    bytes[40..42].copy_from_slice(&(dim.len() as i16).to_le_bytes());
    for (n, size) in dim.iter().enumerate() {
        bytes[42 + 2 * n..44 + 2 * n].copy_from_slice(&size.to_le_bytes());
    }
    bytes[68..70].copy_from_slice(&intent.to_le_bytes());
    let count: usize = dim.iter().map(|&size| size as usize).product();
    bytes.resize(352 + 2 * count, 1);
    bytes
}

#[test]
fn vectors_are_no_time_points() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.nii");
    for (dim, intent, times, code, words) in [
        (&[4, 3, 2, 5][..], 0, 5, "first_time_point", "5 time points"),
        (&[4, 3, 2, 5], 2001, 5, "first_time_point", "5 time points"),
        (
            &[4, 3, 2, 1, 3],
            1006,
            1,
            "vector_component",
            "a displacement of 3",
        ),
        (
            &[4, 3, 2, 3],
            1006,
            1,
            "vector_component",
            "a displacement of 3",
        ),
        (&[4, 3, 2, 3], 1007, 1, "vector_component", "a vector of 3"),
        (&[4, 3, 2, 1, 3], 2003, 1, "vector_component", "a colour"),
        (&[4, 3, 2, 1, 2], 5, 1, "vector_component", "a statistic"),
        (&[4, 3, 2, 1, 3], 0, 1, "vector_component", "a vector of 3"),
        (
            &[4, 3, 2, 2, 3],
            1007,
            2,
            "vector_component",
            "a vector of 3",
        ),
        (
            &[4, 3, 2, 6],
            1005,
            1,
            "vector_component",
            "a symmetric matrix of 6",
        ),
    ] {
        let series = written(&path, with(dim, intent)).unwrap();
        assert_eq!(series.times, times, "{dim:?} {intent}");
        let told = series.warnings.iter().find(|w| w.code == code);
        let told = told.unwrap_or_else(|| panic!("{dim:?}: {:?}", series.warnings));
        assert!(told.message.contains(words), "{}", told.message);
        let is_first = warnings(&series).contains(&"first_time_point");
        assert_eq!(is_first, times > 1, "{dim:?} {intent}");
    }
}

#[test]
fn single_pictures_open_and_rows_of_numbers_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.nii");
    for dim in [&[4, 3][..], &[4, 3, 1], &[1, 4, 3], &[4, 3, 1, 2]] {
        assert!(written(&path, with(dim, 0)).is_ok(), "{dim:?}");
    }
    for dim in [&[4][..], &[1, 1, 9], &[1, 1, 1, 9]] {
        assert_eq!(written(&path, with(dim, 0)).unwrap_err(), "too_small");
    }
    assert_eq!(
        written(&path, with(&[4, 3, 2], 3006)).unwrap_err(),
        "not_an_image"
    );
}

#[test]
fn a_single_slice_may_lack_its_third_direction() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.nii");
    let mut bytes = with(&[4, 3], 0);
    // pixdim[3], and the third column of the sform.
    for at in [88, 288, 304, 320] {
        bytes[at..at + 4].fill(0);
    }
    let series = written(&path, &bytes).unwrap();
    assert!((series.grid.spacing_mm().z - 1.0).abs() < 1e-6);
}

#[test]
fn number_types_that_are_not_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.nii");
    for (datatype, code) in [
        (1_i16, "pixel_format"),
        (1536, "pixel_format"),
        (2048, "pixel_format"),
        (7, "malformed"),
    ] {
        let mut bytes = ramp();
        bytes[70..72].copy_from_slice(&datatype.to_le_bytes());
        assert_eq!(written(&path, &bytes).unwrap_err(), code, "{datatype}");
    }
}

/// The files of the reports; their names say what was seen.
#[test]
fn reported_files_open_as_the_standard_says() {
    let Some(folder) = shared("bug_cases/nifti") else {
        return;
    };
    for (name, wanted) in [
        ("n1-itk3514-sform-unit.nii", &["spacings_differ"][..]),
        (
            "n2-nifticlib127-pixdim-contradicts.nii",
            &["orientations_differ", "spacings_differ"],
        ),
        ("n3-itk3884-dispvect.nii.gz", &["vector_component"]),
        (
            "n3b-voxelmorph438-dispvect-as-time.nii.gz",
            &["vector_component"],
        ),
        ("n5-sct2106-qform-differs.nii.gz", &["orientations_differ"]),
        ("n7-nibabel589-analyze.hdr", &["no_orientation"]),
        ("n9-2d-time.nii.gz", &["first_time_point"]),
        ("n10-scl.nii.gz", &[]),
        ("n11-itk2674-small-voxels.nii.gz", &[]),
        ("n12-qfac0.nii", &[]),
        ("n13-negative-pixdim.nii", &["no_orientation"]),
        ("n14-float64.nii.gz", &["reduced_precision"]),
    ] {
        let (series, volume) = only(&folder.join(name));
        assert_eq!(warnings(&series), wanted, "{name}: {:?}", series.warnings);
        assert_eq!(*load(&series).grid(), *volume.grid());
    }
    let apart = only(&folder.join("n5-sct2106-qform-differs.nii.gz")).0;
    let told = &apart.warnings[0].message;
    assert!(told.contains("mm apart"), "{told}");
    let library = scan(&folder);
    assert!(library.refused.is_empty(), "{:?}", library.refused);
}

#[test]
fn colours_and_complex_numbers_of_the_collection_open_with_a_word() {
    for (name, code) in [
        (
            "nifti_misc_niivue/complex_image.nii.gz",
            "complex_magnitude",
        ),
        (
            "nifti_rs_resources/complex/complex64.nii",
            "complex_magnitude",
        ),
    ] {
        let Some(path) = shared(name) else { return };
        let (series, volume) = only(&path);
        assert!(warnings(&series).contains(&code), "{name}");
        assert!(volume.statistics().max.is_finite(), "{name}");
    }
    for name in [
        "nifti_misc_niivue/ct_perfusion.nii.gz",
        "nifti_rs_resources/rgb/4D.nii",
        "nifti_rs_resources/rgba/4D.nii",
    ] {
        let Some(path) = shared(name) else { return };
        assert!(only(&path).1.voxels().is_colour(), "{name}");
    }
}
