//! Whole sequences at once, without a cache, as when training: several texts that share one beginning.

use candle_core::{D, Device, Result, Tensor};

use super::{Attention, Decoder, GateUpWeights, Layer, QkvWeights};
use crate::model::ops::fused::{BlockSizes, Part, decoder_layer, joined};
use crate::model::ops::{JointHeads, LANES, PackedSight, attend_joint};

/// A sequence that begins with what all its texts see (`<s>` and the image) and goes on with the texts one after
/// another. Each text sees the beginning and itself, and counts its positions from the end of the beginning: as if
/// each stood there alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packing {
    prefix: usize,
    /// First position and length of each text.
    texts: Vec<(usize, usize)>,
    len: usize,
}

impl Packing {
    /// `texts` are the lengths; positions beyond them up to `len` are padding, which nobody sees.
    pub fn new(prefix: usize, texts: impl IntoIterator<Item = usize>, len: usize) -> Self {
        let mut end = prefix;
        let texts: Vec<(usize, usize)> = texts
            .into_iter()
            .map(|length| {
                end += length;
                (end - length, length)
            })
            .collect();
        Self {
            prefix,
            texts,
            len: len.max(end),
        }
    }

    /// Positions in all.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where a position stands in its own text's view.
    pub fn position(&self, i: usize) -> usize {
        match self.start(i) {
            Some(start) => self.prefix + i - start,
            None if i < self.prefix => i,
            None => self.prefix,
        }
    }

    /// The runs of positions that are no padding: first position, length, and how many first positions of the
    /// sequence each sees beside the run itself up to its own place.
    pub fn runs(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        let texts = self
            .texts
            .iter()
            .map(|&(start, length)| (start, length, self.prefix));
        std::iter::once((0, self.prefix, 0))
            .chain(texts)
            .filter(|run| run.1 > 0)
    }

    /// The first position of the text that a position belongs to.
    fn start(&self, i: usize) -> Option<usize> {
        let after = self.texts.partition_point(|&(start, _)| start <= i);
        let (start, length) = *self.texts.get(after.checked_sub(1)?)?;
        (i < start + length).then_some(start)
    }

    /// `[n,n]` of 0 and -inf, to be added to scores.
    pub fn mask(&self, device: &Device) -> Result<Tensor> {
        let n = self.len();
        let mut mask = vec![f32::NEG_INFINITY; n * n];
        for (i, row) in mask.chunks_mut(n.max(1)).enumerate() {
            match self.start(i) {
                Some(start) => {
                    row[..self.prefix].fill(0.0);
                    row[start..=i].fill(0.0);
                }
                None if i < self.prefix => row[..=i].fill(0.0),
                None => row[i] = 0.0,
            }
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
        let sight = PackedSight::new(packings, &self.rotary.cos, &self.rotary.sin);
        let mut x = embeddings.contiguous()?;
        for layer in &self.layers {
            x = layer.forward_packed(&x, &sight)?;
        }
        self.norm.forward(&x)
    }
}

impl Layer {
    /// The weights for one operator, where there is one for them: named as in Phi-3, and learning on the processor.
    pub(super) fn join(&self) -> Result<Option<Tensor>> {
        let (QkvWeights::Fused(qkv), GateUpWeights::Fused(gate_up)) =
            (&self.self_attn.qkv, &self.mlp.gate_up)
        else {
            return Ok(None);
        };
        let (out, down) = (&self.self_attn.o_proj, &self.mlp.down_proj);
        let widths = down.parts().map(|(weight, _)| weight.dims());
        if !widths.is_some_and(|widths| widths.iter().all(|width| width.is_multiple_of(LANES))) {
            return Ok(None);
        }
        joined([
            Part::RmsNorm(&self.input_layernorm),
            Part::Lin(qkv),
            Part::Lin(out),
            Part::RmsNorm(&self.post_attention_layernorm),
            Part::Lin(gate_up),
            Part::Lin(down),
        ])
    }

    fn forward_packed(&self, x: &Tensor, sight: &PackedSight) -> Result<Tensor> {
        if let (Some(weights), Some((down, _))) = (&self.joined, self.mlp.down_proj.parts()) {
            let (width, mlp) = down.dims2()?;
            let sizes = BlockSizes {
                width,
                mlp,
                cut: self.self_attn.cut(),
                eps: self.input_layernorm.eps(),
            };
            return decoder_layer(x, sight, weights, sizes);
        }
        let mixed = self
            .self_attn
            .forward_packed(&self.input_layernorm.forward(x)?, sight)?;
        let x = (x + mixed)?;
        let inner = self
            .mlp
            .forward(&self.post_attention_layernorm.forward(&x)?)?;
        x + inner
    }
}

impl Attention {
    fn forward_packed(&self, x: &Tensor, sight: &PackedSight) -> Result<Tensor> {
        let qkv = match &self.qkv {
            QkvWeights::Fused(qkv) => qkv.forward(x)?,
            QkvWeights::Separate { q, k, v } => {
                Tensor::cat(&[q.forward(x)?, k.forward(x)?, v.forward(x)?], D::Minus1)?
            }
        };
        let scale = 1.0 / (self.head_dim as f64).sqrt();
        self.o_proj
            .forward(&attend_joint(&qkv, self.cut(), scale, Some(sight))?)
    }

    fn cut(&self) -> JointHeads {
        JointHeads {
            heads: self.heads,
            key_heads: self.key_value_heads,
            d: self.head_dim,
        }
    }
}
