//! From a decoder's numbers to the bytes of the allocated width.

use super::Coded;
use crate::io::error::{Refusal, reserve};

/// A vector of `count` zeros, or a refusal where memory lacks.
pub(super) fn zeros<T: Clone + Default>(count: u64) -> Result<Vec<T>, Refusal> {
    let mut values = reserve(count)?;
    values.resize(count as usize, T::default());
    Ok(values)
}

/// The samples of a stream of `precision` bits as little endian bytes.
///
/// Streams such as JPEG-LS have no sign. Where the header says that the samples are signed and the stream has
/// fewer bits than are stored, the stream's top bit is the sign, as in other readers; with as many, whoever
/// masks the stored bits finds it.
pub(super) fn pack(samples: &[u16], precision: u16, coded: &Coded) -> Result<Vec<u8>, Refusal> {
    let spreads = coded.signed && precision < coded.stored && precision < 16;
    let unused = 16 - u32::from(precision.clamp(1, 16));
    let spread = |sample: u16| {
        if spreads {
            ((sample << unused) as i16) >> unused
        } else {
            sample as i16
        }
    };
    let mut bytes = reserve(samples.len() as u64 * coded.width() as u64)?;
    match coded.width() {
        1 => bytes.extend(samples.iter().map(|&s| spread(s) as u8)),
        2 if !spreads => bytes.extend(samples.iter().flat_map(|s| s.to_le_bytes())),
        2 => bytes.extend(samples.iter().flat_map(|&s| spread(s).to_le_bytes())),
        _ if spreads => {
            bytes.extend((samples.iter()).flat_map(|&s| i32::from(spread(s)).to_le_bytes()));
        }
        _ => bytes.extend((samples.iter()).flat_map(|&s| u32::from(s).to_le_bytes())),
    }
    Ok(bytes)
}
