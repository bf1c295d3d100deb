//! An image encoder whose patches get another size: smaller, so that it sees finer, or larger, so that it is quicker.
//!
//! Its blocks stay as they are. The patch embedding is resized so that it says of a small patch what it said of a large
//! one that looks the same (Beyer et al. 2023), or of a large one the mean of what it said of those it is made of.
//! Positions are interpolated (Dosovitskiy et al. 2021).

use candle_core::Tensor;

use super::network::{CLIP_VISION, SEGMENTATION_ENCODER, VISION};
use super::{TrainingError, Variables};
use m3d_model::resize::trilinear;
use m3d_model::source::WeightSource;
use m3d_model::{ClipConfig, LamedConfig};

/// The norm between the mask decoder's two doublings has a weight and a bias for each place.
const NORM: [&str; 2] = [
    "model.seg_module.mask_decoder.output_upscaling.1.weight",
    "model.seg_module.mask_decoder.output_upscaling.1.bias",
];

/// Fits the tensors that depend on the patches' sizes from one configuration to another.
///
/// # Errors
/// When a patch would get longer along an axis by anything but a whole factor.
pub(super) fn repatch(
    variables: &mut Variables,
    from: &LamedConfig,
    to: &LamedConfig,
) -> Result<(), TrainingError> {
    let (old, new) = (from.patch_size, to.patch_size);
    repatch_encoder(variables, VISION, [old, new], [from.grid(), to.grid()])?;
    let grids = [from.seg_grid(), to.seg_grid()];
    let (old, new) = (from.seg_patch_size(), to.seg_patch_size());
    repatch_encoder(variables, SEGMENTATION_ENCODER, [old, new], grids)?;
    if old != new {
        let size = to.seg_grid().map(|n| 2 * n);
        for name in NORM {
            change(variables, name, |values| trilinear(values, size))?;
        }
    }
    Ok(())
}

/// The same for M3D-CLIP.
pub(super) fn repatch_clip(
    variables: &mut Variables,
    from: &ClipConfig,
    to: &ClipConfig,
) -> Result<(), TrainingError> {
    let patches = [from.patch_size, to.patch_size];
    repatch_encoder(variables, CLIP_VISION, patches, [from.grid(), to.grid()])
}

/// SegVol's image encoder as the vision tower's, with the patches of that.
///
/// # Errors
/// As for [`repatch`].
pub(super) fn segmentation_as_vision(
    variables: &Variables,
    config: &LamedConfig,
) -> Result<Variables, TrainingError> {
    let device = WeightSource::device(variables);
    let encoder = variables.tensors().into_iter();
    let encoder = encoder.filter(|(name, _)| name.starts_with(SEGMENTATION_ENCODER));
    let mut encoder = Variables::from_tensors(encoder.collect(), device);
    let patches = [config.seg_patch_size(), config.patch_size];
    let grids = [config.seg_grid(), config.grid()];
    repatch_encoder(&mut encoder, SEGMENTATION_ENCODER, patches, grids)?;
    Ok(encoder)
}

fn repatch_encoder(
    variables: &mut Variables,
    prefix: &str,
    [old, new]: [[usize; 3]; 2],
    [old_grid, new_grid]: [[usize; 3]; 2],
) -> Result<(), TrainingError> {
    if old == new {
        return Ok(());
    }
    if (0..3).any(|axis| new[axis] > old[axis] && !new[axis].is_multiple_of(old[axis])) {
        return Err(TrainingError::Data(format!(
            "patches of {old:?} voxels cannot become {new:?}: what gets longer must do so by a whole factor"
        )));
    }
    let name = |rest: &str| format!("{prefix}patch_embedding.{rest}");
    change(variables, &name("patch_embeddings.1.weight"), |weight| {
        resized_patches(weight, old, new)
    })?;
    change(variables, &name("position_embeddings"), |places| {
        resized_places(places, old_grid, new_grid)
    })
}

/// Shifts what a patch embedding counts from: of an image brighter by `value` it says what it said before. Linear as it
/// is, only its bias changes.
pub(super) fn centre(
    variables: &mut Variables,
    prefix: &str,
    value: f32,
) -> Result<(), TrainingError> {
    let name = |rest: &str| format!("{prefix}patch_embedding.patch_embeddings.1.{rest}");
    if let Some(weight) = variables.get(&name("weight")) {
        let shift = (weight.sum(1)? * f64::from(value))?;
        change(variables, &name("bias"), |bias| bias - &shift)?;
    }
    Ok(())
}

fn change(
    variables: &mut Variables,
    name: &str,
    how: impl Fn(&Tensor) -> candle_core::Result<Tensor>,
) -> Result<(), TrainingError> {
    if let Some(tensor) = variables.get(name) {
        let changed = how(tensor)?;
        variables.add(name, changed);
    }
    Ok(())
}

