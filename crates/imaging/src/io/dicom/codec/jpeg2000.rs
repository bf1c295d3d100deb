//! JPEG 2000 (ISO 15444-1) and its high-throughput block coder (part 15), by OpenJPEG's port to Rust.

use jpeg2k::{DecodeParameters, Image};

use super::{Coded, Decoded, damaged};
use crate::io::error::{Refusal, reserve};

pub(super) fn decode<'a>(stream: &[u8], coded: &Coded<'a>) -> Result<Decoded<'a>, Refusal> {
    // Not strict, a cut stream becomes a smooth picture without its end.
    let parameters = DecodeParameters::new().strict(true);
    let image =
        Image::from_bytes_with(stream, parameters).map_err(|error| damaged(&error.to_string()))?;
    let components = image.components();
    let sound = components.len() == usize::from(coded.samples)
        && (components.iter())
            .all(|c| (c.width(), c.height()) == (coded.columns, coded.rows) && c.precision() <= 32);
    if !sound {
        return Err(damaged("channels of other sizes than the header says"));
    }
    let mut bytes = reserve(coded.bytes())?;
    let (planes, spreads): (Vec<_>, Vec<_>) = (components.iter())
        .map(|c| (c.data(), spread(c.is_signed(), c.precision(), coded)))
        .unzip();
    let width = coded.width();
    match (planes.as_slice(), width) {
        (&[plane], 2) => bytes.extend(
            plane
                .iter()
                .flat_map(|&s| (spreads[0](s) as i16).to_le_bytes()),
        ),
        _ => {
            for at in 0..(coded.columns as usize * coded.rows as usize) {
                for (plane, spread) in planes.iter().zip(&spreads) {
                    bytes.extend_from_slice(&spread(plane[at]).to_le_bytes()[..width]);
                }
            }
        }
    }
    // The reversible and irreversible colour transforms are undone by the decoder.
    let is_transformed = ["YBR_RCT", "YBR_ICT"].contains(&coded.photometric);
    Ok(Decoded {
        bytes,
        photometric: if is_transformed {
            "RGB"
        } else {
            coded.photometric
        },
    })
}

/// How a sample becomes the number that the header means. An unsigned stream under a signed header holds the bit
/// patterns of signed numbers of its precision.
fn spread(signed: bool, precision: u32, coded: &Coded) -> impl Fn(i32) -> i32 + use<> {
    let unused = if coded.signed && !signed {
        32 - precision.clamp(1, 32)
    } else {
        0
    };
    move |sample| sample << unused >> unused
}
