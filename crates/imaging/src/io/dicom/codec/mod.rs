//! Compressed frames to samples (PS3.5 chapter 8 and annex A.4).
//!
//! One frame goes in, its fragments joined; its samples come out as the header announces them. Each
//! stream's own size, channels and depth are compared with the header before a decoder takes memory, and
//! what a stream lacks is an error, never grey.

mod bits;
mod claim;
mod deflated;
mod jpeg;
mod jpeg2000;
mod jpegls;
mod jpegxl;
mod rle;
mod samples;
mod segments;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};

use dicom_dictionary_std::uids;

use crate::io::error::Refusal;

/// What is wrong with a stream.
type Damage = &'static str;

impl From<Damage> for Refusal {
    fn from(what: Damage) -> Self {
        damaged(what)
    }
}

/// What the header says of a compressed frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coded<'a> {
    /// UID of the transfer syntax.
    pub syntax: &'a str,
    pub columns: u32,
    pub rows: u32,
    /// Samples per pixel, 1 or 3.
    pub samples: u16,
    /// Bits allocated: 8, 16 or 32; 1 for run lengths and deflated frames of bitmaps.
    pub allocated: u16,
    /// Bits stored, 1 to `allocated`.
    pub stored: u16,
    /// Pixel Representation 1.
    pub signed: bool,
    pub photometric: &'a str,
    /// Planar Configuration 1. Only deflated frames are laid out by it; the others say it themselves.
    pub planar: bool,
}

impl Coded<'_> {
    /// Samples in the frame.
    const fn count(&self) -> u64 {
        self.columns as u64 * self.rows as u64 * self.samples as u64
    }

    /// Bytes of the decoded frame; bitmaps are packed, eight pixels to the byte.
    const fn bytes(&self) -> u64 {
        (self.count() * self.allocated as u64).div_ceil(8)
    }

    /// Bytes of one sample, where it has whole ones.
    const fn width(&self) -> usize {
        (self.allocated / 8) as usize
    }
}

/// A decoded frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded<'a> {
    /// Rows from the top, pixels interleaved, little endian samples of the allocated bits. Samples of
    /// signed streams have their sign spread; bits above the stored ones may hold something else.
    pub bytes: Vec<u8>,
    /// Photometric interpretation of the bytes: what the header says, or RGB where the stream's own
    /// colour transform was undone.
    pub photometric: &'a str,
}

/// Which decoder reads a transfer syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    Rle,
    Jpeg,
    JpegLs,
    Jpeg2000,
    JpegXl,
    Deflated,
}

/// The transfer syntaxes that are decoded, with the words for messages.
const SYNTAXES: [(&str, Codec, &str); 18] = [
    (uids::RLE_LOSSLESS, Codec::Rle, "RLE"),
    (uids::JPEG_BASELINE8_BIT, Codec::Jpeg, "JPEG baseline"),
    (uids::JPEG_EXTENDED12_BIT, Codec::Jpeg, "JPEG extended"),
    (uids::JPEG_LOSSLESS, Codec::Jpeg, "JPEG lossless"),
    (uids::JPEG_LOSSLESS_SV1, Codec::Jpeg, "JPEG lossless"),
    (uids::JPEGLS_LOSSLESS, Codec::JpegLs, "JPEG-LS"),
    (
        uids::JPEGLS_NEAR_LOSSLESS,
        Codec::JpegLs,
        "JPEG-LS near-lossless",
    ),
    (uids::JPEG2000_LOSSLESS, Codec::Jpeg2000, "JPEG 2000"),
    (uids::JPEG2000, Codec::Jpeg2000, "JPEG 2000"),
    (
        uids::JPEG2000MC_LOSSLESS,
        Codec::Jpeg2000,
        "JPEG 2000 part 2",
    ),
    (uids::JPEG2000MC, Codec::Jpeg2000, "JPEG 2000 part 2"),
    (uids::HTJ2K_LOSSLESS, Codec::Jpeg2000, "HTJ2K"),
    (uids::HTJ2K_LOSSLESS_RPCL, Codec::Jpeg2000, "HTJ2K"),
    (uids::HTJ2K, Codec::Jpeg2000, "HTJ2K"),
    (uids::JPEGXL_LOSSLESS, Codec::JpegXl, "JPEG XL"),
    (
        uids::JPEGXLJPEG_RECOMPRESSION,
        Codec::JpegXl,
        "JPEG XL of a JPEG",
    ),
    (uids::JPEGXL, Codec::JpegXl, "JPEG XL"),
    (
        uids::DEFLATED_IMAGE_FRAME_COMPRESSION,
        Codec::Deflated,
        "deflated frames",
    ),
];

fn codec(syntax: &str) -> Option<Codec> {
    let found = SYNTAXES.iter().find(|(uid, ..)| *uid == syntax);
    found.map(|&(_, codec, _)| codec)
}

/// Whether frames of a transfer syntax are decoded here.
pub(super) fn can_decode(syntax: &str) -> bool {
    codec(syntax).is_some()
}

/// The name of a transfer syntax that is decoded here, for messages.
pub(super) fn name(syntax: &str) -> Option<&'static str> {
    let found = SYNTAXES.iter().find(|(uid, ..)| *uid == syntax);
    found.map(|&(_, _, name)| name)
}

/// Decodes one frame.
///
/// # Errors
/// `damaged_pixels` where the stream is broken, cut short, or contradicts the header; `transfer_syntax`
/// where it is sound but of a kind that is not decoded; `pixel_format` where the header's widths have no
/// decoder; `too_large` where the memory is lacking.
pub(super) fn decode<'a>(frame: &[u8], coded: &Coded<'a>) -> Result<Decoded<'a>, Refusal> {
    let codec = codec(coded.syntax).ok_or_else(|| unread("its transfer syntax"))?;
    let bitmap = coded.allocated == 1 && coded.samples == 1;
    let packs_bits = matches!(codec, Codec::Rle | Codec::Deflated);
    let sound = ([8, 16, 32].contains(&coded.allocated) || bitmap && packs_bits)
        && [1, 3].contains(&coded.samples)
        && (1..=coded.allocated).contains(&coded.stored);
    if !sound {
        return Err(Refusal::new(
            "pixel_format",
            format!(
                "its compressed pixels ({} samples of {} bits in {}) are not read; only one or three \
                 samples of 8, 16 or 32 bits are",
                coded.samples, coded.stored, coded.allocated
            ),
        ));
    }
    claim::check(codec, frame, coded)?;
    // Some decoders are other people's and index or unwrap on damaged streams: a panic there must cost
    // this frame and not the program.
    let run = || match codec {
        Codec::Rle => rle::decode(frame, coded),
        Codec::Jpeg => jpeg::decode(frame, coded),
        Codec::JpegLs => jpegls::decode(frame, coded),
        Codec::Jpeg2000 => jpeg2000::decode(frame, coded),
        Codec::JpegXl => jpegxl::decode(frame, coded),
        Codec::Deflated => deflated::decode(frame, coded),
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let name = name(coded.syntax).unwrap_or_default();
        Err(damaged(&format!("the decoder of {name} gave up")))
    })
}

/// The refusal of a stream that is broken or contradicts its header.
pub(super) fn damaged(what: &str) -> Refusal {
    Refusal::new(
        "damaged_pixels",
        format!("its compressed pixels cannot be decoded ({what}); copy or export it again"),
    )
}

/// The refusal of a sound stream of a kind that no decoder here reads.
fn unread(what: &str) -> Refusal {
    Refusal::new(
        "transfer_syntax",
        format!(
            "its pixels are compressed in a way that is not read ({what}); export it uncompressed"
        ),
    )
}
