//! Whole sequences at once, without a cache, as when training: several texts that share one beginning.

use candle_core::{D, Result, Tensor};

use super::{Attention, Decoder, GateUpWeights, Layer, QkvWeights};
use m3d_engine::ops::fused::{BlockSizes, Part, decoder_layer, joined};
use m3d_engine::ops::{JointHeads, LANES, PackedAttention, Packing, attend_joint};

impl Decoder {
    /// Embeddings `[b,n,hidden]` of whole sequences to hidden states after the final norm, `[b,n,hidden]`. Gradients
    /// flow. There is a packing of n positions for each sequence.
    pub fn forward_packed(&self, embeddings: &Tensor, packings: &[Packing]) -> Result<Tensor> {
        let (b, n, _) = embeddings.dims3()?;
        if packings.len() != b || packings.iter().any(|packing| packing.len() != n) {
            candle_core::bail!("{b} sequences of {n} positions are packed otherwise")
        }
        let pattern = PackedAttention::new(packings, &self.rotary.cos, &self.rotary.sin);
        let mut x = embeddings.contiguous()?;
        for layer in &self.layers {
            x = layer.forward_packed(&x, &pattern)?;
        }
        self.norm.forward(&x)
    }
}

impl Layer {
    /// The weights for one operator, where there is one for them: named as in Phi-3, and learning on the CPU.
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

    fn forward_packed(&self, x: &Tensor, pattern: &PackedAttention) -> Result<Tensor> {
        if let (Some(weights), Some((down, _))) = (&self.joined, self.mlp.down_proj.parts()) {
            let (width, mlp) = down.dims2()?;
            let sizes = BlockSizes {
                width,
                mlp,
                cut: self.self_attn.cut(),
                eps: self.input_layernorm.eps(),
            };
            return decoder_layer(x, pattern, weights, sizes);
        }
        let mixed = self
            .self_attn
            .forward_packed(&self.input_layernorm.forward(x)?, pattern)?;
        let x = (x + mixed)?;
        let inner = self
            .mlp
            .forward(&self.post_attention_layernorm.forward(&x)?)?;
        x + inner
    }
}

impl Attention {
    fn forward_packed(&self, x: &Tensor, pattern: &PackedAttention) -> Result<Tensor> {
        let qkv = match &self.qkv {
            QkvWeights::Fused(qkv) => qkv.forward(x)?,
            QkvWeights::Separate { q, k, v } => {
                Tensor::cat(&[q.forward(x)?, k.forward(x)?, v.forward(x)?], D::Minus1)?
            }
        };
        let scale = 1.0 / (self.head_dim as f64).sqrt();
        self.o_proj
            .forward(&attend_joint(&qkv, self.cut(), scale, Some(pattern))?)
    }

    fn cut(&self) -> JointHeads {
        JointHeads {
            heads: self.heads,
            key_heads: self.key_value_heads,
            d: self.head_dim,
        }
    }
}
