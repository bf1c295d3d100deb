//! Stored samples of one frame.

use dicom_dictionary_std::tags;
use sha2::{Digest as _, Sha256};

use super::codec::{self, Coded};
use super::dataset::DataSet;
use super::frame::{Frame, ImageFile};
use super::header::PixelElement;
use super::source::PixelSource;
use super::syntax;
use super::values::Notes;
use crate::io::error::Refusal;
use crate::volume::{Digest, Rescale};

/// How samples are stored (PS3.5 chapter 8).
///
/// High Bit (0028,0102) is not looked at: whatever is not from the last century has the stored bits at the bottom, and
/// where the element says otherwise it is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PixelFormat {
    pub element: PixelElement,
    /// 8, 16, 32 or (floating point) 64.
    pub allocated: u16,
    /// 1 to `allocated`.
    pub stored: u16,
    pub signed: bool,
    /// 1, or 3 of colour.
    pub samples: u16,
    /// Photometric Interpretation (0028,0004).
    pub photometric: String,
    /// All of one colour first, then all of the next.
    pub planar: bool,
}

impl PixelFormat {
    /// # Errors
    /// When something is missing, unreadable or of a kind that is not read.
    pub fn read(values: &DataSet, element: PixelElement, notes: &Notes) -> Result<Self, Refusal> {
        let whole = |tag| values.whole::<u16>(tag, notes);
        let allocated = match element {
            PixelElement::Integer => whole(tags::BITS_ALLOCATED)?
                .ok_or_else(|| super::elements::malformed("no Bits Allocated"))?,
            PixelElement::Float => 32,
            PixelElement::Double => 64,
        };
        let stored = whole(tags::BITS_STORED)?.unwrap_or(allocated);
        let format = Self {
            element,
            allocated,
            stored: if element == PixelElement::Integer {
                stored
            } else {
                allocated
            },
            signed: whole(tags::PIXEL_REPRESENTATION)?.unwrap_or(0) == 1,
            samples: whole(tags::SAMPLES_PER_PIXEL)?.unwrap_or(1),
            photometric: values.text(tags::PHOTOMETRIC_INTERPRETATION),
            planar: whole(tags::PLANAR_CONFIGURATION)?.unwrap_or(0) == 1,
        };
        let widths: &[u16] = match (element, format.samples) {
            (PixelElement::Integer, _) => &[8, 16, 32],
            _ => &[32, 64],
        };
        if !widths.contains(&allocated) || !(1..=allocated).contains(&format.stored) {
            return Err(Refusal::new(
                "pixel_format",
                format!(
                    "its pixels ({stored} bits in {allocated}) are not read; only samples of 8, 16 or 32 \
                     bits are"
                ),
            ));
        }
        format.refuse_colours()?;
        Ok(format)
    }

    fn refuse_colours(&self) -> Result<(), Refusal> {
        const GREY: [&str; 4] = ["MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", ""];
        let is_known = match self.samples {
            1 => GREY.contains(&self.photometric.as_str()),
            3 => self.photometric == "RGB" || self.photometric.starts_with("YBR_"),
            _ => false,
        };
        if is_known {
            return Ok(());
        }
        let message = format!(
            "a picture of {} samples per pixel ({}), which is not read; export it in RGB",
            self.samples, self.photometric
        );
        Err(Refusal::new("colour", message))
    }

    /// Whether a pixel is a colour.
    pub fn is_colour(&self) -> bool {
        self.samples == 3 || self.photometric == "PALETTE COLOR"
    }

    /// Whether its values need more than the 24 bits that a 32-bit float holds.
    pub fn is_imprecise(&self) -> bool {
        match self.element {
            PixelElement::Integer => self.allocated == 32 && !self.signed,
            PixelElement::Float => false,
            PixelElement::Double => true,
        }
    }

    /// Bytes of one sample.
    pub const fn bytes(&self) -> u64 {
        self.allocated as u64 / 8
    }

    /// Bytes of one uncompressed frame.
    pub fn frame_bytes(&self, rows: u32, columns: u32) -> u64 {
        let pixels = u64::from(rows) * u64::from(columns);
        // Two pixels share their blue and red differences (PS3.3 C.7.6.3.1.2).
        if self.photometric == "YBR_FULL_422" {
            return pixels * 2;
        }
        pixels * u64::from(self.samples) * self.bytes()
    }

