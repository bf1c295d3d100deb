//! Zip archives: unpacked into a private folder that lives as long as what was found in it.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use zip::ZipArchive;
use zip::result::ZipError;

use super::error::Refusal;
use super::{IoError, Progress, Refused, files};

/// The most entries.
const MOST_ENTRIES: usize = 1 << 18;
/// The most bytes of all files, unpacked.
const MOST_BYTES: u64 = 32 << 30;
/// More than this is only unpacked while it is at most [`MOST_RATIO`] times the archive.
const FREE_BYTES: u64 = 256 << 20;
const MOST_RATIO: u64 = 200;

/// An archive and the folder with its files, which goes when nothing needs it any more.
#[derive(Debug)]
pub(super) struct Archive {
    path: PathBuf,
    folder: TempDir,
}

impl Archive {
    /// Unpacks an archive; files that cannot be unpacked are refused one by one.
    pub fn unpack(path: &Path, progress: &Progress) -> Result<(Self, Vec<Refused>), IoError> {
        let at = |refusal: Refusal| refusal.at(path);
        let file = files::open(path).map_err(at)?;
        let size = file.metadata().map_err(|e| at(e.into()))?.len();
        let zip = ZipArchive::new(BufReader::new(file)).map_err(|error| at(damaged(&error)))?;
        if zip.len() > MOST_ENTRIES {
            let message = format!("it holds {} files; unpack what is wanted", zip.len());
            return Err(at(Refusal::new("archive_too_large", message)));
        }
        let folder = tempfile::Builder::new()
            .prefix("m3d-viewer-")
            .tempdir()
            .map_err(|error| IoError::write(&std::env::temp_dir(), error))?;
        let archive = Self {
            path: path.to_owned(),
            folder,
        };
        let mut unpacking = Unpacking {
            most: MOST_BYTES.min(size.saturating_mul(MOST_RATIO).max(FREE_BYTES)),
            written: 0,
            refused: Vec::new(),
        };
        unpacking.all(zip, &archive, progress)?;
        Ok((archive, unpacking.refused))
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The archive itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An unpacked file's path as it is shown: the archive's and the one within.
    pub fn shown(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(self.folder.path()) {
            Ok(inner) => self.path.join(inner),
            Err(_) => path.to_owned(),
        }
    }

    /// An error with its path as it is shown.
    pub fn shown_error(&self, error: IoError) -> IoError {
        match error {
            IoError::File {
                path,
                code,
                message,
            } => IoError::File {
                path: self.shown(&path),
                code,
                message,
            },
            IoError::Unreadable { path, source } => IoError::Unreadable {
                path: self.shown(&path),
                source,
            },
            IoError::NotFound(path) => IoError::NotFound(self.shown(&path)),
            other => other,
        }
    }
}

struct Unpacking {
    /// The most bytes of all files.
    most: u64,
    written: u64,
    refused: Vec<Refused>,
}

impl Unpacking {
    fn all(
        &mut self,
        mut zip: ZipArchive<BufReader<File>>,
        archive: &Archive,
        progress: &Progress,
    ) -> Result<(), IoError> {
        for index in 0..zip.len() {
            progress.check()?;
            match self.one(&mut zip, index, archive) {
                Ok(()) => {}
                Err((name, refusal)) if refusal.code == "archive_too_large" => {
                    return Err(refusal.at(&archive.path.join(name)));
                }
                Err((name, refusal)) => {
                    let path = archive.path.join(name);
                    self.refused.push(Refused::new(&path, refusal));
                }
            }
            progress.set((index + 1) as f32 / zip.len() as f32);
        }
        Ok(())
    }

    /// Unpacks an entry, or says under which name it was refused.
    fn one(
        &mut self,
        zip: &mut ZipArchive<BufReader<File>>,
        index: usize,
        archive: &Archive,
    ) -> Result<(), (PathBuf, Refusal)> {
        let number = PathBuf::from(format!("{}", index + 1));
        let entry = zip
            .by_index(index)
            .map_err(|e| (number.clone(), damaged(&e)))?;
        if entry.is_dir() {
            return Ok(());
        }
        let Some(name) = entry.enclosed_name().filter(|_| !entry.is_symlink()) else {
            let message = "an entry that leads out of its archive is not unpacked";
            return Err((number, Refusal::new("archive_path", message)));
        };
        let place = archive.folder().join(&name);
        let failed = |error: io::Error| (name.clone(), Refusal::from(error));
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = File::create_new(&place).map_err(failed)?;
        // What an entry claims of its size is not believed.
        let left = self.most - self.written;
        let claimed = entry.size();
        let copied = io::copy(&mut entry.take(left.saturating_add(1)), &mut file);
        let count = copied.map_err(|error| {
            // What came of it would pass for a file that was cut short.
            let _ = fs::remove_file(&place);
            (name.clone(), broken(&error))
        })?;
        if count > left {
            let message = format!(
                "its archive unpacks to more than {} MiB (this file claims {claimed} bytes), which no archive of images of \
                 its size does; unpack it yourself if you trust it",
                self.most >> 20
            );
            return Err((name, Refusal::new("archive_too_large", message)));
        }
        self.written += count;
        Ok(())
    }
}

fn damaged(error: &ZipError) -> Refusal {
    let (code, message) = match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => (
            "archive_encrypted",
            "protected by a password; unpack it with that and open the folder".to_owned(),
        ),
        ZipError::UnsupportedArchive(why) => (
            "archive_packing",
            format!("packed in a way that is not read ({why}); unpack it and open the folder"),
        ),
        other => (
            "malformed",
            format!("a zip archive that is damaged or cut short ({other}); copy it again"),
        ),
    };
    Refusal::new(code, message)
}

fn broken(error: &io::Error) -> Refusal {
    Refusal::truncated(format!(
        "it cannot be unpacked ({error}); check the free space, or copy the archive again"
    ))
}

/// For a path that leads into an archive: the archive.
pub(super) fn around(path: &Path) -> Option<&Path> {
    let mut above = path.ancestors().skip(1);
    above.find(|place| place.is_file() && files::lower_name(place).ends_with(".zip"))
}
