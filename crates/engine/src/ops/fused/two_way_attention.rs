//! Attention among a handful of tokens, and between them and an image.
//!
//! What is projected from the image lies transposed, `[width, positions]`: the tokens are a handful, and every step of
//! attention between them and the image is then one over whole vectors of positions.

use super::{Lin, Places, TrainedWeights};
use crate::kernels::amx::Amx;
use crate::ops::simd::{Kernel, Simd, dispatch};

/// An attention's projections.
#[derive(Debug)]
pub(super) struct Attention {
    q: Lin,
    k: Lin,
    v: Lin,
    out: Lin,
}

/// What an attention keeps: its inputs, queries, keys and values, and the mix before the projection.
pub(super) struct KeptAttention {
    inputs: [Vec<f32>; 3],
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    probabilities: Vec<f32>,
    mixed: Vec<f32>,
}

/// Which side of an attention the image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Queries,
    Keys,
    Neither,
}

/// The sizes of one attention: images, tokens of each, positions of each, heads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub b: usize,
    pub tokens: usize,
    pub positions: usize,
    pub heads: usize,
}

impl Attention {
    /// An attention within tokens of a width, which are projected to an inner width.
    pub fn new(places: &mut Places, width: usize, inner: usize) -> Self {
        Self {
            q: places.lin(inner, width, true),
            k: places.lin(inner, width, true),
            v: places.lin(inner, width, true),
            out: places.lin(width, inner, true),
        }
    }

    /// What the inputs of queries, keys and values become.
    pub fn forward(
        &self,
        weights: &[f32],
        inputs: [Vec<f32>; 3],
        side: Side,
        extent: Extent,
        amx: Option<Amx>,
    ) -> (Vec<f32>, KeptAttention) {
        let [x, y, z] = &inputs;
        let rows = |lin: &Lin, x| lin.forward(weights, x, amx);
        let transposed = |lin: &Lin, x| lin.forward_transposed(weights, x, amx);
        let (q, k, v) = match side {
            Side::Queries => (transposed(&self.q, x), rows(&self.k, y), rows(&self.v, z)),
            Side::Keys => (
                rows(&self.q, x),
                transposed(&self.k, y),
                transposed(&self.v, z),
            ),
            Side::Neither => (rows(&self.q, x), rows(&self.k, y), rows(&self.v, z)),
        };
        let mut mixed = vec![0.0; q.len()];
        let mut probabilities = vec![0.0; extent.probabilities(side)];
        let (q_, k_, v_) = (&q, &k, &v);
        match side {
            Side::Neither => own_forward(
                extent,
                self.q.width_out,
                [q_, k_, v_],
                &mut probabilities,
                &mut mixed,
            ),
            Side::Queries | Side::Keys => dispatch(Cross {
                extent,
                side,
                q: q_,
                k: k_,
                v: v_,
                probabilities: &mut probabilities,
                mixed: &mut mixed,
            }),
        }
        let out = if side == Side::Queries {
            self.out.forward_of_transposed(weights, &mixed, amx)
        } else {
            self.out.forward(weights, &mixed, amx)
        };
        let kept = KeptAttention {
            inputs,
            q,
            k,
            v,
            probabilities,
            mixed,
        };
        (out, kept)
    }

