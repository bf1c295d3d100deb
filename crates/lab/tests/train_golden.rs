//! One training step against the reference implementation: the losses and every parameter's gradient norm.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use m3d_lab::training::{
    AnswerLoss, MaskLabel, Objective, QuestionAnswer, Sample, Variables, step,
};
use m3d_model::{Lamed, LamedConfig, Precision};
use serde::Deserialize;

/// PyTorch adds up in another order; f32 keeps seven digits.
const LOSS_TOLERANCE: f64 = 1e-4;
const NORM_TOLERANCE: f64 = 1e-3;
/// Below this part of the largest norm a gradient is rounding error: softmax does not change when a constant is added
/// to its scores, so the biases of keys have none.
const NOTHING: f64 = 1e-8;

#[derive(Deserialize)]
struct Golden {
    seg_token_id: u32,
    gradient_norms: BTreeMap<String, Option<f64>>,
}

fn folder(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .join("tests/golden")
        .join(name)
}

struct Case {
    golden: Golden,
    config: LamedConfig,
    stages: HashMap<String, Tensor>,
    weights: HashMap<String, Tensor>,
}

impl Case {
    fn open() -> Self {
        let golden = std::fs::read(folder("train").join("gradients.json")).unwrap();
        let golden: Golden = serde_json::from_slice(&golden).unwrap();
        let config = std::fs::read(folder("tiny").join("config.json")).unwrap();
        let mut config = LamedConfig::from_json(&config).unwrap();
        config.seg_token_id = golden.seg_token_id;
        let load = |path: PathBuf| candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        Self {
            golden,
            config,
            stages: load(folder("train").join("stages.safetensors")),
            weights: load(folder("tiny").join("model.safetensors")),
        }
    }

    fn samples(&self) -> Vec<Sample> {
        let rows = |name: &str| self.stages[name].to_vec2::<i64>().unwrap();
        let (ids, labels) = (rows("input_ids"), rows("labels"));
        let prefix = 1 + self.config.image_token_count();
        let sample = |n: usize| {
            let first = labels[n].iter().position(|&label| label >= 0).unwrap();
            let last = labels[n].iter().rposition(|&label| label >= 0).unwrap();
            let tokens = |range: &[i64]| range.iter().map(|&id| id as u32).collect();
            let flat = |name: &str, dtype: DType| {
                let tensor = self.stages[name].get(n).unwrap().flatten_all().unwrap();
                tensor.to_dtype(dtype).unwrap()
            };
            Sample {
                image: flat("images", DType::F32).to_vec1().unwrap(),
                questions: vec![QuestionAnswer {
                    prompt: tokens(&ids[n][prefix..first]),
                    answer: tokens(&ids[n][first..=last]),
                    openings: vec![0],
                    mask: Some(0),
                }],
                masks: vec![MaskLabel {
                    class: None,
                    voxels: flat("segs", DType::U8).to_vec1::<u8>().unwrap().into(),
                }],
                ..Sample::default()
            }
        };
        (0..ids.len()).map(sample).collect()
    }

    fn loss(&self, name: &str) -> f64 {
        f64::from(
            self.stages[name]
                .flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap()[0],
        )
    }
}

fn relative(found: f64, wanted: f64) -> f64 {
    (found - wanted).abs() / wanted.abs()
}

