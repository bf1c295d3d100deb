//! A file whose bytes are counted into a SHA-256 while they are read.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use crate::io::error::Refusal;
use crate::io::files;

/// Bytes read at a time at the end.
const CHUNK: usize = 1 << 18;

/// A running SHA-256 over several files.
pub(super) type SharedHash = Rc<RefCell<Sha256>>;

/// A handle on an open file: one side reads for the decoder, the other drains what is left.
pub(super) struct HashedFile {
    file: Rc<RefCell<File>>,
    hash: Option<SharedHash>,
}

impl HashedFile {
    /// Opens `path`; its bytes go into `hash`, where there is one.
    pub fn open(path: &Path, hash: Option<SharedHash>) -> Result<Self, Refusal> {
        let file = Rc::new(RefCell::new(files::open(path)?));
        Ok(Self { file, hash })
    }

    /// Another reader over the same file.
    pub fn reader(&self) -> Self {
        Self {
            file: Rc::clone(&self.file),
            hash: self.hash.clone(),
        }
    }

    /// Moves `bytes` on: past them where nobody counts, else through them. That the file ends before shows when it is read.
    pub fn skip(&mut self, bytes: u64) -> io::Result<()> {
        if self.hash.is_none() {
            let offset = i64::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
            self.file.borrow_mut().seek(SeekFrom::Current(offset))?;
            return Ok(());
        }
        io::copy(&mut self.by_ref().take(bytes), &mut io::sink())?;
        Ok(())
    }

    /// Counts what no reader asked for.
    pub fn drain(&mut self) -> io::Result<()> {
        if self.hash.is_some() {
            let mut buffer = vec![0; CHUNK];
            while self.read(&mut buffer)? > 0 {}
        }
        Ok(())
    }
}

impl Read for HashedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.borrow_mut().read(buffer)?;
        if let Some(hash) = &self.hash {
            hash.borrow_mut()
                .update(buffer.get(..count).unwrap_or_default());
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Digest;

    #[test]
    fn the_digest_is_that_of_the_whole_file_however_little_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let bytes: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        for share in [0, 1, 350_000, 700_000] {
            let hash = SharedHash::default();
            let mut file = HashedFile::open(&path, Some(Rc::clone(&hash))).unwrap();
            let mut read = vec![0; share];
            file.reader().read_exact(&mut read).unwrap();
            assert_eq!(read, bytes[..share]);
            file.drain().unwrap();
            let found = Digest::finish(hash.borrow().clone());
            assert_eq!(found, Digest::of(&bytes));
        }
    }

    #[test]
    fn skipping_ends_at_the_same_place_whether_or_not_bytes_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"0123456789").unwrap();
        for hash in [None, Some(SharedHash::default())] {
            let mut file = HashedFile::open(&path, hash).unwrap();
            file.skip(7).unwrap();
            let mut rest = String::new();
            file.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "789");
        }
    }
}
