//! `model quantize` as scripts use it.

use std::path::Path;
use std::process::Command;

use candle_core::{Device, Tensor};
use m3d_engine::WeightFormat;
use m3d_model::{Checkpoint, rule};
use serde_json::json;

use crate::small_model::{Naming, write_model};

#[test]
fn the_command_quantizes_and_refuses() {
    let whole = tempfile::tempdir().unwrap();
    write_model(whole.path(), Naming::Fused, &["an.unused.weight"]);
    let folder = tempfile::tempdir().unwrap();
    let run = |out: &Path, dtype: &str| {
        Command::new(env!("CARGO_BIN_EXE_m3d-viewer"))
            .args(["model", "quantize"])
            .args([whole.path(), out])
            .args(["--dtype", dtype, "--json"])
            .output()
            .unwrap()
    };
    let out = folder.path().join("out");
    let output = run(&out, "q8_0");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let checkpoint = Checkpoint::open(&out).unwrap();
    assert_eq!(told["fingerprint"], checkpoint.fingerprint());
    assert_eq!(told["tensors"], checkpoint.used().len());
    assert_eq!(checkpoint.packed_as(), Some(WeightFormat::Q8_0));
    assert_eq!(Checkpoint::open(whole.path()).unwrap().packed_as(), None);

    let output = run(&out, "q4k");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("not empty"), "{text}");
    assert_eq!(run(&out, "f32").status.code(), Some(2));
}

/// An adapter of one pair for a module of the small model, which it knows by its name only.
fn write_adapter(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let tensor = |rest: &str, shape: &[usize]| -> (String, Tensor) {
        let name = format!("base_model.model.model.layers.0.self_attn.qkv_proj.{rest}.weight");
        let tensor = (rule::tensor(&name, shape, &Device::Cpu).unwrap() * 0.1).unwrap();
        (name, tensor)
    };
    let pair = [tensor("lora_A", &[4, 256]), tensor("lora_B", &[512, 4])];
    let weights = folder.join("adapter_model.safetensors");
    candle_core::safetensors::save(&pair.into(), weights).unwrap();
    let config = json!({
        "peft_type": "LORA", "r": 4, "lora_alpha": 12.0, "bias": "none",
        "base_model_name_or_path": "someone/base", "fan_in_fan_out": false,
    });
    std::fs::write(folder.join("adapter_config.json"), config.to_string()).unwrap();
}

#[test]
fn an_adapter_that_finds_its_model_among_those_of_this_machine_is_quantized() {
    let root = tempfile::tempdir().unwrap();
    let (adapter, models) = (root.path().join("adapter"), root.path().join("models"));
    write_adapter(&adapter);
    write_model(&models.join("someone--base"), Naming::Fused, &[]);
    let out = root.path().join("out");
    let quantize = |models: &Path| {
        Command::new(env!("CARGO_BIN_EXE_m3d-viewer"))
            .args(["model", "quantize", "--dtype", "q8_0"])
            .args([adapter.clone(), out.clone()])
            .env("M3D_MODELS", models)
            .output()
            .unwrap()
    };
    let lost = quantize(&root.path().join("none"));
    let told = String::from_utf8_lossy(&lost.stderr);
    assert!(
        !lost.status.success() && told.contains("someone/base"),
        "{told}"
    );
    let made = quantize(&models);
    let told = String::from_utf8_lossy(&made.stderr);
    assert!(
        made.status.success() && Checkpoint::open(&out).is_ok(),
        "{told}"
    );
}
