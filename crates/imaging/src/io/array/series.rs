//! An array as a series of a library.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use super::Array;
use crate::io::library::{Filed, Role, Source};
use crate::io::{Series, files};
use crate::volume::{Modality, Units};

/// Endings of files that hold an array, the longer ones first.
const ENDINGS: [&str; 14] = [
    ".nii.gz", ".hdr.gz", ".mgh.gz", ".nii", ".hdr", ".nrrd", ".nhdr", ".mha", ".mhd", ".mgz",
    ".mgh", ".npy", ".png", ".jpg",
];

impl Array {
    /// The series this file is, named by its path below `root`.
    pub(in crate::io) fn into_series(self, root: &Path) -> Filed {
        let below = self.path.strip_prefix(root).ok();
        let below = below.filter(|below| !below.as_os_str().is_empty());
        let name = self.path.file_name().map(Path::new);
        let uid = below.or(name).unwrap_or(&self.path);
        let uid: Vec<_> = uid.iter().map(OsStr::to_string_lossy).collect();
        let folder = self.path.parent().unwrap_or(root).to_owned();
        let folder_name = folder.file_name().unwrap_or_default();
        let study_description = folder_name.to_string_lossy().into_owned();
        let series = Series {
            uid: uid.join("/"),
            modality: Modality::Other,
            modality_code: Modality::Other.code().to_owned(),
            description: stem(&self.path),
            number: None,
            path: self.path.clone(),
            grid: self.grid,
            times: self.header.times,
            units: Units::Arbitrary,
            suv: None,
            role: Role::Volume,
            resampled_from_mm: None,
            windows: self.header.window.into_iter().collect(),
            inverted: false,
            frame_of_reference: None,
            stated: self.header.stated.clone(),
            warnings: self.header.warnings.clone(),
            source: Source::Array(Arc::new(self)),
        };
        Filed {
            patient_id: String::new(),
            patient_name: String::new(),
            study_uid: folder.to_string_lossy().into_owned(),
            study_date: String::new(),
            study_description,
            series,
        }
    }
}

/// The file's name without its endings.
fn stem(path: &Path) -> String {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let lower = files::lower_name(path);
    let ending = ENDINGS.iter().find(|ending| lower.ends_with(*ending));
    let length = name.len() - ending.map_or(0, |ending| ending.len());
    name.get(..length).unwrap_or(&name).to_owned()
}
