//! A walk over the elements of a DICOM file (PS3.5 chapter 7) that reads headers and skips values.
//!
//! It stands before dicom-object as a gate: every length is checked against the file's real size, and
//! sequences are passed without recursion. Only the few small elements the import needs go on to
//! dicom-object, which would allocate whatever a length says and recurse as deep as a file nests.

use std::io::{Read, Seek};

use dicom_object::Tag;

use crate::io::error::{Refusal, reserve_more};

/// How elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    pub explicit: bool,
    pub big_endian: bool,
}

impl Encoding {
    pub const EXPLICIT: Self = Self {
        explicit: true,
        big_endian: false,
    };
    pub const IMPLICIT: Self = Self {
        explicit: false,
        big_endian: false,
    };

    pub fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }
}

/// The header of one element; the walker stands at its value.
#[derive(Clone, Debug)]
pub(super) struct Element {
    pub tag: Tag,
    /// The two letters; `None` where they are implicit.
    pub vr: Option<[u8; 2]>,
    /// `None` when undefined.
    pub length: Option<u32>,
    raw: [u8; 12],
    raw_length: usize,
}

impl Element {
    /// The header as it stands in the file.
    pub fn raw(&self) -> &[u8] {
        self.raw.get(..self.raw_length).unwrap_or_default()
    }
}

pub(super) const ITEM: Tag = Tag(0xFFFE, 0xE000);
pub(super) const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
pub(super) const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

/// More elements than this before the pixels are no image's.
const MOST_ELEMENTS: usize = 4_000_000;

/// Reads element headers one after the other.
pub(super) struct Walker<R> {
    reader: R,
    position: u64,
    end: u64,
    count: usize,
}

impl<R: Read + Seek> Walker<R> {
    /// Starts at `position` of a source of `end` bytes, where `reader` already stands.
    pub const fn new(reader: R, position: u64, end: u64) -> Self {
        Self {
            reader,
            position,
            end,
            count: 0,
        }
    }

    pub const fn position(&self) -> u64 {
        self.position
    }