#[test]
fn a_step_is_the_reference_s() {
    let case = Case::open();
    let mut variables = Variables::from_tensors(case.weights.clone(), &Device::Cpu);
    variables.learn(|_| true).unwrap();
    let precision = Precision::plain(DType::F32);
    let (losses, gradients) = step::gradients(
        &case.config,
        &variables,
        precision,
        Objective::Answers(AnswerLoss::default()),
        &case.samples(),
    )
    .unwrap();
    for (name, found) in [
        ("loss_text", losses.text),
        ("loss_bce", losses.bce),
        ("loss_dice", losses.dice),
        ("loss", losses.total()),
    ] {
        let wanted = case.loss(name);
        let error = relative(found, wanted);
        assert!(error < LOSS_TOLERANCE, "{name} is {found}, not {wanted}");
    }
    let wanted = &case.golden.gradient_norms;
    let largest = wanted.values().flatten().fold(0.0_f64, |a, &b| a.max(b));
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (name, wanted) in wanted {
        let found = gradients.get(name).map(|gradient| {
            let square = gradient.to_dtype(DType::F64).unwrap().sqr().unwrap();
            square.sum_all().unwrap().to_scalar::<f64>().unwrap().sqrt()
        });
        let right = match (found, *wanted) {
            // The reference computes three masks that nobody looks at: their gradients are there and are zero.
            (None, None | Some(0.0)) => true,
            (None, Some(_)) | (Some(_), None) => false,
            (Some(found), Some(wanted)) if wanted < NOTHING * largest => found < NOTHING * largest,
            (Some(found), Some(wanted)) => {
                compared += 1;
                relative(found, wanted) < NORM_TOLERANCE
            }
        };
        if !right {
            wrong.push(format!("{name}: {found:?}, not {wanted:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 190, "only {compared} gradients were compared");
    let unknown = gradients.keys().find(|name| !wanted.contains_key(*name));
    assert_eq!(
        unknown, None,
        "a gradient flows where the reference has no parameter"
    );
}

#[test]
fn questions_that_share_a_volume_are_learnt_as_if_each_stood_alone() {
    let case = Case::open();
    let mut variables = Variables::from_tensors(case.weights.clone(), &Device::Cpu);
    variables.learn(|_| true).unwrap();
    let precision = Precision::plain(DType::F32);
    let run = |samples: &[Sample]| {
        step::gradients(
            &case.config,
            &variables,
            precision,
            Objective::Answers(AnswerLoss::default()),
            samples,
        )
        .unwrap()
    };
    let mut apart = case.samples();
    apart[1].image = apart[0].image.clone();
    let mut together = apart[0].clone();
    together
        .questions
        .extend(apart[1].questions.iter().cloned().map(|qa| QuestionAnswer {
            mask: Some(1),
            ..qa
        }));
    together.masks.extend(apart[1].masks.iter().cloned());
    let (losses_apart, apart) = run(&apart);
    let (losses, together) = run(&[together]);
    assert!(relative(losses.total(), losses_apart.total()) < LOSS_TOLERANCE);
    assert_eq!(apart.len(), together.len());
    let norm = |t: &Tensor| {
        t.sqr()
            .unwrap()
            .sum_all()
            .unwrap()
            .to_scalar::<f32>()
            .unwrap()
            .sqrt()
    };
    let largest = apart.values().map(norm).fold(0.0, f32::max);
    for (name, gradient) in &apart {
        let difference = norm(&(gradient - &together[name]).unwrap());
        let small = (1e-4 * norm(gradient)).max(1e-6 * largest);
        assert!(difference < small, "{name}: {difference}");
    }
}

#[test]
fn a_packed_text_sees_what_a_cached_one_sees() {
    let case = Case::open();
    let lamed = Lamed::from_tensors(&case.config, case.weights.clone(), &Device::Cpu, DType::F32);
    let lamed = lamed.unwrap();
    let sample = &case.samples()[0];
    let [d, h, w] = case.config.image_size;
    let image = Tensor::from_slice(&sample.image, (1, 1, d, h, w), &Device::Cpu).unwrap();
    let image = lamed.encode_image(&image).unwrap();
    let bos = lamed.embed(&[case.config.bos_token_id]).unwrap();
    let texts: [&[u32]; 2] = [&[17, 99, 256, 3], &[200, 101, 5, 77, 31, 42]];
    let prefix = 1 + image.dim(1).unwrap();
    let words = texts.map(|text| lamed.embed(text).unwrap());
    let packed = Tensor::cat(&[&bos, &image, &words[0], &words[1]], 1).unwrap();
    let packing =
        m3d_engine::ops::Packing::new(prefix, texts.map(<[u32]>::len), packed.dim(1).unwrap());
    let packed = lamed.decode_packed(&packed, &[packing]).unwrap();
    let mut start = prefix;
    for words in words {
        let n = words.dim(1).unwrap();
        let alone = Tensor::cat(&[&bos, &image, &words], 1).unwrap();
        let alone = lamed.decode(&alone, &mut lamed.new_cache()).unwrap();
        let alone = alone.narrow(1, prefix, n).unwrap();
        let found = packed.narrow(1, start, n).unwrap();
        let difference = (alone - found).unwrap().abs().unwrap().max_all().unwrap();
        assert!(difference.to_scalar::<f32>().unwrap() < 1e-4);
        start += n;
    }
}
