//! Where networks take their weights from: names below a prefix, each in the dtype and format it is to be held in.

use std::collections::HashMap;
use std::fmt::Display;

use candle_core::{DType, Device, Result, Tensor};

use m3d_engine::WeightFormat;
use m3d_engine::linear::Linear;
use m3d_engine::matrix::Matrix;
use m3d_engine::ops::{LayerNorm, RmsNorm};

/// Hands out weights by their full names.
pub trait WeightSource {
    /// A tensor of this shape, cast to `dtype`.
    fn tensor(&self, name: &str, shape: &[usize], dtype: DType) -> Result<Tensor>;

    /// A matrix of `[rows, columns]` held in `format`; where that is [`WeightFormat::Plain`], in `dtype`.
    fn matrix(
        &self,
        name: &str,
        shape: [usize; 2],
        format: WeightFormat,
        dtype: DType,
    ) -> Result<Matrix> {
        Matrix::from_tensor(&self.tensor(name, &shape, dtype)?, format)
    }

    /// Whether there is a weight of this name.
    fn contains(&self, name: &str) -> bool;

    /// Where the weights are to lie.
    fn device(&self) -> &Device;
}

/// Tensors in memory by name; as when training, or in tests.
#[derive(Debug)]
pub struct TensorMap {
    tensors: HashMap<String, Tensor>,
    device: Device,
}

impl TensorMap {
    /// Tensors named as in a checkpoint, to be used on `device`.
    pub fn new(tensors: HashMap<String, Tensor>, device: &Device) -> Self {
        Self {
            tensors,
            device: device.clone(),
        }
    }
}

impl WeightSource for TensorMap {
    fn tensor(&self, name: &str, shape: &[usize], dtype: DType) -> Result<Tensor> {
        let Some(tensor) = self.tensors.get(name) else {
            candle_core::bail!("tensor {name} {shape:?} is missing")
        };
        if tensor.dims() != shape {
            candle_core::bail!(
                "tensor {name} has shape {:?} where {shape:?} is needed",
                tensor.dims()
            )
        }
        tensor.to_device(&self.device)?.to_dtype(dtype)
    }

    fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    fn device(&self) -> &Device {
        &self.device
    }
}

/// The weights below a prefix of a source.
#[derive(Clone)]
pub struct Weights<'a> {
    source: &'a dyn WeightSource,
    prefix: String,
    dtype: DType,
    format: WeightFormat,
}

impl<'a> Weights<'a> {
    /// All weights of a source, in `dtype`.
    pub fn new(source: &'a dyn WeightSource, dtype: DType) -> Self {
        Self {
            source,
            prefix: String::new(),
            dtype,
            format: WeightFormat::Plain,
        }
    }

    /// The weights below the prefix `name.`.
    #[must_use]
    pub fn pp(&self, name: impl Display) -> Self {
        Self {
            prefix: self.path(name),
            ..self.clone()
        }
    }

    /// The same in f32, matrices too.
    #[must_use]
    pub fn exact(&self) -> Self {
        Self {
            dtype: DType::F32,
            format: WeightFormat::Plain,
            ..self.clone()
        }
    }

    /// The same with matrices held in `format`.
    #[must_use]
    pub fn held_in(&self, format: WeightFormat) -> Self {
        Self {
            format,
            ..self.clone()
        }
    }

    /// Where the weights lie.
    pub fn device(&self) -> &Device {
        self.source.device()
    }

    /// Whether there is a weight of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.source.contains(&self.path(name))
    }

    /// A tensor.
    pub fn get(&self, shape: &[usize], name: &str) -> Result<Tensor> {
        self.source.tensor(&self.path(name), shape, self.dtype)
    }

    /// `weight`, a matrix `[rows, columns]`.
    pub fn matrix(&self, rows: usize, columns: usize) -> Result<Matrix> {
        let format = self.format.fitting(columns);
        let name = self.path("weight");
        self.source
            .matrix(&name, [rows, columns], format, self.dtype)
    }

    /// `weight` and `bias` of a linear layer.
    pub fn linear(&self, width_in: usize, width_out: usize) -> Result<Linear> {
        let weight = self.matrix(width_out, width_in)?;
        Ok(Linear::new(weight, Some(self.get(&[width_out], "bias")?)))
    }

    /// `weight` of a linear layer without bias.
    pub fn linear_no_bias(&self, width_in: usize, width_out: usize) -> Result<Linear> {
        Ok(Linear::new(self.matrix(width_out, width_in)?, None))
    }

    /// `weight` and `bias` of a layer norm.
    pub fn layer_norm(&self, width: usize, eps: f64) -> Result<LayerNorm> {
        let weight = self.get(&[width], "weight")?;
        Ok(LayerNorm::new(weight, self.get(&[width], "bias")?, eps))
    }

    /// `weight` of an RMS norm.
    pub fn rms_norm(&self, width: usize, eps: f64) -> Result<RmsNorm> {
        Ok(RmsNorm::new(self.get(&[width], "weight")?, eps))
    }

    fn path(&self, name: impl Display) -> String {
        if self.prefix.is_empty() {
            name.to_string()
        } else {
            format!("{}.{name}", self.prefix)
        }
    }
}
