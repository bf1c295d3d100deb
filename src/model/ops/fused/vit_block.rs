//! A pre-norm block of a vision transformer as one operator.

use candle_core::{Result, Shape, Tensor};

use super::{Layer, Lin, Norm, Places, Taught, add, gelu_of, run, sum_of};
use crate::model::kernels::amx::Amx;
use crate::model::ops::simd::dispatch;
use crate::model::ops::taught_attention::{Joint, Sight};
use crate::model::ops::taught_rows::GeluBack;

/// Sizes of a block.
#[derive(Debug, Clone, Copy)]
pub struct VitBlockSizes {
    /// Tokens of an image.
    pub tokens: usize,
    /// Width: a multiple of 16.
    pub width: usize,
    /// Width of the MLP: a multiple of 16.
    pub mlp: usize,
    /// Heads.
    pub heads: usize,
    /// Of both norms.
    pub eps: f64,
}

/// Tokens `[b,tokens,width]` to the same. The weights, joined: norm, queries, keys and values without a bias, projection,
/// norm, both layers of the MLP; each weight with its bias behind it.
pub fn vit_block(x: &Tensor, weights: &Tensor, sizes: VitBlockSizes) -> Result<Tensor> {
    let none = Tensor::zeros(0, x.dtype(), x.device())?;
    run(VitBlock::new(sizes), x, &none, weights)
}

#[derive(Debug)]
struct VitBlock {
    sizes: VitBlockSizes,
    norm1: Norm,
    qkv: Lin,
    out: Lin,
    norm2: Norm,
    linear1: Lin,
    linear2: Lin,
}

struct Kept {
    normed: Vec<f32>,
    qkv: Vec<f32>,
    mixed: Vec<f32>,
    /// What attention was added to.
    middle: Vec<f32>,
    normed2: Vec<f32>,
    inner: Vec<f32>,
    lit: Vec<f32>,
}

impl VitBlock {
    fn new(sizes: VitBlockSizes) -> Self {
        let mut places = Places::default();
        let (width, mlp) = (sizes.width, sizes.mlp);
        Self {
            sizes,
            norm1: places.norm(width, sizes.eps),
            qkv: places.lin(3 * width, width, false),
            out: places.lin(width, width, true),
            norm2: places.norm(width, sizes.eps),
            linear1: places.lin(mlp, width, true),
            linear2: places.lin(width, mlp, true),
        }
    }

    fn joint<'a>(&self, qkv: &'a [f32]) -> Joint<'a> {
        let VitBlockSizes {
            tokens,
            width,
            heads,
            ..
        } = self.sizes;
        let d = width / heads;
        Joint {
            numbers: qkv,
            size: [qkv.len() / (3 * width * tokens), tokens],
            heads,
            key_heads: heads,
            d,
            scale: 1.0 / (d as f32).sqrt(),
            sight: Sight::All,
        }
    }
}

impl Layer for VitBlock {
    type Kept = Kept;

    fn name(&self) -> &'static str {
        "vision-block"
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
        let inner = self.linear1.forward(weights, &normed2, amx);
        let lit = gelu_of(&inner);
        let mut y = self.linear2.forward(weights, &lit, amx);
        add(&mut y, &middle);
        let VitBlockSizes { tokens, width, .. } = self.sizes;
        let shape = Shape::from((x.len() / (tokens * width), tokens, width));
        let kept = Kept {
            normed,
            qkv,
            mixed,
            middle,
            normed2,
            inner,
            lit,
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
        let to_lit = self.linear2.backward(taught, &kept.lit, gradient);
        let mut to_inner = vec![0.0; to_lit.len()];
        dispatch(GeluBack {
            x: &kept.inner,
            gradient: &to_lit,
            out: &mut to_inner,
        });
        let to_normed2 = self.linear1.backward(taught, &kept.normed2, &to_inner);
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
