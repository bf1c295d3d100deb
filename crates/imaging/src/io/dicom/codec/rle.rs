//! RLE compression (PS3.5 annex G): one run-length coded segment per byte of a sample, most significant
//! first.

use super::samples::zeros;
use super::{Coded, Decoded, damaged};
use crate::io::error::Refusal;

pub(super) fn decode<'a>(frame: &[u8], coded: &Coded<'a>) -> Result<Decoded<'a>, Refusal> {
    let total = coded.bytes();
    let width = coded.width().max(1);
    let planes = usize::from(coded.samples) * width;
    let mut bytes = zeros(total)?;
    let each = bytes.len() / planes;
    let offsets = segments(frame, planes)?;
    let mut plane = Vec::new();
    for (index, range) in offsets.into_iter().enumerate() {
        let segment = frame
            .get(range)
            .ok_or_else(|| damaged("a segment beyond the end"))?;
        let (sample, byte) = (index / width, width - 1 - index % width);
        if planes == 1 {
            unpack(segment, &mut bytes)?;
        } else {
            plane.resize(each, 0);
            unpack(segment, &mut plane)?;
            let places = bytes[sample * width + byte..].iter_mut().step_by(planes);
            places.zip(&plane).for_each(|(to, &from)| *to = from);
        }
    }
    Ok(Decoded {
        bytes,
        photometric: coded.photometric,
    })
}

/// Where the segments lie: from the header of 64 bytes (G.5).
fn segments(frame: &[u8], planes: usize) -> Result<Vec<std::ops::Range<usize>>, Refusal> {
    let field = |index: usize| {
        let bytes = frame.get(4 * index..4 * index + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
    let short = || damaged("no run-length header");
    if frame.len() < 64 {
        return Err(short());
    }
    let count = field(0).ok_or_else(short)?;
    if count != planes {
        return Err(damaged(&format!(
            "{count} run-length segments where the header needs {planes}"
        )));
    }
    let mut starts = Vec::new();
    for index in 1..=planes.min(15) {
        starts.push(field(index).ok_or_else(short)?);
    }
    let ends = starts.iter().skip(1).copied().chain([frame.len()]);
    let ranges: Vec<_> = starts
        .iter()
        .copied()
        .zip(ends)
        .map(|(a, b)| a..b)
        .collect();
    if starts[0] < 64 || ranges.iter().any(|range| range.start > range.end) {
        return Err(damaged("run-length segments out of order"));
    }
    Ok(ranges)
}

/// Fills `out` from PackBits runs (G.3.2). What is left of the segment is padding.
fn unpack(mut segment: &[u8], out: &mut [u8]) -> Result<(), Refusal> {
    let short = || damaged("a run-length segment that ends too early");
    let mut at = 0;
    while at < out.len() {
        let (&code, rest) = segment.split_first().ok_or_else(short)?;
        let room = out.len() - at;
        match code {
            0..=127 => {
                let length = usize::from(code) + 1;
                let literal = rest.get(..length.min(room)).ok_or_else(short)?;
                out[at..at + literal.len()].copy_from_slice(literal);
                at += literal.len();
                segment = rest.get(length..).unwrap_or_default();
            }
            128 => segment = rest,
            129..=255 => {
                let (&value, rest) = rest.split_first().ok_or_else(short)?;
                let length = (257 - usize::from(code)).min(room);
                out[at..at + length].fill(value);
                at += length;
                segment = rest;
            }
        }
    }
    Ok(())
}
