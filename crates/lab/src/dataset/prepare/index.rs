//! The lists of a set that grows: entries of earlier runs stay.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::PrepareSetError;
use crate::dataset::Split;

/// A list with an entry per image and report, or per mask.
pub(super) struct Index {
    lists: [Vec<Value>; 3],
}

const PARTS: [&str; 3] = ["train", "validation", "test"];

impl Index {
    /// The entries that are there already, without those of the cases that are listed anew: `is_ours` tells
    /// them by their image.
    pub fn open(path: &Path, is_ours: impl Fn(&str) -> bool) -> Result<Self, PrepareSetError> {
        let mut lists = [Vec::new(), Vec::new(), Vec::new()];
        let old = read_map(path)?;
        for (list, part) in lists.iter_mut().zip(PARTS) {
            let entries = old.get(part).and_then(Value::as_array);
            let others = entries.into_iter().flatten().filter(|entry| {
                let image = entry.get("image").and_then(Value::as_str);
                image.is_some_and(|image| !is_ours(image))
            });
            list.extend(others.cloned());
        }
        Ok(Self { lists })
    }

    /// Adds an entry: an image with what belongs to it under `key`.
    pub fn add(&mut self, split: Split, image: &str, key: &str, other: &str) {
        self.lists[split as usize].push(json!({ "image": image, key: other }));
    }

    /// How many entries each split has.
    pub fn counts(&self) -> [usize; 3] {
        [0, 1, 2].map(|n| self.lists[n].len())
    }

    /// Writes the list, with more keys before the parts. An empty list for validation is left out where the
    /// set has none.
    pub fn write(
        mut self,
        path: &Path,
        more: Map<String, Value>,
        validation: bool,
    ) -> Result<(), PrepareSetError> {
        let mut whole = more;
        for (list, part) in self.lists.iter_mut().zip(PARTS) {
            list.sort_by_cached_key(|entry| {
                let image = entry.get("image").and_then(Value::as_str);
                image.unwrap_or_default().to_owned()
            });
            if validation || part != PARTS[1] || !list.is_empty() {
                whole.insert(part.to_owned(), Value::Array(std::mem::take(list)));
            }
        }
        write_json(path, &Value::Object(whole))
    }
}

/// A JSON file's top map; empty where there is no such file.
pub(super) fn read_map(path: &Path) -> Result<Map<String, Value>, PrepareSetError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(source) => {
            return Err(PrepareSetError::Read {
                path: path.to_owned(),
                source,
            });
        }
    };
    serde_json::from_slice(&bytes).map_err(|error| PrepareSetError::File {
        path: path.to_owned(),
        message: format!("it is no list of a set ({error}); remove it or give another folder"),
    })
}

/// Writes a JSON file beside its place and moves it there.
pub(super) fn write_json(path: &Path, value: &Value) -> Result<(), PrepareSetError> {
    let part = path.with_extension("json.part");
    let all = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = fs::File::create(&part)?;
        writeln!(file, "{value:#}")?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    all().map_err(|source| PrepareSetError::Write {
        path: path.to_owned(),
        source,
    })
}
