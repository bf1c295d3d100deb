//! Files to volumes and back, against figures that other programs computed.

#[path = "import/collection.rs"]
mod collection;
#[path = "import/colours.rs"]
mod colours;
#[path = "import/round_trip.rs"]
mod round_trip;
#[path = "import/support.rs"]
mod support;
#[path = "import/synthetic.rs"]
mod synthetic;

use std::path::Path;

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use glam::{DQuat, DVec3, EulerRot, UVec3};
use m3d_imaging::io::{self, Progress, Role};
use m3d_imaging::volume::{Modality, Rescale, Units, Voxels};
use support::{Numbers, check, codes, json, load, only, repository, scan, shared};
use synthetic::{Made, write_stack};

#[test]
fn bundled_files_give_their_figures() {
    let expected = json(&repository("tests/data/expected.json"));
    for (path, figures) in expected.as_object().unwrap() {
        let library = scan(&repository(path));
        let series: Vec<_> = library.series().collect();
        assert_eq!(series.len(), 1, "{path}: {:?}", library.refused);
        check(path, &load(series[0]), figures);
    }
}

#[test]
fn what_the_headers_say_is_kept() {
    let (series, volume) = only(&repository("assets/sample/ct_abdomen"));
    assert_eq!(
        (series.modality, series.units),
        (Modality::Ct, Units::Hounsfield)
    );
    assert!(
        matches!(volume.voxels(), Voxels::U16(_)),
        "stored as it came"
    );
    assert_eq!(volume.rescale().intercept, -1024.0);
    assert_eq!(volume.value(UVec3::new(256, 256, 10)), Some(-47.0));
    assert_eq!(series.files().len(), 20);
    assert!(!series.windows.is_empty(), "the file recommends windows");

    let library = scan(&repository("tests/data/ibsi_pet/dicom"));
    assert_eq!(codes(&library), [""; 0]);
    assert_eq!(library.objects.len(), 1, "the RTSTRUCT is listed");
    let series = library.series().next().unwrap();
    assert_eq!(series.modality, Modality::Pet);
    // Each slice of a PET has its own slope.
    assert!(matches!(
        load(series).voxels(),
        Voxels::F32(_) | Voxels::I16(_)
    ));
}

/// All files hold one image with its axes in another order: at a point of the patient they agree.
fn same_at_every_point(folder: &Path, count: usize) {
    let library = scan(folder);
    let volumes: Vec<_> = library.series().map(|s| (&s.uid, load(s))).collect();
    assert_eq!(volumes.len(), count, "{:?}", library.refused);
    let reference = &volumes
        .iter()
        .find(|(uid, _)| *uid == "RAS.nii.gz")
        .unwrap()
        .1;
    let mut numbers = Numbers::new(7);
    for _ in 0..2000 {
        let dims = reference.grid().dims().as_dvec3();
        let voxel = dims.map(|size| numbers.between(0.0, size - 1.0)).round();
        let at = reference
            .grid()
            .patient_from_voxel()
            .transform_point3(voxel);
        let wanted = reference.value(voxel.as_uvec3()).unwrap();
        for (uid, volume) in &volumes {
            let there = volume.grid().voxel_from_patient().transform_point3(at);
            assert!(
                (there - there.round()).abs().max_element() < 1e-3,
                "{uid}: {there}"
            );
            let found = volume.grid().nearest(there).and_then(|v| volume.value(v));
            assert_eq!(found, Some(wanted), "{uid} at {at}");
        }
    }
}

#[test]
fn orientations_agree_in_the_patient() {
    same_at_every_point(&repository("tests/data/orientations"), 4);
    if let Some(folder) = shared("nifti_orientations_12") {
        same_at_every_point(&folder, 12);
    }
}

