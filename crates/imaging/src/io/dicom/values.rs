//! Values of a data set as what they mean: texts, numbers, whole numbers.
//!
//! Files are not always written as the standard says, so a number may come as text and a text under an unknown
//! value representation. What is there but cannot be read is an error that names tag and text, never "absent": an
//! unread slope would show stored values as Hounsfield units.

use std::cell::RefCell;

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;

use super::charset::TextKind;
use super::dataset::{DataSet, Value, known};
use crate::io::Warning;
use crate::io::error::Refusal;

/// The longest text that is kept.
const LONGEST_TEXT: usize = 1024;

/// What was odd about values that could be read all the same.
#[derive(Debug, Default)]
pub(in crate::io) struct Notes(RefCell<Vec<Warning>>);

impl Notes {
    /// Adds a warning unless there is one of its kind about the same.
    pub fn add(&self, warning: Warning) {
        let mut notes = self.0.borrow_mut();
        if !notes.contains(&warning) {
            notes.push(warning);
        }
    }

    pub fn into_warnings(self) -> Vec<Warning> {
        self.0.into_inner()
    }
}

impl DataSet {
    /// A text without padding and control characters; empty where it is absent.
    pub fn text(&self, tag: Tag) -> String {
        let Some(Value::Bytes { vr, bytes }) = self.get(tag) else {
            return String::new();
        };
        let kind = match known(tag).unwrap_or(*vr) {
            VR::PN => TextKind::Name,
            VR::ST | VR::LT | VR::UT => TextKind::Text,
            _ => TextKind::Values,
        };
        let decoded = self.characters.decode(bytes, kind);
        let clean: String = decoded
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(LONGEST_TEXT)
            .collect();
        clean.trim().to_owned()
    }

    /// The numbers of an element; none where it is absent or empty.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn numbers(&self, tag: Tag, notes: &Notes) -> Result<Vec<f64>, Refusal> {
        match self.get(tag) {
            Some(Value::Bytes { vr, bytes }) => self.read_numbers(tag, *vr, bytes, notes),
            _ => Ok(Vec::new()),
        }
    }

    /// The first number of an element.
    ///
    /// # Errors
    /// As [`Self::numbers`].
    pub fn number(&self, tag: Tag, notes: &Notes) -> Result<Option<f64>, Refusal> {
        Ok(self.numbers(tag, notes)?.first().copied())
    }

    /// The first number of an element, which must be a whole one that `T` holds.
    ///
    /// # Errors
    /// As [`Self::numbers`], and when it has a fraction or does not fit.
    pub fn whole<T: TryFrom<i64>>(&self, tag: Tag, notes: &Notes) -> Result<Option<T>, Refusal> {
        let Some(number) = self.number(tag, notes)? else {
            return Ok(None);
        };
        let whole = (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64);
        match whole.and_then(|n| T::try_from(n).ok()) {
            Some(whole) => Ok(Some(whole)),
            None => Err(unreadable(tag, &number.to_string())),
        }
    }

    /// The bytes of an element as written.
    pub fn raw(&self, tag: Tag) -> Option<&[u8]> {
        match self.get(tag) {
            Some(Value::Bytes { bytes, .. }) => Some(bytes),
            _ => None,
        }
    }

    fn read_numbers(
        &self,
        tag: Tag,
        vr: VR,
        bytes: &[u8],
        notes: &Notes,
    ) -> Result<Vec<f64>, Refusal> {
        if let Some(width) = width(vr)
            && bytes.len().is_multiple_of(width)
            && !is_text_under(tag, vr, bytes)
        {
            let values = bytes.chunks_exact(width);
            return Ok(values
                .map(|bytes| binary(vr, bytes, self.big_endian))
                .collect());
        }
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_matches(is_padding);
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let numbers = text.split('\\').map(|part| decimal(tag, part, notes));
        numbers.collect::<Result<_, _>>().or_else(|refusal| {
            // A binary number under a text's value representation.
            // Private elements are of two bytes, where they count something.
            let vr = known(tag).or((vr == VR::UN).then_some(VR::US));
            let vr = vr.filter(|&vr| width(vr) == Some(bytes.len()));
            vr.map_or(Err(refusal), |vr| {
                Ok(vec![binary(vr, bytes, self.big_endian)])
            })
        })
    }
}

