//! Zip archives and the indices of DICOM media.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use m3d_imaging::io::{self, IoError, Progress};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::forms;
use crate::support::{codes, load, only, repository, scan, shared};

fn archive(path: &Path, files: &[(&str, Vec<u8>)]) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

fn bytes(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

#[test]
fn an_archive_opens_as_a_folder_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.zip");
    let mut files = vec![
        ("deep/raw.mhd", bytes(&forms("raw.mhd"))),
        ("deep/raw.raw", bytes(&forms("raw.raw"))),
        ("vol.nii", bytes(&forms("one.nii"))),
        ("readme.txt", b"hello".to_vec()),
        ("inner.zip", b"PK\x03\x04".to_vec()),
    ];
    let dicom = repository("tests/data/ibsi2_orientation/dicom");
    let slices: Vec<_> = fs::read_dir(&dicom)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    let names: Vec<_> = (0..slices.len()).map(|n| format!("ct/{n}")).collect();
    files.extend(
        names
            .iter()
            .map(String::as_str)
            .zip(slices.iter().map(|path| bytes(path))),
    );
    archive(&path, &files);

    let library = scan(&path);
    assert_eq!(codes(&library), ["archive", "not_an_image"]);
    assert!(library.refused.iter().all(|r| r.path.starts_with(&path)));
    let series: Vec<_> = library.series().cloned().collect();
    drop(library);
    assert_eq!(series.len(), 3);
    let by_name = |end: &str| series.iter().find(|s| s.path.ends_with(end)).unwrap();
    let flat = by_name("study.zip/vol.nii");
    assert_eq!(flat.uid, "vol.nii");
    assert_eq!(
        flat.files(),
        [path.as_path()],
        "what must not be written over"
    );
    assert_eq!(
        load(flat).values_f32(),
        only(&forms("one.nii")).1.values_f32()
    );
    let deep = by_name("study.zip/deep/raw.mhd");
    assert_eq!(
        load(deep).values_f32(),
        only(&forms("one.nii")).1.values_f32()
    );
    let ct = series
        .iter()
        .find(|s| s.path.starts_with(path.join("ct")))
        .unwrap();
    assert_eq!(load(ct).values_f32(), only(&dicom).1.values_f32());

    // A path into it finds what it names, and the study is filed alike each time.
    let again = scan(&flat.path);
    assert_eq!(again.series().count(), 1);
    assert_eq!(again.series().next().unwrap().id(), flat.id());
    let studies = |library: io::Library| -> Vec<String> {
        let studies = library.patients.into_iter().flat_map(|p| p.studies);
        studies
            .map(|s| format!("{} {}", s.uid, s.description))
            .collect()
    };
    assert_eq!(studies(scan(&path)), studies(scan(&path)));
    assert!(matches!(
        io::scan(&path.join("nothing"), &Progress::silent()),
        Err(IoError::NotFound(_))
    ));
    // In a folder it is named, not looked into.
    assert_eq!(codes(&scan(folder.path())), ["archive"]);
}

#[test]
fn entries_that_lead_out_and_bombs_are_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    archive(&path, &[("../../out.nii", bytes(&forms("one.nii")))]);
    assert_eq!(codes(&scan(&path)), ["archive_path"]);
    assert!(!folder.path().join("../out.nii").exists());

    let mut zip = ZipWriter::new(File::create(&path).unwrap());
    let zeros = vec![0; 1 << 20];
    for n in 0..3 {
        zip.start_file(format!("{n}"), SimpleFileOptions::default())
            .unwrap();
        for _ in 0..100 {
            zip.write_all(&zeros).unwrap();
        }
    }
    zip.finish().unwrap();
    let error = io::scan(&path, &Progress::silent()).unwrap_err();
    assert!(error.to_string().contains("256 MiB"), "{error}");

    archive(&path, &[("a.nii", bytes(&forms("one.nii")))]);
    let whole = bytes(&path);
    for length in (4..whole.len()).step_by(41) {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(io::scan(&path, &Progress::silent()).is_err(), "{length}");
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x55;
        fs::write(&path, &changed).unwrap();
        if let Ok(library) = io::scan(&path, &Progress::silent()) {
            for series in library.series() {
                let _ = io::load(series, &Progress::silent());
            }
        }
    }
}

#[test]
fn an_index_opens_what_it_names() {
    let Some(medium) = shared("pydicom_test_files/test_files/dicomdirtests") else {
        return;
    };
    let index = scan(&medium.join("DICOMDIR"));
    let mut named: Vec<_> = index.refused.iter().map(|r| r.path.clone()).collect();
    named.extend(
        index
            .series()
            .flat_map(io::Series::files)
            .map(Path::to_owned),
    );
    // The medium's index has 31 images, of which the collection keeps some.
    assert_eq!(named.len(), 31, "{named:?}");
    assert!(named.iter().all(|path| path.starts_with(&medium)));
    for refused in &index.refused {
        assert_eq!(refused.code == "missing_file", !refused.path.exists());
    }
    let whole = scan(&medium);
    let is_index = |r: &&io::Refused| r.path.ends_with("DICOMDIR");
    assert_eq!(whole.refused.iter().find(is_index), None);
}

/// A medium whose names were changed on the way: in lower case, with dots and versions, and one that is gone.
#[test]
fn an_index_finds_files_by_the_names_of_its_medium() {
    let Some(medium) = shared("pydicom_test_files/test_files/dicomdirtests") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    fs::copy(medium.join("DICOMDIR"), folder.path().join("DICOMDIR")).unwrap();
    let inside = folder.path().join("77654033/cr1");
    fs::create_dir_all(&inside).unwrap();
    let picture = medium.join("77654033/CR1/6154");
    if !picture.exists() {
        eprintln!("skipped: {} is not there", picture.display());
        return;
    }
    let there = inside.join("6154.;1");
    fs::copy(picture, &there).unwrap();
    let library = scan(&folder.path().join("DICOMDIR"));
    let missing: Vec<_> = codes(&library)
        .into_iter()
        .filter(|code| *code == "missing_file")
        .collect();
    assert_eq!(missing.len(), 30);
    let found = library.refused.iter().any(|r| r.path == there)
        || library.series().any(|series| series.path == there);
    assert!(found, "{:?}", library.refused);
}
