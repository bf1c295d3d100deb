//! The two-way transformer as one operator: prompt tokens attend to the image and the image to them.
//!
//! What is projected from the image for attention lies turned, `[width, positions]`: the tokens are a handful, and every
//! step of attention between them and the image is then one over whole vectors of positions.

use candle_core::{Result, Shape, Tensor};

use super::{Layer, Lin, Norm, Places, Taught, add, run, sum_of};
use crate::model::kernels::amx::Amx;
use crate::model::ops::simd::{Kernel, Simd, dispatch};

/// Sizes of a two-way transformer.
#[derive(Debug, Clone, Copy)]
pub struct TwoWaySizes {
    /// Layers before the last look of the tokens at the image.
    pub layers: usize,
    /// Heads of every attention.
    pub heads: usize,
    /// Width: a multiple of 32.
    pub width: usize,
    /// Width of the MLP: a multiple of 16.
    pub mlp: usize,
    /// Positions of the image: a multiple of 16.
    pub positions: usize,
    /// Of all norms.
    pub eps: f64,
}

/// Image `[b,positions,width]` and tokens `[b,k,width]` to both updated, `[b,(positions + k),width]`; `place`, the image's
/// position encoding `[positions,width]`, does not learn. The weights, joined, each with its bias behind it: for each
/// layer self-attention (queries, keys, values, projection), norm, attention of the tokens to the image, norm, both layers
/// of the MLP, norm, attention of the image to the tokens, norm; then the last attention of the tokens and its norm.
pub fn two_way(
    image: &Tensor,
    tokens: &Tensor,
    place: &Tensor,
    weights: &Tensor,
    sizes: TwoWaySizes,
) -> Result<Tensor> {
    let place = place.flatten_all()?.to_vec1()?;
    run(TwoWay::new(sizes, place), image, tokens, weights)
}

#[derive(Debug)]
struct Attention {
    q: Lin,
    k: Lin,
    v: Lin,
    out: Lin,
}

#[derive(Debug)]
struct Block {
    own: Attention,
    norm1: Norm,
    to_image: Attention,
    norm2: Norm,
    lin1: Lin,
    lin2: Lin,
    norm3: Norm,
    to_tokens: Attention,
    norm4: Norm,
}

struct TwoWay {
    sizes: TwoWaySizes,
    place: Vec<f32>,
    blocks: Vec<Block>,
    last: Attention,
    norm: Norm,
}

/// What an attention keeps: its inputs, queries, keys and values, and the mix before the projection.
struct KeptAttention {
    inputs: [Vec<f32>; 3],
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    shares: Vec<f32>,
    mixed: Vec<f32>,
}

struct KeptBlock {
    own: KeptAttention,
    /// Sums before the norms: after self-attention, after the image, after the MLP; and of the image.
    sums: [Vec<f32>; 4],
    to_image: KeptAttention,
    normed2: Vec<f32>,
    inner: Vec<f32>,
    to_tokens: KeptAttention,
}

struct Kept {
    blocks: Vec<KeptBlock>,
    last: KeptAttention,
    sum: Vec<f32>,
}

impl TwoWay {
    fn new(sizes: TwoWaySizes, place: Vec<f32>) -> Self {
        let TwoWaySizes {
            width, mlp, eps, ..
        } = sizes;
        let mut places = Places::default();
        let attention = |places: &mut Places, inner| Attention {
            q: places.lin(inner, width, true),
            k: places.lin(inner, width, true),
            v: places.lin(inner, width, true),
            out: places.lin(width, inner, true),
        };
        let blocks = (0..sizes.layers)
            .map(|_| Block {
                own: attention(&mut places, width),
                norm1: places.norm(width, eps),
                to_image: attention(&mut places, width / 2),
                norm2: places.norm(width, eps),
                lin1: places.lin(mlp, width, true),
                lin2: places.lin(width, mlp, true),
                norm3: places.norm(width, eps),
                to_tokens: attention(&mut places, width / 2),
                norm4: places.norm(width, eps),
            })
            .collect();
        Self {
            sizes,
            place,
            blocks,
            last: attention(&mut places, width / 2),
            norm: places.norm(width, eps),
        }
    }

