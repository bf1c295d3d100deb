//! Slices to series: which belong together, and in what order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::place::{depth_mm, grid, repeated};
use super::slice::Slice;
use super::{DicomSource, ImageName, load};
use crate::io::error::Refusal;
use crate::io::library::{Filed, Source};
use crate::io::{Refused, Series, Warning};
use crate::volume::{Modality, Stated, Units};

/// Sorts slices into volumes. Those that make none are refused, file by file.
pub(in crate::io) fn stack(
    slices: Vec<Slice>,
    root: &Path,
    filed: &mut Vec<Filed>,
    refused: &mut Vec<Refused>,
) {
    type Key = (String, String, String, String, Option<PathBuf>);
    let mut groups: BTreeMap<Key, Vec<Slice>> = BTreeMap::new();
    let mut made: BTreeMap<String, usize> = BTreeMap::new();
    for slice in slices {
        // Without a series UID the folder is all there is to go by.
        let folder = slice.path.parent().filter(|_| slice.series_uid.is_empty());
        let key = (
            slice.patient_id.clone(),
            slice.patient_name.clone(),
            slice.study_uid.clone(),
            slice.series_uid.clone(),
            folder.map(ToOwned::to_owned),
        );
        groups.entry(key).or_default().push(slice);
    }
    for group in groups.into_values() {
        let mut volumes = Vec::new();
        for alike in split_by_shape(group) {
            for candidate in split_repeated(alike, &[by_image_type, by_folder]) {
                match volume(candidate) {
                    Ok(volume) => volumes.push(volume),
                    Err((slices, refusal)) => refused.extend(
                        slices
                            .iter()
                            .map(|s| Refused::new(&s.path, refusal.clone())),
                    ),
                }
            }
        }
        // The largest keeps the series' UID.
        volumes.sort_by_key(|(volume, _)| std::cmp::Reverse(volume.series.grid.dims().z));
        let count = volumes.len();
        for (n, (mut volume, slices)) in volumes.into_iter().enumerate() {
            if count > 1 {
                let message = format!("one of {count} volumes that this series held");
                volume
                    .series
                    .warnings
                    .push(Warning::new("split_series", message));
            }
            let first = slices.first();
            let name = first.map(|first| ImageName::of(first, n as u32 + 1));
            volume.series.source = Source::Dicom(Arc::new(DicomSource {
                name: name.unwrap_or_default(),
                slices,
            }));
            if volume.series.uid.is_empty() {
                volume.series.uid = made_uid(&volume.series, root, &mut made);
            } else if n > 0 {
                volume.series.uid = format!("{}#{}", volume.series.uid, n + 1);
            }
            filed.push(volume);
        }
    }
}

/// A name for a series without a UID, the same at every opening of one folder; `made` counts those that
/// would be called alike.
fn made_uid(series: &Series, root: &Path, made: &mut BTreeMap<String, usize>) -> String {
    let folder = series.path.parent().unwrap_or(root);
    let below = folder.strip_prefix(root).unwrap_or(Path::new(""));
    let number = series.number.map_or("none".to_owned(), |n| n.to_string());
    let mut parts = vec!["no-uid".into()];
    parts.extend(below.iter().map(std::ffi::OsStr::to_string_lossy));
    parts.push(number.into());
    let uid = parts.join("/");
    let count = made.entry(uid.clone()).or_default();
    *count += 1;
    if *count == 1 {
        uid
    } else {
        format!("{uid}#{count}")
    }
}

/// Slices of one size, spacing and orientation each: localizers and second volumes inside a series come
/// apart here.
fn split_by_shape(slices: Vec<Slice>) -> Vec<Vec<Slice>> {
    let mut groups: Vec<Vec<Slice>> = Vec::new();
    for slice in slices {
        let group = groups
            .iter_mut()
            .find(|group| group.first().is_some_and(|first| is_alike(first, &slice)));
        match group {
            Some(group) => group.push(slice),
            None => groups.push(vec![slice]),
        }
    }
    groups
}

fn is_alike(a: &Slice, b: &Slice) -> bool {
    // 0.06 degrees: more than rounded cosines differ, less than any tilt that matters.
    const DIRECTION: f64 = 1e-3;
    let spacing = a.spacing_mm.iter().zip(b.spacing_mm);
    (a.rows, a.columns, a.inverted) == (b.rows, b.columns, b.inverted)
        && spacing.into_iter().all(|(x, y)| (x - y).abs() <= 1e-4 * x)
        && a.row.distance(b.row) < DIRECTION
        && a.column.distance(b.column) < DIRECTION
}

type Split = fn(&Slice) -> String;

fn by_image_type(slice: &Slice) -> String {
    slice.image_type.clone()
}

/// The same series exported twice lies in two folders.
fn by_folder(slice: &Slice) -> String {
    let folder = slice.path.parent().unwrap_or(&slice.path);
    folder.to_string_lossy().into_owned()
}

