//! M3D-CLIP: volumes and texts as points of one space, near each other where they tell the same.
//!
//! ```text
//! image [b,C,D,H,W] -> vit  -> token 0 -> projection -> length 1 -> [b,dim] \
//!                                                                            dot product -> similarity
//! text -> ids -> BERT -> token 0 -> projection -> length 1 -------> [b,dim] /
//! ```
//!
//! The vision transformer is that of M3D-LaMed.

pub mod bert;
mod checkpoint;
mod config;
mod text;
mod wordpiece;

use candle_core::{D, DType, Device, IndexOp, Tensor};

use super::ModelError;
use super::source::{WeightSource, Weights};
use super::vit::Vit;
use m3d_engine::linear::Linear;
use text::TextEncoder;

pub use bert::Bert;
pub use checkpoint::{ClipCheckpoint, clip_tensors};
pub use config::{BertConfig, ClipConfig};
pub use wordpiece::WordPieceTokenizer;

/// Shortest length a feature is divided by: the reference's.
const MIN_LENGTH: f64 = 1e-12;

/// M3D-CLIP, loaded.
#[derive(Debug)]
pub struct Clip {
    config: ClipConfig,
    device: Device,
    vision_encoder: Vit,
    language_encoder: TextEncoder,
    vision_projection: Linear,
    language_projection: Linear,
    logit_scale: f32,
}

impl Clip {
    /// Reads every weight of a checkpoint; the image encoder computes in `dtype`, the rest in f32.
    pub fn load(
        checkpoint: &ClipCheckpoint,
        device: &Device,
        dtype: DType,
    ) -> Result<Self, ModelError> {
        Self::new(&checkpoint.config, &checkpoint.read(device)?, dtype)
    }

    /// Takes the weights from the root of a source.
    pub fn new(
        config: &ClipConfig,
        source: &dyn WeightSource,
        dtype: DType,
    ) -> Result<Self, ModelError> {
        config.validate()?;
        let width = config.hidden_size;
        let root = Weights::new(source, dtype);
        // BERT's mask is f32's lowest number: as bf16 it would be infinite, and its product with zero no number.
        let exact = root.exact();
        Ok(Self {
            vision_encoder: Vit::new(config.vision(), &root.pp("vision_encoder"))?,
            language_encoder: TextEncoder::new(
                &config.language_config,
                &exact.pp("language_encoder"),
            )?,
            vision_projection: exact.pp("mm_vision_proj").linear(width, width)?,
            language_projection: exact.pp("mm_language_proj").linear(width, width)?,
            logit_scale: exact.get(&[], "logit_scale")?.to_scalar()?,
            config: config.clone(),
            device: source.device().clone(),
        })
    }

    /// The configuration it was built from.
    pub fn config(&self) -> &ClipConfig {
        &self.config
    }

    /// Where its weights lie.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Prepared images `[b,C,D,H,W]`, f32 in 0..1, to features of length 1, `[b,dim]` in f32.
    pub fn image_features(&self, images: &Tensor) -> Result<Tensor, ModelError> {
        let [d, h, w] = self.config.img_size;
        let count = match *images.dims() {
            [b, ..] if b > 0 => b,
            _ => 1,
        };
        let expected = [count, self.config.in_channels, d, h, w];
        if images.dims() != expected {
            return Err(ModelError::Input {
                what: "the batch of images",
                expected: expected.to_vec(),
                found: images.dims().to_vec(),
            });
        }
        let tokens = self
            .vision_encoder
            .forward_with_cls(&images.to_device(&self.device)?, None)?;
        project(&tokens.i((.., 0))?.contiguous()?, &self.vision_projection)
    }

    /// Texts, encoded by [`WordPieceTokenizer`] within [`ClipConfig::text_length`], to features of length 1, `[b,dim]` in f32.
    ///
    /// A text's features do not depend on the others.
    pub fn text_features(&self, texts: &[impl AsRef<[u32]>]) -> Result<Tensor, ModelError> {
        let texts: Vec<&[u32]> = texts.iter().map(AsRef::as_ref).collect();
        let first = self.language_encoder.forward(&texts)?;
        project(&first, &self.language_projection)
    }

    /// Image features `[n,dim]` and text features `[m,dim]` to the cosines between them, `[n,m]` in -1..1.
    ///
    /// Ranking a row finds texts for an image, ranking a column images for a text.
    pub fn similarity(&self, images: &Tensor, texts: &Tensor) -> Result<Tensor, ModelError> {
        Ok(images.matmul(&texts.t()?)?)
    }

    /// The factor between similarities and the logits that the model was trained on. The reference multiplies by it
    /// as it is stored, without the exponential of OpenAI's CLIP, and ranks without it.
    pub const fn logit_scale(&self) -> f32 {
        self.logit_scale
    }
}

/// First tokens `[b,dim]`, projected and brought to length 1.
fn project(first: &Tensor, projection: &Linear) -> Result<Tensor, ModelError> {
    let features = projection.forward(&first.to_dtype(DType::F32)?)?;
    let length = features.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?;
    Ok(features.broadcast_div(&length.maximum(MIN_LENGTH)?)?)
}
