//! SegVol: an image encoder of its own, prompts from text, points and boxes, and a mask decoder.

pub mod mask_decoder;
pub mod prompt_encoder;
pub mod two_way;
mod upscaling;

use candle_core::{DType, Result, Tensor};

use super::LamedConfig;
use super::probe::Probe;
use super::source::Weights;
use super::vit::{Vit, VitConfig};
use m3d_engine::WeightFormat;
pub use mask_decoder::{MaskDecoder, MaskPrediction};
pub use prompt_encoder::{PromptEncoder, Prompts};

/// The segmentation network under `model.seg_module`.
///
/// The image encoder runs in the type of the model; prompts and mask decoder are small and always run in f32, so that
/// a mask's edge does not depend on the type chosen for speed.
#[derive(Debug)]
pub struct SegVol {
    /// The image encoder, a ViT without cls.
    pub image_encoder: Vit,
    /// Prompts to tokens, and position encodings.
    pub prompt_encoder: PromptEncoder,
    /// Tokens and features to masks.
    pub mask_decoder: MaskDecoder,
}

impl SegVol {
    /// Takes its weights, the image encoder's matrices held in `towers`.
    pub fn new(config: &LamedConfig, weights: &Weights, towers: WeightFormat) -> Result<Self> {
        let seg = &config.seg_config;
        let encoder = VitConfig {
            image_size: config.image_size,
            patch_size: config.seg_patch_size(),
            channels: config.image_channel,
            hidden_size: seg.embed_dim,
            mlp_dim: seg.mlp_dim,
            num_layers: seg.num_layers,
            num_heads: seg.num_heads,
            cls_token: false,
        };
        let exact = weights.exact();
        Ok(Self {
            image_encoder: Vit::new(encoder, &weights.pp("image_encoder").held_in(towers))?,
            prompt_encoder: PromptEncoder::new(config, &exact.pp("prompt_encoder"))?,
            mask_decoder: MaskDecoder::new(config, &exact.pp("mask_decoder"))?,
        })
    }

    /// Image `[1,C,D,H,W]` in 0..1 to features `[1,embed,d,h,w]`.
    pub fn encode(&self, image: &Tensor, probe: Option<Probe>) -> Result<Tensor> {
        let tokens = self.image_encoder.forward(image, probe)?;
        let (b, _, width) = tokens.dims3()?;
        let [d, h, w] = self.image_encoder.grid();
        tokens.transpose(1, 2)?.reshape((b, width, d, h, w))
    }

    /// Features and prompts to mask logits at four times the patch grid.
    pub fn predict(&self, features: &Tensor, prompts: &Prompts) -> Result<MaskPrediction> {
        let features = features.to_dtype(DType::F32)?;
        let sparse = self.prompt_encoder.sparse(prompts)?;
        let text = prompts
            .text
            .map(|text| text.to_dtype(DType::F32))
            .transpose()?;
        self.mask_decoder.forward(
            &features,
            self.prompt_encoder.dense_position(),
            &sparse,
            self.prompt_encoder.no_mask(),
            text.as_ref(),
        )
    }

    /// Features `[b,C,d,h,w]` and as many text prompts `[b,C]`, both f32, to mask logits `[b,1,4d,4h,4w]`.
    pub fn predict_texts(&self, features: &Tensor, texts: &Tensor) -> Result<Tensor> {
        let prediction = self.mask_decoder.forward(
            features,
            self.prompt_encoder.dense_position(),
            &texts.unsqueeze(1)?,
            self.prompt_encoder.no_mask(),
            Some(texts),
        )?;
        Ok(prediction.low_res_masks)
    }
}
