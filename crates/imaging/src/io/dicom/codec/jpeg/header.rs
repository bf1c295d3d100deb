//! Marker segments (ITU-T T.81 annex B).

use super::super::bits::Bits;
use super::super::segments::{END, SCAN, Segments};
use super::super::{Damage, unread};
use super::huffman::Huffman;
use crate::io::error::Refusal;

/// Which decoder a frame needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    Sequential,
    Lossless,
}

/// A frame header (B.2.2).
#[derive(Debug)]
pub(super) struct Frame {
    pub process: Process,
    pub precision: u16,
    pub columns: usize,
    pub rows: usize,
    pub components: Vec<Component>,
}

#[derive(Debug)]
pub(super) struct Component {
    pub id: u8,
    /// Sampling factors, 1 to 4, horizontal and vertical.
    pub sampling: (usize, usize),
    /// Which quantisation table.
    quantisation: usize,
}

impl Frame {
    /// The greatest sampling factors.
    pub fn sampling(&self) -> (usize, usize) {
        let all = || self.components.iter().map(|c| c.sampling);
        let most = |factors: &mut dyn Iterator<Item = usize>| factors.max().unwrap_or(1);
        (most(&mut all().map(|s| s.0)), most(&mut all().map(|s| s.1)))
    }
}

/// A scan header (B.2.3) with the tables it names.
pub(super) struct Scan<'t> {
    pub components: Vec<Part<'t>>,
    /// Ss, the predictor of lossless scans.
    pub start: u8,
    /// Al, the point transform of lossless scans.
    pub low: u8,
    /// MCU between restart markers, 0 for none.
    pub restart: usize,
}

/// A component of a scan.
pub(super) struct Part<'t> {
    /// Which component of the frame.
    pub index: usize,
    /// The table of DC coefficients or of lossless differences.
    pub dc: &'t Huffman,
    pub ac: Option<&'t Huffman>,
    /// The quantisation table in zigzag order.
    pub quantisation: Option<&'t [u16; 64]>,
}

/// Walks the segments and keeps the tables in force.
pub(super) struct Reader<'a> {
    pub segments: Segments<'a>,
    quantisation: [Option<[u16; 64]>; 4],
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
    restart: usize,
    has_jfif: bool,
    /// The transform of an Adobe segment: 0 for none, 1 for YCbCr.
    adobe: Option<u8>,
}

impl<'a> Reader<'a> {
    pub fn new(stream: &'a [u8]) -> Self {
        Self {
            segments: Segments::new(stream, 1),
            quantisation: [None; 4],
            dc: Default::default(),
            ac: Default::default(),
            restart: 0,
            has_jfif: false,
            adobe: None,
        }
    }

    /// Reads up to the frame header.
    pub fn frame(&mut self) -> Result<Frame, Refusal> {
        loop {
            let (marker, body) = self.segments.next()?;
            let process = match marker {
                0xC0 | 0xC1 => Process::Sequential,
                0xC3 => Process::Lossless,
                0xC2 => return Err(unread("progressive JPEG")),
                0xC5..=0xC7 | 0xCD..=0xCF => return Err(unread("hierarchical JPEG")),
                0xC9..=0xCB => return Err(unread("JPEG with arithmetic coding")),
                0xD9 | 0xDA => return Err("no frame header".into()),
                _ => {
                    self.table(marker, body)?;
                    continue;
                }
            };
            return Ok(frame(process, body).ok_or("its frame header")?);
        }
    }

    /// Reads up to the next scan of the frame, or gives `None` at the end of the image. The second is where its
    /// entropy-coded data begins.
    pub fn scan(&mut self, frame: &Frame) -> Result<Option<(Scan<'_>, Bits<'a, false>)>, Damage> {
        loop {
            if self.segments.is_over() {
                return Ok(None);
            }
            let (marker, body) = self.segments.next()?;
            match marker {
                END => return Ok(None),
                SCAN => {
                    let bits = Bits::new(self.segments.stream, self.segments.at);
                    return Ok(Some((self.scan_header(frame, body)?, bits)));
                }
                _ => self.table(marker, body)?,
            }
        }
    }

    /// Whether three components are luminance and chrominance rather than red, green and blue: the Adobe
    /// segment says so, or the components' names do, or JFIF by its being there; else the header decides.
    pub fn is_ycc(&self, frame: &Frame, photometric: &str) -> bool {
        let ids = frame.components.iter().map(|c| c.id);
        if let Some(transform) = self.adobe {
            transform == 1
        } else if ids.eq(*b"RGB") {
            false
        } else {
            self.has_jfif || photometric.starts_with("YBR")
        }
    }

