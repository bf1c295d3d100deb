//! Pictures on the CPU, and their files.

use std::io::Write as _;
use std::path::Path;

use image::ImageEncoder as _;

use super::{RESEARCH_NOTICE, RenderError};

/// A picture in display colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Red, green, blue and opacity of each pixel, row by row from the top left.
    pub rgba: Vec<u8>,
}

/// Signature and header chunk of a PNG file: everything before the first chunk that may be added.
const PNG_HEADER_BYTES: usize = 8 + 12 + 13;

impl Picture {
    /// An opaque picture of one colour.
    pub fn filled(width: u32, height: u32, colour: [u8; 3]) -> Self {
        let [r, g, b] = colour;
        Self {
            width,
            height,
            rgba: [r, g, b, 255].repeat(width as usize * height as usize),
        }
    }

    /// The pixel at a place; `None` outside.
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 4]> {
        let at = self.offset(x, y)?;
        self.rgba.get(at..at + 4)?.try_into().ok()
    }

    /// Sets a pixel; nothing happens outside.
    pub fn set_pixel(&mut self, x: u32, y: u32, colour: [u8; 3]) {
        if let Some(at) = self.offset(x, y)
            && let Some(pixel) = self.rgba.get_mut(at..at + 4)
        {
            pixel[..3].copy_from_slice(&colour);
            pixel[3] = u8::MAX;
        }
    }

    fn offset(&self, x: u32, y: u32) -> Option<usize> {
        (x < self.width && y < self.height)
            .then(|| (y as usize * self.width as usize + x as usize) * 4)
    }

    /// The bytes of a PNG file, with the research notice in a text chunk.
    ///
    /// # Errors
    /// When the picture is empty or its bytes are not as many as its pixels need.
    pub fn png(&self) -> Result<Vec<u8>, RenderError> {
        let refused = |reason: String| RenderError::Encode {
            width: self.width,
            height: self.height,
            reason,
        };
        if self.rgba.len() != self.width as usize * self.height as usize * 4 {
            return Err(refused(format!("it holds {} bytes", self.rgba.len())));
        }
        let mut bytes = Vec::new();
        image::codecs::png::PngEncoder::new(&mut bytes)
            .write_image(
                &self.rgba,
                self.width,
                self.height,
                image::ExtendedColorType::Rgba8,
            )
            .map_err(|why| refused(why.to_string()))?;
        if bytes.len() < PNG_HEADER_BYTES {
            return Err(refused("the encoder wrote no header".into()));
        }
        // `image` writes no text chunks, and a PNG is a list of chunks (PNG 3rd edition, 11.3.3.2).
        let notice = text_chunk("Disclaimer", RESEARCH_NOTICE);
        bytes.splice(PNG_HEADER_BYTES..PNG_HEADER_BYTES, notice);
        Ok(bytes)
    }

    /// Writes a PNG file; see [`Self::png`].
    ///
    /// # Errors
    /// When the picture cannot be encoded or the file cannot be written.
    pub fn save_png(&self, path: &Path) -> Result<(), RenderError> {
        let bytes = self.png()?;
        std::fs::File::create(path)
            .and_then(|mut file| file.write_all(&bytes))
            .map_err(|why| RenderError::Write {
                path: path.to_owned(),
                reason: why.to_string(),
            })
    }
}

/// A tEXt chunk: length, type, keyword, zero, text, and the CRC of all but the length.
fn text_chunk(keyword: &str, text: &str) -> Vec<u8> {
    let body = [b"tEXt", keyword.as_bytes(), b"\0", text.as_bytes()].concat();
    let mut crc = flate2::Crc::new();
    crc.update(&body);
    let length = (body.len() - 4) as u32;
    [
        &length.to_be_bytes(),
        body.as_slice(),
        &crc.sum().to_be_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_carry_the_notice_and_the_pixels() {
        let mut picture = Picture::filled(5, 3, [1, 2, 3]);
        picture.set_pixel(4, 2, [200, 100, 50]);
        picture.set_pixel(5, 2, [9, 9, 9]);
        let bytes = picture.png().unwrap();
        let notice = RESEARCH_NOTICE.as_bytes();
        assert!(bytes.windows(notice.len()).any(|w| w == notice));
        // The decoder checks every chunk's CRC.
        let read = image::load_from_memory(&bytes).unwrap().into_rgba8();
        assert_eq!(read.into_raw(), picture.rgba);
        assert_eq!(picture.pixel(4, 2), Some([200, 100, 50, 255]));
        assert_eq!(picture.pixel(5, 2), None);
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let mut picture = Picture::filled(5, 3, [0; 3]);
        picture.rgba.pop();
        assert!(matches!(picture.png(), Err(RenderError::Encode { .. })));
    }
}
