//! Every item of the wide collection and every case from a public bug report, against what it must give. The table of
//! the walk stands in docs/IMPORT.md; `M3D_WRITE_TABLE=1 cargo test -p m3d-imaging --test import_walk` writes it anew.

#[path = "import/support.rs"]
#[allow(dead_code, reason = "this test needs a part of it")]
mod support;

use std::collections::BTreeMap;
use std::path::Path;

use glam::{DAffine3, DMat3, DVec3};
use m3d_imaging::io::{self, Library, Progress, Series};
use m3d_imaging::volume::Volume;
use serde_json::Value;
use support::{json, repository, scan, shared};

/// What became of one entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Place and every voxel.
    Exact,
    /// Place where there is one, minimum, maximum and mean.
    Figures,
    /// A picture in colours, of which another test has the figures.
    Colour,
    /// Uneven slices, shown evenly with a warning.
    Resampled,
    /// The slices of a mosaic.
    Mosaic,
    /// Time points, of which all together have the figures.
    Times(usize),
    /// A segmentation, a structure set or a label map.
    Object,
    /// Not an image, or not whole.
    Refused(String),
    /// What must not be.
    Wrong(String),
}

fn read(series: &Series, time: u32) -> Option<Volume> {
    let loaded = io::load_time(series, time, &Progress::silent());
    loaded.ok().map(|image| image.volume)
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

/// Whether minimum, maximum and mean are those of the manifest, which keeps 7 digits; colours have none.
fn has_figures(volumes: &[Volume], wanted: &Value) -> bool {
    let figures: Vec<_> = volumes.iter().map(Volume::statistics).collect();
    let low = figures
        .iter()
        .map(|f| f64::from(f.min))
        .fold(f64::INFINITY, f64::min);
    let high = figures
        .iter()
        .map(|f| f64::from(f.max))
        .fold(f64::NEG_INFINITY, f64::max);
    let mean = figures.iter().map(|f| f.mean).sum::<f64>() / figures.len() as f64;
    let range = (high - low).max(1e-9);
    [("min", low), ("max", high), ("mean", mean)]
        .iter()
        .all(|(key, found)| {
            let wanted = number(&wanted[*key]);
            wanted.is_none_or(|wanted| (found - wanted).abs() <= 2e-6 * range.max(wanted.abs()))
        })
}

/// As far as decoders of JPEG agree: a thousandth.
fn has_about_the_mean(volumes: &[Volume], wanted: &Value) -> bool {
    let means = volumes.iter().map(|v| v.statistics().mean);
    let mean = means.sum::<f64>() / volumes.len() as f64;
    number(&wanted["mean"]).is_some_and(|wanted| (mean - wanted).abs() < 1e-3 * wanted.abs())
}

fn matrix(rows: &Value) -> Option<DAffine3> {
    let at = |row: usize, column: usize| number(&rows[row][column]);
    let column = |n: usize| Some(DVec3::new(at(0, n)?, at(1, n)?, at(2, n)?));
    let matrix3 = DMat3::from_cols(column(0)?, column(1)?, column(2)?);
    Some(DAffine3 {
        matrix3,
        translation: column(3)?,
    })
}

/// How far a series is from an affine in RAS.
fn off(series: &Series, affine_ras: &Value) -> f64 {
    let Some(wanted) = matrix(affine_ras) else {
        return 0.0;
    };
    let flip = DAffine3::from_scale(DVec3::new(-1.0, -1.0, 1.0));
    let found = flip * series.grid.patient_from_voxel();
    let (found, wanted) = (found.to_cols_array(), wanted.to_cols_array());
    let apart = found.iter().zip(wanted).map(|(a, b)| (a - b).abs());
    apart.fold(0.0, f64::max)
}

fn has_warning(series: &Series, code: &str) -> bool {
    series.warnings.iter().any(|warning| warning.code == code)
}

fn refused(library: &Library) -> Outcome {
    let first = library.refused.first().map_or("nothing", |r| r.code);
    Outcome::Refused(first.to_owned())
}

fn of_series(folder: &Path, wanted: &Value) -> Outcome {
    let library = scan(folder);
    if library.series().next().is_none() {
        return if library.objects.is_empty() {
            refused(&library)
        } else {
            Outcome::Object
        };
    }
    let volume = &wanted["volume"];
    let mut reasons = Vec::new();
    let mut whole = Vec::new();
    for series in library.series() {
        if has_warning(series, "resampled") {
            return Outcome::Resampled;
        }
        let Some(read) = read(series, 0) else {
            continue;
        };
        let sha = volume["sha256_float32_zyx"].as_str();
        let distance = off(series, &volume["affine_ras"]);
        if sha == Some(&io::voxels_sha256(&read)) && distance < 1e-3 {
            return Outcome::Exact;
        }
        let all: Vec<Volume> = (0..series.times as u32)
            .filter_map(|t| self::read(series, t))
            .collect();
        if sha.is_none() && has_figures(&all, &wanted["all_frames"]) {
            return match series.times {
                1 => Outcome::Figures,
                times => Outcome::Times(times),
            };
        }
        reasons.push(format!("affine off by {distance}"));
        whole.extend(all);
    }
    if volume.is_null() && has_figures(&whole, &wanted["all_frames"]) {
        return Outcome::Figures;
    }
    if sha_is_of_no_image(wanted) {
        return Outcome::Object;
    }
    Outcome::Wrong(format!("{}: {reasons:?}", folder.display()))
}

/// Folders whose own entry is a segmentation beside images.
fn sha_is_of_no_image(wanted: &Value) -> bool {
    ["SEG", "RTSTRUCT"].contains(&wanted["modality"].as_str().unwrap_or_default())
}

fn of_file(path: &Path, wanted: &Value) -> Outcome {
    let library = scan(path);
    if !library.objects.is_empty() {
        return Outcome::Object;
    }
    let Some(series) = library.series().next() else {
        return refused(&library);
    };
    let all: Vec<Volume> = (0..series.times as u32)
        .filter_map(|time| read(series, time))
        .collect();
    if all.len() < series.times {
        let error = io::load(series, &Progress::silent()).err();
        let code = match &error {
            Some(io::IoError::File { code, .. }) => *code,
            _ => "unreadable",
        };
        return Outcome::Refused(code.to_owned());
    }
    let sha = ["sha256_float32_frames", "sha256_float32_zyx"]
        .iter()
        .find_map(|key| wanted[*key].as_str());
    if all.len() == 1 && sha == Some(&io::voxels_sha256(&all[0])) {
        return Outcome::Exact;
    }
    if wanted["photometric"] == "PALETTE COLOR" {
        return Outcome::Colour; // The manifest's figures are those of the palette's numbers.
    }
    if series.stated.lossy && has_about_the_mean(&all, &wanted["all_frames"]) {
        return Outcome::Figures;
    }
    let is_nifti = !wanted["affine_ras"].is_null();
    if is_nifti && off(series, &wanted["affine_ras"]) > 1e-3 {
        return Outcome::Wrong(format!("{}: affine", path.display()));
    }
    let figures = if is_nifti {
        wanted
    } else {
        &wanted["all_frames"]
    };
    let frame = wanted["frame_shape_xy"][0].as_u64().unwrap_or(0) as u32;
    let is_mosaic = frame > series.grid.dims().x && series.grid.dims().z > 1;
    match (has_figures(&all, figures), is_mosaic) {
        (_, true) => Outcome::Mosaic,
        (true, _) => Outcome::Figures,
        (false, _) if all.len() > 1 || has_warning(series, "vector_component") => {
            // A manifest's figures may be those of the first time point or of all numbers.
            let first = has_figures(&all[..1], figures);
            if first || is_nifti {
                Outcome::Figures
            } else {
                Outcome::Wrong(format!("{}: values of {} times", path.display(), all.len()))
            }
        }
        _ => Outcome::Wrong(format!(
            "{}: {:?}, wanted {figures}",
            path.display(),
            all[0].statistics()
        )),
    }
}

/// The outcomes of an item's entries, by name.
fn of_item(item: &Value) -> Vec<(String, Outcome)> {
    let Some(root) = shared(item["path"].as_str().unwrap_or_default()) else {
        return Vec::new();
    };
    let reference = &item["reference"];
    let mut found = Vec::new();
    for series in reference["dicom_series"].as_array().into_iter().flatten() {
        let folder = series["dir"].as_str().unwrap_or_default();
        found.push((folder.to_owned(), of_series(&root.join(folder), series)));
    }
    for key in ["dicom_files", "nifti_files"] {
        for (name, wanted) in reference[key].as_object().into_iter().flatten() {
            found.push((name.clone(), of_file(&root.join(name), wanted)));
        }
    }
    found
}

fn row(item: &str, outcomes: &[(String, Outcome)]) -> String {
    let count = |test: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|(_, o)| test(o)).count();
    let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, outcome) in outcomes {
        if let Outcome::Refused(code) = outcome {
            *codes.entry(code).or_default() += 1;
        }
    }
    let codes: Vec<String> = codes
        .iter()
        .map(|(code, n)| format!("{n} {code}"))
        .collect();
    format!(
        "| {item} | {} | {} | {} | {} | {} | {} | {} | {} |",
        outcomes.len(),
        count(&|o| *o == Outcome::Exact),
        count(&|o| *o == Outcome::Figures),
        count(&|o| *o == Outcome::Colour),
        count(&|o| matches!(o, Outcome::Times(_))),
        count(&|o| matches!(o, Outcome::Resampled | Outcome::Mosaic)),
        count(&|o| *o == Outcome::Object),
        codes.join(", ")
    )
}

