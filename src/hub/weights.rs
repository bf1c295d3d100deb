//! Where the tensors of a weights file lie, and whether their numbers are numbers.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::names::{INDEX, SINGLE};
use super::record::hex;
use super::{HubError, NotFinite};
use crate::model::weights::WeightsFile;

const CHUNK: usize = 4 << 20;
/// Largest index that is read.
const LARGEST_INDEX: u64 = 64 << 20;

/// A tensor in a weights file.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub name: String,
    /// `F32`, `BF16` and so on.
    pub numbers: String,
    pub count: u64,
    /// Bytes from the beginning of the data.
    begin: u64,
    end: u64,
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// The tensors of a file in the order of their data.
pub(super) fn places(file: &WeightsFile) -> Vec<Place> {
    let header: BTreeMap<String, Value> = serde_json::from_slice(&file.header).unwrap_or_default();
    let mut places: Vec<Place> = header
        .into_iter()
        .filter_map(|(name, value)| {
            let entry: Entry = serde_json::from_value(value).ok()?;
            let count = entry
                .shape
                .iter()
                .try_fold(1_u64, |n, &d| n.checked_mul(d))?;
            Some(Place {
                name,
                numbers: entry.dtype,
                count,
                begin: entry.data_offsets[0],
                end: entry.data_offsets[1],
            })
        })
        .collect();
    places.sort_by_key(|place| place.begin);
    places
}

/// The weights files of a folder, by name: the one file, or those that the index names. Second, why
/// there are none or not all can be told.
pub(super) fn weights_files(folder: &Path) -> (Vec<PathBuf>, Option<String>) {
    let single = folder.join(SINGLE);
    if single.exists() {
        return (vec![single], None);
    }
    let Ok(file) = File::open(folder.join(INDEX)) else {
        return (Vec::new(), Some(SINGLE.to_owned()));
    };
    let mut text = Vec::new();
    let read = file.take(LARGEST_INDEX).read_to_end(&mut text);
    let index: Option<Index> = read.ok().and_then(|_| serde_json::from_slice(&text).ok());
    let Some(index) = index else {
        return (Vec::new(), Some(format!("{INDEX} (damaged)")));
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
        return (Vec::new(), Some(format!("{INDEX} (damaged)")));
    }
    (names.iter().map(|name| folder.join(name)).collect(), None)
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Reads a file from end to end once: its SHA-256 and, for weights, the tensors with numbers that are
/// none. `step` is given the bytes of each piece and may stop the reading.
pub(super) fn read_through(
    path: &Path,
    weights: Option<&WeightsFile>,
    step: &mut dyn FnMut(u64) -> Result<(), HubError>,
) -> Result<(String, Vec<NotFinite>), HubError> {
    let failed = |e| HubError::read(path, e);
    let mut file = File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut wrong = Vec::new();
    let mut chunk = vec![0; CHUNK];
    if let Some(weights) = weights {
        let mut header = vec![0; 8 + weights.header.len()];
        file.read_exact(&mut header).map_err(failed)?;
        hash.update(&header);
        step(header.len() as u64)?;
        for place in places(weights) {
            let mut left = place.end.saturating_sub(place.begin);
            let mut count = 0;
            while left > 0 {
                // Chunks are of whole numbers: every width divides their size.
                let piece = &mut chunk[..left.min(CHUNK as u64) as usize];
                file.read_exact(piece).map_err(failed)?;
                hash.update(&*piece);
                count += not_finite(piece, &place.numbers);
                left -= piece.len() as u64;
                step(piece.len() as u64)?;
            }
            if count > 0 {
                let tensor = place.name;
                wrong.push(NotFinite { tensor, count });
            }
        }
    }
    loop {
        let got = file.read(&mut chunk).map_err(failed)?;
        if got == 0 {
            return Ok((hex(hash), wrong));
        }
        hash.update(&chunk[..got]);
        step(got as u64)?;
    }
}

/// Numbers whose exponent is all ones: infinite, or no number.
fn not_finite(bytes: &[u8], numbers: &str) -> u64 {
    let half = |mask: u16| {
        let words = bytes
            .chunks_exact(2)
            .map(|b| u16::from_le_bytes([b[0], b[1]]));
        words.filter(|word| word & mask == mask).count() as u64
    };
    match numbers {
        "F16" => half(0x7c00),
        "BF16" => half(0x7f80),
        "F32" => {
            let mask = 0x7f80_0000;
            let words = bytes.chunks_exact(4);
            let words = words.map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            words.filter(|word| word & mask == mask).count() as u64
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::*;

    #[test]
    fn what_is_no_number_is_counted_in_every_type() {
        let values = [
            1.0,
            -65504.0,
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            0.0,
        ];
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(not_finite(&bytes, "F32"), 3);
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|&v| f16::from_f32(v).to_le_bytes())
            .collect();
        assert_eq!(not_finite(&bytes, "F16"), 3);
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|&v| bf16::from_f32(v).to_le_bytes())
            .collect();
        assert_eq!(not_finite(&bytes, "BF16"), 3);
        assert_eq!(not_finite(&bytes, "I64"), 0);
    }
}