    /// Keeps the tables of a segment.
    fn table(&mut self, marker: u8, body: &[u8]) -> Result<(), Damage> {
        match marker {
            0xC4 => self.huffman(body),
            0xDB => self.quantisation(body),
            0xDD => {
                let &[high, low, ..] = body else {
                    return Err("its restart interval");
                };
                self.restart = usize::from(u16::from_be_bytes([high, low]));
                Ok(())
            }
            0xE0 => {
                self.has_jfif |= body.starts_with(b"JFIF\0");
                Ok(())
            }
            0xEE => {
                if body.starts_with(b"Adobe") {
                    self.adobe = body.get(11).copied();
                }
                Ok(())
            }
            0xDC => Err("a number of lines behind the image"),
            _ => Ok(()),
        }
    }

    fn huffman(&mut self, mut body: &[u8]) -> Result<(), Damage> {
        const WHAT: Damage = "its Huffman tables";
        while let Some((&class_and_place, rest)) = body.split_first() {
            let (class, place) = (class_and_place >> 4, usize::from(class_and_place & 15));
            let counts = rest.first_chunk::<16>().ok_or(WHAT)?;
            let total: usize = counts.iter().map(|&n| usize::from(n)).sum();
            let symbols = rest.get(16..16 + total).ok_or(WHAT)?;
            let tables = match class {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err(WHAT),
            };
            let table = Huffman::new(counts, symbols, class == 1).ok_or(WHAT)?;
            *tables.get_mut(place).ok_or(WHAT)? = Some(table);
            body = &rest[16 + total..];
        }
        Ok(())
    }

    fn quantisation(&mut self, mut body: &[u8]) -> Result<(), Damage> {
        const WHAT: Damage = "its quantisation tables";
        while let Some((&width_and_place, rest)) = body.split_first() {
            let width = 1 + usize::from(width_and_place >> 4);
            let values = rest.get(..64 * width).ok_or(WHAT)?;
            let place = usize::from(width_and_place & 15);
            let table = self.quantisation.get_mut(place).ok_or(WHAT)?;
            *table = match width {
                1 => Some(std::array::from_fn(|i| u16::from(values[i]))),
                2 => Some(std::array::from_fn(|i| {
                    u16::from_be_bytes([values[2 * i], values[2 * i + 1]])
                })),
                _ => return Err(WHAT),
            };
            body = &rest[64 * width..];
        }
        Ok(())
    }

    fn scan_header(&self, frame: &Frame, body: &[u8]) -> Result<Scan<'_>, Damage> {
        const WHAT: Damage = "its scan header";
        let (&count, rest) = body.split_first().ok_or(WHAT)?;
        let pairs = rest.get(..2 * usize::from(count)).ok_or(WHAT)?;
        let &[start, _, approximation, ..] = &rest[pairs.len()..] else {
            return Err(WHAT);
        };
        let mut components = Vec::new();
        for pair in pairs.chunks_exact(2) {
            let (dc, ac) = (usize::from(pair[1] >> 4), usize::from(pair[1] & 15));
            let index = (frame.components.iter().position(|c| c.id == pair[0])).ok_or(WHAT)?;
            if components.iter().any(|part: &Part| part.index == index) {
                return Err(WHAT);
            }
            let table = self.dc.get(dc).and_then(Option::as_ref);
            let quantisation = self.quantisation.get(frame.components[index].quantisation);
            components.push(Part {
                index,
                dc: table.ok_or("a scan without its Huffman table")?,
                ac: self.ac.get(ac).and_then(Option::as_ref),
                quantisation: quantisation.and_then(Option::as_ref),
            });
        }
        if components.is_empty() {
            return Err(WHAT);
        }
        Ok(Scan {
            components,
            start,
            low: approximation & 15,
            restart: self.restart,
        })
    }
}

fn frame(process: Process, body: &[u8]) -> Option<Frame> {
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
    let components: Vec<_> = body[6..]
        .chunks_exact(3)
        .take(usize::from(count))
        .map(|part| Component {
            id: part[0],
            sampling: (usize::from(part[1] >> 4), usize::from(part[1] & 15)),
            quantisation: usize::from(part[2]),
        })
        .collect();
    let frame = Frame {
        process,
        precision: u16::from(precision),
        rows: usize::from(u16::from_be_bytes([rows_high, rows_low])),
        columns: usize::from(u16::from_be_bytes([columns_high, columns_low])),
        components,
    };
    let precise = match process {
        Process::Sequential => [8, 12].contains(&precision),
        Process::Lossless => (2..=16).contains(&precision),
    };
    let sampled =
        |c: &Component| (1..=4).contains(&c.sampling.0) && (1..=4).contains(&c.sampling.1);
    let sound = precise
        && frame.rows > 0
        && frame.columns > 0
        && frame.components.len() == usize::from(count)
        && [1, 3].contains(&count)
        && frame.components.iter().all(sampled);
    sound.then_some(frame)
}