    pub const fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let mut bytes = [0; N];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), Refusal> {
        if bytes.len() as u64 > self.remaining() {
            return Err(Refusal::truncated(
                "the DICOM header ends in the middle of an element; copy or export the file again",
            ));
        }
        self.reader.read_exact(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// The value of an element, which must be as long as the file can hold.
    pub fn value(&mut self, length: u32) -> Result<Vec<u8>, Refusal> {
        let mut bytes = Vec::new();
        self.append(length, &mut bytes)?;
        Ok(bytes)
    }

    /// The value of an element, read to the end of `bytes`.
    pub fn append(&mut self, length: u32, bytes: &mut Vec<u8>) -> Result<(), Refusal> {
        if u64::from(length) > self.remaining() {
            return Err(beyond(length, self.remaining()));
        }
        reserve_more(bytes, u64::from(length))?;
        let mut part = self.reader.by_ref().take(u64::from(length));
        let read = part.read_to_end(bytes)?;
        self.position += read as u64;
        if read < length as usize {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        Ok(())
    }

    /// Passes over `length` bytes.
    pub fn skip(&mut self, length: u32) -> Result<(), Refusal> {
        if u64::from(length) > self.remaining() {
            return Err(beyond(length, self.remaining()));
        }
        self.reader.seek_relative(i64::from(length))?;
        self.position += u64::from(length);
        Ok(())
    }

    /// Goes back to a place it has been.
    pub fn rewind(&mut self, position: u64) -> Result<(), Refusal> {
        self.reader.seek(std::io::SeekFrom::Start(position))?;
        self.position = position;
        Ok(())
    }

    /// The next element's header; `None` at the end of the file.
    pub fn next(&mut self, encoding: Encoding) -> Result<Option<Element>, Refusal> {
        if self.remaining() == 0 {
            return Ok(None);
        }
        self.count += 1;
        if self.count > MOST_ELEMENTS {
            return Err(malformed("more elements than an image has"));
        }
        let head: [u8; 4] = self.take()?;
        let [a, b, c, d] = head;
        let tag = Tag(encoding.u16([a, b]), encoding.u16([c, d]));
        let rest: [u8; 4] = self.take()?;
        let [e, f, g, h] = rest;
        let mut raw = [a, b, c, d, e, f, g, h, 0, 0, 0, 0];
        if !encoding.explicit || tag.group() == 0xFFFE {
            let length = encoding.u32(rest);
            return Ok(Some(element(tag, None, length, raw, 8)));
        }
        let vr = [e, f];
        if !is_vr(vr) {
            return Err(malformed(&format!("element {tag} has no value type")));
        }
        if !is_long(vr) {
            let length = u32::from(encoding.u16([g, h]));
            return Ok(Some(element(tag, Some(vr), length, raw, 8)));
        }
        let long: [u8; 4] = self.take()?;
        raw[8..].copy_from_slice(&long);
        Ok(Some(element(tag, Some(vr), encoding.u32(long), raw, 12)))
    }

    /// Passes over the value of an element, whatever it holds.
    pub fn skip_value(&mut self, element: &Element, encoding: Encoding) -> Result<(), Refusal> {
        match element.length {
            Some(length) => self.skip(length),
            None => self.skip_undefined(element, encoding),
        }
    }

    /// Passes over a sequence, or an item outside any, of undefined length, level by level on a stack of its own.
    fn skip_undefined(&mut self, element: &Element, encoding: Encoding) -> Result<(), Refusal> {
        // Per level: its encoding, and whether it is an item (holding elements) or a sequence.
        let mut levels = vec![(inside(element, encoding), element.tag == ITEM)];
        while let Some(&(encoding, in_item)) = levels.last() {
            let Some(next) = self.next(encoding)? else {
                return Err(Refusal::truncated(
                    "the file ends inside a sequence; copy or export it again",
                ));
            };
            match (next.tag, in_item) {
                (SEQUENCE_END, false) | (ITEM_END, true) => {
                    levels.pop();
                }
                (ITEM, false) => match next.length {
                    Some(length) => self.skip(length)?,
                    None => levels.push((encoding, true)),
                },
                (tag, false) => {
                    return Err(malformed(&format!("{tag} where an item should be")));
                }
                (_, true) => match next.length {
                    Some(length) => self.skip(length)?,
                    None => levels.push((inside(&next, encoding), false)),
                },
            }
        }
        Ok(())
    }
}

/// An unknown value of undefined length is a sequence in implicit VR (PS3.5 6.2.2 note 4).
pub(super) const fn inside(element: &Element, outside: Encoding) -> Encoding {
    match element.vr {
        Some([b'U', b'N']) => Encoding::IMPLICIT,
        _ => outside,
    }
}

fn element(
    tag: Tag,
    vr: Option<[u8; 2]>,
    length: u32,
    raw: [u8; 12],
    raw_length: usize,
) -> Element {
    Element {
        tag,
        vr,
        length: (length != u32::MAX).then_some(length),
        raw,
        raw_length,
    }
}

/// Whether two bytes can be a value representation.
pub(super) const fn is_vr(vr: [u8; 2]) -> bool {
    vr[0].is_ascii_uppercase() && vr[1].is_ascii_uppercase()
}

/// The value representations with a 32-bit length (PS3.5 table 7.1-1).
fn is_long(vr: [u8; 2]) -> bool {
    [
        b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV",
    ]
    .contains(&&vr)
}

fn beyond(length: u32, remaining: u64) -> Refusal {
    Refusal::truncated(format!(
        "an element announces {length} bytes where the file has {remaining} left; copy or export it \
         again"
    ))
}

pub(in crate::io) fn malformed(what: &str) -> Refusal {
    Refusal::new(
        "malformed",
        format!("not well-formed DICOM ({what}); export the file again"),
    )
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn walk(bytes: Vec<u8>) -> Walker<Cursor<Vec<u8>>> {
        let end = bytes.len() as u64;
        Walker::new(Cursor::new(bytes), 0, end)
    }

    #[test]
    fn deep_nesting_is_passed_without_recursion() {
        let mut bytes = Vec::new();
        for _ in 0..200_000 {
            bytes.extend([0x08, 0x00, 0x15, 0x11, b'S', b'Q', 0, 0, 255, 255, 255, 255]);
            bytes.extend([0xFE, 0xFF, 0x00, 0xE0, 255, 255, 255, 255]);
        }
        for _ in 0..200_000 {
            bytes.extend([0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0]);
            bytes.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
        }
        let mut walker = walk(bytes);
        let sequence = walker.next(Encoding::EXPLICIT).unwrap().unwrap();
        assert_eq!(sequence.length, None);
        walker.skip_value(&sequence, Encoding::EXPLICIT).unwrap();
        assert!(walker.next(Encoding::EXPLICIT).unwrap().is_none());
    }

    #[test]
    fn lengths_beyond_the_file_are_refused_before_anything_is_allocated() {
        let bytes = [
            &[0x10, 0, 0x10, 0, b'U', b'T', 0, 0][..],
            &[0, 0, 0, 0xF0, 1, 2],
        ]
        .concat();
        let mut walker = walk(bytes);
        let element = walker.next(Encoding::EXPLICIT).unwrap().unwrap();
        let refusal = walker.value(element.length.unwrap()).unwrap_err();
        assert_eq!(refusal.code, "truncated");
        let refusal = walker.skip_value(&element, Encoding::EXPLICIT).unwrap_err();
        assert_eq!(refusal.code, "truncated");
    }
}