/// A tag's name and number: `Rescale Slope (0028,1053)`.
pub(super) fn name(tag: Tag) -> String {
    let alias = StandardDataDictionary
        .by_tag(tag)
        .map(DataDictionaryEntry::alias);
    let mut name = String::new();
    for c in alias.unwrap_or("element").chars() {
        if c.is_ascii_uppercase() && name.ends_with(|last: char| last.is_ascii_lowercase()) {
            name.push(' ');
        }
        name.push(c);
    }
    format!("{name} {tag}")
}

/// A value that is there but tells nothing.
pub(super) fn unreadable(tag: Tag, text: &str) -> Refusal {
    let text: String = text.chars().take(64).collect();
    Refusal::new(
        "unreadable_value",
        format!(
            "its {} is written {text:?}, which is no number that can be used; correct the file or export \
             it again",
            name(tag)
        ),
    )
}

fn is_padding(c: char) -> bool {
    c.is_whitespace() || c == '\0'
}

/// Digits where the dictionary has one binary number: the bytes were written as text.
fn is_text_under(tag: Tag, vr: VR, bytes: &[u8]) -> bool {
    let is_binary = |vr: VR| width(vr).is_some();
    width(vr).is_some_and(|width| bytes.len() > width)
        && known(tag).is_some_and(is_binary)
        && bytes.iter().any(u8::is_ascii_digit)
        && bytes.iter().all(|b| b" \0+-.\\0123456789".contains(b))
}

/// Bytes of one number of a binary value representation.
const fn width(vr: VR) -> Option<usize> {
    match vr {
        VR::US | VR::SS | VR::OW => Some(2),
        VR::UL | VR::SL | VR::FL | VR::OF | VR::OL => Some(4),
        VR::FD | VR::OD | VR::SV | VR::UV | VR::OV => Some(8),
        _ => None,
    }
}

/// One number of a binary value representation, whose width the bytes have.
fn binary(vr: VR, bytes: &[u8], big_endian: bool) -> f64 {
    let mut ordered = [0_u8; 8];
    for (to, from) in ordered.iter_mut().zip(bytes) {
        *to = *from;
    }
    let used = bytes.len().min(8);
    if big_endian {
        ordered[..used].reverse();
    }
    let [a, b, c, d, ..] = ordered;
    match vr {
        VR::SS => f64::from(i16::from_le_bytes([a, b])),
        VR::US | VR::OW => f64::from(u16::from_le_bytes([a, b])),
        VR::SL => f64::from(i32::from_le_bytes([a, b, c, d])),
        VR::FL | VR::OF => f64::from(f32::from_le_bytes([a, b, c, d])),
        VR::UL | VR::OL => f64::from(u32::from_le_bytes([a, b, c, d])),
        VR::FD | VR::OD => f64::from_le_bytes(ordered),
        VR::SV => i64::from_le_bytes(ordered) as f64,
        _ => u64::from_le_bytes(ordered) as f64,
    }
}

/// A decimal or integer string (PS3.5 6.2) as files write it: with a comma for the point, or letters behind it.
fn decimal(tag: Tag, written: &str, notes: &Notes) -> Result<f64, Refusal> {
    let text = written.trim_matches(is_padding);
    let plain = |text: &str| -> Option<f64> {
        let number = text.parse::<f64>().ok().filter(|n| n.is_finite());
        number.filter(|_| {
            text.starts_with(['+', '-', '.']) || text.starts_with(|c: char| c.is_ascii_digit())
        })
    };
    if let Some(number) = plain(text) {
        return Ok(number);
    }
    let is_number = |c: char| c.is_ascii_digit() || "+-.,eE".contains(c);
    let end = text.find(|c: char| !is_number(c)).unwrap_or(text.len());
    let (mut number, mut behind) = text.split_at(end);
    // "1024e" of "1024 each": an exponent has digits.
    if let Some(shorter) = number.strip_suffix(['e', 'E']) {
        behind = text.get(shorter.len()..).unwrap_or_default();
        number = shorter;
    }
    let comma = number.matches(',').count() == 1 && !number.contains('.');
    let found = if comma {
        plain(&number.replace(',', "."))
    } else {
        plain(number)
    };
    let Some(found) = found.filter(|_| !behind.contains(|c: char| c.is_ascii_digit())) else {
        return Err(unreadable(tag, text));
    };
    let code = if behind.is_empty() {
        "decimal_comma"
    } else {
        "odd_number"
    };
    let text: String = text.chars().take(64).collect();
    let message = format!("its {} is written {text:?}, read as {found}", name(tag));
    notes.add(Warning::new(code, message));
    Ok(found)
}
