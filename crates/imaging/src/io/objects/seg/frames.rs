//! The pixels of a segmentation, frame by frame.

use std::io::Read;

use dicom_dictionary_std::{tags, uids};
use flate2::read::DeflateDecoder;

use crate::io::Warning;
use crate::io::dicom::{DataSet, Notes, Object, Pixels, malformed};
use crate::io::error::{MAX_VOLUME_BYTES, Refusal};

/// Each frame deflated by itself (PS3.5 A.4.13).
const DEFLATED_FRAMES: &str = "1.2.840.10008.1.2.8.1";
/// More frames than this are a damaged header.
const MOST_FRAMES: u32 = 1 << 20;

/// What a pixel means (PS3.3 C.8.20.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// 1 inside.
    Binary,
    /// How sure, or how much of it.
    Fractional,
    /// The number of a segment.
    Labels,
}

impl Kind {
    pub(super) fn of(values: &DataSet) -> Result<Self, Refusal> {
        match values.text(tags::SEGMENTATION_TYPE).as_str() {
            "BINARY" => Ok(Self::Binary),
            "FRACTIONAL" => Ok(Self::Fractional),
            "LABELMAP" => Ok(Self::Labels),
            other => Err(Refusal::new(
                "segmentation_type",
                format!(
                    "a segmentation of type {other:?}, which is not known; export it as BINARY"
                ),
            )),
        }
    }
}

/// The frames of a segmentation.
pub(super) struct FrameReader<'a> {
    kind: Kind,
    columns: u32,
    rows: u32,
    frames: usize,
    /// 1, 8 or 16.
    bits: u16,
    big_endian: bool,
    /// From this value on a fractional pixel is inside.
    half: u32,
    /// Frames that begin at whole bytes although bits run on.
    padded: bool,
    deflated: bool,
    pixels: &'a Pixels,
}

impl<'a> FrameReader<'a> {
    /// # Errors
    /// When pixels are missing, too few or written in a way that is not read.
    pub(super) fn new(object: &'a Object) -> Result<Self, Refusal> {
        let values = &object.values;
        let notes = Notes::default();
        let whole = |tag| -> Result<u32, Refusal> { Ok(values.whole(tag, &notes)?.unwrap_or(0)) };
        let (columns, rows) = (whole(tags::COLUMNS)?, whole(tags::ROWS)?);
        let frames = whole(tags::NUMBER_OF_FRAMES)?.max(1);
        let bits = values
            .whole::<u16>(tags::BITS_ALLOCATED, &notes)?
            .unwrap_or(0);
        let area = u64::from(columns) * u64::from(rows);
        if area == 0 || frames > MOST_FRAMES || area * u64::from(frames) > MAX_VOLUME_BYTES {
            let message = format!("{frames} frames of {columns} x {rows} pixels");
            return Err(malformed(&message));
        }
        if ![1, 8, 16].contains(&bits) {
            let message = format!(
                "its pixels of {bits} bits are not read; only those of 1, 8 and 16 bits are"
            );
            return Err(Refusal::new("pixel_format", message));
        }
        let Some(pixels) = &object.pixels else {
            return Err(Refusal::truncated(
                "the file ends before its pixels; copy or export it again",
            ));
        };
        let largest = values.whole::<u32>(tags::MAXIMUM_FRACTIONAL_VALUE, &notes)?;
        let mut reader = Self {
            kind: Kind::of(values)?,
            columns,
            rows,
            frames: frames as usize,
            bits,
            big_endian: values.is_big_endian(),
            half: largest.filter(|&n| n > 0).unwrap_or(255).div_ceil(2),
            padded: false,
            deflated: object.syntax == DEFLATED_FRAMES,
            pixels,
        };
        reader.check(&object.syntax)?;
        Ok(reader)
    }

    fn check(&mut self, syntax: &str) -> Result<(), Refusal> {
        let area = self.columns as usize * self.rows as usize;
        match self.pixels {
            Pixels::Native(bytes) => {
                let found = bytes.len();
                let wanted = (area * self.frames * usize::from(self.bits)).div_ceil(8);
                // Bits run on from frame to frame (PS3.5 8.1.1); some writers begin each at a whole byte.
                let padded = self.frames * area.div_ceil(8);
                self.padded = self.bits == 1
                    && !area.is_multiple_of(8)
                    && padded > wanted.next_multiple_of(2)
                    && found >= padded;
                if found < wanted {
                    return Err(Refusal::truncated(format!(
                        "it has {found} bytes of pixels where its size needs {wanted}; copy or export it again"
                    )));
                }
            }
            Pixels::Fragments(fragments) => {
                if ![DEFLATED_FRAMES, uids::RLE_LOSSLESS].contains(&syntax) {
                    let message = format!(
                        "its pixels are compressed in a way that is not read ({syntax}); convert it to Explicit VR Little Endian"
                    );
                    return Err(Refusal::new("transfer_syntax", message));
                }
                if fragments.len() != self.frames {
                    let message =
                        format!("{} fragments for {} frames", fragments.len(), self.frames);
                    return Err(malformed(&message));
                }
            }
        }
        Ok(())
    }

