//! Why a folder cannot be prepared as a whole.

use std::path::PathBuf;

/// Why a folder cannot be prepared. Every message is one line that says what, where and what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareSetError {
    /// A folder or a list cannot be read.
    #[error("{} cannot be read ({source}); check the path and that you may open it", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file or folder cannot be written.
    #[error("{} cannot be written ({source}); check the folder and the free space", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nothing that is known is in the folder.
    #[error(
        "{} is none of the folders that can be prepared: cases with slices and a text (M3D-Cap), \
         CASE/ct.nii.gz with CASE/segmentations (TotalSegmentator), imagesTr with labelsTr (nnU-Net), or \
         NAME.nii.gz with NAME_seg.nii.gz",
        .0.display()
    )]
    Unknown(PathBuf),
    /// The folder to write is the one to read, or lies in it.
    #[error("{} lies in the folder that is read; give another", .0.display())]
    Inside(PathBuf),
    /// A list is damaged.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        message: String,
    },
    /// A name that is no folder's.
    #[error("{0:?} is no tag; use letters, digits, - and _, as 0000")]
    Tag(String),
    /// An image without voxels.
    #[error("images of {0:?} voxels (depth, height, width) hold nothing; choose another size")]
    Size([usize; 3]),
    /// No case could be prepared.
    #[error("none of {total} cases could be prepared; the first: {first}")]
    Nothing {
        /// How many there were.
        total: usize,
        /// The first case and its reason.
        first: String,
    },
}
