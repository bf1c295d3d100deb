//! Whole sequences at once, without a cache, as when training: several texts that share one beginning.

use candle_core::{Device, Result, Tensor};

use super::{Attention, Decoder, Layer};
use crate::model::ops::{attend_packed, rotate_packed, split_heads};

/// A sequence that begins with what all its texts see (`<s>` and the image) and goes on with the texts one after
/// another. Each text sees the beginning and itself, and counts its positions from the end of the beginning: as if
/// each stood there alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packing {
    prefix: usize,
    /// The first position of the text that each position belongs to; 0 in the prefix.
    starts: Vec<usize>,
}

impl Packing {
    /// `texts` are the lengths; positions beyond them up to `len` are padding, which nobody sees.
    pub fn new(prefix: usize, texts: impl IntoIterator<Item = usize>, len: usize) -> Self {
        let mut starts = vec![0; prefix];
        for length in texts {
            let start = starts.len();
            starts.extend(std::iter::repeat_n(start, length));
        }
        while starts.len() < len {
            starts.push(starts.len());
        }
        Self { prefix, starts }
    }

    /// Positions in all.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Where a position stands in its own text's view.
    pub fn position(&self, i: usize) -> usize {
        match self.starts.get(i) {
            Some(&start) if i >= self.prefix => self.prefix + i - start,
            _ => i,
        }
    }

    /// The keys that a position sees: the first so many, and those from the second number up to itself.
    pub fn seen(&self, i: usize) -> (usize, usize) {
        match self.starts.get(i) {
            Some(&start) if i >= self.prefix => (self.prefix, start),
            _ => (0, 0),
        }
    }

    /// `[n,n]` of 0 and -inf, to be added to scores.
    pub fn mask(&self, device: &Device) -> Result<Tensor> {
        let n = self.len();
        let mut mask = vec![f32::NEG_INFINITY; n * n];
        for (i, row) in mask.chunks_mut(n.max(1)).enumerate() {
            let (all, from) = self.seen(i);
            row[..all].fill(0.0);
            row[from..=i].fill(0.0);
        }
        Tensor::from_vec(mask, (n, n), device)
    }
}

impl Decoder {
    /// Embeddings `[b,n,hidden]` of whole sequences to hidden states after the final norm, `[b,n,hidden]`. Gradients
    /// flow. There is a packing of n positions for each sequence.
    pub fn forward_packed(&self, embeddings: &Tensor, packings: &[Packing]) -> Result<Tensor> {
        let (b, n, _) = embeddings.dims3()?;
        if packings.len() != b || packings.iter().any(|packing| packing.len() != n) {
            candle_core::bail!("{b} sequences of {n} positions are packed otherwise")
        }
        let positions: Vec<u32> = packings
            .iter()
            .flat_map(|packing| (0..n).map(|i| packing.position(i) as u32))
            .collect();
        let positions = Tensor::from_vec(positions, b * n, embeddings.device())?;
        let (cos, sin) = (
            self.rotary
                .cos
                .index_select(&positions, 0)?
                .reshape((b, n, ()))?,
            self.rotary
                .sin
                .index_select(&positions, 0)?
                .reshape((b, n, ()))?,
        );
        let mut x = embeddings.contiguous()?;
        for layer in &self.layers {
            x = layer.forward_packed(&x, &cos, &sin, packings)?;
        }
        self.norm.forward(&x)
    }
}

impl Layer {
    fn forward_packed(
        &self,
        x: &Tensor,
        cos: &Tensor,
        sin: &Tensor,
        packings: &[Packing],
    ) -> Result<Tensor> {
        let mixed =
            self.self_attn
                .forward_packed(&self.input_layernorm.forward(x)?, cos, sin, packings)?;
        let x = (x + mixed)?;
        let inner = self
            .mlp
            .forward(&self.post_attention_layernorm.forward(&x)?)?;
        x + inner
    }
}

impl Attention {
    fn forward_packed(
        &self,
        x: &Tensor,
        cos: &Tensor,
        sin: &Tensor,
        packings: &[Packing],
    ) -> Result<Tensor> {
        let (q, k, v) = self.project(x)?;
        let q = rotate_packed(&q, self.heads, cos, sin)?;
        let k = rotate_packed(&k, self.key_value_heads, cos, sin)?;
        let v = split_heads(&v, self.key_value_heads)?;
        let scale = 1.0 / (self.head_dim as f64).sqrt();
        self.o_proj
            .forward(&attend_packed(&q, &k, &v, scale, packings)?)
    }
}
