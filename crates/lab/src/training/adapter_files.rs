//! The adapter that a training leaves beside its model, in the PEFT library's form: with it the base is the trained model.
//!
//! Matrices of the decoder that were adapted are saved as pairs. Whatever else has been learnt, in the same stage or in
//! another, is saved whole (`modules_to_save`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde_json::{Map, Value, json};

use super::config::LoraConfig;
use super::files::write_whole;
use super::lora::{Adapter, PREFIX};
use super::state::save_tensors;
use super::step::OWN;
use super::{TrainingError, Variables};
use m3d_model::Checkpoint;
use m3d_model::file_names::{ADAPTER_CONFIG, ADAPTER_WEIGHTS};
use m3d_model::source::WeightSource;

/// Where the decoder's layers are; every other module is saved whole where any of it was learnt.
pub(super) const LAYERS: &str = "model.layers.";
/// A merged matrix may differ by this, relative to its largest value, from what its pair makes of the base's.
const SAME: f32 = 1e-6;

/// `alpha/rank B A`, the part that is added to a matrix.
pub(super) struct Pair {
    /// A `[rank, in]` and B `[out, rank]`, with their names in the file.
    tensors: [(String, Tensor); 2],
    rank: usize,
    alpha: f64,
}

/// Pairs by the names of their matrices, without `.weight`.
pub(super) type Pairs = BTreeMap<String, Pair>;

impl Pair {
    /// What an adapter has learnt.
    pub fn of(module: &str, adapter: &Adapter, lora: &LoraConfig) -> Self {
        Self {
            tensors: (adapter.vars(module)).map(|(name, var)| (name, var.as_detached_tensor())),
            rank: lora.rank,
            alpha: lora.alpha,
        }
    }

    fn applied_to(&self, weight: &Tensor) -> candle_core::Result<Tensor> {
        let [(_, a), (_, b)] = &self.tensors;
        weight + (b.matmul(a)? * (self.alpha / self.rank.max(1) as f64))?
    }
}

/// The pairs that an earlier stage has left in a folder; none where there are none.
pub(super) fn read_pairs(folder: &Path, device: &Device) -> Result<Pairs, TrainingError> {
    let (settings, weights) = (folder.join(ADAPTER_CONFIG), folder.join(ADAPTER_WEIGHTS));
    if !settings.exists() || !weights.exists() {
        return Ok(Pairs::new());
    }
    let text = std::fs::read(&settings).map_err(|e| TrainingError::io(&settings, e))?;
    let settings: Value = serde_json::from_slice(&text)
        .map_err(|e| TrainingError::state(&settings, format!("{e}; remove the folder")))?;
    let mut tensors = candle_core::safetensors::load(&weights, device)?;
    let modules: Vec<String> = tensors
        .keys()
        .filter_map(|name| {
            let module = name.strip_prefix(PREFIX)?.strip_suffix(".lora_A.weight")?;
            Some(module.to_owned())
        })
        .collect();
    let mut pairs = Pairs::new();
    for module in modules {
        let names = ["A", "B"].map(|part| format!("{PREFIX}{module}.lora_{part}.weight"));
        let found = names.map(|name| Some((tensors.remove(&name)?, name)));
        let [Some((a, name_of_a)), Some((b, name_of_b))] = found else {
            continue;
        };
        let pattern = |of_all: &str, own: &str| {
            let own = settings.get(own).and_then(|patterns| patterns.get(&module));
            own.or_else(|| settings.get(of_all)).and_then(Value::as_f64)
        };
        let pair = Pair {
            rank: a.dim(0)?,
            alpha: pattern("lora_alpha", "alpha_pattern").unwrap_or_default(),
            tensors: [(name_of_a, a), (name_of_b, b)],
        };
        pairs.insert(module, pair);
    }
    Ok(pairs)
}

