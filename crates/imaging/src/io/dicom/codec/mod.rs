//! stand-in until the codecs arrive
use std::panic::{AssertUnwindSafe, catch_unwind};
use dicom_core::value::PixelFragmentSequence;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use dicom_pixeldata::{DecodedPixelData, PixelDecoder};
use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry};
use crate::io::error::Refusal;
use super::codestream;
#[derive(Clone, Copy, Debug)]
pub(super) struct Coded<'a> { pub syntax: &'a str, pub columns: u32, pub rows: u32, pub samples: u16, pub allocated: u16, pub stored: u16, pub signed: bool, pub photometric: &'a str, pub planar: bool }
pub(super) struct Decoded<'a> { pub bytes: Vec<u8>, pub photometric: &'a str }
pub(super) fn can_decode(uid: &str) -> bool {
    TransferSyntaxRegistry.get(uid).is_some_and(dicom_transfer_syntax_registry::TransferSyntax::can_decode_all)
}
pub(super) fn decode<'a>(bytes: &[u8], coded: &Coded<'a>) -> Result<Decoded<'a>, Refusal> {
    codestream::check(bytes, coded.columns, coded.rows, coded.allocated)?;
    let number = |tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
    let mut image = InMemDicomObject::from_element_iter([
        number(tags::SAMPLES_PER_PIXEL, coded.samples),
        number(tags::ROWS, coded.rows as u16),
        number(tags::COLUMNS, coded.columns as u16),
        number(tags::BITS_ALLOCATED, coded.allocated),
        number(tags::BITS_STORED, coded.stored),
        number(tags::HIGH_BIT, coded.stored - 1),
        number(tags::PIXEL_REPRESENTATION, u16::from(coded.signed)),
    ]);
    image.put_str(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    image.put_str(tags::NUMBER_OF_FRAMES, VR::IS, "1");
    image.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PixelFragmentSequence::new_fragments(vec![bytes.to_vec()])));
    let meta = FileMetaTableBuilder::new().transfer_syntax(coded.syntax).media_storage_sop_class_uid("").media_storage_sop_instance_uid("").build().map_err(|e| damaged(&e.to_string()))?;
    let image = image.with_exact_meta(meta);
    let bytes = catch_unwind(AssertUnwindSafe(|| image.decode_pixel_data_frame(0).map(DecodedPixelData::into_data)))
    .map_err(|_| damaged("the decoder gave up"))?
    .map_err(|error| damaged(&error.to_string()))?;
    Ok(Decoded { bytes, photometric: coded.photometric })
}
pub(super) fn damaged(what: &str) -> Refusal {
    Refusal::new("damaged_pixels", format!("its compressed pixels cannot be decoded ({what}); copy or export it again"))
}
