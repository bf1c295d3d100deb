//! The 3-D vision transformer, used three times: as vision tower and as M3D-CLIP's image encoder (with cls), and as
//! SegVol's image encoder (without).

use candle_core::{DType, IndexOp, Result, Tensor};

use super::config::patch_grid;
use super::probe::{Probe, show};
use super::source::Weights;
use m3d_engine::linear::Linear;
use m3d_engine::ops::fused::{BlockSizes, Part, joined, vit_block};
use m3d_engine::ops::{AttentionMask, JointHeads, LANES, LayerNorm, attend, gelu};

const LAYER_NORM_EPS: f64 = 1e-5;

/// Sizes of one vision transformer.
#[derive(Debug, Clone)]
pub struct VitConfig {
    /// Image, (D,H,W).
    pub image_size: [usize; 3],
    /// Patch, (D,H,W).
    pub patch_size: [usize; 3],
    /// Image channels.
    pub channels: usize,
    /// Width.
    pub hidden_size: usize,
    /// Width of the MLP.
    pub mlp_dim: usize,
    /// Blocks.
    pub num_layers: usize,
    /// Heads.
    pub num_heads: usize,
    /// Whether a cls token takes part.
    pub cls_token: bool,
}

/// Pre-norm vision transformer over patches of a volume.
#[derive(Debug)]
pub struct Vit {
    config: VitConfig,
    patch_embedding: Linear,
    position_embeddings: Tensor,
    cls_token: Option<Tensor>,
    blocks: Vec<Block>,
    norm: LayerNorm,
}

impl Vit {
    /// Takes its weights.
    pub fn new(config: VitConfig, weights: &Weights) -> Result<Self> {
        let hidden = config.hidden_size;
        let patches: usize = patch_grid(config.image_size, config.patch_size)
            .iter()
            .product();
        let patch_volume = config.patch_size.iter().product::<usize>() * config.channels;
        let embedding = weights.pp("patch_embedding");
        let patch_embedding = embedding
            .pp("patch_embeddings.1")
            .linear(patch_volume, hidden)?;
        let position_embeddings = embedding.get(&[1, patches, hidden], "position_embeddings")?;
        let cls_token = if config.cls_token {
            Some(weights.get(&[1, 1, hidden], "cls_token")?)
        } else {
            None
        };
        let blocks = (0..config.num_layers)
            .map(|i| Block::new(&config, &weights.pp(format!("blocks.{i}"))))
            .collect::<Result<_>>()?;
        let norm = weights.pp("norm").layer_norm(hidden, LAYER_NORM_EPS)?;
        Ok(Self {
            config,
            patch_embedding,
            position_embeddings,
            cls_token,
            blocks,
            norm,
        })
    }

    /// Image `[b,C,D,H,W]` in 0..1 to patch tokens `[b,N,hidden]` after the final norm, D-major; cls is dropped.
    pub fn forward(&self, image: &Tensor, probe: Option<Probe>) -> Result<Tensor> {
        let x = self.forward_with_cls(image, probe)?;
        if self.cls_token.is_some() {
            x.narrow(1, 1, x.dim(1)? - 1)?.contiguous()
        } else {
            Ok(x)
        }
    }

