//! The wide collection of real and malformed files, where it is at hand.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use m3d_imaging::io::{self, Progress};
use serde_json::Value;

use crate::support::{check, codes, json, load, scan, shared};

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
        let found = library.series().next();
        if let Some(series) = found.filter(|_| figures["shape"].as_array().unwrap().len() == 3) {
            check(&path.to_string_lossy(), &load(series), figures);
            checked += 1;
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
    assert!(checked >= 64, "{checked}");
    eprintln!("{checked} series and files match the manifest");
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
        seen.extend(library.objects.iter().map(|o| o.path.clone()));
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
        // The index of a medium is passed over: what it names is there.
        let mut files = files_under(&folder);
        files.retain(|path| !is_index(path) || seen.contains(path));
        assert_eq!(seen, files, "{name}: a file is missing");
        let mut codes = codes(&library);
        codes.dedup();
        eprintln!(
            "{name}: {} series, refused for {codes:?}",
            library.series().count()
        );
    }
}

fn is_index(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    name.starts_with("DICOMDIR")
}

/// Mosaics against what dcm2niix made of them, at every voxel's place in the patient.
#[test]
fn mosaics_lie_where_dcm2niix_puts_them() {
    let Some(root) = shared("mr_siemens_mosaic") else {
        return;
    };
    for (folder, reference) in [
        ("dicom/axasc35", "Ref/ax_asc_35sl_6.nii.gz"),
        ("dicom/corint36", "Ref/cor_int_36sl_15.nii.gz"),
    ] {
        let library = scan(&root.join(folder));
        let series = library.first_series().unwrap();
        let wanted = scan(&root.join(reference));
        let wanted = wanted.first_series().unwrap();
        assert_eq!(series.times, wanted.times, "{folder}");
        for time in 0..series.times as u32 {
            let at = |series| {
                let loaded = io::load_time(series, time, &Progress::silent());
                loaded.unwrap().volume
            };
            let (found, wanted) = (at(series), at(wanted));
            assert_eq!(found.grid().len(), wanted.grid().len());
            let dims = found.grid().dims();
            for k in 0..dims.z {
                for (i, j) in [(0, 0), (dims.x / 2, dims.y / 2), (dims.x / 3, dims.y - 1)] {
                    let voxel = glam::UVec3::new(i, j, k);
                    let place = found.grid().patient_from_voxel();
                    let place = place.transform_point3(voxel.as_dvec3());
                    let there = wanted.grid().voxel_from_patient().transform_point3(place);
                    let off = (there - there.round()).abs().max_element();
                    assert!(off < 2e-3, "{folder}: {voxel} lies at {there}");
                    let there = there.round().as_uvec3();
                    assert_eq!(found.value(voxel), wanted.value(there), "{folder} {voxel}");
                }
            }
        }
    }
}
