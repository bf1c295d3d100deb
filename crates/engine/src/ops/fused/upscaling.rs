//! The mask decoder's upscaling as one operator: doubling, norm over the whole volume, GELU, doubling, GELU, and the dot
//! product of every voxel's channels with a filter.

use candle_core::{Result, Shape, Tensor};
use rayon::prelude::*;

use super::{Layer, Lin, Norm, Places, TrainedWeights, gelu_of, run};
use crate::kernels::amx::Amx;
use crate::ops::rowwise_backward::{GeluBackward, gelu_derivative_from, normal_cdf};
use crate::ops::simd::{Kernel, Simd, dispatch};

/// Children of a doubling.
const CHILDREN: usize = 8;

/// Sizes of an upscaling.
#[derive(Debug, Clone, Copy)]
pub struct UpscalingSizes {
    /// Patches, (D,H,W).
    pub grid: [usize; 3],
    /// Width of an image token: a multiple of 16.
    pub width: usize,
    /// Of the norm.
    pub eps: f64,
}

/// Image tokens `[b,d*h*w,width]` and filters `[b,1,width/8]` to logits `[b,1,4d,4h,4w]`. The weights, joined: the first
/// doubling `[8*width/4,width]` and its bias for each child, the norm's weight and bias `[d*h*w*8,width/4]`, the second
/// doubling `[8*width/8,width/4]` and its bias for each child.
pub fn upscale(
    image: &Tensor,
    filter: &Tensor,
    weights: &Tensor,
    sizes: UpscalingSizes,
) -> Result<Tensor> {
    run(Upscale::new(sizes), image, filter, weights)
}

#[derive(Debug)]
struct Upscale {
    sizes: UpscalingSizes,
    first: Lin,
    norm: Norm,
    second: Lin,
    /// Where in the mask each child of a child of a patch lies.
    order: Vec<u32>,
}

/// Of each mask: the first doubling, its norm, and the second doubling.
struct Kept([Vec<f32>; 3]);

impl Upscale {
    fn new(sizes: UpscalingSizes) -> Self {
        let (width, tokens) = (sizes.width, sizes.grid.iter().product::<usize>());
        let mut places = Places::default();
        let first = places.lin(CHILDREN * width / 4, width, true);
        let norm = places.norm(tokens * CHILDREN * width / 4, sizes.eps);
        let second = places.lin(width, width / 4, true);
        Self {
            sizes,
            first,
            norm,
            second,
            order: order(sizes.grid),
        }
    }

    fn tokens(&self) -> usize {
        self.sizes.grid.iter().product()
    }

    fn mask(&self) -> usize {
        self.tokens() * CHILDREN * CHILDREN
    }
}

/// `[d,h,w, 2,2,2, 2,2,2]` in the order of a volume four times as large.
fn order([d, h, w]: [usize; 3]) -> Vec<u32> {
    let mut order = Vec::with_capacity(d * h * w * CHILDREN * CHILDREN);
    for patch in 0..d * h * w {
        let patch = [patch / (h * w), patch / w % h, patch % w];
        for child in 0..CHILDREN * CHILDREN {
            let bit = |n: usize| child >> n & 1;
            let at = |axis: usize| 4 * patch[axis] + 2 * bit(5 - axis) + bit(2 - axis);
            order.push(((at(0) * 4 * h + at(1)) * 4 * w + at(2)) as u32);
        }
    }
    order
}

impl Layer for Upscale {
    type Kept = Vec<Kept>;

