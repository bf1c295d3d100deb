//! Bad input: one clear line that says what and where, never a panic.

#[path = "import/support.rs"]
#[allow(dead_code, reason = "this test needs a part of it")]
mod support;
#[path = "import/synthetic.rs"]
#[allow(dead_code, reason = "this test needs a part of it")]
mod synthetic;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use flate2::Compression;
use flate2::write::GzEncoder;
use glam::DVec3;
use m3d_imaging::io::{self, IoError, Progress};
use m3d_imaging::volume::{Modality, Rescale, Units, Volume, Voxels};
use support::{Numbers, codes, json, repository, scan};
use synthetic::{Made, write_stack};

fn scan_error(path: &Path) -> IoError {
    io::scan(path, &Progress::silent()).unwrap_err()
}

/// One line that names the path and says what to do.
fn assert_line(message: &str, path: &Path, words: &str) {
    assert!(!message.contains('\n'), "{message}");
    assert!(message.contains(&*path.to_string_lossy()), "{message}");
    assert!(message.contains(words), "{message}");
}

#[test]
fn an_empty_folder_and_a_missing_path_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("inside")).unwrap();
    let error = scan_error(folder.path());
    assert!(matches!(error, IoError::Empty(_)));
    assert_line(&error.to_string(), folder.path(), "open a folder");

    let missing = folder.path().join("nowhere");
    let error = scan_error(&missing);
    assert!(matches!(error, IoError::NotFound(_)));
    assert_line(&error.to_string(), &missing, "does not exist");
}

#[test]
fn text_files_are_listed_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("a.txt", "hello"), ("b.dcm", "no image"), ("empty", "")] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    fs::write(folder.path().join("c.nii"), "x".repeat(400)).unwrap();
    let library = scan(folder.path());
    assert_eq!(library.series().count(), 0);
    assert_eq!(codes(&library), ["not_an_image"; 4]);
    assert_line(
        &library.refused[0].to_string(),
        &folder.path().join("a.txt"),
        "neither",
    );
}

#[cfg(unix)]
#[test]
fn broken_links_and_links_to_folders_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("broken.dcm")).unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("circle")).unwrap();
    assert_eq!(codes(&scan(folder.path())), ["link", "unreadable"]);
}

#[test]
fn cancelling_ends_scan_and_load() {
    let cancelled = AtomicBool::new(true);
    let report = |_: f32| {};
    let progress = Progress::new(&report, &cancelled);
    let path = repository("tests/data/ibsi2_orientation/dicom");
    assert!(matches!(
        io::scan(&path, &progress),
        Err(IoError::Cancelled)
    ));
    let library = scan(&path);
    let series = library.series().next().unwrap();
    assert!(matches!(
        io::load(series, &progress),
        Err(IoError::Cancelled)
    ));
}

#[test]
fn progress_rises_to_one() {
    let cancelled = AtomicBool::new(false);
    let highest = std::sync::Mutex::new(0.0_f32);
    let report = |share: f32| {
        let mut highest = highest.lock().unwrap();
        *highest = highest.max(share);
    };
    let progress = Progress::new(&report, &cancelled);
    let library = io::scan(&repository("tests/data/ibsi2_orientation/dicom"), &progress).unwrap();
    assert_eq!(*highest.lock().unwrap(), 1.0);
    *highest.lock().unwrap() = 0.0;
    io::load(library.series().next().unwrap(), &progress).unwrap();
    assert_eq!(*highest.lock().unwrap(), 1.0);
}

fn ct_slices() -> Vec<std::path::PathBuf> {
    let folder = repository("tests/data/ibsi2_orientation/dicom");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    files
}

