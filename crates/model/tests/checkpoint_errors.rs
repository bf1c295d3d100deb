//! Broken checkpoints: one clear line each, before anything large is read, and never a panic.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use m3d_model::{Checkpoint, Lamed, Tokenizer};

fn golden() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/golden/odd")
}

/// A copy of a whole checkpoint that a test may break.
fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(golden().join(name), folder.path().join(name)).unwrap();
    }
    folder
}

fn tensors() -> HashMap<String, Tensor> {
    candle_core::safetensors::load(golden().join("model.safetensors"), &Device::Cpu).unwrap()
}

fn save(tensors: &HashMap<String, Tensor>, path: &Path) {
    candle_core::safetensors::save(tensors, path).unwrap();
}

/// The one line an opening fails with.
fn refusal(folder: &Path) -> String {
    let message = match Checkpoint::open(folder) {
        Ok(_) => panic!("the broken checkpoint was taken"),
        Err(error) => error.to_string(),
    };
    assert!(!message.contains('\n') && message.len() > 20, "{message}");
    message
}

const SOME_TENSOR: &str = "model.layers.1.mlp.down_proj.weight";

#[test]
fn a_whole_checkpoint_is_taken() {
    let folder = copy();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    Lamed::load(&checkpoint, &Device::Cpu, DType::F32, &|_| {}).unwrap();
}

#[test]
fn a_missing_tensor_is_named() {
    let folder = copy();
    let mut tensors = tensors();
    tensors.remove(SOME_TENSOR);
    save(&tensors, &folder.path().join("model.safetensors"));
    let message = refusal(folder.path());
    assert!(
        message.contains(SOME_TENSOR) && message.contains("model.safetensors"),
        "{message}"
    );
}

#[test]
fn a_misshapen_tensor_is_named_with_both_shapes() {
    let folder = copy();
    let mut tensors = tensors();
    let turned = tensors[SOME_TENSOR].t().unwrap().contiguous().unwrap();
    tensors.insert(SOME_TENSOR.to_owned(), turned);
    save(&tensors, &folder.path().join("model.safetensors"));
    let message = refusal(folder.path());
    assert!(message.contains(SOME_TENSOR), "{message}");
    assert!(
        message.contains("[96, 160]") && message.contains("[160, 96]"),
        "{message}"
    );
}

#[test]
fn a_tensor_of_whole_numbers_is_refused() {
    let folder = copy();
    let mut tensors = tensors();
    let whole = tensors[SOME_TENSOR].to_dtype(DType::U32).unwrap();
    tensors.insert(SOME_TENSOR.to_owned(), whole);
    save(&tensors, &folder.path().join("model.safetensors"));
    assert!(refusal(folder.path()).contains("U32"));
}

#[test]
fn weights_cut_anywhere_are_refused() {
    let whole = std::fs::read(golden().join("model.safetensors")).unwrap();
    let folder = copy();
    let path = folder.path().join("model.safetensors");
    for n in 0..40 {
        let length = whole.len() * n / 40;
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(
            refusal(folder.path()).contains("model.safetensors"),
            "cut at {length}"
        );
    }
}

#[test]
fn a_header_that_lies_about_its_length_takes_no_memory() {
    let folder = copy();
    let path = folder.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    for length in [u64::MAX, u64::MAX / 2, 1 << 40, 1 << 26] {
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        std::fs::write(&path, &bytes).unwrap();
        assert!(refusal(folder.path()).contains("header"), "{length}");
    }
}

#[test]
fn shards_are_read_through_their_index_and_missed_when_absent() {
    let folder = copy();
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let mut parts: [HashMap<String, Tensor>; 2] = Default::default();
    let mut names = serde_json::Map::new();
    for (n, (name, tensor)) in tensors().into_iter().enumerate() {
        let part = n % 2;
        names.insert(
            name.clone(),
            format!("model-0000{}-of-00002.safetensors", part + 1).into(),
        );
        parts[part].insert(name, tensor);
    }
    for (n, part) in parts.iter().enumerate() {
        save(
            part,
            &folder
                .path()
                .join(format!("model-0000{}-of-00002.safetensors", n + 1)),
        );
    }
    let index = serde_json::json!({"metadata": {"total_size": 1}, "weight_map": names});
    let index_path = folder.path().join("model.safetensors.index.json");
    std::fs::write(&index_path, index.to_string()).unwrap();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    Lamed::load(&checkpoint, &Device::Cpu, DType::F32, &|_| {}).unwrap();

    let missing = "model-00002-of-00002.safetensors";
    std::fs::remove_file(folder.path().join(missing)).unwrap();
    assert!(refusal(folder.path()).contains(missing));
    std::fs::write(&index_path, r#"{"weight_map": {"a": "../../etc/passwd"}}"#).unwrap();
    assert!(refusal(folder.path()).contains("plain file name"));
}

#[test]
fn configurations_that_make_no_sense_are_refused() {
    let folder = copy();
    let path = folder.path().join("config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
    std::fs::write(&path, "{ not json").unwrap();
    assert!(refusal(folder.path()).contains("config.json"));
    let absurd = [
        ("hidden_size", serde_json::json!(u64::MAX)),
        ("num_hidden_layers", serde_json::json!(1_000_000_000)),
        ("image_size", serde_json::json!([0, 64, 96])),
        (
            "image_size",
            serde_json::json!([1_u64 << 40, 1_u64 << 40, 1_u64 << 40]),
        ),
        ("patch_size", serde_json::json!([5, 8, 16])),
        ("num_attention_heads", serde_json::json!(0)),
        ("num_key_value_heads", serde_json::json!(5)),
        ("vocab_size", serde_json::json!(-1)),
        ("rope_scaling", serde_json::json!({"type": "linear"})),
        ("hidden_act", serde_json::json!("tanh")),
    ];
    for (field, value) in absurd {
        let mut changed = whole.clone();
        changed[field] = value;
        std::fs::write(&path, changed.to_string()).unwrap();
        refusal(folder.path());
    }
}

#[test]
fn missing_files_are_named() {
    let empty = tempfile::tempdir().unwrap();
    assert!(refusal(empty.path()).contains("config.json"));
    let folder = copy();
    let error = Tokenizer::open(folder.path()).err().unwrap().to_string();
    assert!(error.contains("tokenizer"), "{error}");
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    assert!(refusal(folder.path()).contains("model.safetensors"));
}
