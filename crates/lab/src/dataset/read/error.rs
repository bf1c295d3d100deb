//! What can be wrong with a data set, and where.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use m3d_imaging::io::IoError;

/// A row of a list: a line of a table, or an entry of one of a JSON file's lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRow {
    file: Arc<Path>,
    row: Row,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    /// Counted from 1, the heading included.
    Line(u64),
    /// The list's name, and the entry counted from 1.
    Entry(&'static str, usize),
}

impl ListRow {
    pub(super) fn line(file: &Arc<Path>, line: u64) -> Self {
        Self {
            file: Arc::clone(file),
            row: Row::Line(line),
        }
    }

    pub(super) fn entry(file: &Arc<Path>, list: &'static str, entry: usize) -> Self {
        Self {
            file: Arc::clone(file),
            row: Row::Entry(list, entry),
        }
    }

    /// The list's file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn error(&self, message: impl Into<String>) -> ReadError {
        ReadError::Row {
            place: self.clone(),
            message: message.into(),
        }
    }
}

impl fmt::Display for ListRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, ", self.file.display())?;
        match self.row {
            Row::Line(line) => write!(f, "line {line}"),
            Row::Entry(list, entry) => write!(f, "entry {entry} of {list:?}"),
        }
    }
}

/// Why a data set or one of its records cannot be read. Every message is one line that says what, where
/// and what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The set is not there.
    #[error("{} holds no {set}: {wanted} is looked for; give the folder of M3D-Data", root.display())]
    NoSet {
        /// The folder that was searched.
        root: PathBuf,
        /// The set's name.
        set: &'static str,
        /// Its list.
        wanted: &'static str,
    },
    /// A file or folder cannot be read.
    #[error("{} cannot be read ({source}); check the path and that you may open it", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A list or a text is damaged.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        message: String,
    },
    /// A row of a list cannot be used.
    #[error("{place}: {message}")]
    Row {
        /// The row.
        place: ListRow,
        /// What is wrong, and what to do.
        message: String,
    },
    /// An array cannot be read.
    #[error("{place}: {source}")]
    Array {
        /// The row that names it.
        place: ListRow,
        /// What is wrong with it.
        source: IoError,
    },
}

impl ReadError {
    pub(super) fn file(path: &Path, message: impl Into<String>) -> Self {
        Self::File {
            path: path.to_owned(),
            message: message.into(),
        }
    }

    pub(super) fn unreadable(path: &Path, source: std::io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            source,
        }
    }
}