/// A DICOM file cut anywhere is refused, or it is not there to be mistaken for a whole one.
#[test]
fn a_dicom_file_cut_anywhere_is_refused() {
    let whole = fs::read(&ct_slices()[0]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.dcm");
    let mut truncated = 0;
    for length in (0..whole.len() - 1)
        .step_by(61)
        .chain([131, 132, 140, whole.len() - 2])
    {
        fs::write(&path, &whole[..length]).unwrap();
        let library = scan(&path);
        assert_eq!(library.refused.len(), 1);
        assert_ne!(
            library.refused[0].code, "single_slice",
            "{length} bytes passed for a slice"
        );
        truncated += usize::from(library.refused[0].code == "truncated");
    }
    assert!(truncated > 30, "{truncated}");
    assert_line(&scan(&path).refused[0].to_string(), &path, "copy or export");
}

#[test]
fn one_cut_slice_leaves_the_rest_of_the_library_standing() {
    let folder = tempfile::tempdir().unwrap();
    for (n, file) in ct_slices().iter().enumerate() {
        let bytes = fs::read(file).unwrap();
        let length = if n == 5 {
            bytes.len() - 100
        } else {
            bytes.len()
        };
        fs::write(folder.path().join(format!("{n}.dcm")), &bytes[..length]).unwrap();
    }
    let library = scan(folder.path());
    let cut: Vec<_> = library
        .refused
        .iter()
        .filter(|r| r.code == "truncated")
        .collect();
    assert_eq!(cut.len(), 1);
    assert_eq!(cut[0].path, folder.path().join("5.dcm"));
}

#[test]
fn a_file_cut_after_the_scan_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    for (n, file) in ct_slices().iter().enumerate() {
        fs::copy(file, folder.path().join(format!("{n}.dcm"))).unwrap();
    }
    let library = scan(folder.path());
    let victim = folder.path().join("7.dcm");
    let bytes = fs::read(&victim).unwrap();
    fs::write(&victim, &bytes[..bytes.len() / 2]).unwrap();
    let error = io::load(library.series().next().unwrap(), &Progress::silent()).unwrap_err();
    assert_line(&error.to_string(), &victim, "open the folder again");
}

/// Damaged compressed pixels cost the series an error, never the program.
#[test]
fn damaged_jpeg_2000_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let sample = repository("assets/sample/ct_abdomen");
    let mut files: Vec<_> = fs::read_dir(sample)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    let mut numbers = Numbers::new(11);
    for (n, file) in files.iter().take(3).enumerate() {
        let mut bytes = fs::read(file).unwrap();
        let start = bytes
            .windows(4)
            .position(|w| w == [0xFF, 0x4F, 0xFF, 0x51])
            .unwrap();
        if n == 1 {
            // The picture claims to be 60000 pixels wide.
            bytes[start + 8..start + 12].copy_from_slice(&60_000_u32.to_be_bytes());
        }
        if n == 2 {
            for byte in bytes.iter_mut().skip(start + 200).step_by(97) {
                *byte = numbers.bits() as u8;
            }
        }
        fs::write(folder.path().join(format!("{n}.dcm")), bytes).unwrap();
    }
    let library = scan(folder.path());
    let error = io::load(library.series().next().unwrap(), &Progress::silent()).unwrap_err();
    assert!(error.to_string().contains("cannot be decoded"), "{error}");
}

fn ramp() -> Vec<u8> {
    fs::read(repository("tests/data/nifti_malformed/00_valid.nii")).unwrap()
}

#[test]
fn a_nifti_cut_anywhere_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let whole = ramp();
    let path = folder.path().join("cut.nii");
    for length in (0..whole.len())
        .step_by(53)
        .chain([347, 348, 351, whole.len() - 1])
    {
        fs::write(&path, &whole[..length]).unwrap();
        let library = scan(&path);
        assert_eq!(codes(&library), ["truncated"], "{length} bytes");
    }
    assert_line(&scan(&path).refused[0].to_string(), &path, "copy it again");

    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&whole).unwrap();
    let packed = gzip.finish().unwrap();
    let path = folder.path().join("cut.nii.gz");
    for length in (0..packed.len() - 9).step_by(29) {
        fs::write(&path, &packed[..length]).unwrap();
        let library = scan(&path);
        let Some(series) = library.series().next() else {
            assert_eq!(library.refused.len(), 1);
            continue;
        };
        let error = io::load(series, &Progress::silent()).unwrap_err();
        assert_line(&error.to_string(), &path, "copy it again");
    }
}

