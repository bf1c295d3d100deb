//! DICOM: files to frames, frames to images.
//!
//! A file is read up to its pixels ([`header`], [`dataset`], [`values`]) and gives one frame or several
//! ([`image_file`]). Frames are filed by patient and series ([`identity`]), parted into images and time points
//! ([`split`]) and laid out on a grid ([`place`]); [`mod@load`] decodes them.

pub(super) mod anonymize;
mod charset;
mod clock;
mod codec;
mod copies;
mod csa;
mod dataset;
mod elements;
mod facts;
mod frame;
mod groups;
mod header;
mod identity;
mod image_file;
mod load;
mod lookup;
mod marks;
mod mosaic;
mod object;
mod open;
mod pet;
mod pixels;
mod place;
mod resample;
mod source;
mod spacing;
mod split;
mod stack;
mod syntax;
mod values;

use std::path::Path;
use std::sync::Arc;

pub(super) use dataset::DataSet;
pub(super) use elements::malformed;
pub(super) use facts::{Facts, KnownFacts};
pub(super) use frame::Frame;
pub(super) use load::{load, load_slice};
pub(super) use object::{ABOUT, Object, Pixels, can_decode, decode_grey};
pub(super) use stack::stack;
pub(super) use values::Notes;

use super::error::Refusal;
use crate::volume::{Digest, ImageKey};
use header::Header;

/// The frames of one image: for each time point a stack in ascending order.
#[derive(Debug, Default)]
pub(super) struct DicomSource {
    pub(super) times: Vec<Vec<Frame>>,
    /// How far each slice of a stack is from the first, where the image's slices are made from these.
    pub(super) acquired_mm: Option<Vec<f64>>,
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
    /// Which image of the series, from 1.
    pub(super) part: u32,
}

impl ImageName {
    /// What the `part`-th image of a series is, wherever its files lie.
    pub(super) fn of(facts: &Facts, part: u32) -> Self {
        let id = identity::compared(&facts.patient_id);
        let patient = if id.is_empty() {
            identity::compared(&facts.patient_name)
        } else {
            format!("{id}@{}", identity::compared(&facts.patient_issuer))
        };
        Self {
            patient,
            study_uid: facts.study_uid.clone(),
            series_uid: facts.series_uid.clone(),
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
    /// Each file once, in slice order.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        let mut known = std::collections::HashSet::new();
        let paths = self.times.iter().flatten().map(Frame::path);
        paths.filter(move |path| known.insert(*path))
    }
}

/// Reads a file's header up to its pixels; `meta` is the offset of its File Meta group, if it has one. A refusal comes with
/// what the file says of its series, as far as it could be read.
pub(super) fn inspect(
    path: &Path,
    meta: Option<u64>,
    known: &KnownFacts,
) -> Result<Vec<Frame>, (Refusal, Option<Arc<Facts>>)> {
    let notes = Notes::default();
    let header = Header::read(path, meta).map_err(|refusal| (unmarked(refusal, meta), None))?;
    let facts = known.share(Facts::read(&header.values, &notes));
    image_file::read(path, header, &facts, meta.is_some(), notes)
        .map_err(|refusal| (unmarked(refusal, meta), Some(facts)))
}

/// Without the mark of a DICOM file a failed reading shows only that it is none.
fn unmarked(refusal: Refusal, meta: Option<u64>) -> Refusal {
    match meta {
        None if ["malformed", "truncated"].contains(&refusal.code) => Refusal::new(
            "not_an_image",
            format!(
                "neither a DICOM nor a NIfTI image (read as DICOM: {})",
                refusal.message
            ),
        ),
        _ => refusal,
    }
}
