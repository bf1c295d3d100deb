//! Arrays with a header that are not DICOM, against files that other programs wrote.

#[path = "forms/archives.rs"]
mod archives;
#[path = "forms/damage.rs"]
mod damage;
#[path = "forms/nifti.rs"]
mod nifti;
#[path = "forms/nrrd.rs"]
mod nrrd;
#[path = "forms/pictures.rs"]
mod pictures;
#[path = "import/support.rs"]
#[allow(dead_code, reason = "this test needs a part of it")]
mod support;

use std::path::{Path, PathBuf};

use m3d_imaging::io::{self, Progress, Series};
use support::{check, json, load, only, repository, scan};

fn forms(name: &str) -> PathBuf {
    repository("tests/data/forms").join(name)
}

fn warnings(series: &Series) -> Vec<&'static str> {
    series.warnings.iter().map(|warning| warning.code).collect()
}

/// The warnings, and what is refused, of a file written into a folder.
fn written(path: &Path, bytes: impl AsRef<[u8]>) -> Result<Series, &'static str> {
    std::fs::write(path, bytes).unwrap();
    let library = scan(path);
    let series = library.series().next().cloned();
    series.ok_or_else(|| library.refused[0].code)
}

fn assert_near(name: &str, found: &[f32], wanted: &serde_json::Value) {
    let wanted: Vec<f64> = wanted
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect();
    assert_eq!(found.len(), wanted.len(), "{name}");
    for (found, wanted) in found.iter().zip(wanted) {
        // Values are held as 32-bit floats.
        let off = (f64::from(*found) - wanted).abs();
        assert!(
            off <= 1e-6 * wanted.abs().max(1.0),
            "{name}: {found}, wanted {wanted}"
        );
    }
}

#[test]
fn every_form_gives_the_values_and_the_place_that_were_written() {
    let expected = json(&forms("expected.json"));
    for (name, figures) in expected.as_object().unwrap() {
        let (series, volume) = only(&forms(name));
        check(name, &volume, figures);
        let dims = series.grid.dims().to_array().map(u64::from);
        let shape = figures["shape"].as_array().unwrap();
        let shape: Vec<_> = shape.iter().map(|size| size.as_u64().unwrap()).collect();
        assert_eq!(dims[..], shape[..], "{name}");
        assert_near(name, &volume.values_f32(), &figures["values"]);
        let times = figures["times"].as_u64().unwrap_or(1) as usize;
        assert_eq!(series.times, times, "{name}");
        let told = warnings(&series);
        match figures["warning"].as_str() {
            Some(code) => assert!(told.contains(&code), "{name}: {told:?}"),
            None => assert!(
                told.iter()
                    .all(|code| ["reduced_precision", "no_orientation"].contains(code)),
                "{name}: {told:?}"
            ),
        }
        if times > 1 {
            let last = io::load_time(&series, times as u32 - 1, &Progress::silent()).unwrap();
            assert_near(name, &last.volume.values_f32(), &figures["last"]);
        }
        for k in 0..series.grid.dims().z {
            let slice = io::load_slice(&series, k, &Progress::silent()).unwrap();
            let area = slice.values_f32().len();
            let whole = volume.values_f32();
            let from = k as usize * area;
            assert_eq!(slice.values_f32(), whole[from..from + area], "{name} {k}");
        }
    }
}

#[test]
fn the_folder_of_all_forms_leaves_no_file_out() {
    let folder = forms("");
    let library = scan(&folder);
    let mut seen: Vec<PathBuf> = library.refused.iter().map(|r| r.path.clone()).collect();
    assert!(
        library.refused.iter().all(|r| r.code == "not_an_image"),
        "{:?}",
        library.refused
    );
    seen.extend(library.series().flat_map(Series::files).map(Path::to_owned));
    seen.sort();
    // One file of voxels has a NRRD and a MetaImage header.
    seen.dedup();
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert_eq!(seen, files);
    assert_eq!(library.refused.len(), 1, "expected.json");
}

#[test]
fn only_what_says_so_knows_left() {
    for (name, known) in [
        ("raw.nrrd", true),
        ("time.nrrd", false),
        ("local.mha", true),
        ("i16.mgh", true),
        ("analyze.hdr", false),
        ("m3d.npy", false),
    ] {
        let series = only(&forms(name)).0;
        assert_eq!(series.stated.side_known, known, "{name}");
        assert_eq!(
            warnings(&series).contains(&"no_orientation"),
            !known,
            "{name}"
        );
    }
}

#[test]
fn voxels_that_are_opened_by_themselves_bring_their_header() {
    for (voxels, header) in [
        ("raw.raw", "raw.mhd"),
        ("zlib.zraw", "zlib.mhd"),
        ("analyze.img", "analyze.hdr"),
        ("pair.img", "pair.hdr"),
    ] {
        let (series, volume) = only(&forms(voxels));
        assert!(series.path.ends_with(header), "{}", series.path.display());
        assert_eq!(
            volume.values_f32(),
            load(&only(&forms(header)).0).values_f32()
        );
    }
}

#[test]
fn an_image_is_the_same_wherever_it_lies_and_another_when_a_byte_changes() {
    let folder = tempfile::tempdir().unwrap();
    let identity = |path: &Path| {
        let series = scan(path).series().next().unwrap().clone();
        io::load_image(&series, &Progress::silent())
            .unwrap()
            .identity
    };
    for name in ["raw.nrrd", "zlib.mha", "f32.mgz", "m3d.npy"] {
        let copy = folder.path().join(name);
        let mut bytes = std::fs::read(forms(name)).unwrap();
        std::fs::write(&copy, &bytes).unwrap();
        assert_eq!(identity(&copy), identity(&forms(name)), "{name}");
        // The digest of the file as other programs count it.
        let wanted = m3d_imaging::volume::Digest::of(&bytes);
        assert_eq!(identity(&copy).digest, wanted, "{name}");
        if let ("raw.nrrd" | "m3d.npy", Some(last)) = (name, bytes.last_mut()) {
            *last ^= 1;
            std::fs::write(&copy, &bytes).unwrap();
            assert_ne!(identity(&copy), identity(&forms(name)), "{name}");
        }
    }
}
