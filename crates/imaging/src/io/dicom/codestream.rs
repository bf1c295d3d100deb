//! What compressed pixels say about themselves. Decoders allocate what a codestream claims, so the
//! claim is compared with the DICOM header before they are let at it.

use super::codec::damaged;
use crate::io::error::Refusal;

/// Refuses JPEG and JPEG 2000 streams whose size, channels or depth contradict the header. Streams of
/// other kinds (RLE) carry no size and are bounded by their decoder.
pub(super) fn check(bytes: &[u8], columns: u32, rows: u32, allocated: u16) -> Result<(), Refusal> {
    let found = match bytes {
        [0xFF, 0x4F, ..] => jpeg2000(bytes),
        [0, 0, 0, 0x0C, b'j', b'P', ..] => {
            // The codestream follows a few boxes.
            let start = bytes
                .windows(4)
                .take(1 << 16)
                .position(|w| w == [0xFF, 0x4F, 0xFF, 0x51]);
            jpeg2000(start.and_then(|at| bytes.get(at..)).unwrap_or_default())
        }
        [0xFF, 0xD8, ..] => jpeg(bytes),
        _ => return Ok(()),
    };
    let Some(found) = found else {
        return Err(damaged("no sound header"));
    };
    if (found.columns, found.rows) != (columns, rows) {
        return Err(damaged(&format!(
            "{} x {} pixels where the header says {columns} x {rows}",
            found.columns, found.rows
        )));
    }
    // JPEG decoders give one byte for up to 8 bits and two above.
    let fits =
        found.depth <= allocated && (found.is_jpeg2000 || (found.depth > 8) == (allocated > 8));
    if found.channels != 1 || !fits {
        return Err(damaged(&format!(
            "{} channels of {} bits where the header says one of {allocated}",
            found.channels, found.depth
        )));
    }
    Ok(())
}

#[derive(Debug, PartialEq)]
struct Claim {
    columns: u32,
    rows: u32,
    channels: u16,
    depth: u16,
    is_jpeg2000: bool,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let found = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(found.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let found = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(found.try_into().ok()?))
}

/// The SIZ segment (ISO 15444-1 A.5.1) right after the start of the codestream.
fn jpeg2000(bytes: &[u8]) -> Option<Claim> {
    if u32_at(bytes, 0)? != 0xFF4F_FF51 {
        return None;
    }
    let field = |index: usize| u32_at(bytes, 8 + 4 * index);
    let (right, bottom, left, top) = (field(0)?, field(1)?, field(2)?, field(3)?);
    let (tile_width, tile_height) = (field(4)?, field(5)?);
    let columns = right.checked_sub(left)?;
    let rows = bottom.checked_sub(top)?;
    let tiles = u64::from(columns.div_ceil(tile_width.max(1)))
        * u64::from(rows.div_ceil(tile_height.max(1)));
    let channels = u16_at(bytes, 40)?;
    let &[depth, x_step, y_step] = bytes.get(42..45)? else {
        return None;
    };
    if tiles > 65_535 || (x_step, y_step) != (1, 1) {
        return None;
    }
    Some(Claim {
        columns,
        rows,
        channels,
        depth: u16::from(depth & 0x7F) + 1,
        is_jpeg2000: true,
    })
}

/// The frame header (ITU T.81 B.2.2), found by stepping over the segments before it.
fn jpeg(bytes: &[u8]) -> Option<Claim> {
    let mut at = 2;
    loop {
        let marker = u16_at(bytes, at)?;
        match marker {
            // Fill bytes.
            0xFFFF => at += 1,
            0xFFC0..=0xFFCF if ![0xFFC4, 0xFFC8, 0xFFCC].contains(&marker) => {
                return Some(Claim {
                    depth: u16::from(*bytes.get(at + 4)?),
                    rows: u32::from(u16_at(bytes, at + 5)?),
                    columns: u32::from(u16_at(bytes, at + 7)?),
                    channels: u16::from(*bytes.get(at + 9)?),
                    is_jpeg2000: false,
                });
            }
            0xFF01 | 0xFFD0..=0xFFD8 => at += 2,
            0xFF00..=0xFFFE => at += 2 + usize::from(u16_at(bytes, at + 2)?.max(2)),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(
            check(&stream, 512, 512, 16).unwrap_err().code,
            "damaged_pixels"
        );
        assert!(check(&stream, 60_000, 60_000, 16).is_ok());
        assert!(check(&stream, 60_000, 60_000, 8).is_err());
    }

    #[test]
    fn a_jpeg_frame_header_is_found_behind_other_segments() {
        let stream = [
            0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xC3, 0, 11, 12, 0, 100, 0, 200, 1,
        ];
        assert!(check(&stream, 200, 100, 16).is_ok());
        assert!(check(&stream, 100, 200, 16).is_err());
        assert!(check(&stream[..12], 200, 100, 16).is_err());
    }
}
