//! M3D-CLIP's step: every image of a batch is to be nearer to its own text than to the others, and every text to its
//! own image (Radford et al. 2021).

use candle_core::{Tensor, Var};
use rayon::prelude::*;

use super::losses::cross_entropy_sum;
use super::step::{add, backward, casts, images};
use super::{Gradients, Losses, Sample, TrainingError, Variables};
use m3d_engine::ops::autocast;
use m3d_model::source::WeightSource;
use m3d_model::{Clip, ClipConfig, Precision, WordPieceTokenizer};

/// The logit scale (inverse temperature) of similarities; the public model multiplies with it as it is stored.
const LOGIT_SCALE: &str = "logit_scale";

/// Losses and gradients of a batch, in f32 but for products, which may be rounded to bf16.
///
/// The features of all samples are found first, a share of the samples on each thread; then the loss over the whole
/// batch and its gradients by the features; then each thread runs the networks' backward pass for its share of them.
pub(super) fn contrast_gradients(
    config: &ClipConfig,
    words: &WordPieceTokenizer,
    variables: &Variables,
    precision: Precision,
    samples: &[Sample],
) -> Result<(Losses, Gradients), TrainingError> {
    let casts = casts(variables, precision);
    let clip = Clip::new(config, variables, candle_core::DType::F32)?;
    let threads = if WeightSource::device(variables).is_cpu() {
        rayon::current_num_threads()
    } else {
        1
    };
    let share = samples.len().div_ceil(threads.max(1)).max(1);
    let features: Vec<[Tensor; 2]> = samples
        .par_chunks(share)
        .map(|samples| autocast(casts, || features(&clip, words, samples)))
        .collect::<Result<_, _>>()?;

    let [all_images, all_texts] = [0, 1].map(|kind| {
        let parts: Vec<Tensor> = features.iter().map(|part| part[kind].detach()).collect();
        Var::from_tensor(&Tensor::cat(&parts, 0)?)
    });
    let (all_images, all_texts) = (all_images?, all_texts?);
    let Some(scale) = variables.get(LOGIT_SCALE) else {
        return Err(TrainingError::Data(format!("there is no {LOGIT_SCALE}")));
    };
    let scale = Var::from_tensor(&scale.detach())?;
    let loss = contrast_loss(&all_images, &all_texts, &scale)?;
    let slopes = loss.backward()?;
    let slope = |var: &Var| {
        let slope = slopes.get(var).cloned();
        slope.ok_or_else(|| TrainingError::Data("no gradient comes back to the features".into()))
    };
    let (to_images, to_texts) = (slope(&all_images)?, slope(&all_texts)?);

    let mut starts = Vec::new();
    let mut start = 0;
    for part in &features {
        starts.push(start);
        start += part[0].dim(0)?;
    }
    let back = |(part, start): (&[Tensor; 2], &usize)| {
        let pull = |features: &Tensor, slopes: &Tensor| {
            let slopes = slopes.narrow(0, *start, features.dim(0)?)?;
            (features * slopes)?.sum_all()
        };
        let sum = (pull(&part[0], &to_images)? + pull(&part[1], &to_texts)?)?;
        autocast(casts, || backward(variables, &sum))
    };
    let done: Vec<Gradients> = features
        .par_iter()
        .zip(&starts)
        .map(back)
        .collect::<Result<_, TrainingError>>()?;
    let mut sums = Gradients::new();
    for gradients in done {
        add(&mut sums, gradients)?;
    }
    if variables.learnt().any(|(name, _)| name == LOGIT_SCALE) {
        sums.insert(LOGIT_SCALE.to_string(), slope(&scale)?);
    }
    let losses = Losses {
        text: f64::from(loss.to_scalar::<f32>()?),
        ..Losses::default()
    };
    Ok((losses, sums))
}

/// Features of images and of their texts, `[n,dim]` each.
fn features(
    clip: &Clip,
    words: &WordPieceTokenizer,
    samples: &[Sample],
) -> Result<[Tensor; 2], TrainingError> {
    let limit = clip.config().text_length();
    let texts = samples
        .iter()
        .map(|sample| words.encode(&sample.description, limit))
        .collect::<Result<Vec<_>, _>>()?;
    let images = images(clip.config().img_size, clip.device(), samples)?;
    Ok([clip.image_features(&images)?, clip.text_features(&texts)?])
}

