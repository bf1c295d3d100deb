//! Files that are either there whole or not at all, in a folder that one training writes.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::TrainingError;
use m3d_model::lock::lock_file;

/// Held by the training that writes a folder.
const LOCK_FILE: &str = ".lock";

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

/// Keeps other trainings out of a folder until the file is dropped, or the program ends in whatever way.
pub(super) fn lock(out: &Path) -> Result<File, TrainingError> {
    let path = out.join(LOCK_FILE);
    let locked = lock_file(&path).map_err(|e| TrainingError::io(&path, e))?;
    locked.ok_or_else(|| TrainingError::Busy(out.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_for_one_training_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = lock(folder.path()).unwrap();
        let second = lock(folder.path()).unwrap_err().to_string();
        assert!(second.contains("another training"), "{second}");
        drop(first);
        lock(folder.path()).unwrap();
    }
}
