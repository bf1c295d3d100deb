//! The bytes of a file's pixels, frame by frame (PS3.5 A.4).

use std::io::{BufReader, Cursor, Read, Seek};
use std::ops::Range;
use std::path::Path;

use dicom_dictionary_std::uids;

use super::elements::{Encoding, ITEM, Walker, malformed};
use super::frame::ImageFile;
use super::header::PixelPlace;
use super::open::{self, Bytes};
use super::syntax;
use crate::io::error::Refusal;
use crate::io::files::{self, Kind};

/// A file whose frames can be read.
pub(super) struct PixelSource<'a> {
    file: &'a ImageFile,
    /// The inflated data set, where the file is deflated.
    inflated: Option<Vec<u8>>,
    /// The fragments of each frame, where they are encapsulated.
    fragments: Option<Vec<Vec<Range<u64>>>>,
}

impl<'a> PixelSource<'a> {
    /// Finds out where the frames of a file lie.
    ///
    /// # Errors
    /// When the file cannot be read, is not as long as it was, or its fragments are no frames.
    pub fn open(file: &'a ImageFile) -> Result<Self, Refusal> {
        let place = &file.place;
        if files::open(&file.path)?.metadata()?.len() != place.file_length {
            return Err(Refusal::new(
                "changed",
                "the file changed after it was found; open the folder again",
            ));
        }
        let deflated = &*place.syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN;
        let inflated = deflated.then(|| inflated(&file.path)).transpose()?;
        let mut source = Self {
            file,
            inflated,
            fragments: None,
        };
        source.fragments = source.find_fragments()?;
        Ok(source)
    }

    fn find_fragments(&self) -> Result<Option<Vec<Vec<Range<u64>>>>, Refusal> {
        let place = &self.file.place;
        let mut walker = self.walker()?;
        if !is_encapsulated(&mut walker, place)? {
            return Ok(None);
        }
        let found = Fragments::find(&mut walker, place.offset, place.length)?;
        by_frame(&mut walker, found, self.file.frames).map(Some)
    }

    /// The bytes of frame `number`, counted from 0, in the order of its samples.
    ///
    /// # Errors
    /// When the file ends before them.
    pub fn frame(&self, number: u32) -> Result<Vec<u8>, Refusal> {
        let mut walker = self.walker()?;
        let Some(fragments) = &self.fragments else {
            let bytes = self
                .file
                .format
                .frame_bytes(self.file.rows, self.file.columns);
            let start = u64::from(number) * bytes;
            let range = start..start + bytes;
            return native(&mut walker, self.file, range);
        };
        let mut bytes = Vec::new();
        for fragment in fragments.get(number as usize).into_iter().flatten() {
            walker.rewind(fragment.start)?;
            walker.append((fragment.end - fragment.start) as u32, &mut bytes)?;
        }
        if bytes.is_empty() {
            return Err(malformed("no fragment holds its pixels"));
        }
        Ok(bytes)
    }

    fn walker(&self) -> Result<Walker<Box<dyn Bytes + '_>>, Refusal> {
        if let Some(bytes) = &self.inflated {
            let end = bytes.len() as u64;
            return Ok(Walker::new(Box::new(Cursor::new(bytes)), 0, end));
        }
        let file = files::open(&self.file.path)?;
        let length = self.file.place.file_length;
        Ok(Walker::new(Box::new(BufReader::new(file)), 0, length))
    }
}

/// The bytes of a frame that lies in a range of the pixels.
fn native<R: Read + Seek>(
    walker: &mut Walker<R>,
    file: &ImageFile,
    range: Range<u64>,
) -> Result<Vec<u8>, Refusal> {
    // Samples of 8 bits in words that begin with the upper byte: two by two the other way round. A frame of an odd
    // size shares a word with the next one.
    let in_words = file.place.big_endian && file.place.words && file.format.allocated == 8;
    let before = if in_words { range.start % 2 } else { 0 };
    let after = if in_words { range.end % 2 } else { 0 };
    walker.rewind(file.place.offset + range.start - before)?;
    let size = range.end - range.start;
    let read = u32::try_from(before + size + after);
    let mut bytes = walker.value(read.map_err(|_| malformed("a frame of 4 GiB"))?)?;
    if in_words {
        bytes.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
        bytes.drain(..before as usize);
        bytes.truncate(size as usize);
    }
    Ok(bytes)
}

