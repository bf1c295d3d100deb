//! Layer norm and RMS norm over the last axis, with their weights.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, D, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::rowwise_backward::{LANES, norm_backward};
use super::simd::{Kernel, Simd, dispatch};
use super::{PARALLEL_FROM, add_bias, contiguous, fusable, on_cpu, repeated};

/// A layer norm and its weights.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// Weight and bias `[w]`.
    pub const fn new(weight: Tensor, bias: Tensor, eps: f64) -> Self {
        Self { weight, bias, eps }
    }

    /// Weight and bias.
    pub(crate) const fn parts(&self) -> [&Tensor; 2] {
        [&self.weight, &self.bias]
    }

    /// [`layer_norm`] of `[.., w]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm(x, &self.weight, &self.bias, self.eps)
    }
}

/// An RMS norm and its weights.
#[derive(Debug, Clone)]
pub struct RmsNorm {
    weight: Tensor,
    eps: f64,
}

impl RmsNorm {
    /// Weight `[w]`.
    pub const fn new(weight: Tensor, eps: f64) -> Self {
        Self { weight, eps }
    }

    /// What keeps the division from zero.
    pub const fn eps(&self) -> f64 {
        self.eps
    }

    /// The weight.
    pub(crate) const fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// [`rms_norm`] of `[.., w]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        rms_norm(x, &self.weight, self.eps)
    }
}

/// `(x - mean) / sqrt(variance + eps) * weight + bias` over the last axis; x `[.., w]`, weight and bias `[w]`.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let x = x.contiguous()?;
    let rows = weight.elem_count().is_multiple_of(LANES);
    if fusable(&[&x, weight, bias]) || on_cpu(&[&x, weight, bias]) && rows {
        x.apply_op3(weight, bias, FusedLayerNorm(eps))
    } else if x.track_op() || weight.track_op() || bias.track_op() {
        let wide = widened(&x)?;
        let centred = wide.broadcast_sub(&wide.mean_keepdim(D::Minus1)?)?;
        let normal = by_deviation(&centred, eps)?.to_dtype(x.dtype())?;
        add_bias((normal * repeated(weight, x.shape())?)?, bias)
    } else {
        candle_nn::ops::layer_norm(&x, weight, bias, eps as f32)
    }
}

/// `x / sqrt(mean of squares + eps) * weight` over the last axis; x `[.., w]`, weight `[w]`.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    let x = x.contiguous()?;
    let rows = weight.elem_count().is_multiple_of(LANES);
    if fusable(&[&x, weight]) || on_cpu(&[&x, weight]) && rows {
        x.apply_op2(weight, FusedRmsNorm(eps))
    } else if x.track_op() || weight.track_op() {
        let normal = by_deviation(&widened(&x)?, eps)?.to_dtype(x.dtype())?;
        normal * repeated(weight, x.shape())?
    } else {
        candle_nn::ops::rms_norm(&x, weight, eps as f32)
    }
}

/// Half precision in f32: squares would not fit.
fn widened(x: &Tensor) -> Result<Tensor> {
    if x.dtype().size_in_bytes() < DType::F32.size_in_bytes() {
        x.to_dtype(DType::F32)
    } else {
        Ok(x.clone())
    }
}

/// `x / sqrt(mean of squares + eps)` over the last axis, in candle's own operators.
fn by_deviation(x: &Tensor, eps: f64) -> Result<Tensor> {
    x.broadcast_div(&(x.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?)
}

struct FusedLayerNorm(f64);

impl CustomOp3 for FusedLayerNorm {
    fn name(&self) -> &'static str {
        "fused-layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let bias = contiguous(bias, bias_layout)?;
        let weight = contiguous(weight, weight_layout)?;
        let eps = self.0 as f32;
        rows(contiguous(x, layout)?, layout, weight, Some(bias), eps)
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [to_x, to_weight, to_bias] = norm_backward(x, weight, gradient, self.0, true)?;
        Ok((Some(to_x), Some(to_weight), Some(to_bias)))
    }
}

struct FusedRmsNorm(f64);

impl CustomOp2 for FusedRmsNorm {
    fn name(&self) -> &'static str {
        "fused-rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let weight = contiguous(weight, weight_layout)?;
        let eps = self.0 as f32;
        rows(contiguous(x, layout)?, layout, weight, None, eps)
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [to_x, to_weight, _] = norm_backward(x, weight, gradient, self.0, false)?;
        Ok((Some(to_x), Some(to_weight)))
    }
}

/// Layer norm where there is a bias, RMS norm where there is none.
fn rows(
    x: &[f32],
    layout: &Layout,
    weight: &[f32],
    bias: Option<&[f32]>,
    eps: f32,
) -> Result<(CpuStorage, Shape)> {
    let width = layout.dims().last().copied().unwrap_or(0);
    if weight.len() != width || bias.is_some_and(|bias| bias.len() != width) {
        candle_core::bail!("a norm of width {} over {:?}", weight.len(), layout.dims())
    }
    let mut out = vec![0.0; x.len()];
    if !out.is_empty() {
        let chunk = PARALLEL_FROM.next_multiple_of(width);
        out.par_chunks_mut(chunk)
            .zip(x.par_chunks(chunk))
            .for_each(|(out, x)| {
                dispatch(Rows {
                    x,
                    weight,
                    bias,
                    eps,
                    out,
                });
            });
    }
    Ok((CpuStorage::F32(out), layout.shape().clone()))
}

