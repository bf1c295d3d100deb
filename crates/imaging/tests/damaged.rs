//! Files made to break readers: each is an error or an image, soon, and without much memory.

#[path = "import/support.rs"]
#[allow(dead_code, reason = "this test needs a part of it")]
mod support;
#[path = "import/synthetic.rs"]
#[allow(dead_code, reason = "this test needs a part of it")]
mod synthetic;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use glam::{DAffine3, DVec3, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::io::{self, AnonymizeKey, AnonymizeOptions, Progress, objects};
use support::{repository, scan, shared};
use synthetic::Made;

/// Long enough for a busy machine; what hangs takes longer.
const MOST_TIME: Duration = Duration::from_secs(20);
/// The tests of this file run side by side.
const MOST_MEMORY_KIB: u64 = 1 << 20;

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push(path);
        }
    }
    all.sort();
    all
}

/// The most memory that the process has had, where the system tells.
fn peak_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// What a reader does with a file: list it, open all of it, and make a copy without identities. Whether there was an
/// image or an object.
fn use_all(path: &Path) -> bool {
    let progress = Progress::silent();
    let Ok(library) = io::scan(path, &progress) else {
        return false;
    };
    for series in library.series() {
        if let Ok(volume) = io::load(series, &progress) {
            assert_eq!(*volume.grid(), series.grid, "{}", path.display());
        }
        let _ = io::load_slice(series, series.grid.dims().z / 2, &progress);
    }
    let grid = VoxelGrid::new(UVec3::splat(16), DAffine3::IDENTITY).unwrap();
    let grid = library.first_series().map_or(grid, |series| series.grid);
    for object in &library.objects {
        let _ = objects::load(object, &grid, &progress);
    }
    let out = tempfile::tempdir().unwrap();
    let options = AnonymizeOptions {
        key: AnonymizeKey::from_secret(b"test"),
        keep_burned_in: true,
    };
    let copied = io::anonymize(path, out.path(), &options, &progress);
    if copied.is_ok_and(|copied| copied.images > 0) {
        io::scan(out.path(), &progress).unwrap();
    }
    library.series().next().is_some() || !library.objects.is_empty()
}

/// Uses every file within the limits.
fn walk(files: Vec<PathBuf>) {
    let count = files.len();
    assert!(count > 0);
    let mut opened = 0;
    for file in files {
        let (done, wait) = mpsc::channel();
        let path = file.clone();
        let work = thread::spawn(move || {
            let found = use_all(&path);
            let _ = done.send(());
            found
        });
        if let Err(mpsc::RecvTimeoutError::Timeout) = wait.recv_timeout(MOST_TIME) {
            panic!("{}: still at it after {MOST_TIME:?}", file.display());
        }
        let Ok(found) = work.join() else {
            panic!("{}: panicked", file.display());
        };
        opened += usize::from(found);
        if let Some(peak) = peak_kib() {
            assert!(peak < MOST_MEMORY_KIB, "{}: {peak} KiB", file.display());
        }
    }
    eprintln!("{opened} of {count} files opened");
}

/// A collection of DICOM files made to break readers, among them those of published weaknesses.
#[test]
fn dicom_files_made_to_break_readers() {
    if let Some(folder) = shared("dicom_fuzz_a") {
        walk(files(&folder));
    }
}

/// What fuzzing found worth keeping, and what it broke once.
#[test]
fn files_that_fuzzing_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut copies = Vec::new();
    for (target, ending) in [
        ("dicom", "dcm"),
        ("seg", "dcm"),
        ("nifti", "nii"),
        ("nrrd", "nrrd"),
        ("metaimage", "mha"),
        ("npy", "npy"),
        ("zip", "zip"),
    ] {
        for file in files(&repository("fuzz/corpus").join(target)) {
            let name = file.file_name().unwrap().to_string_lossy();
            let copy = folder.path().join(format!("{target}_{name}.{ending}"));
            fs::copy(&file, &copy).unwrap();
            copies.push(copy);
        }
    }
    copies.extend(files(&repository("crates/imaging/tests/data/damaged")));
    walk(copies);
}

/// Slices whose distances cannot be counted in the smallest gap: resampled to a number that can be, or refused.
#[test]
fn slices_further_apart_than_can_be_counted() {
    let folder = tempfile::tempdir().unwrap();
    for (k, at) in [0.0, 1.0, 1e30].into_iter().enumerate() {
        let made = Made {
            position: DVec3::Z * at,
            pixels: (0..12).map(|n| n + k as u16).collect(),
            ..Made::default()
        };
        let uid = format!("1.2.3.{k}");
        let made = made.with(
            dicom_dictionary_std::tags::SOP_INSTANCE_UID,
            dicom_core::VR::UI,
            &uid,
        );
        made.write(&folder.path().join(format!("{k}.dcm")));
    }
    let library = scan(folder.path());
    for series in library.series() {
        assert!(series.grid.dims().z <= 12, "{}", series.grid.dims());
        let _ = io::load(series, &Progress::silent());
    }
    assert!(library.series().count() + library.refused.len() > 0);
}

/// New UIDs are longer than "1": more of them than a value holds are no copy whose lengths lie.
#[test]
fn uids_that_do_not_fit_are_refused() {
    let file = repository("crates/imaging/tests/data/damaged/many_short_uids.dcm");
    assert_eq!(scan(&file).series().count(), 1);
    let out = tempfile::tempdir().unwrap();
    let options = AnonymizeOptions {
        key: AnonymizeKey::from_secret(b"test"),
        keep_burned_in: true,
    };
    let copied = io::anonymize(&file, out.path(), &options, &Progress::silent()).unwrap();
    assert_eq!((copied.images, copied.refused.len()), (0, 1));
    assert_eq!(copied.refused[0].code, "malformed");
}