    /// The number that a sample's bits mean: what lies above the stored bits (old overlays, garbage) is taken off, and
    /// the sign bit spread.
    pub const fn number(&self, bits: u32) -> i64 {
        let unused = 32 - self.stored as u32;
        if self.signed {
            ((bits << unused) as i32 >> unused) as i64
        } else {
            (bits << unused >> unused) as i64
        }
    }
}

/// One frame's samples, uncompressed.
pub(super) struct Samples<'a> {
    file: &'a ImageFile,
    bytes: Vec<u8>,
    big_endian: bool,
    /// What the samples of a colour are now.
    photometric: String,
    planar: bool,
}

impl<'a> Samples<'a> {
    /// Reads and uncompresses frame `number` of a file; also the digest of the frame as it stands there.
    ///
    /// # Errors
    /// When the file cannot be read, or its pixels cannot be decoded or are too few.
    pub fn read(
        source: &PixelSource,
        file: &'a ImageFile,
        number: u32,
    ) -> Result<(Self, [u8; 32]), Refusal> {
        let mut bytes = source.frame(number)?;
        let format = &file.format;
        let raw = Sha256::digest(&bytes).into();
        let native = syntax::is_native(&file.place.syntax);
        let (mut photometric, mut planar) = (format.photometric.clone(), format.planar);
        if !native {
            let coded = Coded {
                syntax: &file.place.syntax,
                columns: file.columns,
                rows: file.rows,
                samples: format.samples,
                allocated: format.allocated,
                stored: format.stored,
                signed: format.signed,
                photometric: &format.photometric,
                planar: format.planar,
            };
            let decoded = codec::decode(&bytes, &coded)?;
            bytes = decoded.bytes;
            decoded.photometric.clone_into(&mut photometric);
            planar = false;
        }
        // Decoders write little endian whatever the file was.
        let big_endian = native && file.place.big_endian;
        let wanted = if native {
            format.frame_bytes(file.rows, file.columns)
        } else {
            let pixels = u64::from(file.rows) * u64::from(file.columns);
            pixels * u64::from(format.samples) * format.bytes()
        };
        if (bytes.len() as u64) < wanted {
            return Err(Refusal::truncated(format!(
                "its pixels decode to {} bytes where its size needs {wanted}; copy or export it again",
                bytes.len()
            )));
        }
        let samples = Self {
            file,
            bytes,
            big_endian,
            photometric,
            planar,
        };
        Ok((samples, raw))
    }

    /// Writes `convert(number)` of the pixels of `frame`, the whole picture or a tile of it, row by row to `out`.
    pub fn grey<T>(&self, frame: &Frame, out: &mut [T], convert: impl Fn(i64) -> T) {
        let format = &self.file.format;
        let width = format.bytes() as usize;
        self.each_row(frame, out, width, |from, to| {
            for (to, sample) in to.iter_mut().zip(from.chunks_exact(width)) {
                *to = convert(format.number(self.bits(sample)));
            }
        });
    }

    /// As [`Self::grey`], of floating point samples.
    pub fn float<T>(&self, frame: &Frame, out: &mut [T], convert: impl Fn(f64) -> T) {
        let width = self.file.format.bytes() as usize;
        self.each_row(frame, out, width, |from, to| {
            for (to, sample) in to.iter_mut().zip(from.chunks_exact(width)) {
                let mut bytes = [0_u8; 8];
                bytes[..width].copy_from_slice(sample);
                if self.big_endian {
                    bytes[..width].reverse();
                }
                let [a, b, c, d, ..] = bytes;
                *to = convert(if width == 4 {
                    f64::from(f32::from_le_bytes([a, b, c, d]))
                } else {
                    f64::from_le_bytes(bytes)
                });
            }
        });
    }

