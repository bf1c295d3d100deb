//! Damaged files of every form: an error, never a panic, never a wrong size.

use std::fs;

use m3d_imaging::io::{self, Progress};

use crate::forms;
use crate::support::{Numbers, json, scan};

fn names() -> Vec<String> {
    let expected = json(&forms("expected.json"));
    let all = expected.as_object().unwrap().keys().cloned();
    all.collect()
}

#[test]
fn files_cut_anywhere_are_refused_or_fail_to_load() {
    let folder = tempfile::tempdir().unwrap();
    for name in names() {
        let whole = fs::read(forms(&name)).unwrap();
        let path = folder.path().join(&name);
        // Headers have their voxels elsewhere; packed files and MGH end in what no voxel needs.
        let least = match name.rsplit('.').next() {
            Some("hdr" | "mhd" | "nhdr") => 0,
            Some("mgh") => 24,
            _ => 12,
        };
        for length in (0..whole.len().saturating_sub(least)).step_by(37) {
            fs::write(&path, &whole[..length]).unwrap();
            let library = scan(&path);
            let Some(series) = library.series().next() else {
                assert_eq!(library.refused.len(), 1, "{name}");
                continue;
            };
            let last = series.times as u32 - 1;
            let loaded = io::load_time(series, last, &Progress::silent());
            assert!(loaded.is_err(), "{name} of {length} bytes");
        }
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn changed_bytes_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let mut numbers = Numbers::new(19);
    for name in names() {
        let whole = fs::read(forms(&name)).unwrap();
        let path = folder.path().join(&name);
        for _ in 0..60 {
            let mut bytes = whole.clone();
            for _ in 0..=numbers.bits() % 3 {
                let at = (numbers.bits() % bytes.len().min(600) as u64) as usize;
                bytes[at] = numbers.bits() as u8;
            }
            fs::write(&path, &bytes).unwrap();
            for series in scan(&path).series() {
                if let Ok(volume) = io::load(series, &Progress::silent()) {
                    assert_eq!(*volume.grid(), series.grid, "{name}");
                }
            }
        }
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn numpy_arrays_that_are_no_images_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    for (shape, code) in [
        (&[0, 3, 3, 3][..], "malformed"),
        (&[3, 0, 3], "not_npy"),
        (&[9], "npy_shape"),
        (&[1, 1, 3, 3, 3], "npy_shape"),
    ] {
        let count = shape.iter().product();
        io::write_npy_u8(&path, shape, &vec![1; count]).unwrap();
        assert_eq!(scan(&path).refused[0].code, code, "{shape:?}");
    }
    io::write_npy_u8(&path, &[2, 3, 3, 3], &[1; 54]).unwrap();
    let series = scan(&path).series().next().unwrap().clone();
    assert!(series.warnings.iter().any(|w| w.code == "vector_component"));
}

#[test]
fn what_is_no_image_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let files: [(&[u8], &str); 12] = [
        (b"%PDF-1.7", "a PDF document"),
        (b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x13\0\0\0[Content_Types].xml", "Office"),
        (b"\x89HDF\r\n\x1a\nxxxx", "HDF5"),
        (b"MATLAB 5.0 MAT-file, Platform", "MATLAB"),
        (b"\xFF\x0A\xFA\x7F", "JPEG XL"),
        (b"solid cube\n", "STL"),
        (b"\0\0\0\x18ftypmp42", "a video"),
        (b"hello", "a text file"),
        (b"", "an empty file"),
        (b"CDF\x01xxxx", "MINC"),
        (b"II*\0xxxx", "TIFF"),
        (b"\x01\x02\x03\xFE", "unknown kind"),
    ];
    for (bytes, words) in files {
        fs::write(&path, bytes).unwrap();
        let library = scan(&path);
        assert_eq!(library.refused[0].code, "not_an_image", "{words}");
        let message = &library.refused[0].message;
        assert!(message.contains(words), "{message}");
    }
}
