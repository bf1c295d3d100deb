//! Names and numbers of people and places, looked for in the texts that stay.

use std::collections::{BTreeMap, BTreeSet};

use dicom_dictionary_std::tags;
use dicom_object::Tag;

/// The elements at the top of a data set that name somebody or somewhere.
#[allow(deprecated, reason = "retired from the standard, not from archives")]
pub(super) const IDENTITIES: [Tag; 22] = [
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::OTHER_PATIENT_I_DS,
    tags::OTHER_PATIENT_NAMES,
    tags::PATIENT_BIRTH_NAME,
    tags::PATIENT_MOTHER_BIRTH_NAME,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_TELEPHONE_NUMBERS,
    tags::MEDICAL_RECORD_LOCATOR,
    tags::RESPONSIBLE_PERSON,
    tags::ACCESSION_NUMBER,
    tags::STUDY_ID,
    tags::STUDY_DATE,
    tags::INSTITUTION_NAME,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::PERFORMING_PHYSICIAN_NAME,
    tags::PHYSICIANS_OF_RECORD,
    tags::NAME_OF_PHYSICIANS_READING_STUDY,
    tags::OPERATORS_NAME,
    tags::REQUESTING_PHYSICIAN,
    tags::STATION_NAME,
    tags::DEVICE_SERIAL_NUMBER,
];

/// Shorter words are looked for as whole words only.
const LONG: usize = 5;

/// Still shorter ones are too common to tell anything.
const SHORTEST: usize = 3;

/// Words that identify, in lower case.
#[derive(Clone, Debug, Default)]
pub(in crate::io) struct Identities(BTreeSet<String>);

impl Identities {
    pub(super) fn of(values: &BTreeMap<Tag, String>) -> Self {
        let values = IDENTITIES.iter().filter_map(|tag| values.get(tag));
        // Names come apart into family, given and other names; numbers and places stay whole.
        let words = values.flat_map(|text| text.split(['^', '=', '\\']));
        let words = words.map(|word| word.trim().to_lowercase());
        Self(
            words
                .filter(|word| word.chars().count() >= SHORTEST)
                .collect(),
        )
    }

    /// Takes in the words of another object of the same study.
    pub(in crate::io) fn join(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }

    /// Whether a text holds one of the words.
    pub(super) fn are_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let mut words = text.split(|c: char| !c.is_alphanumeric());
        words.any(|word| self.0.contains(word))
            || self
                .0
                .iter()
                .any(|word| word.chars().count() >= LONG && text.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_found_in_texts() {
        let values = [
            (tags::PATIENT_NAME, "Müller^Eva=山田^太郎"),
            (tags::PATIENT_ID, "12-345/A"),
            (tags::STUDY_ID, "1"),
        ];
        let values = values.map(|(tag, text)| (tag, text.to_owned()));
        let identities = Identities::of(&values.into_iter().collect());
        for text in ["CT of MÜLLER", "Eva's knee", "case 12-345/a_1"] {
            assert!(identities.are_in(text), "{text}");
        }
        for text in ["CT 1", "Evaluation", "12-345", ""] {
            assert!(!identities.are_in(text), "{text}");
        }
    }
}
