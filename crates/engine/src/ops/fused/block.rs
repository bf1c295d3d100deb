//! A pre-norm transformer block as one operator: attention and an MLP, each of a norm of what it is added to.

use std::sync::Arc;

use candle_core::{Result, Shape, Tensor};

use super::{Layer, Lin, Norm, Places, TrainedWeights, add, gelu_of, run, sum_of};
use crate::kernels::amx::Amx;
use crate::ops::attention_backward::{AttentionPattern, Joint};
use crate::ops::gated_silu;
use crate::ops::packed::Tables;
use crate::ops::rowwise_backward::{GateBackward, GeluBackward};
use crate::ops::simd::dispatch;
use crate::ops::{JointHeads, PackedAttention};

/// Sizes of a block.
#[derive(Debug, Clone, Copy)]
pub struct BlockSizes {
    /// Width: a multiple of 16.
    pub width: usize,
    /// Width of the MLP, or of its gate: a multiple of 16.
    pub mlp: usize,
    /// Heads.
    pub cut: JointHeads,
    /// Of both norms.
    pub eps: f64,
}

/// A block of a vision transformer: tokens `[b,tokens,width]` to the same. The weights, joined: norm, queries, keys and
/// values without a bias, projection, norm, both layers of the MLP; each weight with its bias behind it.
pub fn vit_block(x: &Tensor, weights: &Tensor, sizes: BlockSizes) -> Result<Tensor> {
    Block::new(Kind::Vit, x.dim(1)?, sizes).run(x, weights)
}

/// A layer of the language model: positions `[b,n,width]` to the same. The weights, joined: norm, queries, keys and
/// values, projection, norm, gate and up, down; none has a bias.
pub fn decoder_layer(
    x: &Tensor,
    pattern: &PackedAttention,
    weights: &Tensor,
    sizes: BlockSizes,
) -> Result<Tensor> {
    Block::new(Kind::Decoder(pattern.tables()?), x.dim(1)?, sizes).run(x, weights)
}

#[derive(Debug)]
struct Block {
    kind: Kind,
    sizes: BlockSizes,
    /// Of one sequence.
    positions: usize,
    norm1: Norm,
    qkv: Lin,
    out: Lin,
    norm2: Norm,
    up: Lin,
    down: Lin,
}

/// Which network's block.
#[derive(Debug)]
enum Kind {
    /// Layer norms, biases and GELU; all see each other.
    Vit,
    /// RMS norms and a gated SiLU, its gate and what that lets through side by side; who sees whom is packed.
    Decoder(Arc<Tables>),
}

struct Kept {
    normed: Vec<f32>,
    qkv: Vec<f32>,
    mixed: Vec<f32>,
    /// What attention was added to.
    middle: Vec<f32>,
    normed2: Vec<f32>,
    inner: Vec<f32>,
    active: Vec<f32>,
}

impl Block {
    fn new(kind: Kind, positions: usize, sizes: BlockSizes) -> Self {
        let BlockSizes {
            width,
            mlp,
            cut,
            eps,
        } = sizes;
        let (biased, up) = match kind {
            Kind::Vit => (true, mlp),
            Kind::Decoder(_) => (false, 2 * mlp),
        };
        let norm = |places: &mut Places| {
            if biased {
                places.norm(width, eps)
            } else {
                places.rms_norm(width, eps)
            }
        };
        let mut places = Places::default();
        Self {
            kind,
            sizes,
            positions,
            norm1: norm(&mut places),
            qkv: places.lin((cut.heads + 2 * cut.key_heads) * cut.d, width, false),
            out: places.lin(width, cut.heads * cut.d, biased),
            norm2: norm(&mut places),
            up: places.lin(up, width, biased),
            down: places.lin(width, mlp, biased),
        }
    }

    fn run(self, x: &Tensor, weights: &Tensor) -> Result<Tensor> {
        let none = Tensor::zeros(0, x.dtype(), x.device())?;
        run(self, x, &none, weights)
    }

