//! Whole layers as one operator with one backward pass, for training on the CPU.
//!
//! candle's backward pass first fills each tensor's gradient with zeros and then adds to it; layer by layer instead of operator
//! by operator there are far fewer of them. A layer's weights come as one tensor, joined by [`joined`]; where each lies
//! in it, its linear layers and norms know.

mod block;
mod two_way;
mod two_way_attention;
mod upscaling;

use std::ops::Range;
use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

pub use block::{BlockSizes, decoder_layer, vit_block};
pub use two_way::{TwoWaySizes, two_way};
pub use upscaling::{UpscalingSizes, upscale};

use super::norm::{LayerNorm, RmsNorm, Rows};
use super::product::product;
use super::rowwise_backward::{NormBackward, Sums};
use super::simd::dispatch;
use super::{contiguous, gelu, on_cpu, with_slices};
use crate::kernels::amx::{Amx, Vectors};
use crate::linear::Linear;

/// Weights as one tensor, in this order, where a layer of them may run as one operator: in f32 in main memory, and some
/// of them learning.
///
/// # Errors
/// None that its callers could mend.
pub fn joined<'a>(parts: impl IntoIterator<Item = Part<'a>>) -> Result<Option<Tensor>> {
    let mut weights = Vec::new();
    for part in parts {
        match part {
            Part::Lin(lin) => {
                let Some((weight, bias)) = lin.parts() else {
                    return Ok(None);
                };
                weights.push(weight);
                weights.extend(bias);
            }
            Part::Norm(norm) => weights.extend(norm.parts()),
            Part::RmsNorm(norm) => weights.push(norm.weight()),
            Part::Tensor(tensor) => weights.push(tensor),
        }
    }
    if !on_cpu(&weights) || !weights.iter().any(|weight| weight.track_op()) {
        return Ok(None);
    }
    let flat = weights.iter().map(|weight| weight.flatten_all());
    Tensor::cat(&flat.collect::<Result<Vec<_>>>()?, 0).map(Some)
}

