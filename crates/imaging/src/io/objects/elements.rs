//! Small pieces of DICOM objects to be written.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;

/// What the program calls itself in what it writes.
pub(super) const PROGRAM: &str = "m3d-viewer";
/// Its version.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// An element of one text.
pub(super) fn text(tag: Tag, vr: VR, value: &str) -> InMemElement {
    DataElement::new(tag, vr, PrimitiveValue::from(value))
}

/// An element of 16-bit numbers.
pub(super) fn numbers(tag: Tag, values: &[u16]) -> InMemElement {
    DataElement::new(tag, VR::US, PrimitiveValue::U16(values.into()))
}

/// An element of decimal numbers.
pub(super) fn decimals(tag: Tag, values: impl IntoIterator<Item = f64>) -> InMemElement {
    let words: Vec<String> = values.into_iter().map(decimal).collect();
    DataElement::new(tag, VR::DS, PrimitiveValue::Strs(words.into()))
}

/// A sequence of these items.
pub(super) fn sequence(
    tag: Tag,
    items: impl IntoIterator<Item = InMemDicomObject>,
) -> InMemElement {
    let items: Vec<InMemDicomObject> = items.into_iter().collect();
    DataElement::new(tag, VR::SQ, DataSetSequence::from(items))
}

/// A sequence of one item of these elements.
pub(super) fn item<const N: usize>(tag: Tag, elements: [InMemElement; N]) -> InMemElement {
    sequence(tag, [InMemDicomObject::from_element_iter(elements)])
}

/// A coded concept (PS3.3 8.8).
pub(super) fn code(scheme: &str, value: &str, meaning: &str) -> InMemDicomObject {
    let value = if value.len() > 16 {
        text(tags::LONG_CODE_VALUE, VR::UC, value)
    } else {
        text(tags::CODE_VALUE, VR::SH, value)
    };
    InMemDicomObject::from_element_iter([
        value,
        text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme),
        text(tags::CODE_MEANING, VR::LO, &shortened(meaning, 64)),
    ])
}

/// A reference to an image.
pub(super) fn reference(class: &str, instance: &str) -> InMemDicomObject {
    InMemDicomObject::from_element_iter([
        text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, class),
        text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, instance),
    ])
}

/// At most `most` characters of a text, in one value: a backslash would part it.
pub(super) fn shortened(value: &str, most: usize) -> String {
    let plain = value.chars().filter(|c| !c.is_control());
    let plain = plain.map(|c| if c == '\\' { '/' } else { c });
    plain.take(most).collect::<String>().trim().to_owned()
}

/// The nearest number that 16 characters can hold (PS3.5 table 6.2-1).
pub(super) fn decimal(value: f64) -> String {
    const MOST: usize = 16;
    let short = format!("{}", value + 0.0);
    if short.len() <= MOST {
        return short;
    }
    let fixed = (0..MOST).rev().map(|digits| format!("{value:.digits$}"));
    let fixed = fixed.into_iter().find(|word| word.len() <= MOST);
    match fixed {
        Some(word)
            if word
                .trim_start_matches('-')
                .bytes()
                .all(|b| b == b'0' || b == b'.') =>
        {
            "0".to_owned()
        }
        Some(word) => word,
        None => format!("{value:.8e}"),
    }
}

/// A UID that nothing else has (PS3.5 B.2).
pub(super) fn new_uid() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    // A UUID of version 4.
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    Ok(format!("2.25.{}", u128::from_be_bytes(bytes)))
}

/// Today's date and the time, in UTC, as DICOM writes them.
pub(super) fn now() -> [String; 2] {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    let (year, month, day) = date_of((seconds / 86_400) as i64);
    let second = seconds % 86_400;
    [
        format!("{year:04}{month:02}{day:02}"),
        format!(
            "{:02}{:02}{:02}",
            second / 3600,
            second / 60 % 60,
            second % 60
        ),
    ]
}

/// Year, month and day of a day counted from 1970-01-01, by counting years from the first of March.
fn date_of(day: i64) -> (i64, i64, i64) {
    // Days from 0000-03-01, in eras of 400 years.
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (year + era * 400 + later, month, date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (day, date) in [
            (0, (1970, 1, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_785, (2026, 11, 28)),
            (-1, (1969, 12, 31)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(date_of(day), date);
        }
    }

    #[test]
    fn decimals_fit_and_stay_what_they_are() {
        for value in [
            0.0,
            -0.0,
            0.976_562,
            1.0 / 3.0,
            -1.0 / 3.0,
            -158.135_803_123_456_7,
            1e-20,
            123_456_789.123_456_7,
        ] {
            let word = decimal(value);
            assert!(word.len() <= 16, "{word}");
            let back: f64 = word.parse().unwrap();
            assert!(
                (back - value).abs() <= value.abs() * 1e-12 + 1e-14,
                "{word}"
            );
        }
        assert_eq!(decimal(-0.0), "0");
        assert!(decimal(1e300).len() <= 16);
    }

    #[test]
    fn uids_are_new_and_well_formed() {
        let [a, b] = [new_uid().unwrap(), new_uid().unwrap()];
        assert_ne!(a, b);
        assert!(a.len() <= 64 && a.starts_with("2.25.") && !a.starts_with("2.25.0"));
    }
}
