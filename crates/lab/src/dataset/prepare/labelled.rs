//! Images with labels, the M3D-Seg way.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use glam::{DAffine3, DVec3};
use serde_json::{Map, Value, json};

use super::index::{Index, read_map, write_json};
use super::names::{Class, read_names};
use super::source::{LabelledCase, LabelledSet, Labels};
use super::{
    CaseDone, Counter, Outcome, PrepareOptions, PrepareReport, PrepareSetError, is_whole, split_of,
    write_whole,
};
use m3d_imaging::geometry::{AxisOrder, OrderedCrop, VoxelGrid};
use m3d_imaging::io::{Progress, load, scan, write_npy_f32, write_npy_u8};
use m3d_imaging::volume::{Preparation, Volume, nearest_voxels, prepare as shrink};

/// Voxels of labels may be off by this share of a voxel and still be the image's.
const SAME_VOXEL: f64 = 0.05;

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
            // A map with more labels than this is an image.
            labels.extend(labels_in(&map).into_iter().take(MOST_LABELS));
        }
    }
    let class = |label: i64| Class {
        name: format!("label {label}"),
        labels: vec![label],
    };
    Ok(labels.into_iter().take(MOST_LABELS).map(class).collect())
}

const MOST_LABELS: usize = 1000;

fn labels_in(map: &Volume) -> BTreeSet<i64> {
    let mut labels = BTreeSet::new();
    let dims = map.grid().dims();
    let mut slice = vec![0.0; dims.x as usize * dims.y as usize];
    for k in 0..dims.z {
        map.read_slice(k, &mut slice);
        let mut last = f32::NAN;
        for &value in &slice {
            if value != last && value > 0.5 && labels.len() <= MOST_LABELS {
                labels.insert(value.round() as i64);
            }
            last = value;
        }
    }
    labels
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

/// The way from the image's voxels to those of its labels.
fn label_from_image(labels: &VoxelGrid, image: &VoxelGrid) -> Result<DAffine3, String> {
    let there = labels.voxel_from_patient() * image.patient_from_voxel();
    let far = image.dims().as_dvec3() - 1.0;
    let last = labels.dims().as_dvec3() - 1.0;
    let fits = (0..8).all(|n| {
        let corner =
            DVec3::from_array([0, 1, 2].map(|a| if n >> a & 1 == 1 { far[a] } else { 0.0 }));
        let found = there.transform_point3(corner);
        let nearest = found.round();
        (found - nearest).abs().max_element() < SAME_VOXEL
            && nearest.cmpge(DVec3::ZERO).all()
            && nearest.cmple(last).all()
    });
    if fits && labels.len() == image.len() {
        return Ok(there);
    }
    let words = |grid: &VoxelGrid| {
        let (dims, spacing) = (grid.dims(), grid.spacing_mm());
        format!(
            "{} x {} x {} voxels of {:.2} x {:.2} x {:.2} mm",
            dims.x, dims.y, dims.z, spacing.x, spacing.y, spacing.z
        )
    };
    Err(format!(
        "the labels ({}) do not lie on the image's voxels ({}); resample them to the image",
        words(labels),
        words(image)
    ))
}