    pub(super) const fn frames(&self) -> usize {
        self.frames
    }

    /// Columns and rows.
    pub(super) const fn size(&self) -> [u32; 2] {
        [self.columns, self.rows]
    }

    pub(super) fn warning(&self) -> Option<Warning> {
        self.padded.then(|| {
            let message = "its frames begin at whole bytes, which the standard does not allow; read as they are";
            Warning::new("padded_frames", message)
        })
    }

    /// The pixels of a frame that are of a segment, a byte each; `None` where there are none.
    ///
    /// # Errors
    /// When they cannot be unpacked.
    pub(super) fn bits(&self, frame: usize, segment: u32) -> Result<Option<Vec<u8>>, Refusal> {
        let area = self.columns as usize * self.rows as usize;
        let unpacked;
        let (bytes, first) = match self.pixels {
            Pixels::Native(bytes) => {
                let bit = frame * area * usize::from(self.bits);
                let padded = frame * area.div_ceil(8) * 8;
                (bytes.as_slice(), if self.padded { padded } else { bit })
            }
            Pixels::Fragments(fragments) => {
                let packed = fragments.get(frame).map_or(&[][..], Vec::as_slice);
                unpacked = self.unpacked(packed, (area * usize::from(self.bits)).div_ceil(8))?;
                (unpacked.as_slice(), 0)
            }
        };
        let pixel = |n: usize| -> u32 {
            let byte = |at: usize| bytes.get(at).copied().map_or(0, u32::from);
            match self.bits {
                1 => byte((first + n) / 8) >> ((first + n) % 8) & 1,
                8 => byte(first / 8 + n),
                _ if self.big_endian => byte(first / 8 + 2 * n) << 8 | byte(first / 8 + 2 * n + 1),
                _ => byte(first / 8 + 2 * n) | byte(first / 8 + 2 * n + 1) << 8,
            }
        };
        let inside = |value: u32| match self.kind {
            Kind::Binary => value != 0,
            Kind::Fractional => value >= self.half,
            Kind::Labels => value == segment,
        };
        let found: Vec<u8> = (0..area).map(|n| u8::from(inside(pixel(n)))).collect();
        Ok(found.contains(&1).then_some(found))
    }

    fn unpacked(&self, packed: &[u8], wanted: usize) -> Result<Vec<u8>, Refusal> {
        let mut bytes = Vec::new();
        if self.deflated {
            let read = DeflateDecoder::new(packed)
                .take(wanted as u64)
                .read_to_end(&mut bytes);
            read.map_err(|error| damaged(&error.to_string()))?;
        } else {
            bytes = run_lengths(packed, wanted, usize::from(self.bits.max(8)) / 8)?;
        }
        if bytes.len() < wanted {
            return Err(damaged("a frame is cut"));
        }
        Ok(bytes)
    }
}

fn damaged(what: &str) -> Refusal {
    let message =
        format!("its compressed pixels cannot be decoded ({what}); copy or export it again");
    Refusal::new("damaged_pixels", message)
}

/// RLE Lossless (PS3.5 annex G): a segment for each byte of a pixel, the highest one first, to little-endian pixels.
fn run_lengths(packed: &[u8], wanted: usize, width: usize) -> Result<Vec<u8>, Refusal> {
    let (words, _) = packed.as_chunks::<4>();
    let header: Vec<usize> = words
        .iter()
        .take(16)
        .map(|w| u32::from_le_bytes(*w) as usize)
        .collect();
    let count = header.first().copied().unwrap_or(0);
    if header.len() < 16 || count != width {
        return Err(damaged("an RLE header that does not fit"));
    }
    let mut bytes = vec![0; wanted];
    for segment in 0..width {
        let start = header[segment + 1];
        let end = header
            .get(segment + 2)
            .copied()
            .filter(|&end| segment + 1 < width && end > start);
        let part = packed.get(start..end.unwrap_or(packed.len()));
        let mut rest = part.ok_or_else(|| damaged("an RLE segment outside its frame"))?;
        let mut places = bytes.iter_mut().skip(width - 1 - segment).step_by(width);
        let mut left = wanted / width;
        while left > 0 {
            let (&head, behind) = rest
                .split_first()
                .ok_or_else(|| damaged("an RLE segment is cut"))?;
            let control = head as i8;
            let (run, taken): (Vec<u8>, usize) = match control {
                -128 => (Vec::new(), 0),
                0..=127 => {
                    let length = usize::from(head) + 1;
                    let literal = behind
                        .get(..length)
                        .ok_or_else(|| damaged("an RLE segment is cut"))?;
                    (literal.to_vec(), length)
                }
                _ => {
                    let value = behind
                        .first()
                        .ok_or_else(|| damaged("an RLE segment is cut"))?;
                    (vec![*value; 257 - usize::from(head)], 1)
                }
            };
            for value in run.into_iter().take(left) {
                left -= 1;
                if let Some(place) = places.next() {
                    *place = value;
                }
            }
            rest = &behind[taken..];
        }
    }
    Ok(bytes)
}