#[test]
fn a_header_that_claims_too_much_is_refused_before_memory_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = ramp();
    for axis in 1..=3 {
        bytes[40 + 2 * axis..42 + 2 * axis].copy_from_slice(&30_000_i16.to_le_bytes());
    }
    let path = folder.path().join("huge.nii");
    fs::write(&path, &bytes).unwrap();
    assert_eq!(codes(&scan(&path)), ["too_large"]);

    // 2 GiB are not too large in themselves, but they are not in this file, packed or not.
    for axis in 1..=3 {
        bytes[40 + 2 * axis..42 + 2 * axis].copy_from_slice(&1_000_i16.to_le_bytes());
    }
    fs::write(&path, &bytes).unwrap();
    assert_eq!(codes(&scan(&path)), ["truncated"]);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&bytes).unwrap();
    let path = folder.path().join("huge.nii.gz");
    fs::write(&path, gzip.finish().unwrap()).unwrap();
    assert_eq!(codes(&scan(&path)), ["truncated"]);
}

#[test]
fn malformed_niftis_end_as_they_should() {
    let folder = repository("tests/data/nifti_malformed");
    let expected = json(&folder.join("EXPECTED.json"));
    let reference = support::only(&folder.join("00_valid.nii")).1;
    assert_eq!(
        reference.value(glam::UVec3::new(3, 4, 5)),
        Some(3.0 + 80.0 + 1500.0)
    );
    for (name, outcome) in expected.as_object().unwrap() {
        let outcome = outcome.as_str().unwrap();
        let library = scan(&folder.join(name));
        let loaded = library
            .series()
            .next()
            .map(|s| io::load(s, &Progress::silent()));
        if outcome.starts_with("must load") {
            assert_eq!(
                loaded.unwrap().unwrap().values_f32(),
                reference.values_f32(),
                "{name}"
            );
        } else {
            assert!(
                !matches!(loaded, Some(Ok(_))),
                "{name} should be refused: {outcome}"
            );
        }
    }
}

