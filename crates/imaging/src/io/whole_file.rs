//! Files that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::IoError;

/// Writes a file beside `path` and moves it there once it is whole.
///
/// # Errors
/// When writing fails; nothing is left behind then.
pub(super) fn write(
    path: &Path,
    contents: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), IoError> {
    let failed = |error| IoError::write(path, error);
    let (file, beside) = create_beside(path).map_err(failed)?;
    let mut out = BufWriter::with_capacity(1 << 18, file);
    let written = contents(&mut out)
        .and_then(|()| out.into_inner()?.sync_all())
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What is left of it is of no use; that it could not be removed adds nothing to the error.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(failed)
}

/// A new file in the same folder, whose name nothing else has.
fn create_beside(path: &Path) -> io::Result<(File, PathBuf)> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    for attempt in 0..1000_u32 {
        let mut candidate = name.clone();
        candidate.push(format!(".{}-{attempt}.part", std::process::id()));
        let beside = path.with_file_name(candidate);
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&beside)
        {
            Ok(file) => return Ok((file, beside)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
