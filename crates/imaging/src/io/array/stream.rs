//! The bytes of voxels, wherever they lie.

use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use super::hashed_file::{HashedFile, SharedHash};
use super::part::Part;
use crate::io::IoError;
use crate::io::error::Refusal;

/// A run of bytes of an array's voxels, read from one part after the other.
pub(super) struct Stream<'a> {
    parts: &'a [Part],
    /// Bytes of voxels in each part.
    per_part: u64,
    /// Bytes of the voxels that are still to come.
    range: Range<u64>,
    /// Number of the part that is read next.
    next: usize,
    current: Option<Current>,
    hash: Option<SharedHash>,
}

struct Current {
    bytes: Box<dyn Read>,
    /// Bytes still wanted of it.
    left: u64,
    file: HashedFile,
}

/// What ended a stream early.
pub(super) enum Broken {
    /// A part cannot be opened.
    Refused(IoError),
    /// A part ended or broke.
    Io(io::Error),
}

impl<'a> Stream<'a> {
    /// The bytes `range` of `parts`, each of which holds `per_part` of them.
    pub fn new(
        parts: &'a [Part],
        per_part: u64,
        range: Range<u64>,
        hash: Option<SharedHash>,
    ) -> Self {
        Self {
            parts,
            per_part,
            range,
            next: 0,
            current: None,
            hash,
        }
    }

    /// The file that is being read.
    pub fn path(&self) -> Option<&'a Path> {
        let part = self.parts.get(self.next.saturating_sub(1))?;
        Some(&part.path)
    }

    /// Fills `buffer` with what comes next.
    pub fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), Broken> {
        while !buffer.is_empty() {
            let Some(current) = self.current.as_mut().filter(|current| current.left > 0) else {
                self.open_next()?;
                continue;
            };
            let count = (buffer.len() as u64).min(current.left) as usize;
            let (now, rest) = buffer.split_at_mut(count);
            current.bytes.read_exact(now).map_err(Broken::Io)?;
            current.left -= count as u64;
            buffer = rest;
        }
        Ok(())
    }

    /// Counts all that was not asked for.
    pub fn finish(mut self) -> Result<(), Broken> {
        self.close()?;
        if self.hash.is_some() {
            while self.next < self.parts.len() {
                self.open_next()?;
            }
            self.close()?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Broken> {
        match self.current.take() {
            Some(mut current) => current.file.drain().map_err(Broken::Io),
            None => Ok(()),
        }
    }

    /// Opens the next part; one of which no voxel is wanted is counted or passed over.
    fn open_next(&mut self) -> Result<(), Broken> {
        self.close()?;
        let Some(part) = self.parts.get(self.next) else {
            return Err(Broken::Io(io::ErrorKind::UnexpectedEof.into()));
        };
        let before = self.per_part * self.next as u64;
        self.next += 1;
        let from = self.range.start.saturating_sub(before).min(self.per_part);
        let to = self.range.end.saturating_sub(before).min(self.per_part);
        let refused = |refusal: Refusal| Broken::Refused(refusal.at(&part.path));
        if from < to {
            let (bytes, file) = part.open(from, self.hash.clone()).map_err(refused)?;
            let left = to - from;
            self.current = Some(Current { bytes, left, file });
        } else if self.hash.is_some() {
            let file = HashedFile::open(&part.path, self.hash.clone()).map_err(refused)?;
            let bytes = Box::new(io::empty());
            let left = 0;
            self.current = Some(Current { bytes, left, file });
        }
        Ok(())
    }
}
