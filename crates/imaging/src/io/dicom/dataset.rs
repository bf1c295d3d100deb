//! The elements of a DICOM data set (PS3.5 chapter 7) with their sequences, bounded in depth and size.
//!
//! Values stay as the bytes that were written; [`super::values`] reads them.

use std::io::{Read, Seek};

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};

use super::charset::CharacterSet;
use super::elements::{Element, Encoding, ITEM, ITEM_END, SEQUENCE_END, Walker, inside, malformed};
use crate::io::error::Refusal;

/// Deeper than any image nests what the import needs of it.
const DEEPEST: usize = 8;
/// The most bytes of values that are kept of one file.
const MOST_BYTES: usize = 64 << 20;
/// No single wanted value is longer.
const LONGEST_VALUE: u32 = 1 << 20;

/// Which elements are kept; a sequence that is not is passed over whole.
pub(in crate::io) type Wanted = fn(Tag) -> bool;

/// Elements in the order of their tags.
#[derive(Clone, Debug)]
pub(in crate::io) struct DataSet {
    elements: Vec<(Tag, Value)>,
    pub(super) big_endian: bool,
    pub(super) characters: CharacterSet,
}

/// What an element holds.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A value as written, and the value representation that says how to read it.
    Bytes {
        vr: VR,
        bytes: Vec<u8>,
    },
    Items(Vec<DataSet>),
}

impl DataSet {
    pub(super) const fn new(encoding: Encoding, characters: CharacterSet) -> Self {
        Self {
            elements: Vec::new(),
            big_endian: encoding.big_endian,
            characters,
        }
    }

    pub(super) fn get(&self, tag: Tag) -> Option<&Value> {
        let at = self.elements.binary_search_by_key(&tag, |(tag, _)| *tag);
        at.ok()
            .and_then(|at| self.elements.get(at))
            .map(|(_, value)| value)
    }

    /// All elements, in the order of their tags.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Tag, &Value)> {
        self.elements.iter().map(|(tag, value)| (*tag, value))
    }

    /// Whether the file is written in big endian.
    pub const fn is_big_endian(&self) -> bool {
        self.big_endian
    }

    /// Whether the element is there, empty or not.
    pub fn has(&self, tag: Tag) -> bool {
        self.get(tag).is_some()
    }

    /// The items of a sequence; none where it is absent.
    pub fn items(&self, tag: Tag) -> &[Self] {
        match self.get(tag) {
            Some(Value::Items(items)) => items,
            _ => &[],
        }
    }

    /// The first item of a sequence.
    pub fn item(&self, tag: Tag) -> Option<&Self> {
        self.items(tag).first()
    }

    /// Adds an element; of two of one tag the first stays, as the standard knows only one. A Specific Character Set
    /// (0008,0005) holds for the texts behind it.
    pub(super) fn put(&mut self, tag: Tag, value: Value) {
        if let (tags::SPECIFIC_CHARACTER_SET, Value::Bytes { bytes, .. }) = (tag, &value) {
            self.characters = CharacterSet::from_values(bytes);
        }
        match self.elements.binary_search_by_key(&tag, |(tag, _)| *tag) {
            Ok(_) => {}
            Err(at) => self.elements.insert(at, (tag, value)),
        }
    }
}

/// How many bytes of values a file may still give.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Budget {
    pub const fn new() -> Self {
        Self(MOST_BYTES)
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| {
            let message = format!(
                "its header holds more than {} MiB, which no image's does; export it again",
                MOST_BYTES >> 20
            );
            Refusal::new("too_large", message)
        })?;
        Ok(())
    }
}

/// Reads the value of an element that is wanted; the walker stands at it.
pub(super) fn read_value<R: Read + Seek>(
    walker: &mut Walker<R>,
    element: &Element,
    encoding: Encoding,
    into: &DataSet,
    wanted: Wanted,
    budget: &mut Budget,
) -> Result<Option<Value>, Refusal> {
    read_at_depth(
        walker,
        element,
        encoding,
        &into.characters,
        wanted,
        budget,
        0,
    )
}

fn read_at_depth<R: Read + Seek>(
    walker: &mut Walker<R>,
    element: &Element,
    encoding: Encoding,
    characters: &CharacterSet,
    wanted: Wanted,
    budget: &mut Budget,
    depth: usize,
) -> Result<Option<Value>, Refusal> {
    let vr = meaning(element);
    if vr != VR::SQ && element.length.is_some() {
        let length = element.length.unwrap_or(0);
        if length > LONGEST_VALUE {
            let what = format!("element {} of {length} bytes", element.tag);
            return Err(malformed(&what));
        }
        budget.spend(length as usize + 64)?;
        let bytes = walker.value(length)?;
        return Ok(Some(Value::Bytes { vr, bytes }));
    }
    if depth >= DEEPEST {
        walker.skip_value(element, encoding)?;
        return Ok(None);
    }
    let encoding = inside(element, encoding);
    let end = element.length.map(|n| walker.position() + u64::from(n));
    let mut items = Vec::new();
    while end.is_none_or(|end| walker.position() < end) {
        let Some(item) = walker.next(encoding)? else {
            return Err(cut());
        };
        match item.tag {
            ITEM => {
                budget.spend(64)?;
                let mut data = DataSet::new(encoding, characters.clone());
                let end = item.length.map(|n| walker.position() + u64::from(n));
                read_item(walker, &mut data, encoding, end, wanted, budget, depth + 1)?;
                items.push(data);
            }
            SEQUENCE_END => break,
            tag => return Err(malformed(&format!("{tag} where an item should be"))),
        }
    }
    Ok(Some(Value::Items(items)))
}

fn read_item<R: Read + Seek>(
    walker: &mut Walker<R>,
    data: &mut DataSet,
    encoding: Encoding,
    end: Option<u64>,
    wanted: Wanted,
    budget: &mut Budget,
    depth: usize,
) -> Result<(), Refusal> {
    while end.is_none_or(|end| walker.position() < end) {
        let Some(element) = walker.next(encoding)? else {
            return Err(cut());
        };
        if element.tag == ITEM_END {
            return Ok(());
        }
        if !wanted(element.tag) {
            walker.skip_value(&element, encoding)?;
            continue;
        }
        let characters = data.characters.clone();
        let value = read_at_depth(
            walker,
            &element,
            encoding,
            &characters,
            wanted,
            budget,
            depth,
        )?;
        if let Some(value) = value {
            data.put(element.tag, value);
        }
    }
    Ok(())
}

fn cut() -> Refusal {
    Refusal::truncated("the file ends inside a sequence; copy or export it again")
}

/// The value representation of a value: the one written, or the dictionary's where none or UN is.
pub(super) fn meaning(element: &Element) -> VR {
    let written = element.vr.and_then(VR::from_binary);
    match written {
        Some(vr) if vr != VR::UN => vr,
        _ => known(element.tag).unwrap_or(VR::UN),
    }
}

/// What the dictionary says of a tag (PS3.6); where that hangs on other elements, the unsigned or the wider one.
pub(super) fn known(tag: Tag) -> Option<VR> {
    let entry = StandardDataDictionary.by_tag(tag);
    entry.map(|entry| entry.vr().relaxed())
}