pub(super) struct Rows<'a> {
    pub x: &'a [f32],
    pub weight: &'a [f32],
    pub bias: Option<&'a [f32]>,
    pub eps: f32,
    pub out: &'a mut [f32],
}

impl Kernel for Rows<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = self.weight.len();
        let rows = self.out.chunks_exact_mut(width);
        for (out, x) in rows.zip(self.x.chunks_exact(width)) {
            let mean = if self.bias.is_some() {
                total(s, x, |v| v, |v| v) / width as f32
            } else {
                0.0
            };
            let centre = s.splat(mean);
            let squares = total(
                s,
                x,
                |v| {
                    let v = s.sub(v, centre);
                    s.mul(v, v)
                },
                |v| (v - mean) * (v - mean),
            );
            let factor = 1.0 / (squares / width as f32 + self.eps).sqrt();
            write(s, x, mean, factor, self.weight, self.bias, out);
        }
    }
}

/// The sum of `f` over a row, `f` given for vectors and for what is left over.
#[inline(always)]
fn total<S: Simd>(s: S, x: &[f32], wide: impl Fn(S::V) -> S::V, one: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [s.splat(0.0); 4];
    let quads = x.chunks_exact(4 * S::N);
    let rest = quads.remainder();
    for quad in quads {
        for (sum, v) in sums.iter_mut().zip(quad.chunks_exact(S::N)) {
            *sum = s.add(*sum, wide(s.load(v)));
        }
    }
    let rest = rest.chunks_exact(S::N);
    let singles = rest.remainder();
    for v in rest {
        sums[0] = s.add(sums[0], wide(s.load(v)));
    }
    let both = s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]));
    s.sum(both) + singles.iter().map(|v| one(*v)).sum::<f32>()
}

/// `(x - mean) * factor * weight + bias`.
#[inline(always)]
fn write<S: Simd>(
    s: S,
    x: &[f32],
    mean: f32,
    factor: f32,
    weight: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    let (centre, scale) = (s.splat(mean), s.splat(factor));
    let whole = x.len() - x.len() % S::N;
    for i in (0..whole).step_by(S::N) {
        let normed = s.mul(s.sub(s.load(&x[i..]), centre), scale);
        let weight = s.load(&weight[i..]);
        let y = match bias {
            Some(bias) => s.mul_add(normed, weight, s.load(&bias[i..])),
            None => s.mul(normed, weight),
        };
        s.store(y, &mut out[i..]);
    }
    for i in whole..x.len() {
        let bias = bias.map_or(0.0, |bias| bias[i]);
        out[i] = (x[i] - mean) * factor * weight[i] + bias;
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Result, Var};

    use super::{layer_norm, rms_norm};
    use crate::ops::testing::{assert_close, random};

    #[test]
    fn both_are_the_plain_operators() -> Result<()> {
        for (n, width) in [(1, 1), (3, 7), (5, 16), (2, 77), (70, 768)] {
            // Far from zero and scaled: where a variance taken the short way would be lost.
            let x = ((random((2, n, width), width as u64)? + 30.0)? * 5.0)?;
            let (weight, bias) = (random(width, 1)?, random(width, 2)?);
            let plain = candle_nn::ops::layer_norm_slow(&x, &weight, &bias, 1e-5)?;
            let what = format!("layer norm of {width}");
            assert_close(&layer_norm(&x, &weight, &bias, 1e-5)?, &plain, 2e-5, &what)?;
            let plain = candle_nn::ops::rms_norm_slow(&x, &weight, 1e-5)?;
            let what = format!("RMS norm of {width}");
            assert_close(&rms_norm(&x, &weight, 1e-5)?, &plain, 2e-6, &what)?;
        }
        Ok(())
    }

    #[test]
    fn views_are_taken_as_they_read() -> Result<()> {
        let x = random((2, 9, 40), 3)?.narrow(1, 2, 5)?.narrow(2, 3, 21)?;
        let (weight, bias) = (random(21, 1)?, random(21, 2)?);
        let plain = candle_nn::ops::layer_norm_slow(&x, &weight, &bias, 1e-5)?;
        assert_close(&layer_norm(&x, &weight, &bias, 1e-5)?, &plain, 2e-6, "view")
    }

    #[test]
    fn gradients_flow() -> Result<()> {
        let (x, weight) = (random((3, 8), 1)?, Var::from_tensor(&random(8, 2)?)?);
        let norm = layer_norm(&x, &weight, &random(8, 3)?, 1e-5)?;
        assert!(norm.sum_all()?.backward()?.get(&weight).is_some());
        let norm = rms_norm(&x, &weight, 1e-5)?;
        assert!(norm.sum_all()?.backward()?.get(&weight).is_some());
        Ok(())
    }
}
