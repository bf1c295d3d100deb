//! Deflated image frames (PS3.5 10.20): the native bytes of a frame behind RFC 1951.

use std::io::Read as _;

use flate2::read::DeflateDecoder;

use super::samples::zeros;
use super::{Coded, Decoded, damaged};
use crate::io::error::Refusal;

pub(super) fn decode<'a>(frame: &[u8], coded: &Coded<'a>) -> Result<Decoded<'a>, Refusal> {
    let mut bytes: Vec<u8> = zeros(coded.bytes())?;
    // The size is the header's: what would inflate to more is not inflated further.
    DeflateDecoder::new(frame)
        .read_exact(&mut bytes)
        .map_err(|_| damaged("a deflated frame that ends too early"))?;
    if coded.planar && coded.samples == 3 {
        bytes = interleave(&bytes, coded.width());
    }
    Ok(Decoded {
        bytes,
        photometric: coded.photometric,
    })
}

/// Three planes of samples of `width` bytes, pixel by pixel.
fn interleave(planes: &[u8], width: usize) -> Vec<u8> {
    let plane = planes.len() / 3;
    let pixel = |at: usize| [0, 1, 2].map(|c| &planes[c * plane + at..][..width]);
    (0..plane)
        .step_by(width)
        .flat_map(pixel)
        .flatten()
        .copied()
        .collect()
}