    fn name(&self) -> &'static str {
        "upscaling"
    }

    fn forward(
        &self,
        [image, filter, weights]: [&[f32]; 3],
        amx: Option<Amx>,
    ) -> (Vec<f32>, Shape, Self::Kept) {
        let (width, mask) = (self.sizes.width, self.mask());
        let (image_len, channels) = (self.tokens() * width, width / CHILDREN);
        let b = image.len() / image_len;
        let mut out = vec![0.0; b * mask];
        let kept = out
            .par_chunks_mut(mask)
            .zip(image.par_chunks(image_len).zip(filter.par_chunks(channels)))
            .map(|(out, (image, filter))| {
                let doubled = self.first.forward(weights, image, amx);
                let normed = self.norm.forward(weights, &doubled);
                let again = self.second.forward(weights, &gelu_of(&normed), amx);
                dispatch(Dot {
                    x: &again,
                    filter: &filter.repeat(CHILDREN),
                    order: &self.order,
                    out,
                });
                Kept([doubled, normed, again])
            })
            .collect();
        let [d, h, w] = self.sizes.grid;
        (out, Shape::from((b, 1, 4 * d, 4 * h, 4 * w)), kept)
    }

    fn backward(
        &self,
        [image, filter]: [&[f32]; 2],
        kept: &Self::Kept,
        gradient: &[f32],
        trained: &mut TrainedWeights,
    ) -> [Vec<f32>; 2] {
        let (width, mask) = (self.sizes.width, self.mask());
        let (image_len, channels) = (self.tokens() * width, width / CHILDREN);
        let (mut to_image, mut to_filter) = (Vec::new(), Vec::new());
        let inputs = image.chunks(image_len).zip(filter.chunks(channels));
        for ((gradient, kept), (image, filter)) in gradient.chunks(mask).zip(kept).zip(inputs) {
            let Kept([doubled, normed, again]) = kept;
            let mut to_again = vec![0.0; again.len()];
            let mut to_filters = vec![0.0; width];
            dispatch(DotBackward {
                x: again,
                filter: &filter.repeat(CHILDREN),
                order: &self.order,
                gradient,
                out: &mut to_again,
                to_filter: &mut to_filters,
            });
            let child = |channel| {
                to_filters
                    .iter()
                    .skip(channel)
                    .step_by(channels)
                    .sum::<f32>()
            };
            to_filter.extend((0..channels).map(child));
            let to_lit = self.second.backward(trained, &gelu_of(normed), &to_again);
            let mut to_normed = vec![0.0; normed.len()];
            dispatch(GeluBackward {
                x: normed,
                gradient: &to_lit,
                out: &mut to_normed,
            });
            let to_doubled = self.norm.backward(trained, doubled, &to_normed);
            to_image.extend(self.first.backward(trained, image, &to_doubled));
        }
        [to_image, to_filter]
    }
}

/// The dot product of each child's channels, after GELU, with the filter; rows of eight children, the filter for each.
struct Dot<'a> {
    x: &'a [f32],
    filter: &'a [f32],
    order: &'a [u32],
    out: &'a mut [f32],
}

impl Kernel for Dot<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = self.filter.len();
        let channels = width / CHILDREN;
        let mut terms = vec![0.0; width];
        let rows = self.x.chunks_exact(width);
        for (row, order) in rows.zip(self.order.chunks_exact(CHILDREN)) {
            for at in (0..width).step_by(S::N) {
                let x = s.load(&row[at..]);
                let lit = s.mul(x, normal_cdf(s, x));
                s.store(s.mul(lit, s.load(&self.filter[at..])), &mut terms[at..]);
            }
            for (terms, place) in terms.chunks_exact(channels).zip(order) {
                self.out[*place as usize] = terms.iter().sum();
            }
        }
    }
}

struct DotBackward<'a> {
    x: &'a [f32],
    filter: &'a [f32],
    order: &'a [u32],
    gradient: &'a [f32],
    out: &'a mut [f32],
    /// For each child.
    to_filter: &'a mut [f32],
}

impl Kernel for DotBackward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = self.filter.len();
        let channels = width / CHILDREN;
        let mut slopes = vec![0.0; width];
        let rows = self
            .x
            .chunks_exact(width)
            .zip(self.out.chunks_exact_mut(width));
        for ((row, out), order) in rows.zip(self.order.chunks_exact(CHILDREN)) {
            for (slopes, place) in slopes.chunks_exact_mut(channels).zip(order) {
                slopes.fill(self.gradient[*place as usize]);
            }
            for at in (0..width).step_by(S::N) {
                let (x, g) = (s.load(&row[at..]), s.load(&slopes[at..]));
                let below = normal_cdf(s, x);
                let to_filter = s.load(&self.to_filter[at..]);
                let to_filter = s.mul_add(g, s.mul(x, below), to_filter);
                s.store(to_filter, &mut self.to_filter[at..]);
                let slope = gelu_derivative_from(s, x, below);
                let to_x = s.mul(s.mul(g, s.load(&self.filter[at..])), slope);
                s.store(to_x, &mut out[at..]);
            }
        }
    }
}
