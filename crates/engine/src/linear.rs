//! A linear layer over any kind of matrix.

use candle_core::{Result, Tensor};

use super::matrix::Matrix;
use super::ops::{add_bias, linear_with_gradient};

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

    /// Weight and bias, where they are held in the type that is trained.
    pub fn parts(&self) -> Option<(&Tensor, Option<&Tensor>)> {
        match &self.weight {
            Matrix::Plain(weight) => Some((weight, self.bias.as_ref())),
            _ => None,
        }
    }

    /// `[..,in]` to `[..,out]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if let Matrix::Plain(weight) = &self.weight
            && let Some(y) = linear_with_gradient(x, weight, self.bias.as_ref())?
        {
            return Ok(y);
        }
        let y = self.weight.multiply(x)?;
        match &self.bias {
            Some(bias) => add_bias(y, bias),
            None => Ok(y),
        }
    }
}
