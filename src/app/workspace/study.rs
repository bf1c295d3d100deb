//! What a study is called on disk.

use std::fmt;

use m3d_imaging::volume::{Digest, ImageKey};
use serde::{Deserialize, Serialize};

/// Names the study of an image without naming the patient: for DICOM from patient and Study Instance UID,
/// for a file from its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StudyId(Digest);

impl StudyId {
    /// The study that an image belongs to.
    pub fn of(image: &ImageKey) -> Self {
        let text = match image {
            ImageKey::File { sha256 } => format!("file\0{sha256}"),
            ImageKey::Dicom {
                patient, study_uid, ..
            } => format!("dicom\0{patient}\0{study_uid}"),
        };
        Self(Digest::of(text.as_bytes()))
    }
}

impl fmt::Display for StudyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(patient: &str, study: &str, series: &str) -> ImageKey {
        ImageKey::Dicom {
            patient: patient.into(),
            study_uid: study.into(),
            series_uid: series.into(),
            part: 1,
        }
    }

    #[test]
    fn the_series_of_a_study_share_its_name_and_nothing_else_does() {
        let id = StudyId::of(&image("4711@", "1.2", "1.2.3"));
        assert_eq!(id, StudyId::of(&image("4711@", "1.2", "1.2.4")));
        assert_ne!(id, StudyId::of(&image("4711@", "1.3", "1.2.3")));
        assert_ne!(id, StudyId::of(&image("4712@", "1.2", "1.2.3")));
        assert!(!id.to_string().contains("4711"));
    }
}
