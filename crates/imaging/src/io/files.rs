//! The files under a path, and what kind each is.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::error::Refusal;
use super::{IoError, Progress, Refused};

/// All files under `root` in a fixed order, and what could not be looked at. Links to folders are
/// named instead of followed: they may lead in circles.
pub(super) fn list(
    root: &Path,
    progress: &Progress,
) -> Result<(Vec<PathBuf>, Vec<Refused>), IoError> {
    let about = fs::metadata(root).map_err(|error| IoError::unreadable(root, error))?;
    if !about.is_dir() {
        return Ok((vec![root.to_owned()], Vec::new()));
    }
    let (mut files, mut refused) = (Vec::new(), Vec::new());
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        progress.check()?;
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if folder == root => return Err(IoError::unreadable(root, error)),
            Err(error) => {
                refused.push(Refused::new(&folder, error.into()));
                continue;
            }
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry.path(),
                Err(error) => {
                    refused.push(Refused::new(&folder, error.into()));
                    continue;
                }
            };
            let is_link = fs::symlink_metadata(&entry).is_ok_and(|about| about.is_symlink());
            match fs::metadata(&entry) {
                Ok(about) if about.is_dir() && is_link => {
                    let message = "a link to a folder is not followed; open that folder itself";
                    refused.push(Refused::new(&entry, Refusal::new("link", message)));
                }
                Ok(about) if about.is_dir() => folders.push(entry),
                Ok(_) => files.push(entry),
                Err(error) => refused.push(Refused::new(&entry, error.into())),
            }
        }
    }
    files.sort();
    Ok((files, refused))
}

/// What a file looks like from its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// DICOM with its File Meta group at this offset (PS3.10 7.1).
    Dicom { meta: u64 },
    /// Perhaps a DICOM data set without preamble and meta group.
    BareDicom,
    /// NIfTI-1 or -2, or a file named as one.
    Nifti,
    /// Anything else.
    Other,
}

/// The first bytes decide; the name only where they say nothing.
pub(super) fn kind(path: &Path) -> Result<Kind, Refusal> {
    let mut head = Vec::with_capacity(352);
    BufReader::new(open(path)?)
        .take(352)
        .read_to_end(&mut head)?;
    let at = |offset: usize, length: usize| head.get(offset..offset + length);
    if at(128, 4) == Some(b"DICM") {
        return Ok(Kind::Dicom { meta: 132 });
    }
    if at(0, 4) == Some(b"DICM") {
        return Ok(Kind::Dicom { meta: 4 });
    }
    let header_size = at(0, 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    let nifti_size = header_size.is_some_and(|bytes| {
        [348, 540].contains(&i32::from_le_bytes(bytes))
            || [348, 540].contains(&i32::from_be_bytes(bytes))
    });
    if nifti_size || is_nifti_name(path) {
        return Ok(Kind::Nifti);
    }
    // A meta group without preamble, or a data set whose first group is 0008.
    match at(0, 4) {
        Some([2, 0, _, 0]) => Ok(Kind::Dicom { meta: 0 }),
        Some([8, 0, _, 0]) => Ok(Kind::BareDicom),
        _ => Ok(Kind::Other),
    }
}

/// Opens a file. Pipes and devices are refused unopened: they may never give a byte, or never end.
pub(super) fn open(path: &Path) -> Result<File, Refusal> {
    if !fs::metadata(path)?.is_file() {
        return Err(Refusal::new(
            "unreadable",
            "not a regular file (a pipe, a device or a folder); it is left alone",
        ));
    }
    Ok(File::open(path)?)
}

/// The file's name in lower case.
pub(super) fn lower_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
        .unwrap_or_default()
}

fn is_nifti_name(path: &Path) -> bool {
    let name = lower_name(path);
    [".nii", ".nii.gz", ".hdr", ".hdr.gz"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

/// For the `.img` or `.img.gz` of a pair: the header file beside it, if there is one.
pub(super) fn header_of_pair(path: &Path) -> Option<PathBuf> {
    sibling(path, ".img", ".hdr")
}

/// For the `.hdr` or `.hdr.gz` of a pair: the voxels beside it, if they are there.
pub(super) fn voxels_of_pair(path: &Path) -> Option<PathBuf> {
    sibling(path, ".hdr", ".img")
}

/// The file of the same name with `to` for `from`, compressed alike or not.
fn sibling(path: &Path, from: &str, to: &str) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let lower = name.to_lowercase();
    let (stem, gz) = match lower.strip_suffix(".gz") {
        Some(stem) => (stem, true),
        None => (lower.as_str(), false),
    };
    let stem = name.get(..stem.strip_suffix(from)?.len())?;
    let plain = format!("{stem}{to}");
    let packed = format!("{plain}.gz");
    let order = if gz { [packed, plain] } else { [plain, packed] };
    order
        .into_iter()
        .flat_map(|name| [name.clone(), name.replace(to, &to.to_uppercase())])
        .map(|name| path.with_file_name(name))
        .find(|path| path.is_file())
}
