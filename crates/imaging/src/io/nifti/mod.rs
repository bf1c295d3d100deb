//! NIfTI-1 in and out. Its world is RAS; rows x and y are negated once, here, to give LPS.

mod hashed_file;
mod header;
mod mask;
mod orientation;
mod read;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use mask::{read_mask, write_labels, write_mask};
pub(super) use read::{load, load_slice};
pub use write::{check_nifti_name, write_nifti};

use super::error::Refusal;
use super::library::{Filed, Role, Source};
use super::{Series, files};
use crate::volume::{Modality, Units};
use header::Header;

/// A NIfTI file whose header makes a volume.
#[derive(Debug)]
pub(super) struct NiftiSource {
    path: PathBuf,
    header: Header,
}

impl NiftiSource {
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        let voxels = (self.header.voxels != self.path).then_some(self.header.voxels.as_path());
        std::iter::once(self.path.as_path()).chain(voxels)
    }

    /// The series this file is, named by its path below `root`.
    pub(super) fn into_series(self, root: &Path) -> Filed {
        let below = self.path.strip_prefix(root).ok();
        let below = below.filter(|below| !below.as_os_str().is_empty());
        let name = self.path.file_name().map(Path::new);
        let uid = below.or(name).unwrap_or(&self.path);
        let uid: Vec<_> = uid.iter().map(std::ffi::OsStr::to_string_lossy).collect();
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
            grid: self.header.grid,
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
            source: Source::Nifti(Arc::new(self)),
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

/// Reads a file's header and says whether it makes a volume.
pub(super) fn inspect(path: &Path) -> Result<NiftiSource, Refusal> {
    Ok(NiftiSource {
        path: path.to_owned(),
        header: Header::read(path)?,
    })
}

/// The file's name without its endings.
fn stem(path: &Path) -> String {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let lower = files::lower_name(path);
    let ending = [".nii.gz", ".nii", ".hdr.gz", ".hdr"]
        .iter()
        .find(|ending| lower.ends_with(*ending));
    let length = name.len() - ending.map_or(0, |ending| ending.len());
    name.get(..length).unwrap_or(&name).to_owned()
}
