//! Stored samples of one slice.

use std::panic::{AssertUnwindSafe, catch_unwind};

use dicom_core::value::PixelFragmentSequence;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use dicom_pixeldata::{DecodedPixelData, PixelDecoder};
use sha2::{Digest as _, Sha256};

use super::codestream;
use super::header::{is_native, pixel_bytes};
use super::slice::{Slice, required, whole};
use crate::io::error::Refusal;
use crate::volume::{Digest, Rescale};

/// How samples are stored (PS3.5 chapter 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PixelFormat {
    /// 8, 16 or 32.
    pub allocated: u16,
    /// 1 to `allocated`.
    pub stored: u16,
    /// The top bit of a sample, `stored - 1` in whatever is not from the last century.
    pub high: u16,
    pub signed: bool,
}

impl PixelFormat {
    pub fn read(values: &InMemDicomObject) -> Result<Self, Refusal> {
        let allocated: u16 = required(values, tags::BITS_ALLOCATED, "Bits Allocated")?;
        let stored = whole(values, tags::BITS_STORED).unwrap_or(allocated);
        let high = whole(values, tags::HIGH_BIT).unwrap_or(stored.saturating_sub(1));
        let format = Self {
            allocated,
            stored,
            high,
            signed: whole(values, tags::PIXEL_REPRESENTATION).unwrap_or(0_u16) == 1,
        };
        let sound = [8, 16, 32].contains(&allocated)
            && (1..=allocated).contains(&stored)
            && high < allocated
            && high + 1 >= stored;
        if sound {
            Ok(format)
        } else {
            Err(Refusal::new(
                "pixel_format",
                format!(
                    "its pixels ({stored} bits in {allocated}, high bit {high}) are not read; only \
                     samples of 8, 16 or 32 bits are"
                ),
            ))
        }
    }

    /// Bytes per sample.
    pub const fn bytes(self) -> u64 {
        self.allocated as u64 / 8
    }

    /// The number that a sample's bits mean: what lies above and below the stored bits (old overlays,
    /// garbage) is taken off, and the sign bit spread.
    pub const fn number(self, bits: u32) -> i64 {
        let bits = bits >> (self.high + 1 - self.stored);
        let unused = 32 - self.stored as u32;
        if self.signed {
            ((bits << unused) as i32 >> unused) as i64
        } else {
            (bits << unused >> unused) as i64
        }
    }
}

/// Decodes a slice and writes `convert(number)` of each sample, row by row, to `out`. Gives the digest of
/// its SOP Instance UID, its rescale and its pixels as they stand in the file.
pub(super) fn decode<T>(
    slice: &Slice,
    out: &mut [T],
    convert: impl Fn(i64) -> T,
) -> Result<Digest, Refusal> {
    let mut bytes = pixel_bytes(&slice.path, &slice.place)?;
    let digest = digest(slice, &bytes);
    let format = slice.format;
    let native = is_native(&slice.place.syntax);
    if !native {
        bytes = decompress(slice, bytes)?;
    }
    // Decoders write little endian whatever the file was.
    let big_endian = native && slice.place.big_endian;
    if big_endian && format.allocated == 8 && slice.place.words {
        bytes.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
    }
    let wanted = out.len() as u64 * format.bytes();
    if (bytes.len() as u64) < wanted {
        return Err(Refusal::truncated(format!(
            "its pixels decode to {} bytes where its size needs {wanted}; copy or export it again",
            bytes.len()
        )));
    }
    let samples = bytes.chunks_exact(format.bytes() as usize);
    for (to, sample) in out.iter_mut().zip(samples) {
        let bits = if big_endian {
            sample.iter().fold(0, |bits, &b| bits << 8 | u32::from(b))
        } else {
            sample
                .iter()
                .rev()
                .fold(0, |bits, &b| bits << 8 | u32::from(b))
        };
        *to = convert(format.number(bits));
    }
    Ok(digest)
}

fn digest(slice: &Slice, pixels: &[u8]) -> Digest {
    let mut hash = Sha256::new();
    hash.update(&slice.sop_uid);
    let rescale = slice.rescale.unwrap_or(Rescale::IDENTITY);
    for number in [rescale.slope, rescale.intercept] {
        hash.update(number.to_le_bytes());
    }
    hash.update(pixels);
    Digest::finish(hash)
}

/// The samples of a compressed frame, little endian.
fn decompress(slice: &Slice, bytes: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    let format = slice.format;
    codestream::check(&bytes, slice.columns, slice.rows, format.allocated)?;
    let short = |value: u32| u16::try_from(value).map_err(|_| damaged("its size"));
    let number = |tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
    let mut image = InMemDicomObject::from_element_iter([
        number(tags::SAMPLES_PER_PIXEL, 1),
        number(tags::ROWS, short(slice.rows)?),
        number(tags::COLUMNS, short(slice.columns)?),
        number(tags::BITS_ALLOCATED, format.allocated),
        number(tags::BITS_STORED, format.stored),
        number(tags::HIGH_BIT, format.high),
        number(tags::PIXEL_REPRESENTATION, u16::from(format.signed)),
    ]);
    image.put_str(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    image.put_str(tags::NUMBER_OF_FRAMES, VR::IS, "1");
    image.put(DataElement::new(
        tags::PIXEL_DATA,
        VR::OB,
        PixelFragmentSequence::new_fragments(vec![bytes]),
    ));
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(slice.place.syntax.as_str())
        .media_storage_sop_class_uid("")
        .media_storage_sop_instance_uid("")
        .build()
        .map_err(|error| damaged(&error.to_string()))?;
    let image = image.with_exact_meta(meta);
    // The decoders are other people's and some index or unwrap on damaged streams: a panic there must
    // cost this file and not the program.
    catch_unwind(AssertUnwindSafe(|| {
        image
            .decode_pixel_data_frame(0)
            .map(DecodedPixelData::into_data)
    }))
    .map_err(|_| damaged("the decoder gave up"))?
    .map_err(|error| damaged(&innermost(&error)))
}

/// The last cause in a chain of errors, which is the one that says something.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

pub(super) fn damaged(what: &str) -> Refusal {
    Refusal::new(
        "damaged_pixels",
        format!("its compressed pixels cannot be decoded ({what}); copy or export it again"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn format(allocated: u16, stored: u16, high: u16, signed: bool) -> PixelFormat {
        PixelFormat {
            allocated,
            stored,
            high,
            signed,
        }
    }

    #[test]
    fn only_the_stored_bits_count() {
        assert_eq!(format(16, 12, 11, false).number(0xF00F), 0x00F);
        assert_eq!(format(16, 12, 11, true).number(0x0FFF), -1);
        assert_eq!(format(16, 12, 11, true).number(0x7800), -2048);
        assert_eq!(format(16, 12, 15, false).number(0xABCD), 0xABC);
        assert_eq!(format(16, 16, 15, true).number(0x8000), -32768);
        assert_eq!(
            format(32, 32, 31, false).number(u32::MAX),
            i64::from(u32::MAX)
        );
        assert_eq!(format(8, 8, 7, true).number(0x80), -128);
    }
}
