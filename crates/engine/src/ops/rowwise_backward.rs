//! Backward passes of the row-wise operators: norms, GELU, the gate, and the bias of a linear layer.

use candle_core::{D, Result, Tensor};
use rayon::prelude::*;

use super::gelu::erf;
use super::simd::{Kernel, Simd, dispatch};
use super::{PARALLEL_FROM, with_slices};

/// Values that are added up in f32 before they join a sum in f64.
const STRETCH: usize = 4096;
/// The widest vector: rows must be a multiple of it.
pub const LANES: usize = 16;

/// The gradients of x, weight and bias of a layer norm; of an RMS norm where `centred` is false, without a bias.
pub(super) fn norm_backward(
    x: &Tensor,
    weight: &Tensor,
    gradient: &Tensor,
    eps: f64,
    centred: bool,
) -> Result<[Tensor; 3]> {
    let width = weight.elem_count();
    let rows = (PARALLEL_FROM / width).max(1) * width;
    let [to_x, to_weight, to_bias] =
        with_slices([x, weight, gradient], |[x, weight, gradient]| {
            let mut to_x = vec![0.0; x.len()];
            let parts: Vec<[Vec<f32>; 2]> = to_x
                .par_chunks_mut(rows)
                .zip(x.par_chunks(rows).zip(gradient.par_chunks(rows)))
                .map(|(to_x, (x, gradient))| {
                    let mut sums = [vec![0.0; width], vec![0.0; width]];
                    let [to_weight, to_bias] = &mut sums;
                    dispatch(NormBackward {
                        x,
                        weight,
                        gradient,
                        eps,
                        centred,
                        to_x,
                        to_weight,
                        to_bias,
                    });
                    sums
                })
                .collect();
            let mut sums = [vec![0.0; width], vec![0.0; width]];
            for part in &parts {
                for (sum, part) in sums.iter_mut().zip(part) {
                    sum.iter_mut().zip(part).for_each(|(to, x)| *to += x);
                }
            }
            let [to_weight, to_bias] = sums;
            [to_x, to_weight, to_bias]
        })?;
    let device = x.device();
    Ok([
        Tensor::from_vec(to_x, x.dims(), device)?,
        Tensor::from_vec(to_weight, width, device)?,
        Tensor::from_vec(to_bias, width, device)?,
    ])
}

pub(super) struct NormBackward<'a> {
    pub x: &'a [f32],
    pub weight: &'a [f32],
    pub gradient: &'a [f32],
    pub eps: f64,
    pub centred: bool,
    pub to_x: &'a mut [f32],
    pub to_weight: &'a mut [f32],
    pub to_bias: &'a mut [f32],
}

impl Kernel for NormBackward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = self.weight.len();
        let rows = self
            .x
            .chunks_exact(width)
            .zip(self.gradient.chunks_exact(width));
        for ((x, g), to) in rows.zip(self.to_x.chunks_exact_mut(width)) {
            let n = width as f64;
            let mean = if self.centred {
                total(s, x, x, x, |_, x, _, _| x) / n
            } else {
                0.0
            };
            let centre = s.splat(mean as f32);
            let square = total(s, x, x, x, |s, x, _, _| {
                let d = s.sub(x, centre);
                s.mul(d, d)
            }) / n;
            let inverse = (square + self.eps).sqrt().recip();
            // With y the normed row and h the gradient times the weight: inverse (h - mean h - y mean(h y)).
            let factor = s.splat(inverse as f32);
            let mean_h = if self.centred {
                total(s, g, self.weight, x, |s, g, w, _| s.mul(g, w)) / n
            } else {
                0.0
            };
            let mean_hy = total(s, g, self.weight, x, |s, g, w, x| {
                s.mul(s.mul(g, w), s.mul(s.sub(x, centre), factor))
            }) / n;
            let (mean_h, mean_hy) = (s.splat(mean_h as f32), s.splat(mean_hy as f32));
            for at in (0..width).step_by(S::N) {
                let (x, g, w) = (
                    s.load(&x[at..]),
                    s.load(&g[at..]),
                    s.load(&self.weight[at..]),
                );
                let y = s.mul(s.sub(x, centre), factor);
                let h = s.mul(g, w);
                let inner = s.sub(s.sub(h, mean_h), s.mul(y, mean_hy));
                s.store(s.mul(inner, factor), &mut to[at..]);
                let sum = s.mul_add(g, y, s.load(&self.to_weight[at..]));
                s.store(sum, &mut self.to_weight[at..]);
                let sum = s.add(g, s.load(&self.to_bias[at..]));
                s.store(sum, &mut self.to_bias[at..]);
            }
        }
    }
}

/// The sum of `term` over three rows, a multiple of the widest vector long.
#[inline(always)]
fn total<S: Simd>(
    s: S,
    a: &[f32],
    b: &[f32],
    c: &[f32],
    term: impl Fn(S, S::V, S::V, S::V) -> S::V,
) -> f64 {
    let mut total = 0.0;
    for start in (0..a.len()).step_by(STRETCH) {
        let mut sum = s.splat(0.0);
        for at in (start..(start + STRETCH).min(a.len())).step_by(S::N) {
            sum = s.add(
                sum,
                term(s, s.load(&a[at..]), s.load(&b[at..]), s.load(&c[at..])),
            );
        }
        total += f64::from(s.sum(sum));
    }
    total
}