    fn placed(&self, image: &[f32]) -> Vec<f32> {
        let mut placed = image.to_vec();
        placed
            .chunks_exact_mut(self.place.len())
            .for_each(|image| add(image, &self.place));
        placed
    }
}

/// Which side of an attention the image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Queries,
    Keys,
    Neither,
}

/// The sizes of one attention: images, tokens of each, positions of each, heads.
#[derive(Debug, Clone, Copy)]
struct Extent {
    b: usize,
    tokens: usize,
    positions: usize,
    heads: usize,
}

impl Attention {
    fn forward(
        &self,
        weights: &[f32],
        inputs: [Vec<f32>; 3],
        side: Side,
        extent: Extent,
        amx: Option<Amx>,
    ) -> (Vec<f32>, KeptAttention) {
        let [x, y, z] = &inputs;
        let rows = |lin: &Lin, x| lin.forward(weights, x, amx);
        let turned = |lin: &Lin, x| lin.forward_turned(weights, x, amx);
        let (q, k, v) = match side {
            Side::Queries => (turned(&self.q, x), rows(&self.k, y), rows(&self.v, z)),
            Side::Keys => (rows(&self.q, x), turned(&self.k, y), turned(&self.v, z)),
            Side::Neither => (rows(&self.q, x), rows(&self.k, y), rows(&self.v, z)),
        };
        let mut mixed = vec![0.0; q.len()];
        let mut shares = vec![0.0; extent.shares(side)];
        let (q_, k_, v_) = (&q, &k, &v);
        match side {
            Side::Neither => own_forward(
                extent,
                self.q.width_out,
                [q_, k_, v_],
                &mut shares,
                &mut mixed,
            ),
            Side::Queries | Side::Keys => dispatch(Cross {
                extent,
                side,
                q: q_,
                k: k_,
                v: v_,
                shares: &mut shares,
                mixed: &mut mixed,
            }),
        }
        let out = if side == Side::Queries {
            self.out.forward_of_turned(weights, &mixed, amx)
        } else {
            self.out.forward(weights, &mixed, amx)
        };
        let kept = KeptAttention {
            inputs,
            q,
            k,
            v,
            shares,
            mixed,
        };
        (out, kept)
    }