/// A part of a layer.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// Its weight, then its bias.
    Lin(&'a Linear),
    /// Its weight, then its bias.
    Norm(&'a LayerNorm),
    /// Its weight.
    RmsNorm(&'a RmsNorm),
    /// A tensor.
    Tensor(&'a Tensor),
}

/// Hands out places in joined weights, one after another.
#[derive(Debug, Default)]
struct Places(usize);

impl Places {
    fn next(&mut self, count: usize) -> Range<usize> {
        let start = self.0;
        self.0 += count;
        start..self.0
    }

    fn lin(&mut self, width_out: usize, width_in: usize, biased: bool) -> Lin {
        Lin {
            weight: self.next(width_out * width_in),
            bias: self.next(if biased { width_out } else { 0 }),
            width_out,
            width_in,
        }
    }

    fn norm(&mut self, width: usize, eps: f64) -> Norm {
        Norm {
            weight: self.next(width),
            bias: self.next(width),
            eps,
        }
    }

    fn rms_norm(&mut self, width: usize, eps: f64) -> Norm {
        Norm {
            weight: self.next(width),
            bias: self.next(0),
            eps,
        }
    }
}

/// Joined weights, their gradients, and what multiplies.
struct TrainedWeights<'a> {
    weights: &'a [f32],
    /// Empty where the weights do not learn.
    gradients: Vec<f32>,
    amx: Option<Amx>,
}

impl TrainedWeights<'_> {
    fn learns(&self) -> bool {
        !self.gradients.is_empty()
    }

    fn add(&mut self, place: &Range<usize>, more: &[f32]) {
        if self.learns() {
            add(&mut self.gradients[place.clone()], more);
        }
    }

    /// The gradient of a linear layer's weight: every output's gradient with every input.
    fn add_product(&mut self, lin: &Lin, gradient: Vectors, x: Vectors) {
        if self.learns() {
            let more = product(gradient, x, self.amx);
            self.add(&lin.weight, &more);
        }
    }

    /// The sums of the columns.
    fn add_sums(&mut self, place: &Range<usize>, gradient: &[f32]) {
        if self.learns() && !place.is_empty() {
            let mut sums = vec![0.0; place.len()];
            dispatch(Sums {
                x: gradient,
                sums: &mut sums,
            });
            self.add(place, &sums);
        }
    }
}

/// A linear layer `[out,in]` in joined weights.
#[derive(Debug)]
struct Lin {
    weight: Range<usize>,
    /// Empty where there is none.
    bias: Range<usize>,
    width_out: usize,
    width_in: usize,
}

impl Lin {
    fn rows<'a>(&self, weights: &'a [f32]) -> Vectors<'a> {
        Vectors::rows(&weights[self.weight.clone()], self.width_out, self.width_in)
    }

    fn columns<'a>(&self, weights: &'a [f32]) -> Vectors<'a> {
        Vectors::columns(&weights[self.weight.clone()], self.width_out, self.width_in)
    }

    /// `[n,in]` to `[n,out]`.
    fn forward(&self, weights: &[f32], x: &[f32], amx: Option<Amx>) -> Vec<f32> {
        let x = Vectors::rows(x, x.len() / self.width_in, self.width_in);
        let mut y = product(x, self.rows(weights), amx);
        let bias = &weights[self.bias.clone()];
        if !bias.is_empty() {
            y.chunks_exact_mut(bias.len())
                .for_each(|row| add(row, bias));
        }
        y
    }

    /// The gradient of x from that of the result.
    fn backward(&self, trained: &mut TrainedWeights, x: &[f32], gradient: &[f32]) -> Vec<f32> {
        let n = x.len() / self.width_in;
        let by_column = Vectors::columns(gradient, n, self.width_out);
        trained.add_product(self, by_column, Vectors::columns(x, n, self.width_in));
        trained.add_sums(&self.bias, gradient);
        let gradient = Vectors::rows(gradient, n, self.width_out);
        product(gradient, self.columns(trained.weights), trained.amx)
    }

    /// `[n,in]` to `[out,n]`.
    fn forward_transposed(&self, weights: &[f32], x: &[f32], amx: Option<Amx>) -> Vec<f32> {
        let n = x.len() / self.width_in;
        let mut y = product(self.rows(weights), Vectors::rows(x, n, self.width_in), amx);
        for (row, bias) in y.chunks_exact_mut(n).zip(&weights[self.bias.clone()]) {
            for y in row.iter_mut() {
                *y += bias;
            }
        }
        y
    }

    /// The gradient of x `[n,in]` from that of the result `[out,n]`.
    fn backward_transposed(
        &self,
        trained: &mut TrainedWeights,
        x: &[f32],
        gradient: &[f32],
    ) -> Vec<f32> {
        let n = x.len() / self.width_in;
        let by_row = Vectors::rows(gradient, self.width_out, n);
        trained.add_product(self, by_row, Vectors::columns(x, n, self.width_in));
        let sums: Vec<f32> = gradient.chunks_exact(n).map(sum).collect();
        trained.add(&self.bias, &sums);
        let by_column = Vectors::columns(gradient, self.width_out, n);
        product(by_column, self.columns(trained.weights), trained.amx)
    }

    /// `[in,n]` to `[n,out]`.
    fn forward_of_transposed(&self, weights: &[f32], x: &[f32], amx: Option<Amx>) -> Vec<f32> {
        let n = x.len() / self.width_in;
        let mut y = product(
            Vectors::columns(x, self.width_in, n),
            self.rows(weights),
            amx,
        );
        let bias = &weights[self.bias.clone()];
        y.chunks_exact_mut(self.width_out)
            .for_each(|row| add(row, bias));
        y
    }

    /// The gradient of x `[in,n]` from that of the result `[n,out]`.
    fn backward_of_transposed(
        &self,
        trained: &mut TrainedWeights,
        x: &[f32],
        gradient: &[f32],
    ) -> Vec<f32> {
        let n = x.len() / self.width_in;
        let by_column = Vectors::columns(gradient, n, self.width_out);
        trained.add_product(self, by_column, Vectors::rows(x, self.width_in, n));
        trained.add_sums(&self.bias, gradient);
        let gradient = Vectors::rows(gradient, n, self.width_out);
        product(self.columns(trained.weights), gradient, trained.amx)
    }
}

/// A layer norm in joined weights, or an RMS norm.
#[derive(Debug)]
struct Norm {
    weight: Range<usize>,
    /// Empty for an RMS norm.
    bias: Range<usize>,
    eps: f64,
}

