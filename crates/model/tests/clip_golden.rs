//! M3D-CLIP against the public reference.
//!
//! The golden lies in `../shared/goldens/clip` or `$M3D_SHARED/goldens/clip`. Both sides compute in f32 with sums in
//! another order; a relative error of 1e-4 is some hundred times what that alone brings.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, IndexOp, Tensor};
use m3d_model::{Clip, ClipCheckpoint};

const TOLERANCE: f32 = 1e-4;

fn golden() -> Option<PathBuf> {
    let beside = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("../shared");
    let shared = std::env::var_os("M3D_SHARED").map_or(beside, PathBuf::from);
    let folder = shared.join("goldens/clip");
    let there = folder.is_dir();
    if !there {
        eprintln!(
            "skipped: the golden of M3D-CLIP is not in {}",
            folder.display()
        );
    }
    there.then_some(folder)
}

fn open(folder: &Path, dtype: DType) -> (Clip, HashMap<String, Tensor>) {
    let checkpoint = ClipCheckpoint::open(folder).unwrap();
    let stages =
        candle_core::safetensors::load(folder.join("stages.safetensors"), &Device::Cpu).unwrap();
    (
        Clip::load(&checkpoint, &Device::Cpu, dtype).unwrap(),
        stages,
    )
}

/// The texts without their padding.
fn texts(stages: &HashMap<String, Tensor>) -> Vec<Vec<u32>> {
    let rows = |name: &str| stages[name].to_vec2::<i64>().unwrap();
    rows("input_ids")
        .into_iter()
        .zip(rows("attention_mask"))
        .map(|(ids, mask)| {
            let kept = ids.into_iter().zip(mask).filter(|(_, mask)| *mask == 1);
            kept.map(|(id, _)| u32::try_from(id).unwrap()).collect()
        })
        .collect()
}

fn relative_error(found: &Tensor, wanted: &Tensor) -> f32 {
    assert_eq!(found.dims(), wanted.dims());
    let norm = |t: &Tensor| {
        let squares = t.sqr().unwrap().sum_all().unwrap();
        squares.to_scalar::<f32>().unwrap().sqrt()
    };
    norm(&(found - wanted).unwrap()) / norm(wanted)
}

fn compare(what: &str, found: &Tensor, wanted: &Tensor, tolerance: f32) {
    let error = relative_error(found, wanted);
    eprintln!("{what}: {error:.1e}");
    assert!(error < tolerance, "{what}: relative error {error:.2e}");
}

#[test]
fn features_and_similarity_equal_the_reference() {
    let Some(folder) = golden() else { return };
    let (clip, stages) = open(&folder, DType::F32);
    let images = clip.image_features(&stages["images"]).unwrap();
    compare(
        "image_features",
        &images,
        &stages["image_features"],
        TOLERANCE,
    );
    let texts = clip.text_features(&texts(&stages)).unwrap();
    compare("text_features", &texts, &stages["text_features"], TOLERANCE);
    let similarity = clip.similarity(&images, &texts).unwrap();
    compare("similarity", &similarity, &stages["similarity"], TOLERANCE);
    // ln(1 / 0.07), where training starts.
    assert!((clip.logit_scale() - 2.659_26).abs() < 1e-5);
    let compared = [
        "images",
        "input_ids",
        "attention_mask",
        "image_features",
        "text_features",
        "similarity",
    ];
    for name in stages.keys() {
        assert!(compared.contains(&name.as_str()), "nobody compared {name}");
    }
}

#[test]
fn every_tensor_of_the_golden_is_used_or_named() {
    let Some(folder) = golden() else { return };
    let checkpoint = ClipCheckpoint::open(&folder).unwrap();
    let stored =
        candle_core::safetensors::load(folder.join("model.safetensors"), &Device::Cpu).unwrap();
    let mut named: Vec<&str> = checkpoint.unused().iter().map(String::as_str).collect();
    assert_eq!(
        named,
        [
            "language_encoder.pooler.dense.bias",
            "language_encoder.pooler.dense.weight"
        ]
    );
    named.extend(checkpoint.used().iter().map(|tensor| tensor.name.as_str()));
    named.sort_unstable();
    let mut names: Vec<&str> = stored.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(named, names);
}

/// bfloat16 keeps 8 bits: one rounding is up to 4e-3, a few in a row stay under 3e-2. Texts are held in f32.
#[test]
fn the_image_encoder_may_be_held_in_bf16() {
    let Some(folder) = golden() else { return };
    let (clip, stages) = open(&folder, DType::BF16);
    let images = clip.image_features(&stages["images"]).unwrap();
    compare("image_features", &images, &stages["image_features"], 3e-2);
    let texts = clip.text_features(&texts(&stages)).unwrap();
    compare("text_features", &texts, &stages["text_features"], TOLERANCE);
}

#[test]
fn a_text_does_not_depend_on_the_others() {
    let Some(folder) = golden() else { return };
    let (clip, stages) = open(&folder, DType::F32);
    let texts = texts(&stages);
    let together = clip.text_features(&texts).unwrap();
    for (row, text) in texts.iter().enumerate() {
        let alone = clip.text_features(&[text]).unwrap();
        let error = relative_error(&alone, &together.i(row..=row).unwrap());
        assert!(error < 1e-5, "text {row}: {error:.1e}");
    }
}
