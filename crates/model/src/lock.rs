//! Folders that one program at a time writes: a model that is being fetched or trained.

use std::fs::{File, TryLockError};
use std::io::Result;
use std::path::Path;

/// Locks a file, which is made where there is none, until it is dropped or the program ends in whatever way. `None`
/// where another holds it.
///
/// # Errors
/// Where the file cannot be made. A file system that knows no locks is none.
pub fn lock_file(path: &Path) -> Result<Option<File>> {
    let file = File::create(path)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(None),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(file)),
    }
}
