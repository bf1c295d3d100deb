//! One step's losses and gradients.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::dense::{self, Cut, dense_loss};
use super::facts::facts_loss;
use super::losses::{cross_entropy_sum, mask_losses};
use super::{Sample, TrainingError, Variables};
use m3d_engine::ops::Packing;
use m3d_engine::ops::autocast;
use m3d_model::resize::trilinear;
use m3d_model::source::WeightSource;
use m3d_model::{Lamed, LamedConfig, Precision};

/// How the names of variables begin that belong to the training and not to the model.
pub const OWN: &str = "training.";
/// The variable that holds one prompt for each class of mask, `[classes, width]`, while the segmentation network
/// learns without words.
pub const CLASS_PROMPTS: &str = "training.class_prompts";

/// What a step optimises.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective {
    /// Answers, and what their `[SEG]` asks for.
    Answers(AnswerLoss),
    /// Masks of classes, each with a prompt of its own.
    ClassMasks,
    /// Which description belongs to which image.
    Contrastive,
}

/// The loss of answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnswerLoss {
    /// Whether the masks that are asked for are drawn; otherwise only the prompts of their classes are learnt.
    pub draw: bool,
    /// With 0 every token counts alike, as published; with 1 every answer does, however long it is.
    pub balance: f32,
    /// How many times as much an answer's openings weigh as each of its other tokens.
    pub first: f32,
}

impl Default for AnswerLoss {
    /// As published.
    fn default() -> Self {
        Self {
            draw: true,
            balance: 0.0,
            first: 1.0,
        }
    }
}

/// The losses of a step; what was not asked for is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Losses {
    /// Cross entropy per answer token, a weighted mean.
    pub text: f64,
    /// Binary cross entropy per voxel, mean over masks.
    pub bce: f64,
    /// 1 - soft Dice, mean over masks.
    pub dice: f64,
    /// How far prompts that come from words are from those of their classes, mean over masks.
    pub prompt: f64,
    /// Binary cross entropy and 1 - soft Dice of dense supervision, mean over masks.
    pub dense: f64,
    /// Cross entropies of findings and attributes that the vision tower is supervised with, mean over volumes.
    pub facts: f64,
}

impl Losses {
    /// What is minimised: the sum.
    pub fn total(&self) -> f64 {
        self.text + self.bce + self.dice + self.prompt + self.dense + self.facts
    }

    /// Both added up, `other` with a weight.
    #[must_use]
    pub fn plus(self, other: Self, weight: f64) -> Self {
        Self {
            text: self.text + weight * other.text,
            bce: self.bce + weight * other.bce,
            dice: self.dice + weight * other.dice,
            prompt: self.prompt + weight * other.prompt,
            dense: self.dense + weight * other.dense,
            facts: self.facts + weight * other.facts,
        }
    }
}

/// The gradient of each learnt tensor that one flows to, by name.
pub type Gradients = BTreeMap<String, Tensor>;

/// How much answer tokens weigh, and how many masks, labelled classes and volumes a step has: what its sums are divided
/// by.
#[derive(Clone, Copy, Debug)]
struct Totals {
    weight: f64,
    masks: f64,
    labels: f64,
    volumes: f64,
}

/// Losses and gradients of a batch. On the CPU the samples are shared out among the threads.
pub fn gradients(
    config: &LamedConfig,
    variables: &Variables,
    precision: Precision,
    objective: Objective,
    samples: &[Sample],
) -> Result<(Losses, Gradients), TrainingError> {
    let totals = count(objective, samples);
    let parts = if WeightSource::device(variables).is_cpu() {
        rayon::current_num_threads().clamp(1, samples.len().max(1))
    } else {
        1
    };
    let part = samples.len().div_ceil(parts).max(1);
    let casts = casts(variables, precision);
    let precision = if casts {
        Precision::plain(DType::F32)
    } else {
        precision
    };
    let lamed = Lamed::new(config, variables, precision)?;
    let done = samples
        .par_chunks(part)
        .map(|samples| {
            autocast(casts, || {
                part_gradients(&lamed, variables, objective, samples, totals)
            })
        })
        .collect::<Result<Vec<_>, TrainingError>>()?;
    let mut done = done.into_iter();
    let (mut losses, mut sums) = done.next().unwrap_or_default();
    for (more, gradients) in done {
        losses = losses.plus(more, 1.0);
        add(&mut sums, gradients)?;
    }
    Ok((losses, sums))
}

