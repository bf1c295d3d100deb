//! Masks as the mean over several views of an image.

#[path = "support/small_model.rs"]
mod small_model;

use candle_core::{Device, Tensor};
use m3d_model::{Lamed, LamedConfig, Precision, rule};
use serde_json::{Value, json};
use small_model::Naming;

const SIZE: [usize; 3] = [8, 32, 32];

fn with_views(views: &Value) -> Result<LamedConfig, String> {
    let mut config = small_model::config(Naming::Fused);
    config["seg_config"]["views"] = views.clone();
    LamedConfig::from_json(config.to_string().as_bytes())
}

fn model(views: &Value) -> Lamed {
    let tensors = small_model::tensors(Naming::Fused);
    let precision = Precision::plain(candle_core::DType::F32);
    Lamed::from_tensors(
        &with_views(views).unwrap(),
        tensors,
        &Device::Cpu,
        precision,
    )
    .unwrap()
}

fn mask(model: &Lamed, image: &[f32]) -> Vec<f32> {
    let image = Tensor::from_slice(image, (1, 1, SIZE[0], SIZE[1], SIZE[2]), &Device::Cpu).unwrap();
    let prompt = rule::tensor("prompt", &[1, 80], &Device::Cpu).unwrap();
    let features = model.encode_segmentation(&image).unwrap();
    let logits = model.decode_mask(&features, &prompt).unwrap();
    assert_eq!(logits.dims(), SIZE);
    logits.flatten_all().unwrap().to_vec1().unwrap()
}

/// What lies `by` voxels before each voxel, the edge where nothing does.
fn moved(voxels: &[f32], by: [i32; 3]) -> Vec<f32> {
    let [depth, height, width] = SIZE;
    let place = |at: usize| [at / (height * width), at / width % height, at % width];
    let before = |at: usize| {
        let place = place(at);
        let clamped: [usize; 3] = std::array::from_fn(|axis| {
            let from = place[axis] as i32 - by[axis];
            from.clamp(0, SIZE[axis] as i32 - 1) as usize
        });
        voxels[(clamped[0] * height + clamped[1]) * width + clamped[2]]
    };
    (0..depth * height * width).map(before).collect()
}

#[test]
fn a_mask_is_the_mean_of_those_of_its_views() {
    let by = [1, 2, -3];
    let noise = rule::values("image", &[SIZE.iter().product()]);
    let image: Vec<f32> = noise.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect();
    let once = model(&json!([]));
    let first = mask(&once, &image);
    let second = moved(&mask(&once, &moved(&image, by)), by.map(|step| -step));
    assert_ne!(first, second);
    let mean: Vec<f32> = first
        .iter()
        .zip(&second)
        .map(|(a, b)| (a + b) / 2.0)
        .collect();
    let both = mask(&model(&json!([[0, 0, 0], by])), &image);
    assert!(small_model::relative_error(&both, &mean) < 1e-5);
    assert_eq!(mask(&model(&json!([[0, 0, 0]])), &image), first);
}

#[test]
fn views_that_show_nothing_are_refused() {
    let error = with_views(&json!([[0, 0, 0], [0, -32, 0]])).unwrap_err();
    assert!(
        error.contains("[0, -32, 0]") && error.contains("[8, 32, 32]"),
        "{error}"
    );
    let many = json!(vec![[0; 3]; 17]);
    assert!(with_views(&many).unwrap_err().contains("16"));
    assert!(with_views(&json!([[i32::MIN, 0, 0]])).is_err());
}
