//! What the vision tower is supervised with directly: the brightness and extent of each structure, where something wrong
//! shows, and what kind of image it is.
//!
//! An answer's tokens that depend on such a fact are few among those that language alone predicts, so a new vision tower
//! hardly learns from answers to see it. A linear head predicts it instead: from each token the brightness and the box of
//! the classes its patch holds and the image's attributes (of the mean of all tokens, those few that show a contrast phase
//! are too small a part), and findings from the tokens as the projector pools them, for that is all the decoder sees. It
//! belongs to the training and is not part of the model.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::dense::{Cut, labelled};
use super::losses::cross_entropy_sum;
use super::{Sample, TrainingError, Variables};

/// The variable that holds the head, `[7 classes + findings + values of all attributes, width]`.
pub const FACTS_HEAD: &str = "training.facts_head";
/// What is predicted of a class: its brightness and the first and the last place of its box along each axis, all 0 to 1.
const VALUES: usize = 7;
/// The weight of each one's error beside a cross entropy.
const WEIGHTS: [f32; VALUES] = [2.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0];
/// The logit of what is not the case.
const NEVER: f32 = -1e9;

/// What a source of samples can tell of each image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactKinds {
    /// Kinds of findings.
    pub findings: usize,
    /// How many values each attribute of an image may have.
    pub attributes: Vec<usize>,
}

impl FactKinds {
    /// A head of zeros.
    pub(super) fn new_head(
        &self,
        classes: usize,
        width: usize,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let rows = VALUES * classes + self.findings + self.attributes.iter().sum::<usize>();
        Tensor::zeros((rows, width), DType::F32, device)
    }
}

/// What is known of one image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Of each kind of finding, 1 for each voxel of the prepared image that shows one, D-major; empty where there is
    /// none.
    pub findings: Vec<Vec<u8>>,
    /// The value of each attribute and how many there are.
    pub attributes: Vec<(usize, usize)>,
}

/// Errors of brightness and boxes and cross entropies of findings and attributes, the mean over `images`; tokens
/// `[n,patches,width]`, of patches and as the projector pools them. `None` where no head learns.
pub(super) fn facts_loss(
    [cut, pooled_cut]: [Cut; 2],
    variables: &Variables,
    samples: &[Sample],
    [tokens, pooled]: [&Tensor; 2],
    images: f64,
) -> Result<Option<Tensor>, TrainingError> {
    let Some(head) = variables.get(FACTS_HEAD) else {
        return Ok(None);
    };
    let Some(first) = samples.first() else {
        return Ok(None);
    };
    let tokens = &tokens.to_dtype(DType::F32)?;
    let findings = first.facts.findings.len();
    let counts: Vec<usize> = first.facts.attributes.iter().map(|a| a.1).collect();
    let rows = head.dim(0)?;
    let values = rows.saturating_sub(findings + counts.iter().sum::<usize>());

    let of_classes = patch_scores(tokens, &head.narrow(0, 0, values)?)?;
    let of_classes = class_loss(cut, samples, &of_classes)?;
    let wrong = patch_scores(
        &pooled.to_dtype(DType::F32)?,
        &head.narrow(0, values, findings)?,
    )?;
    let wrong = findings_loss(pooled_cut, samples, &wrong)?;
    let mut sum = (of_classes + wrong)?;
    let (n, patches, width) = tokens.dims3()?;
    let all = tokens.reshape((n * patches, width))?;
    let mut row = values + findings;
    for (attribute, count) in counts.into_iter().enumerate() {
        let values = samples
            .iter()
            .filter_map(|s| s.facts.attributes.get(attribute));
        let values: Vec<u32> = values
            .flat_map(|a| std::iter::repeat_n(a.0 as u32, patches))
            .collect();
        let weights = vec![1.0 / patches.max(1) as f32; values.len()];
        let scores = all.matmul(&head.narrow(0, row, count)?.t()?)?;
        sum = (sum + cross_entropy_sum(&scores, &values, &weights)?)?;
        row += count;
    }
    Ok(Some((sum / images)?))
}

/// Tokens `[n,patches,width]` by `[rows,width]` to `[n,rows,patches]`.
fn patch_scores(tokens: &Tensor, rows: &Tensor) -> candle_core::Result<Tensor> {
    let (n, patches, width) = tokens.dims3()?;
    let scores = tokens.reshape((n * patches, width))?.matmul(&rows.t()?)?;
    let scores = scores.reshape((n, patches, rows.dim(0)?))?;
    scores.transpose(1, 2)?.contiguous()
}

/// The targets of one image's `[rows,patches]` and their weights; a weight of 0 where nothing is asked.
struct Asked<'a> {
    wanted: &'a mut [f32],
    weights: &'a mut [f32],
    patches: usize,
}

impl Asked<'_> {
    /// Asks a row for a value in the patches that are `inside`.
    fn ask(&mut self, row: usize, inside: &[bool], value: f32, weight: f32) {
        let first = row * self.patches;
        for (patch, _) in inside.iter().enumerate().filter(|(_, inside)| **inside) {
            (self.wanted[first + patch], self.weights[first + patch]) = (value, weight);
        }
    }

    /// Asks for the values of each class in the patches that hold it.
    fn ask_classes(&mut self, cut: Cut, sample: &Sample) {
        let count = labelled(sample).count();
        for (target, class) in labelled(sample) {
            let [low, high] = cut.reach(&target.voxels);
            let mean = mean_inside(&sample.image, &target.voxels);
            let values: [f32; VALUES] = [mean, low[0], low[1], low[2], high[0], high[1], high[2]];
            let touched = cut.touched(&target.voxels);
            let inside = touched.iter().filter(|touched| **touched).count();
            let share = 1.0 / (count * inside).max(1) as f32;
            let first = class as usize * VALUES;
            for (row, (value, weight)) in (first..).zip(values.into_iter().zip(WEIGHTS)) {
                self.ask(row, &touched, value, weight * share);
            }
        }
    }
}

