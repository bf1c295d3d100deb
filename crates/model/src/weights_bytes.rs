//! The bytes of a weights file: mapped from disk, or in the program.

use std::fs::File;
use std::ops::{Deref, Range};
use std::path::Path;

use memmap2::Mmap;

use super::ModelError;
use super::error::open_file;

/// All bytes of a file, seen where they lie.
#[derive(Debug)]
pub(super) enum WeightsBytes {
    /// A file on disk and its map.
    Mapped(File, Mmap),
    /// In the program.
    Static(&'static [u8]),
}

impl Deref for WeightsBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(_, map) => map,
            Self::Static(bytes) => bytes,
        }
    }
}

impl WeightsBytes {
    /// Maps a file.
    pub fn map(path: &Path) -> Result<Self, ModelError> {
        let file = open_file(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => ModelError::MissingFile {
                path: path.to_path_buf(),
                hint: "fetch every file of the published checkpoint into one folder",
            },
            _ => ModelError::io(path, source),
        })?;
        // SAFETY: the map is only read, while weights are taken and never after; the file's length is looked at before
        // each tensor, so that only one cut short in the midst of a tensor's reading could end this program with a
        // signal.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) };
        let map = map.map_err(|e| ModelError::io(path, e))?;
        Ok(Self::Mapped(file, map))
    }

    /// Bytes that can be read now: a file may have been cut short.
    pub fn readable(&self) -> std::io::Result<u64> {
        match self {
            Self::Mapped(file, _) => Ok(file.metadata()?.len()),
            Self::Static(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// Tells the system that a part will not be needed soon. The pages of a program are its own to manage.
    pub fn release(&self, part: &Range<usize>) {
        #[cfg(unix)]
        if let Self::Mapped(_, map) = self {
            let (start, length) = (part.start, part.len());
            // SAFETY: the map is private to reading and never written, so dropped pages come back from the file as
            // they were.
            #[allow(unsafe_code)]
            let _ = unsafe {
                map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, length)
            };
        }
    }
}
