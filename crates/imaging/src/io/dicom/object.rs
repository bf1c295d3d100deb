//! DICOM objects that are no images: their elements, and pixels that are read whole.

use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

use super::charset::CharacterSet;
use super::codec::{self, Coded};
use super::dataset::{Budget, DataSet, Value, Wanted, known, read_value};
use super::elements::{Encoding, ITEM, Walker, malformed};
use super::header::{guess, inflate, probe, read_meta};
use crate::io::error::Refusal;
use crate::io::files;

/// Pixels as they stand in the file.
#[derive(Debug)]
pub(in crate::io) enum Pixels {
    /// All frames one behind the other.
    Native(Vec<u8>),
    /// Fragments in their order, which are compressed frames or parts of them.
    Fragments(Vec<Vec<u8>>),
}

/// What is kept of an object.
#[derive(Debug)]
pub(in crate::io) struct Object {
    pub values: DataSet,
    pub syntax: String,
    pub pixels: Option<Pixels>,
}

impl Object {
    /// Reads the elements that are wanted, at any depth, and the pixels if those are. `meta` is the offset of the File
    /// Meta group; `None` where the file begins with the data set itself.
    ///
    /// # Errors
    /// When the file cannot be read, is cut or is not well-formed.
    pub fn read(path: &Path, meta: Option<u64>, wanted: Wanted) -> Result<Self, Refusal> {
        let file = files::open(path)?;
        let length = file.metadata()?.len();
        let mut reader = BufReader::new(file);
        reader.seek(SeekFrom::Start(meta.unwrap_or(0)))?;
        let mut walker = Walker::new(reader, meta.unwrap_or(0), length);
        let declared = match meta {
            Some(_) => read_meta(&mut walker)?,
            None => None,
        };
        let start = walker.position();
        let syntax = match declared {
            Some(syntax) => syntax,
            None => guess(&mut walker, start)?,
        };
        if syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
            let inflated = inflate(path, start)?;
            let end = inflated.len() as u64;
            return read(
                &mut Walker::new(Cursor::new(inflated), 0, end),
                syntax,
                wanted,
            );
        }
        read(&mut walker, syntax, wanted)
    }
}

fn read<R: Read + Seek>(
    walker: &mut Walker<R>,
    syntax: String,
    wanted: Wanted,
) -> Result<Object, Refusal> {
    let declared = match syntax.as_str() {
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
    let mut values = DataSet::new(encoding, CharacterSet::default());
    let mut budget = Budget::new();
    let mut pixels = None;
    while let Some(element) = walker.next(encoding)? {
        if element.tag == tags::PIXEL_DATA {
            if wanted(element.tag) {
                pixels = Some(read_pixels(walker, element.length)?);
            }
            break;
        }
        // What stands behind the pixels is padding and signatures.
        if element.tag > tags::PIXEL_DATA {
            break;
        }
        if !wanted(element.tag) {
            walker.skip_value(&element, encoding)?;
            continue;
        }
        let value = read_value(walker, &element, encoding, &values, wanted, &mut budget)?;
        if let Some(value) = value {
            values.put(element.tag, value);
        }
    }
    Ok(Object {
        values,
        syntax,
        pixels,
    })
}

fn read_pixels<R: Read + Seek>(
    walker: &mut Walker<R>,
    length: Option<u32>,
) -> Result<Pixels, Refusal> {
    if let Some(length) = length {
        return walker.value(length).map(Pixels::Native);
    }
    let mut fragments = Vec::new();
    let mut is_offset_table = true;
    while let Some(item) = walker.next(Encoding::IMPLICIT)? {
        let (ITEM, Some(length)) = (item.tag, item.length) else {
            break;
        };
        let bytes = walker.value(length)?;
        if !is_offset_table {
            fragments.push(bytes);
        }
        is_offset_table = false;
    }
    if fragments.is_empty() {
        return Err(malformed("no fragment holds its pixels"));
    }
    Ok(Pixels::Fragments(fragments))
}

/// The elements that say whose an object is and what it lies on.
pub(in crate::io) const ABOUT: &[Tag] = &[
    tags::SPECIFIC_CHARACTER_SET,
    tags::SOP_CLASS_UID,
    tags::SOP_INSTANCE_UID,
    tags::MODALITY,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::STUDY_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
    tags::SERIES_DESCRIPTION,
    tags::FRAME_OF_REFERENCE_UID,
];

impl DataSet {
    /// The texts and sequences of texts, decoded, as elements to be written in UTF-8.
    pub fn texts(&self) -> InMemDicomObject {
        let elements = self.iter().filter_map(|(tag, value)| match value {
            Value::Items(items) => {
                let items: Vec<InMemDicomObject> = items.iter().map(Self::texts).collect();
                Some(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)))
            }
            Value::Bytes { vr, .. } => {
                let vr = known(tag).unwrap_or(*vr);
                let value = PrimitiveValue::from(self.text(tag));
                is_text(vr).then(|| DataElement::new(tag, vr, value))
            }
        });
        InMemDicomObject::from_element_iter(elements)
    }
}

const fn is_text(vr: VR) -> bool {
    matches!(
        vr,
        VR::AE
            | VR::AS
            | VR::CS
            | VR::DA
            | VR::DS
            | VR::DT
            | VR::IS
            | VR::LO
            | VR::LT
            | VR::PN
            | VR::SH
            | VR::ST
            | VR::TM
            | VR::UC
            | VR::UI
            | VR::UR
            | VR::UT
    )
}

/// Uncompresses a frame of one sample a pixel; `size` is columns and rows. Pixels of 16 bits are little endian.
///
/// # Errors
/// When it is damaged.
pub(in crate::io) fn decode_grey(
    bytes: &[u8],
    syntax: &str,
    size: [u32; 2],
    bits: u16,
) -> Result<Vec<u8>, Refusal> {
    let coded = Coded {
        syntax,
        columns: size[0],
        rows: size[1],
        samples: 1,
        allocated: bits,
        stored: bits,
        signed: false,
        photometric: "MONOCHROME2",
        planar: false,
    };
    codec::decode(bytes, &coded).map(|decoded| decoded.bytes)
}

/// Whether frames of a transfer syntax can be uncompressed.
pub(in crate::io) fn can_decode(syntax: &str) -> bool {
    codec::can_decode(syntax)
}