    /// The same with cls, where there is one, as token 0.
    pub fn forward_with_cls(&self, image: &Tensor, mut probe: Option<Probe>) -> Result<Tensor> {
        let image = image.to_dtype(self.position_embeddings.dtype())?;
        let tokens = self.patch_embedding.forward(&self.patches(&image)?)?;
        let tokens = tokens.broadcast_add(&self.position_embeddings)?;
        // Positions are added first: cls has none.
        let mut x = match &self.cls_token {
            Some(cls) => {
                let (b, _, hidden) = tokens.dims3()?;
                Tensor::cat(
                    &[&cls.broadcast_as((b, 1, hidden))?.contiguous()?, &tokens],
                    1,
                )?
            }
            None => tokens,
        };
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(&x)?;
            show(&mut probe, i, &x)?;
        }
        self.norm.forward(&x)
    }

    /// Patches along each axis, (D,H,W).
    pub fn grid(&self) -> [usize; 3] {
        patch_grid(self.config.image_size, self.config.patch_size)
    }

    /// The type the weights are held in.
    pub fn dtype(&self) -> DType {
        self.position_embeddings.dtype()
    }

    /// `[b,C,D,H,W]` to `[b,N,pD*pH*pW*C]`: within a patch the channel runs fastest.
    fn patches(&self, image: &Tensor) -> Result<Tensor> {
        let (b, channels, _, _, _) = image.dims5()?;
        let [gd, gh, gw] = self.grid();
        let [pd, ph, pw] = self.config.patch_size;
        image
            .reshape(vec![b, channels, gd, pd, gh, ph, gw, pw])?
            .permute(vec![0, 2, 4, 6, 3, 5, 7, 1])?
            .reshape((b, gd * gh * gw, pd * ph * pw * channels))
    }
}

#[derive(Debug)]
struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    out_proj: Linear,
    norm2: LayerNorm,
    linear1: Linear,
    linear2: Linear,
    heads: usize,
    /// Its weights joined for one fused operator, in training.
    joined: Option<Tensor>,
}

impl Block {
    fn new(config: &VitConfig, weights: &Weights) -> Result<Self> {
        let hidden = config.hidden_size;
        let mut block = Self {
            norm1: weights.pp("norm1").layer_norm(hidden, LAYER_NORM_EPS)?,
            qkv: weights.pp("attn.qkv").linear_no_bias(hidden, 3 * hidden)?,
            out_proj: weights.pp("attn.out_proj").linear(hidden, hidden)?,
            norm2: weights.pp("norm2").layer_norm(hidden, LAYER_NORM_EPS)?,
            linear1: weights.pp("mlp.linear1").linear(hidden, config.mlp_dim)?,
            linear2: weights.pp("mlp.linear2").linear(config.mlp_dim, hidden)?,
            heads: config.num_heads,
            joined: None,
        };
        if hidden.is_multiple_of(LANES) && config.mlp_dim.is_multiple_of(LANES) {
            block.joined = joined([
                Part::Norm(&block.norm1),
                Part::Lin(&block.qkv),
                Part::Lin(&block.out_proj),
                Part::Norm(&block.norm2),
                Part::Lin(&block.linear1),
                Part::Lin(&block.linear2),
            ])?;
        }
        Ok(block)
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if let (Some(weights), Some((linear1, _))) = (&self.joined, self.linear1.parts()) {
            let (mlp, width) = linear1.dims2()?;
            let cut = JointHeads {
                heads: self.heads,
                key_heads: self.heads,
                d: width / self.heads,
            };
            let sizes = BlockSizes {
                width,
                mlp,
                cut,
                eps: LAYER_NORM_EPS,
            };
            return vit_block(x, weights, sizes);
        }
        let x = (x + self.attention(&self.norm1.forward(x)?)?)?;
        let inner = gelu(&self.linear1.forward(&self.norm2.forward(&x)?)?)?;
        x + self.linear2.forward(&inner)?
    }

    fn attention(&self, x: &Tensor) -> Result<Tensor> {
        let (b, n, hidden) = x.dims3()?;
        let d = hidden / self.heads;
        let qkv = self.qkv.forward(x)?;
        let scale = 1.0 / (d as f64).sqrt();
        let qkv = qkv
            .reshape((b, n, 3, self.heads, d))?
            .permute((2, 0, 3, 1, 4))?;
        let (q, k, v) = (qkv.i(0)?, qkv.i(1)?, qkv.i(2)?);
        let mixed = attend(&q, &k, &v, scale, AttentionMask::None)?;
        self.out_proj.forward(&mixed)
    }
}
