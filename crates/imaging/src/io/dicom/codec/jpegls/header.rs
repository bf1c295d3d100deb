//! Marker segments (ITU-T T.87 annex C).

use super::super::bits::Bits;
use super::super::segments::{END, SCAN, Segments};
use super::super::{Damage, unread};
use super::context::Coding;
use crate::io::error::Refusal;

/// A frame header (C.2.2).
pub(super) struct Frame {
    pub precision: u16,
    pub columns: usize,
    pub rows: usize,
    /// Their identifiers.
    pub components: Vec<u8>,
}

/// How the components of a scan lie (C.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interleave {
    None,
    Line,
    Sample,
}

/// A scan header (C.2.3) with the parameters in force.
pub(super) struct Scan {
    /// Which components of the frame, in the order of the scan.
    pub components: Vec<usize>,
    pub interleave: Interleave,
    pub coding: Coding,
    /// Lines between restart markers, 0 for none.
    pub restart: usize,
}

/// Walks the segments.
pub(super) struct Reader<'a> {
    pub segments: Segments<'a>,
    /// MAXVAL, T1, T2, T3 and RESET of the last LSE segment; 0 for the default.
    preset: [u16; 5],
    restart: usize,
}

impl<'a> Reader<'a> {
    pub const fn new(stream: &'a [u8]) -> Self {
        Self {
            segments: Segments::new(stream, 0x80),
            preset: [0; 5],
            restart: 0,
        }
    }

    /// Reads up to the frame header.
    pub fn frame(&mut self) -> Result<Frame, Refusal> {
        loop {
            let (marker, body) = self.segments.next()?;
            if marker == 0xF7 {
                return Ok(frame(body).ok_or("its frame header")?);
            }
            self.parameters(marker, body)?;
        }
    }

    /// Reads up to the next scan, or gives `None` at the end of the image.
    pub fn scan(&mut self, frame: &Frame) -> Result<Option<(Scan, Bits<'a, true>)>, Refusal> {
        loop {
            if self.segments.is_over() {
                return Ok(None);
            }
            match self.segments.next()? {
                (END, _) => return Ok(None),
                (SCAN, body) => {
                    let scan = self.scan_header(frame, body)?;
                    return Ok(Some((
                        scan,
                        Bits::new(self.segments.stream, self.segments.at),
                    )));
                }
                (marker, body) => self.parameters(marker, body)?,
            }
        }
    }

    /// Keeps the parameters of a segment.
    fn parameters(&mut self, marker: u8, body: &[u8]) -> Result<(), Refusal> {
        match (marker, body) {
            // C.2.4.1: the preset coding parameters.
            (0xF8, [1, values @ ..]) => {
                let values = values.first_chunk::<10>().ok_or("its coding parameters")?;
                let number = |i| u16::from_be_bytes([values[2 * i], values[2 * i + 1]]);
                self.preset = std::array::from_fn(number);
            }
            (0xF8, _) => return Err(unread("JPEG-LS with a palette or of great size")),
            // The number of lines takes two to four bytes (C.2.5).
            (0xDD, bytes) if bytes.len() <= 4 => {
                let lines = bytes.iter().fold(0, |all, &b| all << 8 | usize::from(b));
                self.restart = lines;
            }
            // A colour transform of HP's, which is no part of the standard.
            (0xE8, [b'm', b'r', b'f', b'x', transform, ..]) if *transform != 0 => {
                return Err(unread("JPEG-LS with a colour transform"));
            }
            (0xD9 | 0xDA, _) => return Err("no frame header".into()),
            _ => {}
        }
        Ok(())
    }

    fn scan_header(&self, frame: &Frame, body: &[u8]) -> Result<Scan, Damage> {
        const WHAT: Damage = "its scan header";
        let (&count, rest) = body.split_first().ok_or(WHAT)?;
        let pairs = rest.get(..2 * usize::from(count)).ok_or(WHAT)?;
        let &[near, interleave, point, ..] = &rest[pairs.len()..] else {
            return Err(WHAT);
        };
        let mut components = Vec::new();
        for pair in pairs.chunks_exact(2) {
            let index = frame.components.iter().position(|&id| id == pair[0]);
            let index = index.filter(|index| !components.contains(index));
            components.push(index.ok_or(WHAT)?);
            if pair[1] != 0 {
                return Err("a mapping table");
            }
        }
        let interleave = match (interleave, components.len()) {
            (0, 1) => Interleave::None,
            (1, 1..) => Interleave::Line,
            (2, 1..) => Interleave::Sample,
            _ => return Err("its interleaving"),
        };
        if point & 15 != 0 {
            return Err("a point transform");
        }
        Ok(Scan {
            components,
            interleave,
            coding: Coding::new(frame.precision, near, self.preset)
                .ok_or("its coding parameters")?,
            restart: self.restart,
        })
    }
}

fn frame(body: &[u8]) -> Option<Frame> {
    let &[
        precision,
        rows_high,
        rows_low,
        columns_high,
        columns_low,
        count,
        ..,
    ] = body
    else {
        return None;
    };
    let components: Vec<_> = (body[6..].chunks_exact(3).take(usize::from(count)))
        .map(|part| part[0])
        .collect();
    let frame = Frame {
        precision: u16::from(precision),
        rows: usize::from(u16::from_be_bytes([rows_high, rows_low])),
        columns: usize::from(u16::from_be_bytes([columns_high, columns_low])),
        components,
    };
    let sound = (2..=16).contains(&precision)
        && frame.rows > 0
        && frame.columns > 0
        && [1, 3].contains(&count)
        && frame.components.len() == usize::from(count);
    sound.then_some(frame)
}
