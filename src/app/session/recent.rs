//! The studies that were opened last: a list that survives, in a file that only the user can read.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::envelope::{self, EnvelopeError};
use super::{StudyId, disk};

/// The most that are listed; the oldest leave first.
const MOST: usize = 20;
const LIST: &str = "recent.json";
const LOCK: &str = "recent.lock";
const MOST_BYTES: u64 = 1 << 20;

/// A study that was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    /// The study.
    pub study: StudyId,
    /// The patient's name, for the screen alone.
    pub patient: String,
    /// Study Date (0008,0020), `YYYYMMDD`.
    pub date: String,
    /// Study Description (0008,1030), or the file's name.
    pub description: String,
    /// The file, or the folder that all its files lie in; it may be gone.
    pub path: PathBuf,
    /// When it was opened, in seconds since 1970.
    pub opened_secs: u64,
}

impl Recent {
    /// Patient, date and description in one line, for the screen alone.
    pub fn title(&self) -> String {
        let parts = [&self.patient, &self.date, &self.description];
        let filled: Vec<&str> = parts
            .into_iter()
            .map(String::as_str)
            .filter(|p| !p.is_empty())
            .collect();
        filled.join(", ")
    }
}

/// The list of the folder of all work, the latest first; empty where there is none that can be read.
pub(super) fn read(root: &Path) -> Vec<Recent> {
    list(root).unwrap_or_else(|error| {
        tracing::warn!("the recent studies cannot be read: {error}");
        Vec::new()
    })
}

fn list(root: &Path) -> io::Result<Vec<Recent>> {
    let bytes = match disk::read(&root.join(LIST), MOST_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    match envelope::open::<Vec<Recent>>(&bytes) {
        Ok((mut list, _)) => {
            list.truncate(MOST);
            Ok(list)
        }
        // It is only a list of paths; the next study begins it anew.
        Err(EnvelopeError::Damaged(_)) => Ok(Vec::new()),
        Err(newer) => Err(io::Error::other(newer)),
    }
}

/// Changes the list, which other windows change too; what it is then.
pub(super) fn change(root: &Path, change: &dyn Fn(&mut Vec<Recent>)) -> io::Result<Vec<Recent>> {
    disk::make_folder(root)?;
    let lock: File = disk::create(&root.join(LOCK))?;
    // Where the system knows no locks, two windows at the same moment may lose an entry.
    if let Err(error) = lock.lock() {
        tracing::debug!("the recent studies are not locked: {error}");
    }
    let mut list = list(root)?;
    change(&mut list);
    list.truncate(MOST);
    disk::put(&root.join(LIST), &envelope::seal(&list, None)?)?;
    disk::sync_folder(root)?;
    Ok(list)
}

/// Puts a study first.
pub(super) fn put(list: &mut Vec<Recent>, recent: Recent) {
    list.retain(|known| known.study != recent.study);
    list.insert(0, recent);
}

#[cfg(test)]
mod tests {
    use m3d_imaging::volume::{Digest, ImageKey};

    use super::*;

    fn study(n: u32) -> Recent {
        let sha256 = Digest::of(&n.to_le_bytes());
        Recent {
            study: StudyId::of(&ImageKey::File { sha256 }),
            patient: format!("Doe^{n}"),
            date: "20260101".into(),
            description: String::new(),
            path: format!("/studies/{n}").into(),
            opened_secs: u64::from(n),
        }
    }

    #[test]
    fn the_latest_are_kept_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("data");
        assert_eq!(read(&root), []);
        for n in (0..30).chain([25]) {
            change(&root, &|list| put(list, study(n))).unwrap();
        }
        let list = read(&root);
        let order: Vec<u64> = list.iter().map(|recent| recent.opened_secs).collect();
        let rest = (11..30).rev().filter(|n| *n != 25);
        assert_eq!(
            order,
            std::iter::once(25)
                .chain(rest)
                .chain([10])
                .collect::<Vec<_>>()
        );
        std::fs::write(root.join(LIST), "{").unwrap();
        assert_eq!(read(&root), []);
        let newer = br#"{"version": 99}"#;
        std::fs::write(root.join(LIST), newer).unwrap();
        assert!(change(&root, &|list| put(list, study(1))).is_err());
        assert_eq!(std::fs::read(root.join(LIST)).unwrap(), newer);
    }
}