/// Slices at any orientation: i runs along the row direction with the distance between columns, k along
/// row x column whatever the order of the files.
#[test]
fn oblique_mirrored_and_sagittal_stacks_lie_right() {
    let turn = DQuat::from_euler(EulerRot::XYZ, 0.5, -0.3, 0.8);
    let frames = [
        (DVec3::X, DVec3::Y),
        (DVec3::NEG_X, DVec3::Y),
        (DVec3::NEG_X, DVec3::NEG_Y),
        (DVec3::Y, DVec3::NEG_Z),
        (DVec3::X, DVec3::NEG_Z),
        (turn * DVec3::X, turn * DVec3::Y),
    ];
    for (row, column) in frames {
        // Files are written from either end.
        for towards in [1.0, -1.0] {
            let normal = row.cross(column);
            let folder = tempfile::tempdir().unwrap();
            write_stack(folder.path(), "s", 5, normal * 2.5 * towards, |_, made| {
                Made {
                    row,
                    column,
                    ..made
                }
            });
            let (series, volume) = only(folder.path());
            let map = series.grid.patient_from_voxel();
            assert!((map.matrix3.x_axis - row * 0.25).length() < 1e-6);
            assert!((map.matrix3.y_axis - column * 0.5).length() < 1e-6);
            assert!((map.matrix3.z_axis - normal * 2.5).length() < 1e-6);
            let lowest = if towards > 0.0 { 0.0 } else { -10.0 };
            let origin = DVec3::new(10.0, 20.0, 30.0) + normal * lowest;
            assert!(map.translation.distance(origin) < 1e-6);
            let top = if towards > 0.0 { 400.0 } else { 0.0 };
            assert_eq!(volume.value(UVec3::new(0, 0, 4)), Some(top));
            assert_eq!(volume.value(UVec3::new(1, 2, 4)), Some(top + 7.0));
        }
    }
}

#[test]
fn rescale_is_kept_when_shared_and_worked_out_when_not() {
    let folder = tempfile::tempdir().unwrap();
    write_stack(folder.path(), "s", 3, DVec3::Z, |_, made| {
        made.with(tags::RESCALE_SLOPE, VR::DS, "0.25")
            .with(tags::RESCALE_INTERCEPT, VR::DS, "-100")
    });
    let (series, volume) = only(folder.path());
    assert!(matches!(volume.voxels(), Voxels::U16(_)));
    assert_eq!(series.units, Units::Hounsfield);
    assert_eq!(
        volume.value(UVec3::new(2, 0, 1)),
        Some(102.0 * 0.25 - 100.0)
    );

    let folder = tempfile::tempdir().unwrap();
    write_stack(folder.path(), "s", 3, DVec3::Z, |k, made| {
        made.with(
            tags::RESCALE_SLOPE,
            VR::DS,
            &format!("{}", 0.001 * (k + 1) as f64),
        )
        .with(tags::RESCALE_INTERCEPT, VR::DS, "0")
    });
    let volume = only(folder.path()).1;
    assert_eq!(volume.rescale(), Rescale::IDENTITY);
    assert_eq!(
        volume.value(UVec3::new(2, 0, 1)),
        Some((102.0_f64 * 0.002) as f32)
    );
}

#[test]
fn only_stored_bits_count_and_signs_spread() {
    let folder = tempfile::tempdir().unwrap();
    write_stack(folder.path(), "s", 2, DVec3::Z, |_, made| Made {
        signed: true,
        stored: 12,
        pixels: vec![0x0FFF, 0xF001, 0x0800, 0x07FF, 0, 0, 0, 0, 0, 0, 0, 0],
        ..made
    });
    let volume = only(folder.path()).1;
    let row: Vec<_> = (0..3)
        .filter_map(|i| volume.value(UVec3::new(i, 0, 0)))
        .collect();
    assert_eq!(row, [-1.0, 1.0, -2048.0]);
    assert_eq!(volume.value(UVec3::new(0, 1, 0)), Some(2047.0));
}

/// RLE (PS3.5 annex G): one segment of high bytes, one of low bytes, each of literal runs here.
fn rle(pixels: &[u16]) -> Vec<u8> {
    let segment = |shift: u32| {
        let mut bytes = vec![pixels.len() as u8 - 1];
        bytes.extend(pixels.iter().map(|v| (v >> shift) as u8));
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes
    };
    let (high, low) = (segment(8), segment(0));
    let mut bytes = Vec::new();
    for field in [2, 64, 64 + high.len() as u32] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.resize(64, 0);
    bytes.extend(high);
    bytes.extend(low);
    bytes
}

#[test]
fn run_lengths_in_two_fragments_are_decoded() {
    let folder = tempfile::tempdir().unwrap();
    write_stack(folder.path(), "s", 3, DVec3::Z, |_, made| Made {
        compressed: Some((uids::RLE_LOSSLESS, rle(&made.pixels))),
        ..made
    });
    let volume = only(folder.path()).1;
    let wanted: Vec<f32> = (0..36).map(|n| (100 * (n / 12) + n % 12) as f32).collect();
    assert_eq!(volume.values_f32(), wanted);
}

