//! What every subcommand begins with: finding and reading an image.

use std::path::Path;

use anyhow::{Context, bail};

use crate::io::{self, Library, Progress, Series};
use crate::volume::Volume;

/// The series of a path that a command is about: the one named, or the largest.
///
/// # Errors
/// When nothing can be opened there or there is no series of that name.
pub fn find_series(path: &Path, uid: Option<&str>) -> anyhow::Result<Series> {
    let library = io::scan(path, &Progress::silent())?;
    let found = match uid {
        Some(uid) => library.series().find(|s| s.uid == uid),
        None => library.largest_series(),
    };
    match (found, uid) {
        (Some(series), _) => Ok(series.clone()),
        (None, Some(uid)) => {
            let known: Vec<&str> = library.series().map(|s| s.uid.as_str()).collect();
            bail!(
                "{}: there is no series {uid}; there are: {}",
                path.display(),
                known.join(", ")
            )
        }
        (None, None) => bail!(nothing_opened(path, &library)),
    }
}

/// Why nothing could be opened, in one line.
pub fn nothing_opened(path: &Path, library: &Library) -> String {
    let refused = &library.refused;
    let first = refused
        .first()
        .map_or_else(String::new, |r| format!("; the first: {r}"));
    format!(
        "{}: no image could be opened, {} {} refused{first}",
        path.display(),
        refused.len(),
        if refused.len() == 1 {
            "file was"
        } else {
            "files were"
        }
    )
}

/// A series of a path, read.
///
/// # Errors
/// As [`find_series`], or when the voxels cannot be read.
pub fn read(path: &Path, uid: Option<&str>) -> anyhow::Result<(Series, Volume)> {
    let series = find_series(path, uid)?;
    let volume = io::load(&series, &Progress::silent())
        .with_context(|| format!("series {} cannot be read", series.uid))?;
    Ok((series, volume))
}
