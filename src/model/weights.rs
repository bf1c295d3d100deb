//! Safetensors files: headers checked before anything is believed, tensors read one at a time.
//!
//! Plain reads instead of a memory map: a file that shrinks while open gives an error rather than a signal, and every
//! weight is copied once either way.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::ModelError;
use super::error::open_file;

/// Longest header accepted; the published ones are under 100 kB.
const MAX_HEADER_BYTES: u64 = 64 << 20;

/// A weights file whose header was read and agrees with the file's size.
#[derive(Debug)]
pub struct WeightsFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: u64,
    /// The header as stored.
    pub header: Vec<u8>,
    metadata: Metadata,
}

impl WeightsFile {
    /// Reads and checks the header; the tensors' data stays on disk.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let damaged = |message: String| ModelError::Weights {
            path: path.to_path_buf(),
            message,
        };
        let mut file = open(path)?;
        let size = file.metadata().map_err(|e| ModelError::io(path, e))?.len();
        let mut length = [0u8; 8];
        if size < 8 {
            return Err(damaged(format!(
                "{size} bytes are too few for a safetensors file"
            )));
        }
        file.read_exact(&mut length)
            .map_err(|e| ModelError::io(path, e))?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER_BYTES || length > size - 8 {
            return Err(damaged(format!(
                "its header claims {length} bytes, the file has {size}"
            )));
        }
        let mut header = vec![0u8; length as usize];
        file.read_exact(&mut header)
            .map_err(|e| ModelError::io(path, e))?;
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|e| damaged(format!("its header does not parse ({e})")))?;
        let expected = metadata.data_len() as u64 + 8 + length;
        if expected != size {
            return Err(damaged(format!(
                "it should have {expected} bytes and has {size}"
            )));
        }
        Ok(Self {
            path: path.to_path_buf(),
            size,
            header,
            metadata,
        })
    }

    /// Names of the tensors in the order of their data.
    pub fn names(&self) -> Vec<String> {
        self.metadata.offset_keys()
    }

    /// Shape of a tensor, if it is in this file.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.metadata.info(name).map(|info| info.shape.as_slice())
    }

    /// Numbers in a tensor; 0 where it is not in this file.
    pub fn element_count(&self, name: &str) -> u64 {
        self.shape(name)
            .map_or(0, |shape| shape.iter().map(|&n| n as u64).product())
    }

    /// Fails where the tensor is stored in a format that [`Self::read`] cannot take.
    pub fn check_type(&self, name: &str) -> Result<(), ModelError> {
        match self.metadata.info(name).map(|info| info.dtype) {
            Some(Dtype::F32 | Dtype::F16 | Dtype::BF16) => Ok(()),
            found => Err(ModelError::TensorType {
                path: self.path.clone(),
                tensor: name.to_string(),
                found: found.map_or_else(|| "nothing".to_string(), |d| format!("{d:?}")),
            }),
        }
    }

    /// Reads one tensor and casts it.
    pub fn read(&self, name: &str, device: &Device, dtype: DType) -> Result<Tensor, ModelError> {
        self.check_type(name)?;
        let Some(info) = self.metadata.info(name) else {
            return Err(self.missing(name));
        };
        let mut file = open(&self.path)?;
        // The header was checked against the file's size, so the sum cannot overflow.
        let start = 8 + self.header.len() as u64 + info.data_offsets.0 as u64;
        file.seek(SeekFrom::Start(start))
            .map_err(|e| ModelError::io(&self.path, e))?;
        let count = info.shape.iter().product();
        let shape = info.shape.as_slice();
        let tensor = match info.dtype {
            Dtype::F16 => Tensor::from_vec(self.numbers::<f16>(&mut file, count)?, shape, device)?,
            Dtype::BF16 => {
                Tensor::from_vec(self.numbers::<bf16>(&mut file, count)?, shape, device)?
            }
            _ => Tensor::from_vec(self.numbers::<f32>(&mut file, count)?, shape, device)?,
        };
        Ok(tensor.to_dtype(dtype)?)
    }

    fn numbers<T: bytemuck::Pod>(
        &self,
        file: &mut File,
        count: usize,
    ) -> Result<Vec<T>, ModelError> {
        let mut numbers = vec![T::zeroed(); count];
        file.read_exact(bytemuck::cast_slice_mut(&mut numbers))
            .map_err(|e| ModelError::io(&self.path, e))?;
        Ok(numbers)
    }

    fn missing(&self, name: &str) -> ModelError {
        ModelError::MissingTensor {
            path: self.path.clone(),
            tensor: name.to_string(),
            expected: Vec::new(),
        }
    }
}

fn open(path: &Path) -> Result<File, ModelError> {
    open_file(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => ModelError::MissingFile {
            path: path.to_path_buf(),
            hint: "fetch every file of the published checkpoint into one folder",
        },
        _ => ModelError::io(path, source),
    })
}
