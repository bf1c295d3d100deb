//! Weights files seen where they lie, their headers checked before anything is believed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::weights_bytes::WeightsBytes;
use super::{ModelError, gguf};

pub use super::stored::Stored;

/// Longest header accepted; the published ones are under 100 kB.
const MAX_HEADER_BYTES: u64 = 64 << 20;

/// Where a tensor lies in a file.
#[derive(Debug, Clone)]
struct Entry {
    shape: Vec<usize>,
    /// The dtype, or the name of one that cannot be read.
    stored: Result<Stored, String>,
    /// First byte and the one after the last.
    bytes: std::ops::Range<usize>,
}

/// A weights file whose header was read and agrees with the file's size.
#[derive(Debug)]
pub struct WeightsFile {
    /// Where it lies.
    pub path: PathBuf,
    /// The header as stored.
    pub header: Vec<u8>,
    entries: BTreeMap<String, Entry>,
    bytes: WeightsBytes,
}

impl WeightsFile {
    /// Maps a safetensors or GGUF file and checks its header; the tensors' data is read when it is asked for.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        Self::check(path, WeightsBytes::map(path)?)
    }

    /// The same for a file whose bytes are in the program; `path` is what messages call it.
    pub(super) fn of_static(path: &Path, bytes: &'static [u8]) -> Result<Self, ModelError> {
        Self::check(path, WeightsBytes::Static(bytes))
    }

    fn check(path: &Path, file: WeightsBytes) -> Result<Self, ModelError> {
        if file.starts_with(&gguf::MAGIC) || path.extension().is_some_and(|e| e == "gguf") {
            return Self::of_gguf(path, file);
        }
        let damaged = |message: String| ModelError::Weights {
            path: path.to_path_buf(),
            message,
        };
        let size = file.len() as u64;
        let Some((length, rest)) = file.split_first_chunk::<8>() else {
            return Err(damaged(format!(
                "{size} bytes are too few for a safetensors file"
            )));
        };
        let length = u64::from_le_bytes(*length);
        if length > MAX_HEADER_BYTES || length > rest.len() as u64 {
            return Err(damaged(format!(
                "its header claims {length} bytes, the file has {size}"
            )));
        }
        let header = rest[..length as usize].to_vec();
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|e| damaged(format!("its header does not parse ({e})")))?;
        let start = 8 + header.len();
        let expected = metadata.data_len() as u64 + start as u64;
        if expected != size {
            return Err(damaged(format!(
                "it should have {expected} bytes and has {size}"
            )));
        }
        let entry = |name: String| {
            let info = metadata.info(&name)?;
            let stored = match info.dtype {
                Dtype::F32 => Ok(Stored::F32),
                Dtype::F16 => Ok(Stored::F16),
                Dtype::BF16 => Ok(Stored::Bf16),
                other => Err(format!("{other:?}")),
            };
            let (first, end) = info.data_offsets;
            let entry = Entry {
                shape: info.shape.clone(),
                stored,
                // The header was checked against the file's size: no sum can overflow.
                bytes: start + first..start + end,
            };
            Some((name, entry))
        };
        let entries = metadata.offset_keys().into_iter().filter_map(entry);
        Ok(Self {
            path: path.to_path_buf(),
            entries: entries.collect(),
            header,
            bytes: file,
        })
    }

    fn of_gguf(path: &Path, file: WeightsBytes) -> Result<Self, ModelError> {
        let header = gguf::read_header(&file).map_err(|message| ModelError::Weights {
            path: path.to_path_buf(),
            message,
        })?;
        let entries = header.tensors.into_iter().map(|place| {
            let entry = Entry {
                shape: place.shape,
                stored: place.stored,
                bytes: place.bytes,
            };
            (place.name, entry)
        });
        Ok(Self {
            path: path.to_path_buf(),
            entries: entries.collect(),
            header: file[..header.length].to_vec(),
            bytes: file,
        })
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Names of the tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.entries.keys()
    }

    /// Shape of a tensor, if it is in this file.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entries.get(name).map(|entry| entry.shape.as_slice())
    }

    /// Elements of a tensor; 0 where it is not in this file.
    pub fn element_count(&self, name: &str) -> u64 {
        self.shape(name)
            .map_or(0, |shape| shape.iter().map(|&n| n as u64).product())
    }

    /// The dtype a tensor is stored in.
    ///
    /// # Errors
    /// Where they are of a dtype that [`Self::values`] cannot take, or there is no such tensor.
    pub fn stored(&self, name: &str) -> Result<Stored, ModelError> {
        let entry = self.entry(name)?;
        entry
            .stored
            .clone()
            .map_err(|found| ModelError::TensorType {
                path: self.path.clone(),
                tensor: name.to_string(),
                found,
            })
    }

    /// A tensor's values in f32; those stored in f32 are seen where they lie in the file.
    pub fn values(&self, name: &str) -> Result<Cow<'_, [f32]>, ModelError> {
        let stored = self.stored(name)?;
        let bytes = self.bytes(name)?;
        if stored == Stored::F32
            && let Ok(values) = bytemuck::try_cast_slice(bytes)
        {
            return Ok(Cow::Borrowed(values));
        }
        // A header of odd length leaves f32 between the words.
        Ok(Cow::Owned(stored.decode(bytes)?))
    }

    /// The bytes of a tensor as they are stored.
    pub fn blocks(&self, name: &str) -> Result<&[u8], ModelError> {
        self.stored(name)?;
        self.bytes(name)
    }

    /// Tells the system that a tensor's part of the file will not be needed soon, so that loading a model does not
    /// fill the memory with its file.
    pub fn release(&self, name: &str) {
        if let Some(entry) = self.entries.get(name) {
            self.bytes.release(&entry.bytes);
        }
    }

    fn bytes(&self, name: &str) -> Result<&[u8], ModelError> {
        let range = self.entry(name)?.bytes.clone();
        // Pages that the file no longer has must not be touched.
        let now = self.bytes.readable();
        let now = now.map_err(|e| ModelError::io(&self.path, e))?;
        if now < self.size() {
            return Err(ModelError::Weights {
                path: self.path.clone(),
                message: format!("it had {} bytes and now has {now}", self.size()),
            });
        }
        self.bytes.get(range).ok_or_else(|| self.missing(name))
    }

    fn entry(&self, name: &str) -> Result<&Entry, ModelError> {
        self.entries.get(name).ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> ModelError {
        ModelError::MissingTensor {
            path: self.path.clone(),
            tensor: name.to_string(),
            expected: Vec::new(),
        }
    }
}