    fn joint<'a>(&'a self, qkv: &'a [f32]) -> Joint<'a> {
        let JointHeads {
            heads,
            key_heads,
            d,
        } = self.sizes.cut;
        Joint {
            values: qkv,
            size: [
                qkv.len() / (self.qkv.width_out * self.positions),
                self.positions,
            ],
            heads,
            key_heads,
            d,
            scale: 1.0 / (d as f32).sqrt(),
            pattern: match &self.kind {
                Kind::Vit => AttentionPattern::All,
                Kind::Decoder(tables) => tables.pattern(),
            },
        }
    }

    /// What is between the layers of the MLP.
    fn activate(&self, inner: &[f32]) -> Vec<f32> {
        match self.kind {
            Kind::Vit => gelu_of(inner),
            Kind::Decoder(_) => {
                let width = self.sizes.mlp;
                let mut active = vec![0.0; inner.len() / 2];
                let both = inner.chunks_exact(2 * width);
                for (out, both) in active.chunks_exact_mut(width).zip(both) {
                    let (gate, up) = both.split_at(width);
                    dispatch(gated_silu::Chunk { gate, up, out });
                }
                active
            }
        }
    }

    /// The gradient of what was activated.
    fn activate_backward(&self, x: &[f32], gradient: &[f32]) -> Vec<f32> {
        let mut to_x = vec![0.0; x.len()];
        let (width, out) = (self.sizes.mlp, to_x.as_mut_slice());
        match self.kind {
            Kind::Vit => dispatch(GeluBackward { x, gradient, out }),
            Kind::Decoder(_) => dispatch(GateBackward {
                x,
                gradient,
                width,
                out,
            }),
        }
        to_x
    }
}

impl Layer for Block {
    type Kept = Kept;

    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Vit => "vision-block",
            Kind::Decoder(_) => "decoder-layer",
        }
    }

    fn forward(
        &self,
        [x, _, weights]: [&[f32]; 3],
        amx: Option<Amx>,
    ) -> (Vec<f32>, Shape, Self::Kept) {
        let normed = self.norm1.forward(weights, x);
        let qkv = self.qkv.forward(weights, &normed, amx);
        let mixed = self.joint(&qkv).forward();
        let mut middle = self.out.forward(weights, &mixed, amx);
        add(&mut middle, x);
        let normed2 = self.norm2.forward(weights, &middle);
        let inner = self.up.forward(weights, &normed2, amx);
        let active = self.activate(&inner);
        let mut y = self.down.forward(weights, &active, amx);
        add(&mut y, &middle);
        let (positions, width) = (self.positions, self.sizes.width);
        let shape = Shape::from((x.len() / (positions * width), positions, width));
        let kept = Kept {
            normed,
            qkv,
            mixed,
            middle,
            normed2,
            inner,
            active,
        };
        (y, shape, kept)
    }

    fn backward(
        &self,
        [x, _]: [&[f32]; 2],
        kept: &Self::Kept,
        gradient: &[f32],
        trained: &mut TrainedWeights,
    ) -> [Vec<f32>; 2] {
        let to_active = self.down.backward(trained, &kept.active, gradient);
        let to_inner = self.activate_backward(&kept.inner, &to_active);
        let to_normed2 = self.up.backward(trained, &kept.normed2, &to_inner);
        let to_middle = self.norm2.backward(trained, &kept.middle, &to_normed2);
        let to_middle = sum_of(&to_middle, gradient);
        let to_mixed = self.out.backward(trained, &kept.mixed, &to_middle);
        let to_qkv = self.joint(&kept.qkv).backward(&to_mixed);
        let to_normed = self.qkv.backward(trained, &kept.normed, &to_qkv);
        let mut to_x = self.norm1.backward(trained, x, &to_normed);
        add(&mut to_x, &to_middle);
        [to_x, Vec::new()]
    }
}
