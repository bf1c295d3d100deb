//! What compressed pixels say about themselves. Decoders allocate what a stream claims, so the claim is
//! compared with the DICOM header before they are let at it.

use super::{Codec, Coded, damaged};
use crate::io::error::Refusal;

/// Refuses streams whose size, channels or depth contradict the header. Run lengths and deflated frames
/// carry no size and are bounded by their length; JPEG XL is compared once its decoder has read the header.
pub(super) fn check(codec: Codec, bytes: &[u8], coded: &Coded) -> Result<(), Refusal> {
    // The most that a byte can become: 128 equal bytes take two; deflate's limit; every block of 64 samples takes
    // two bits, and of chrominance a block serves eight; and as runs end with their lines, eight lines.
    let (size, most_per_byte) = match codec {
        Codec::Rle => (coded.bytes(), 64),
        Codec::Deflated => (coded.bytes(), 1032),
        Codec::Jpeg => (coded.count(), 1024),
        Codec::JpegLs => (u64::from(coded.rows), 8),
        Codec::Jpeg2000 | Codec::JpegXl => (0, 1),
    };
    if size > most_per_byte * bytes.len() as u64 {
        return Err(damaged("it is too short for its size"));
    }
    let claim = match codec {
        Codec::Jpeg | Codec::JpegLs => jpeg(bytes, codec == Codec::JpegLs),
        Codec::Jpeg2000 => jpeg2000(bytes),
        Codec::Rle | Codec::Deflated | Codec::JpegXl => return Ok(()),
    };
    claim
        .ok_or_else(|| damaged("no sound header"))?
        .compare(coded)
}

/// The size, channels and depth that a stream claims.
#[derive(Debug, PartialEq)]
pub(super) struct Claim {
    pub columns: u32,
    pub rows: u32,
    pub channels: u16,
    /// Bits per sample, the most of any channel.
    pub depth: u16,
}

impl Claim {
    /// Refuses a claim that is not the header's.
    pub fn compare(&self, coded: &Coded) -> Result<(), Refusal> {
        let Self {
            columns,
            rows,
            channels,
            depth,
        } = *self;
        if (columns, rows) != (coded.columns, coded.rows) {
            return Err(damaged(&format!(
                "{columns} x {rows} pixels where the header says {} x {}",
                coded.columns, coded.rows
            )));
        }
        if channels != coded.samples || depth > coded.allocated {
            return Err(damaged(&format!(
                "{channels} channels of {depth} bits where the header says {} of {}",
                coded.samples, coded.allocated
            )));
        }
        Ok(())
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let found = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(found.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let found = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(found.try_into().ok()?))
}

/// The SIZ segment (ISO 15444-1 A.5.1) right after the start of the codestream, which follows a few boxes
/// where an encoder wrote a whole JP2 file.
fn jpeg2000(bytes: &[u8]) -> Option<Claim> {
    let start = bytes
        .windows(4)
        .take(1 << 16)
        .position(|w| w == [0xFF, 0x4F, 0xFF, 0x51])?;
    let is_file = bytes.starts_with(&[0, 0, 0, 0x0C, b'j', b'P']);
    if start > 0 && !is_file {
        return None;
    }
    let bytes = bytes.get(start..)?;
    let field = |index: usize| u32_at(bytes, 8 + 4 * index);
    let (right, bottom, left, top) = (field(0)?, field(1)?, field(2)?, field(3)?);
    let (tile_width, tile_height) = (field(4)?, field(5)?);
    let columns = right.checked_sub(left)?;
    let rows = bottom.checked_sub(top)?;
    let tiles = u64::from(columns.div_ceil(tile_width.max(1)))
        * u64::from(rows.div_ceil(tile_height.max(1)));
    let channels = u16_at(bytes, 40)?;
    let parts = bytes.get(42..42 + 3 * usize::from(channels))?;
    let subsampled = parts.chunks_exact(3).any(|part| part[1..] != [1, 1]);
    let depth = parts.chunks_exact(3).map(|part| part[0] & 0x7F).max()?;
    if tiles > 65_535 || subsampled {
        return None;
    }
    Some(Claim {
        columns,
        rows,
        channels,
        depth: u16::from(depth) + 1,
    })
}

/// The frame header (ITU-T T.81 B.2.2, T.87 C.2.2), found by stepping over the segments before it.
fn jpeg(bytes: &[u8], is_jpegls: bool) -> Option<Claim> {
    if !bytes.starts_with(&[0xFF, 0xD8]) {
        return None;
    }
    let mut at = 2;
    loop {
        let marker = u16_at(bytes, at)?;
        let is_frame = if is_jpegls {
            marker == 0xFFF7
        } else {
            (0xFFC0..=0xFFCF).contains(&marker) && ![0xFFC4, 0xFFC8, 0xFFCC].contains(&marker)
        };
        match marker {
            _ if is_frame => {
                return Some(Claim {
                    depth: u16::from(*bytes.get(at + 4)?),
                    rows: u32::from(u16_at(bytes, at + 5)?),
                    columns: u32::from(u16_at(bytes, at + 7)?),
                    channels: u16::from(*bytes.get(at + 9)?),
                });
            }
            // Fill bytes.
            0xFFFF => at += 1,
            0xFF01 | 0xFFD0..=0xFFD8 => at += 2,
            0xFF00..=0xFFFE => at += 2 + usize::from(u16_at(bytes, at + 2)?.max(2)),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_dictionary_std::uids;

    const fn coded(columns: u32, rows: u32, allocated: u16) -> Coded<'static> {
        Coded {
            syntax: uids::JPEG2000,
            columns,
            rows,
            samples: 1,
            allocated,
            stored: allocated,
            signed: false,
            photometric: "MONOCHROME2",
            planar: false,
        }
    }

    #[test]
    fn a_stream_larger_than_its_header_is_refused() {
        let mut stream = vec![0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0];
        for field in [60_000_u32, 60_000, 0, 0, 60_000, 60_000, 0, 0] {
            stream.extend(field.to_be_bytes());
        }
        stream.extend([0, 1, 11, 1, 1]);
        let claim = jpeg2000(&stream).unwrap();
        assert_eq!(
            (claim.columns, claim.channels, claim.depth),
            (60_000, 1, 12)
        );
        let refused = check(Codec::Jpeg2000, &stream, &coded(512, 512, 16)).unwrap_err();
        assert_eq!(refused.code, "damaged_pixels");
        assert!(check(Codec::Jpeg2000, &stream, &coded(60_000, 60_000, 16)).is_ok());
        assert!(check(Codec::Jpeg2000, &stream, &coded(60_000, 60_000, 8)).is_err());
    }

    #[test]
    fn a_jpeg_frame_header_is_found_behind_other_segments() {
        let mut stream = [
            0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xC3, 0, 11, 12, 0, 50, 0, 200, 1,
        ];
        assert!(check(Codec::Jpeg, &stream, &coded(200, 50, 16)).is_ok());
        assert!(check(Codec::Jpeg, &stream, &coded(50, 200, 16)).is_err());
        assert!(check(Codec::Jpeg, &stream[..12], &coded(200, 50, 16)).is_err());
        assert!(check(Codec::JpegLs, &stream, &coded(200, 50, 16)).is_err());
        stream[9] = 0xF7;
        assert!(check(Codec::JpegLs, &stream, &coded(200, 50, 16)).is_ok());
        assert!(check(Codec::JpegLs, &stream, &coded(200, 50, 8)).is_err());
    }
}
