//! A linear layer over any kind of matrix.

use candle_core::{Result, Tensor};

use super::matrix::Matrix;
use super::ops::add_bias;

/// `x W^T + b`.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Matrix,
    bias: Option<Tensor>,
}

impl Linear {
    /// A matrix `[out,in]` and a bias `[out]`.
    pub const fn new(weight: Matrix, bias: Option<Tensor>) -> Self {
        Self { weight, bias }
    }

    /// `[..,in]` to `[..,out]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.weight.multiply(x)?;
        match &self.bias {
            Some(bias) => add_bias(y, bias),
            None => Ok(y),
        }
    }
}
