//! DICOMDIR: the index of a medium (PS3.3 F, PS3.10 8).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use dicom_dictionary_std::tags;
use dicom_object::OpenFileOptions;

use super::error::Refusal;
use super::{Refused, files};

/// No medium's index comes near this.
const MOST_BYTES: u64 = 256 << 20;

/// The files an index names, those that are there; the others are refused.
pub(super) fn list(path: &Path) -> Result<(Vec<PathBuf>, Vec<Refused>), Refusal> {
    let damaged = |why: &str| {
        let message =
            format!("an index (DICOMDIR) that cannot be read ({why}); open its folder instead");
        Refusal::new("malformed", message)
    };
    if files::open(path)?.metadata()?.len() > MOST_BYTES {
        return Err(damaged("more than 256 MiB"));
    }
    let object = OpenFileOptions::new()
        .open_file(path)
        .map_err(|error| damaged(&error.to_string()))?;
    let records = object
        .element(tags::DIRECTORY_RECORD_SEQUENCE)
        .ok()
        .and_then(|records| records.items())
        .ok_or_else(|| damaged("no Directory Record Sequence (0004,1220)"))?;
    let root = path.parent().unwrap_or(Path::new(""));
    let mut folders = Folders::default();
    let (mut found, mut refused) = (BTreeSet::new(), Vec::new());
    for record in records {
        let Ok(id) = record.element(tags::REFERENCED_FILE_ID) else {
            continue;
        };
        let parts = id
            .to_multi_str()
            .map_err(|error| damaged(&error.to_string()))?;
        let names: Vec<&str> = parts
            .iter()
            .map(|part| part.trim_matches(['\0', ' ']))
            .collect();
        let inside =
            |name: &&str| !name.is_empty() && *name != ".." && !name.contains(['/', '\\', ':']);
        if !names.iter().all(inside) {
            let message =
                "the index (DICOMDIR) names a file outside its folder, which is left alone";
            refused.push(Refused::new(path, Refusal::new("archive_path", message)));
            continue;
        }
        if let Some(file) = folders.find(root, &names) {
            found.insert(file);
        } else {
            let message =
                "the index (DICOMDIR) names this file, and it is not there; copy the medium again";
            let place = names
                .iter()
                .fold(root.to_owned(), |place, name| place.join(name));
            refused.push(Refused::new(&place, Refusal::new("missing_file", message)));
        }
    }
    Ok((found.into_iter().collect(), refused))
}

/// The names in folders, by what a medium calls them.
#[derive(Default)]
struct Folders(BTreeMap<PathBuf, BTreeMap<String, PathBuf>>);

impl Folders {
    /// A file by the names that lead to it. Capitals do not count, nor do the dots and version numbers that ISO 9660 puts
    /// behind names.
    fn find(&mut self, root: &Path, names: &[&str]) -> Option<PathBuf> {
        let mut place = root.to_owned();
        for name in names {
            let exact = place.join(name);
            place = if exact.exists() {
                exact
            } else {
                self.names(&place).get(&plain(name))?.clone()
            };
        }
        place.is_file().then_some(place)
    }

    fn names(&mut self, folder: &Path) -> &BTreeMap<String, PathBuf> {
        self.0.entry(folder.to_owned()).or_insert_with(|| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries
                .map(|entry| (plain(&entry.file_name().to_string_lossy()), entry.path()))
                .collect()
        })
    }
}

fn plain(name: &str) -> String {
    let name = name.to_lowercase();
    let name = name.split(';').next().unwrap_or_default();
    name.trim_end_matches('.').to_owned()
}
