//! Planes to interleaved samples: chrominance to full size, and to red, green and blue.

use super::blocks::Plane;
use super::header::Frame;
use crate::io::error::{Refusal, reserve};

/// The samples of all planes, interleaved by pixel; from YCbCr to RGB where `is_ycc`.
pub(super) fn join(frame: &Frame, planes: &[Plane], is_ycc: bool) -> Result<Vec<u16>, Refusal> {
    let (across, down) = frame.sampling();
    let mut samples = reserve((frame.rows * frame.columns * planes.len()) as u64)?;
    let mut rows: Vec<Vec<u16>> = vec![vec![0; frame.columns]; planes.len()];
    for y in 0..frame.rows {
        for ((plane, component), row) in planes.iter().zip(&frame.components).zip(&mut rows) {
            let factors = (across / component.sampling.0, down / component.sampling.1);
            let whole = across % component.sampling.0 == 0 && down % component.sampling.1 == 0;
            match factors {
                (1, 1) if whole => row.copy_from_slice(&plane.row(y)[..frame.columns]),
                (2, 1) if whole && plane.columns > 2 => {
                    let sums: Vec<_> = plane.row(y).iter().map(|&s| u32::from(s)).collect();
                    widen(&sums, 2, [1, 2], row);
                }
                (2, 2) if whole && plane.columns > 2 => {
                    let near = plane.row(y / 2);
                    let far = plane.row(if y % 2 == 0 {
                        (y / 2).saturating_sub(1)
                    } else {
                        y / 2 + 1
                    });
                    let sums: Vec<_> = (near.iter().zip(far))
                        .map(|(&near, &far)| 3 * u32::from(near) + u32::from(far))
                        .collect();
                    widen(&sums, 4, [8, 7], row);
                }
                _ => {
                    let from = plane.row(y * component.sampling.1 / down);
                    for (x, to) in row.iter_mut().enumerate() {
                        *to = from[x * component.sampling.0 / across];
                    }
                }
            }
        }
        match rows.as_slice() {
            [single] => samples.extend_from_slice(single),
            [y, cb, cr] if is_ycc => {
                let pixels = y.iter().zip(cb).zip(cr);
                samples.extend(pixels.flat_map(|((&y, &cb), &cr)| rgb(y, cb, cr, frame.precision)));
            }
            _ => {
                samples.extend((0..frame.columns).flat_map(|x| rows.iter().map(move |row| row[x])));
            }
        }
    }
    Ok(samples)
}

impl Plane {
    /// A row without its padding; behind the last comes the last again.
    fn row(&self, y: usize) -> &[u16] {
        &self.samples[y.min(self.rows - 1) * self.stride..][..self.columns]
    }
}

/// Twice as many samples across, each a quarter of the neighbour on its side, then shifted down. Samples on even and
/// odd columns round by their own `bias`, as in the library that most readers share.
fn widen(from: &[u32], shift: u32, bias: [u32; 2], to: &mut [u16]) {
    let at = |i: usize| from[i.min(from.len() - 1)];
    for (x, to) in to.iter_mut().enumerate() {
        let near = x / 2;
        let far = if x % 2 == 0 {
            near.saturating_sub(1)
        } else {
            near + 1
        };
        *to = ((3 * at(near) + at(far) + bias[x % 2]) >> shift) as u16;
    }
}

/// One pixel (JFIF 1.02, page 3) in 16 bit fractions.
fn rgb(y: u16, cb: u16, cr: u16, precision: u16) -> [u16; 3] {
    const HALF: i32 = 1 << 15;
    let fixed = |factor: f64| (factor * 65_536.0 + 0.5) as i32;
    let (middle, most) = (1 << (precision - 1), (1 << precision) - 1);
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - middle, i32::from(cr) - middle);
    let red = y + ((fixed(1.402) * cr + HALF) >> 16);
    let green = y + ((-fixed(0.344_14) * cb - fixed(0.714_14) * cr + HALF) >> 16);
    let blue = y + ((fixed(1.772) * cb + HALF) >> 16);
    [red, green, blue].map(|value| value.clamp(0, most) as u16)
}
