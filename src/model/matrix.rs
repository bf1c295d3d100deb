//! A matrix of weights in one of several number formats.

use std::sync::Arc;

use candle_core::quantized::{QMatMul, QTensor};
use candle_core::{Module, Result, Tensor};

use super::numbers::Format;

/// A matrix `[rows, columns]` of weights that rows of numbers are multiplied with.
#[derive(Debug, Clone)]
pub enum Matrix {
    /// Floating-point numbers of the type the model computes with; gradients flow through it.
    Plain(Tensor),
    /// Few bits, multiplied by candle.
    Quantized(QMatMul),
}

impl Matrix {
    /// Holds a tensor `[rows, columns]` in `format`.
    pub fn from_tensor(tensor: &Tensor, format: Format) -> Result<Self> {
        match format.ggml() {
            None => Ok(Self::Plain(tensor.clone())),
            Some(ggml) => {
                let quantized = QTensor::quantize(tensor, ggml)?;
                QMatMul::from_arc(Arc::new(quantized)).map(Self::Quantized)
            }
        }
    }

    /// `x W^T`: `[..,columns]` to `[..,rows]`.
    pub fn multiply(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Plain(weight) => candle_nn::Linear::new(weight.clone(), None).forward(x),
            Self::Quantized(weight) => weight.forward(x),
        }
    }

    /// The rows with these numbers, `[ids, columns]`.
    pub fn rows(&self, ids: &Tensor) -> Result<Tensor> {
        match self {
            Self::Plain(weight) => weight.index_select(ids, 0),
            Self::Quantized(weight) => weight.embedding(ids),
        }
    }
}
