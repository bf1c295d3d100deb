//! The two-way transformer: prompt tokens attend to the image and the image to them.

use candle_core::{Result, Tensor};

use crate::config::TWO_WAY_HEADS;
use crate::source::Weights;
use m3d_engine::linear::Linear;
use m3d_engine::ops::fused::{Part, TwoWaySizes, joined, two_way};
use m3d_engine::ops::{AttentionMask, LANES, LayerNorm, attend, split_heads};

const DEPTH: usize = 2;
const LAYER_NORM_EPS: f64 = 1e-5;

/// Two layers and a last look of the tokens at the image.
#[derive(Debug)]
pub struct TwoWayTransformer {
    layers: Vec<Layer>,
    final_attn: Attention,
    norm_final: LayerNorm,
    /// Its weights joined for one fused operator, in training.
    joined: Option<Tensor>,
}

impl TwoWayTransformer {
    /// Takes its weights.
    pub fn new(width: usize, mlp_dim: usize, weights: &Weights) -> Result<Self> {
        let layers = (0..DEPTH)
            .map(|i| Layer::new(width, mlp_dim, i == 0, &weights.pp(format!("layers.{i}"))))
            .collect::<Result<_>>()?;
        let mut transformer = Self {
            layers,
            final_attn: Attention::new(width, width / 2, &weights.pp("final_attn_token_to_image"))?,
            norm_final: weights
                .pp("norm_final_attn")
                .layer_norm(width, LAYER_NORM_EPS)?,
            joined: None,
        };
        if width.is_multiple_of(2 * LANES) && mlp_dim.is_multiple_of(LANES) {
            let last = transformer.final_attn.parts().map(Part::Lin);
            let parts = transformer.layers.iter().flat_map(Layer::parts);
            let norm = Part::Norm(&transformer.norm_final);
            transformer.joined = joined(parts.chain(last).chain([norm]))?;
        }
        Ok(transformer)
    }

    /// Tokens `[b,k,width]`, image `[b,n,width]` and its position encoding; returns both updated.
    pub fn forward(
        &self,
        tokens: &Tensor,
        image: &Tensor,
        position: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        if let Some(weights) = &self.joined
            && let Some(mlp) = self.layers.first().and_then(Layer::mlp_width)
            && image.dim(1)?.is_multiple_of(LANES)
        {
            let (_, positions, width) = image.dims3()?;
            let sizes = TwoWaySizes {
                layers: DEPTH,
                heads: TWO_WAY_HEADS,
                width,
                mlp,
                positions,
                eps: LAYER_NORM_EPS,
            };
            let both = two_way(image, tokens, position, weights, sizes)?;
            let queries = both.narrow(1, positions, tokens.dim(1)?)?;
            return Ok((queries, both.narrow(1, 0, positions)?));
        }
        let (mut queries, mut keys) = (tokens.clone(), image.clone());
        for layer in &self.layers {
            (queries, keys) = layer.forward(&queries, &keys, tokens, position)?;
        }
        let mixed = self.final_attn.forward(
            &(&queries + tokens)?,
            &keys.broadcast_add(position)?,
            &keys,
        )?;
        let queries = self.norm_final.forward(&(queries + mixed)?)?;
        Ok((queries, keys))
    }
}

#[derive(Debug)]
struct Layer {
    self_attn: Attention,
    norm1: LayerNorm,
    token_to_image: Attention,
    norm2: LayerNorm,
    lin1: Linear,
    lin2: Linear,
    norm3: LayerNorm,
    norm4: LayerNorm,
    image_to_token: Attention,
    first: bool,
}

impl Layer {
    fn new(width: usize, mlp_dim: usize, first: bool, weights: &Weights) -> Result<Self> {
        let norm = |name: &str| weights.pp(name).layer_norm(width, LAYER_NORM_EPS);
        Ok(Self {
            self_attn: Attention::new(width, width, &weights.pp("self_attn"))?,
            norm1: norm("norm1")?,
            token_to_image: Attention::new(
                width,
                width / 2,
                &weights.pp("cross_attn_token_to_image"),
            )?,
            norm2: norm("norm2")?,
            lin1: weights.pp("mlp.lin1").linear(width, mlp_dim)?,
            lin2: weights.pp("mlp.lin2").linear(mlp_dim, width)?,
            norm3: norm("norm3")?,
            norm4: norm("norm4")?,
            image_to_token: Attention::new(
                width,
                width / 2,
                &weights.pp("cross_attn_image_to_token"),
            )?,
            first,
        })
    }

    fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        fn lins(attention: &Attention) -> [Part<'_>; 4] {
            attention.parts().map(Part::Lin)
        }
        lins(&self.self_attn)
            .into_iter()
            .chain([Part::Norm(&self.norm1)])
            .chain(lins(&self.token_to_image))
            .chain([
                Part::Norm(&self.norm2),
                Part::Lin(&self.lin1),
                Part::Lin(&self.lin2),
                Part::Norm(&self.norm3),
            ])
            .chain(lins(&self.image_to_token))
            .chain([Part::Norm(&self.norm4)])
    }

    fn mlp_width(&self) -> Option<usize> {
        self.lin1.parts().and_then(|(weight, _)| weight.dim(0).ok())
    }

    /// Positions (`tokens` for the queries, `position` for the keys) take part inside attention only.
    fn forward(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        tokens: &Tensor,
        position: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        // The first layer's self-attention replaces the queries: no positions, no residual.
        let queries = if self.first {
            self.self_attn.forward(queries, queries, queries)?
        } else {
            let q = (queries + tokens)?;
            (queries + self.self_attn.forward(&q, &q, queries)?)?
        };
        let queries = self.norm1.forward(&queries)?;
        let placed_keys = keys.broadcast_add(position)?;
        let mixed = self
            .token_to_image
            .forward(&(&queries + tokens)?, &placed_keys, keys)?;
        let queries = self.norm2.forward(&(queries + mixed)?)?;
        let inner = self.lin2.forward(&self.lin1.forward(&queries)?.relu()?)?;
        let queries = self.norm3.forward(&(queries + inner)?)?;
        let mixed = self
            .image_to_token
            .forward(&placed_keys, &(&queries + tokens)?, &queries)?;
        let keys = self.norm4.forward(&(keys + mixed)?)?;
        Ok((queries, keys))
    }
}

/// Attention that may narrow inside.
#[derive(Debug)]
struct Attention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    scale: f64,
}

impl Attention {
    fn new(width: usize, internal: usize, weights: &Weights) -> Result<Self> {
        Ok(Self {
            q_proj: weights.pp("q_proj").linear(width, internal)?,
            k_proj: weights.pp("k_proj").linear(width, internal)?,
            v_proj: weights.pp("v_proj").linear(width, internal)?,
            out_proj: weights.pp("out_proj").linear(internal, width)?,
            scale: 1.0 / ((internal / TWO_WAY_HEADS) as f64).sqrt(),
        })
    }

    fn parts(&self) -> [&Linear; 4] {
        [&self.q_proj, &self.k_proj, &self.v_proj, &self.out_proj]
    }

    fn forward(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let q = split_heads(&self.q_proj.forward(q)?, TWO_WAY_HEADS)?;
        let k = split_heads(&self.k_proj.forward(k)?, TWO_WAY_HEADS)?;
        let v = split_heads(&self.v_proj.forward(v)?, TWO_WAY_HEADS)?;
        let mixed = attend(&q, &k, &v, self.scale, AttentionMask::None)?;
        self.out_proj.forward(&mixed)
    }
}
