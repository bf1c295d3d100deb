//! What the import needs from a DICOM file's header.

use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use dicom_dictionary_std::{tags, uids};
use dicom_object::{InMemDicomObject, Tag};
use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry};

use super::elements::{Encoding, ITEM, Walker, is_vr, malformed};
use crate::io::error::Refusal;
use crate::io::files;

/// The elements that are read; everything else is passed over.
const WANTED: [Tag; 36] = [
    tags::SPECIFIC_CHARACTER_SET,
    tags::IMAGE_TYPE,
    tags::SOP_CLASS_UID,
    tags::STUDY_DATE,
    tags::MODALITY,
    tags::STUDY_DESCRIPTION,
    tags::SERIES_DESCRIPTION,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::PATIENT_AGE,
    tags::PATIENT_SEX,
    tags::ISSUER_OF_PATIENT_ID,
    tags::STUDY_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
    tags::SOP_INSTANCE_UID,
    tags::FRAME_OF_REFERENCE_UID,
    tags::SERIES_NUMBER,
    tags::IMAGE_POSITION_PATIENT,
    tags::IMAGE_ORIENTATION_PATIENT,
    tags::SAMPLES_PER_PIXEL,
    tags::PHOTOMETRIC_INTERPRETATION,
    tags::NUMBER_OF_FRAMES,
    tags::ROWS,
    tags::COLUMNS,
    tags::PIXEL_SPACING,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::HIGH_BIT,
    tags::PIXEL_REPRESENTATION,
    tags::WINDOW_CENTER,
    tags::WINDOW_WIDTH,
    tags::RESCALE_INTERCEPT,
    tags::RESCALE_SLOPE,
    tags::RESCALE_TYPE,
    tags::LOSSY_IMAGE_COMPRESSION,
    tags::UNITS,
];

/// No wanted value is longer.
const LONGEST_VALUE: u32 = 1 << 16;

/// The most bytes a deflated data set may become: an image of 16384 x 16384 with room to spare.
const MOST_INFLATED: u64 = 1 << 30;

/// Where the pixels lie and how they are wrapped.
#[derive(Clone, Debug)]
pub(super) struct PixelPlace {
    /// From the start of the file, or of the inflated data set.
    pub offset: u64,
    /// Bytes of the value; `None` when undefined: a sequence of fragments.
    pub length: Option<u32>,
    /// The transfer syntax.
    pub syntax: String,
    pub big_endian: bool,
    /// Pixels written as 16-bit words.
    pub words: bool,
    /// Size of the file when its header was read.
    pub file_length: u64,
    /// Bytes that are there for the pixels.
    pub available: u64,
}

/// A file's header.
#[derive(Debug)]
pub(super) struct Header {
    pub values: InMemDicomObject,
    /// Integer pixels.
    pub pixels: Option<PixelPlace>,
    /// Pixels as floating point numbers (7FE0,0008) or (7FE0,0009).
    pub float_pixels: bool,
    /// A table from stored to modality values (0028,3000).
    pub has_modality_lut: bool,
    /// Functional groups: an enhanced image.
    pub is_enhanced: bool,
}

/// A place to read from: the file, or the inflated data set.
pub(super) trait Source: Read + Seek {}
impl<T: Read + Seek> Source for T {}

impl Header {
    /// Reads up to the pixels. `meta` is the offset of the File Meta group; `None` where the file begins
    /// with the data set itself.
    pub fn read(path: &Path, meta: Option<u64>) -> Result<Self, Refusal> {
        let file = files::open(path)?;
        let file_length = file.metadata()?.len();
        let mut reader = BufReader::new(file);
        reader.seek(SeekFrom::Start(meta.unwrap_or(0)))?;
        let mut walker = Walker::new(reader, meta.unwrap_or(0), file_length);
        let declared = match meta {
            Some(_) => read_meta(&mut walker)?,
            None => None,
        };
        let start = walker.position();
        let syntax = match declared {
            Some(syntax) => syntax,
            // Without a declaration the default (PS3.5 10.1) or what the first element shows.
            None => guess(&mut walker, start)?,
        };
        if syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
            drop(walker);
            let inflated = inflate(path, start)?;
            let end = inflated.len() as u64;
            return read_dataset(
                &mut Walker::new(Cursor::new(inflated), 0, end),
                &syntax,
                file_length,
            );
        }
        read_dataset(&mut walker, &syntax, file_length)
    }
}

