//! M3D-CLIP on weights made by the rule, from checkpoints whole and broken: no file beside the project is needed.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use m3d_model::clip::clip_tensors;
use m3d_model::source::TensorMap;
use m3d_model::tensors::WantedTensor;
use m3d_model::{Clip, ClipCheckpoint, ClipConfig, ModelError, rule};

const CONFIG: &str = r#"{
    "model_type": "m3d_clip", "img_size": [8, 32, 16], "patch_size": [4, 16, 8], "in_channels": 1,
    "hidden_size": 48, "mlp_dim": 96, "num_layers": 2, "num_heads": 3, "max_text_len": 128, "vocab_size": 90,
    "language_config": {"vocab_size": 90, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
                        "intermediate_size": 64, "max_position_embeddings": 20}
}"#;
const SOME_TENSOR: &str = "language_encoder.encoder.layer.1.intermediate.dense.weight";

fn config() -> ClipConfig {
    serde_json::from_str(CONFIG).unwrap()
}

fn tensors() -> HashMap<String, Tensor> {
    let wanted = clip_tensors(&config()).unwrap();
    let made = wanted.iter().map(|tensor| {
        let values = rule::tensor(&tensor.name, &tensor.shape, &Device::Cpu).unwrap();
        (tensor.name.clone(), values)
    });
    made.collect()
}

fn folder(config: &str, tensors: &HashMap<String, Tensor>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    candle_core::safetensors::save(tensors, folder.path().join("model.safetensors")).unwrap();
    folder
}

fn clip() -> Clip {
    let folder = folder(CONFIG, &tensors());
    let checkpoint = ClipCheckpoint::open(folder.path()).unwrap();
    Clip::load(&checkpoint, &Device::Cpu, DType::F32).unwrap()
}

/// The one line an opening fails with.
fn refusal(folder: &Path) -> String {
    let message = ClipCheckpoint::open(folder).unwrap_err().to_string();
    assert!(!message.contains('\n') && message.len() > 20, "{message}");
    message
}

#[test]
fn a_whole_checkpoint_gives_features_of_length_one() {
    let clip = clip();
    let image = rule::image([8, 32, 16], &Device::Cpu).unwrap();
    let other = image.affine(-1.0, 1.0).unwrap();
    let images = Tensor::cat(&[&image, &other], 0).unwrap();
    let images = clip.image_features(&images).unwrap();
    let texts = clip
        .text_features(&[vec![1, 2, 3], vec![4], vec![89, 0, 5, 6, 7]])
        .unwrap();
    assert_eq!((images.dims(), texts.dims()), (&[2, 48][..], &[3, 48][..]));
    let similarity = clip.similarity(&images, &texts).unwrap();
    assert_eq!(similarity.dims(), [2, 3]);
    for features in [&images, &texts] {
        let own = clip.similarity(features, features).unwrap();
        for (n, row) in own.to_vec2::<f32>().unwrap().iter().enumerate() {
            assert!((row[n] - 1.0).abs() < 1e-5, "{row:?}");
        }
    }
}

#[test]
fn each_used_tensor_is_needed() {
    let whole = tensors();
    for name in whole.keys() {
        let mut tensors = whole.clone();
        tensors.remove(name).unwrap();
        let message = refusal(folder(CONFIG, &tensors).path());
        assert!(
            message.contains(name.as_str()) && message.contains("model.safetensors"),
            "{message}"
        );
    }
}

#[test]
fn each_used_tensor_changes_a_result() {
    let whole = tensors();
    let results = |tensors: &HashMap<String, Tensor>| {
        let source = TensorMap::new(tensors.clone(), &Device::Cpu);
        let clip = Clip::new(&config(), &source, DType::F32).unwrap();
        let image = rule::image([8, 32, 16], &Device::Cpu).unwrap();
        let images = clip.image_features(&image).unwrap();
        let texts = clip.text_features(&[[1, 2, 3], [4, 5, 6]]).unwrap();
        let features = Tensor::cat(&[&images, &texts], 0).unwrap();
        (features, clip.logit_scale())
    };
    let (features, scale) = results(&whole);
    for (name, tensor) in &whole {
        let mut tensors = whole.clone();
        tensors.insert(name.clone(), tensor.affine(1.5, 0.1).unwrap());
        let (changed, other_scale) = results(&tensors);
        let change = (&changed - &features).unwrap().abs().unwrap();
        let change = change.max_all().unwrap().to_scalar::<f32>().unwrap();
        // A bias of all keys adds the same to all scores of a query: softmax takes it away.
        if name.ends_with("attention.self.key.bias") {
            assert!(change < 1e-5, "{name}: {change:.1e}");
        } else {
            assert!(
                change > 1e-4 || other_scale != scale,
                "{name}: {change:.1e}"
            );
        }
    }
}