fn inflated(path: &Path) -> Result<Vec<u8>, Refusal> {
    match files::kind(path)? {
        Kind::Dicom { meta } => open::inflated(path, meta),
        _ => open::inflated(path, 0),
    }
}

/// Whether the pixels come in fragments, which they may with the length of all their items, too.
fn is_encapsulated<R: Read + Seek>(
    walker: &mut Walker<R>,
    place: &PixelPlace,
) -> Result<bool, Refusal> {
    let Some(length) = place.length else {
        return Ok(true);
    };
    if length < 8 || syntax::is_native(&place.syntax) {
        return Ok(false);
    }
    walker.rewind(place.offset)?;
    Ok(matches!(walker.next(Encoding::IMPLICIT), Ok(Some(element)) if element.tag == ITEM))
}

/// The fragments of encapsulated pixels, and what the offset table before them says.
#[derive(Default)]
pub(super) struct Fragments {
    /// Of each frame's first item, from `start`.
    offsets: Vec<u32>,
    start: u64,
    headers: Vec<u64>,
    pub(super) ranges: Vec<Range<u64>>,
}

impl Fragments {
    /// Finds the items of the value at `offset`, whose length is told for all of them or not.
    ///
    /// # Errors
    /// When the file ends inside one.
    pub(super) fn find<R: Read + Seek>(
        walker: &mut Walker<R>,
        offset: u64,
        length: Option<u32>,
    ) -> Result<Self, Refusal> {
        walker.rewind(offset)?;
        let limit = length.map(|n| offset + u64::from(n));
        let mut found = Self::default();
        let mut is_offset_table = true;
        while limit.is_none_or(|limit| walker.position() < limit) {
            let header = walker.position();
            let Some(item) = walker.next(Encoding::IMPLICIT)? else {
                break;
            };
            let Some(length) = item.length.filter(|_| item.tag == ITEM) else {
                break;
            };
            if is_offset_table {
                is_offset_table = false;
                let table = walker.value(length)?;
                let (offsets, _) = table.as_chunks::<4>();
                found.offsets = offsets.iter().map(|&b| u32::from_le_bytes(b)).collect();
                found.start = walker.position();
                continue;
            }
            let start = walker.position();
            found.headers.push(header);
            found.ranges.push(start..start + u64::from(length));
            walker.skip(length)?;
        }
        Ok(found)
    }
}

/// Gives fragments to frames: all to one; one each; as the offset table says; or where a new stream begins.
fn by_frame<R: Read + Seek>(
    walker: &mut Walker<R>,
    found: Fragments,
    frames: u32,
) -> Result<Vec<Vec<Range<u64>>>, Refusal> {
    let frames = frames as usize;
    let Fragments {
        offsets,
        start,
        headers,
        ranges,
    } = found;
    if frames == 1 {
        return Ok(vec![ranges]);
    }
    if ranges.len() == frames {
        return Ok(ranges.into_iter().map(|range| vec![range]).collect());
    }
    let mut begins = Vec::new();
    if offsets.len() == frames {
        let wanted = |offset: u32| start + u64::from(offset);
        let at = |offset: &u32| headers.iter().position(|&h| h == wanted(*offset));
        begins = offsets.iter().filter_map(at).collect();
    }
    if begins.len() != frames {
        begins.clear();
        for (n, range) in ranges.iter().enumerate() {
            walker.rewind(range.start)?;
            let head = walker.value((range.end - range.start).min(4) as u32)?;
            // The start of a JPEG or JPEG-LS image, of a JPEG 2000 codestream.
            if head.starts_with(&[0xFF, 0xD8]) || head.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]) {
                begins.push(n);
            }
        }
    }
    if begins.len() != frames || !begins.is_sorted() || begins.first() != Some(&0) {
        let message = format!(
            "{} fragments, which are not those of {frames} frames",
            ranges.len()
        );
        return Err(malformed(&message));
    }
    let ends = begins.iter().skip(1).copied().chain([ranges.len()]);
    let part = |(from, to): (&usize, usize)| ranges.get(*from..to).unwrap_or_default().to_vec();
    Ok(begins.iter().zip(ends).map(part).collect())
}
