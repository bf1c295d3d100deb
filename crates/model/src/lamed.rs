//! The whole: image in, tokens through the decoder, masks out.

use std::collections::HashMap;

use candle_core::{DType, Device, IndexOp, Tensor};

use super::augmented_views::AugmentedViews;
use super::decoder::Decoder;
use super::precision::Precision;
use super::probe::{Probe, run};
use super::projector::Projector;
use super::resize::trilinear;
use super::segvol::SegVol;
use super::source::{TensorMap, WeightSource, Weights};
use super::vit::{Vit, VitConfig};
use super::{Checkpoint, KvCache, LamedConfig, ModelError};
use m3d_engine::linear::Linear;
use m3d_engine::matrix::Matrix;
use m3d_engine::ops::Packing;

/// M3D-LaMed, loaded.
///
/// A prompt is [`embed`](Self::embed)ded `<s>`, then the image tokens, then the embedded text; answers come one token
/// at a time from [`decode`](Self::decode) and [`logits`](Self::logits).
#[derive(Debug)]
pub struct Lamed {
    config: LamedConfig,
    device: Device,
    precision: Precision,
    embed_tokens: Matrix,
    vision_tower: Vit,
    projector: Projector,
    decoder: Decoder,
    lm_head: Matrix,
    seg_projector: SegProjector,
    segvol: SegVol,
    views: AugmentedViews,
}

impl Lamed {
    /// Reads every weight of a checkpoint and holds it in `precision`; `progress` is called with 0..=1.
    pub fn load(
        checkpoint: &Checkpoint,
        device: &Device,
        precision: impl Into<Precision>,
        progress: &dyn Fn(f32),
    ) -> Result<Self, ModelError> {
        let source = checkpoint.source(device, progress);
        let lamed = Self::new(&checkpoint.config, &source, precision.into());
        // What the source found wrong names file and tensor.
        source.finish(lamed)
    }

    /// Builds the model on tensors already in memory, named as in a checkpoint.
    pub fn from_tensors(
        config: &LamedConfig,
        tensors: HashMap<String, Tensor>,
        device: &Device,
        precision: impl Into<Precision>,
    ) -> Result<Self, ModelError> {
        Self::new(config, &TensorMap::new(tensors, device), precision.into())
    }

    /// Takes the weights from the root of a source.
    pub fn new(
        config: &LamedConfig,
        source: &dyn WeightSource,
        precision: Precision,
    ) -> Result<Self, ModelError> {
        config.validate()?;
        let root = Weights::new(source, precision.compute);
        let model = root.pp("model");
        let hidden = config.hidden_size;
        let vocabulary = |weights: Weights| {
            weights
                .held_in(precision.vocabulary)
                .matrix(config.vocab_size, hidden)
        };
        let embed_tokens = vocabulary(model.pp("embed_tokens"))?;
        let lm_head = if config.tie_word_embeddings {
            embed_tokens.clone()
        } else {
            vocabulary(root.pp("lm_head"))?
        };
        let vision = &config.vision_config;
        let tower = VitConfig {
            image_size: config.image_size,
            patch_size: config.patch_size,
            channels: config.image_channel,
            hidden_size: vision.hidden_size,
            mlp_dim: vision.mlp_dim,
            num_layers: vision.num_layers,
            num_heads: vision.num_heads,
            cls_token: true,
        };
        Ok(Self {
            embed_tokens,
            vision_tower: Vit::new(
                tower,
                &model
                    .pp("vision_tower.vision_tower")
                    .held_in(precision.towers),
            )?,
            projector: Projector::new(config, &model.pp("mm_projector"))?,
            decoder: Decoder::new(config, &model, precision)?,
            lm_head,
            seg_projector: SegProjector::new(
                hidden,
                config.seg_config.embed_dim,
                &model.exact().pp("seg_projector"),
            )?,
            segvol: SegVol::new(config, &model.pp("seg_module"), precision.towers)?,
            views: AugmentedViews::new(&config.seg_config.views),
            config: config.clone(),
            device: source.device().clone(),
            precision,
        })
    }

    /// The configuration it was built from.
    pub fn config(&self) -> &LamedConfig {
        &self.config
    }

    /// Where its weights lie.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The vision tower.
    pub fn vision_tower(&self) -> &Vit {
        &self.vision_tower
    }

