//! The published model's sizes, with random weights, stage by stage: seconds, tokens per second and peak memory.
//!
//!     cargo bench -p m3d-model --bench engine -- [--dtype q4k,q8_0] [--layers 32] [--device cpu] [--repeat 3] [--json] [--compare-keys]
//!
//! The weights come from the rule of `m3d_model::rule`, so nothing is downloaded. Of every stage the best of
//! `--repeat` runs is told. With `--json` one document goes to standard output, else a table. `--compare-keys` decodes in
//! turn with keys and values in f32, where they are in f16.

use std::time::Instant;

use anyhow::Context;
use candle_core::{DType, Device, IndexOp, Tensor};
use m3d_engine::compute_on_this_thread;
use m3d_model::full_size::full_size_config;
use m3d_model::rule::{self, RuleSource};
use m3d_model::tensors::{WantedTensor, wanted_tensors};
use m3d_model::{DTypeChoice, DeviceChoice, precision_of};
use m3d_model::{KvCache, Lamed, LamedConfig};
use serde_json::{Value, json};

/// Tokens of the further question: as many as stand behind the image in the prefill.
const QUESTION: usize = 6;
/// `<s>`, 256 image tokens and a short question: what the comparison with other programs prefills.
const PREFILL: usize = 263;
/// Tokens generated to tell the speed of decoding.
const TOKENS: usize = 16;

struct Options {
    dtypes: Vec<DTypeChoice>,
    device: Device,
    layers: usize,
    repeat: usize,
    json: bool,
    compare_keys: bool,
}

fn options() -> anyhow::Result<Options> {
    let mut options = Options {
        dtypes: vec![DTypeChoice::Q4k, DTypeChoice::Q8_0],
        device: Device::Cpu,
        layers: 32,
        repeat: 3,
        json: false,
        compare_keys: false,
    };
    // As the script for GPUs says it.
    let variable = |name| std::env::var(name).ok();
    if let Some(word) = variable("M3D_DEVICE") {
        options.device = word.parse::<DeviceChoice>()?.open()?;
    }
    if let Some(word) = variable("M3D_DTYPE") {
        options.dtypes = vec![word.parse()?];
    }
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || {
            let value = arguments.next();
            value.with_context(|| format!("{argument} needs a value"))
        };
        match argument.as_str() {
            "--json" => options.json = true,
            "--compare-keys" => options.compare_keys = true,
            "--dtype" => {
                let list = value()?;
                let parsed = list.split(',').map(str::parse);
                options.dtypes = parsed.collect::<Result<_, _>>()?;
            }
            "--device" => options.device = value()?.parse::<DeviceChoice>()?.open()?,
            "--layers" => options.layers = value()?.parse()?,
            "--repeat" => options.repeat = value()?.parse()?,
            // What cargo adds.
            "--bench" => {}
            other => anyhow::bail!("unknown argument {other}"),
        }
    }
    Ok(options)
}

/// `M3D-LaMed-Phi-3-4B` with another number of decoder layers.
fn config(layers: usize) -> anyhow::Result<LamedConfig> {
    let config = full_size_config(layers);
    LamedConfig::from_json(config.to_string().as_bytes()).map_err(anyhow::Error::msg)
}

