//! The language model: Phi-3 and Llama-2 in one decoder that takes embeddings and yields hidden states.

mod packed;

use candle_core::{D, Device, Result, Tensor};

use super::probe::{Probe, show};
use super::source::Weights;
use super::{KvCache, LamedConfig, Precision};
use m3d_engine::linear::Linear;
use m3d_engine::ops::{
    AttentionMask, RmsNorm, attend, gated_silu, rotate, silu_times, split_heads,
};

/// The stack of layers and the final norm, without embedding and output matrices.
#[derive(Debug)]
pub struct Decoder {
    layers: Vec<Layer>,
    norm: RmsNorm,
    rotary: Rotary,
}

impl Decoder {
    /// Takes its weights (`layers.*`, `norm`), matrices held as `precision` says.
    pub fn new(config: &LamedConfig, weights: &Weights, precision: Precision) -> Result<Self> {
        let weights = &weights.held_in(precision.decoder);
        let layers = (0..config.num_hidden_layers)
            .map(|i| Layer::new(config, &weights.pp(format!("layers.{i}")), precision))
            .collect::<Result<_>>()?;
        let norm = weights
            .pp("norm")
            .rms_norm(config.hidden_size, config.rms_norm_eps)?;
        Ok(Self {
            layers,
            norm,
            rotary: Rotary::new(config, weights.device())?,
        })
    }

    /// Embeddings `[1,n,hidden]` of the positions that follow the cache's to hidden states after the final norm,
    /// `[1,n,hidden]`; the cache then holds them too. There must be room for them.
    pub fn forward(
        &self,
        embeddings: &Tensor,
        cache: &mut KvCache,
        mut probe: Option<Probe>,
    ) -> Result<Tensor> {
        let (_, n, _) = embeddings.dims3()?;
        let start = cache.len();
        let (cos, sin) = self.rotary.tables(start, n)?;
        let mut x = embeddings.contiguous()?;
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x, &cos, &sin, i, cache)?;
            show(&mut probe, i, &x)?;
        }
        cache.advance(n);
        self.norm.forward(&x)
    }
}

/// Cosines and sines of every position, in f32: bf16 cannot hold positions above 256.
#[derive(Debug)]
struct Rotary {
    cos: Tensor,
    sin: Tensor,
}

impl Rotary {
    fn new(config: &LamedConfig, device: &Device) -> Result<Self> {
        let (half, positions) = (config.head_dim() / 2, config.context_length());
        let inverse: Vec<f32> = (0..half)
            .map(|i| (1.0 / config.rope_base().powf(i as f64 / half as f64)) as f32)
            .collect();
        let inverse = Tensor::from_vec(inverse, (1, half), device)?;
        let position: Vec<f32> = (0..positions).map(|p| p as f32).collect();
        let angles = Tensor::from_vec(position, (positions, 1), device)?.matmul(&inverse)?;
        Ok(Self {
            cos: angles.cos()?,
            sin: angles.sin()?,
        })
    }

    fn tables(&self, start: usize, n: usize) -> Result<(Tensor, Tensor)> {
        Ok((self.cos.narrow(0, start, n)?, self.sin.narrow(0, start, n)?))
    }
}

#[derive(Debug)]
struct Layer {
    input_layernorm: RmsNorm,
    self_attn: Attention,
    post_attention_layernorm: RmsNorm,
    mlp: Mlp,
    /// Its weights joined for one fused operator, in training.
    joined: Option<Tensor>,
}

impl Layer {
    fn new(config: &LamedConfig, weights: &Weights, precision: Precision) -> Result<Self> {
        let norm = |name: &str| {
            weights
                .pp(name)
                .rms_norm(config.hidden_size, config.rms_norm_eps)
        };
        let mut layer = Self {
            input_layernorm: norm("input_layernorm")?,
            self_attn: Attention::new(config, &weights.pp("self_attn"), precision)?,
            post_attention_layernorm: norm("post_attention_layernorm")?,
            mlp: Mlp::new(config, &weights.pp("mlp"))?,
            joined: None,
        };
        layer.joined = layer.join()?;
        Ok(layer)
    }

    fn forward(
        &self,
        x: &Tensor,
        cos: &Tensor,
        sin: &Tensor,
        number: usize,
        cache: &mut KvCache,
    ) -> Result<Tensor> {
        let mixed =
            self.self_attn
                .forward(&self.input_layernorm.forward(x)?, cos, sin, number, cache)?;
        let x = (x + mixed)?;
        let inner = self
            .mlp
            .forward(&self.post_attention_layernorm.forward(&x)?)?;
        x + inner
    }
}

