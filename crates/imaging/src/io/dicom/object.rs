//! DICOM objects that are no images: their elements, and pixels that are read whole.

use std::io::{Read, Seek};
use std::path::Path;

use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use super::charset::CharacterSet;
use super::codec::{self, Coded};
use super::dataset::{DataSet, Value, Wanted, known};
use super::elements::{Walker, malformed};
use super::header::{PixelElement, read_to_pixels};
use super::open::Opened;
use super::source::Fragments;
use crate::io::error::Refusal;

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
        let mut opened = Opened::open(path, meta)?;
        let mut values = DataSet::new(opened.encoding, CharacterSet::default());
        let found = read_to_pixels(&mut opened.walker, opened.encoding, &mut values, wanted)?;
        let pixels = match found {
            Some((PixelElement::Integer, element)) if wanted(tags::PIXEL_DATA) => {
                Some(read_pixels(&mut opened.walker, element.length)?)
            }
            _ => None,
        };
        Ok(Self {
            values,
            syntax: opened.syntax,
            pixels,
        })
    }
}

fn read_pixels<R: Read + Seek>(
    walker: &mut Walker<R>,
    length: Option<u32>,
) -> Result<Pixels, Refusal> {
    if let Some(length) = length {
        return walker.value(length).map(Pixels::Native);
    }
    let found = Fragments::find(walker, walker.position(), None)?;
    let fragments: Vec<Vec<u8>> = found
        .ranges
        .iter()
        .map(|range| {
            walker.rewind(range.start)?;
            walker.value((range.end - range.start) as u32)
        })
        .collect::<Result<_, _>>()?;
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
