//! DICOM: single-frame slices to volumes.

#[allow(dead_code, reason = "the reader of headers takes it up")]
mod charset;
mod codestream;
mod elements;
mod header;
mod load;
mod pixels;
mod place;
mod slice;
mod stack;

use std::path::Path;

pub(super) use load::{load, load_slice};
pub(super) use slice::Slice;
pub(super) use stack::stack;

use super::error::Refusal;
use crate::volume::{Digest, ImageKey};

/// The slices of one volume in ascending order, at least two of them.
#[derive(Debug, Default)]
pub(super) struct DicomSource {
    pub(super) slices: Vec<Slice>,
    /// What the image is.
    pub(super) name: ImageName,
}

/// What tells one image from all others before its pixels are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ImageName {
    /// Patient ID (0010,0020) with its issuer (0010,0021), normalised; the name where there is no ID.
    pub(super) patient: String,
    pub(super) study_uid: String,
    /// Empty where the files name none: then only the content tells.
    pub(super) series_uid: String,
    /// Which volume of the series, from 1.
    pub(super) part: u32,
}

impl ImageName {
    /// What the `part`-th volume of a series is, wherever its files lie.
    pub(super) fn of(first: &Slice, part: u32) -> Self {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let id = words(&first.patient_id).to_uppercase();
        let patient = if id.is_empty() {
            // Trailing components of a name may be left out (PS3.5 6.2.1.1).
            words(first.patient_name.trim_end_matches(['^', '=', ' '])).to_uppercase()
        } else {
            format!("{id}@{}", words(&first.patient_issuer).to_uppercase())
        };
        Self {
            patient,
            study_uid: first.study_uid.clone(),
            series_uid: first.series_uid.clone(),
            part,
        }
    }

    /// The key of an image of this name and content.
    pub(super) fn key(&self, digest: Digest) -> ImageKey {
        self.key_without_content().unwrap_or_else(|| {
            let content = format!("{}\0{}\0{digest}", self.patient, self.study_uid);
            let sha256 = Digest::of(content.as_bytes());
            ImageKey::File { sha256 }
        })
    }

    /// The key, where the series has a UID.
    pub(super) fn key_without_content(&self) -> Option<ImageKey> {
        let Self {
            patient,
            study_uid,
            series_uid,
            part,
        } = self.clone();
        (!series_uid.is_empty()).then_some(ImageKey::Dicom {
            patient,
            study_uid,
            series_uid,
            part,
        })
    }
}

impl DicomSource {
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.slices.iter().map(|slice| slice.path.as_path())
    }
}

/// Reads a file's header up to its pixels; `meta` is the offset of its File Meta group, if it has one.
pub(super) fn inspect(path: &Path, meta: Option<u64>) -> Result<Slice, Refusal> {
    Slice::read(path, meta).map_err(|refusal| match meta {
        // Without the mark of a DICOM file a failed reading shows only that it is none.
        None if ["malformed", "truncated"].contains(&refusal.code) => Refusal::new(
            "not_an_image",
            format!(
                "neither a DICOM nor a NIfTI image (read as DICOM: {})",
                refusal.message
            ),
        ),
        _ => refusal,
    })
}