/// Whether bf16 means the factors of products alone: on the CPU everything else is quicker in f32.
pub(super) fn casts(variables: &Variables, precision: Precision) -> bool {
    WeightSource::device(variables).is_cpu() && precision.compute == DType::BF16
}

/// Adds gradients to sums.
pub fn add(sums: &mut Gradients, more: Gradients) -> candle_core::Result<()> {
    for (name, gradient) in more {
        let sum = match sums.get(&name) {
            Some(sum) => (sum + gradient)?,
            None => gradient,
        };
        sums.insert(name, sum);
    }
    Ok(())
}

fn count(objective: Objective, samples: &[Sample]) -> Totals {
    let questions = || samples.iter().flat_map(|sample| &sample.questions);
    let masks = match objective {
        Objective::Answers(_) => questions().filter(|qa| qa.mask.is_some()).count(),
        Objective::Contrastive => 0,
        Objective::ClassMasks => samples.iter().map(|sample| classes(sample).count()).sum(),
    };
    let answer_loss = match objective {
        Objective::Answers(answer_loss) => answer_loss,
        Objective::ClassMasks | Objective::Contrastive => AnswerLoss::default(),
    };
    let weight: f64 = questions()
        .flat_map(|qa| token_weights(qa, answer_loss))
        .map(f64::from)
        .sum();
    Totals {
        weight: weight.max(f64::MIN_POSITIVE),
        masks: masks.max(1) as f64,
        labels: dense::count(samples).max(1) as f64,
        volumes: samples.len().max(1) as f64,
    }
}

/// What each token of an answer weighs.
fn token_weights(qa: &super::QuestionAnswer, answer_loss: AnswerLoss) -> impl Iterator<Item = f32> {
    let length = qa.answer.len();
    let weight = (length.max(1) as f32).powf(-answer_loss.balance);
    (0..length).map(move |j| {
        if qa.openings.contains(&j) {
            answer_loss.first * weight
        } else {
            weight
        }
    })
}

fn classes(sample: &Sample) -> impl Iterator<Item = (usize, usize)> + '_ {
    sample
        .masks
        .iter()
        .enumerate()
        .filter_map(|(number, target)| Some((number, target.class?)))
}

fn part_gradients(
    lamed: &Lamed,
    variables: &Variables,
    objective: Objective,
    samples: &[Sample],
    totals: Totals,
) -> Result<(Losses, Gradients), TrainingError> {
    let parts = match objective {
        Objective::Answers(answer_loss) => {
            answer_losses(lamed, variables, samples, totals, answer_loss)?
        }
        Objective::ClassMasks => class_losses(lamed, variables, samples, totals)?,
        Objective::Contrastive => {
            return Err(TrainingError::Data(
                "M3D-LaMed is not trained by contrast; give [clip] instead of [model]".into(),
            ));
        }
    };
    let [text, bce, dice, prompt, dense, facts] = &parts;
    let mut losses = Losses::default();
    let mut sum: Option<Tensor> = None;
    for (loss, number) in [
        (text, &mut losses.text),
        (bce, &mut losses.bce),
        (dice, &mut losses.dice),
        (prompt, &mut losses.prompt),
        (dense, &mut losses.dense),
        (facts, &mut losses.facts),
    ] {
        if let Some(loss) = loss {
            *number = f64::from(loss.to_scalar::<f32>()?);
            sum = Some(match sum {
                Some(sum) => (sum + loss)?,
                None => loss.clone(),
            });
        }
    }
    let gradients = match sum {
        Some(sum) => backward(variables, &sum)?,
        None => Gradients::new(),
    };
    Ok((losses, gradients))
}