    /// As [`Self::grey`], of pixels that are colours: red, green and blue, the upper 8 bits of each.
    pub fn colour(&self, frame: &Frame, out: &mut [[u8; 3]]) {
        if let Some(palette) = &self.file.palette {
            return self.grey(frame, out, |stored| palette.colour(stored));
        }
        let pixels = self.file.rows as usize * self.file.columns as usize;
        let format = &self.file.format;
        let width = format.bytes() as usize;
        let sample = |at: usize| {
            let bytes = self.bytes.get(at * width..(at + 1) * width);
            let bits = bytes.map_or(0, |bytes| self.bits(bytes));
            (bits >> (format.stored.max(8) - 8)) as u8
        };
        for (pixel, to) in out.iter_mut().enumerate().take(pixels) {
            let at = match self.photometric.as_str() {
                // Y Y Cb Cr of each two pixels.
                "YBR_FULL_422" => {
                    let pair = pixel / 2 * 4;
                    [pair + pixel % 2, pair + 2, pair + 3]
                }
                _ if self.planar => [pixel, pixel + pixels, pixel + 2 * pixels],
                _ => [3 * pixel, 3 * pixel + 1, 3 * pixel + 2],
            };
            let found = at.map(sample);
            *to = match self.photometric.as_str() {
                "RGB" => found,
                _ => rgb(found),
            };
        }
    }

    /// The rows of a frame's part of the picture, as bytes and where they go.
    fn each_row<T>(
        &self,
        frame: &Frame,
        out: &mut [T],
        width: usize,
        row: impl Fn(&[u8], &mut [T]),
    ) {
        let columns = frame.columns as usize;
        let (left, top) = frame
            .tile
            .map_or((0, 0), |tile| (tile.column as usize, tile.row as usize));
        for (n, to) in out.chunks_exact_mut(columns).enumerate() {
            let start = ((top + n) * self.file.columns as usize + left) * width;
            let from = self.bytes.get(start..start + columns * width);
            row(from.unwrap_or_default(), to);
        }
    }

    fn bits(&self, sample: &[u8]) -> u32 {
        let join = |bits: u32, &byte: &u8| bits << 8 | u32::from(byte);
        if self.big_endian {
            sample.iter().fold(0, join)
        } else {
            sample.iter().rev().fold(0, join)
        }
    }
}

/// Red, green and blue of luminance and two colour differences over the full range (PS3.3 C.7.6.3.1.2).
fn rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    [
        y + 1.402 * cr,
        y - 0.344_14 * cb - 0.714_14 * cr,
        y + 1.772 * cb,
    ]
    .map(|v| v.round().clamp(0.0, 255.0) as u8)
}

/// The digest of a frame: which it is, what its values mean, and its pixels as they stand in the file.
pub(super) fn digest(frame: &Frame, raw: &[u8; 32]) -> Digest {
    let mut hash = Sha256::new();
    hash.update(&frame.file.sop_uid);
    hash.update(frame.number.to_le_bytes());
    if let Some(tile) = frame.tile {
        hash.update(tile.row.to_le_bytes());
        hash.update(tile.column.to_le_bytes());
    }
    let rescale = frame.rescale.unwrap_or(Rescale::IDENTITY);
    for number in [rescale.slope, rescale.intercept] {
        hash.update(number.to_le_bytes());
    }
    hash.update(raw);
    Digest::finish(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(allocated: u16, stored: u16, signed: bool) -> PixelFormat {
        PixelFormat {
            element: PixelElement::Integer,
            allocated,
            stored,
            signed,
            samples: 1,
            photometric: "MONOCHROME2".to_owned(),
            planar: false,
        }
    }

    #[test]
    fn only_the_stored_bits_count() {
        assert_eq!(format(16, 12, false).number(0xF00F), 0x00F);
        assert_eq!(format(16, 12, true).number(0x0FFF), -1);
        assert_eq!(format(16, 12, true).number(0x7800), -2048);
        assert_eq!(format(16, 16, true).number(0x8000), -32768);
        assert_eq!(format(32, 32, false).number(u32::MAX), i64::from(u32::MAX));
        assert_eq!(format(8, 8, true).number(0x80), -128);
    }

    #[test]
    fn luminance_and_differences_are_colours() {
        assert_eq!(rgb([255, 128, 128]), [255; 3]);
        assert_eq!(rgb([76, 85, 255]), [254, 0, 0]);
    }
}