/// `gradient * gelu'(x)`.
pub(super) fn gelu_backward(x: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let out = with_slices([x, gradient], |[x, gradient]| {
        let mut out = vec![0.0; x.len()];
        out.par_chunks_mut(PARALLEL_FROM)
            .zip(
                x.par_chunks(PARALLEL_FROM)
                    .zip(gradient.par_chunks(PARALLEL_FROM)),
            )
            .for_each(|(out, (x, gradient))| dispatch(GeluBackward { x, gradient, out }));
        out
    })?;
    Tensor::from_vec(out, x.dims(), x.device())
}

pub(super) struct GeluBackward<'a> {
    pub x: &'a [f32],
    pub gradient: &'a [f32],
    pub out: &'a mut [f32],
}

impl Kernel for GeluBackward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let rest = self.x.len() % S::N;
        for at in (0..self.x.len() - rest).step_by(S::N) {
            let slope = gelu_derivative(s, s.load(&self.x[at..]));
            s.store(
                s.mul(slope, s.load(&self.gradient[at..])),
                &mut self.out[at..],
            );
        }
        let from = self.x.len() - rest;
        let mut last = [0.0; LANES];
        last[..rest].copy_from_slice(&self.x[from..]);
        let slope = gelu_derivative(s, s.load(&last));
        s.store(slope, &mut last);
        for ((out, g), slope) in self.out[from..]
            .iter_mut()
            .zip(&self.gradient[from..])
            .zip(last)
        {
            *out = g * slope;
        }
    }
}

/// `Phi(x) + x phi(x)`.
#[inline(always)]
fn gelu_derivative<S: Simd>(s: S, x: S::V) -> S::V {
    gelu_derivative_from(s, x, normal_cdf(s, x))
}

/// The cumulative distribution function of the standard normal distribution, `Phi(x)`.
#[inline(always)]
pub(super) fn normal_cdf<S: Simd>(s: S, x: S::V) -> S::V {
    let half = s.splat(0.5);
    let root = s.splat(std::f32::consts::FRAC_1_SQRT_2);
    s.mul_add(erf(s, s.mul(x, root)), half, half)
}

/// GELU's derivative where `below`, `Phi(x)`, is known.
#[inline(always)]
pub(super) fn gelu_derivative_from<S: Simd>(s: S, x: S::V, below: S::V) -> S::V {
    let density = s.exp(s.mul(s.mul(x, x), s.splat(-0.5)));
    s.mul_add(s.mul(x, density), s.splat(0.398_942_3), below)
}

/// The gradient of `[.., 2w]`, gate first, from that of `silu(gate) * up`; w is a multiple of the widest vector.
pub(super) fn gated_silu_backward(gate_up: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let width = gradient.dim(D::Minus1)?;
    let out = with_slices([gate_up, gradient], |[x, gradient]| {
        let mut out = vec![0.0; x.len()];
        let rows = (PARALLEL_FROM / width).max(1) * width;
        out.par_chunks_mut(2 * rows)
            .zip(x.par_chunks(2 * rows).zip(gradient.par_chunks(rows)))
            .for_each(|(out, (x, gradient))| {
                dispatch(GateBackward {
                    x,
                    gradient,
                    width,
                    out,
                });
            });
        out
    })?;
    Tensor::from_vec(out, gate_up.dims(), gate_up.device())
}

pub(super) struct GateBackward<'a> {
    pub x: &'a [f32],
    pub gradient: &'a [f32],
    pub width: usize,
    pub out: &'a mut [f32],
}

impl Kernel for GateBackward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let w = self.width;
        let rows = self
            .x
            .chunks_exact(2 * w)
            .zip(self.gradient.chunks_exact(w));
        for ((x, g), out) in rows.zip(self.out.chunks_exact_mut(2 * w)) {
            let (gate, up) = x.split_at(w);
            let (to_gate, to_up) = out.split_at_mut(w);
            for at in (0..w).step_by(S::N) {
                let (a, u, g) = (s.load(&gate[at..]), s.load(&up[at..]), s.load(&g[at..]));
                let one = s.splat(1.0);
                let probability = s.div(one, s.add(one, s.exp(s.sub(s.splat(0.0), a))));
                let silu = s.mul(a, probability);
                // silu' = probability (1 + a (1 - probability))
                let slope = s.mul(probability, s.mul_add(a, s.sub(one, probability), one));
                s.store(s.mul(s.mul(g, u), slope), &mut to_gate[at..]);
                s.store(s.mul(g, silu), &mut to_up[at..]);
            }
        }
    }
}

/// The sum over rows of `[.., w]`, `[w]`; w is a multiple of the widest vector.
pub(super) fn column_sums(x: &Tensor) -> Result<Tensor> {
    let width = x.dim(D::Minus1)?;
    let rows = (PARALLEL_FROM / width).max(1) * width;
    let sums = with_slices([x], |[x]| {
        let parts: Vec<Vec<f32>> = x
            .par_chunks(rows)
            .map(|x| {
                let mut sums = vec![0.0; width];
                dispatch(Sums { x, sums: &mut sums });
                sums
            })
            .collect();
        let mut sums = vec![0.0; width];
        for part in parts {
            sums.iter_mut().zip(part).for_each(|(to, x)| *to += x);
        }
        sums
    })?;
    Tensor::from_vec(sums, width, x.device())
}

pub(super) struct Sums<'a> {
    pub x: &'a [f32],
    pub sums: &'a mut [f32],
}

impl Kernel for Sums<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for row in self.x.chunks_exact(self.sums.len()) {
            for (sum, x) in self.sums.chunks_exact_mut(S::N).zip(row.chunks_exact(S::N)) {
                s.store(s.add(s.load(sum), s.load(x)), sum);
            }
        }
    }
}
