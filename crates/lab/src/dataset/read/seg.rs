//! M3D-Seg: images with one mask per class.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::list::{Lists, json};
use super::paths::{Origin, Root, SetKind};
use super::{FileName, ImageArray, ListRow, MaskArray, ReadError, Record, Set};
use crate::dataset::Split;

/// An image with the mask of one class.
#[derive(Clone, Debug)]
pub struct SegRecord {
    /// The split it belongs to.
    pub split: Split,
    /// The data set's tag, such as `0003`.
    pub tag: Arc<str>,
    /// The image.
    pub image: FileName,
    /// The mask.
    pub mask: FileName,
    /// The class's number, from 0.
    pub class: usize,
    /// The class's name.
    pub name: Arc<str>,
    /// Sentences that describe the class; none where the dictionary has none.
    pub descriptions: Arc<[String]>,
}

/// What a [`SegRecord`] stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct SegSample {
    /// The image, prepared as segmentation data is.
    pub image: ImageArray,
    /// The mask, of the image's size; nothing is inside where the class is absent.
    pub mask: MaskArray,
}

#[derive(Deserialize)]
struct Entry {
    image: String,
    label: String,
}

/// A class: its name and what describes it.
#[derive(Clone)]
struct Class {
    name: Arc<str>,
    descriptions: Arc<[String]>,
}

/// The lists of all data sets of M3D-Seg in a folder of M3D-Data. Names of classes come from
/// `dataset_info.json`, else from the `labels` of the data set's own file; descriptions from
/// `term_dictionary.json`, in the set's folder or in M3D-Data's.
///
/// # Errors
/// When there is none, or one cannot be read, or no entry can be used.
pub fn open_seg(root: &Path) -> Result<Set<SegRecord>, ReadError> {
    let root = Arc::new(Root::open(root)?);
    for folder in root.folders(SetKind::Seg) {
        let sets = data_sets(folder);
        if sets.is_empty() {
            continue;
        }
        let beside = |name: &str| {
            let mut folders = root.folders(SetKind::Seg);
            folders.find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()))
        };
        let names: HashMap<String, Vec<String>> = match beside("dataset_info.json") {
            Some(path) => json(&path)?,
            None => HashMap::new(),
        };
        let terms: HashMap<String, Vec<String>> = match beside("term_dictionary.json") {
            Some(path) => json(&path)?,
            None => HashMap::new(),
        };
        let (mut records, mut refused) = (Vec::new(), Vec::new());
        for (tag, file) in sets {
            let lists: Lists<Entry> = json(&file)?;
            let names = names.get(&tag).cloned();
            let classes: Vec<Class> = names
                .unwrap_or_else(|| names_in(&lists.labels))
                .into_iter()
                .map(|name| Class {
                    descriptions: terms.get(&name).cloned().unwrap_or_default().into(),
                    name: name.into(),
                })
                .collect();
            let file: Arc<Path> = file.into();
            let origin = Arc::new(Origin {
                root: Arc::clone(&root),
                folder: folder.to_owned(),
                file,
            });
            let tag: Arc<str> = tag.into();
            for (split, list, entries) in lists.parts() {
                for (n, entry) in entries.iter().enumerate() {
                    let place = ListRow::entry(&origin.file, list, n + 1);
                    match record(entry, split, &tag, &classes, &place, &origin) {
                        Ok(record) => records.push(record),
                        Err(error) => refused.push(error),
                    }
                }
            }
        }
        return Set::new(records, refused);
    }
    Err(root.lacks(SetKind::Seg))
}

/// Subfolders with a list of their own name, `0003/0003.json`, in order.
fn data_sets(folder: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut sets: Vec<(String, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let tag = entry.file_name().into_string().ok()?;
            let file = entry.path().join(format!("{tag}.json"));
            file.is_file().then_some((tag, file))
        })
        .collect();
    sets.sort();
    sets
}

/// Names by number, from a data set's own `labels`. Where 0 is the background, class K is label K + 1, as in
/// the published lists.
fn names_in(labels: &Map<String, Value>) -> Vec<String> {
    let name = |n: usize| labels.get(&n.to_string()).and_then(Value::as_str);
    let first = usize::from(name(0).is_none_or(|name| name.eq_ignore_ascii_case("background")));
    (first..)
        .map_while(|n| name(n).map(str::to_owned))
        .collect()
}

fn record(
    entry: &Entry,
    split: Split,
    tag: &Arc<str>,
    classes: &[Class],
    place: &ListRow,
    origin: &Arc<Origin>,
) -> Result<SegRecord, ReadError> {
    let image = FileName::new(&entry.image, place, origin)?;
    let mask = FileName::new(&entry.label, place, origin)?;
    let file = mask.parts().next_back().unwrap_or_default();
    let class: usize = file
        .strip_prefix("mask_")
        .and_then(|rest| rest.strip_suffix(".npy"))
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| {
            place.error(format!(
                "its label {:?} is no mask_K.npy; prepare the set (m3d-viewer data prepare)",
                entry.label
            ))
        })?;
    let Class { name, descriptions } = classes.get(class).cloned().ok_or_else(|| {
        place.error(format!(
            "{file} is class {class} and the data set {tag} names {} classes; add its name to \
             dataset_info.json",
            classes.len()
        ))
    })?;
    Ok(SegRecord {
        split,
        tag: Arc::clone(tag),
        image,
        mask,
        class,
        name,
        descriptions,
    })
}

impl Record for SegRecord {
    fn split(&self) -> Split {
        self.split
    }
}

impl SegRecord {
    /// Reads the image alone: many records in a row share it.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn load_image(&self) -> Result<ImageArray, ReadError> {
        ImageArray::read(&self.image)
    }

    /// Reads the mask for an image of `size`.
    ///
    /// # Errors
    /// When it is not there, cannot be read or has another size.
    pub fn load_mask(&self, size: [usize; 3]) -> Result<MaskArray, ReadError> {
        MaskArray::read(&self.mask, size, |v| v != 0.0)
    }

    /// Reads the image and the mask.
    ///
    /// # Errors
    /// When one of them is not there or cannot be read, or their sizes differ.
    pub fn load(&self) -> Result<SegSample, ReadError> {
        let image = self.load_image()?;
        let mask = self.load_mask(image.size)?;
        Ok(SegSample { image, mask })
    }
}
