//! Low-rank adapters (Hu et al. 2021): a matrix W stays as it is and W + alpha/r B A is used.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Result, Tensor, Var};
use serde_json::json;

use super::TrainingError;
use super::files::write_whole;
use super::initial::normal;

/// What the names in an adapter's file begin with, as the PEFT library writes them.
const PREFIX: &str = "base_model.model.";

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

/// Writes `adapter_config.json` and `adapter_model.safetensors` as the PEFT library does.
pub(super) fn save_adapters<'a>(
    folder: &Path,
    adapters: impl Iterator<Item = (&'a String, &'a Adapter)>,
    settings: &AdapterSettings,
) -> std::result::Result<(), TrainingError> {
    let mut tensors = HashMap::new();
    for (module, adapter) in adapters {
        for (name, var) in adapter.vars(module) {
            tensors.insert(name, var.as_detached_tensor());
        }
    }
    candle_core::safetensors::save(&tensors, folder.join("adapter_model.safetensors"))?;
    let config = json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": settings.base,
        "r": settings.rank,
        "lora_alpha": settings.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "modules_to_save": null,
        "target_modules": settings.targets,
    });
    write_whole(
        &folder.join("adapter_config.json"),
        format!("{config:#}\n").as_bytes(),
    )
}

/// What an adapter's file says about itself.
#[derive(Debug)]
pub(super) struct AdapterSettings<'a> {
    pub base: &'a str,
    pub rank: usize,
    pub alpha: f64,
    pub targets: &'a [String],
}