/// A patch embedding `[width,D*H*W*C]`. Along an axis that gets shorter each new weight is the sum of those whose voxels
/// its voxel stands for; along one that gets longer the weights are repeated, and the mean is taken.
fn resized_patches(
    weight: &Tensor,
    old: [usize; 3],
    new: [usize; 3],
) -> candle_core::Result<Tensor> {
    let (width, volume) = weight.dims2()?;
    let channels = volume / old.iter().product::<usize>();
    let [d, h, w] = old;
    let mut weight = weight.reshape(vec![width, d, h, w, channels])?;
    for (axis, (from, to)) in old.into_iter().zip(new).enumerate() {
        if from == to {
            continue;
        }
        let mut parts = vec![0.0; to * from];
        for long in 0..from.max(to) {
            if to < from {
                parts[(long * to / from) * from + long] = 1.0;
            } else {
                parts[long * from + long % from] = from as f32 / to as f32;
            }
        }
        let parts = Tensor::from_vec(parts, (to, from), weight.device())?;
        let last = weight.transpose(1 + axis, 4)?.contiguous()?;
        weight = last.broadcast_matmul(&parts.t()?)?.transpose(1 + axis, 4)?;
    }
    weight.reshape((width, new.iter().product::<usize>() * channels))
}

/// Position embeddings `[1,N,width]` of one grid on another.
fn resized_places(
    places: &Tensor,
    from: [usize; 3],
    to: [usize; 3],
) -> candle_core::Result<Tensor> {
    let (_, _, width) = places.dims3()?;
    let [d, h, w] = from;
    let channels = places.squeeze(0)?.t()?.reshape((width, d, h, w))?;
    let resized = trilinear(&channels, to)?;
    resized.flatten(1, 3)?.t()?.contiguous()?.unsqueeze(0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use candle_core::Device;

    use super::*;
    use m3d_model::rule;

    fn drawn(name: &str, shape: &[usize]) -> Tensor {
        rule::tensor(name, shape, &Device::Cpu).unwrap()
    }

    /// What a patch embedding `[width,D*H*W]` says of a patch.
    fn said(weight: &Tensor, patch: &Tensor) -> Tensor {
        let patch = patch.contiguous().unwrap().reshape(((), 1)).unwrap();
        weight.matmul(&patch).unwrap().squeeze(1).unwrap()
    }

    fn assert_near(one: &Tensor, other: &Tensor) {
        let off = (one - other).unwrap().abs().unwrap().max_all().unwrap();
        assert!(off.to_scalar::<f32>().unwrap() < 1e-5, "{one} {other}");
    }

    #[test]
    fn a_small_patch_is_told_as_a_large_one_that_looks_the_same() {
        let weight = drawn("weight", &[3, 2 * 4 * 4]);
        let small = drawn("patch", &[2, 2, 4]);
        let rows = Tensor::new(&[0_u32, 0, 1, 1], &Device::Cpu).unwrap();
        let large = small.index_select(&rows, 1).unwrap();
        let resized = resized_patches(&weight, [2, 4, 4], [2, 2, 4]).unwrap();
        assert_near(&said(&weight, &large), &said(&resized, &small));
    }

    #[test]
    fn a_large_patch_is_told_as_the_mean_of_its_small_ones() {
        let weight = drawn("weight", &[3, 2 * 2 * 4]);
        let large = drawn("patch", &[2, 2, 2, 4]);
        let [first, last] = [0, 1].map(|half| said(&weight, &large.narrow(1, half, 1).unwrap()));
        let mean = ((first + last).unwrap() / 2.0).unwrap();
        let resized = resized_patches(&weight, [2, 2, 4], [2, 4, 4]).unwrap();
        assert_near(&mean, &said(&resized, &large));
    }

    #[test]
    fn patches_do_not_grow_by_a_part() {
        let mut none = Variables::from_tensors(HashMap::new(), &Device::Cpu);
        let patches = [[2, 4, 4], [3, 4, 4]];
        let refused = repatch_encoder(&mut none, VISION, patches, [[6, 1, 1], [4, 1, 1]]);
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .contains("by a whole factor")
        );
    }

    #[test]
    fn places_keep_their_order() {
        // What rises along the width still does, and nothing else comes in.
        let (from, to) = ([1, 2, 4], [1, 2, 8]);
        let values: Vec<f32> = (0..8).map(|i| (i % 4) as f32).collect();
        let places = Tensor::from_vec(values, (1, 8, 1), &Device::Cpu).unwrap();
        let resized = resized_places(&places, from, to).unwrap();
        let values: Vec<f32> = resized.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(values.len(), 16);
        for row in values.chunks_exact(8) {
            assert!(row.is_sorted() && row[0] < 0.5 && row[7] > 2.5, "{row:?}");
        }
    }

    #[test]
    fn a_centred_embedding_says_of_a_brighter_patch_what_it_said_before() {
        let name = |rest: &str| format!("{VISION}patch_embedding.patch_embeddings.1.{rest}");
        let tensors = [
            (name("weight"), drawn("weight", &[3, 8])),
            (name("bias"), drawn("bias", &[3])),
        ];
        let mut variables = Variables::from_tensors(HashMap::from(tensors), &Device::Cpu);
        let token = |variables: &Variables, patch: &Tensor| {
            let [weight, bias] = ["weight", "bias"].map(|rest| variables.get(&name(rest)).unwrap());
            (said(weight, patch) + bias).unwrap()
        };
        let patch = drawn("patch", &[8]);
        let before = token(&variables, &patch);
        centre(&mut variables, VISION, 0.5).unwrap();
        let brighter = (patch + 0.5).unwrap();
        assert_near(&before, &token(&variables, &brighter));
    }
}
