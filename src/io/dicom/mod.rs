//! DICOM: single-frame slices to volumes.

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

/// The slices of one volume in ascending order, at least two of them.
#[derive(Debug)]
pub(super) struct DicomSource {
    pub(super) slices: Vec<Slice>,
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