/// The mean of both cross entropies: features of length 1, `[n,dim]`, the n-th image belonging to the n-th text.
pub fn contrast_loss(
    images: &Tensor,
    texts: &Tensor,
    scale: &Tensor,
) -> candle_core::Result<Tensor> {
    let n = images.dim(0)?;
    let logits = images.matmul(&texts.t()?)?.broadcast_mul(scale)?;
    let (own, alike): (Vec<u32>, Vec<f32>) = (0..n as u32).map(|i| (i, 1.0)).unzip();
    let of_images = cross_entropy_sum(&logits, &own, &alike)?;
    let of_texts = cross_entropy_sum(&logits.t()?.contiguous()?, &own, &alike)?;
    (of_images + of_texts)? / (2.0 * n as f64)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::training::initial::Sizes;
    use crate::training::wordpiece::learn_pieces;
    use m3d_model::clip::{BertConfig, clip_tensors};
    use m3d_model::rule::uniform;

    fn samples(count: u64, voxels: u64) -> Vec<Sample> {
        let sample = |n: u64| Sample {
            image: (0..voxels)
                .map(|i| uniform("image", n * voxels + i))
                .collect(),
            description: format!("Report number {n} of the liver, {} mm.", 3 * n),
            ..Sample::default()
        };
        (0..count).map(sample).collect()
    }

    #[test]
    fn gradients_are_the_slopes_of_the_loss() {
        let samples = samples(5, 4 * 8 * 8);
        let texts = samples.iter().map(|s| s.description.as_str());
        let pieces = learn_pieces(texts, 400);
        let config = ClipConfig {
            img_size: [4, 8, 8],
            patch_size: [2, 4, 4],
            hidden_size: 16,
            mlp_dim: 32,
            num_layers: 1,
            num_heads: 2,
            language_config: BertConfig {
                vocab_size: pieces.len(),
                hidden_size: 16,
                num_hidden_layers: 1,
                num_attention_heads: 2,
                intermediate_size: 32,
                max_position_embeddings: 32,
                ..BertConfig::default()
            },
            ..ClipConfig::default()
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("vocab.txt"), pieces.join("\n")).unwrap();
        let words = WordPieceTokenizer::open(folder.path()).unwrap();
        let wanted = clip_tensors(&config).unwrap();
        let mut variables =
            Variables::drawn(wanted, &Sizes::of_clip(&config), 3, &Device::Cpu).unwrap();
        variables.learn(|_| true).unwrap();

        let loss = || {
            contrast_gradients(
                &config,
                &words,
                &variables,
                candle_core::DType::F32.into(),
                &samples,
            )
            .unwrap()
        };
        let (losses, gradients) = loss();
        let all: Vec<String> = variables.learnt().map(|(name, _)| name).collect();
        assert_eq!(gradients.len(), all.len(), "every tensor has a gradient");
        for name in [
            "logit_scale",
            "vision_encoder.blocks.0.mlp.linear1.weight",
            "vision_encoder.cls_token",
            "language_encoder.encoder.layer.0.attention.self.query.weight",
            "language_encoder.embeddings.LayerNorm.bias",
            "mm_language_proj.weight",
        ] {
            // Along the gradient itself: the slope there is its length.
            let (_, var) = variables.learnt().find(|(n, _)| n == name).unwrap();
            let gradient = &gradients[name];
            let length = gradient.sqr().unwrap().sum_all().unwrap();
            let length = f64::from(length.to_scalar::<f32>().unwrap()).sqrt();
            let old = var.as_tensor().copy().unwrap();
            let step = 1e-2 / length.max(1.0);
            let at = |side: f64| {
                let moved = (&old + (gradient * (side * step / length)).unwrap()).unwrap();
                var.set(&moved).unwrap();
                loss().0.text
            };
            let slope = (at(1.0) - at(-1.0)) / (2.0 * step);
            var.set(&old).unwrap();
            assert!(
                (slope - length).abs() < 2e-2 * length + 2e-4,
                "{name}: {slope} along a gradient of {length}"
            );
        }
        assert!((losses.text - (5.0_f64).ln()).abs() < 2.0, "{losses:?}");
    }
}
