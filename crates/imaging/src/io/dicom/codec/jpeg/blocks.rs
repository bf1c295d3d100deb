//! Sequential DCT scans (ITU-T T.81 F.2): coefficients, block by block, to planes of samples.

use super::super::bits::Bits;
use super::super::samples::zeros;
use super::Damage;
use super::header::{Frame, Part, Reader, Scan};
use super::idct::{ZIGZAG, inverse};
use crate::io::error::Refusal;

/// The samples of one component, in whole blocks.
pub(super) struct Plane {
    pub samples: Vec<u16>,
    /// Samples in a stored row.
    pub stride: usize,
    /// Size in samples without the padding to whole blocks.
    pub columns: usize,
    pub rows: usize,
}

/// Decodes all scans of a frame, a plane per component.
pub(super) fn decode(reader: &mut Reader, frame: &Frame) -> Result<Vec<Plane>, Refusal> {
    let mut planes = frame
        .components
        .iter()
        .map(|component| plane(frame, component.sampling))
        .collect::<Result<Vec<_>, _>>()?;
    let mut missing = vec![true; planes.len()];
    while missing.contains(&true) {
        let Some((scan, mut bits)) = reader.scan(frame)? else {
            return Err("a channel is missing".into());
        };
        for part in &scan.components {
            missing[part.index] = false;
        }
        decode_scan(frame, &scan, &mut bits, &mut planes)?;
        let marker = bits.marker();
        reader.segments.go_on(marker);
    }
    Ok(planes)
}

fn plane(frame: &Frame, (across, down): (usize, usize)) -> Result<Plane, Refusal> {
    let (most_across, most_down) = frame.sampling();
    // Whole MCU, as interleaved scans have them (A.2.4).
    let stride = frame.columns.div_ceil(8 * most_across) * across * 8;
    let height = frame.rows.div_ceil(8 * most_down) * down * 8;
    Ok(Plane {
        samples: zeros((stride * height) as u64)?,
        stride,
        columns: (frame.columns * across).div_ceil(most_across),
        rows: (frame.rows * down).div_ceil(most_down),
    })
}

fn decode_scan(
    frame: &Frame,
    scan: &Scan,
    bits: &mut Bits<false>,
    planes: &mut [Plane],
) -> Result<(), Damage> {
    // The spectral band and the shift say nothing in a sequential frame (B.2.3); some encoders leave zeros there.
    let (most_across, most_down) = frame.sampling();
    // The blocks of a scan of one component come row by row, without padding to whole MCU (A.2.2).
    let single = scan.components.len() == 1;
    let (across, down) = if single {
        let plane = &planes[scan.components[0].index];
        (plane.columns.div_ceil(8), plane.rows.div_ceil(8))
    } else {
        (
            frame.columns.div_ceil(8 * most_across),
            frame.rows.div_ceil(8 * most_down),
        )
    };
    let mut predictions = [0; 4];
    let mut marker = 0;
    for mcu in 0..across * down {
        if scan.restart > 0 && mcu > 0 && mcu % scan.restart == 0 {
            bits.restart(marker)?;
            marker = (marker + 1) % 8;
            predictions = [0; 4];
        }
        let (x, y) = (mcu % across, mcu / across);
        for (part, prediction) in scan.components.iter().zip(&mut predictions) {
            let plane = &mut planes[part.index];
            let (h, v) = if single {
                (1, 1)
            } else {
                frame.components[part.index].sampling
            };
            for block in 0..h * v {
                let coefficients = coefficients(bits, part, prediction)?;
                let samples = inverse(&coefficients, frame.precision);
                let (column, row) = (x * h + block % h, y * v + block / h);
                let from = row * 8 * plane.stride + column * 8;
                let rows = plane.samples[from..].chunks_mut(plane.stride);
                for (to, from) in rows.zip(samples.as_chunks::<8>().0) {
                    to[..8].copy_from_slice(from);
                }
            }
        }
        if bits.is_past_end() {
            return Err("it ends too early");
        }
    }
    Ok(())
}

/// The next block, row by row, scaled by its quantisation table (F.2.2).
#[inline]
fn coefficients(
    bits: &mut Bits<false>,
    part: &Part,
    prediction: &mut i32,
) -> Result<[i32; 64], Damage> {
    let (Some(ac), Some(quantisation)) = (part.ac, part.quantisation) else {
        return Err("a scan without its tables");
    };
    let mut block = [0; 64];
    let difference = part.dc.decode(bits)?.1;
    *prediction = prediction.wrapping_add(difference);
    block[0] = prediction.wrapping_mul(i32::from(quantisation[0]));
    let mut k = 1;
    while k < 64 {
        let (symbol, value) = ac.decode(bits)?;
        let run = usize::from(symbol >> 4);
        if symbol.is_multiple_of(16) {
            if run < 15 {
                break;
            }
            k += 16;
            continue;
        }
        k += run;
        let place = ZIGZAG.get(k).ok_or("a run beyond its block")?;
        block[usize::from(*place)] = value * i32::from(quantisation[k]);
        k += 1;
    }
    Ok(block)
}
