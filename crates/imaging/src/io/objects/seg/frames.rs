//! The pixels of a segmentation, frame by frame.

use std::collections::BTreeSet;

use dicom_dictionary_std::tags;

use crate::io::Warning;
use crate::io::dicom::{DataSet, Notes, Object, Pixels, can_decode, decode_grey, malformed};
use crate::io::error::{MAX_VOLUME_BYTES, Refusal};

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
    syntax: &'a str,
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
        let all = area.saturating_mul(u64::from(frames));
        if area == 0 || frames > MOST_FRAMES || all > MAX_VOLUME_BYTES {
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
            syntax: &object.syntax,
            pixels,
        };
        reader.check()?;
        Ok(reader)
    }

    fn check(&mut self) -> Result<(), Refusal> {
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
                if !can_decode(self.syntax) {
                    let message = format!(
                        "its pixels are compressed in a way that is not read ({}); convert it to Explicit VR Little Endian",
                        self.syntax
                    );
                    return Err(Refusal::new("transfer_syntax", message));
                }
                if self.frames > 1 && fragments.len() != self.frames {
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

    /// The segments that have pixels in a frame of a label map; `None` where it is none.
    ///
    /// # Errors
    /// When they cannot be unpacked.
    pub(super) fn labels(&self, frame: usize) -> Result<Option<BTreeSet<u32>>, Refusal> {
        if self.kind != Kind::Labels {
            return Ok(None);
        }
        let mut values = self.values(frame)?;
        values.sort_unstable();
        values.dedup();
        Ok(Some(values.into_iter().map(u32::from).collect()))
    }

    /// The pixels of a frame that are of a segment, a byte each.
    ///
    /// # Errors
    /// When they cannot be unpacked.
    pub(super) fn bits(&self, frame: usize, segment: u32) -> Result<Vec<u8>, Refusal> {
        let inside = |value: u32| match self.kind {
            Kind::Binary => value != 0,
            Kind::Fractional => value >= self.half,
            Kind::Labels => value == segment,
        };
        let values = self.values(frame)?.into_iter();
        Ok(values
            .map(|value| u8::from(inside(u32::from(value))))
            .collect())
    }

    /// The pixels of a frame.
    fn values(&self, frame: usize) -> Result<Vec<u16>, Refusal> {
        let area = self.columns as usize * self.rows as usize;
        let size = (area * usize::from(self.bits)).div_ceil(8);
        let unpacked;
        let (bytes, first) = match self.pixels {
            Pixels::Native(bytes) if self.padded => (bytes.as_slice(), frame * size * 8),
            Pixels::Native(bytes) => (bytes.as_slice(), frame * area * usize::from(self.bits)),
            Pixels::Fragments(fragments) => {
                let joined = match self.frames {
                    1 => fragments.concat(),
                    _ => fragments.get(frame).cloned().unwrap_or_default(),
                };
                unpacked = decode_grey(&joined, self.syntax, self.size(), self.bits)?;
                (unpacked.as_slice(), 0)
            }
        };
        let whole = bytes.get(first / 8..).unwrap_or_default();
        let pair = |pair: &[u8; 2]| {
            if self.big_endian {
                u16::from_be_bytes(*pair)
            } else {
                u16::from_le_bytes(*pair)
            }
        };
        let bit = |n: usize| {
            bytes
                .get(n / 8)
                .map_or(0, |byte| u16::from(byte >> (n % 8) & 1))
        };
        Ok(match self.bits {
            1 => (first..first + area).map(bit).collect(),
            8 => whole.iter().take(area).copied().map(u16::from).collect(),
            _ => whole.as_chunks().0.iter().take(area).map(pair).collect(),
        })
    }
}
