//! Files to volumes and back: DICOM, NIfTI and other arrays with a header in, NIfTI out.
//!
//! [`scan()`] reads headers only and sorts what it finds into a [`Library`]; [`load()`] decodes one
//! [`Series`] into a [`Volume`]. Nothing is dropped in silence: each file is in a series or among the
//! refused, with a reason. Whatever a file claims is checked against its real size before memory is
//! asked for.

mod anonymize;
mod archive;
mod array;
mod choice;
mod dicom;
mod dicomdir;
mod error;
mod files;
mod foreign;
mod hash;
mod library;
mod metaimage;
mod mgh;
mod nifti;
mod npy;
mod nrrd;
pub mod objects;
mod pictures;
mod progress;
mod refusals;
mod scan;
mod whole_file;

use std::path::Path;

pub use anonymize::{AnonymizeKey, AnonymizeOptions, Anonymized, anonymize};
pub use error::IoError;
pub use hash::voxels_sha256;
pub use library::{Library, Patient, Refused, Role, Series, SeriesId, Study, Warning};
pub use nifti::{check_nifti_name, read_mask, write_labels, write_mask, write_nifti};
pub use npy::{NpyArray, NpyValues, read_npy, write_npy_f32, write_npy_u8};
pub use progress::Progress;
pub use refusals::RefusedGroup;

use crate::volume::{ImageIdentity, Volume};
use error::Refusal;
use library::Source;

/// What a file or a folder, at any depth, holds. Headers are read in parallel; voxels are not. A zip archive and a
/// DICOMDIR are opened as a folder is where they are what was asked for; a path that leads into an archive is looked up
/// in it.
///
/// # Errors
/// When the path does not exist, cannot be read or holds no files, or when cancelled. Files that are no
/// images are not an error: they are listed in [`Library::refused`].
pub fn scan(path: &Path, progress: &Progress) -> Result<Library, IoError> {
    scan::scan(path, progress)
}

/// An image as it was read.
#[derive(Clone, Debug)]
pub struct LoadedImage {
    /// The voxels and their place.
    pub volume: Volume,
    /// What the image is, counted while it was read.
    pub identity: ImageIdentity,
}

/// The voxels of a series, as [`load_image`].
///
/// # Errors
/// As [`load_image`].
pub fn load(series: &Series, progress: &Progress) -> Result<Volume, IoError> {
    load_image(series, progress).map(|image| image.volume)
}

/// A series, decoded in parallel into one allocation, and what it is.
///
/// # Errors
/// When a file is damaged or has changed since the scan, when the volume does not fit, or when cancelled.
pub fn load_image(series: &Series, progress: &Progress) -> Result<LoadedImage, IoError> {
    load_time(series, 0, progress)
}

/// One time point of a series, counted from 0, as [`load_image`].
///
/// # Errors
/// As [`load_image`], and when the series has no such time point.
pub fn load_time(series: &Series, time: u32, progress: &Progress) -> Result<LoadedImage, IoError> {
    progress.check()?;
    if time as usize >= series.times {
        let message = format!("it has {} time points, and no number {time}", series.times);
        return Err(Refusal::new("time_points", message).at(&series.path));
    }
    load_from(&series.source, series, time, progress)
}

/// Slice `k` of a series alone, as a volume of one slice: what a thumbnail needs.
///
/// # Errors
/// As [`load`].
pub fn load_slice(series: &Series, k: u32, progress: &Progress) -> Result<Volume, IoError> {
    load_slice_from(&series.source, series, k, progress)
}

fn load_from(
    source: &Source,
    series: &Series,
    time: u32,
    progress: &Progress,
) -> Result<LoadedImage, IoError> {
    match source {
        Source::Dicom(source) => dicom::load(source, series, time, progress),
        Source::Array(array) => array::load(array, series, time, progress),
        Source::Packed(source, archive) => {
            let loaded = load_from(source, series, time, progress);
            loaded.map_err(|error| archive.shown_error(error))
        }
    }
}

fn load_slice_from(
    source: &Source,
    series: &Series,
    k: u32,
    progress: &Progress,
) -> Result<Volume, IoError> {
    match source {
        Source::Dicom(source) => dicom::load_slice(source, series, k, progress),
        Source::Array(array) => array::load_slice(array, series, k, progress),
        Source::Packed(source, archive) => {
            let loaded = load_slice_from(source, series, k, progress);
            loaded.map_err(|error| archive.shown_error(error))
        }
    }
}
