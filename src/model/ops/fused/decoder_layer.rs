//! A layer of the language model over packed sequences as one operator.

use candle_core::{Result, Shape, Tensor};

use super::{Layer, Lin, Norm, Places, Taught, add, run, sum_of};
use crate::model::decoder::Packing;
use crate::model::kernels::amx::Amx;
use crate::model::ops::gated_silu;
use crate::model::ops::simd::dispatch;
use crate::model::ops::taught_attention::{Joint, Sight};
use crate::model::ops::taught_rows::GateBack;
use crate::model::ops::{JointHeads, PackedSight};

/// Sizes of a layer.
#[derive(Debug, Clone, Copy)]
pub struct DecoderLayerSizes {
    /// Width: a multiple of 16.
    pub width: usize,
    /// Width of the gate: a multiple of 16.
    pub mlp: usize,
    /// Heads.
    pub cut: JointHeads,
    /// Of both norms.
    pub eps: f64,
}

/// Positions `[b,n,width]` to the same. The weights, joined: norm, queries, keys and values, projection, norm, gate and up,
/// down; none has a bias.
pub fn decoder_layer(
    x: &Tensor,
    sight: PackedSight,
    weights: &Tensor,
    sizes: DecoderLayerSizes,
) -> Result<Tensor> {
    let none = Tensor::zeros(0, x.dtype(), x.device())?;
    let mut places = Places::default();
    let (width, mlp, cut) = (sizes.width, sizes.mlp, sizes.cut);
    let layer = DecoderLayer {
        sizes,
        positions: x.dim(1)?,
        packings: sight.packings.to_vec(),
        cos: sight.cos.flatten_all()?.to_vec1()?,
        sin: sight.sin.flatten_all()?.to_vec1()?,
        norm1: places.rms_norm(width, sizes.eps),
        qkv: places.lin((cut.heads + 2 * cut.key_heads) * cut.d, width, false),
        out: places.lin(width, cut.heads * cut.d, false),
        norm2: places.rms_norm(width, sizes.eps),
        gate_up: places.lin(2 * mlp, width, false),
        down: places.lin(width, mlp, false),
    };
    run(layer, x, &none, weights)
}

#[derive(Debug)]
struct DecoderLayer {
    sizes: DecoderLayerSizes,
    positions: usize,
    packings: Vec<Packing>,
    cos: Vec<f32>,
    sin: Vec<f32>,
    norm1: Norm,
    qkv: Lin,
    out: Lin,
    norm2: Norm,
    gate_up: Lin,
    down: Lin,
}

struct Kept {
    normed: Vec<f32>,
    qkv: Vec<f32>,
    mixed: Vec<f32>,
    /// What attention was added to.
    middle: Vec<f32>,
    normed2: Vec<f32>,
    gate_up: Vec<f32>,
    gated: Vec<f32>,
}

impl DecoderLayer {
    fn joint<'a>(&'a self, qkv: &'a [f32]) -> Joint<'a> {
        let JointHeads {
            heads,
            key_heads,
            d,
        } = self.sizes.cut;
        Joint {
            numbers: qkv,
            size: [self.packings.len(), self.positions],
            heads,
            key_heads,
            d,
            scale: 1.0 / (d as f32).sqrt(),
            sight: Sight::Packed {
                packings: &self.packings,
                cos: &self.cos,
                sin: &self.sin,
            },
        }
    }
}

impl Layer for DecoderLayer {
    type Kept = Kept;

    fn name(&self) -> &'static str {
        "decoder-layer"
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
        let gate_up = self.gate_up.forward(weights, &normed2, amx);
        let mlp = self.sizes.mlp;
        let mut gated = vec![0.0; gate_up.len() / 2];
        for (out, both) in gated
            .chunks_exact_mut(mlp)
            .zip(gate_up.chunks_exact(2 * mlp))
        {
            let (gate, up) = both.split_at(mlp);
            dispatch(gated_silu::Chunk { gate, up, out });
        }
        let mut y = self.down.forward(weights, &gated, amx);
        add(&mut y, &middle);
        let shape = Shape::from((self.packings.len(), self.positions, self.sizes.width));
        let kept = Kept {
            normed,
            qkv,
            mixed,
            middle,
            normed2,
            gate_up,
            gated,
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
        let to_gated = self.down.backward(taught, &kept.gated, gradient);
        let mut to_gate_up = vec![0.0; kept.gate_up.len()];
        dispatch(GateBack {
            x: &kept.gate_up,
            gradient: &to_gated,
            width: self.sizes.mlp,
            out: &mut to_gate_up,
        });
        let to_normed2 = self.gate_up.backward(taught, &kept.normed2, &to_gate_up);
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
