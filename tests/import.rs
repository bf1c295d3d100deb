//! Files to volumes and back, against figures that other programs computed.

#[path = "import/support.rs"]
mod support;
#[path = "import/synthetic.rs"]
mod synthetic;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use glam::{DAffine3, DQuat, DVec3, EulerRot, UVec3};
use m3d_viewer::geometry::VoxelGrid;
use m3d_viewer::io::{self, Progress};
use m3d_viewer::volume::{Mask, Modality, Rescale, Units, Volume, Voxels};
use serde_json::Value;
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
    assert_eq!(codes(&library), ["not_an_image"], "the RTSTRUCT is named");
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
    let mut numbers = Numbers(7);
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
fn stacks_that_are_no_volume_are_refused_with_figures() {
    type Change = fn(usize, Made) -> Made;
    let cases: [(&str, usize, Change, &str); 5] = [
        (
            "gantry_tilt",
            6,
            |k, mut made| {
                made.position.y += 0.1 * k as f64;
                made
            },
            "5.7 degrees",
        ),
        (
            "uneven_spacing",
            6,
            |k, mut made| {
                made.position.z += if k > 3 { 1.0 } else { 0.0 };
                made
            },
            "2.000 mm apart",
        ),
        (
            "duplicate_positions",
            6,
            |k, mut made| {
                made.position.z = (k % 3) as f64;
                made
            },
            "6 slices at only 3 places",
        ),
        ("single_slice", 1, |_, made| made, "folder"),
        (
            "localizer",
            1,
            |_, made| made.with(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\LOCALIZER"),
            "scout",
        ),
    ];
    for (code, count, change, words) in cases {
        let folder = tempfile::tempdir().unwrap();
        write_stack(folder.path(), "s", count, DVec3::Z, change);
        let library = scan(folder.path());
        assert_eq!(library.series().count(), 0, "{code}");
        assert_eq!(codes(&library), vec![code; count]);
        assert!(
            library.refused[0].message.contains(words),
            "{}",
            library.refused[0]
        );
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
    assert_eq!(found, [("1.2.3.4", 5), ("1.2.3.4#2", 3)]);
    assert_eq!(codes(&library), ["localizer"]);
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

/// Oblique, anisotropic, mirrored for odd seeds, and away from the origin.
fn grid(seed: u64) -> VoxelGrid {
    let mut numbers = Numbers(seed);
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
        let mut numbers = Numbers(seed);
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
    let mut numbers = Numbers(5);
    let mask = Mask::from_fn(grid, |_| numbers.bits() % 3 == 0);
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

#[test]
fn the_five_named_studies_match_the_manifest() {
    let Some(manifest) = shared("MANIFEST.json") else {
        return;
    };
    let named = [
        "ct_siemens_j2k_abdomen",
        "ibsi_sts008_ct_mr_pet",
        "ibsi2_orientation_phantom",
        "nifti_ct_totalseg",
        "nifti_orientations_12",
    ];
    let manifest = json(&manifest);
    let items = manifest["items"].as_array().unwrap();
    let mut checked = 0;
    for item in items
        .iter()
        .filter(|i| named.contains(&i["id"].as_str().unwrap()))
    {
        checked += check_item(item);
    }
    assert_eq!(checked, 1 + 1 + 3 + 6 + 1 + 1 + 7 + 12);
}

/// Checks every regular single-frame series and every readable NIfTI file of a manifest's item; how many
/// there were.
fn check_item(item: &Value) -> usize {
    let id = item["id"].as_str().unwrap();
    let Some(root) = shared(id) else { return 0 };
    let mut checked = 0;
    for series in item["reference"]["dicom_series"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let volume = &series["volume"];
        let regular = volume["uniform_spacing"] == true
            && volume["shear_deg"].as_f64().unwrap() < 0.5
            && series["n_frames"] == series["files"];
        if regular {
            let folder = root.join(series["dir"].as_str().unwrap());
            let library = scan(&folder);
            let found = library.series().next();
            let found =
                found.unwrap_or_else(|| panic!("{}: {:?}", folder.display(), library.refused));
            check(&folder.to_string_lossy(), &load(found), volume);
            checked += 1;
        }
    }
    for (name, figures) in item["reference"]["nifti_files"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let path = root.join(name);
        let library = scan(&path);
        if let Some(series) = library.series().next() {
            if figures["shape"].as_array().unwrap().len() == 3 {
                check(&path.to_string_lossy(), &load(series), figures);
                checked += 1;
            }
        }
    }
    checked
}

#[test]
fn every_regular_series_of_the_collection_matches_the_manifest() {
    let Some(manifest) = shared("MANIFEST.json") else {
        return;
    };
    let manifest = json(&manifest);
    let checked: usize = manifest["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(check_item)
        .sum();
    // As many as the collection had when this was written; fewer means that something is refused anew.
    assert!(checked >= 60, "{checked}");
}

fn files_under(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_under(&path));
        } else {
            found.insert(path);
        }
    }
    found
}

#[test]
fn every_file_of_the_collection_is_accounted_for_and_none_panics() {
    let Some(root) = shared("") else { return };
    for entry in std::fs::read_dir(root).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let library = scan(&folder);
        let mut seen: Vec<PathBuf> = library.refused.iter().map(|r| r.path.clone()).collect();
        for series in library.series() {
            seen.extend(series.files().into_iter().map(Path::to_owned));
            match io::load(series, &Progress::silent()) {
                Ok(volume) => assert_eq!(volume.grid(), &series.grid),
                Err(error) => eprintln!("{name}: {error}"),
            }
        }
        let count = seen.len();
        let seen: BTreeSet<_> = seen.into_iter().collect();
        assert_eq!(seen.len(), count, "{name}: a file is listed twice");
        assert_eq!(seen, files_under(&folder), "{name}: a file is missing");
        let mut codes = codes(&library);
        codes.dedup();
        eprintln!(
            "{name}: {} series, refused for {codes:?}",
            library.series().count()
        );
        if let Some(code) = must_be_refused(&name) {
            assert!(
                codes.contains(&code),
                "{name}: {code} is not among {codes:?}"
            );
        }
    }
}

/// The reason that the collection was chosen to give.
fn must_be_refused(folder: &str) -> Option<&'static str> {
    Some(match folder {
        "ct_ge_tilt_uneven_head" => "gantry_tilt",
        "mr_ge_4d_fmri" | "dicom2nifti_failing_a" => "duplicate_positions",
        "mr_siemens_xa30_enhanced" => "multi_frame",
        "mr_siemens_mosaic" | "mr_transfer_syntaxes" => "mosaic",
        "nifti_misc_niivue" => "complex",
        "nifti_rs_resources" => "colour",
        _ => return None,
    })
}
