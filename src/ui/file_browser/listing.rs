//! What is in a folder, read on a thread of its own: a folder may be far away or hold a hundred thousand files.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crossbeam_channel::{Receiver, bounded};

use crate::app::jobs::Waker;

/// The most entries that are listed.
const MOST: usize = 200_000;

/// A file or folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub path: PathBuf,
    /// Its name as it is shown.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Its bytes.
    size: u64,
    /// When it was last changed.
    changed: Option<SystemTime>,
}

impl Entry {
    /// Whether its name begins with a dot.
    pub fn is_hidden(&self) -> bool {
        self.name.starts_with('.')
    }

    /// Its size and the day it was changed, in words.
    pub fn details(&self) -> String {
        let day = self.changed.and_then(day).unwrap_or_default();
        if self.is_folder {
            return day;
        }
        let size = match self.size {
            bytes if bytes < 1 << 10 => format!("{bytes} B"),
            bytes if bytes < 1 << 20 => format!("{} KB", bytes >> 10),
            bytes => format!("{:.1} MB", bytes as f64 / f64::from(1 << 20)),
        };
        format!("{size}   {day}")
    }
}

/// The day of a time, `YYYY-MM-DD`, in UTC; by the algorithm of days from civil (H. Hinnant).
fn day(time: SystemTime) -> Option<String> {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    let days = i64::try_from(seconds / 86_400).ok()? + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year + era * 400 + i64::from(month < 3);
    Some(format!("{year}-{month:02}-{day:02}"))
}

/// A folder that is being read or was.
pub struct Listing {
    receiver: Receiver<Result<Vec<Entry>, String>>,
    found: Option<Result<Vec<Entry>, String>>,
}

impl Listing {
    /// Begins to read a folder; `wake` is called when it was read.
    pub fn of(folder: PathBuf, wake: &Waker) -> Self {
        let (sender, receiver) = bounded(1);
        let wake = wake.clone();
        let body = move || {
            // The dialog may be closed; then nobody wants the list.
            let _ = sender.send(read(&folder));
            wake();
        };
        let thread = std::thread::Builder::new().name("browse".into());
        let found = thread.spawn(body).err().map(|error| Err(error.to_string()));
        Self { receiver, found }
    }

    /// Takes what was read.
    pub fn update(&mut self) {
        if let Ok(found) = self.receiver.try_recv() {
            self.found = Some(found);
        }
    }

    /// Says something in place of the list.
    pub fn fail(&mut self, problem: String) {
        self.found = Some(Err(problem));
    }

    /// Whether it is still being read.
    pub const fn is_reading(&self) -> bool {
        self.found.is_none()
    }

    /// Why the folder cannot be read.
    pub fn problem(&self) -> Option<&str> {
        self.found.as_ref()?.as_ref().err().map(String::as_str)
    }

    /// Folders first, each by name, numbers in their order.
    pub fn entries(&self) -> &[Entry] {
        match &self.found {
            Some(Ok(entries)) => entries,
            _ => &[],
        }
    }
}

fn read(folder: &Path) -> Result<Vec<Entry>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => "You may not look into this folder.".to_owned(),
        std::io::ErrorKind::NotFound => "This folder is not there any more.".to_owned(),
        _ => format!("This folder cannot be read: {error}"),
    })?;
    let entries = entries.flatten().take(MOST).map(|entry| {
        let path = entry.path();
        // Follows links: a link to a folder is one.
        let about = std::fs::metadata(&path).ok();
        Entry {
            name: entry.file_name().to_string_lossy().into_owned(),
            is_folder: about.as_ref().is_some_and(std::fs::Metadata::is_dir),
            size: about.as_ref().map_or(0, std::fs::Metadata::len),
            changed: about.and_then(|about| about.modified().ok()),
            path,
        }
    });
    let mut entries: Vec<Entry> = entries.collect();
    entries.sort_by_cached_key(|entry| (!entry.is_folder, sort_key(&entry.name)));
    Ok(entries)
}

/// A name with its numbers filled up, so that `IM2` comes before `IM10`.
fn sort_key(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    let mut digits = String::new();
    let flush = |digits: &mut String, key: &mut String| {
        if !digits.is_empty() {
            let zeros = 20_usize.saturating_sub(digits.len());
            key.extend(std::iter::repeat_n('0', zeros));
            key.push_str(digits);
            digits.clear();
        }
    };
    for letter in name.chars() {
        if letter.is_ascii_digit() {
            digits.push(letter);
        } else {
            flush(&mut digits, &mut key);
            key.extend(letter.to_lowercase());
        }
    }
    flush(&mut digits, &mut key);
    key
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn folders_come_first_and_numbers_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["IM10.dcm", "im2.dcm", "IM1.dcm"] {
            std::fs::write(folder.path().join(name), [0; 2000]).unwrap();
        }
        std::fs::create_dir(folder.path().join("series 7")).unwrap();
        let entries = read(folder.path()).unwrap();
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["series 7", "IM1.dcm", "im2.dcm", "IM10.dcm"]);
        assert!(entries[1].details().starts_with("1 KB"));
        assert!(read(&folder.path().join("gone")).is_err());
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let on = |days: u64| day(SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400));
        for (days, wanted) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (20_785, "2026-11-28"),
        ] {
            assert_eq!(on(days).as_deref(), Some(wanted));
        }
    }
}
