//! JPEG (ITU-T T.81): sequential DCT processes with Huffman codes (baseline and extended, 8 and 12 bits) and
//! the lossless processes (all predictors, 2 to 16 bits).
//!
//! Frames are exact: what the inverse DCT of the common readers gives, this one gives, as it rounds where they
//! do. Progressive, hierarchical and arithmetic streams are told apart and refused.

mod blocks;
mod colour;
mod header;
mod huffman;
mod idct;
mod lossless;

use self::header::{Process, Reader};
use super::samples::pack;
use super::{Coded, Damage, Decoded};
use crate::io::error::Refusal;

pub(super) fn decode<'a>(stream: &[u8], coded: &Coded<'a>) -> Result<Decoded<'a>, Refusal> {
    let mut reader = Reader::new(stream);
    let frame = reader.frame()?;
    let (samples, photometric) = match frame.process {
        Process::Lossless => (
            lossless::decode(&mut reader, &frame)?,
            // The colour transforms of JFIF and Adobe are for the DCT processes only.
            coded.photometric,
        ),
        Process::Sequential => {
            let planes = blocks::decode(&mut reader, &frame)?;
            let is_ycc = frame.components.len() == 3 && reader.is_ycc(&frame, coded.photometric);
            let samples = colour::join(&frame, &planes, is_ycc)?;
            let is_rgb =
                is_ycc || frame.components.len() == 3 && !coded.photometric.starts_with("YBR");
            (samples, if is_rgb { "RGB" } else { coded.photometric })
        }
    };
    Ok(Decoded {
        bytes: pack(&samples, frame.precision, coded)?,
        photometric,
    })
}
