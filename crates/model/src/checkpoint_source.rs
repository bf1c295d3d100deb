//! A checkpoint's files as a source of weights: one tensor at a time, so that loading needs little more than the model.

use std::cell::{Cell, RefCell};

use candle_core::{DType, Device, Result, Tensor};

use super::source::WeightSource;
use super::{Checkpoint, ModelError};
use m3d_engine::WeightFormat;
use m3d_engine::matrix::Matrix;

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

    /// Hands a tensor's values to `hold` and keeps count.
    fn take<T>(
        &self,
        name: &str,
        shape: &[usize],
        hold: impl FnOnce(&[f32]) -> Result<T>,
    ) -> Result<T> {
        let taken = || -> std::result::Result<T, ModelError> {
            let held = hold(&self.checkpoint.values(name, shape)?);
            self.checkpoint.release(name);
            Ok(held?)
        };
        self.counted(shape, taken())
    }

    /// A matrix whose very blocks are in the file, if it is one.
    fn read_blocks(
        &self,
        name: &str,
        shape: [usize; 2],
        format: WeightFormat,
    ) -> std::result::Result<Option<Matrix>, ModelError> {
        let Some(blocks) = self.checkpoint.blocks(name, &shape, format)? else {
            return Ok(None);
        };
        let matrix = Matrix::from_blocks(blocks, shape, format, &self.device)?;
        self.checkpoint.release(name);
        Ok(Some(matrix))
    }

    /// Counts what was taken, or keeps the error in its own words.
    fn counted<T>(&self, shape: &[usize], taken: std::result::Result<T, ModelError>) -> Result<T> {
        let taken = taken.map_err(|error| {
            let text = candle_core::Error::Msg(error.to_string());
            self.failed.borrow_mut().get_or_insert(error);
            text
        })?;
        let count = shape.iter().map(|&n| n as u64).product::<u64>();
        self.done.set(self.done.get() + count);
        let total = self.checkpoint.used_count().max(1);
        (self.progress)((self.done.get() as f64 / total as f64).min(1.0) as f32);
        Ok(taken)
    }
}

impl WeightSource for CheckpointSource<'_> {
    fn tensor(&self, name: &str, shape: &[usize], dtype: DType) -> Result<Tensor> {
        self.take(name, shape, |values| {
            // Cast before it travels: half the bytes.
            Tensor::from_slice(values, shape, &Device::Cpu)?
                .to_dtype(dtype)?
                .to_device(&self.device)
        })
    }

    fn matrix(
        &self,
        name: &str,
        shape: [usize; 2],
        format: WeightFormat,
        dtype: DType,
    ) -> Result<Matrix> {
        if let Some(matrix) = self.read_blocks(name, shape, format).transpose() {
            return self.counted(&shape, matrix);
        }
        if format == WeightFormat::Plain {
            return Matrix::from_tensor(&self.tensor(name, &shape, dtype)?, format);
        }
        if !self.device.is_cpu() {
            // What is to be rounded is rounded once.
            return Matrix::from_tensor(&self.tensor(name, &shape, DType::F32)?, format);
        }
        self.take(name, &shape, |values| {
            Matrix::from_values(values, (shape[0], shape[1]), format)
        })
    }

    fn contains(&self, name: &str) -> bool {
        self.checkpoint.contains(name)
    }

    fn device(&self) -> &Device {
        &self.device
    }
}
