//! The decoder against candle-transformers' Phi-3: two programs, one set of random weights, the same logits.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::phi3;
use m3d_model::tensors::wanted_tensors;
use m3d_model::{KvCache, Lamed, LamedConfig, Precision, rule};
use serde_json::json;

const VOCABULARY: u32 = 321;

/// Both programs on the same weights.
struct Pair {
    ours: Lamed,
    theirs: phi3::Model,
}

impl Pair {
    /// `key_value_heads` of eight heads; `tied`: the output matrix is the embedding.
    fn new(key_value_heads: usize, tied: bool) -> Self {
        let config = json!({
            "model_type": "lamed_phi3",
            "hidden_size": 256, "intermediate_size": 384, "num_hidden_layers": 4,
            "num_attention_heads": 8, "num_key_value_heads": key_value_heads, "vocab_size": VOCABULARY,
            "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 1024,
            "hidden_act": "silu", "tie_word_embeddings": tied, "eos_token_id": 2, "seg_token_id": 320,
            // The image side is there because it must be.
            "image_size": [4, 16, 16], "patch_size": [2, 8, 8], "mm_hidden_size": 16,
            "vision_config": {"hidden_size": 16, "mlp_dim": 16, "num_layers": 1, "num_heads": 1},
            "seg_config": {
                "embed_dim": 16, "mlp_dim": 16, "num_layers": 1, "num_heads": 1,
                "decoder_mlp_dim": 16, "iou_head_hidden_dim": 16
            }
        });
        let of_theirs: phi3::Config = serde_json::from_value(config.clone()).unwrap();
        let config = LamedConfig::from_json(config.to_string().as_bytes()).unwrap();
        let precision = Precision::plain(DType::F32);
        let fused = |name: &str| name.contains("qkv_proj") || name.contains("gate_up_proj");
        let tensors: HashMap<String, Tensor> = wanted_tensors(&config, precision, fused)
            .unwrap()
            .into_iter()
            .map(|wanted| {
                let tensor = rule::tensor(&wanted.name, &wanted.shape, &Device::Cpu).unwrap();
                (wanted.name, tensor)
            })
            .collect();
        let weights = VarBuilder::from_tensors(tensors.clone(), DType::F32, &Device::Cpu);
        Self {
            ours: Lamed::from_tensors(&config, tensors, &Device::Cpu, precision).unwrap(),
            theirs: phi3::Model::new(&of_theirs, weights).unwrap(),
        }
    }

    /// The logits of the last of these tokens, which follow what is in the cache.
    fn ours(&self, ids: &[u32], cache: &mut KvCache) -> Vec<f32> {
        let states = self.ours.decode(&self.ours.embed(ids).unwrap(), cache);
        let last = states.unwrap().narrow(1, ids.len() - 1, 1).unwrap();
        let logits = self.ours.logits(&last).unwrap();
        logits.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// The same of the other program, after `past` tokens.
    fn theirs(&mut self, ids: &[u32], past: usize) -> Vec<f32> {
        let ids = Tensor::new(ids, &Device::Cpu).unwrap().unsqueeze(0);
        let logits = self.theirs.forward(&ids.unwrap(), past).unwrap();
        logits.flatten_all().unwrap().to_vec1().unwrap()
    }
}

fn ids(count: usize) -> Vec<u32> {
    let id = |n: usize| (rule::uniform("ids", n as u64) * VOCABULARY as f32) as u32;
    (0..count).map(id).collect()
}

/// Sums in another order, and angles of late positions that are rounded otherwise, are all that may differ.
fn assert_same(ours: &[f32], theirs: &[f32], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let largest = theirs.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let off = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
    let off = off.fold(0.0_f32, f32::max) / largest;
    println!("{what}: off by {off:.1e} of the largest logit, {largest:.2}");
    assert!(largest > 0.1 && off < 1e-4, "{what}: {off} of {largest}");
}

#[test]
fn logits_of_prompts_are_those_of_candle_transformers() {
    for (heads, tied) in [(8, false), (2, false), (1, true)] {
        let mut pair = Pair::new(heads, tied);
        for count in [1, 2, 7, 64, 263, 700] {
            let ids = ids(count);
            let ours = pair.ours(&ids, &mut pair.ours.new_cache());
            pair.theirs.clear_kv_cache();
            let theirs = pair.theirs(&ids, 0);
            assert_same(&ours, &theirs, &format!("{heads} heads, {count} tokens"));
        }
    }
}

#[test]
fn logits_behind_a_cache_are_those_of_candle_transformers() {
    for (heads, tied) in [(8, false), (2, true)] {
        let mut pair = Pair::new(heads, tied);
        let ids = ids(300);
        let mut cache = pair.ours.new_cache();
        let mut past = 0;
        // A prefix, single tokens behind it, and several at once.
        for count in [263, 1, 1, 1, 6, 1, 20, 1] {
            let next = &ids[past..past + count];
            let ours = pair.ours(next, &mut cache);
            let theirs = pair.theirs(next, past);
            past += count;
            assert_same(
                &ours,
                &theirs,
                &format!("{heads} heads, {count} up to {past}"),
            );
            // What was read in pieces is what is read at once.
            let whole = pair.ours(&ids[..past], &mut pair.ours.new_cache());
            assert_same(&whole, &theirs, &format!("{heads} heads, all {past}"));
        }
    }
}
