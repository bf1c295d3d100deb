//! The weights files of a folder: what they hold, their checksums, and whether their values are finite.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::record::hex;
use super::{HubError, NotFinite};
use m3d_model::file_names::{GGUF, WEIGHTS, WEIGHTS_INDEX};
use m3d_model::weights::WeightsFile;
use m3d_model::{ModelError, ModelFolder};

const CHUNK: usize = 4 << 20;
/// Largest index that is read.
const LARGEST_INDEX: u64 = 64 << 20;

/// How many values of each dtype a file holds: `F32`, `Q4K` and so on.
pub(super) fn counts(file: &WeightsFile) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for name in file.names() {
        let kind = match file.stored(name) {
            Ok(stored) => format!("{stored:?}").to_uppercase(),
            Err(ModelError::TensorType { found, .. }) => found,
            Err(_) => continue,
        };
        *counts.entry(kind).or_default() += file.element_count(name);
    }
    counts
}

/// The names of a folder's weights files: the one file, or those that the index names, in order. Second, why
/// there are none, or not all are known.
pub(super) fn weights_files(folder: &ModelFolder) -> (Vec<String>, Option<String>) {
    if folder.has(WEIGHTS) {
        return (vec![WEIGHTS.to_owned()], None);
    }
    if !folder.has(WEIGHTS_INDEX) {
        return if folder.has(GGUF) {
            (vec![GGUF.to_owned()], None)
        } else {
            (Vec::new(), Some(WEIGHTS.to_owned()))
        };
    }
    let read = folder.read(WEIGHTS_INDEX, LARGEST_INDEX, "");
    let index: Option<Index> = read
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    let Some(index) = index else {
        return (Vec::new(), Some(format!("{WEIGHTS_INDEX} (damaged)")));
    };
    let mut names: Vec<String> = index.weight_map.into_values().collect();
    names.sort();
    names.dedup();
    let plain = |name: &String| {
        Path::new(name)
            .file_name()
            .is_some_and(|n| n == name.as_str())
    };
    if names.is_empty() || !names.iter().all(plain) {
        return (Vec::new(), Some(format!("{WEIGHTS_INDEX} (damaged)")));
    }
    (names, None)
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Reads a file from end to end: its SHA-256. `step` is given the bytes of each piece and may stop the reading.
pub(super) fn sum(
    folder: &ModelFolder,
    name: &str,
    step: &mut dyn FnMut(u64) -> Result<(), HubError>,
) -> Result<String, HubError> {
    let failed = |e| HubError::read(&folder.file(name), e);
    let mut file = folder.open(name).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let got = file.read(&mut chunk).map_err(failed)?;
        if got == 0 {
            return Ok(hex(hash));
        }
        hash.update(&chunk[..got]);
        step(got as u64)?;
    }
}

/// The tensors of a file with infinite values or NaN. `step` is called before each and may stop.
pub(super) fn not_finite(
    file: &WeightsFile,
    step: &mut dyn FnMut() -> Result<(), HubError>,
) -> Result<Vec<NotFinite>, HubError> {
    let mut wrong = Vec::new();
    for name in file.names() {
        step()?;
        // A dtype that cannot be read is an error where the network asks for the tensor.
        let Ok(values) = file.values(name) else {
            continue;
        };
        let count = values.par_iter().filter(|value| !value.is_finite()).count() as u64;
        if count > 0 {
            let tensor = name.clone();
            wrong.push(NotFinite { tensor, count });
        }
        drop(values);
        file.release(name);
    }
    Ok(wrong)
}
