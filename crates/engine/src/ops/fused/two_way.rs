//! The two-way transformer as one operator: prompt tokens attend to the image and the image to them.

use candle_core::{Result, Shape, Tensor};

use super::two_way_attention::{Attention, Extent, KeptAttention, Side};
use super::{Layer, Lin, Norm, Places, TrainedWeights, add, run, sum_of};
use crate::kernels::amx::Amx;

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
        let attention = |places: &mut Places, inner| Attention::new(places, width, inner);
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
        trained: &mut TrainedWeights,
    ) -> [Vec<f32>; 2] {
        let extent = self.extent(image, tokens);
        let width = self.sizes.width;
        let (mut to_keys, mut to_queries) = (Vec::new(), Vec::new());
        for both in gradient.chunks_exact((extent.positions + extent.tokens) * width) {
            let (keys, queries) = both.split_at(extent.positions * width);
            to_keys.extend_from_slice(keys);
            to_queries.extend_from_slice(queries);
        }
        to_queries = self.norm.backward(trained, &kept.sum, &to_queries);
        let mut to_tokens = vec![0.0; tokens.len()];
        let [to_q, to_placed, to_v] =
            self.last
                .backward(trained, &kept.last, &to_queries, Side::Keys, extent);
        add(&mut to_tokens, &to_q);
        add(&mut to_queries, &to_q);
        add(&mut to_keys, &to_placed);
        add(&mut to_keys, &to_v);
        for (number, (block, kept)) in self.blocks.iter().zip(&kept.blocks).enumerate().rev() {
            let [sum1, sum2, sum3, sum4] = &kept.sums;
            to_keys = block.norm4.backward(trained, sum4, &to_keys);
            let [to_placed, to_k, to_v] =
                block
                    .to_tokens
                    .backward(trained, &kept.to_tokens, &to_keys, Side::Queries, extent);
            add(&mut to_keys, &to_placed);
            add(&mut to_tokens, &to_k);
            add(&mut to_queries, &to_k);
            add(&mut to_queries, &to_v);
            let to_sum3 = block.norm3.backward(trained, sum3, &to_queries);
            let mut to_inner = block.lin2.backward(trained, &kept.inner, &to_sum3);
            for (to, x) in to_inner.iter_mut().zip(&kept.inner) {
                if *x <= 0.0 {
                    *to = 0.0;
                }
            }
            let mut to_normed2 = block.lin1.backward(trained, &kept.normed2, &to_inner);
            add(&mut to_normed2, &to_sum3);
            to_queries = block.norm2.backward(trained, sum2, &to_normed2);
            let [to_q, to_placed, to_v] =
                block
                    .to_image
                    .backward(trained, &kept.to_image, &to_queries, Side::Keys, extent);
            add(&mut to_keys, &to_placed);
            add(&mut to_keys, &to_v);
            add(&mut to_tokens, &to_q);
            add(&mut to_queries, &to_q);
            let to_sum1 = block.norm1.backward(trained, sum1, &to_queries);
            let [to_q, to_k, to_v] =
                block
                    .own
                    .backward(trained, &kept.own, &to_sum1, Side::Neither, extent);
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