const HEAD: &str = "| set | entries | exact | figures | palettes | time points | resampled, mosaics | objects | refused |\n\
                    |---|---|---|---|---|---|---|---|---|";
const BEGIN: &str = "<!-- the walk begins -->\n";
const END: &str = "<!-- the walk ends -->";

#[test]
fn every_item_of_the_collection_is_as_its_manifest_says() {
    let Some(manifest) = shared("MANIFEST.json") else {
        return;
    };
    let manifest = json(&manifest);
    let mut table = format!("{HEAD}\n");
    let mut wrong = Vec::new();
    for item in manifest["items"].as_array().unwrap() {
        let outcomes = of_item(item);
        if outcomes.is_empty() {
            continue; // Malformed on purpose: other tests have them.
        }
        for (name, outcome) in &outcomes {
            if let Outcome::Wrong(what) = outcome {
                wrong.push(format!("{name}: {what}"));
            }
        }
        table += &row(item["id"].as_str().unwrap_or_default(), &outcomes);
        table += "\n";
    }
    table += "\n| case from a public report | what | outcome |\n|---|---|---|\n";
    let cases = json(&shared("bug_cases/EXPECTED.json").unwrap());
    for (case, wanted) in cases.as_object().unwrap() {
        let (outcome, is_right) = of_case(&shared(&format!("bug_cases/{case}")).unwrap(), wanted);
        let why = wanted["why"].as_str().unwrap();
        table += &["| ", case, " | ", why, " | ", &outcome, " |\n"].concat();
        if !is_right {
            wrong.push(format!("{case}: {outcome}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let path = repository("docs/IMPORT.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (old, after) = rest.split_once(END).unwrap();
    if std::env::var_os("M3D_WRITE_TABLE").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(
            old, table,
            "docs/IMPORT.md is out of date; see the head of this file"
        );
    }
}

/// What a case gives, in words, and whether it is what it must be.
fn of_case(path: &Path, wanted: &Value) -> (String, bool) {
    let library = scan(path);
    let series: Vec<&Series> = library.series().collect();
    let warned = series.iter().any(|s| !s.warnings.is_empty());
    let mut codes: Vec<&str> = series
        .iter()
        .flat_map(|s| &s.warnings)
        .map(|w| w.code)
        .collect();
    codes.sort_unstable();
    codes.dedup();
    let told = if codes.is_empty() {
        String::new()
    } else {
        format!(", told: {}", codes.join(", "))
    };
    if let Some(description) = wanted["description"].as_str() {
        let right = series.iter().any(|s| s.description == description);
        return (format!("\"{description}\"{told}"), right);
    }
    if !wanted["dims"].is_null() {
        let right = series.iter().any(|s| is_as_wanted(s, wanted));
        return (format!("opens as it should{told}"), right);
    }
    let images: usize = series.iter().map(|s| s.times).sum();
    let right = if wanted["refused_or_warned"] == true {
        series.is_empty() || warned
    } else if wanted["warned"] == true {
        warned && series.len() == wanted["volumes"].as_array().unwrap().len()
    } else {
        let count = wanted["volumes"].as_array().map_or(2, Vec::len);
        images == count
    };
    (
        format!(
            "{} series, {images} volumes or pictures{told}",
            series.len()
        ),
        right,
    )
}

fn is_as_wanted(series: &Series, wanted: &Value) -> bool {
    let Some(volume) = read(series, 0) else {
        return false;
    };
    let dims = series.grid.dims().to_array().map(u64::from);
    let same = (0..3).all(|n| wanted["dims"][n].as_u64() == Some(dims[n]));
    let Some(place) = matrix(&wanted["affine_lps"]) else {
        return false;
    };
    // Positions that are rounded to a tenth of a millimetre cannot be closer.
    let tolerance = if has_warning(series, "uneven_spacing") {
        5e-3
    } else {
        1e-3
    };
    let found = series.grid.patient_from_voxel().to_cols_array();
    let apart = found
        .iter()
        .zip(place.to_cols_array())
        .map(|(a, b)| (a - b).abs());
    same && apart.fold(0.0, f64::max) < tolerance && has_figures(&[volume], wanted)
}