    /// The gradients of the inputs of queries, keys and values.
    pub fn backward(
        &self,
        trained: &mut TrainedWeights,
        kept: &KeptAttention,
        gradient: &[f32],
        side: Side,
        extent: Extent,
    ) -> [Vec<f32>; 3] {
        let to_mixed = if side == Side::Queries {
            self.out
                .backward_of_transposed(trained, &kept.mixed, gradient)
        } else {
            self.out.backward(trained, &kept.mixed, gradient)
        };
        let [mut to_q, mut to_k, mut to_v] =
            [&kept.q, &kept.k, &kept.v].map(|x| vec![0.0; x.len()]);
        if side == Side::Neither {
            let to = [&mut to_q, &mut to_k, &mut to_v].map(Vec::as_mut_slice);
            own_backward(extent, self.q.width_out, kept, &to_mixed, to);
        } else {
            dispatch(CrossBackward {
                extent,
                side,
                kept,
                gradient: &to_mixed,
                to_q: &mut to_q,
                to_k: &mut to_k,
                to_v: &mut to_v,
            });
        }
        let [x, y, z] = &kept.inputs;
        let mut back = |lin: &Lin, x: &[f32], gradient: &[f32], transposed: bool| {
            if transposed {
                lin.backward_transposed(trained, x, gradient)
            } else {
                lin.backward(trained, x, gradient)
            }
        };
        [
            back(&self.q, x, &to_q, side == Side::Queries),
            back(&self.k, y, &to_k, side == Side::Keys),
            back(&self.v, z, &to_v, side == Side::Keys),
        ]
    }
}

impl Extent {
    fn probabilities(&self, side: Side) -> usize {
        let other = if side == Side::Neither {
            self.tokens
        } else {
            self.positions
        };
        self.b * self.heads * self.tokens * other
    }
}

/// Attention of a handful of tokens to themselves; all `[b,tokens,width]`.
fn own_forward(
    extent: Extent,
    width: usize,
    [q, k, v]: [&[f32]; 3],
    probabilities: &mut [f32],
    mixed: &mut [f32],
) {
    let (t, d) = (extent.tokens, width / extent.heads);
    let scale = 1.0 / (d as f32).sqrt();
    for (at, probabilities) in probabilities.chunks_exact_mut(t * t).enumerate() {
        let (batch, head) = (at / extent.heads, at % extent.heads);
        let row = |i: usize| (batch * t + i) * width + head * d;
        for (i, probabilities) in probabilities.chunks_exact_mut(t).enumerate() {
            let q = &q[row(i)..][..d];
            for (j, probability) in probabilities.iter_mut().enumerate() {
                let products = q.iter().zip(&k[row(j)..][..d]).map(|(a, b)| a * b);
                *probability = scale * products.sum::<f32>();
            }
            let greatest = probabilities
                .iter()
                .fold(f32::NEG_INFINITY, |a, b| a.max(*b));
            for x in probabilities.iter_mut() {
                *x = (*x - greatest).exp();
            }
            let sum: f32 = probabilities.iter().sum();
            for (j, probability) in probabilities.iter_mut().enumerate() {
                *probability /= sum;
                let to = mixed[row(i)..][..d].iter_mut().zip(&v[row(j)..][..d]);
                to.for_each(|(to, v)| *to += *probability * v);
            }
        }
    }
}

fn own_backward(
    extent: Extent,
    width: usize,
    kept: &KeptAttention,
    gradient: &[f32],
    [to_q, to_k, to_v]: [&mut [f32]; 3],
) {
    let (t, d) = (extent.tokens, width / extent.heads);
    let scale = 1.0 / (d as f32).sqrt();
    for (at, probabilities) in kept.probabilities.chunks_exact(t * t).enumerate() {
        let (batch, head) = (at / extent.heads, at % extent.heads);
        let row = |i: usize| (batch * t + i) * width + head * d;
        for (i, probabilities) in probabilities.chunks_exact(t).enumerate() {
            let g = &gradient[row(i)..][..d];
            let slope = |j: usize| -> f32 {
                g.iter()
                    .zip(&kept.v[row(j)..][..d])
                    .map(|(a, b)| a * b)
                    .sum()
            };
            let slopes: Vec<f32> = (0..t).map(slope).collect();
            let mean: f32 = slopes.iter().zip(probabilities).map(|(a, b)| a * b).sum();
            for (j, (slope, probability)) in slopes.iter().zip(probabilities).enumerate() {
                let score = scale * probability * (slope - mean);
                for c in 0..d {
                    to_v[row(j) + c] += probability * g[c];
                    to_q[row(i) + c] += score * kept.k[row(j) + c];
                    to_k[row(j) + c] += score * kept.q[row(i) + c];
                }
            }
        }
    }
}

