//! What can go wrong between files and volumes.

use std::path::{Path, PathBuf};

/// Why a job on files ended without its result. Each message says what, where and what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IoError {
    /// The path does not exist.
    #[error("{} does not exist; check the path", .0.display())]
    NotFound(PathBuf),
    /// The path cannot be read.
    #[error("{} cannot be read ({source}); check that you may open it", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder without any file.
    #[error("{} holds no files; open a folder with DICOM or NIfTI images", .0.display())]
    Empty(PathBuf),
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// A file is not what it should be.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason, machine-readable.
        code: &'static str,
        /// The reason, in words.
        message: String,
    },
    /// A mask lies on another grid than the image it should cover.
    #[error("{}: {message}", path.display())]
    OtherGrid {
        /// The mask's file.
        path: PathBuf,
        /// How the two differ.
        message: String,
    },
    /// A name that says no format.
    #[error("{} names no format that can be written; use .nii or .nii.gz", .0.display())]
    OutputName(PathBuf),
    /// A name that says no format of structures.
    #[error(
        "{} names no format that structures can be written in; use .nii.gz, .dcm (DICOM SEG), .rtstruct.dcm, .stl or .obj",
        .0.display()
    )]
    ObjectName(PathBuf),
    /// The format cannot hold the image.
    #[error("{} cannot be written: {message}", path.display())]
    OutputShape {
        /// The file to be.
        path: PathBuf,
        /// What does not fit.
        message: String,
    },
    /// A folder that is not to be written to.
    #[error("{} is not written to: {message}", path.display())]
    OutputFolder {
        /// The folder.
        path: PathBuf,
        /// Why, and what to do.
        message: String,
    },
    /// Writing failed; nothing was left behind.
    #[error("{} cannot be written ({source}); check the folder and the free space", path.display())]
    Write {
        /// The file to be.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl IoError {
    pub(super) fn unreadable(path: &Path, source: std::io::Error) -> Self {
        if source.kind() == std::io::ErrorKind::NotFound {
            Self::NotFound(path.to_owned())
        } else {
            Self::Unreadable {
                path: path.to_owned(),
                source,
            }
        }
    }

    pub(super) fn write(path: &Path, source: std::io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }
}

/// Why one file is not taken, before it is known which file that was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub code: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The file ends before what it announces.
    pub fn truncated(message: impl Into<String>) -> Self {
        Self::new("truncated", message)
    }

    pub fn at(self, path: &Path) -> IoError {
        IoError::File {
            path: path.to_owned(),
            code: self.code,
            message: self.message,
        }
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            Self::truncated("the file ends too early; copy or export it again")
        } else {
            Self::new(
                "unreadable",
                format!("the file cannot be read ({error}); check that you may open it"),
            )
        }
    }
}

/// The most bytes a volume may take, whatever its header claims.
pub(super) const MAX_VOLUME_BYTES: u64 = 16 << 30;

/// An empty vector with room for `count` values, or a refusal: sizes that come from files are checked before anything
/// is allocated.
pub(super) fn reserve<T>(count: u64) -> Result<Vec<T>, Refusal> {
    let mut values = Vec::new();
    reserve_more(&mut values, count)?;
    Ok(values)
}

/// Makes room for `more` values at the end of those that are there, or refuses likewise.
pub(super) fn reserve_more<T>(values: &mut Vec<T>, more: u64) -> Result<(), Refusal> {
    let count = (values.len() as u64).saturating_add(more);
    let bytes = count.checked_mul(size_of::<T>() as u64);
    let fits = bytes.is_some_and(|bytes| bytes <= MAX_VOLUME_BYTES)
        && usize::try_from(more).is_ok_and(|more| values.try_reserve(more).is_ok());
    if fits {
        return Ok(());
    }
    Err(Refusal::new(
        "too_large",
        format!(
            "its {count} voxels of {} bytes do not fit (at most {} GiB, and the free memory); \
             reduce the image first",
            size_of::<T>(),
            MAX_VOLUME_BYTES >> 30
        ),
    ))
}
