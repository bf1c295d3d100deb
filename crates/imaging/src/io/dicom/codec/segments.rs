//! Marker segments of JPEG (ITU-T T.81 B.1.1) and JPEG-LS (T.87 C.1).

use super::Damage;

/// The end of the image.
pub(super) const END: u8 = 0xD9;
/// The start of a scan.
pub(super) const SCAN: u8 = 0xDA;

/// Steps from segment to segment.
pub(super) struct Segments<'a> {
    pub stream: &'a [u8],
    pub at: usize,
    /// The least marker: in JPEG-LS a byte below 0x80 behind 0xFF is data.
    least: u8,
}

impl<'a> Segments<'a> {
    /// Begins behind the start of the image.
    pub const fn new(stream: &'a [u8], least: u8) -> Self {
        Self {
            stream,
            at: 2,
            least,
        }
    }

    pub const fn is_over(&self) -> bool {
        self.at >= self.stream.len()
    }

    /// Goes on at the marker behind a scan.
    pub fn go_on(&mut self, marker: Option<usize>) {
        self.at = marker.unwrap_or(self.stream.len());
    }

    /// The next marker with the body of its segment.
    pub fn next(&mut self) -> Result<(u8, &'a [u8]), Damage> {
        let short = "it ends between segments";
        let rest = self.stream.get(self.at..).ok_or(short)?;
        let fill = rest.iter().take_while(|&&byte| byte == 0xFF).count();
        let marker = *rest.get(fill).ok_or(short)?;
        if fill == 0 || marker < self.least {
            return Err("no marker where one is due");
        }
        let body = &rest[fill + 1..];
        if matches!(marker, 0x01 | 0xD0..=0xD9) {
            self.at += fill + 1;
            return Ok((marker, &[]));
        }
        let &[high, low, ..] = body else {
            return Err(short);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let body = body.get(2..length).ok_or("a segment that is cut short")?;
        self.at += fill + 1 + length;
        Ok((marker, body))
    }
}