#[test]
fn writing_where_it_cannot_leaves_nothing_behind() {
    let volume = support::only(&repository("tests/data/nifti_types/int16.nii")).1;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("volume.txt");
    let error = io::write_nifti(&path, &volume).unwrap_err();
    assert_line(&error.to_string(), &path, ".nii.gz");
    let path = folder.path().join("missing/volume.nii");
    assert_line(
        &io::write_nifti(&path, &volume).unwrap_err().to_string(),
        &path,
        "cannot be written",
    );
    // A folder of that name stands in the way.
    let path = folder.path().join("folder.nii");
    fs::create_dir_all(path.join("inside")).unwrap();
    assert!(io::write_nifti(&path, &volume).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

fn put(bytes: &mut [u8], at: usize, values: &[f32]) {
    for (n, value) in values.iter().enumerate() {
        bytes[at + 4 * n..at + 4 * n + 4].copy_from_slice(&value.to_le_bytes());
    }
}

#[test]
fn voxels_of_impossible_sizes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sizes.nii");
    let with = |mm: f32| {
        let mut bytes = ramp();
        bytes[123] = 2;
        bytes[252..256].fill(0);
        put(&mut bytes, 80, &[mm, mm, mm]);
        fs::write(&path, &bytes).unwrap();
        codes(&scan(&path))
    };
    for mm in [2e4, 1e-5, 1e30] {
        assert_eq!(with(mm), ["absurd_spacing"], "{mm}");
    }
    for mm in [1e4, 1.0, 2e-4] {
        assert!(with(mm).is_empty(), "{mm}");
    }
}

#[test]
fn an_orientation_of_no_use_is_not_called_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("place.nii");
    let warnings = |codes: [u8; 2], sform: f32, qform: f32| {
        let mut bytes = ramp();
        bytes[252..256].copy_from_slice(&[codes[0], 0, codes[1], 0]);
        put(&mut bytes, 80, &[1.0, 1.0, 1.0]);
        put(&mut bytes, 256, &[0.0, 0.0, 0.0, qform, 0.0, 0.0]);
        let row = [0.0, 0.0, 0.0, 0.0];
        let rows = [[sform, 0.0, 0.0, 0.0], row, row].concat();
        put(&mut bytes, 280, &rows);
        fs::write(&path, &bytes).unwrap();
        let library = scan(&path);
        let series = library.series().next().unwrap();
        let found: Vec<_> = series.warnings.iter().map(|w| w.code).collect();
        let words: Vec<_> = series.warnings.iter().map(|w| w.message.clone()).collect();
        (found, words.join(" "))
    };
    assert_eq!(warnings([0, 0], 1.0, 0.0).0, ["no_orientation"]);
    for (codes, sform, qform, words) in [
        ([0, 1], 1.0, 0.0, "sform is unusable"),
        ([0, 1], f32::NAN, 0.0, "left and right are a guess"),
        ([1, 0], 1.0, f32::NAN, "qform is unusable"),
        ([1, 1], 1.0, f32::NAN, "sform and qform are unusable"),
        ([1, 1], 1.0, 0.0, "its qform is used"),
    ] {
        let (found, told) = warnings(codes, sform, qform);
        assert_eq!(found, ["unusable_orientation"], "{codes:?} {told}");
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn a_header_says_whether_it_knows_left_and_whether_it_holds_labels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stated.nii");
    let stated = |codes: [u8; 2], intent: i16| {
        let mut bytes = ramp();
        bytes[252..256].copy_from_slice(&[codes[0], 0, codes[1], 0]);
        bytes[68..70].copy_from_slice(&intent.to_le_bytes());
        put(&mut bytes, 80, &[1.0, 1.0, 1.0]);
        fs::write(&path, &bytes).unwrap();
        let library = scan(&path);
        let stated = &library.series().next().unwrap().stated;
        (stated.side_known, stated.label_map)
    };
    assert_eq!(stated([0, 0], 0), (false, false));
    assert_eq!(stated([1, 0], 0), (true, false));
    // NIFTI_INTENT_LABEL, and a statistic.
    assert_eq!(stated([1, 0], 1002), (true, true));
    assert_eq!(stated([1, 0], 3), (true, false));
}

#[test]
fn a_mask_is_above_zero_and_has_one_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.nii");
    let grid = *support::only(&repository("tests/data/nifti_malformed/00_valid.nii"))
        .1
        .grid();
    let values: Vec<i8> = (0..grid.len())
        .map(|n| n as i8 % 2 - (n % 3) as i8)
        .collect();
    let inside = values.iter().filter(|&&v| v > 0).count();
    assert!(values.iter().any(|&v| v < 0) && inside > 0);
    let voxels = Voxels::I8(values);
    let volume = Volume::new(
        grid,
        voxels,
        Rescale::IDENTITY,
        Modality::Other,
        Units::Arbitrary,
    );
    io::write_nifti(&path, &volume.unwrap()).unwrap();
    assert_eq!(io::read_mask(&path, &grid).unwrap().count(), inside);

    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_within(352..);
    bytes[40] = 4;
    bytes[48] = 2;
    fs::write(&path, &bytes).unwrap();
    let error = io::read_mask(&path, &grid).unwrap_err();
    assert_line(&error.to_string(), &path, "2 time points");
}

#[test]
fn series_without_a_uid_have_names_that_stay() {
    let folder = tempfile::tempdir().unwrap();
    for (name, number) in [("one", "7"), ("two", "7"), ("two/deep", "")] {
        let inside = folder.path().join(name);
        fs::create_dir_all(&inside).unwrap();
        write_stack(&inside, "s", 4, DVec3::Z, |_, made| {
            let made = Made { series: "", ..made };
            made.with(tags::SERIES_NUMBER, VR::IS, number)
        });
    }
    // Another study in the same folder, with the same number.
    write_stack(&folder.path().join("one"), "t", 3, DVec3::Z, |_, made| {
        Made { series: "", ..made }
            .with(tags::SERIES_NUMBER, VR::IS, "7")
            .with(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.9")
    });
    let uids = || {
        let library = scan(folder.path());
        let mut uids: Vec<_> = library.series().map(|s| s.uid.clone()).collect();
        uids.sort();
        uids
    };
    let wanted = [
        "no-uid/one/7",
        "no-uid/one/7#2",
        "no-uid/two/7",
        "no-uid/two/deep/none",
    ];
    assert_eq!(uids(), wanted);
    assert_eq!(uids(), wanted);
}

#[test]
fn one_place_is_not_called_places() {
    let folder = tempfile::tempdir().unwrap();
    write_stack(folder.path(), "s", 3, DVec3::ZERO, |_, made| made);
    let library = scan(folder.path());
    let message = library.refused[0].to_string();
    assert!(message.contains("3 slices at only 1 place, "), "{message}");
}
