//! A checkpoint's files as a source of weights: one tensor at a time, so that loading needs little more than the model.

use std::cell::{Cell, RefCell};

use candle_core::{DType, Device, Result, Tensor};

use super::source::WeightSource;
use super::{Checkpoint, ModelError};

/// Reads the tensors of a [`Checkpoint`] onto a device.
pub struct CheckpointSource<'a> {
    checkpoint: &'a Checkpoint,
    device: Device,
    progress: &'a dyn Fn(f32),
    done: Cell<u64>,
    /// The error behind the one that candle's types let through.
    failed: RefCell<Option<ModelError>>,
}

impl<'a> CheckpointSource<'a> {
    pub(super) fn new(
        checkpoint: &'a Checkpoint,
        device: &Device,
        progress: &'a dyn Fn(f32),
    ) -> Self {
        progress(0.0);
        Self {
            checkpoint,
            device: device.clone(),
            progress,
            done: Cell::new(0),
            failed: RefCell::default(),
        }
    }

    /// What was built, or the first error of this source in its own words.
    pub(super) fn finish<T>(
        &self,
        built: std::result::Result<T, ModelError>,
    ) -> std::result::Result<T, ModelError> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => built,
        }
    }

    fn read(
        &self,
        name: &str,
        shape: &[usize],
        dtype: DType,
    ) -> std::result::Result<Tensor, ModelError> {
        let file = self
            .checkpoint
            .file_of(name)
            .ok_or_else(|| ModelError::MissingTensor {
                path: self.checkpoint.folder.clone(),
                tensor: name.to_string(),
                expected: shape.to_vec(),
            })?;
        let values = file.values(name)?;
        let tensor = Tensor::from_slice(&values, shape, &Device::Cpu)?;
        file.release(name);
        // Cast before it travels: half the bytes.
        Ok(tensor.to_dtype(dtype)?.to_device(&self.device)?)
    }
}

impl WeightSource for CheckpointSource<'_> {
    fn tensor(&self, name: &str, shape: &[usize], dtype: DType) -> Result<Tensor> {
        let tensor = self.read(name, shape, dtype).map_err(|error| {
            let text = candle_core::Error::Msg(error.to_string());
            self.failed.borrow_mut().get_or_insert(error);
            text
        })?;
        let count = shape.iter().map(|&n| n as u64).product::<u64>();
        self.done.set(self.done.get() + count);
        let total = self.checkpoint.used_count().max(1);
        (self.progress)((self.done.get() as f64 / total as f64).min(1.0) as f32);
        Ok(tensor)
    }

    fn contains(&self, name: &str) -> bool {
        self.checkpoint.file_of(name).is_some()
    }

    fn device(&self) -> &Device {
        &self.device
    }
}