#[test]
fn a_misshapen_tensor_is_named_with_both_shapes() {
    let mut tensors = tensors();
    let turned = tensors[SOME_TENSOR].t().unwrap().contiguous().unwrap();
    tensors.insert(SOME_TENSOR.to_owned(), turned);
    let message = refusal(folder(CONFIG, &tensors).path());
    assert!(
        message.contains(SOME_TENSOR)
            && message.contains("[48, 64]")
            && message.contains("[64, 48]"),
        "{message}"
    );
}

#[test]
fn unused_tensors_are_named() {
    let mut tensors = tensors();
    let used = tensors.len();
    for name in [
        "language_encoder.pooler.dense.weight",
        "language_encoder.pooler.dense.bias",
        "stray",
    ] {
        let one = Tensor::ones(1, DType::F32, &Device::Cpu).unwrap();
        tensors.insert(name.to_owned(), one);
    }
    let folder = folder(CONFIG, &tensors);
    let checkpoint = ClipCheckpoint::open(folder.path()).unwrap();
    let unused = [
        "language_encoder.pooler.dense.bias",
        "language_encoder.pooler.dense.weight",
        "stray",
    ];
    assert_eq!(checkpoint.unused(), unused);
    assert_eq!(checkpoint.used().len(), used);
}

#[test]
fn configurations_of_other_networks_are_refused() {
    let tensors = tensors();
    for (from, to, named) in [
        (r#""m3d_clip""#, r#""lamed_phi3""#, "model_type"),
        ("[4, 16, 8]", "[3, 16, 8]", "patch_size"),
        ("[4, 16, 8]", "[0, 16, 8]", "patch_size"),
        ("[8, 32, 16]", "[8, 32, 1099511627776]", "img_size"),
        (r#""num_heads": 3"#, r#""num_heads": 5"#, "heads"),
        (r#""num_heads": 3"#, r#""num_heads": 0"#, "num_heads"),
        (
            r#""vocab_size": 90, "hidden_size": 48"#,
            r#""vocab_size": 90, "hidden_size": 64"#,
            "width",
        ),
        (
            r#""intermediate_size": 64"#,
            r#""intermediate_size": 64, "hidden_act": "relu""#,
            "hidden_act",
        ),
        (
            r#""intermediate_size": 64"#,
            r#""intermediate_size": 64, "layer_norm_eps": -1"#,
            "layer_norm_eps",
        ),
    ] {
        assert!(CONFIG.contains(from));
        let message = refusal(folder(&CONFIG.replacen(from, to, 1), &tensors).path());
        assert!(
            message.contains(named) && message.contains("config.json"),
            "{from}: {message}"
        );
    }
    let message = refusal(folder("{", &tensors).path());
    assert!(message.contains("config.json"), "{message}");
}

/// The published `config.json` says nothing of the text encoder.
#[test]
fn what_a_configuration_leaves_out_is_that_of_the_published_model() {
    let config: ClipConfig = serde_json::from_str(r#"{"model_type": "m3d_clip"}"#).unwrap();
    config.validate().unwrap();
    assert_eq!(config.text_length(), 512);
    let wanted = clip_tensors(&config).unwrap();
    let count: u64 = wanted.iter().map(WantedTensor::count).sum();
    let bytes = count * 4;
    assert!((780_000_000..800_000_000).contains(&bytes), "{bytes}");
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let clip = clip();
    let bad_image = Tensor::zeros((1, 1, 8, 16, 32), DType::F32, &Device::Cpu).unwrap();
    assert!(matches!(
        clip.image_features(&bad_image),
        Err(ModelError::Input { .. })
    ));
    let none = Tensor::zeros((0, 1, 8, 32, 16), DType::F32, &Device::Cpu).unwrap();
    assert!(matches!(
        clip.image_features(&none),
        Err(ModelError::Input { .. })
    ));
    let no_text: [Vec<u32>; 0] = [];
    assert!(matches!(
        clip.text_features(&no_text),
        Err(ModelError::Input { .. })
    ));
    assert!(matches!(
        clip.text_features(&[vec![1], vec![]]),
        Err(ModelError::Input { .. })
    ));
    assert!(matches!(
        clip.text_features(&[vec![1], vec![90]]),
        Err(ModelError::TokenOutOfRange { id: 90, .. })
    ));
    assert!(matches!(
        clip.text_features(&[vec![1; 21]]),
        Err(ModelError::ContextTooLong {
            asked: 21,
            limit: 20
        })
    ));
    clip.text_features(&[vec![1; 20]]).unwrap();
}
