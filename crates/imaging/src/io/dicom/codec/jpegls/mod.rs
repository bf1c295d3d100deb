//! JPEG-LS (ITU-T T.87), lossless and near-lossless, 2 to 16 bits, with every interleaving.

mod context;
mod header;
mod line;

use self::header::{Interleave, Reader, Scan};
use self::line::Lines;
use super::bits::Bits;
use super::samples::{pack, zeros};
use super::{Coded, Damage, Decoded};
use crate::io::error::Refusal;

pub(super) fn decode<'a>(stream: &[u8], coded: &Coded<'a>) -> Result<Decoded<'a>, Refusal> {
    let mut reader = Reader::new(stream);
    let frame = reader.frame()?;
    let channels = frame.components.len();
    let mut samples = zeros((frame.rows * frame.columns * channels) as u64)?;
    let mut missing = vec![true; channels];
    while missing.contains(&true) {
        let Some((scan, mut bits)) = reader.scan(&frame)? else {
            return Err("a channel is missing".into());
        };
        for &index in &scan.components {
            missing[index] = false;
        }
        decode_scan(&scan, frame.columns, channels, &mut bits, &mut samples)?;
        reader.segments.go_on(bits.marker());
    }
    Ok(Decoded {
        bytes: pack(&samples, frame.precision, coded)?,
        photometric: coded.photometric,
    })
}

fn decode_scan(
    scan: &Scan,
    columns: usize,
    channels: usize,
    bits: &mut Bits<true>,
    samples: &mut [u16],
) -> Result<(), Damage> {
    let mut lines = Lines::new(&scan.coding, columns, scan.components.len());
    let mut marker = 0;
    for (y, out) in samples.chunks_exact_mut(columns * channels).enumerate() {
        if scan.restart > 0 && y > 0 && y % scan.restart == 0 {
            bits.restart(marker)?;
            marker = (marker + 1) % 8;
            lines = Lines::new(&scan.coding, columns, scan.components.len());
        }
        lines.begin();
        match scan.interleave {
            Interleave::Sample => lines.decode_interleaved(bits)?,
            Interleave::None | Interleave::Line => lines.decode(bits)?,
        }
        if bits.is_past_end() {
            return Err("it ends too early");
        }
        for (&index, line) in scan.components.iter().zip(lines.current()) {
            let places = out[index..].iter_mut().step_by(channels);
            places.zip(line).for_each(|(to, &from)| *to = from as u16);
        }
    }
    Ok(())
}
