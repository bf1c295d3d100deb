//! A DICOM file opened at its data set.

use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use dicom_dictionary_std::{tags, uids};
use flate2::bufread::DeflateDecoder;

use super::elements::{Encoding, Walker, is_vr, malformed};
use crate::io::error::Refusal;
use crate::io::files;

/// No value of the File Meta group that is looked at is longer.
const LONGEST_VALUE: u32 = 256;

/// The most bytes a deflated data set may become: an image of 16384 x 16384 with room to spare.
const MOST_INFLATED: u64 = 1 << 30;

/// A place to read from: the file, or the inflated data set.
pub(super) trait Bytes: Read + Seek {}
impl<T: Read + Seek> Bytes for T {}

/// A file at the first element of its data set.
pub(super) struct Opened {
    pub walker: Walker<Box<dyn Bytes>>,
    /// The transfer syntax as declared; where none is, the default (PS3.5 10.1) or what the data set shows.
    pub syntax: String,
    /// How the elements are written: as declared, unless the first one says otherwise.
    pub encoding: Encoding,
    pub meta: FileMeta,
    /// Bytes of the file.
    pub file_length: u64,
    /// A deflated data set whose end is damaged; what could be inflated is here.
    pub is_damaged: bool,
}

/// What is kept of the File Meta group (PS3.10 7.1); empty where it is absent.
#[derive(Default)]
pub(super) struct FileMeta {
    /// Media Storage SOP Class UID (0002,0002).
    pub class: String,
    /// Media Storage SOP Instance UID (0002,0003).
    pub instance: String,
    /// Transfer Syntax UID (0002,0010).
    syntax: String,
}

impl Opened {
    /// `meta` is the offset of the File Meta group; `None` where the file begins with the data set itself.
    pub fn open(path: &Path, meta: Option<u64>) -> Result<Self, Refusal> {
        let (mut walker, meta) = at_data_set(path, meta)?;
        let file_length = walker.position() + walker.remaining();
        let mut is_damaged = false;
        if meta.syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
            let (inflated, is_whole) = inflate(path, walker.position())?;
            let end = inflated.len() as u64;
            walker = Walker::new(Box::new(Cursor::new(inflated)), 0, end);
            is_damaged = !is_whole;
        }
        let encoding = encoding(&mut walker, &meta.syntax)?;
        let syntax = match (meta.syntax.as_str(), encoding.explicit) {
            ("", true) => uids::EXPLICIT_VR_LITTLE_ENDIAN,
            ("", false) => uids::IMPLICIT_VR_LITTLE_ENDIAN,
            (declared, _) => declared,
        };
        Ok(Self {
            walker,
            syntax: syntax.to_owned(),
            encoding,
            meta,
            file_length,
            is_damaged,
        })
    }
}

/// The inflated data set of a file whose File Meta group is at `meta`.
pub(super) fn inflated(path: &Path, meta: u64) -> Result<Vec<u8>, Refusal> {
    let (walker, _) = at_data_set(path, Some(meta))?;
    inflate(path, walker.position()).map(|(bytes, _)| bytes)
}

/// The file behind its File Meta group.
fn at_data_set(
    path: &Path,
    meta: Option<u64>,
) -> Result<(Walker<Box<dyn Bytes>>, FileMeta), Refusal> {
    let file = files::open(path)?;
    let length = file.metadata()?.len();
    let start = meta.unwrap_or(0);
    let mut reader: Box<dyn Bytes> = Box::new(BufReader::new(file));
    reader.seek(SeekFrom::Start(start))?;
    let mut walker = Walker::new(reader, start, length);
    let meta = match meta {
        Some(_) => read_meta(&mut walker)?,
        None => FileMeta::default(),
    };
    Ok((walker, meta))
}

/// Reads the File Meta group and stops at the data set. Its group length is not trusted: writers get it wrong.
fn read_meta<R: Read + Seek>(walker: &mut Walker<R>) -> Result<FileMeta, Refusal> {
    let mut meta = FileMeta::default();
    loop {
        let start = walker.position();
        let element = match walker.next(Encoding::EXPLICIT) {
            Ok(Some(element)) if element.tag.group() == 0x0002 => element,
            Ok(None) => return Ok(meta),
            Err(refusal) if start == walker.position() => return Err(refusal),
            // The data set begins here; in implicit VR or deflated this was no element at all.
            Ok(Some(_)) | Err(_) => return walker.rewind(start).map(|()| meta),
        };
        let value = match element.tag {
            tags::MEDIA_STORAGE_SOP_CLASS_UID => &mut meta.class,
            tags::MEDIA_STORAGE_SOP_INSTANCE_UID => &mut meta.instance,
            tags::TRANSFER_SYNTAX_UID => &mut meta.syntax,
            _ => {
                walker.skip_value(&element, Encoding::EXPLICIT)?;
                continue;
            }
        };
        match element.length.filter(|&n| n <= LONGEST_VALUE) {
            Some(length) => *value = plain(&walker.value(length)?),
            None if element.tag == tags::TRANSFER_SYNTAX_UID => {
                return Err(malformed("its transfer syntax"));
            }
            None => walker.skip_value(&element, Encoding::EXPLICIT)?,
        }
    }
}

/// The encoding that a transfer syntax declares, unless the first element says otherwise: files exist that declare
/// explicit VR and are implicit.
fn encoding<R: Read + Seek>(walker: &mut Walker<R>, syntax: &str) -> Result<Encoding, Refusal> {
    let declared = match syntax {
        uids::IMPLICIT_VR_LITTLE_ENDIAN => Encoding::IMPLICIT,
        #[allow(deprecated, reason = "retired from the standard, not from archives")]
        uids::EXPLICIT_VR_BIG_ENDIAN => Encoding {
            explicit: true,
            big_endian: true,
        },
        _ => Encoding::EXPLICIT,
    };
    if declared.big_endian || walker.remaining() < 8 {
        return Ok(declared);
    }
    let start = walker.position();
    let head = walker.value(8)?;
    walker.rewind(start)?;
    let explicit = matches!(head[..], [_, _, _, _, a, b, ..] if is_vr([a, b]));
    Ok(Encoding {
        explicit,
        big_endian: false,
    })
}

/// A deflated data set (PS3.5 A.5) in memory, at most [`MOST_INFLATED`] bytes of it, and whether it is whole: a damaged end
/// may still leave the header so.
fn inflate(path: &Path, start: u64) -> Result<(Vec<u8>, bool), Refusal> {
    let mut file = files::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    let read = DeflateDecoder::new(BufReader::new(file))
        .take(MOST_INFLATED + 1)
        .read_to_end(&mut bytes);
    if bytes.len() as u64 > MOST_INFLATED {
        return Err(Refusal::new(
            "too_large",
            "its deflated data set becomes larger than 1 GiB; export it uncompressed",
        ));
    }
    match read {
        Err(_) if bytes.is_empty() => Err(malformed("its deflated data set")),
        read => Ok((bytes, read.is_ok())),
    }
}

/// A value of ASCII characters without padding.
pub(super) fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_matches(|c: char| c.is_whitespace() || c == '\0')
        .to_owned()
}
