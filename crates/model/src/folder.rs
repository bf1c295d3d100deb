//! A folder with a checkpoint's files, on disk or in the program: the one way to read them.

use std::fmt;
use std::fs;
use std::io::{self, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::weights::WeightsFile;
use super::{BuiltIn, ModelError};

/// Where the files of a checkpoint lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelFolder {
    /// A folder on disk.
    Disk(PathBuf),
    /// In the program.
    BuiltIn(BuiltIn),
}

/// What is in a file.
pub trait Contents: Read + Seek {}

impl<T: Read + Seek> Contents for T {}

impl ModelFolder {
    /// The folder's path; what is built in has its name instead. Either chooses the model on the command line.
    pub fn path(&self) -> &Path {
        match self {
            Self::Disk(path) => path,
            Self::BuiltIn(model) => Path::new(model.name()),
        }
    }

    /// The folder, where it is one on disk.
    pub fn on_disk(&self) -> Option<&Path> {
        match self {
            Self::Disk(path) => Some(path),
            Self::BuiltIn(_) => None,
        }
    }

    /// The checkpoint, where it is one in the program.
    pub const fn built_in(&self) -> Option<BuiltIn> {
        match self {
            Self::Disk(_) => None,
            Self::BuiltIn(model) => Some(*model),
        }
    }

    /// The folder's own name.
    pub fn name(&self) -> String {
        let whole = self.on_disk().and_then(|path| path.canonicalize().ok());
        let name = whole.as_deref().unwrap_or(self.path()).file_name();
        name.map_or_else(|| "model".to_owned(), |n| n.to_string_lossy().into_owned())
    }

    /// The path of a file, as messages name it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Whether there is something of this name, a file or not.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Disk(path) => path.join(name).exists(),
            Self::BuiltIn(model) => model.file(name).is_some(),
        }
    }

    /// Bytes of a file; none where there is no file of this name.
    pub fn size(&self, name: &str) -> Option<u64> {
        match self {
            Self::Disk(path) => {
                let about = fs::metadata(path.join(name)).ok()?;
                about.is_file().then_some(about.len())
            }
            Self::BuiltIn(model) => Some(model.file(name)?.len() as u64),
        }
    }

    /// The names of its files, sorted.
    pub fn files(&self) -> Vec<String> {
        match self {
            Self::Disk(path) => {
                let entries = fs::read_dir(path).into_iter().flatten().flatten();
                let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
                let mut files: Vec<String> = names.filter(|n| self.size(n).is_some()).collect();
                files.sort();
                files
            }
            Self::BuiltIn(model) => model.files().iter().map(|(n, _)| (*n).to_owned()).collect(),
        }
    }

    /// Opens a file. Pipes and devices are refused unopened: they may never give a byte, or never end.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(&self, name: &str) -> io::Result<Box<dyn Contents>> {
        match self {
            Self::Disk(path) => Ok(Box::new(super::error::open_file(&path.join(name))?)),
            Self::BuiltIn(model) => {
                let bytes = model.file(name).ok_or(io::ErrorKind::NotFound)?;
                Ok(Box::new(Cursor::new(bytes)))
            }
        }
    }

    /// Reads a small file, refusing one that is larger than `limit_bytes`; `hint` is part of the error where it is missing.
    ///
    /// # Errors
    /// When it is missing, too large or cannot be read.
    pub fn read(
        &self,
        name: &str,
        limit_bytes: u64,
        hint: &'static str,
    ) -> Result<Vec<u8>, ModelError> {
        let path = self.file(name);
        let file = self.open(name).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ModelError::MissingFile {
                path: path.clone(),
                hint,
            },
            _ => ModelError::io(&path, source),
        })?;
        let mut bytes = Vec::new();
        file.take(limit_bytes + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| ModelError::io(&path, e))?;
        if bytes.len() as u64 > limit_bytes {
            return Err(ModelError::Json {
                path,
                message: format!("larger than {limit_bytes} bytes"),
            });
        }
        Ok(bytes)
    }

    /// Opens a weights file and checks its header. One in the program is read where it lies.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn weights(&self, name: &str) -> Result<WeightsFile, ModelError> {
        let bytes = self.built_in().and_then(|model| model.file(name));
        match bytes {
            Some(bytes) => WeightsFile::of_static(&self.file(name), bytes),
            None => WeightsFile::open(&self.file(name)),
        }
    }
}

impl fmt::Display for ModelFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path().display().fmt(f)
    }
}

impl Serialize for ModelFolder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.path().serialize(serializer)
    }
}

impl From<BuiltIn> for ModelFolder {
    fn from(model: BuiltIn) -> Self {
        Self::BuiltIn(model)
    }
}

impl From<PathBuf> for ModelFolder {
    fn from(path: PathBuf) -> Self {
        Self::Disk(path)
    }
}

impl From<&Path> for ModelFolder {
    fn from(path: &Path) -> Self {
        Self::Disk(path.to_owned())
    }
}

impl From<&PathBuf> for ModelFolder {
    fn from(path: &PathBuf) -> Self {
        Self::Disk(path.clone())
    }
}

impl From<&Self> for ModelFolder {
    fn from(folder: &Self) -> Self {
        folder.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_in_the_program_are_read_where_they_lie() {
        for model in BuiltIn::ALL {
            let own = model.file("model.safetensors").unwrap().as_ptr_range();
            let file = ModelFolder::from(model).weights("model.safetensors");
            let file = file.unwrap();
            for name in file.names() {
                assert!(own.contains(&file.blocks(name).unwrap().as_ptr()), "{name}");
                file.release(name);
            }
        }
    }

    #[test]
    fn a_folder_in_the_program_reads_like_one_on_disk() {
        let place = tempfile::tempdir().unwrap();
        for model in BuiltIn::ALL {
            let built_in = ModelFolder::from(model);
            let copy = place.path().join(model.name());
            fs::create_dir(&copy).unwrap();
            for name in built_in.files() {
                let mut bytes = Vec::new();
                built_in
                    .open(&name)
                    .unwrap()
                    .read_to_end(&mut bytes)
                    .unwrap();
                fs::write(copy.join(&name), bytes).unwrap();
            }
            let copy = ModelFolder::from(copy);
            assert_eq!(copy.files(), built_in.files());
            assert_eq!(copy.name(), built_in.name());
            for name in built_in.files().iter().map(String::as_str).chain(["none"]) {
                assert_eq!(copy.has(name), built_in.has(name));
                assert_eq!(copy.size(name), built_in.size(name));
                let read = |folder: &ModelFolder, limit| folder.read(name, limit, "").ok();
                assert_eq!(read(&copy, 1 << 10), read(&built_in, 1 << 10));
            }
            let missing = built_in.read("none", 1, "hint").unwrap_err();
            assert!(matches!(missing, ModelError::MissingFile { .. }));
            let missing = built_in.weights("none").unwrap_err();
            assert!(matches!(missing, ModelError::MissingFile { .. }));
        }
    }
}
