//! The files that hold an array's voxels, and how they are packed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::{MultiGzDecoder, ZlibDecoder};

use super::hashed_file::{HashedFile, SharedHash};
use super::number::Number;
use super::text::TextNumbers;
use crate::io::error::Refusal;
use crate::io::{files, pictures};

/// Deflate packs at most this many bytes into one (zlib's own figure is 1032).
const MOST_PACKED: u64 = 1040;

/// How voxels are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::io) enum Packing {
    Plain,
    Gzip,
    Zlib,
    /// Numbers written out, with white space or commas between them.
    Text(Number),
    /// A PNG or JPEG picture.
    Picture,
}

/// A file with voxels, all or some of them.
#[derive(Clone, Debug)]
pub(in crate::io) struct Part {
    pub path: PathBuf,
    /// Bytes of the file before what is packed.
    pub start: u64,
    pub packing: Packing,
    /// Bytes before the voxels after unpacking.
    pub skip: u64,
}

impl Part {
    /// A whole file that is packed if it is gzip, with voxels from byte `skip` of its content on.
    pub fn whole(path: &Path, skip: u64) -> Result<Self, Refusal> {
        let packing = if is_gzip(&mut BufReader::new(files::open(path)?))? {
            Packing::Gzip
        } else {
            Packing::Plain
        };
        Ok(Self {
            path: path.to_owned(),
            start: 0,
            packing,
            skip,
        })
    }

    /// Refuses a file that cannot hold `bytes` of voxels: shorter than that, or than they can possibly be packed into.
    /// The rest of a packed file shows itself when it is loaded.
    pub fn refuse_short(&self, bytes: u64) -> Result<(), Refusal> {
        let length = files::open(&self.path)?.metadata()?.len();
        let packed = length.saturating_sub(self.start);
        let most = match self.packing {
            Packing::Plain => packed,
            Packing::Gzip | Packing::Zlib => packed.saturating_mul(MOST_PACKED),
            // A digit and a space for each number.
            Packing::Text(number) => (packed / 2 + 1).saturating_mul(number.size() as u64),
            Packing::Picture => return Ok(()),
        };
        match bytes.checked_add(self.skip) {
            Some(wanted) if wanted <= most => Ok(()),
            _ => Err(Refusal::truncated(format!(
                "its header announces {bytes} bytes of voxels, but the file has {length} bytes; copy it again"
            ))),
        }
    }

    /// The unpacked voxels from byte `from` on, and the handle that counts the rest of the file.
    pub(super) fn open(
        &self,
        from: u64,
        hash: Option<SharedHash>,
    ) -> Result<(Box<dyn Read>, HashedFile), Refusal> {
        let mut file = HashedFile::open(&self.path, hash)?;
        let skip = self.skip.saturating_add(from);
        if self.packing == Packing::Plain {
            file.skip(self.start.saturating_add(skip))?;
            return Ok((Box::new(buffered(file.reader())), file));
        }
        file.skip(self.start)?;
        let packed = buffered(file.reader());
        let mut unpacked: Box<dyn Read> = match self.packing {
            Packing::Plain => Box::new(packed),
            Packing::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Packing::Zlib => Box::new(ZlibDecoder::new(packed)),
            Packing::Text(number) => Box::new(TextNumbers::new(packed, number)),
            Packing::Picture => Box::new(Cursor::new(pictures::pixels(packed)?)),
        };
        io::copy(&mut unpacked.by_ref().take(skip), &mut io::sink())?;
        Ok((unpacked, file))
    }
}

fn buffered<R: Read>(file: R) -> BufReader<R> {
    BufReader::with_capacity(1 << 16, file)
}

/// The content of a file, unpacked when it is gzip, whatever its name says.
pub(in crate::io) fn unpacked(path: &Path) -> Result<Box<dyn BufRead>, Refusal> {
    let mut file: BufReader<File> = buffered(files::open(path)?);
    Ok(if is_gzip(&mut file)? {
        Box::new(buffered(MultiGzDecoder::new(file)))
    } else {
        Box::new(file)
    })
}

fn is_gzip(file: &mut impl BufRead) -> Result<bool, Refusal> {
    Ok(file.fill_buf()?.starts_with(&[0x1F, 0x8B]))
}
