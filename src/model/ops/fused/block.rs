//! A pre-norm transformer block as one operator: attention and an MLP, each of a norm of what it is added to.

use candle_core::{Result, Shape, Tensor};

use super::{Layer, Lin, Norm, Places, Taught, add, gelu_of, run, sum_of};
use crate::model::decoder::Packing;
use crate::model::kernels::amx::Amx;
use crate::model::ops::gated_silu;
use crate::model::ops::simd::dispatch;
use crate::model::ops::taught_attention::{Joint, Sight};
use crate::model::ops::taught_rows::{GateBack, GeluBack};
use crate::model::ops::{JointHeads, PackedSight};

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
    let mut places = Places::default();
    let BlockSizes {
        width,
        mlp,
        cut,
        eps,
    } = sizes;
    let block = Block {
        sizes,
        positions: x.dim(1)?,
        seen: Seen::All,
        norm1: places.norm(width, eps),
        qkv: places.lin(columns(cut), width, false),
        out: places.lin(width, cut.heads * cut.d, true),
        norm2: places.norm(width, eps),
        up: places.lin(mlp, width, true),
        activation: Activation::Gelu,
        down: places.lin(width, mlp, true),
    };
    block.run(x, weights)
}

/// A layer of the language model: positions `[b,n,width]` to the same. The weights, joined: norm, queries, keys and
/// values, projection, norm, gate and up, down; none has a bias.
pub fn decoder_layer(
    x: &Tensor,
    sight: &PackedSight,
    weights: &Tensor,
    sizes: BlockSizes,
) -> Result<Tensor> {
    let mut places = Places::default();
    let BlockSizes {
        width,
        mlp,
        cut,
        eps,
    } = sizes;
    let block = Block {
        sizes,
        positions: x.dim(1)?,
        seen: Seen::Packed {
            packings: sight.packings.to_vec(),
            cos: sight.cos.flatten_all()?.to_vec1()?,
            sin: sight.sin.flatten_all()?.to_vec1()?,
        },
        norm1: places.rms_norm(width, eps),
        qkv: places.lin(columns(cut), width, false),
        out: places.lin(width, cut.heads * cut.d, false),
        norm2: places.rms_norm(width, eps),
        up: places.lin(2 * mlp, width, false),
        activation: Activation::GatedSilu,
        down: places.lin(width, mlp, false),
    };
    block.run(x, weights)
}

/// Columns of queries, keys and values together.
const fn columns(cut: JointHeads) -> usize {
    (cut.heads + 2 * cut.key_heads) * cut.d
}

#[derive(Debug)]
struct Block {
    sizes: BlockSizes,
    /// Of one sequence.
    positions: usize,
    seen: Seen,
    norm1: Norm,
    qkv: Lin,
    out: Lin,
    norm2: Norm,
    up: Lin,
    activation: Activation,
    down: Lin,
}

/// What a [`Sight`] lends.
#[derive(Debug)]
enum Seen {
    All,
    Packed {
        packings: Vec<Packing>,
        cos: Vec<f32>,
        sin: Vec<f32>,
    },
}

/// What is between the layers of the MLP.
#[derive(Debug, Clone, Copy)]
enum Activation {
    Gelu,
    /// Of a gate and what it lets through, side by side.
    GatedSilu,
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
    fn run(self, x: &Tensor, weights: &Tensor) -> Result<Tensor> {
        let none = Tensor::zeros(0, x.dtype(), x.device())?;
        run(self, x, &none, weights)
    }

    fn joint<'a>(&'a self, qkv: &'a [f32]) -> Joint<'a> {
        let cut = self.sizes.cut;
        Joint {
            numbers: qkv,
            size: [qkv.len() / (columns(cut) * self.positions), self.positions],
            heads: cut.heads,
            key_heads: cut.key_heads,
            d: cut.d,
            scale: 1.0 / (cut.d as f32).sqrt(),
            sight: match &self.seen {
                Seen::All => Sight::All,
                Seen::Packed { packings, cos, sin } => Sight::Packed { packings, cos, sin },
            },
        }
    }
}

impl Activation {
    fn forward(self, inner: &[f32], width: usize) -> Vec<f32> {
        match self {
            Self::Gelu => gelu_of(inner),
            Self::GatedSilu => {
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

    /// The gradient of what went in.
    fn backward(self, inner: &[f32], gradient: &[f32], width: usize) -> Vec<f32> {
        let mut to_inner = vec![0.0; inner.len()];
        let (x, out) = (inner, to_inner.as_mut_slice());
        match self {
            Self::Gelu => dispatch(GeluBack { x, gradient, out }),
            Self::GatedSilu => dispatch(GateBack {
                x,
                gradient,
                width,
                out,
            }),
        }
        to_inner
    }
}

impl Layer for Block {
    type Kept = Kept;

    fn name(&self) -> &'static str {
        match self.activation {
            Activation::Gelu => "vision-block",
            Activation::GatedSilu => "decoder-layer",
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
        let active = self.activation.forward(&inner, self.sizes.mlp);
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
        taught: &mut Taught,
    ) -> [Vec<f32>; 2] {
        let to_active = self.down.backward(taught, &kept.active, gradient);
        let to_inner = self
            .activation
            .backward(&kept.inner, &to_active, self.sizes.mlp);
        let to_normed2 = self.up.backward(taught, &kept.normed2, &to_inner);
        let to_middle = self.norm2.backward(taught, &kept.middle, &to_normed2);
        let to_middle = sum_of(&to_middle, gradient);
        let to_mixed = self.out.backward(taught, &kept.mixed, &to_middle);
        let to_qkv = self.joint(&kept.qkv).backward(&to_mixed);
        let to_normed = self.qkv.backward(taught, &kept.normed, &to_qkv);
        let mut to_x = self.norm1.backward(taught, x, &to_normed);
        add(&mut to_x, &to_middle);
        [to_x, Vec::new()]
    }
}
