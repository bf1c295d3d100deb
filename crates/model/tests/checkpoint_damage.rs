//! Checkpoints in their several forms, and damage of the finer kind: headers, indices and settings that parse but
//! cannot be. Each gives one clear line that says what and where, and never a panic.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use m3d_model::{Checkpoint, Lamed, ModelError};
use serde_json::json;

/// A copy of the golden checkpoint `odd`, to be damaged.
struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let golden =
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/golden/odd");
        for name in ["config.json", "model.safetensors"] {
            // Bytes alone: a copied read-only mode would keep it from being damaged.
            let bytes = std::fs::read(golden.join(name)).unwrap();
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn weights(&self) -> Vec<u8> {
        std::fs::read(self.path("model.safetensors")).unwrap()
    }

    fn tensors(&self) -> HashMap<String, Tensor> {
        candle_core::safetensors::load(self.path("model.safetensors"), &Device::Cpu).unwrap()
    }

    fn save(&self, tensors: &HashMap<String, Tensor>) {
        candle_core::safetensors::save(tensors, self.path("model.safetensors")).unwrap();
    }

    /// Changes the configuration.
    fn configure(&self, field: &str, value: serde_json::Value) {
        let text = std::fs::read(self.path("config.json")).unwrap();
        let mut config: serde_json::Value = serde_json::from_slice(&text).unwrap();
        config[field] = value;
        self.write("config.json", config.to_string());
    }

    /// Cuts the weights into two parts and an index.
    fn shard(&self) {
        let tensors = self.tensors();
        let (mut parts, mut map) = ([HashMap::new(), HashMap::new()], serde_json::Map::new());
        for (i, (name, tensor)) in tensors.into_iter().enumerate() {
            map.insert(name.clone(), part_name(i % 2).into());
            parts[i % 2].insert(name, tensor);
        }
        for (i, part) in parts.iter().enumerate() {
            candle_core::safetensors::save(part, self.path(&part_name(i))).unwrap();
        }
        let index = serde_json::json!({"metadata": {"total_size": 1}, "weight_map": map});
        self.write("model.safetensors.index.json", index.to_string());
        std::fs::remove_file(self.path("model.safetensors")).unwrap();
    }

    /// The error of opening: one line that holds all of `parts`.
    fn fails(&self, parts: &[&str]) -> ModelError {
        let error = Checkpoint::open(self.folder.path()).expect_err("a damaged checkpoint opens");
        says(&error, parts);
        error
    }
}

fn part_name(i: usize) -> String {
    format!("model-0000{}-of-00002.safetensors", i + 1)
}

fn says(error: &ModelError, parts: &[&str]) {
    let line = error.to_string();
    assert!(!line.contains('\n'), "more than one line: {line}");
    assert!(line.len() < 500, "too long: {line}");
    for part in parts {
        assert!(line.contains(part), "{line:?} lacks {part:?}");
    }
}

/// Hidden states of three tokens.
fn hidden(model: &Lamed) -> Vec<f32> {
    let embeds = model.embed(&[1, 5, 9]).unwrap();
    let hidden = model.decode(&embeds, &mut model.new_cache()).unwrap();
    let hidden = hidden.to_dtype(DType::F32).unwrap();
    hidden.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn an_intact_checkpoint_opens_whole_or_in_parts() {
    let case = Case::new();
    let whole = Checkpoint::open(case.folder.path()).unwrap();
    assert_eq!(whole.fingerprint().len(), 64);
    assert_eq!(whole.stop_ids, [2]);
    let load = |checkpoint: &Checkpoint| {
        let seen = std::cell::RefCell::new(Vec::new());
        let progress = |part: f32| seen.borrow_mut().push(part);
        let model = Lamed::load(checkpoint, &Device::Cpu, DType::F32, &progress).unwrap();
        let seen = seen.into_inner();
        assert!(seen.is_sorted() && seen.first() == Some(&0.0) && seen.last() == Some(&1.0));
        hidden(&model)
    };
    let expected = load(&whole);

    case.shard();
    case.write("generation_config.json", r#"{"eos_token_id": [7, 8]}"#);
    let parts = Checkpoint::open(case.folder.path()).unwrap();
    assert_eq!(load(&parts), expected);
    // Whatever names a stop id has its say; config.json names 2.
    assert_eq!(parts.stop_ids, [7, 8, 2]);
    assert_eq!(parts.unused(), whole.unused());
    assert_eq!(parts.parameter_count(), whole.parameter_count());
    assert_ne!(parts.fingerprint(), whole.fingerprint());
}

#[test]
fn weights_in_half_precision_load() {
    let load = |case: &Case, dtype| {
        let checkpoint = Checkpoint::open(case.folder.path()).unwrap();
        hidden(&Lamed::load(&checkpoint, &Device::Cpu, dtype, &|_| ()).unwrap())
    };
    let expected = load(&Case::new(), DType::F32);
    let norm = |it: &mut dyn Iterator<Item = f32>| it.map(|x| x * x).sum::<f32>().sqrt();
    for stored in [DType::BF16, DType::F16] {
        let case = Case::new();
        let cast = |(name, t): (String, Tensor)| (name, t.to_dtype(stored).unwrap());
        case.save(&case.tensors().into_iter().map(cast).collect());
        for computed in [DType::F32, DType::BF16] {
            let found = load(&case, computed);
            let error = norm(&mut found.iter().zip(&expected).map(|(a, b)| a - b))
                / norm(&mut expected.iter().copied());
            // bf16 keeps 8 bits: 0.4 % a step, gathered over two layers.
            assert!(error < 0.03, "{stored:?} as {computed:?}: {error}");
        }
    }
}

#[test]
fn headers_with_impossible_tensors_are_refused() {
    let case = Case::new();
    let huge = u64::MAX;
    let headers = [
        "not json".to_string(),
        "[]".to_string(),
        "[".repeat(10_000),
        format!(r#"{{"a":{{"dtype":"F32","shape":[{huge},{huge}],"data_offsets":[0,0]}}}}"#),
        format!(r#"{{"a":{{"dtype":"F32","shape":[4],"data_offsets":[0,{huge}]}}}}"#),
        r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[16,0]}}"#.to_string(),
        r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[8,24]}}"#.to_string(),
        r#"{"a":{"dtype":"F99","shape":[4],"data_offsets":[0,16]}}"#.to_string(),
        r#"{"a":{"dtype":"F32","shape":[5],"data_offsets":[0,16]}}"#.to_string(),
    ];
    for header in headers {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend([0; 16]);
        case.write("model.safetensors", &bytes);
        case.fails(&["model.safetensors", "damaged"]);
    }
}

