//! Elements as bytes (PS3.5 7.1), and the File Meta group (PS3.10 7.1).

use dicom_object::Tag;

use crate::io::dicom::elements::{Element, Encoding, ITEM, ITEM_END, SEQUENCE_END};

/// Stands for this program in the File Meta group: the UUID-derived root of one UUID.
const IMPLEMENTATION_CLASS: &str = "2.25.27027936376895010443486229045970135231";
const IMPLEMENTATION_VERSION: &str = concat!("M3D_VIEWER_", env!("CARGO_PKG_VERSION"));

const UNDEFINED: u32 = u32::MAX;

pub(super) fn u16(encoding: Encoding, value: u16) -> [u8; 2] {
    if encoding.big_endian {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    }
}

pub(super) fn u32(encoding: Encoding, value: u32) -> [u8; 4] {
    if encoding.big_endian {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    }
}

fn tag_and_length(encoding: Encoding, tag: Tag, length: u32) -> Vec<u8> {
    let [group, element] = [tag.group(), tag.element()].map(|half| u16(encoding, half));
    [&group[..], &element[..], &u32(encoding, length)[..]].concat()
}

/// The start of an item whose end is marked.
pub(super) fn item(encoding: Encoding) -> Vec<u8> {
    tag_and_length(encoding, ITEM, UNDEFINED)
}

/// The mark behind an item.
pub(super) fn item_end(encoding: Encoding) -> Vec<u8> {
    tag_and_length(encoding, ITEM_END, 0)
}

/// The mark behind a sequence.
pub(super) fn sequence_end(encoding: Encoding) -> Vec<u8> {
    tag_and_length(encoding, SEQUENCE_END, 0)
}

/// An item without elements.
pub(super) fn empty_item(encoding: Encoding) -> Vec<u8> {
    tag_and_length(encoding, ITEM, 0)
}

/// Whether an element's length is of 16 bits.
fn is_short(element: &Element) -> bool {
    element.vr.is_some() && element.raw().len() == 8
}

/// Whether an element can have a value of that many bytes.
pub(super) fn fits(element: &Element, length: usize) -> bool {
    !is_short(element) || u16::try_from(length).is_ok()
}

/// The header of an element that was read, for a value of another length; `None`: its end is marked.
pub(super) fn header(element: &Element, encoding: Encoding, length: Option<u32>) -> Vec<u8> {
    let mut raw = element.raw().to_vec();
    let is_short = is_short(element);
    let size = if is_short { 2 } else { 4 };
    raw.truncate(raw.len() - size);
    match length {
        // What does not fit was refused.
        Some(length) if is_short => raw.extend(u16(encoding, length as u16)),
        _ => raw.extend(u32(encoding, length.unwrap_or(UNDEFINED))),
    }
    raw
}

/// An element of a value type with a short length.
pub(super) fn short(encoding: Encoding, tag: Tag, vr: [u8; 2], value: &str) -> Vec<u8> {
    let padding = if &vr == b"UI" { b'\0' } else { b' ' };
    let value = even(value.as_bytes().to_vec(), padding);
    let mut bytes = tag_and_length(encoding, tag, value.len() as u32);
    if encoding.explicit {
        bytes.truncate(4);
        bytes.extend(vr);
        bytes.extend(u16(encoding, value.len() as u16));
    }
    bytes.extend(value);
    bytes
}

/// A sequence of one item.
pub(super) fn sequence(encoding: Encoding, tag: Tag, elements: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = tag_and_length(encoding, tag, UNDEFINED);
    if encoding.explicit {
        bytes.truncate(4);
        bytes.extend(b"SQ\0\0");
        bytes.extend(u32(encoding, UNDEFINED));
    }
    bytes.extend(item(encoding));
    bytes.extend(elements.concat());
    bytes.extend(item_end(encoding));
    bytes.extend(sequence_end(encoding));
    bytes
}

/// The value with padding to an even length.
pub(super) fn even(mut value: Vec<u8>, padding: u8) -> Vec<u8> {
    if value.len() % 2 == 1 {
        value.push(padding);
    }
    value
}

/// An empty preamble and a File Meta group that names this program alone.
pub(super) fn file_meta(class: &str, instance: &str, syntax: &str) -> Vec<u8> {
    let text =
        |element, vr: &[u8; 2], value| short(Encoding::EXPLICIT, Tag(0x0002, element), *vr, value);
    let group = [
        b"\x02\0\x01\0OB\0\0\x02\0\0\0\0\x01".to_vec(),
        text(0x0002, b"UI", class),
        text(0x0003, b"UI", instance),
        text(0x0010, b"UI", syntax),
        text(0x0012, b"UI", IMPLEMENTATION_CLASS),
        text(
            0x0013,
            b"SH",
            &IMPLEMENTATION_VERSION[..IMPLEMENTATION_VERSION.len().min(16)],
        ),
    ]
    .concat();
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM\x02\0\0\0UL\x04\0");
    bytes.extend((group.len() as u32).to_le_bytes());
    bytes.extend(group);
    bytes
}
