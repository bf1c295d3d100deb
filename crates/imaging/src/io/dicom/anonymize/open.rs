//! A DICOM file opened at its data set.

use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use dicom_dictionary_std::{tags, uids};
use flate2::read::DeflateDecoder;

use crate::io::dicom::elements::{Encoding, Walker, is_vr, malformed};
use crate::io::error::Refusal;
use crate::io::files;

/// The longest value that is looked at.
pub(super) const LONGEST_VALUE: u32 = 1 << 16;

/// The most bytes a deflated data set may become.
const MOST_INFLATED: u64 = 1 << 30;

/// A place to read from: the file, or the inflated data set.
pub(super) trait Bytes: Read + Seek {}
impl<T: Read + Seek> Bytes for T {}

/// A file at the first element of its data set.
pub(super) struct Opened {
    pub walker: Walker<Box<dyn Bytes>>,
    /// As the File Meta group declares it, or as the data set shows it.
    pub syntax: String,
    pub encoding: Encoding,
    /// Media Storage SOP Class UID (0002,0002) and SOP Instance UID (0002,0003), where they are there.
    pub meta_class: String,
    pub meta_instance: String,
}

impl Opened {
    /// `meta` is the offset of the File Meta group; `None` where the file begins with the data set.
    pub fn open(path: &Path, meta: Option<u64>) -> Result<Self, Refusal> {
        let file = files::open(path)?;
        let length = file.metadata()?.len();
        let start = meta.unwrap_or(0);
        let mut reader: Box<dyn Bytes> = Box::new(BufReader::with_capacity(1 << 16, file));
        reader.seek(SeekFrom::Start(start))?;
        let mut walker = Walker::new(reader, start, length);
        let [class, instance, syntax] = match meta {
            Some(_) => read_meta(&mut walker)?,
            None => <[String; 3]>::default(),
        };
        if syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
            let inflated = inflate(path, walker.position())?;
            let end = inflated.len() as u64;
            walker = Walker::new(Box::new(Cursor::new(inflated)), 0, end);
        }
        #[allow(deprecated, reason = "retired from the standard, not from archives")]
        let big_endian = syntax == uids::EXPLICIT_VR_BIG_ENDIAN;
        let explicit = big_endian || is_explicit(&mut walker)?;
        let encoding = Encoding {
            explicit,
            big_endian,
        };
        Ok(Self {
            syntax: true_syntax(syntax, explicit),
            walker,
            encoding,
            meta_class: class,
            meta_instance: instance,
        })
    }
}

/// Files exist that declare explicit value types and are implicit, or declare nothing.
fn true_syntax(declared: String, explicit: bool) -> String {
    match (declared.as_str(), explicit) {
        (uids::EXPLICIT_VR_LITTLE_ENDIAN | "", false) => uids::IMPLICIT_VR_LITTLE_ENDIAN.to_owned(),
        (uids::IMPLICIT_VR_LITTLE_ENDIAN | "", true) => uids::EXPLICIT_VR_LITTLE_ENDIAN.to_owned(),
        _ => declared,
    }
}

/// Class, instance and transfer syntax of the File Meta group (PS3.10 7.1); the walker stands behind it.
fn read_meta(walker: &mut Walker<Box<dyn Bytes>>) -> Result<[String; 3], Refusal> {
    let mut found = <[String; 3]>::default();
    loop {
        let start = walker.position();
        let element = match walker.next(Encoding::EXPLICIT) {
            Ok(Some(element)) if element.tag.group() == 0x0002 => element,
            Ok(None) => return Ok(found),
            Err(refusal) if start == walker.position() => return Err(refusal),
            // The data set begins here; in implicit VR or deflated this was no element at all.
            Ok(Some(_)) | Err(_) => return walker.rewind(start).map(|()| found),
        };
        let wanted = [
            tags::MEDIA_STORAGE_SOP_CLASS_UID,
            tags::MEDIA_STORAGE_SOP_INSTANCE_UID,
            tags::TRANSFER_SYNTAX_UID,
        ];
        match wanted.iter().position(|tag| *tag == element.tag) {
            Some(index) => {
                let length = element.length.filter(|&n| n <= LONGEST_VALUE);
                let length = length.ok_or_else(|| malformed("its File Meta group"))?;
                found[index] = plain(&walker.value(length)?);
            }
            None => walker.skip_value(&element, Encoding::EXPLICIT)?,
        }
    }
}

fn is_explicit(walker: &mut Walker<Box<dyn Bytes>>) -> Result<bool, Refusal> {
    if walker.remaining() < 8 {
        return Ok(true);
    }
    let start = walker.position();
    let head = walker.value(8)?;
    walker.rewind(start)?;
    Ok(matches!(head[..], [_, _, _, _, a, b, ..] if is_vr([a, b])))
}

fn inflate(path: &Path, start: u64) -> Result<Vec<u8>, Refusal> {
    let mut file = files::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    DeflateDecoder::new(BufReader::new(file))
        .take(MOST_INFLATED + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| malformed("its deflated data set"))?;
    if bytes.len() as u64 > MOST_INFLATED {
        let message = "its deflated data set becomes larger than 1 GiB; export it uncompressed";
        return Err(Refusal::new("too_large", message));
    }
    Ok(bytes)
}

/// A value of ASCII characters without padding.
pub(super) fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_matches(|c: char| c.is_whitespace() || c == '\0')
        .to_owned()
}
