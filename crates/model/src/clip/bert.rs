//! BERT (Devlin et al. 2019), as the text encoder of M3D-CLIP.
//!
//! It stands on the operators of [`ops`](m3d_engine::ops), through which gradients flow: candle-transformers' own
//! cannot be trained, its layer norms have no backward pass.

use candle_core::{Result, Tensor};

use super::BertConfig;
use crate::source::Weights;
use m3d_engine::linear::Linear;
use m3d_engine::ops::{AttentionMask, LayerNorm, attend, gelu, split_heads};

/// BERT without its pooler.
#[derive(Debug)]
pub struct Bert {
    words: Tensor,
    positions: Tensor,
    /// What the first kind of segment adds; there is no second.
    segment: Tensor,
    norm: LayerNorm,
    layers: Vec<Layer>,
}

impl Bert {
    /// Takes its weights (`embeddings.*`, `encoder.layer.*`).
    pub fn new(config: &BertConfig, weights: &Weights) -> Result<Self> {
        let width = config.hidden_size;
        let embeddings = weights.pp("embeddings");
        let table = |name, rows| embeddings.pp(name).get(&[rows, width], "weight");
        let layers = weights.pp("encoder.layer");
        Ok(Self {
            words: table("word_embeddings", config.vocab_size)?,
            positions: table("position_embeddings", config.max_position_embeddings)?,
            segment: table("token_type_embeddings", config.type_vocab_size)?.narrow(0, 0, 1)?,
            norm: embeddings
                .pp("LayerNorm")
                .layer_norm(width, config.layer_norm_eps)?,
            layers: (0..config.num_hidden_layers)
                .map(|i| Layer::new(config, &layers.pp(i)))
                .collect::<Result<_>>()?,
        })
    }

    /// Texts of 1 to `max_position_embeddings` ids within the vocabulary to their hidden states, `[1,n,hidden]` each.
    /// Every text is read for itself: none is padded, none sees another.
    pub fn forward(&self, texts: &[&[u32]]) -> Result<Vec<Tensor>> {
        let ids: Vec<u32> = texts.concat();
        let ids = Tensor::new(ids, self.words.device())?;
        let words = self.words.index_select(&ids, 0)?;
        let mut start = 0;
        let hidden = |text: &&[u32]| {
            let n = text.len();
            let words = words.narrow(0, start, n)?;
            start += n;
            let x = (words + self.positions.narrow(0, 0, n)?)?.broadcast_add(&self.segment)?;
            let x = self.norm.forward(&x.unsqueeze(0)?)?;
            self.layers.iter().try_fold(x, |x, layer| layer.forward(&x))
        };
        texts.iter().map(hidden).collect()
    }
}

/// Attention and MLP, each followed by the norm of its sum with what came in.
#[derive(Debug)]
struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    mixed: Linear,
    mixed_norm: LayerNorm,
    inner: Linear,
    outer: Linear,
    outer_norm: LayerNorm,
    heads: usize,
    scale: f64,
}

impl Layer {
    fn new(config: &BertConfig, weights: &Weights) -> Result<Self> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let attention = weights.pp("attention");
        let square = |name: &str| attention.pp(name).linear(width, width);
        let norm = |name: &str| weights.pp(name).layer_norm(width, config.layer_norm_eps);
        let heads = config.num_attention_heads;
        Ok(Self {
            query: square("self.query")?,
            key: square("self.key")?,
            value: square("self.value")?,
            mixed: square("output.dense")?,
            mixed_norm: norm("attention.output.LayerNorm")?,
            inner: weights.pp("intermediate.dense").linear(width, inner)?,
            outer: weights.pp("output.dense").linear(inner, width)?,
            outer_norm: norm("output.LayerNorm")?,
            heads,
            scale: ((width / heads.max(1)) as f64).sqrt().recip(),
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let heads = |linear: &Linear| split_heads(&linear.forward(x)?, self.heads);
        let (q, k, v) = (heads(&self.query)?, heads(&self.key)?, heads(&self.value)?);
        let mixed = attend(&q, &k, &v, self.scale, AttentionMask::None)?;
        let x = self
            .mixed_norm
            .forward(&(x + self.mixed.forward(&mixed)?)?)?;
        let inner = gelu(&self.inner.forward(&x)?)?;
        self.outer_norm
            .forward(&(&x + self.outer.forward(&inner)?)?)
    }
}
