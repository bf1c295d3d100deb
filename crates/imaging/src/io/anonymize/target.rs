//! The folder that takes the copies.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::io::IoError;
use crate::io::error::Refusal;

/// Makes the folder `out`, which must be new or empty and apart from what is read.
pub(super) fn prepare(path: &Path, out: &Path) -> Result<(), IoError> {
    let unfit = |message: &str| IoError::OutputFolder {
        path: out.to_owned(),
        message: message.to_owned(),
    };
    let failed = |error| IoError::write(out, error);
    let read = path
        .canonicalize()
        .map_err(|error| IoError::unreadable(path, error))?;
    // What is not there yet is judged by the folder that it will be in.
    let mut there = out.to_owned();
    while !there.exists() && there.pop() {}
    if there.as_os_str().is_empty() {
        there.push(".");
    }
    let there = there.canonicalize().map_err(failed)?;
    if read.is_dir() && there.starts_with(&read) {
        return Err(unfit(
            "it lies in the folder that is read; choose one elsewhere",
        ));
    }
    if out.exists() {
        if !out.is_dir() {
            return Err(unfit("a file has this name; choose another"));
        }
        if fs::read_dir(out).map_err(failed)?.next().is_some() {
            return Err(unfit(
                "it is not empty; choose a new folder, so that nothing else is taken for anonymous",
            ));
        }
    }
    fs::create_dir_all(out).map_err(failed)
}

/// A file that is being written, and goes again unless it is kept.
pub(super) struct Draft {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Draft {
    pub(super) fn create(path: PathBuf) -> std::io::Result<Self> {
        let file = File::options().write(true).create_new(true).open(&path)?;
        Ok(Self {
            path,
            file: Some(BufWriter::with_capacity(1 << 18, file)),
        })
    }

    /// Where to write to.
    pub(super) fn out(&mut self) -> &mut dyn Write {
        self
    }

    /// Keeps the file.
    pub(super) fn keep(mut self) -> Result<(), Refusal> {
        if let Some(file) = &mut self.file {
            file.flush()?;
            file.get_ref().sync_all()?;
        }
        self.file = None;
        Ok(())
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // What is left of it is of no use; that it could not be removed adds nothing to the error.
            drop(file.into_parts());
            let _ = fs::remove_file(&self.path);
        }
    }
}