#[test]
fn a_file_that_shrinks_after_opening_is_an_error() {
    let case = Case::new();
    let checkpoint = Checkpoint::open(case.folder.path()).unwrap();
    let bytes = case.weights();
    case.write("model.safetensors", &bytes[..bytes.len() / 2]);
    let loaded = Lamed::load(&checkpoint, &Device::Cpu, DType::F32, &|_| ());
    says(
        &loaded.expect_err("half a file loads"),
        &["model.safetensors"],
    );
}

#[test]
fn configurations_that_do_not_parse_or_fit_are_refused() {
    let case = Case::new();
    for text in ["", "not json", "{}", "[1, 2]", "{\"hidden_size\": -1}"] {
        case.write("config.json", text);
        let error = case.fails(&["config.json", "not valid"]);
        assert!(matches!(error, ModelError::Json { .. }), "{text:?}");
    }
    let changes = [
        ("hidden_size", json!(0)),
        ("hidden_size", json!(u64::MAX)),
        ("vocab_size", json!(1u64 << 40)),
        ("num_attention_heads", json!(7)),
        ("num_key_value_heads", json!(4)),
        ("num_hidden_layers", json!(1_000_000)),
        ("image_size", json!([1u64 << 40, 1u64 << 40, 64])),
        ("image_size", json!([25, 64, 96])),
        ("patch_size", json!([0, 8, 16])),
        ("proj_pooling_size", json!(5)),
        ("hidden_act", json!("gelu")),
        ("rope_scaling", json!({"type": "su"})),
        ("rope_theta", json!(0)),
        (
            "rope_parameters",
            json!({"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0}),
        ),
        (
            "rope_parameters",
            json!({"rope_type": "default", "partial_rotary_factor": 0.5}),
        ),
        ("rope_parameters", json!({"rope_theta": -1.0})),
        (
            "rope_parameters",
            json!({"full_attention": {"rope_type": "default", "rope_theta": 1e4}}),
        ),
        ("head_dim", json!(64)),
        ("mlp_bias", json!(true)),
        ("vision_select_layer", json!(-2)),
        ("mm_hidden_size", json!(768)),
        ("seg_token_id", json!(512)),
    ];
    for (field, value) in changes {
        let case = Case::new();
        case.configure(field, value);
        let error = case.fails(&["config.json", "unsupported model configuration"]);
        assert!(matches!(error, ModelError::Config(_)), "{field}: {error}");
    }
    // Fits itself, but not the weights.
    let case = Case::new();
    case.configure("intermediate_size", json!(200));
    case.fails(&["gate_up_proj", "[400, 96]", "[320, 96]"]);
    let case = Case::new();
    case.configure("num_hidden_layers", json!(3));
    case.fails(&["model.layers.2.", "missing"]);
}

/// What newer versions of transformers write, and the same in the older words, compute the same.
#[test]
fn the_base_of_the_rotary_embedding_is_honoured_in_either_words() {
    let states = |changes: &[(&str, serde_json::Value)]| {
        let case = Case::new();
        for (field, value) in changes {
            case.configure(field, value.clone());
        }
        let checkpoint = Checkpoint::open(case.folder.path()).unwrap();
        hidden(&Lamed::load(&checkpoint, &Device::Cpu, DType::F32, &|_| {}).unwrap())
    };
    let plain = states(&[]);
    let default = json!({"rope_type": "default", "rope_theta": 1e4});
    assert_eq!(states(&[("rope_parameters", default)]), plain);
    assert_eq!(
        states(&[("rope_scaling", json!({"type": "default"}))]),
        plain
    );
    let older = states(&[("rope_theta", json!(500.0))]);
    assert_ne!(older, plain);
    let newer = json!({"rope_type": "default", "rope_theta": 500.0});
    assert_eq!(states(&[("rope_parameters", newer)]), older);
}

#[test]
fn tensors_that_would_change_the_numbers_are_not_passed_over() {
    let case = Case::new();
    let mut tensors = case.tensors();
    let zeros = Tensor::zeros(96, DType::F32, &Device::Cpu).unwrap();
    let frequencies = "model.layers.0.self_attn.rotary_emb.inv_freq";
    tensors.insert(frequencies.into(), zeros.clone());
    case.save(&tensors);
    let opened = Checkpoint::open(case.folder.path()).unwrap();
    assert!(opened.unused().iter().any(|name| name == frequencies));
    let bias = "model.layers.0.self_attn.o_proj.bias";
    tensors.insert(bias.into(), zeros);
    case.save(&tensors);
    let error = case.fails(&[bias]);
    assert!(matches!(error, ModelError::UnknownTensor { .. }));
}

/// A tokenizer whose end is in no other file still ends answers.
#[test]
fn the_end_that_the_tokenizer_names_stops_too() {
    let case = Case::new();
    let golden = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/tokenizer"
    ));
    for name in ["tokenizer.model", "tokenizer_config.json"] {
        case.write(name, std::fs::read(golden.join(name)).unwrap());
    }
    let stops = || Checkpoint::open(case.folder.path()).unwrap().stop_ids;
    assert_eq!(stops(), [2, 32_000]);
    let settings = r#"{"eos_token": {"content": "<|end|>", "lstrip": false}}"#;
    case.write("special_tokens_map.json", settings);
    assert_eq!(stops(), [2, 32_000, 32_007]);
}

