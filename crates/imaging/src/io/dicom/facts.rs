//! What a file says of its patient, study and series: the same in every file of a series, and held once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use dicom_dictionary_std::tags;

use super::dataset::DataSet;
use super::values::Notes;

/// What the files of a series share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::io) struct Facts {
    pub patient_name: String,
    pub patient_id: String,
    pub patient_issuer: String,
    pub patient_age: String,
    pub patient_sex: String,
    pub study_uid: String,
    pub study_date: String,
    pub study_description: String,
    pub series_uid: String,
    pub series_number: Option<i32>,
    pub series_description: String,
    pub modality: String,
    pub frame_uid: String,
    pub sop_class: String,
    pub body_part: String,
}

impl Facts {
    pub(super) fn read(values: &DataSet, notes: &Notes) -> Self {
        let text = |tag| values.text(tag);
        Self {
            patient_name: identity(&text(tags::PATIENT_NAME)),
            patient_id: identity(&text(tags::PATIENT_ID)),
            patient_issuer: identity(&text(tags::ISSUER_OF_PATIENT_ID)),
            patient_age: text(tags::PATIENT_AGE),
            patient_sex: text(tags::PATIENT_SEX),
            study_uid: text(tags::STUDY_INSTANCE_UID),
            study_date: text(tags::STUDY_DATE),
            study_description: text(tags::STUDY_DESCRIPTION),
            series_uid: text(tags::SERIES_INSTANCE_UID),
            series_number: values.whole(tags::SERIES_NUMBER, notes).unwrap_or(None),
            series_description: text(tags::SERIES_DESCRIPTION),
            modality: text(tags::MODALITY),
            frame_uid: text(tags::FRAME_OF_REFERENCE_UID),
            sop_class: text(tags::SOP_CLASS_UID),
            body_part: text(tags::BODY_PART_EXAMINED),
        }
    }
}

/// An identity without what writers add to it: trailing component delimiters (PS3.5 6.2.1.1) and spaces.
fn identity(text: &str) -> String {
    text.trim_matches(|c: char| c.is_whitespace())
        .trim_end_matches(['^', '=', ' '])
        .to_owned()
}

/// Facts that were met, each once.
#[derive(Debug, Default)]
pub(in crate::io) struct KnownFacts(Mutex<HashSet<Arc<Facts>>>);

impl KnownFacts {
    pub(super) fn share(&self, facts: Facts) -> Arc<Facts> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&facts) {
            return known.clone();
        }
        let facts = Arc::new(facts);
        known.insert(facts.clone());
        facts
    }
}
