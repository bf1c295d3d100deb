//! A small random model with widths that blocks of 256 and of 32 fit, and such that neither does.

#![allow(dead_code)]

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use m3d_model::tensors::wanted_tensors;
use m3d_model::{Lamed, LamedConfig, Precision, rule};
use serde_json::json;

/// How the decoder's projections are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// As Phi-3's.
    Fused,
    /// As Llama's.
    Separate,
}

pub fn config(naming: Naming) -> serde_json::Value {
    json!({
        "model_type": if naming == Naming::Fused { "lamed_phi3" } else { "lamed_llama" },
        "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 300,
        "rms_norm_eps": 1e-5, "max_position_embeddings": 128, "hidden_act": "silu",
        "eos_token_id": 2, "seg_token_id": 299,
        "image_size": [8, 32, 32], "patch_size": [2, 8, 8], "mm_hidden_size": 96,
        "vision_config": {"hidden_size": 96, "mlp_dim": 192, "num_layers": 1, "num_heads": 4},
        "seg_config": {
            "embed_dim": 80, "mlp_dim": 160, "num_layers": 1, "num_heads": 4,
            "decoder_mlp_dim": 96, "iou_head_hidden_dim": 64
        }
    })
}

/// How much of the rule's matrices the decoder's layers keep. At the rule's own strength the layers outweigh what they
/// add to, and any change of the weights comes out several times larger.
const LAYERS: f64 = 0.3;

/// All tensors of the model, by the rule.
pub fn tensors(naming: Naming) -> HashMap<String, Tensor> {
    let config = LamedConfig::from_json(config(naming).to_string().as_bytes()).unwrap();
    let fused = |name: &str| name.contains("qkv_proj") || name.contains("gate_up_proj");
    let separate = |name: &str| !fused(name);
    let wanted = match naming {
        Naming::Fused => wanted_tensors(&config, Precision::plain(DType::F32), fused),
        Naming::Separate => wanted_tensors(&config, Precision::plain(DType::F32), separate),
    };
    let tensor = |name: &str, shape: &[usize]| rule::tensor(name, shape, &Device::Cpu).unwrap();
    wanted
        .unwrap()
        .into_iter()
        .map(|wanted| {
            let mut tensor = tensor(&wanted.name, &wanted.shape);
            if wanted.name.contains("model.layers.") && wanted.name.contains("_proj") {
                tensor = (tensor * LAYERS).unwrap();
            }
            (wanted.name, tensor)
        })
        .collect()
}

/// Writes the model, with further tensors that the network does not need.
pub fn write_model(folder: &Path, naming: Naming, unused: &[&str]) {
    let mut tensors = tensors(naming);
    for name in unused {
        let tensor = rule::tensor(name, &[3, 5], &Device::Cpu).unwrap();
        tensors.insert((*name).to_string(), tensor);
    }
    write_tensors(folder, naming, &tensors);
}

/// Writes a model of these tensors.
pub fn write_tensors(folder: &Path, naming: Naming, tensors: &HashMap<String, Tensor>) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("config.json"), config(naming).to_string()).unwrap();
    std::fs::write(
        folder.join("generation_config.json"),
        r#"{"eos_token_id": [7, 8]}"#,
    )
    .unwrap();
    candle_core::safetensors::save(tensors, folder.join("model.safetensors")).unwrap();
}

/// Scores after a few tokens.
pub fn logits(model: &Lamed) -> Vec<f32> {
    let embeds = model.embed(&[1, 5, 9, 298, 40]).unwrap();
    let hidden = model.decode(&embeds, &mut model.new_cache()).unwrap();
    let logits = model.logits(&hidden).unwrap();
    logits.flatten_all().unwrap().to_vec1().unwrap()
}

/// The norm of the difference over the norm of what is expected.
pub fn relative_error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let norm = |it: &mut dyn Iterator<Item = f32>| it.map(|x| x * x).sum::<f32>().sqrt();
    norm(&mut found.iter().zip(expected).map(|(a, b)| a - b)) / norm(&mut expected.iter().copied())
}
