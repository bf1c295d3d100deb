//! A file whose bytes are counted into a SHA-256 while they are read.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use crate::io::error::Refusal;
use crate::io::files;
use crate::volume::Digest;

/// Bytes read at a time at the end.
const CHUNK: usize = 1 << 18;

/// The shared handle: one side reads for the decoder, the other takes the digest.
pub(super) struct HashedFile(Rc<RefCell<Counted>>);

struct Counted {
    file: File,
    hash: Sha256,
}

impl HashedFile {
    /// Opens `path`; the bytes of `before` come first in the digest.
    pub fn open(path: &Path, before: Option<&Path>) -> Result<Self, Refusal> {
        let mut hash = Sha256::new();
        if let Some(before) = before {
            hash.update(std::fs::read(before)?);
        }
        let file = files::open(path)?;
        Ok(Self(Rc::new(RefCell::new(Counted { file, hash }))))
    }

    /// A reader over the same handle.
    pub fn reader(&self) -> impl Read + use<> {
        Self(Rc::clone(&self.0))
    }

    /// The digest of all bytes: what no reader asked for is read now.
    pub fn digest(self) -> io::Result<Digest> {
        let mut counted = self.0.borrow_mut();
        let mut buffer = vec![0; CHUNK];
        while counted.read(&mut buffer)? > 0 {}
        Ok(Digest::finish(counted.hash.clone()))
    }
}

impl Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hash.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

impl Read for HashedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_whole_file_however_little_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a"), folder.path().join("b"));
        let bytes: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
        std::fs::write(&first, b"head").unwrap();
        std::fs::write(&second, &bytes).unwrap();
        for share in [0, 1, 350_000, 700_000] {
            let file = HashedFile::open(&second, None).unwrap();
            let mut read = vec![0; share];
            file.reader().read_exact(&mut read).unwrap();
            assert_eq!(read, bytes[..share]);
            assert_eq!(file.digest().unwrap(), Digest::of(&bytes));
        }
        let both = [b"head".as_slice(), &bytes].concat();
        let pair = HashedFile::open(&second, Some(&first)).unwrap();
        assert_eq!(pair.digest().unwrap(), Digest::of(&both));
    }
}