/// The error of each class's values in the patches that hold it, a mean over an image's classes.
fn class_loss(cut: Cut, samples: &[Sample], predicted: &Tensor) -> candle_core::Result<Tensor> {
    let (images, rows, patches) = predicted.dims3()?;
    let (mut wanted, mut weights) = (
        vec![0.0; predicted.elem_count()],
        vec![0.0; predicted.elem_count()],
    );
    let each = (rows * patches).max(1);
    wanted
        .par_chunks_exact_mut(each)
        .zip(weights.par_chunks_exact_mut(each))
        .zip(samples)
        .for_each(|((wanted, weights), sample)| {
            let mut asked = Asked {
                wanted,
                weights,
                patches,
            };
            asked.ask_classes(cut, sample);
        });
    let wanted = Tensor::from_vec(wanted, (images, rows, patches), predicted.device())?;
    let weights = Tensor::from_vec(weights, (images, rows, patches), predicted.device())?;
    ((predicted - wanted)?.abs()? * weights)?.sum_all()
}

fn mean_inside(image: &[f32], inside: &[u8]) -> f32 {
    let values = image.iter().zip(inside).filter(|(_, inside)| **inside > 0);
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, n), (value, _)| (sum + value, n + 1));
    sum / count.max(1) as f32
}

/// Cross entropy of where each kind of finding shows: in some of the patches, or in none. What looks most like a finding
/// and is none weighs most in it.
fn findings_loss(cut: Cut, samples: &[Sample], predicted: &Tensor) -> candle_core::Result<Tensor> {
    let (images, kinds, patches) = predicted.dims3()?;
    if kinds == 0 {
        return Tensor::zeros((), DType::F32, predicted.device());
    }
    // Before anything is known, none is as likely as all patches together.
    let none = Tensor::full(
        (patches as f32).ln(),
        (images, kinds, 1),
        predicted.device(),
    )?;
    let scores = Tensor::cat(&[predicted, &none], 2)?;
    let mut wrong = Vec::new();
    for voxels in samples.iter().flat_map(|sample| &sample.facts.findings) {
        let touched = cut.touched(voxels);
        let absent = !touched.contains(&true);
        wrong.extend(
            touched
                .iter()
                .chain([&absent])
                .map(|right| if *right { 0.0 } else { NEVER }),
        );
    }
    let right = (&scores + Tensor::from_vec(wrong, scores.shape(), predicted.device())?)?;
    (scores.log_sum_exp(2)? - right.log_sum_exp(2)?)?.sum_all()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::training::MaskLabel;

    /// An image of 4 x 4 x 4 voxels in two patches, a bright class in the first and a finding in the second.
    fn sample(phase: usize) -> Sample {
        let inside = |patch: usize| (0..64).map(|at| u8::from(at / 32 == patch)).collect();
        let voxels: Vec<u8> = inside(0);
        Sample {
            image: (0..64)
                .map(|at| if at < 32 { 0.75 } else { 0.25 })
                .collect(),
            labels: vec![MaskLabel {
                class: Some(0),
                voxels: voxels.into(),
            }],
            facts: Facts {
                findings: vec![inside(1)],
                attributes: vec![(phase, 2)],
            },
            ..Sample::default()
        }
    }

    /// Rows of the head: a class's values as the first patch tells them, the finding, and the attribute.
    fn head() -> Vec<[f32; 2]> {
        let class = [0.75, 0.0, 0.0, 0.0, 0.25, 0.75, 0.75].map(|value| [value, 9.0]);
        let mut rows = class.to_vec();
        rows.extend([[-40.0, 40.0], [80.0, 80.0], [-80.0, -80.0]]);
        rows
    }

    fn loss(head: &[[f32; 2]], samples: &[Sample]) -> f32 {
        let cut = Cut::new([4, 4, 4], [2, 4, 4], 2);
        let head = Tensor::from_slice(head.as_flattened(), (head.len(), 2), &Device::Cpu).unwrap();
        let variables = HashMap::from([(FACTS_HEAD.to_string(), head)]);
        let variables = Variables::from_tensors(variables, &Device::Cpu);
        let tokens = Tensor::new(&[[1_f32, 0.0], [0.0, 1.0]], &Device::Cpu).unwrap();
        let tokens = tokens.broadcast_left(samples.len()).unwrap();
        let loss = facts_loss(
            [cut; 2],
            &variables,
            samples,
            [&tokens; 2],
            samples.len() as f64,
        );
        loss.unwrap().unwrap().to_scalar().unwrap()
    }

    #[test]
    fn what_is_told_rightly_costs_nothing() {
        assert!(loss(&head(), &[sample(0)]) < 1e-5);
        // A class's values are asked only where it is: the nines cost nothing, a tenth too much its weight.
        for (value, weight) in WEIGHTS.into_iter().enumerate() {
            let mut too_much = head();
            too_much[value][0] += 0.1;
            assert!((loss(&too_much, &[sample(0)]) - 0.1 * weight).abs() < 1e-4);
        }
        let mut blind = head();
        blind[VALUES] = [0.0, 0.0];
        // One of two patches, or none, which counts for two.
        let chance = 4_f32.ln();
        assert!((loss(&blind, &[sample(0)]) - chance).abs() < 1e-4);
        let mut unsure = head();
        (unsure[VALUES + 1], unsure[VALUES + 2]) = ([0.0; 2], [0.0; 2]);
        let both = [sample(0), sample(1)];
        assert!((loss(&unsure, &both) - 2_f32.ln()).abs() < 1e-4);
    }
}