/// The gradient of a loss for each tensor that is trained.
pub(super) fn backward(variables: &Variables, loss: &Tensor) -> Result<Gradients, TrainingError> {
    let mut store = loss.backward()?;
    let mut gradients = Gradients::new();
    for (name, var) in variables.learnt() {
        if let Some(gradient) = store.remove(var) {
            gradients.insert(name, gradient);
        }
    }
    Ok(gradients)
}

/// The images of samples, `[n,1,D,H,W]`.
pub(super) fn images(
    [d, h, w]: [usize; 3],
    device: &Device,
    samples: &[Sample],
) -> candle_core::Result<Tensor> {
    let voxels: Vec<f32> = samples
        .iter()
        .flat_map(|s| s.image.iter().copied())
        .collect();
    Tensor::from_vec(voxels, (samples.len(), 1, d, h, w), device)
}

/// Text, binary cross entropy, Dice, prompts, dense supervision and facts; `None` where there is nothing of the kind.
type Parts = [Option<Tensor>; 6];

/// Where in the packed sequences of a batch the answers are.
#[derive(Default)]
struct Answers {
    /// Rows that predict a token of an answer, the tokens, and what each weighs.
    rows: Vec<u32>,
    tokens: Vec<u32>,
    weights: Vec<f32>,
    /// Rows that produced a `[SEG]`, and the number of the mask in the batch that each asks for.
    seg_rows: Vec<u32>,
    seg_masks: Vec<usize>,
    /// For each mask in the batch the sample and the mask's number there.
    masks: Vec<(usize, usize)>,
}

fn answer_losses(
    lamed: &Lamed,
    variables: &Variables,
    samples: &[Sample],
    totals: Totals,
    answer_loss: AnswerLoss,
) -> Result<Parts, TrainingError> {
    let images = images(lamed.config().image_size, lamed.device(), samples)?;
    let prefix = 1 + lamed.config().image_token_count();
    let text_length = |sample: &Sample| -> usize {
        let lengths = sample
            .questions
            .iter()
            .map(|t| t.prompt.len() + t.answer.len());
        lengths.sum()
    };
    let longest = samples.iter().map(text_length).max().unwrap_or(0);
    let n = prefix + longest;
    let (mut ids, mut packings) = (Vec::new(), Vec::new());
    let mut answers = Answers::default();
    for (number, sample) in samples.iter().enumerate() {
        ids.push(lamed.config().bos_token_id);
        let mut end = prefix;
        for qa in &sample.questions {
            let answer = end + qa.prompt.len();
            answers.weights.extend(token_weights(qa, answer_loss));
            answers.add(lamed.config().seg_token_id, number, qa, |j| {
                // The token before: of the prompt or the answer, or where both are missing the last of the image.
                let before = if answer + j > end { answer + j } else { prefix };
                (number * n + before - 1) as u32
            });
            ids.extend(qa.prompt.iter().chain(&qa.answer));
            end = answer + qa.answer.len();
        }
        ids.resize((number + 1) * (1 + longest), 0);
        let lengths = sample
            .questions
            .iter()
            .map(|t| t.prompt.len() + t.answer.len());
        packings.push(Packing::new(prefix, lengths, n));
    }
    let tokens = lamed.vision_tower().forward(&images, None)?;
    let pooled = lamed.projector().pool(&tokens)?;
    let cut = Cut::of_vision(lamed.config());
    let dense = dense_loss(cut, variables, samples, &tokens, totals.labels)?;
    let pooling = lamed.config().proj_pooling_size.max(1);
    let facts = facts_loss(
        [cut, cut.pooled(pooling)],
        variables,
        samples,
        [&tokens, &pooled],
        totals.volumes,
    )?;
    if answers.rows.is_empty() {
        return Ok([None, None, None, None, dense, facts]);
    }
    let tokens = lamed.projector().project(&pooled)?;
    let words = lamed
        .embed(&ids)?
        .reshape((samples.len(), 1 + longest, ()))?;
    let sequence = [words.narrow(1, 0, 1)?, tokens, words.narrow(1, 1, longest)?];
    let hidden = lamed.decode_packed(&Tensor::cat(&sequence, 1)?, &packings)?;
    let hidden = hidden.reshape((samples.len() * n, ()))?;
    let device = lamed.device();
    let rows = |rows: &[u32]| hidden.index_select(&Tensor::new(rows, device)?, 0);

    let scores = lamed.logits(&rows(&answers.rows)?.unsqueeze(0)?)?;
    let text = cross_entropy_sum(&scores, &answers.tokens, &answers.weights)?;
    let text = (text / totals.weight)?;
    if answers.masks.is_empty() {
        return Ok([Some(text), None, None, None, dense, facts]);
    }
    let share = answers.shares(device)?;
    let asked = rows(&answers.seg_rows)?.to_dtype(DType::F32)?;
    let prompts = lamed.project_prompts(&share.matmul(&asked)?)?;
    let prompt = prompt_loss(variables, samples, &answers.masks, &prompts, totals)?;
    if !answer_loss.draw {
        return Ok([Some(text), None, None, prompt, dense, facts]);
    }
    let features = features(lamed, &images)?;
    let [bce, dice] = outline(lamed, &features, samples, &answers.masks, &prompts, totals)?;
    Ok([Some(text), Some(bce), Some(dice), prompt, dense, facts])
}

