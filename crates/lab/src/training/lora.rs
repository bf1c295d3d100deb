//! Low-rank adapters (Hu et al. 2021): a matrix W stays as it is and W + alpha/r B A is used.

use candle_core::{Device, Result, Tensor, Var};

use super::initial::normal;

/// What the names in an adapter's file begin with, as the PEFT library writes them.
pub(super) const PREFIX: &str = "base_model.model.";

/// What is added to one matrix.
#[derive(Debug)]
pub struct Adapter {
    /// `[rank, in]`.
    down: Var,
    /// `[out, rank]`.
    up: Var,
    scale: f64,
}

impl Adapter {
    /// An adapter that adds nothing yet to a matrix `[out, in]`: A is random, B is zero.
    pub(super) fn new(
        module: &str,
        [out, width]: [usize; 2],
        rank: usize,
        alpha: f64,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let deviation = (1.0 / rank.max(1) as f64).sqrt() as f32;
        let values = (0..rank * width)
            .map(|i| deviation * normal(&format!("{seed}/{module}.lora_A"), i as u64))
            .collect::<Vec<f32>>();
        Ok(Self {
            down: Var::from_tensor(&Tensor::from_vec(values, (rank, width), device)?)?,
            up: Var::zeros((out, rank), candle_core::DType::F32, device)?,
            scale: alpha / rank.max(1) as f64,
        })
    }

    /// `W + alpha/r B A`.
    pub(super) fn applied_to(&self, weight: &Tensor) -> Result<Tensor> {
        weight + (self.up.matmul(self.down.as_tensor())? * self.scale)?
    }

    /// Its two matrices under the names that the PEFT library gives them.
    pub(super) fn vars(&self, module: &str) -> [(String, &Var); 2] {
        [
            (format!("{PREFIX}{module}.lora_A.weight"), &self.down),
            (format!("{PREFIX}{module}.lora_B.weight"), &self.up),
        ]
    }
}