/// The two namings of the query, key and value projections.
#[derive(Debug)]
enum QkvWeights {
    /// Phi-3: queries, keys and values of all heads in one matrix.
    Fused(Linear),
    /// Llama.
    Separate { q: Linear, k: Linear, v: Linear },
}

#[derive(Debug)]
struct Attention {
    qkv: QkvWeights,
    o_proj: Linear,
    heads: usize,
    key_value_heads: usize,
    head_dim: usize,
}

impl Attention {
    fn new(config: &LamedConfig, weights: &Weights, precision: Precision) -> Result<Self> {
        let (hidden, heads, head_dim) = (
            config.hidden_size,
            config.num_attention_heads,
            config.head_dim(),
        );
        let key_value_heads = config.key_value_heads();
        let kv_width = key_value_heads * head_dim;
        let separate = ["q_proj", "k_proj", "v_proj"]
            .iter()
            .any(|name| weights.pp(name).contains("weight"));
        let qkv = if separate {
            QkvWeights::Separate {
                q: weights.pp("q_proj").linear_no_bias(hidden, hidden)?,
                k: weights.pp("k_proj").linear_no_bias(hidden, kv_width)?,
                v: weights.pp("v_proj").linear_no_bias(hidden, kv_width)?,
            }
        } else {
            QkvWeights::Fused(
                weights
                    .pp("qkv_proj")
                    .linear_no_bias(hidden, hidden + 2 * kv_width)?,
            )
        };
        let o_proj = weights
            .pp("o_proj")
            .held_in(precision.attention_output)
            .linear_no_bias(hidden, hidden)?;
        Ok(Self {
            qkv,
            o_proj,
            heads,
            key_value_heads,
            head_dim,
        })
    }

    fn project(&self, x: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
        match &self.qkv {
            QkvWeights::Fused(qkv) => {
                let (q_width, kv_width) = (
                    self.heads * self.head_dim,
                    self.key_value_heads * self.head_dim,
                );
                let qkv = qkv.forward(x)?;
                Ok((
                    qkv.narrow(D::Minus1, 0, q_width)?,
                    qkv.narrow(D::Minus1, q_width, kv_width)?,
                    qkv.narrow(D::Minus1, q_width + kv_width, kv_width)?,
                ))
            }
            QkvWeights::Separate { q, k, v } => Ok((q.forward(x)?, k.forward(x)?, v.forward(x)?)),
        }
    }

    fn forward(
        &self,
        x: &Tensor,
        cos: &Tensor,
        sin: &Tensor,
        layer: usize,
        cache: &mut KvCache,
    ) -> Result<Tensor> {
        let (q, k, v) = self.project(x)?;
        let q = rotate(&q, self.heads, cos, sin)?;
        let k = rotate(&k, self.key_value_heads, cos, sin)?;
        let v = split_heads(&v, self.key_value_heads)?;
        let (k, v) = cache.append(layer, &k, &v)?;
        let scale = 1.0 / (self.head_dim as f64).sqrt();
        self.o_proj
            .forward(&attend(&q, &k, &v, scale, AttentionMask::Causal)?)
    }
}

/// The two namings of the MLP's first matrices.
#[derive(Debug)]
enum GateUpWeights {
    /// Phi-3: gate first, then up.
    Fused(Linear),
    /// Llama.
    Separate { gate: Linear, up: Linear },
}

#[derive(Debug)]
struct Mlp {
    gate_up: GateUpWeights,
    down_proj: Linear,
}

impl Mlp {
    fn new(config: &LamedConfig, weights: &Weights) -> Result<Self> {
        let (hidden, width) = (config.hidden_size, config.intermediate_size);
        let separate = ["gate_proj", "up_proj"]
            .iter()
            .any(|name| weights.pp(name).contains("weight"));
        let gate_up = if separate {
            GateUpWeights::Separate {
                gate: weights.pp("gate_proj").linear_no_bias(hidden, width)?,
                up: weights.pp("up_proj").linear_no_bias(hidden, width)?,
            }
        } else {
            GateUpWeights::Fused(
                weights
                    .pp("gate_up_proj")
                    .linear_no_bias(hidden, 2 * width)?,
            )
        };
        Ok(Self {
            gate_up,
            down_proj: weights.pp("down_proj").linear_no_bias(width, hidden)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let inner = match &self.gate_up {
            GateUpWeights::Fused(gate_up) => gated_silu(&gate_up.forward(x)?)?,
            GateUpWeights::Separate { gate, up } => silu_times(&gate.forward(x)?, &up.forward(x)?)?,
        };
        self.down_proj.forward(&inner)
    }
}