/// How far prompts `[masks,width]` are from those that the segmentation network learnt for the masks' classes before
/// there were words: the squared distance over the squared length. Without it the first words would have to find by
/// chance where in the space of prompts anything is drawn. `None` where no such prompts were learnt.
fn prompt_loss(
    variables: &Variables,
    samples: &[Sample],
    masks: &[(usize, usize)],
    prompts: &Tensor,
    totals: Totals,
) -> Result<Option<Tensor>, TrainingError> {
    let Some(all) = variables.get(CLASS_PROMPTS) else {
        return Ok(None);
    };
    let class = |&(sample, mask): &(usize, usize)| samples.get(sample)?.masks.get(mask)?.class;
    let known = masks.iter().enumerate();
    let known = known.filter_map(|(row, mask)| Some((row as u32, class(mask)? as u32)));
    let (rows, classes): (Vec<u32>, Vec<u32>) = known.unzip();
    if rows.is_empty() {
        return Ok(None);
    }
    let wanted = all
        .detach()
        .index_select(&Tensor::new(classes, all.device())?, 0)?;
    let found = prompts.index_select(&Tensor::new(rows, prompts.device())?, 0)?;
    let lengths = wanted.sqr()?.sum(1)?;
    let distances = (found - wanted)?.sqr()?.sum(1)?;
    Ok(Some(((distances / lengths)?.sum_all()? / totals.masks)?))
}

impl Answers {
    fn add(
        &mut self,
        seg: u32,
        sample: usize,
        qa: &super::QuestionAnswer,
        row: impl Fn(usize) -> u32,
    ) {
        let mut asked = false;
        for (j, &token) in qa.answer.iter().enumerate() {
            self.rows.push(row(j));
            self.tokens.push(token);
            // The first token of an answer never counts as one.
            if token == seg && j > 0 && qa.mask.is_some() {
                self.seg_rows.push(row(j));
                self.seg_masks.push(self.masks.len());
                asked = true;
            }
        }
        if let (true, Some(mask)) = (asked, qa.mask) {
            self.masks.push((sample, mask));
        }
    }

    /// `[masks, seg rows]`: the mean over the rows of each mask.
    fn shares(&self, device: &Device) -> candle_core::Result<Tensor> {
        let (masks, rows) = (self.masks.len(), self.seg_rows.len());
        let mut counts = vec![0_u32; masks];
        for &mask in &self.seg_masks {
            counts[mask] += 1;
        }
        let mut shares = vec![0_f32; masks * rows];
        for (row, &mask) in self.seg_masks.iter().enumerate() {
            shares[mask * rows + row] = 1.0 / counts[mask] as f32;
        }
        Tensor::from_vec(shares, (masks, rows), device)
    }
}

