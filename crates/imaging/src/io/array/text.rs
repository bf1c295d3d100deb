//! Numbers that are written out.

use std::io::{self, BufRead, Read};

use super::number::Number;

/// No number is longer.
const MOST_DIGITS: usize = 64;

/// Written numbers as their little-endian bytes.
pub(super) struct TextNumbers<R> {
    text: R,
    number: Number,
    ready: Vec<u8>,
}

impl<R: BufRead> TextNumbers<R> {
    pub fn new(text: R, number: Number) -> Self {
        Self {
            text,
            number,
            ready: Vec::new(),
        }
    }

    /// The next word; an empty one at the end.
    fn word(&mut self) -> io::Result<Vec<u8>> {
        let mut word = Vec::new();
        loop {
            let buffer = self.text.fill_buf()?;
            let Some(&byte) = buffer.first() else {
                return Ok(word);
            };
            self.text.consume(1);
            if !(byte.is_ascii_whitespace() || byte == b',') {
                word.push(byte);
            } else if !word.is_empty() {
                return Ok(word);
            }
            if word.len() > MOST_DIGITS {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }
}

impl<R: BufRead> Read for TextNumbers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ready.is_empty() {
            let word = self.word()?;
            if word.is_empty() {
                return Ok(0);
            }
            let value = std::str::from_utf8(&word)
                .ok()
                .and_then(|word| word.parse().ok())
                .ok_or(io::ErrorKind::InvalidData)?;
            let (bytes, count) = self.number.bytes(value);
            self.ready.extend(&bytes[..count]);
        }
        let count = self.ready.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.ready[..count]);
        self.ready.drain(..count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_numbers_are_bytes_and_words_are_errors() {
        let mut bytes = Vec::new();
        TextNumbers::new(b" 1,-2\n3e2".as_slice(), Number::I16)
            .read_to_end(&mut bytes)
            .unwrap();
        let wanted = [1_i16, -2, 300].map(i16::to_le_bytes).concat();
        assert_eq!(bytes, wanted);
        let mut stream = TextNumbers::new(b"1 x".as_slice(), Number::U8);
        assert!(stream.read_to_end(&mut bytes).is_err());
        let endless = [b'1'; 4096];
        let mut stream = TextNumbers::new(endless.as_slice(), Number::U8);
        assert!(stream.read_to_end(&mut bytes).is_err());
    }
}