/// In ascending order; where places repeat, apart by whatever tells the slices apart.
fn split_repeated(mut slices: Vec<Slice>, splits: &[Split]) -> Vec<Vec<Slice>> {
    if let Some(normal) = slices.first().map(Slice::normal) {
        slices.sort_by(|a, b| depth_mm(a, normal).total_cmp(&depth_mm(b, normal)));
    }
    let Some((split, rest)) = splits.split_first() else {
        return vec![slices];
    };
    if repeated(&slices) == 0 {
        return vec![slices];
    }
    let mut parts: BTreeMap<String, Vec<Slice>> = BTreeMap::new();
    for slice in slices {
        parts.entry(split(&slice)).or_default().push(slice);
    }
    parts
        .into_values()
        .flat_map(|part| split_repeated(part, rest))
        .collect()
}

/// The series of an ordered stack beside its slices, or the slices with the reason why it is none.
fn volume(slices: Vec<Slice>) -> Result<(Filed, Vec<Slice>), (Vec<Slice>, Refusal)> {
    match describe(&slices) {
        Ok(filed) => Ok((filed, slices)),
        Err(refusal) => Err((slices, refusal)),
    }
}

fn describe(slices: &[Slice]) -> Result<Filed, Refusal> {
    let repeats = repeated(slices);
    if repeats > 0 {
        let places = slices.len() - repeats;
        return Err(Refusal::new(
            "duplicate_positions",
            format!(
                "{} slices at only {places} {} (several time points, or copies), which is not read \
                 yet; open one time point alone",
                slices.len(),
                if places == 1 { "place" } else { "places" }
            ),
        ));
    }
    let (grid, mut warnings) = grid(slices)?;
    load::refuse_large(grid)?;
    let first = slices
        .first()
        .ok_or_else(|| Refusal::new("single_slice", "no slices"))?;
    let middle = slices.get(slices.len() / 2).unwrap_or(first);
    let modality = Modality::from_dicom(&first.modality);
    warn_about_values(slices, modality, &mut warnings);
    let series = Series {
        uid: first.series_uid.clone(),
        modality,
        modality_code: first.modality.clone(),
        description: first.series_description.clone(),
        number: first.series_number,
        path: first.path.clone(),
        grid,
        times: 1,
        units: units(slices, modality),
        windows: middle.windows.clone(),
        inverted: first.inverted,
        warnings,
        frame_of_reference: frame_of_reference(slices),
        stated: Stated {
            // A slice without an orientation is in no series.
            side_known: true,
            lossy: slices.iter().any(|s| s.lossy),
            label_map: false,
            patient_age: first.patient_age.clone(),
            patient_sex: first.patient_sex.clone(),
            study_date: first.study_date.clone(),
        },
        source: Source::Dicom(Arc::default()),
    };
    Ok(Filed {
        patient_id: first.patient_id.clone(),
        patient_name: first.patient_name.clone(),
        study_uid: first.study_uid.clone(),
        study_date: first.study_date.clone(),
        study_description: first.study_description.clone(),
        series,
    })
}

/// The frame that all slices share, if they do.
fn frame_of_reference(slices: &[Slice]) -> Option<String> {
    let first = slices.first()?.frame_uid.as_str();
    let shared = !first.is_empty() && slices.iter().all(|s| s.frame_uid == first);
    shared.then(|| first.to_owned())
}

/// Hounsfield only where CT says how to get there (PS3.3 C.8.2.1.1.2), Bq/mL where PET says so.
fn units(slices: &[Slice], modality: Modality) -> Units {
    let all = |test: &dyn Fn(&Slice) -> bool| slices.iter().all(test);
    let is_hounsfield = |s: &Slice| match s.rescale_type.as_str() {
        "HU" => true,
        "" => modality == Modality::Ct && s.rescale.is_some(),
        _ => false,
    };
    if all(&is_hounsfield) {
        Units::Hounsfield
    } else if modality == Modality::Pet && all(&|s| s.units == "BQML") {
        Units::BecquerelPerMl
    } else {
        Units::Arbitrary
    }
}

fn warn_about_values(slices: &[Slice], modality: Modality, warnings: &mut Vec<Warning>) {
    let mut warn = |code, message: &str| warnings.push(Warning::new(code, message));
    if modality == Modality::Ct && slices.iter().any(|s| s.rescale.is_none()) {
        warn(
            "no_rescale",
            "this CT does not say how its values become Hounsfield units; they are shown as stored",
        );
    }
    if slices.iter().any(|s| s.inverted) {
        warn(
            "monochrome1",
            "low values are meant to look bright (MONOCHROME1)",
        );
    }
    if slices.iter().any(|s| s.lossy) {
        warn(
            "lossy",
            "the pixels were compressed with loss before they came here",
        );
    }
    if slices
        .iter()
        .any(|s| s.format.allocated == 32 && !s.format.signed)
    {
        warn(
            "reduced_precision",
            "32-bit integers are held as 32-bit floats, exact up to 16777216",
        );
    }
}
