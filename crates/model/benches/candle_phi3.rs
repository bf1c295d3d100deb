//! candle-transformers' Phi-3 with the published model's sizes: what ours is compared with beside other programs.
//!
//!     cargo bench -p m3d-model --bench candle_phi3 -- [--dtype f32|f16] [--layers 8] [--repeat 3]
//!
//! The weights are those of the bench `engine`, made by the same rule. f32 weights of 32 layers are 15 GB: `--layers` are
//! built and their time is scaled to 32, for they are alike and each has memory of its own. One JSON document goes to
//! standard output. (bf16 is not there: candle multiplies no matrices of it on the CPU.)

use std::time::Instant;

use anyhow::Context;
use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use candle_transformers::models::phi3;
use m3d_model::full_size::full_size_config;
use m3d_model::rule;
use serde_json::json;

/// Layers of the published model.
const LAYERS: usize = 32;
/// As in the bench `engine`: what is prefilled, and the tokens generated behind it.
const PREFILL: u32 = 263;
const TOKENS: usize = 16;

/// The rule's weights, made as they are asked for.
struct Rule;

impl SimpleBackend for Rule {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        rule::tensor(name, shape.dims(), device)?.to_dtype(dtype)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        candle_core::bail!("{name} was asked for without its shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}

/// The best seconds of a prefill and of a token behind it.
fn measure(layers: usize, dtype: DType, repeat: usize) -> anyhow::Result<(f64, f64)> {
    let config: phi3::Config = serde_json::from_value(full_size_config(layers))?;
    let weights = VarBuilder::from_backend(Box::new(Rule), dtype, Device::Cpu);
    let mut model = phi3::Model::new(&config, weights)?;
    let prompt: Vec<u32> = (0..PREFILL).map(|i| 100 + 7 * i).collect();
    let mut next = |ids: &[u32], past: usize| -> candle_core::Result<u32> {
        if past == 0 {
            model.clear_kv_cache();
        }
        let ids = Tensor::new(ids, &Device::Cpu)?.unsqueeze(0)?;
        model
            .forward(&ids, past)?
            .flatten_all()?
            .argmax(0)?
            .to_scalar()
    };
    let (mut prefill, mut token) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..repeat.max(1) {
        let start = Instant::now();
        let mut id = next(&prompt, 0)?;
        prefill = prefill.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        for n in 0..TOKENS {
            id = next(&[id], prompt.len() + n)?;
        }
        token = token.min(start.elapsed().as_secs_f64() / TOKENS as f64);
    }
    Ok((prefill, token))
}

fn main() -> anyhow::Result<()> {
    let (mut dtype, mut layers, mut repeat) = (DType::F32, 8_usize, 3);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || {
            let value = arguments.next();
            value.with_context(|| format!("{argument} needs a value"))
        };
        match argument.as_str() {
            "--dtype" => {
                dtype = match value()?.as_str() {
                    "f32" => DType::F32,
                    "f16" => DType::F16,
                    other => anyhow::bail!("{other} is neither f32 nor f16"),
                }
            }
            "--layers" => layers = value()?.parse::<usize>()?.max(1),
            "--repeat" => repeat = value()?.parse()?,
            // What cargo adds.
            "--bench" => {}
            other => anyhow::bail!("unknown argument {other}"),
        }
    }
    // What is not layers: the embedding, the last norm and the output matrix.
    let (head, head_token) = measure(0, dtype, repeat)?;
    let (prefill, token) = measure(layers, dtype, repeat)?;
    let scale = LAYERS as f64 / layers as f64;
    let whole = |all: f64, head: f64| head + (all - head) * scale;
    let document = json!({
        "threads": rayon::current_num_threads(),
        "dtype": dtype.as_str(),
        "decoder_layers_built": layers,
        "stages": {
            "prefill_s": whole(prefill, head),
            "decode_tokens_per_s": whole(token, head_token).recip(),
        },
    });
    println!("{document}");
    Ok(())
}
