//! The mask decoder: prompt tokens and image features to mask logits at four times the patch grid.

use candle_core::{D, Result, Tensor};

use super::two_way::TwoWayTransformer;
use super::upscaling::Upscaling;
use crate::LamedConfig;
use crate::source::Weights;
use m3d_engine::linear::Linear;

const MASK_TOKENS: usize = 4;

/// What the mask decoder found.
#[derive(Debug)]
pub struct MaskPrediction {
    /// Logits `[b,1,4d,4h,4w]`.
    pub low_res_masks: Tensor,
    /// The network's guess of the mask's quality, `[b,1]`.
    pub iou: Tensor,
}

/// The mask decoder. Of its four masks only the first is ever asked for, so the other hypernetworks are not loaded.
#[derive(Debug)]
pub struct MaskDecoder {
    transformer: TwoWayTransformer,
    output_tokens: Tensor,
    upscaling: Upscaling,
    hypernetwork: Mlp,
    text_align: Linear,
    iou_head: Mlp,
}

impl MaskDecoder {
    /// Takes its weights, which must come in f32.
    pub fn new(config: &LamedConfig, weights: &Weights) -> Result<Self> {
        let seg = &config.seg_config;
        let width = seg.embed_dim;
        let iou_token = weights.pp("iou_token").get(&[1, width], "weight")?;
        let mask_tokens = weights
            .pp("mask_tokens")
            .get(&[MASK_TOKENS, width], "weight")?;
        Ok(Self {
            transformer: TwoWayTransformer::new(
                width,
                seg.decoder_mlp_dim,
                &weights.pp("transformer"),
            )?,
            output_tokens: Tensor::cat(&[iou_token, mask_tokens], 0)?.unsqueeze(0)?,
            upscaling: Upscaling::new(width, config.seg_grid(), &weights.pp("output_upscaling"))?,
            hypernetwork: Mlp::new(
                [width, width, width, width / 8],
                &weights.pp("output_hypernetworks_mlps.0"),
            )?,
            text_align: weights
                .pp("txt_align_upscaled_embedding")
                .linear(width, width / 8)?,
            iou_head: {
                let inner = seg.iou_head_hidden_dim;
                Mlp::new(
                    [width, inner, inner, MASK_TOKENS],
                    &weights.pp("iou_prediction_head"),
                )?
            },
        })
    }

    /// Features `[b,width,d,h,w]`, the position encoding `[1,width,d,h,w]`, prompt tokens `[b,k,width]`, the no-mask
    /// embedding `[1,width]` and the text prompts `[b,width]`, all f32.
    pub fn forward(
        &self,
        features: &Tensor,
        position: &Tensor,
        sparse: &Tensor,
        no_mask: &Tensor,
        text: Option<&Tensor>,
    ) -> Result<MaskPrediction> {
        let (b, width, d, h, w) = features.dims5()?;
        let as_tokens = |x: &Tensor| {
            x.reshape(((), width, d * h * w))?
                .transpose(1, 2)?
                .contiguous()
        };
        let (_, count, _) = self.output_tokens.dims3()?;
        let output_tokens = self.output_tokens.broadcast_as((b, count, width))?;
        let tokens = Tensor::cat(&[&output_tokens, sparse], 1)?;
        let image = as_tokens(features)?.broadcast_add(no_mask)?;
        let (tokens, image) = self
            .transformer
            .forward(&tokens, &image, &as_tokens(position)?)?;

        let mut filter = self
            .hypernetwork
            .forward(&tokens.narrow(1, 1, 1)?.contiguous()?)?;
        if let Some(text) = text {
            // Both dot products run over the same voxels: add the filters instead of the maps.
            filter = (filter + self.text_align.forward(text)?.unsqueeze(1)?)?;
        }
        let low_res_masks = self.upscaling.forward(&image, &filter)?;
        let iou = self
            .iou_head
            .forward(&tokens.narrow(1, 0, 1)?.contiguous()?)?
            .squeeze(1)?
            .narrow(D::Minus1, 0, 1)?;
        Ok(MaskPrediction { low_res_masks, iou })
    }
}

/// Three linear layers with ReLU between.
#[derive(Debug)]
struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    fn new(widths: [usize; 4], weights: &Weights) -> Result<Self> {
        let layers = widths
            .windows(2)
            .enumerate()
            .map(|(i, pair)| weights.pp(format!("layers.{i}")).linear(pair[0], pair[1]))
            .collect::<Result<_>>()?;
        Ok(Self { layers })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                x = x.relu()?;
            }
            x = layer.forward(&x)?;
        }
        Ok(x)
    }
}
