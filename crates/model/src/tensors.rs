//! Which tensors a network asks for, found by building it on nothing.

use std::cell::RefCell;

use candle_core::{DType, Device, Result, Tensor};

use super::precision::Precision;
use super::source::WeightSource;
use super::{Lamed, LamedConfig, ModelError};
use m3d_engine::WeightFormat;
use m3d_engine::matrix::Matrix;

/// A tensor that the network asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedTensor {
    /// Its name in the checkpoint.
    pub name: String,
    /// Its shape under the configuration.
    pub shape: Vec<usize>,
    /// How it is held; anything but a matrix plainly.
    pub format: WeightFormat,
    /// The type it is held in where that is plainly.
    pub dtype: DType,
}

impl WantedTensor {
    /// Elements in it.
    pub fn count(&self) -> u64 {
        self.shape.iter().map(|&n| n as u64).product()
    }

    /// Bytes it takes in memory.
    pub fn bytes(&self) -> u64 {
        self.format.bytes(self.count(), self.dtype)
    }
}

/// Lists the tensors that [`Lamed`] asks for under this configuration and precision, in the order it does.
///
/// `present` tells which names a checkpoint holds; it decides between the fused (Phi-3) and the separate (Llama)
/// naming of the decoder's projections. No weights are allocated.
pub fn wanted_tensors(
    config: &LamedConfig,
    precision: Precision,
    present: impl Fn(&str) -> bool,
) -> std::result::Result<Vec<WantedTensor>, ModelError> {
    record(present, |source| {
        Lamed::new(config, source, precision).map(drop)
    })
}

/// Lists the tensors that `build` asks its source for, in the order it does.
pub(crate) fn record(
    present: impl Fn(&str) -> bool,
    build: impl FnOnce(&dyn WeightSource) -> std::result::Result<(), ModelError>,
) -> std::result::Result<Vec<WantedTensor>, ModelError> {
    let recorder = Recorder {
        present,
        asked: RefCell::default(),
    };
    build(&recorder)?;
    Ok(recorder.asked.into_inner())
}

struct Recorder<F> {
    present: F,
    asked: RefCell<Vec<WantedTensor>>,
}

impl<F> Recorder<F> {
    /// One zero seen from everywhere: any shape, no memory.
    fn record(
        &self,
        name: &str,
        shape: &[usize],
        format: WeightFormat,
        dtype: DType,
    ) -> Result<Tensor> {
        self.asked.borrow_mut().push(WantedTensor {
            name: name.to_string(),
            shape: shape.to_vec(),
            format,
            dtype,
        });
        Tensor::zeros((), dtype, &Device::Cpu)?.broadcast_as(shape)
    }
}

impl<F: Fn(&str) -> bool> WeightSource for Recorder<F> {
    fn tensor(&self, name: &str, shape: &[usize], dtype: DType) -> Result<Tensor> {
        self.record(name, shape, WeightFormat::Plain, dtype)
    }

    fn matrix(
        &self,
        name: &str,
        shape: [usize; 2],
        format: WeightFormat,
        dtype: DType,
    ) -> Result<Matrix> {
        self.record(name, &shape, format, dtype).map(Matrix::Plain)
    }

    fn contains(&self, name: &str) -> bool {
        (self.present)(name)
    }

    fn device(&self) -> &Device {
        &Device::Cpu
    }
}
