//! Lists in JSON files.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ReadError;
use super::paths::normal;
use crate::dataset::Split;

/// The most bytes of a list: a hundred times the published ones.
const MOST_LIST_BYTES: u64 = 1 << 30;
/// The most bytes of a report.
pub(super) const MOST_TEXT_BYTES: u64 = 1 << 20;

/// The lists of a JSON file. M3D's own code asks for `train` here and for `training` there.
#[derive(Deserialize)]
pub(super) struct Lists<E> {
    #[serde(default = "Vec::new")]
    train: Vec<E>,
    #[serde(default = "Vec::new")]
    training: Vec<E>,
    #[serde(default = "Vec::new")]
    validation: Vec<E>,
    #[serde(default = "Vec::new")]
    test: Vec<E>,
    /// Names of classes by their number.
    #[serde(default)]
    pub labels: serde_json::Map<String, serde_json::Value>,
}

impl<E> Lists<E> {
    /// The lists with their splits and names.
    pub fn parts(self) -> [(Split, &'static str, Vec<E>); 3] {
        let (name, train) = if self.train.is_empty() {
            ("training", self.training)
        } else {
            ("train", self.train)
        };
        [
            (Split::Train, name, train),
            (Split::Validation, "validation", self.validation),
            (Split::Test, "test", self.test),
        ]
    }
}

/// A file's bytes, refused where there are more than `most`.
pub(super) fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, ReadError> {
    let failed = |source| ReadError::unreadable(path, source);
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > most {
        let message = format!("it is larger than {most} bytes; is it the right file?");
        return Err(ReadError::file(path, message));
    }
    Ok(bytes)
}

/// A JSON file as a value.
pub(super) fn json<T: DeserializeOwned>(path: &Path) -> Result<T, ReadError> {
    let bytes = bytes(path, MOST_LIST_BYTES)?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    serde_json::from_slice(text)
        .map_err(|error| ReadError::file(path, format!("it is no such list ({error}); mend it")))
}

/// The files of a folder whose name starts like the set's (`m3d_vqa`) and ends with `ending`, each with the
/// rest of its name; shorter names first.
pub(super) fn lists_of(folder: &Path, start: &str, ending: &str) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<(String, PathBuf)> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .filter_map(|path| {
            let name = normal(path.file_name()?.to_str()?);
            let rest = name.strip_prefix(start)?.strip_suffix(ending)?.to_owned();
            Some((rest, path))
        })
        .collect();
    found.sort_by(|a, b| (a.0.len(), a).cmp(&(b.0.len(), b)));
    found
}

/// The split that a list's name says: `_test`, `_yn_train`, `_test5k`.
pub(super) fn split_in(name: &str) -> Option<Split> {
    name.split('_').find_map(|word| match word {
        "train" | "training" => Some(Split::Train),
        "val" | "validation" => Some(Split::Validation),
        word if word.starts_with("test") => Some(Split::Test),
        _ => None,
    })
}