/// Attention between tokens, `[b*tokens,width]`, and the image, `[width,b*positions]`; probabilities
/// `[b,heads,tokens,positions]`.
struct Cross<'a> {
    extent: Extent,
    side: Side,
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    probabilities: &'a mut [f32],
    mixed: &'a mut [f32],
}

impl Kernel for Cross<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Extent {
            b,
            tokens: t,
            positions: n,
            heads,
        } = self.extent;
        let keys = self.side == Side::Keys;
        let (few, many) = if keys {
            (self.q, self.k)
        } else {
            (self.k, self.q)
        };
        let width = few.len() / (b * t);
        let d = width / heads;
        let scale = 1.0 / (d as f32).sqrt();
        for (at, probabilities) in self.probabilities.chunks_exact_mut(t * n).enumerate() {
            let (batch, head) = (at / heads, at % heads);
            let row = |c: usize| (head * d + c) * b * n + batch * n;
            let token = |i: usize, c: usize| (batch * t + i) * width + head * d + c;
            for (i, probabilities) in probabilities.chunks_exact_mut(n).enumerate() {
                for j in (0..n).step_by(S::N) {
                    let mut sum = s.splat(0.0);
                    for c in 0..d {
                        let x = s.splat(scale * few[token(i, c)]);
                        sum = s.mul_add(x, s.load(&many[row(c) + j..]), sum);
                    }
                    s.store(sum, &mut probabilities[j..]);
                }
            }
            if keys {
                for (i, probabilities) in probabilities.chunks_exact_mut(n).enumerate() {
                    softmax_along(s, probabilities);
                    for c in 0..d {
                        let v = &self.v[row(c)..][..n];
                        self.mixed[token(i, c)] = dot(s, probabilities, v);
                    }
                }
            } else {
                softmax_across(s, probabilities, n);
                for c in 0..d {
                    let mixed = &mut self.mixed[row(c)..][..n];
                    for j in (0..n).step_by(S::N) {
                        let mut sum = s.splat(0.0);
                        for i in 0..t {
                            let v = s.splat(self.v[token(i, c)]);
                            sum = s.mul_add(v, s.load(&probabilities[i * n + j..]), sum);
                        }
                        s.store(sum, &mut mixed[j..]);
                    }
                }
            }
        }
    }
}

/// Over the positions of one token.
#[inline(always)]
fn softmax_along<S: Simd>(s: S, scores: &mut [f32]) {
    let mut top = s.splat(f32::NEG_INFINITY);
    for x in scores.chunks_exact(S::N) {
        top = s.max(top, s.load(x));
    }
    let greatest = s.splat(s.greatest(top));
    let mut sum = s.splat(0.0);
    for x in scores.chunks_exact_mut(S::N) {
        let e = s.exp(s.sub(s.load(x), greatest));
        sum = s.add(sum, e);
        s.store(e, x);
    }
    let part = s.splat(1.0 / s.sum(sum));
    for x in scores.chunks_exact_mut(S::N) {
        s.store(s.mul(s.load(x), part), x);
    }
}

/// Over the tokens of each of `n` positions.
#[inline(always)]
fn softmax_across<S: Simd>(s: S, scores: &mut [f32], n: usize) {
    let tokens = scores.len() / n;
    for j in (0..n).step_by(S::N) {
        let mut greatest = s.splat(f32::NEG_INFINITY);
        for i in 0..tokens {
            greatest = s.max(greatest, s.load(&scores[i * n + j..]));
        }
        let mut sum = s.splat(0.0);
        for i in 0..tokens {
            let e = s.exp(s.sub(s.load(&scores[i * n + j..]), greatest));
            sum = s.add(sum, e);
            s.store(e, &mut scores[i * n + j..]);
        }
        for i in 0..tokens {
            let probability = s.div(s.load(&scores[i * n + j..]), sum);
            s.store(probability, &mut scores[i * n + j..]);
        }
    }
}