    /// The projector from vision tower to decoder.
    pub fn projector(&self) -> &Projector {
        &self.projector
    }

    /// The segmentation network.
    pub fn segvol(&self) -> &SegVol {
        &self.segvol
    }

    /// Prepared image `[1,1,D,H,W]`, f32 in 0..1, to image tokens `[1,N,hidden]`.
    pub fn encode_image(&self, image: &Tensor) -> Result<Tensor, ModelError> {
        self.encode_image_probed(image, None)
    }

    /// [`encode_image`](Self::encode_image), showing each block's output to `probe`.
    pub fn encode_image_probed(
        &self,
        image: &Tensor,
        probe: Option<Probe>,
    ) -> Result<Tensor, ModelError> {
        let image = self.checked_image(image)?;
        let tokens = run(probe, |probe| self.vision_tower.forward(&image, probe))?;
        Ok(self.projector.forward(&tokens)?)
    }

    /// Prepared image `[1,1,D,H,W]`, f32 in 0..1, to the segmentation network's features of each view of it,
    /// `[views,C,d,h,w]`.
    pub fn encode_segmentation(&self, image: &Tensor) -> Result<Tensor, ModelError> {
        self.encode_segmentation_probed(image, None)
    }

    /// [`encode_segmentation`](Self::encode_segmentation), showing each block's output to `probe`.
    pub fn encode_segmentation_probed(
        &self,
        image: &Tensor,
        probe: Option<Probe>,
    ) -> Result<Tensor, ModelError> {
        let views = self.views.of(&self.checked_image(image)?)?;
        run(probe, |probe| self.segvol.encode(&views, probe))
    }

