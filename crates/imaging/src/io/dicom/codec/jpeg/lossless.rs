//! The lossless processes (ITU-T T.81 annex H).

use super::super::bits::Bits;
use super::super::samples::zeros;
use super::super::unread;
use super::Damage;
use super::header::{Frame, Reader, Scan};
use super::huffman::Huffman;
use crate::io::error::Refusal;

/// All samples of a lossless frame, interleaved by pixel.
pub(super) fn decode(reader: &mut Reader, frame: &Frame) -> Result<Vec<u16>, Refusal> {
    let channels = frame.components.len();
    // A single component's factors mean nothing (A.2.2).
    if channels > 1
        && frame
            .components
            .iter()
            .any(|c| c.sampling != frame.components[0].sampling)
    {
        return Err(unread("lossless JPEG with fewer samples of colour"));
    }
    let mut samples = zeros((frame.rows * frame.columns * channels) as u64)?;
    let mut missing: Vec<_> = vec![true; channels];
    while missing.contains(&true) {
        let Some((scan, mut bits)) = reader.scan(frame)? else {
            return Err("a channel is missing".into());
        };
        for part in &scan.components {
            missing[part.index] = false;
        }
        decode_scan(frame, &scan, &mut bits, &mut samples)?;
        let marker = bits.marker();
        reader.segments.go_on(marker);
    }
    Ok(samples)
}

fn decode_scan(
    frame: &Frame,
    scan: &Scan,
    bits: &mut Bits<false>,
    samples: &mut [u16],
) -> Result<(), Damage> {
    let (channels, columns) = (frame.components.len(), frame.columns);
    let parts = &scan.components;
    let interleaved = parts.len() == channels && channels > 1;
    if parts.len() != 1 && !(interleaved && parts.iter().enumerate().all(|(i, p)| p.index == i)) {
        return Err("channels in an unknown order");
    }
    if !(1..=7).contains(&scan.start) || u16::from(scan.low) >= frame.precision {
        return Err("its predictor");
    }
    if !scan.restart.is_multiple_of(columns) {
        return Err("restarts within a row");
    }
    let rows_between = scan.restart / columns;
    let tables: Vec<_> = parts.iter().map(|part| part.dc).collect();
    let row = match (scan.start, interleaved) {
        (1, false) => next_row::<1, 1>,
        (2, false) => next_row::<2, 1>,
        (3, false) => next_row::<3, 1>,
        (4, false) => next_row::<4, 1>,
        (5, false) => next_row::<5, 1>,
        (6, false) => next_row::<6, 1>,
        (_, false) => next_row::<7, 1>,
        (1, true) => next_row::<1, 3>,
        (2, true) => next_row::<2, 3>,
        (3, true) => next_row::<3, 3>,
        (4, true) => next_row::<4, 3>,
        (5, true) => next_row::<5, 3>,
        (6, true) => next_row::<6, 3>,
        (_, true) => next_row::<7, 3>,
    };
    let middle = 1 << (frame.precision - u16::from(scan.low) - 1);
    let stride = channels * columns;
    // The rows of this scan alone: those of one channel lie between the others.
    let mut above: Vec<u16> = vec![0; parts.len() * columns];
    let mut current = above.clone();
    let mut marker = 0;
    for (y, out) in samples.chunks_exact_mut(stride).enumerate() {
        let restarts = rows_between > 0 && y > 0 && y % rows_between == 0;
        if restarts {
            bits.restart(marker)?;
            marker = (marker + 1) % 8;
        }
        if y == 0 || restarts {
            first_row(bits, &tables, &mut current, middle)?;
        } else {
            row(bits, &tables, &above, &mut current)?;
        }
        if bits.is_past_end() {
            return Err("it ends too early");
        }
        let places = out[parts[0].index..].chunks_mut(channels);
        for (to, from) in places.zip(current.chunks_exact(parts.len())) {
            for (to, from) in to.iter_mut().zip(from) {
                *to = from << scan.low;
            }
        }
        std::mem::swap(&mut above, &mut current);
    }
    Ok(())
}

/// The first row, also behind restarts: predicted by the sample to the left (H.1.2.1).
fn first_row(
    bits: &mut Bits<false>,
    tables: &[&Huffman],
    row: &mut [u16],
    middle: i32,
) -> Result<(), Damage> {
    let channels = tables.len();
    for x in 0..row.len() {
        let left = x.checked_sub(channels).map(|at| i32::from(row[at]));
        let difference = tables[x % channels].decode(bits)?.1;
        row[x] = (left.unwrap_or(middle) + difference) as u16;
    }
    Ok(())
}

/// A row below another with predictor `P` (table H.1) and `N` interleaved channels. Its first pixel is predicted
/// by the one above.
fn next_row<const P: u8, const N: usize>(
    bits: &mut Bits<false>,
    tables: &[&Huffman],
    above: &[u16],
    row: &mut [u16],
) -> Result<(), Damage> {
    let Some(tables) = tables.first_chunk::<N>() else {
        return Err("its channels");
    };
    let (above, _) = above.as_chunks::<N>();
    let (row, _) = row.as_chunks_mut::<N>();
    let Some(first) = above.first() else {
        return Ok(());
    };
    let mut left = first.map(i32::from);
    let mut corner = left;
    for (x, (to, above)) in row.iter_mut().zip(above).enumerate() {
        for c in 0..N {
            let (ra, rb, rc) = (left[c], i32::from(above[c]), corner[c]);
            let predicted = match P {
                _ if x == 0 => rb,
                1 => ra,
                2 => rb,
                3 => rc,
                4 => ra + rb - rc,
                5 => ra + ((rb - rc) >> 1),
                6 => rb + ((ra - rc) >> 1),
                _ => (ra + rb) >> 1,
            };
            // Modulo 2^16 (H.1.2.1).
            to[c] = (predicted + tables[c].decode(bits)?.1) as u16;
            left[c] = i32::from(to[c]);
            corner[c] = rb;
        }
    }
    Ok(())
}