#[inline(always)]
fn dot<S: Simd>(s: S, a: &[f32], b: &[f32]) -> f32 {
    let mut sum = s.splat(0.0);
    for (a, b) in a.chunks_exact(S::N).zip(b.chunks_exact(S::N)) {
        sum = s.mul_add(s.load(a), s.load(b), sum);
    }
    s.sum(sum)
}

#[inline(always)]
fn add_times<S: Simd>(s: S, factor: f32, x: &[f32], to: &mut [f32]) {
    let factor = s.splat(factor);
    for (x, to) in x.chunks_exact(S::N).zip(to.chunks_exact_mut(S::N)) {
        let sum = s.mul_add(factor, s.load(x), s.load(to));
        s.store(sum, to);
    }
}

struct CrossBackward<'a> {
    extent: Extent,
    side: Side,
    kept: &'a KeptAttention,
    gradient: &'a [f32],
    to_q: &'a mut [f32],
    to_k: &'a mut [f32],
    to_v: &'a mut [f32],
}

impl Kernel for CrossBackward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Extent {
            b,
            tokens: t,
            positions: n,
            heads,
        } = self.extent;
        let keys = self.side == Side::Keys;
        let KeptAttention {
            q,
            k,
            v,
            probabilities,
            ..
        } = self.kept;
        let (few, many, to_few, to_many) = if keys {
            (q, k, self.to_q, self.to_k)
        } else {
            (k, q, self.to_k, self.to_q)
        };
        let width = few.len() / (b * t);
        let d = width / heads;
        let scale = 1.0 / (d as f32).sqrt();
        let mut slopes = vec![0.0; t * n];
        for (at, probabilities) in probabilities.chunks_exact(t * n).enumerate() {
            let (batch, head) = (at / heads, at % heads);
            let row = |c: usize| (head * d + c) * b * n + batch * n;
            let token = |i: usize, c: usize| (batch * t + i) * width + head * d + c;
            slopes.fill(0.0);
            let rows = || probabilities.chunks_exact(n).enumerate();
            for ((i, probabilities), slopes) in rows().zip(slopes.chunks_exact_mut(n)) {
                for c in 0..d {
                    // The probabilities' slopes, and the values': of the image or of the tokens.
                    if keys {
                        let g = self.gradient[token(i, c)];
                        add_times(s, g, &v[row(c)..][..n], slopes);
                        add_times(s, g, probabilities, &mut self.to_v[row(c)..][..n]);
                    } else {
                        let g = &self.gradient[row(c)..][..n];
                        add_times(s, v[token(i, c)], g, slopes);
                        self.to_v[token(i, c)] += dot(s, probabilities, g);
                    }
                }
            }
            if keys {
                for (probabilities, slopes) in probabilities
                    .chunks_exact(n)
                    .zip(slopes.chunks_exact_mut(n))
                {
                    let mean = s.splat(dot(s, probabilities, slopes));
                    for (probability, slope) in probabilities
                        .chunks_exact(S::N)
                        .zip(slopes.chunks_exact_mut(S::N))
                    {
                        let score = s.mul(s.load(probability), s.sub(s.load(slope), mean));
                        s.store(score, slope);
                    }
                }
            } else {
                for j in (0..n).step_by(S::N) {
                    let mut mean = s.splat(0.0);
                    for i in 0..t {
                        let at = i * n + j;
                        mean = s.mul_add(s.load(&probabilities[at..]), s.load(&slopes[at..]), mean);
                    }
                    for i in 0..t {
                        let at = i * n + j;
                        let slope = s.sub(s.load(&slopes[at..]), mean);
                        s.store(
                            s.mul(s.load(&probabilities[at..]), slope),
                            &mut slopes[at..],
                        );
                    }
                }
            }
            for (i, slopes) in slopes.chunks_exact(n).enumerate() {
                for c in 0..d {
                    let many = &many[row(c)..][..n];
                    to_few[token(i, c)] += scale * dot(s, slopes, many);
                    add_times(
                        s,
                        scale * few[token(i, c)],
                        slopes,
                        &mut to_many[row(c)..][..n],
                    );
                }
            }
        }
    }
}