/// Writes the adapter that makes `base` what `variables` are, adapters merged; of the pairs those that still do so.
pub(super) fn save_adapter(
    folder: &Path,
    base: &Checkpoint,
    variables: &Variables,
    pairs: &Pairs,
    dtype: DType,
) -> Result<(), TrainingError> {
    let silent = |_| {};
    let source = base.source(&Device::Cpu, &silent);
    let now = variables.tensors();
    let own = |name: &&String| !name.starts_with(OWN);
    let (mut kept, mut learnt) = (BTreeSet::new(), BTreeSet::new());
    for (name, tensor) in now.iter().filter(|(name, _)| own(name)) {
        let module = name.strip_suffix(".weight").unwrap_or(name);
        let before = source.tensor(name, tensor.dims(), DType::F32)?;
        let before = before.to_device(tensor.device())?;
        if largest(&(tensor - &before)?)? == 0.0 {
            continue;
        }
        let by_pair = match pairs.get(module) {
            Some(pair) => {
                let off = largest(&(tensor - pair.applied_to(&before)?)?)?;
                off <= SAME * largest(tensor)?
            }
            None => false,
        };
        if by_pair {
            kept.insert(module);
        } else {
            learnt.insert(module_of(name));
        }
    }
    let mut tensors = HashMap::new();
    for module in &kept {
        for (name, tensor) in pairs.get(*module).iter().flat_map(|pair| &pair.tensors) {
            tensors.insert(name.clone(), tensor.clone());
        }
    }
    for (name, tensor) in now.iter().filter(|(name, _)| own(name)) {
        if learnt.contains(&module_of(name)) {
            tensors.insert(format!("{PREFIX}{name}"), tensor.to_dtype(dtype)?);
        }
    }
    std::fs::create_dir_all(folder).map_err(|e| TrainingError::io(folder, e))?;
    save_tensors(&tensors, &folder.join(ADAPTER_WEIGHTS))?;
    let kept = pairs
        .iter()
        .filter(|(module, _)| kept.contains(module.as_str()));
    let settings = settings(base, &kept.collect(), &learnt);
    let text = format!("{settings:#}\n");
    write_whole(&folder.join(ADAPTER_CONFIG), text.as_bytes())
}

/// The module that a tensor is saved with: a matrix of the decoder by itself, everything else by the part of the model
/// that it belongs to.
fn module_of(name: &str) -> String {
    let rest = name.strip_prefix("model.").unwrap_or(name);
    let whole = || name.rsplit_once('.').map_or(name, |(module, _)| module);
    match rest.split_once('.') {
        _ if name.starts_with(LAYERS) => whole().to_owned(),
        // `norm` alone would name many others.
        Some(("norm", _)) => "model.norm".to_owned(),
        Some((module, _)) => module.to_owned(),
        None => name.to_owned(),
    }
}

fn settings(
    base: &Checkpoint,
    pairs: &BTreeMap<&String, &Pair>,
    learnt: &BTreeSet<String>,
) -> Value {
    let last = |module: &&String| module.rsplit('.').next().unwrap_or(module).to_owned();
    let targets: BTreeSet<String> = pairs.keys().map(last).collect();
    let first = pairs.values().next();
    let (rank, alpha) = first.map_or((1, 1.0), |pair| (pair.rank, pair.alpha));
    let (mut ranks, mut alphas) = (Map::new(), Map::new());
    for (module, pair) in pairs {
        if pair.rank != rank {
            ranks.insert((*module).clone(), json!(pair.rank));
        }
        if pair.alpha != alpha {
            alphas.insert((*module).clone(), json!(pair.alpha));
        }
    }
    json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base.folder.to_string(),
        "r": rank,
        "lora_alpha": alpha,
        "rank_pattern": ranks,
        "alpha_pattern": alphas,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "modules_to_save": if learnt.is_empty() { Value::Null } else { json!(learnt) },
        "target_modules": targets,
    })
}

/// The largest absolute value.
fn largest(tensor: &Tensor) -> candle_core::Result<f32> {
    tensor.abs()?.max_all()?.to_scalar()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_model_are_saved_whole_and_matrices_alone() {
        for (name, module) in [
            ("lm_head.weight", "lm_head"),
            ("model.embed_tokens.weight", "embed_tokens"),
            ("model.norm.weight", "model.norm"),
            ("model.vision_tower.vision_tower.cls_token", "vision_tower"),
            ("model.mm_projector.projector.0.bias", "mm_projector"),
            (
                "model.layers.3.mlp.down_proj.weight",
                "model.layers.3.mlp.down_proj",
            ),
        ] {
            assert_eq!(module_of(name), module);
        }
    }
}