/// Reads the File Meta group (PS3.10 7.1) for its transfer syntax and stops at the data set. Its group
/// length is not trusted: writers get it wrong.
fn read_meta<R: Read + Seek>(walker: &mut Walker<R>) -> Result<Option<String>, Refusal> {
    let mut syntax = None;
    loop {
        let start = walker.position();
        match walker.next(Encoding::EXPLICIT) {
            Ok(Some(element)) if element.tag.group() == 0x0002 => {
                if element.tag == tags::TRANSFER_SYNTAX_UID {
                    let length = element.length.filter(|&n| n <= LONGEST_VALUE);
                    let length = length.ok_or_else(|| malformed("its transfer syntax"))?;
                    let bytes = walker.value(length)?;
                    let text = String::from_utf8_lossy(&bytes);
                    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
                    syntax = Some(text.to_owned()).filter(|text| !text.is_empty());
                } else {
                    walker.skip_value(&element, Encoding::EXPLICIT)?;
                }
            }
            // The data set begins here; in implicit VR or deflated this was no element at all.
            Ok(Some(_)) => return walker.rewind(start).map(|()| syntax),
            Ok(None) => return Ok(syntax),
            Err(refusal) if start == walker.position() => return Err(refusal),
            Err(_) => return walker.rewind(start).map(|()| syntax),
        }
    }
}

/// The syntax of a data set that declares none.
fn guess<R: Read + Seek>(walker: &mut Walker<R>, start: u64) -> Result<String, Refusal> {
    let encoding = probe(walker, start, Encoding::EXPLICIT)?;
    Ok(if encoding.explicit {
        uids::EXPLICIT_VR_LITTLE_ENDIAN.to_owned()
    } else {
        uids::IMPLICIT_VR_LITTLE_ENDIAN.to_owned()
    })
}

/// The encoding as declared, unless the first element says otherwise: files exist that declare explicit
/// VR and are implicit.
fn probe<R: Read + Seek>(
    walker: &mut Walker<R>,
    start: u64,
    declared: Encoding,
) -> Result<Encoding, Refusal> {
    if declared.big_endian || walker.remaining() < 8 {
        return Ok(declared);
    }
    let head = walker.value(8)?;
    walker.rewind(start)?;
    let explicit = matches!(head[..], [_, _, _, _, a, b, ..] if is_vr([a, b]));
    Ok(Encoding {
        explicit,
        big_endian: false,
    })
}

fn read_dataset<R: Read + Seek>(
    walker: &mut Walker<R>,
    syntax: &str,
    file_length: u64,
) -> Result<Header, Refusal> {
    let declared = match syntax {
        uids::IMPLICIT_VR_LITTLE_ENDIAN => Encoding::IMPLICIT,
        #[allow(deprecated, reason = "retired from the standard, not from archives")]
        uids::EXPLICIT_VR_BIG_ENDIAN => Encoding {
            explicit: true,
            big_endian: true,
        },
        _ => Encoding::EXPLICIT,
    };
    let start = walker.position();
    let encoding = probe(walker, start, declared)?;
    let mut small = Vec::new();
    let (mut has_modality_lut, mut is_enhanced) = (false, false);
    let (mut pixels, mut float_pixels) = (None, false);
    while let Some(element) = walker.next(encoding)? {
        match element.tag {
            tags::PIXEL_DATA => {
                pixels = Some(PixelPlace {
                    offset: walker.position(),
                    length: element.length,
                    syntax: syntax.to_owned(),
                    big_endian: encoding.big_endian,
                    words: element.vr.is_none_or(|vr| &vr == b"OW"),
                    file_length,
                    available: walker.remaining(),
                });
                break;
            }
            tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA => {
                float_pixels = true;
                break;
            }
            tag if tag > tags::PIXEL_DATA => break,
            tags::MODALITY_LUT_SEQUENCE => has_modality_lut = element.length != Some(0),
            tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE
            | tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE => is_enhanced = true,
            _ => {}
        }
        let length = element.length.filter(|_| WANTED.contains(&element.tag));
        match length {
            Some(length) if length <= LONGEST_VALUE => {
                let value = walker.value(length)?;
                small.extend(element.raw);
                small.extend(value);
            }
            Some(length) => {
                let what = format!("element {} of {length} bytes", element.tag);
                return Err(malformed(&what));
            }
            None => walker.skip_value(&element, encoding)?,
        }
    }
    Ok(Header {
        values: parse(&small, encoding)?,
        pixels,
        float_pixels,
        has_modality_lut,
        is_enhanced,
    })
}

/// The wanted elements, their text in the file's character set.
fn parse(bytes: &[u8], encoding: Encoding) -> Result<InMemDicomObject, Refusal> {
    let uid = match encoding {
        Encoding {
            big_endian: true, ..
        } => "1.2.840.10008.1.2.2",
        Encoding { explicit: true, .. } => uids::EXPLICIT_VR_LITTLE_ENDIAN,
        Encoding { .. } => uids::IMPLICIT_VR_LITTLE_ENDIAN,
    };
    let syntax = TransferSyntaxRegistry
        .get(uid)
        .ok_or_else(|| malformed("its encoding"))?;
    InMemDicomObject::read_dataset_with_ts(bytes, syntax).map_err(|e| malformed(&e.to_string()))
}

