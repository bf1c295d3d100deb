//! Weights from their names: the rule by which two programs make the same random network without sharing a file.
//!
//! Element i (from 0) of tensor NAME is number i of splitmix64 seeded with the 64-bit FNV-1a hash of the name, taken to
//! [-1, 1); the name decides how it is scaled.

use std::hash::Hasher as _;

use candle_core::{DType, Device, Result, Tensor};
use fnv::FnvHasher;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
use rayon::prelude::*;

use super::source::WeightSource;

/// What splitmix64 adds to its state at each step, so that any number of a stream can be had without those before.
const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;

/// Element `index` of tensor `name`, uniform in [0, 1) with 24 bits.
pub fn uniform(name: &str, index: u64) -> f32 {
    unit(key(name), index)
}

/// The tensor of this name and shape under the rule, f32.
pub fn tensor(name: &str, shape: &[usize], device: &Device) -> Result<Tensor> {
    Tensor::from_vec(values(name, shape), shape, device)
}

/// The same as values, row-major.
pub fn values(name: &str, shape: &[usize]) -> Vec<f32> {
    let (key, scaling) = (key(name), Scaling::of(name, shape));
    let count: usize = shape.iter().product();
    (0..count)
        .into_par_iter()
        .with_min_len(1 << 14)
        .map(|i| scaling.apply(2.0 * unit(key, i as u64) - 1.0))
        .collect()
}

/// The image that belongs to the rule, `[1,1,D,H,W]`: a tilted ramp with noise.
pub fn image(size: [usize; 3], device: &Device) -> Result<Tensor> {
    let key = key("image");
    let [d, h, w] = size;
    let ramp = |i: usize, n: usize| {
        if n > 1 {
            i as f64 / (n - 1) as f64
        } else {
            0.0
        }
    };
    let voxels: Vec<f32> = (0..d * h * w)
        .into_par_iter()
        .map(|i| {
            let (z, y, x) = (ramp(i / (h * w), d), ramp(i / w % h, h), ramp(i % w, w));
            (0.25 * f64::from(unit(key, i as u64)) + 0.75 * (z + 2.0 * y + 3.0 * x) / 6.0) as f32
        })
        .collect();
    Tensor::from_vec(voxels, (1, 1, d, h, w), device)
}

/// A whole model under the rule, made tensor by tensor as it is asked for: the published sizes with no download.
/// `present` tells which of the two namings of the decoder's projections there is.
pub struct RuleSource<F> {
    /// Where the weights are to lie.
    pub device: Device,
    /// Whether there is a tensor of this name.
    pub present: F,
}

impl<F: Fn(&str) -> bool> WeightSource for RuleSource<F> {
    fn tensor(&self, name: &str, shape: &[usize], dtype: DType) -> Result<Tensor> {
        tensor(name, shape, &Device::Cpu)?
            .to_dtype(dtype)?
            .to_device(&self.device)
    }

    fn contains(&self, name: &str) -> bool {
        (self.present)(name)
    }

    fn device(&self) -> &Device {
        &self.device
    }
}

#[derive(Clone, Copy)]
struct Scaling {
    offset: f32,
    factor: f32,
}

impl Scaling {
    /// The first line of the rule's table that fits.
    fn of(name: &str, shape: &[usize]) -> Self {
        const HALF: [&str; 8] = [
            "embed_tokens",
            "position_embeddings",
            "cls_token",
            "iou_token",
            "mask_tokens",
            "point_embeddings",
            "not_a_point",
            "no_mask",
        ];
        let (offset, factor) = if name.ends_with(".bias") {
            (0.0, 0.1)
        } else if name.contains("norm") || name.ends_with("output_upscaling.1.weight") {
            (1.0, 0.2)
        } else if name.ends_with("positional_encoding_gaussian_matrix") {
            (0.0, 1.5)
        } else if HALF.iter().any(|part| name.contains(part)) {
            (0.0, 0.5)
        } else {
            let transposed = ["output_upscaling.0.weight", "output_upscaling.3.weight"];
            let fan: usize = if transposed.iter().any(|end| name.ends_with(end)) {
                shape.first().copied().unwrap_or(1)
            } else {
                shape.iter().skip(1).product()
            };
            (0.0, ((3.0 / fan.max(1) as f64).sqrt() * 1.4) as f32)
        };
        Self { offset, factor }
    }

    fn apply(self, v: f32) -> f32 {
        self.offset + self.factor * v
    }
}

fn key(name: &str) -> u64 {
    let mut hash = FnvHasher::default();
    hash.write(name.as_bytes());
    hash.finish()
}

/// The `index`-th number of the stream that begins at `key`.
fn unit(key: u64, index: u64) -> f32 {
    let state = key.wrapping_add(index.wrapping_mul(GOLDEN_RATIO));
    let bits = SplitMix64::seed_from_u64(state).next_u64();
    (bits >> 40) as f32 / 16_777_216.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goldens were made by the same rule in another language.
    #[test]
    fn numbers_are_what_they_always_were() {
        assert_eq!(uniform("image", 0), 11_605_903.0 / 16_777_216.0);
        assert_eq!(uniform("image", 12_345), 10_962_841.0 / 16_777_216.0);
    }
}
