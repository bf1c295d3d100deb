//! A random checkpoint with the sizes of the published model, to try out speed and memory.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::DType;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

use super::demo::copy_tokenizer;
use super::file_names::{CONFIG, WEIGHTS_INDEX};
use super::tensors::{WantedTensor, wanted_tensors};
use super::{LamedConfig, ModelError, Precision, rule};

/// Bytes of weights after which the next shard is begun.
const SHARD_BYTES: u64 = 1 << 30;

/// The configuration of `M3D-LaMed-Phi-3-4B` with so many decoder layers; the published one has 32.
pub fn full_size_config(layers: usize) -> serde_json::Value {
    json!({
        "model_type": "lamed_phi3",
        "untrained": true,
        "hidden_size": 3072,
        "intermediate_size": 8192,
        "num_hidden_layers": layers,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "vocab_size": 32015,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "max_position_embeddings": 4096,
        "sliding_window": 2047,
        "hidden_act": "silu",
        "bos_token_id": 1,
        "eos_token_id": 32000,
        "seg_token_id": 32014
    })
}

/// Writes the checkpoint in f32 by the [`rule`], shard after shard: 16.2 GB for 32 layers, one of memory.
///
/// # Errors
/// When the folder cannot be written or the tokenizer's files are not there.
pub fn write_full_size_checkpoint(
    folder: &Path,
    tokenizer_files: &Path,
    layers: usize,
) -> Result<(), ModelError> {
    std::fs::create_dir_all(folder).map_err(|e| ModelError::io(folder, e))?;
    copy_tokenizer(tokenizer_files, folder)?;
    let json = full_size_config(layers);
    let config = LamedConfig::from_json(json.to_string().as_bytes()).map_err(ModelError::Config)?;
    write_text(&folder.join(CONFIG), &json)?;
    // Without a name to go by, the decoder's projections are asked for fused.
    let wanted = wanted_tensors(&config, Precision::plain(DType::F32), |_| false)?;
    let mut shards = Vec::new();
    let mut shard: Vec<WantedTensor> = Vec::new();
    for tensor in wanted {
        shard.push(tensor);
        if shard.iter().map(WantedTensor::bytes).sum::<u64>() > SHARD_BYTES {
            shards.push(std::mem::take(&mut shard));
        }
    }
    shards.push(shard);
    let count = shards.len();
    let mut index = BTreeMap::new();
    for (n, shard) in shards.into_iter().enumerate() {
        let name = format!("model-{:05}-of-{count:05}.safetensors", n + 1);
        write_shard(&folder.join(&name), &shard)?;
        index.extend(shard.into_iter().map(|tensor| (tensor.name, name.clone())));
    }
    let path = folder.join(WEIGHTS_INDEX);
    write_text(&path, &json!({ "weight_map": index }))
}

fn write_text(path: &Path, json: &serde_json::Value) -> Result<(), ModelError> {
    std::fs::write(path, format!("{json:#}\n")).map_err(|e| ModelError::io(path, e))
}

fn write_shard(path: &Path, shard: &[WantedTensor]) -> Result<(), ModelError> {
    let failed = |e: safetensors::SafeTensorError| ModelError::Weights {
        path: path.to_path_buf(),
        message: e.to_string(),
    };
    let values: Vec<Vec<f32>> = shard
        .iter()
        .map(|tensor| rule::values(&tensor.name, &tensor.shape))
        .collect();
    let mut views = HashMap::new();
    for (tensor, values) in shard.iter().zip(&values) {
        let bytes = bytemuck::cast_slice(values);
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes).map_err(failed)?;
        views.insert(tensor.name.as_str(), view);
    }
    safetensors::serialize_to_file(views, None, path).map_err(failed)
}