/// What other tools save is told with the way to what is read here.
#[test]
fn other_forms_of_files_are_told_with_how_to_convert_them() {
    let case = Case::new();
    std::fs::remove_file(case.path("model.safetensors")).unwrap();
    for name in ["pytorch_model.bin", "pytorch_model.bin.index.json"] {
        case.write(name, "");
        case.fails(&[name, "model.safetensors is not", "safe_serialization"]);
        std::fs::remove_file(case.path(name)).unwrap();
    }
    case.write("tokenizer.json", "{}");
    let error = m3d_model::Tokenizer::open(case.folder.path()).unwrap_err();
    says(&error, &["tokenizer.json", "copy tokenizer.model"]);
    case.write("adapter_model.bin", "");
    case.write(
        "adapter_config.json",
        r#"{"peft_type": "LORA", "r": 2, "lora_alpha": 2}"#,
    );
    let error = m3d_model::adapter_facts(case.folder.path()).unwrap_err();
    says(
        &error,
        &["adapter_model.bin", "adapter_model.safetensors is not"],
    );
}

#[test]
fn damaged_indices_are_refused() {
    let case = Case::new();
    case.shard();
    let name = "model.safetensors.index.json";
    let index = std::fs::read_to_string(case.path(name)).unwrap();
    let (first, second) = (part_name(0), part_name(1));

    case.write(name, index.replacen(&first, &second, 1));
    case.fails(&[&second, "index"]);

    for outside in ["../model.safetensors", "/etc/passwd", "a/b", "..", ""] {
        case.write(name, index.replace(&first, outside));
        case.fails(&[name, "not a plain file name"]);
    }
    for text in ["", "{}", r#"{"weight_map": {}}"#, r#"{"weight_map": [1]}"#] {
        case.write(name, text);
        case.fails(&[name]);
    }

    case.write(name, &index);
    std::fs::remove_file(case.path(&second)).unwrap();
    let error = case.fails(&[&second, "missing"]);
    assert!(matches!(error, ModelError::MissingFile { .. }));
}

#[test]
fn damaged_generation_settings_are_refused() {
    let case = Case::new();
    case.write("generation_config.json", "not json");
    case.fails(&["generation_config.json", "not valid"]);
    case.write("generation_config.json", r#"{"repetition_penalty": 1.3}"#);
    case.fails(&["generation_config.json", "repetition_penalty"]);
}