/// Whatever stands where compressed pixels should, decoding it ends in a volume or in one line.
#[test]
fn garbage_in_compressed_pixels_never_panics() {
    let mut numbers = Numbers::new(99);
    let starts: [(&'static str, &[u8]); 4] = [
        (uids::RLE_LOSSLESS, &[2, 0, 0, 0, 64, 0, 0, 0]),
        (uids::RLE_LOSSLESS, &[15, 0, 0, 0]),
        (
            uids::JPEG_LOSSLESS_SV1,
            &[0xFF, 0xD8, 0xFF, 0xC3, 0, 11, 16, 0, 4, 0, 3, 1],
        ),
        (uids::JPEG2000_LOSSLESS, &[0xFF, 0x4F, 0xFF, 0x51]),
    ];
    for (syntax, start) in starts {
        for _ in 0..40 {
            let mut frame = start.to_vec();
            frame.extend((0..numbers.bits() % 300).map(|_| numbers.bits() as u8));
            let folder = tempfile::tempdir().unwrap();
            write_stack(folder.path(), "s", 2, DVec3::Z, |_, made| Made {
                compressed: Some((syntax, frame.clone())),
                ..made
            });
            let library = scan(folder.path());
            let loaded = library
                .series()
                .next()
                .map(|s| io::load(s, &Progress::silent()));
            if let Some(Err(error)) = loaded {
                assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
    }
}

#[test]
fn inverted_pictures_keep_their_values_and_say_so() {
    let folder = tempfile::tempdir().unwrap();
    write_stack(folder.path(), "s", 2, DVec3::Z, |_, made| {
        made.with(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1")
    });
    let (series, volume) = only(folder.path());
    assert!(series.inverted && series.warnings.iter().any(|w| w.code == "monochrome1"));
    assert_eq!(volume.value(UVec3::new(1, 0, 1)), Some(101.0));
}

#[test]
fn places_that_repeat_without_a_reason_are_refused_with_figures() {
    let folder = tempfile::tempdir().unwrap();
    write_stack(folder.path(), "s", 6, DVec3::Z, |k, mut made| {
        made.position.z = (k % 3) as f64;
        made
    });
    let library = scan(folder.path());
    assert_eq!(library.series().count(), 0);
    assert_eq!(codes(&library), vec!["duplicate_positions"; 6]);
    let first = library.refused[0].to_string();
    assert!(first.contains("6 slices at only 3 places"), "{first}");
}

#[test]
fn a_tilted_gantry_is_kept_as_shear() {
    let folder = tempfile::tempdir().unwrap();
    write_stack(
        folder.path(),
        "s",
        6,
        DVec3::new(0.0, 0.1, 1.0),
        |_, made| made,
    );
    let (series, volume) = only(folder.path());
    let warning = series.warnings.iter().find(|w| w.code == "gantry_tilt");
    assert!(warning.unwrap().message.contains("5.7 degrees"));
    let map = series.grid.patient_from_voxel();
    assert!(map.matrix3.z_axis.distance(DVec3::new(0.0, 0.1, 1.0)) < 1e-9);
    assert_eq!(volume.value(UVec3::new(1, 2, 5)), Some(507.0));
}

#[test]
fn missing_slices_are_named_and_filled() {
    let folder = tempfile::tempdir().unwrap();
    // Slices 4 and 5 of 8 are not there.
    write_stack(folder.path(), "s", 6, DVec3::Z, |k, mut made| {
        let lost = if k > 3 { 2 } else { 0 };
        made.position.z += f64::from(lost);
        made.pixels = (0..12)
            .map(|n| 100 * (k as u16 + lost as u16) + n)
            .collect();
        made
    });
    let (series, volume) = only(folder.path());
    let warning = series.warnings.iter().find(|w| w.code == "resampled");
    let message = &warning.unwrap().message;
    assert!(
        message.contains("2 are missing (2 after slice 4)"),
        "{message}"
    );
    assert_eq!(series.grid.dims().z, 8);
    assert_eq!(
        series.resampled_from_mm.as_deref(),
        Some(&[0.0, 1.0, 2.0, 3.0, 6.0, 7.0][..])
    );
    for k in 0..8 {
        let value = volume.value(UVec3::new(1, 2, k));
        assert_eq!(value, Some(100.0 * k as f32 + 7.0), "{k}");
        let alone = io::load_slice(&series, k, &Progress::silent()).unwrap();
        assert_eq!(alone.value(UVec3::new(1, 2, 0)), value, "{k}");
    }
}

#[test]
fn one_slice_is_an_image_and_a_scout_a_localizer() {
    for (image_type, role) in [("AXIAL", Role::Volume), ("LOCALIZER", Role::Localizer)] {
        let folder = tempfile::tempdir().unwrap();
        write_stack(folder.path(), "s", 1, DVec3::Z, |_, made| {
            let image_type = format!("ORIGINAL\\PRIMARY\\{image_type}");
            made.with(tags::IMAGE_TYPE, VR::CS, &image_type).with(
                tags::SLICE_THICKNESS,
                VR::DS,
                "4",
            )
        });
        let (series, volume) = only(folder.path());
        assert_eq!(series.role, role);
        assert_eq!(series.grid.dims(), UVec3::new(3, 4, 1));
        assert_eq!(series.grid.spacing_mm().z, 4.0);
        assert_eq!(volume.value(UVec3::new(1, 2, 0)), Some(7.0));
    }
}

#[test]
fn a_little_unevenness_or_shear_is_shown_with_a_warning_or_none() {
    let folder = tempfile::tempdir().unwrap();
    write_stack(folder.path(), "s", 6, DVec3::Z, |k, mut made| {
        made.position.z += if k == 2 { 0.03 } else { 0.0 };
        made.position.y += 0.0008 * k as f64;
        made
    });
    let (series, _) = only(folder.path());
    assert_eq!(
        series
            .warnings
            .iter()
            .filter(|w| w.code == "uneven_spacing")
            .count(),
        1
    );
    assert!((series.grid.patient_from_voxel().matrix3.z_axis.y - 0.0008).abs() < 1e-9);
}

#[test]
fn localizers_and_second_volumes_inside_a_series_come_apart() {
    let folder = tempfile::tempdir().unwrap();
    write_stack(folder.path(), "axial", 5, DVec3::Z, |_, made| made);
    write_stack(folder.path(), "sagittal", 3, DVec3::X, |_, made| Made {
        row: DVec3::Y,
        column: DVec3::Z,
        ..made
    });
    write_stack(folder.path(), "scout", 1, DVec3::Y, |_, made| {
        Made {
            row: DVec3::X,
            column: DVec3::NEG_Z,
            ..made
        }
        .with(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\LOCALIZER")
    });
    let library = scan(folder.path());
    let found: Vec<_> = library
        .series()
        .map(|s| (s.uid.as_str(), s.grid.dims().z))
        .collect();
    assert_eq!(found, [("1.2.3.4", 5), ("1.2.3.4#2", 3), ("1.2.3.4#3", 1)]);
    let roles: Vec<_> = library.series().map(|s| s.role).collect();
    assert_eq!(roles, [Role::Volume, Role::Volume, Role::Localizer]);
    assert!(library.refused.is_empty());
    assert!(
        library
            .series()
            .all(|s| s.warnings.iter().any(|w| w.code == "split_series"))
    );
}

#[test]
fn a_series_copied_twice_is_two_series() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        let inside = folder.path().join(name);
        std::fs::create_dir(&inside).unwrap();
        write_stack(&inside, "s", 4, DVec3::Z, |_, made| made);
    }
    let library = scan(folder.path());
    assert_eq!(library.series().count(), 2, "{:?}", library.refused);
    assert!(library.refused.is_empty());
}

/// One slice read alone has the voxels and the place that it has in the whole.
#[test]
fn a_slice_alone_is_a_slice_of_the_whole() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    for place in ["assets/sample/ct_abdomen", "tests/data"] {
        let library = io::scan(&root.join(place), &Progress::silent()).unwrap();
        let mut seen = 0;
        for series in library.series() {
            let Ok(whole) = io::load(series, &Progress::silent()) else {
                continue; // malformed on purpose
            };
            let k = series.grid.dims().z * 2 / 3;
            let alone = io::load_slice(series, k, &Progress::silent()).unwrap();
            let mut wanted = vec![0.0; alone.grid().len()];
            whole.read_slice(k, &mut wanted);
            assert_eq!(alone.values_f32(), wanted, "{}", series.uid);
            let corner = alone.grid().patient_from_voxel().translation;
            let there = whole.grid().voxel_from_patient().transform_point3(corner);
            let place = DVec3::new(0.0, 0.0, f64::from(k));
            assert!(there.distance(place) < 1e-6, "{}: {there}", series.uid);
            seen += 1;
        }
        assert!(seen > 0, "{place}");
    }
}