/// A deflated data set (PS3.5 A.5) in memory, at most [`MOST_INFLATED`] bytes of it.
fn inflate(path: &Path, start: u64) -> Result<Vec<u8>, Refusal> {
    let mut file = files::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let packed = BufReader::new(file);
    let mut bytes = Vec::new();
    let read = flate2::bufread::DeflateDecoder::new(packed)
        .take(MOST_INFLATED + 1)
        .read_to_end(&mut bytes);
    if bytes.len() as u64 > MOST_INFLATED {
        return Err(Refusal::new(
            "too_large",
            "its deflated data set becomes larger than 1 GiB; export it uncompressed",
        ));
    }
    // A damaged end may still leave the header whole; the walk over it will tell.
    match read {
        Err(_) if bytes.is_empty() => Err(malformed("its deflated data set")),
        _ => Ok(bytes),
    }
}

/// Opens the file, or its inflated data set, that `place` points into.
///
/// # Errors
/// When the file cannot be read or is not as long as it was.
pub(super) fn open(path: &Path, place: &PixelPlace) -> Result<(Box<dyn Source>, u64), Refusal> {
    let file = files::open(path)?;
    let length = file.metadata()?.len();
    if length != place.file_length {
        return Err(Refusal::new(
            "changed",
            "the file changed after it was found; open the folder again",
        ));
    }
    if place.syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
        let meta = match files::kind(path)? {
            files::Kind::Dicom { meta } => meta,
            _ => 0,
        };
        let mut walker = Walker::new(BufReader::new(file), 0, length);
        walker.rewind(meta)?;
        read_meta(&mut walker)?;
        let inflated = inflate(path, walker.position())?;
        let end = inflated.len() as u64;
        return Ok((Box::new(Cursor::new(inflated)), end));
    }
    Ok((Box::new(BufReader::new(file)), length))
}

/// The value of the pixel data: the samples themselves, or all fragments of the one frame joined, which
/// also serves frames split over many fragments (PS3.5 A.4).
pub(super) fn pixel_bytes(path: &Path, place: &PixelPlace) -> Result<Vec<u8>, Refusal> {
    let (reader, end) = open(path, place)?;
    let mut walker = Walker::new(reader, 0, end);
    walker.rewind(place.offset)?;
    let encapsulated = match place.length {
        None => true,
        // Encapsulated pixels may come with the length of all their items.
        Some(length) => {
            let start = walker.position();
            let item = length >= 8
                && !is_native(&place.syntax)
                && matches!(walker.next(Encoding::IMPLICIT), Ok(Some(e)) if e.tag == ITEM);
            walker.rewind(start)?;
            item
        }
    };
    if !encapsulated {
        return walker.value(place.length.unwrap_or(0));
    }
    let mut bytes = Vec::new();
    let mut is_offset_table = true;
    let limit = place.length.map(|n| place.offset + u64::from(n));
    while limit.is_none_or(|limit| walker.position() < limit) {
        let Some(item) = walker.next(Encoding::IMPLICIT)? else {
            break;
        };
        match item.length {
            Some(length) if item.tag == ITEM && is_offset_table => walker.skip(length)?,
            Some(length) if item.tag == ITEM => {
                walker.append(length, &mut bytes)?;
            }
            _ => break,
        }
        is_offset_table = false;
    }
    if bytes.is_empty() {
        return Err(malformed("no fragment holds pixels"));
    }
    Ok(bytes)
}

/// Whether pixels of a transfer syntax have always lost something (PS3.5 10.1 to 10.18): JPEG baseline and extended,
/// and JPEG-LS near-lossless.
pub(super) fn is_always_lossy(syntax: &str) -> bool {
    [
        uids::JPEG_BASELINE8_BIT,
        uids::JPEG_EXTENDED12_BIT,
        uids::JPEGLS_NEAR_LOSSLESS,
    ]
    .contains(&syntax)
}

/// Whether pixels stand in the file as they are.
pub(super) fn is_native(syntax: &str) -> bool {
    TransferSyntaxRegistry
        .get(syntax)
        .is_some_and(|syntax| !syntax.is_encapsulated_pixel_data())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lossy_syntaxes_are_known() {
        for lossy in ["50", "51", "81"] {
            assert!(is_always_lossy(&format!("1.2.840.10008.1.2.4.{lossy}")));
        }
        // Lossless, or both: Lossy Image Compression decides.
        for lossless in ["57", "70", "80", "90", "91"] {
            assert!(!is_always_lossy(&format!("1.2.840.10008.1.2.4.{lossless}")));
        }
    }
}