/// The best of several runs, in seconds, with the last result.
fn best<T>(repeat: usize, mut work: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<(f64, T)> {
    let mut least = f64::INFINITY;
    let mut last = None;
    for _ in 0..repeat.max(1) {
        let start = Instant::now();
        let result = work()?;
        least = least.min(start.elapsed().as_secs_f64());
        last = Some(result);
    }
    Ok((least, last.context("nothing was run")?))
}

/// Picks the likeliest token: brings the scores home, as sampling does.
fn pick(lamed: &Lamed, state: &Tensor) -> anyhow::Result<u32> {
    let n = state.dim(1)?;
    let scores = lamed.logits(&state.narrow(1, n - 1, 1)?)?;
    Ok(scores.i(0)?.argmax(0)?.to_scalar()?)
}

/// Seconds per token after a cache's positions, and the states of the tokens.
fn decode(lamed: &Lamed, cache: &mut KvCache, mut id: u32) -> anyhow::Result<(f64, Vec<Tensor>)> {
    let mut states = Vec::new();
    let start = Instant::now();
    for _ in 0..TOKENS {
        let state = lamed.decode(&lamed.embed(&[id])?, cache)?;
        id = pick(lamed, &state)?;
        states.push(state);
    }
    Ok((start.elapsed().as_secs_f64() / TOKENS as f64, states))
}

fn measure(options: &Options, dtype: DTypeChoice) -> anyhow::Result<Value> {
    let config = config(options.layers)?;
    let source = RuleSource {
        device: options.device.clone(),
        present: |name: &str| name.contains("qkv_proj") || name.contains("gate_up_proj"),
    };
    let start = Instant::now();
    let precision = precision_of(dtype, &options.device);
    let lamed = Lamed::new(&config, &source, precision)?;
    let load = start.elapsed().as_secs_f64();
    let image = rule::image(config.image_size, &options.device)?;
    let repeat = options.repeat;

    let (vit, tokens) = best(repeat, || {
        let tokens = lamed.encode_image(&image)?;
        options.device.synchronize()?;
        Ok(tokens)
    })?;
    let (segmentation, features) = best(repeat, || {
        let features = lamed.encode_segmentation(&image)?;
        options.device.synchronize()?;
        Ok(features)
    })?;
    let ids: Vec<u32> = (0..PREFILL as u32).map(|i| 100 + 7 * i).collect();
    let prompt = Tensor::cat(
        &[
            &lamed.embed(&[1])?,
            &tokens.to_dtype(lamed.embed(&[1])?.dtype())?,
            &lamed.embed(&ids[..PREFILL - 1 - tokens.dim(1)?])?,
        ],
        1,
    )?;
    let read = |mut cache: KvCache| {
        let state = lamed.decode(&prompt, &mut cache)?;
        let id = pick(&lamed, &state)?;
        Ok((cache, id))
    };
    let (prefill, (mut cache, id)) = best(repeat, || read(lamed.new_cache()))?;
    let mut wide_cache = match precision.memory() {
        DType::F16 if options.compare_keys => Some(read(lamed.new_cache_in(DType::F32))?.0),
        _ => None,
    };
    let (mut seconds, mut wide_seconds, mut states) = (f64::INFINITY, f64::INFINITY, Vec::new());
    for _ in 0..repeat.max(1) {
        cache.truncate(PREFILL);
        let (took, tokens) = decode(&lamed, &mut cache, id)?;
        (seconds, states) = (seconds.min(took), tokens);
        // In turn, so that other programs slow both alike.
        if let Some(cache) = &mut wide_cache {
            cache.truncate(PREFILL);
            wide_seconds = wide_seconds.min(decode(&lamed, cache, id)?.0);
        }
    }
    // A further question about the same image: its own tokens up to the first of the answer.
    let (follow_up, _) = best(repeat, || {
        cache.truncate(1 + tokens.dim(1)?);
        let state = lamed.decode(&lamed.embed(&ids[..QUESTION])?, &mut cache)?;
        pick(&lamed, &state)
    })?;
    let prompt = lamed.segmentation_prompt(&states[..1])?;
    let (mask, _) = best(repeat, || {
        let logits = lamed.decode_mask(&features, &prompt)?;
        Ok(logits.flatten_all()?.to_vec1::<f32>()?)
    })?;
    let wanted = wanted_tensors(&config, precision, |name| (source.present)(name))?;
    let is_read = |name: &str| name.starts_with("model.layers.") || name == "lm_head.weight";
    let read = wanted.iter().filter(|tensor| is_read(&tensor.name));
    Ok(json!({
        "load_s": load,
        "weight_bytes_per_token": read.map(WantedTensor::bytes).sum::<u64>(),
        "vit_s": vit,
        "segmentation_encoder_s": segmentation,
        "prefill_s": prefill,
        "decode_tokens_per_s": seconds.recip(),
        "decode_tokens_per_s_f32_keys": wide_cache.map(|_| wide_seconds.recip()),
        "mask_decoder_s": mask,
        "first_question_s": vit + prefill,
        "follow_up_first_token_s": follow_up,
        "peak_rss_gb": peak_rss_gb(),
    }))
}

/// The most memory this process has held so far, where the system tells.
fn peak_rss_gb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024.0 / 1e9)
}

fn main() -> anyhow::Result<()> {
    let options = options()?;
    compute_on_this_thread();
    let mut by_dtype = serde_json::Map::new();
    for &dtype in &options.dtypes {
        let stages = measure(&options, dtype).with_context(|| dtype.to_string())?;
        if !options.json {
            println!("{dtype}, {} decoder layers", options.layers);
            for (stage, value) in stages.as_object().into_iter().flatten() {
                println!("  {stage:26} {:.3}", value.as_f64().unwrap_or(f64::NAN));
            }
        }
        by_dtype.insert(dtype.to_string(), stages);
    }
    if options.json {
        let threads = rayon::current_num_threads();
        let document = json!({
            "threads": threads, "layers": options.layers, "stages": by_dtype,
        });
        println!("{document}");
    }
    Ok(())
}
