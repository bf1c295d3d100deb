//! Images with labels, the M3D-Seg way.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::index::{Index, read_map, write_json};
use super::labels::labels_in;
use super::names::{Class, read_names};
use super::same_grid::label_from_image;
use super::source::{LabelledCase, LabelledSet, Labels};
use super::{
    CaseDone, Counter, Outcome, PrepareOptions, PrepareReport, PrepareSetError, is_whole, split_of,
    write_whole,
};
use m3d_imaging::geometry::{AxisOrder, OrderedCrop, VoxelGrid};
use m3d_imaging::io::{Progress, load, scan, write_npy_f32, write_npy_u8};
use m3d_imaging::volume::{Preparation, Volume, nearest_voxels, prepare as shrink};

pub(super) fn prepare(
    set: &LabelledSet,
    out: &Path,
    options: &PrepareOptions,
    report: &mut dyn FnMut(CaseDone),
) -> Result<PrepareReport, PrepareSetError> {
    let root = out.join("M3D_Seg");
    let tag = &options.tag;
    let list = root.join(tag).join(format!("{tag}.json"));
    let info = root.join("dataset_info.json");
    let found = classes(set, options)?;
    // Classes that the set has already keep their numbers.
    let before = read_map(&info)?;
    let mut all = before.clone();
    let mut names: Vec<String> = all
        .get(tag)
        .and_then(Value::as_array)
        .map(|names| {
            names
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default();
    for class in &found {
        if !names.contains(&class.name) {
            names.push(class.name.clone());
        }
    }
    all.insert(tag.clone(), json!(names));
    let ours: Vec<String> = set
        .cases
        .iter()
        .map(|c| format!("{tag}/{}/", c.name))
        .collect();
    let mut index = Index::open(&list, |image| {
        ours.iter().any(|folder| image.starts_with(folder))
    })?;
    // Written before the first case: its masks are numbered by it.
    write_json(&info, &Value::Object(all))?;
    let mut counter = Counter::new(set.cases.len(), report);
    for (case, below) in set.cases.iter().zip(&ours) {
        let place = root.join(below);
        if counter.count(&case.name, one(case, &place, &found, &names, options.size)) {
            let by_name = || split_of(&case.name, options.test_share, false);
            let split = case.split.unwrap_or_else(by_name);
            for number in 0..names.len() {
                let mask = format!("masks/mask_{number}.npy");
                if place.join(&mask).is_file() {
                    let (image, mask) = (format!("{below}image.npy"), format!("{below}{mask}"));
                    index.add(split, &image, "label", &mask);
                }
            }
        }
    }
    let counts = index.counts();
    let report = match counter.report(set.kind, options.size, names.clone(), counts) {
        Ok(report) => report,
        Err(error) => {
            // Names that no mask was numbered by would only stand in the way of better ones.
            write_json(&info, &Value::Object(before))?;
            return Err(error);
        }
    };
    let labels: Map<String, Value> = names
        .iter()
        .enumerate()
        .map(|(n, name)| (n.to_string(), json!(name)))
        .collect();
    let mut more = Map::new();
    more.insert("name".to_owned(), json!(tag));
    more.insert("labels".to_owned(), Value::Object(labels));
    index.write(&list, more, false)?;
    Ok(report)
}

/// The classes of a folder: named by a file, by the masks' own names, or else by the numbers in the label maps.
fn classes(set: &LabelledSet, options: &PrepareOptions) -> Result<Vec<Class>, PrepareSetError> {
    let masks: BTreeSet<&String> = set
        .cases
        .iter()
        .filter_map(|case| match &case.labels {
            Labels::Masks(masks) => Some(masks),
            _ => None,
        })
        .flatten()
        .map(|(name, _)| name)
        .collect();
    if !masks.is_empty() {
        let class = |name: &String| Class {
            name: name.clone(),
            labels: Vec::new(),
        };
        return Ok(masks.into_iter().map(class).collect());
    }
    if let Some(path) = options.names.as_ref().or(set.names.as_ref()) {
        return read_names(path);
    }
    let mut labels = BTreeSet::new();
    for case in &set.cases {
        if let Labels::Map(path) = &case.labels
            && let Ok(map) = open(path)
        {
            // What is no label map is refused with its case.
            labels.extend(labels_in(&map).unwrap_or_default());
        }
    }
    let class = |label: i64| Class {
        name: format!("label {label}"),
        labels: vec![label],
    };
    Ok(labels.into_iter().map(class).collect())
}

/// The one volume of a file.
fn open(path: &Path) -> Result<Volume, String> {
    let text = |error: m3d_imaging::io::IoError| error.to_string();
    let library = scan(path, &Progress::silent()).map_err(text)?;
    let series = library.series().next().cloned();
    let series = series.ok_or_else(|| library.nothing_opened(path))?;
    load(&series, &Progress::silent()).map_err(text)
}

fn one(
    case: &LabelledCase,
    place: &Path,
    classes: &[Class],
    names: &[String],
    size: [usize; 3],
) -> Result<Outcome, String> {
    if is_whole(&place.join("image.npy"), size)? {
        return Ok(Outcome::Kept);
    }
    if case.labels == Labels::None {
        return Err("there is no label map of its name; add it, or take the image away".to_owned());
    }
    let volume = open(&case.image)?;
    let image = shrink(
        &volume,
        AxisOrder::of_patient(volume.grid()),
        Preparation::Segmentation,
        size,
        &|| false,
    )
    .map_err(|error| error.to_string())?;
    let grid = *volume.grid();
    drop(volume);
    let number = |name: &str| names.iter().position(|n| n == name);
    let [d, h, w] = size;
    write_whole(place, |part| {
        let masks = part.join("masks");
        fs::create_dir_all(&masks)
            .map_err(|error| format!("{} cannot be written ({error})", masks.display()))?;
        let put = |class: usize, mask: &[u8]| {
            let path = masks.join(format!("mask_{class}.npy"));
            if mask.contains(&1) {
                write_npy_u8(&path, &[1, d, h, w], mask)
            } else {
                write_npy_u8(&path, &[1, 1, 1, 1], &[0])
            }
            .map_err(|error| error.to_string())
        };
        let mut notes = Vec::new();
        match &case.labels {
            Labels::Map(path) => {
                let labels = resized(&open(path)?, &grid, image.crop, size)?;
                let mut known: BTreeSet<i64> = BTreeSet::new();
                for class in classes {
                    let inside = |v: &i64| u8::from(class.labels.contains(v));
                    let mask: Vec<u8> = labels.iter().map(inside).collect();
                    known.extend(&class.labels);
                    if let Some(number) = number(&class.name) {
                        put(number, &mask)?;
                    }
                }
                let there: BTreeSet<i64> = labels.into_iter().filter(|&v| v != 0).collect();
                let unnamed: Vec<String> = there
                    .iter()
                    .filter(|v| !known.contains(v))
                    .map(ToString::to_string)
                    .collect();
                if !unnamed.is_empty() {
                    notes.push(format!(
                        "labels without a name were left out: {}",
                        unnamed.join(", ")
                    ));
                }
            }
            Labels::Masks(files) => {
                for (name, path) in files {
                    let labels = resized(&open(path)?, &grid, image.crop, size)?;
                    let mask: Vec<u8> = labels.iter().map(|&v| u8::from(v != 0)).collect();
                    if let Some(number) = number(name) {
                        put(number, &mask)?;
                    }
                }
            }
            Labels::None => {}
        }
        write_npy_f32(&part.join("image.npy"), &[1, d, h, w], &image.voxels)
            .map_err(|error| error.to_string())?;
        Ok(notes)
    })
    .map(Outcome::Prepared)
}

/// The labels of the prepared image's voxels: cropped as the image was and resized to the nearest. The map
/// may have its axes in another order than the image; its voxels must be the image's.
fn resized(
    map: &Volume,
    image: &VoxelGrid,
    crop: OrderedCrop,
    size: [usize; 3],
) -> Result<Vec<i64>, String> {
    let there = label_from_image(map.grid(), image)?;
    labels_in(map)?;
    let labels = nearest_voxels(crop, size).map(|voxel| {
        let at = map.grid().nearest(there.transform_point3(voxel.as_dvec3()));
        let value = at.and_then(|voxel| map.value(voxel)).unwrap_or(0.0);
        if (value - value.round()).abs() > 1e-3 || !value.is_finite() {
            return Err(format!(
                "the labels hold {value}, which is no label; resample them to the nearest voxel"
            ));
        }
        Ok(value.round() as i64)
    });
    labels.collect()
}