    /// The gradients of the inputs of queries, keys and values.
    fn backward(
        &self,
        taught: &mut Taught,
        kept: &KeptAttention,
        gradient: &[f32],
        side: Side,
        extent: Extent,
    ) -> [Vec<f32>; 3] {
        let to_mixed = if side == Side::Queries {
            self.out.backward_of_turned(taught, &kept.mixed, gradient)
        } else {
            self.out.backward(taught, &kept.mixed, gradient)
        };
        let [mut to_q, mut to_k, mut to_v] =
            [&kept.q, &kept.k, &kept.v].map(|x| vec![0.0; x.len()]);
        if side == Side::Neither {
            let to = [&mut to_q, &mut to_k, &mut to_v].map(Vec::as_mut_slice);
            own_backward(extent, self.q.width_out, kept, &to_mixed, to);
        } else {
            dispatch(CrossBack {
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
        let mut back = |lin: &Lin, x: &[f32], gradient: &[f32], turned: bool| {
            if turned {
                lin.backward_turned(taught, x, gradient)
            } else {
                lin.backward(taught, x, gradient)
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
    fn shares(&self, side: Side) -> usize {
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
    shares: &mut [f32],
    mixed: &mut [f32],
) {
    let (t, d) = (extent.tokens, width / extent.heads);
    let scale = 1.0 / (d as f32).sqrt();
    for (at, shares) in shares.chunks_exact_mut(t * t).enumerate() {
        let (batch, head) = (at / extent.heads, at % extent.heads);
        let row = |i: usize| (batch * t + i) * width + head * d;
        for (i, shares) in shares.chunks_exact_mut(t).enumerate() {
            let q = &q[row(i)..][..d];
            for (j, share) in shares.iter_mut().enumerate() {
                let products = q.iter().zip(&k[row(j)..][..d]).map(|(a, b)| a * b);
                *share = scale * products.sum::<f32>();
            }
            let greatest = shares.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
            for x in shares.iter_mut() {
                *x = (*x - greatest).exp();
            }
            let sum: f32 = shares.iter().sum();
            for (j, share) in shares.iter_mut().enumerate() {
                *share /= sum;
                let to = mixed[row(i)..][..d].iter_mut().zip(&v[row(j)..][..d]);
                to.for_each(|(to, v)| *to += *share * v);
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
    for (at, shares) in kept.shares.chunks_exact(t * t).enumerate() {
        let (batch, head) = (at / extent.heads, at % extent.heads);
        let row = |i: usize| (batch * t + i) * width + head * d;
        for (i, shares) in shares.chunks_exact(t).enumerate() {
            let g = &gradient[row(i)..][..d];
            let slope = |j: usize| -> f32 {
                g.iter()
                    .zip(&kept.v[row(j)..][..d])
                    .map(|(a, b)| a * b)
                    .sum()
            };
            let slopes: Vec<f32> = (0..t).map(slope).collect();
            let mean: f32 = slopes.iter().zip(shares).map(|(a, b)| a * b).sum();
            for (j, (slope, share)) in slopes.iter().zip(shares).enumerate() {
                let score = scale * share * (slope - mean);
                for c in 0..d {
                    to_v[row(j) + c] += share * g[c];
                    to_q[row(i) + c] += score * kept.k[row(j) + c];
                    to_k[row(j) + c] += score * kept.q[row(i) + c];
                }
            }
        }
    }
}

/// Attention between tokens, `[b*tokens,width]`, and the image, `[width,b*positions]`; shares
/// `[b,heads,tokens,positions]`.
struct Cross<'a> {
    extent: Extent,
    side: Side,
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    shares: &'a mut [f32],
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
        for (at, shares) in self.shares.chunks_exact_mut(t * n).enumerate() {
            let (batch, head) = (at / heads, at % heads);
            let row = |c: usize| (head * d + c) * b * n + batch * n;
            let token = |i: usize, c: usize| (batch * t + i) * width + head * d + c;
            for (i, shares) in shares.chunks_exact_mut(n).enumerate() {
                for j in (0..n).step_by(S::N) {
                    let mut sum = s.splat(0.0);
                    for c in 0..d {
                        let x = s.splat(scale * few[token(i, c)]);
                        sum = s.mul_add(x, s.load(&many[row(c) + j..]), sum);
                    }
                    s.store(sum, &mut shares[j..]);
                }
            }
            if keys {
                for (i, shares) in shares.chunks_exact_mut(n).enumerate() {
                    softmax_along(s, shares);
                    for c in 0..d {
                        let v = &self.v[row(c)..][..n];
                        self.mixed[token(i, c)] = dot(s, shares, v);
                    }
                }
            } else {
                softmax_across(s, shares, n);
                for c in 0..d {
                    let mixed = &mut self.mixed[row(c)..][..n];
                    for j in (0..n).step_by(S::N) {
                        let mut sum = s.splat(0.0);
                        for i in 0..t {
                            let v = s.splat(self.v[token(i, c)]);
                            sum = s.mul_add(v, s.load(&shares[i * n + j..]), sum);
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
            let share = s.div(s.load(&scores[i * n + j..]), sum);
            s.store(share, &mut scores[i * n + j..]);
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

struct CrossBack<'a> {
    extent: Extent,
    side: Side,
    kept: &'a KeptAttention,
    gradient: &'a [f32],
    to_q: &'a mut [f32],
    to_k: &'a mut [f32],
    to_v: &'a mut [f32],
}

impl Kernel for CrossBack<'_> {
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
            q, k, v, shares, ..
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
        for (at, shares) in shares.chunks_exact(t * n).enumerate() {
            let (batch, head) = (at / heads, at % heads);
            let row = |c: usize| (head * d + c) * b * n + batch * n;
            let token = |i: usize, c: usize| (batch * t + i) * width + head * d + c;
            slopes.fill(0.0);
            let rows = || shares.chunks_exact(n).enumerate();
            for ((i, shares), slopes) in rows().zip(slopes.chunks_exact_mut(n)) {
                for c in 0..d {
                    // The shares' slopes, and the values': of the image or of the tokens.
                    if keys {
                        let g = self.gradient[token(i, c)];
                        add_times(s, g, &v[row(c)..][..n], slopes);
                        add_times(s, g, shares, &mut self.to_v[row(c)..][..n]);
                    } else {
                        let g = &self.gradient[row(c)..][..n];
                        add_times(s, v[token(i, c)], g, slopes);
                        self.to_v[token(i, c)] += dot(s, shares, g);
                    }
                }
            }
            if keys {
                for (shares, slopes) in shares.chunks_exact(n).zip(slopes.chunks_exact_mut(n)) {
                    let mean = s.splat(dot(s, shares, slopes));
                    for (share, slope) in
                        shares.chunks_exact(S::N).zip(slopes.chunks_exact_mut(S::N))
                    {
                        let score = s.mul(s.load(share), s.sub(s.load(slope), mean));
                        s.store(score, slope);
                    }
                }
            } else {
                for j in (0..n).step_by(S::N) {
                    let mut mean = s.splat(0.0);
                    for i in 0..t {
                        let at = i * n + j;
                        mean = s.mul_add(s.load(&shares[at..]), s.load(&slopes[at..]), mean);
                    }
                    for i in 0..t {
                        let at = i * n + j;
                        let slope = s.sub(s.load(&slopes[at..]), mean);
                        s.store(s.mul(s.load(&shares[at..]), slope), &mut slopes[at..]);
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

impl TwoWay {
    fn extent(&self, image: &[f32], tokens: &[f32]) -> Extent {
        let TwoWaySizes {
            heads,
            width,
            positions,
            ..
        } = self.sizes;
        let b = image.len() / (positions * width);
        Extent {
            b,
            tokens: tokens.len() / (b * width),
            positions,
            heads,
        }
    }
}

impl Layer for TwoWay {
    type Kept = Kept;

    fn name(&self) -> &'static str {
        "two-way-transformer"
    }

    fn forward(
        &self,
        [image, tokens, weights]: [&[f32]; 3],
        amx: Option<Amx>,
    ) -> (Vec<f32>, Shape, Self::Kept) {
        let extent = self.extent(image, tokens);
        let (mut queries, mut keys) = (tokens.to_vec(), image.to_vec());
        let mut kept = Vec::new();
        for (number, block) in self.blocks.iter().enumerate() {
            let attend = |attention: &Attention, inputs, side| {
                attention.forward(weights, inputs, side, extent, amx)
            };
            let own_inputs = if number == 0 {
                // The first self-attention replaces the queries: no positions, no residual.
                [queries.clone(), queries.clone(), queries.clone()]
            } else {
                let placed = sum_of(&queries, tokens);
                [placed.clone(), placed, queries.clone()]
            };
            let (mut sum1, own) = attend(&block.own, own_inputs, Side::Neither);
            if number > 0 {
                add(&mut sum1, &queries);
            }
            queries = block.norm1.forward(weights, &sum1);
            let placed = self.placed(&keys);
            let inputs = [sum_of(&queries, tokens), placed.clone(), keys.clone()];
            let (mut sum2, to_image) = attend(&block.to_image, inputs, Side::Keys);
            add(&mut sum2, &queries);
            let normed2 = block.norm2.forward(weights, &sum2);
            let mut inner = block.lin1.forward(weights, &normed2, amx);
            for x in &mut inner {
                *x = x.max(0.0);
            }
            let mut sum3 = block.lin2.forward(weights, &inner, amx);
            add(&mut sum3, &normed2);
            queries = block.norm3.forward(weights, &sum3);
            let inputs = [placed, sum_of(&queries, tokens), queries.clone()];
            let (mut sum4, to_tokens) = attend(&block.to_tokens, inputs, Side::Queries);
            add(&mut sum4, &keys);
            keys = block.norm4.forward(weights, &sum4);
            kept.push(KeptBlock {
                own,
                sums: [sum1, sum2, sum3, sum4],
                to_image,
                normed2,
                inner,
                to_tokens,
            });
        }
        let inputs = [sum_of(&queries, tokens), self.placed(&keys), keys.clone()];
        let (mut sum, last) = self.last.forward(weights, inputs, Side::Keys, extent, amx);
        add(&mut sum, &queries);
        let queries = self.norm.forward(weights, &sum);
        let kept = Kept {
            blocks: kept,
            last,
            sum,
        };
        let Extent {
            b,
            tokens: t,
            positions: n,
            ..
        } = extent;
        let width = self.sizes.width;
        let mut out = Vec::with_capacity(keys.len() + queries.len());
        for (keys, queries) in keys
            .chunks_exact(n * width)
            .zip(queries.chunks_exact(t * width))
        {
            out.extend_from_slice(keys);
            out.extend_from_slice(queries);
        }
        (out, Shape::from((b, n + t, width)), kept)
    }

    fn backward(
        &self,
        [image, tokens]: [&[f32]; 2],
        kept: &Self::Kept,
        gradient: &[f32],
        taught: &mut Taught,
    ) -> [Vec<f32>; 2] {
        let extent = self.extent(image, tokens);
        let width = self.sizes.width;
        let (mut to_keys, mut to_queries) = (Vec::new(), Vec::new());
        for both in gradient.chunks_exact((extent.positions + extent.tokens) * width) {
            let (keys, queries) = both.split_at(extent.positions * width);
            to_keys.extend_from_slice(keys);
            to_queries.extend_from_slice(queries);
        }
        to_queries = self.norm.backward(taught, &kept.sum, &to_queries);
        let mut to_tokens = vec![0.0; tokens.len()];
        let [to_q, to_placed, to_v] =
            self.last
                .backward(taught, &kept.last, &to_queries, Side::Keys, extent);
        add(&mut to_tokens, &to_q);
        add(&mut to_queries, &to_q);
        add(&mut to_keys, &to_placed);
        add(&mut to_keys, &to_v);
        for (number, (block, kept)) in self.blocks.iter().zip(&kept.blocks).enumerate().rev() {
            let [sum1, sum2, sum3, sum4] = &kept.sums;
            to_keys = block.norm4.backward(taught, sum4, &to_keys);
            let [to_placed, to_k, to_v] =
                block
                    .to_tokens
                    .backward(taught, &kept.to_tokens, &to_keys, Side::Queries, extent);
            add(&mut to_keys, &to_placed);
            add(&mut to_tokens, &to_k);
            add(&mut to_queries, &to_k);
            add(&mut to_queries, &to_v);
            let to_sum3 = block.norm3.backward(taught, sum3, &to_queries);
            let mut to_inner = block.lin2.backward(taught, &kept.inner, &to_sum3);
            for (to, x) in to_inner.iter_mut().zip(&kept.inner) {
                if *x <= 0.0 {
                    *to = 0.0;
                }
            }
            let mut to_normed2 = block.lin1.backward(taught, &kept.normed2, &to_inner);
            add(&mut to_normed2, &to_sum3);
            to_queries = block.norm2.backward(taught, sum2, &to_normed2);
            let [to_q, to_placed, to_v] =
                block
                    .to_image
                    .backward(taught, &kept.to_image, &to_queries, Side::Keys, extent);
            add(&mut to_keys, &to_placed);
            add(&mut to_keys, &to_v);
            add(&mut to_tokens, &to_q);
            add(&mut to_queries, &to_q);
            let to_sum1 = block.norm1.backward(taught, sum1, &to_queries);
            let [to_q, to_k, to_v] =
                block
                    .own
                    .backward(taught, &kept.own, &to_sum1, Side::Neither, extent);
            let to_placed = sum_of(&to_q, &to_k);
            if number == 0 {
                to_queries = sum_of(&to_placed, &to_v);
            } else {
                add(&mut to_tokens, &to_placed);
                to_queries = sum_of(&to_sum1, &to_v);
                add(&mut to_queries, &to_placed);
            }
        }
        // The queries begin as the tokens.
        add(&mut to_tokens, &to_queries);
        [to_keys, to_tokens]
    }
}