fn class_losses(
    lamed: &Lamed,
    variables: &Variables,
    samples: &[Sample],
    totals: Totals,
) -> Result<Parts, TrainingError> {
    let Some(all) = variables.get(CLASS_PROMPTS) else {
        return Err(TrainingError::Data(
            "there are no prompts of classes".into(),
        ));
    };
    let (mut masks, mut chosen) = (Vec::new(), Vec::new());
    for (number, sample) in samples.iter().enumerate() {
        for (mask, class) in classes(sample) {
            masks.push((number, mask));
            chosen.push(class as u32);
        }
    }
    if masks.is_empty() {
        return Ok(Parts::default());
    }
    let prompts = all.index_select(&Tensor::new(chosen.as_slice(), lamed.device())?, 0)?;
    let images = images(lamed.config().image_size, lamed.device(), samples)?;
    let features = features(lamed, &images)?;
    let [bce, dice] = outline(lamed, &features, samples, &masks, &prompts, totals)?;
    let tokens = features.flatten_from(2)?.transpose(1, 2)?;
    let cut = Cut::of_segmentation(lamed.config());
    let dense = dense_loss(cut, variables, samples, &tokens, totals.labels)?;
    Ok([None, Some(bce), Some(dice), None, dense, None])
}

/// SegVol's features of images, `[n,width,D,H,W]` in f32.
fn features(lamed: &Lamed, images: &Tensor) -> candle_core::Result<Tensor> {
    let features = lamed.segvol().encode(images, None)?;
    features.to_dtype(DType::F32)?.contiguous()
}

/// Binary cross entropy and Dice of masks, given as sample and number, each with its row of the prompts.
fn outline(
    lamed: &Lamed,
    features: &Tensor,
    samples: &[Sample],
    masks: &[(usize, usize)],
    prompts: &Tensor,
    totals: Totals,
) -> Result<[Tensor; 2], TrainingError> {
    let mut targets = Vec::new();
    for &(sample, mask) in masks {
        let target = samples.get(sample).and_then(|s| s.masks.get(mask));
        let Some(target) = target else {
            return Err(TrainingError::Data(
                "an answer asks for a mask that is not there".into(),
            ));
        };
        targets.extend_from_slice(&target.voxels);
    }
    let targets = Tensor::from_vec(targets, (masks.len(), ()), lamed.device())?;
    let targets = targets.to_dtype(DType::F32)?;
    let of_sample: Vec<u32> = masks.iter().map(|&(sample, _)| sample as u32).collect();
    let features = features.index_select(&Tensor::new(of_sample, lamed.device())?, 0)?;
    let low = lamed.segvol().predict_texts(&features, prompts)?;
    let logits = trilinear(&low.squeeze(1)?, lamed.config().image_size)?;
    let losses = mask_losses(&logits.reshape((masks.len(), ()))?, &targets)?;
    let losses = (losses / totals.masks)?;
    Ok([losses.get(0)?, losses.get(1)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::QuestionAnswer;

    #[test]
    fn a_short_answer_may_weigh_as_much_as_a_long_one_and_its_openings_more() {
        let weights = |length: usize, answer_loss: AnswerLoss| -> Vec<f32> {
            let qa = QuestionAnswer {
                prompt: vec![5],
                answer: vec![7; length],
                openings: vec![0, 2],
                mask: None,
            };
            token_weights(&qa, answer_loss).collect()
        };
        assert_eq!(weights(3, AnswerLoss::default()), [1.0; 3]);
        let balanced = AnswerLoss {
            balance: 1.0,
            ..AnswerLoss::default()
        };
        assert_eq!(weights(4, balanced).iter().sum::<f32>(), 1.0);
        let led = AnswerLoss {
            first: 4.0,
            ..balanced
        };
        assert_eq!(weights(4, led), [1.0, 0.25, 1.0, 0.25]);
        assert_eq!(weights(0, led), [0.0; 0]);
    }
}