    /// Token ids to embeddings `[1,n,hidden]`.
    pub fn embed(&self, ids: &[u32]) -> Result<Tensor, ModelError> {
        let vocabulary = self.config.vocab_size;
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocabulary) {
            return Err(ModelError::TokenOutOfRange { id, vocabulary });
        }
        let rows = self.embed_tokens.rows(ids, &self.device)?.unsqueeze(0)?;
        Ok(rows.to_dtype(self.precision.compute)?)
    }

    /// An empty cache that holds up to the model's context.
    pub fn new_cache(&self) -> KvCache {
        self.new_cache_in(self.precision.memory())
    }

    /// As [`new_cache`](Self::new_cache), holding keys and values in a type of floats of one's choice.
    pub fn new_cache_in(&self, dtype: DType) -> KvCache {
        let config = &self.config;
        KvCache::new(config.num_hidden_layers, config.context_length(), dtype)
    }

    /// Embeddings `[1,n,hidden]` of the positions after those in the cache to hidden states after the final norm,
    /// `[1,n,hidden]`. Fails, leaving the cache as it was, where they do not fit into the context.
    pub fn decode(&self, embeddings: &Tensor, cache: &mut KvCache) -> Result<Tensor, ModelError> {
        self.decode_probed(embeddings, cache, None)
    }

    /// [`decode`](Self::decode), showing each layer's output to `probe`. Stopped by it, it leaves the cache as it was.
    pub fn decode_probed(
        &self,
        embeddings: &Tensor,
        cache: &mut KvCache,
        probe: Option<Probe>,
    ) -> Result<Tensor, ModelError> {
        let hidden = self.config.hidden_size;
        let n = match *embeddings.dims() {
            [1, n, width] if width == hidden && n > 0 => n,
            _ => return Err(input("the embeddings", &[1, 1, hidden], embeddings)),
        };
        if cache.layer_count() != self.config.num_hidden_layers {
            return Err(ModelError::Compute(
                "the cache was made for another model".to_string(),
            ));
        }
        cache.check_room(n)?;
        run(probe, |probe| {
            self.decoder.forward(embeddings, cache, probe)
        })
    }

    /// Embeddings `[b,n,hidden]` of whole sequences, a packing for each, to hidden states after the final norm,
    /// `[b,n,hidden]`, without a cache: as when training.
    pub fn decode_packed(
        &self,
        embeddings: &Tensor,
        packings: &[Packing],
    ) -> Result<Tensor, ModelError> {
        let limit = self.config.context_length();
        let longest = |packing: &Packing| (0..packing.len()).map(|i| packing.position(i) + 1).max();
        let asked = packings.iter().filter_map(longest).max().unwrap_or(0);
        if asked > limit {
            return Err(ModelError::ContextTooLong { asked, limit });
        }
        Ok(self.decoder.forward_packed(embeddings, packings)?)
    }

    /// Hidden states `[1,n,hidden]` to scores of every token, `[n,vocab]` in f32. Pass only the positions asked for.
    pub fn logits(&self, hidden: &Tensor) -> Result<Tensor, ModelError> {
        let hidden = match *hidden.dims() {
            [1, _, width] if width == self.config.hidden_size => hidden.i(0)?.contiguous()?,
            _ => {
                return Err(input(
                    "the hidden states",
                    &[1, 1, self.config.hidden_size],
                    hidden,
                ));
            }
        };
        Ok(self.lm_head.multiply(&hidden)?.to_dtype(DType::F32)?)
    }

    /// Hidden states `[1,1,hidden]`, each at the step that produced a `[SEG]`, to one prompt `[1,C]` in f32: their
    /// mean through the projector. By the reference's rule a `[SEG]` that is the very first token does not count.
    pub fn segmentation_prompt(&self, hidden: &[Tensor]) -> Result<Tensor, ModelError> {
        let width = self.config.hidden_size;
        if hidden.is_empty() {
            return Err(ModelError::Input {
                what: "the list of [SEG] states",
                expected: vec![1],
                found: vec![0],
            });
        }
        if let Some(bad) = hidden.iter().find(|state| state.dims() != [1, 1, width]) {
            return Err(input("a [SEG] state", &[1, 1, width], bad));
        }
        let mean = Tensor::cat(hidden, 1)?.to_dtype(DType::F32)?.mean(1)?;
        Ok(self.seg_projector.forward(&mean)?)
    }

    /// Hidden states `[n,hidden]` to as many prompts `[n,C]` of the segmentation network, in f32.
    pub fn project_prompts(&self, hidden: &Tensor) -> Result<Tensor, ModelError> {
        Ok(self.seg_projector.forward(&hidden.to_dtype(DType::F32)?)?)
    }

    /// Features `[views,C,d,h,w]` and prompt `[1,C]` to mask logits `[D,H,W]`, f32, on the prepared image's grid: the mean
    /// over the views.
    pub fn decode_mask(&self, features: &Tensor, prompt: &Tensor) -> Result<Tensor, ModelError> {
        let (views, width) = (self.views.count(), self.config.seg_config.embed_dim);
        let [d, h, w] = self.config.seg_grid();
        if features.dims() != [views, width, d, h, w] {
            return Err(input(
                "the segmentation features",
                &[views, width, d, h, w],
                features,
            ));
        }
        if prompt.dims() != [1, width] {
            return Err(input("the segmentation prompt", &[1, width], prompt));
        }
        let features = features.to_dtype(DType::F32)?;
        let prompts = prompt.to_dtype(DType::F32)?.repeat((views, 1))?;
        let low = self.segvol.predict_texts(&features, &prompts)?;
        let logits = trilinear(&low.squeeze(1)?, self.config.image_size)?;
        Ok(self.views.mean(&logits)?)
    }

    fn checked_image(&self, image: &Tensor) -> Result<Tensor, ModelError> {
        let [d, h, w] = self.config.image_size;
        let expected = [1, self.config.image_channel, d, h, w];
        if image.dims() != expected {
            return Err(input("the image", &expected, image));
        }
        Ok(image.to_device(&self.device)?)
    }
}

fn input(what: &'static str, expected: &[usize], found: &Tensor) -> ModelError {
    ModelError::Input {
        what,
        expected: expected.to_vec(),
        found: found.dims().to_vec(),
    }
}

/// Linear, ReLU, Linear: from the decoder's width to a prompt of the segmentation network.
#[derive(Debug)]
struct SegProjector {
    first: Linear,
    second: Linear,
}

impl SegProjector {
    fn new(hidden: usize, out: usize, weights: &Weights) -> candle_core::Result<Self> {
        Ok(Self {
            first: weights.pp(0).linear(hidden, hidden)?,
            second: weights.pp(2).linear(hidden, out)?,
        })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.second.forward(&self.first.forward(x)?.relu()?)
    }
}
