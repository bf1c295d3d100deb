//! The Basic Application Level Confidentiality Profile (PS3.15 table E.1-1).

use std::collections::HashMap;
use std::sync::LazyLock;

use dicom_core::Tag;
use dicom_core::dictionary::DataDictionary;
use dicom_dictionary_std::StandardDataDictionary;

const TABLE: &str = include_str!("../../../../../assets/deidentify/basic_profile.tsv");

static ACTIONS: LazyLock<HashMap<Tag, Action>> =
    LazyLock::new(|| TABLE.lines().filter_map(row).collect());

/// What happens to an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::io) enum Action {
    /// It stays; a sequence stays with its items cleaned.
    Keep,
    /// X: it goes.
    Remove,
    /// Z: it loses its value.
    Empty,
    /// D: it gets a value that means nothing.
    Dummy,
    /// U: its UIDs are replaced, in a sequence those of its items.
    Uid,
}

fn row(line: &str) -> Option<(Tag, Action)> {
    let (tag, rest) = line.split_once('\t')?;
    let (actions, _) = rest.split_once('\t')?;
    let (group, element) = tag.split_once(',')?;
    let number = |digits| u16::from_str_radix(digits, 16).ok();
    let tag = Tag(number(group)?, number(element)?);
    // Which of several actions may be taken depends on whether the object must have the attribute; the
    // last one named conforms always.
    let action = match actions.rsplit('/').next()? {
        "X" => Action::Remove,
        "Z" => Action::Empty,
        "D" => Action::Dummy,
        "U" | "U*" => Action::Uid,
        _ => return None,
    };
    Some((tag, action))
}

/// What the profile says of an attribute. Private ones go, as do curves, overlays and whatever the
/// standard does not know: nobody can say what it holds.
pub(in crate::io) fn action(tag: Tag) -> Action {
    let Tag(group, element) = tag;
    let is_curve_or_overlay = matches!(group & 0xFF00, 0x5000 | 0x6000);
    if group % 2 == 1 || element == 0 || is_curve_or_overlay {
        return Action::Remove;
    }
    match ACTIONS.get(&tag) {
        Some(action) => *action,
        None if StandardDataDictionary.by_tag(tag).is_some() => Action::Keep,
        None => Action::Remove,
    }
}

#[cfg(test)]
mod tests {
    use dicom_dictionary_std::tags;

    use super::*;

    #[test]
    fn every_row_of_the_table_is_read() {
        assert_eq!(ACTIONS.len(), TABLE.lines().count() - 1);
        assert_eq!(ACTIONS.len(), 617);
    }

    #[test]
    fn actions_are_those_of_the_standard() {
        for (tag, expected) in [
            (tags::PATIENT_NAME, Action::Empty),
            (tags::PATIENT_ID, Action::Dummy),
            (tags::PATIENT_BIRTH_DATE, Action::Empty),
            (tags::PATIENT_WEIGHT, Action::Remove),
            (tags::STUDY_INSTANCE_UID, Action::Uid),
            (tags::REFERENCED_IMAGE_SEQUENCE, Action::Uid),
            (tags::ACQUISITION_DATE, Action::Empty),
            (tags::SERIES_DATE, Action::Dummy),
            (tags::SERIES_DESCRIPTION, Action::Remove),
            (tags::DIGITAL_SIGNATURES_SEQUENCE, Action::Remove),
            (tags::ICON_IMAGE_SEQUENCE, Action::Remove),
            (tags::ROWS, Action::Keep),
            (tags::PIXEL_DATA, Action::Keep),
            (tags::SOP_CLASS_UID, Action::Keep),
            (Tag(0x0009, 0x0010), Action::Remove),
            (Tag(0x6002, 0x0010), Action::Remove),
            (Tag(0x5004, 0x3000), Action::Remove),
            (Tag(0x0008, 0x0000), Action::Remove),
            (Tag(0x0008, 0x7777), Action::Remove),
            (Tag(0xFFFC, 0xFFFC), Action::Remove),
        ] {
            assert_eq!(action(tag), expected, "{tag}");
        }
    }
}
