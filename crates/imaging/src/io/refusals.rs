//! Files that were not taken, put together by series and reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Library, Refused, Series, Warning};

/// The code of a file that is there twice.
pub(super) const COPY: &str = "copy";

/// Files of one series, or of none, that were not taken for one reason.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusedGroup<'a> {
    /// The files in the order of their paths, at least one.
    pub files: Vec<&'a Refused>,
}

impl RefusedGroup<'_> {
    /// The first of the files, whose words stand for all.
    pub fn first(&self) -> Option<&Refused> {
        self.files.first().copied()
    }
}

impl std::fmt::Display for RefusedGroup<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(first) = self.first() else {
            return Ok(());
        };
        match (self.files.len(), first.series_description.as_str()) {
            (1, _) => write!(f, "{first}"),
            (n, "") => write!(
                f,
                "{n} files, {} and others: {}",
                first.path.display(),
                first.message
            ),
            (n, series) => write!(f, "{series}, {n} files: {}", first.message),
        }
    }
}

/// Puts refusals together that are of one series and for one reason.
pub(super) fn groups(refused: &[Refused]) -> Vec<RefusedGroup<'_>> {
    type Key<'a> = (Option<&'a str>, &'static str, &'a str);
    let mut order: Vec<Key> = Vec::new();
    let mut groups: BTreeMap<Key, Vec<&Refused>> = BTreeMap::new();
    for entry in refused {
        let series = entry.series_uid.as_deref();
        // Of one series the figures in the words differ from file to file.
        let words = if series.is_some() {
            ""
        } else {
            entry.message.as_str()
        };
        let key = (series, entry.code, words);
        let files = groups.entry(key).or_default();
        if files.is_empty() {
            order.push(key);
        }
        files.push(entry);
    }
    let files = order.iter().filter_map(|key| groups.remove(key));
    files.map(|files| RefusedGroup { files }).collect()
}

/// Warns on each series of which files were not taken. A file whose header could not be read counts to the series that all
/// other images of its folder are of.
pub(super) fn warn(library: &mut Library) {
    let Library {
        patients, refused, ..
    } = library;
    if refused.is_empty() {
        return;
    }
    let mut series: Vec<&mut Series> = patients
        .iter_mut()
        .flat_map(|patient| &mut patient.studies)
        .flat_map(|study| &mut study.series)
        .collect();
    let mut folders: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for series in &series {
        let uid = base(&series.uid);
        let files = series.files();
        let parents: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
        for folder in parents {
            let uids = folders.entry(folder.to_owned()).or_default();
            uids.insert(uid.to_owned());
        }
    }
    for series in &mut series {
        if series.key().is_none() {
            continue; // Not of DICOM files.
        }
        let uid = base(&series.uid).to_owned();
        let is_of_it = |entry: &&Refused| match &entry.series_uid {
            // Of a copy nothing is lost, and it is told already.
            _ if entry.code == COPY => false,
            Some(other) => *other == uid,
            None => {
                let folder = entry.path.parent().and_then(|folder| folders.get(folder));
                is_damaged(entry) && folder.is_some_and(|f| f.len() == 1 && f.contains(&uid))
            }
        };
        let lost: Vec<&Refused> = refused.iter().filter(is_of_it).collect();
        let Some(first) = lost.first() else {
            continue;
        };
        let what = match lost.len() {
            1 => "a file of this series is not shown".to_owned(),
            n => format!("{n} files of this series are not shown"),
        };
        let message = format!("{what}: {}", first.message);
        series
            .warnings
            .insert(0, Warning::new("files_refused", message));
    }
}

/// A series' UID without the number of its part.
fn base(uid: &str) -> &str {
    uid.split('#').next().unwrap_or(uid)
}

/// Whether a file was to be an image and is not whole.
fn is_damaged(entry: &Refused) -> bool {
    ["truncated", "malformed", "unreadable", "damaged_pixels"].contains(&entry.code)
}
