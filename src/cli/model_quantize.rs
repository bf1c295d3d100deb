//! `model quantize`: a model with its weights in fewer bits.

use std::path::PathBuf;

use anyhow::{Context, bail};
use candle_core::Device;
use clap::Args;
use serde::Serialize;

use super::ask::percent;
use super::output;
use m3d_assistant::hub::{self, local};
use m3d_model::Checkpoint;
use m3d_model::quantize::{quantize, quantized_bytes};
use m3d_model::{DTypeChoice, precision_of};

/// Arguments of `model quantize`.
#[derive(Args, Debug)]
pub struct QuantizeArguments {
    /// The model's folder or name.
    #[arg(value_name = "DIR")]
    model: String,
    /// The folder to write, new or empty.
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// The number type of the weights: q8_0, q4k, bf16 or f16.
    #[arg(long, value_name = "TYPE", value_parser = parse_choice)]
    dtype: DTypeChoice,
    /// The folder of a LoRA adapter that becomes part of the weights.
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

fn parse_choice(text: &str) -> Result<DTypeChoice, String> {
    match text.parse() {
        Ok(DTypeChoice::Auto | DTypeChoice::F32) | Err(_) => {
            Err("it is one of q8_0, q4k, bf16, f16".to_string())
        }
        Ok(choice) => Ok(choice),
    }
}

#[derive(Serialize)]
struct Report<'a> {
    folder: &'a str,
    dtype: &'a str,
    tensors: usize,
    bytes: u64,
    fingerprint: String,
}

pub(super) fn run(arguments: &QuantizeArguments) -> anyhow::Result<()> {
    let folder = local::resolve(&arguments.model)?;
    let out = &arguments.out;
    let place = local::place(folder, arguments.adapter.clone());
    let checkpoint = Checkpoint::open_at(&place)
        .with_context(|| format!("the model in {} cannot be used", place.folder))?;
    // As on the CPU, where matrices are held in the narrow type and all else in f32.
    let precision = precision_of(arguments.dtype, &Device::Cpu);
    let needed = quantized_bytes(&checkpoint, precision)?;
    if let Some(free) = hub::free_bytes(out).filter(|free| *free < needed) {
        bail!(
            "the quantized model needs {} and {} are free there; choose another folder for {}",
            hub::size_text(needed),
            hub::size_text(free),
            out.display()
        );
    }
    let made = quantize(
        &checkpoint,
        out,
        precision,
        &percent("writing the model"),
        &|| false,
    )?;
    let Ok(written) = Checkpoint::open(out) else {
        bail!(
            "what was written to {} cannot be read back; delete it and try again",
            out.display()
        );
    };
    if arguments.json {
        let report = Report {
            folder: &out.to_string_lossy(),
            dtype: arguments.dtype.name(),
            tensors: made.tensors,
            bytes: made.bytes,
            fingerprint: written.fingerprint(),
        };
        let document = serde_json::to_string_pretty(&report)?;
        output::print(&format!("{document}\n"))?;
    } else {
        output::note(&format!(
            "{} tensors, {:.2} GB written to {}",
            made.tensors,
            made.bytes as f64 / 1e9,
            out.display()
        ));
    }
    Ok(())
}