impl Norm {
    fn forward(&self, weights: &[f32], x: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; x.len()];
        dispatch(Rows {
            x,
            weight: &weights[self.weight.clone()],
            bias: Some(&weights[self.bias.clone()]).filter(|bias| !bias.is_empty()),
            eps: self.eps as f32,
            out: &mut out,
        });
        out
    }

    /// The gradient of x from that of the result.
    fn backward(&self, trained: &mut TrainedWeights, x: &[f32], gradient: &[f32]) -> Vec<f32> {
        let mut to_x = vec![0.0; x.len()];
        let width = self.weight.len();
        let (mut to_weight, mut to_bias) = (vec![0.0; width], vec![0.0; width]);
        dispatch(NormBackward {
            x,
            weight: &trained.weights[self.weight.clone()],
            gradient,
            eps: self.eps,
            centred: !self.bias.is_empty(),
            to_x: &mut to_x,
            to_weight: &mut to_weight,
            to_bias: &mut to_bias,
        });
        trained.add(&self.weight, &to_weight);
        trained.add(&self.bias, &to_bias);
        to_x
    }
}

fn add(to: &mut [f32], more: &[f32]) {
    to.iter_mut().zip(more).for_each(|(to, x)| *to += x);
}

fn sum(x: &[f32]) -> f32 {
    let mut lanes = [0.0; 16];
    let (whole, rest) = x.as_chunks::<16>();
    for chunk in whole {
        add(&mut lanes, chunk);
    }
    lanes.iter().chain(rest).sum()
}

/// `a + b`.
fn sum_of(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// A layer: inputs and joined weights to a result, and its backward pass.
trait Layer: Send + Sync {
    /// Activations that the backward pass needs.
    type Kept: Send + Sync;

    fn name(&self) -> &'static str;
    /// The result's values and shape.
    fn forward(&self, x: [&[f32]; 3], amx: Option<Amx>) -> (Vec<f32>, Shape, Self::Kept);
    /// The gradients of the inputs; those of the weights are added up in `trained`.
    fn backward(
        &self,
        x: [&[f32]; 2],
        kept: &Self::Kept,
        gradient: &[f32],
        trained: &mut TrainedWeights,
    ) -> [Vec<f32>; 2];
}

/// Runs a layer on `x`, `y` and its joined weights.
fn run<L: Layer + 'static>(layer: L, x: &Tensor, y: &Tensor, weights: &Tensor) -> Result<Tensor> {
    let op = Fused {
        layer,
        kept: Mutex::new(None),
    };
    x.contiguous()?
        .apply_op3(&y.contiguous()?, &weights.contiguous()?, op)
}

struct Fused<L: Layer> {
    layer: L,
    kept: Mutex<Option<L::Kept>>,
}

impl<L: Layer> CustomOp3 for Fused<L> {
    fn name(&self) -> &'static str {
        self.layer.name()
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        y: &CpuStorage,
        y_layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let all = [
            contiguous(x, x_layout)?,
            contiguous(y, y_layout)?,
            contiguous(weights, weights_layout)?,
        ];
        let (result, shape, kept) = self.layer.forward(all, super::autocast::tiles());
        if let Ok(mut place) = self.kept.lock() {
            *place = Some(kept);
        }
        Ok((CpuStorage::F32(result), shape))
    }

    fn bwd(
        &self,
        x: &Tensor,
        y: &Tensor,
        weights: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let kept = self.kept.lock().ok().and_then(|mut kept| kept.take());
        let Some(kept) = kept else {
            candle_core::bail!("the backward pass of {} runs once", self.layer.name())
        };
        let learns = weights.track_op();
        let [to_x, to_y, to_weights] =
            with_slices([x, y, weights, gradient], |[x, y, w, gradient]| {
                let mut trained = TrainedWeights {
                    weights: w,
                    gradients: vec![0.0; if learns { w.len() } else { 0 }],
                    amx: super::autocast::tiles(),
                };
                let [to_x, to_y] = self.layer.backward([x, y], &kept, gradient, &mut trained);
                [to_x, to_y, trained.gradients]
            })?;
        let tensor = |values: Vec<f32>, like: &Tensor| {
            let learnt = like.track_op();
            learnt
                .then(|| Tensor::from_vec(values, like.shape(), like.device()))
                .transpose()
        };
        Ok((
            tensor(to_x, x)?,
            tensor(to_y, y)?,
            tensor(to_weights, weights)?,
        ))
    }
}

/// GELU of each value.
fn gelu_of(x: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    dispatch(gelu::Chunk { x, out: &mut out });
    out
}
