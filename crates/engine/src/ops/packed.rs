//! Attention of queries, keys and values that lie side by side, as projections leave them, with gradients.

use std::cell::OnceCell;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, D, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::attention_backward::{AttentionPattern, Joint};
use super::dot_product::dot_product_attention;
use super::{contiguous, on_cpu, with_slices};
use crate::ops::Packing;

/// How a joint projection `[b,n,(heads + 2 key heads) d]` is cut: queries first, then keys, then values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JointHeads {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub key_heads: usize,
    /// Width of a head.
    pub d: usize,
}

/// The rotary tables `[positions, d/2]` in f32 and what each sequence packs.
#[derive(Debug)]
pub struct PackedAttention<'a> {
    packings: &'a [Packing],
    cos: &'a Tensor,
    sin: &'a Tensor,
    /// What the kernels need of all this, and candle's own operators: empty until a first layer needs it.
    tables: OnceCell<Arc<Tables>>,
    laid_out: OnceCell<LaidOut>,
}

/// Packings and tables in main memory.
#[derive(Debug)]
pub(super) struct Tables {
    packings: Vec<Packing>,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Tables {
    pub(super) fn pattern(&self) -> AttentionPattern<'_> {
        AttentionPattern::Packed {
            packings: &self.packings,
            cos: &self.cos,
            sin: &self.sin,
        }
    }
}

/// The angles and the mask of whole sequences, the same for all layers.
#[derive(Debug)]
struct LaidOut {
    /// `[b,n,1,d/2]`.
    cos: Tensor,
    sin: Tensor,
    /// `[b,1,n,n]` of 0 and -inf.
    mask: Tensor,
}

impl<'a> PackedAttention<'a> {
    /// A packing for each sequence, and cosines and sines of each position.
    pub const fn new(packings: &'a [Packing], cos: &'a Tensor, sin: &'a Tensor) -> Self {
        Self {
            packings,
            cos,
            sin,
            tables: OnceCell::new(),
            laid_out: OnceCell::new(),
        }
    }

    pub(super) fn tables(&self) -> Result<Arc<Tables>> {
        let make = || {
            Ok(Arc::new(Tables {
                packings: self.packings.to_vec(),
                cos: self.cos.flatten_all()?.to_vec1()?,
                sin: self.sin.flatten_all()?.to_vec1()?,
            }))
        };
        once(&self.tables, make).cloned()
    }

    fn laid_out(&self) -> Result<&LaidOut> {
        once(&self.laid_out, || self.lay_out())
    }

    fn lay_out(&self) -> Result<LaidOut> {
        let (b, device) = (self.packings.len(), self.cos.device());
        let n = self.packings.first().map_or(0, Packing::len);
        let positions: Vec<u32> = self
            .packings
            .iter()
            .flat_map(|packing| (0..n).map(|i| packing.position(i) as u32))
            .collect();
        let positions = Tensor::from_vec(positions, b * n, device)?;
        let table = |t: &Tensor| t.index_select(&positions, 0)?.reshape((b, n, 1, ()));
        let masks: Vec<Tensor> = self
            .packings
            .par_iter()
            .map(|packing| packing.mask(device))
            .collect::<Result<_>>()?;
        Ok(LaidOut {
            cos: table(self.cos)?,
            sin: table(self.sin)?,
            mask: Tensor::stack(&masks, 0)?.reshape((b, 1, n, n))?,
        })
    }
}

/// What is in the cell, made by whoever comes first.
fn once<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(made) = cell.get() {
        return Ok(made);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}

/// `softmax(q k^T * scale) v` with the heads joined again, `[b,n,heads*d]`: all positions see each other, or what
/// their packing says, queries and keys rotated by their positions.
pub fn attend_joint(
    qkv: &Tensor,
    cut: JointHeads,
    scale: f64,
    pattern: Option<&PackedAttention>,
) -> Result<Tensor> {
    let (b, n, width) = qkv.dims3()?;
    let JointHeads {
        heads,
        key_heads,
        d,
    } = cut;
    if key_heads == 0 || heads % key_heads != 0 || width != (heads + 2 * key_heads) * d {
        candle_core::bail!("{width} columns are not {heads} + 2 x {key_heads} heads of {d}")
    }
    if !on_cpu(&[qkv]) {
        return attend_joint_plain(qkv, cut, scale, pattern);
    }
    let tables = pattern.map(PackedAttention::tables).transpose()?;
    qkv.contiguous()?.apply_op1(JointAttention {
        size: [b, n],
        cut,
        scale: scale as f32,
        tables,
    })
}

struct JointAttention {
    size: [usize; 2],
    cut: JointHeads,
    scale: f32,
    tables: Option<Arc<Tables>>,
}

impl JointAttention {
    fn joint<'a>(&'a self, values: &'a [f32]) -> Joint<'a> {
        Joint {
            values,
            size: self.size,
            heads: self.cut.heads,
            key_heads: self.cut.key_heads,
            d: self.cut.d,
            scale: self.scale,
            pattern: self
                .tables
                .as_deref()
                .map_or(AttentionPattern::All, Tables::pattern),
        }
    }
}

impl CustomOp1 for JointAttention {
    fn name(&self) -> &'static str {
        "joint-attention"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let out = self.joint(contiguous(qkv, layout)?).forward();
        let [b, n] = self.size;
        let shape = Shape::from((b, n, self.cut.heads * self.cut.d));
        Ok((CpuStorage::F32(out), shape))
    }

    fn bwd(&self, qkv: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let back = |[qkv, gradient]: [&[f32]; 2]| self.joint(qkv).backward(gradient);
        let to = with_slices([qkv, gradient], back)?;
        Tensor::from_vec(to, qkv.dims(), qkv.device()).map(Some)
    }
}

/// [`attend_joint`] in candle's own operators, on any device and any type.
pub fn attend_joint_plain(
    qkv: &Tensor,
    cut: JointHeads,
    scale: f64,
    pattern: Option<&PackedAttention>,
) -> Result<Tensor> {
    let (b, n, _) = qkv.dims3()?;
    let JointHeads {
        heads,
        key_heads,
        d,
    } = cut;
    let part = |from: usize, count: usize| {
        qkv.narrow(D::Minus1, from * d, count * d)?
            .reshape((b, n, count, d))
    };
    let (mut q, mut k) = (part(0, heads)?, part(heads, key_heads)?);
    let v = part(heads + key_heads, key_heads)?;
    let mut seen = None;
    if let Some(pattern) = pattern {
        let LaidOut { cos, sin, mask } = pattern.laid_out()?;
        (q, k) = (rotate(&q, cos, sin)?, rotate(&k, cos, sin)?);
        seen = Some(mask);
    }
    let heads_first = |t: &Tensor| t.transpose(1, 2)?.contiguous();
    dot_product_attention(
        &heads_first(&q)?,
        &heads_first(&k)?,
        &heads_first(&v)?,
        scale,
        seen,
    )
}

/// `[b,n,heads,d]` by `[b,n,1,d/2]`.
fn rotate(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let (dtype, half) = (x.dtype(), x.dim(D::Minus1)? / 2);
    let x = x.to_dtype(DType::F32)?;
    let (low, high) = (
        x.narrow(D::Minus1, 0, half)?,
        x.narrow(D::Minus1, half, half)?,
    );
    let rotated = [
        (low.broadcast_mul(cos)? - high.broadcast_mul(sin)?)?,
        (high.broadcast_mul(cos)? + low.broadcast_mul(sin)?)?,
    ];
    Tensor::cat(&rotated, D::Minus1)?.to_dtype(dtype)
}
