//! What was fetched, in a small file beside it.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::HubError;

/// The record's name in a model's folder.
pub const RECORD_FILE: &str = "m3d-fetch.json";
/// Largest record that is read.
const LARGEST: u64 = 1 << 20;

/// Where a model's files came from, with their sizes and sums.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRecord {
    /// Its name on the hub.
    pub model: String,
    /// The revision asked for.
    pub revision: String,
    /// The commit it was then.
    pub commit: String,
    /// The hub.
    pub endpoint: String,
    /// The files.
    pub files: Vec<FileRecord>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Its name in the folder.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, 64 hexadecimal digits; absent while the hub names none and the file has not come.
    pub sha256: Option<String>,
}

impl FetchRecord {
    /// The record of a folder; none where there is none that can be read.
    pub fn read(folder: &Path) -> Option<Self> {
        let file = File::open(folder.join(RECORD_FILE)).ok()?;
        let mut text = Vec::new();
        file.take(LARGEST).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), HubError> {
        let path = folder.join(RECORD_FILE);
        let text = serde_json::to_vec_pretty(self)
            .map_err(|e| HubError::write(&path, std::io::Error::other(e)))?;
        fs::write(&path, text).map_err(|e| HubError::write(&path, e))
    }

    /// Bytes of all files.
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// The files that are absent or have another size.
    pub fn missing(&self, folder: &Path) -> Vec<String> {
        let there = |file: &&FileRecord| {
            let about = fs::metadata(folder.join(&file.name));
            about.is_ok_and(|about| about.is_file() && about.len() == file.size)
        };
        let missing = self.files.iter().filter(|file| !there(file));
        missing.map(|file| file.name.clone()).collect()
    }
}

/// The sum of a hash, as 64 hexadecimal digits.
pub(super) fn hex(hash: Sha256) -> String {
    let digits = hash.finalize().into_iter().flat_map(|b| [b >> 4, b & 15]);
    digits
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}
