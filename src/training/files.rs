//! Files that are either there whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::TrainingError;

/// Writes a file under another name and renames it: whoever looks finds the old one or the new one.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), TrainingError> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let fresh = path.with_file_name(name);
    let written = File::create(&fresh).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|e| TrainingError::io(&fresh, e))?;
    fs::rename(&fresh, path).map_err(|e| TrainingError::io(path, e))
}
