//! Fused operators for the CPU: what candle composes from several passes over memory, in one.
//!
//! Each file holds one operator as one public function. On f32 tensors in main memory it runs a fused kernel; on other
//! devices and for other types it runs its plain twin in candle's own operators, which is also what the tests compare
//! the kernel with. Where gradients are tracked, most have a fused backward pass
//! (`*_backward`), and the others run the twin.

// What is not inlined into the function that enables a vector width is compiled without it.
#![allow(clippy::inline_always)]

// Vector instructions beyond the build's baseline are unsafe to call; `simd_x86` proves that they are there.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::wildcard_imports)]
mod simd_x86;

mod attention_backward;
mod attention_block;
mod attention_run;
mod attention_single;
pub mod custom_backward;
mod dot_product;
mod number;
mod pack;
mod product;
mod rowwise_backward;
mod simd;

pub mod attention;
pub mod autocast;
pub mod bias;
pub mod cache_write;
pub mod fused;
pub mod gated_silu;
pub mod gelu;
pub mod linear;
pub mod norm;
pub mod packed;
mod packing;
pub mod repeated;
pub mod rotary;

pub use attention::{AttentionMask, attend, split_heads};
pub use autocast::autocast;
pub use bias::add_bias;
pub use cache_write::write_positions;
pub use custom_backward::with_backward;
pub use gated_silu::{gated_silu, silu_times};
pub use gelu::gelu;
pub use linear::{linear_with_gradient, matmul_transposed};
pub use norm::{LayerNorm, RmsNorm, layer_norm, rms_norm};
pub use packed::{JointHeads, PackedAttention, attend_joint};
pub use packing::Packing;
pub use repeated::repeated;
pub use rotary::rotate;
pub use rowwise_backward::LANES;

use candle_core::{CpuStorage, DType, Layout, Result, Storage, Tensor};

/// Elements below which handing work to other threads costs more than it saves.
const PARALLEL_FROM: usize = 1 << 15;

/// Whether the kernels may run on these tensors, those with a backward pass also where gradients flow.
fn on_cpu(tensors: &[&Tensor]) -> bool {
    tensors
        .iter()
        .all(|t| t.device().is_cpu() && t.dtype() == DType::F32)
}

/// Whether the kernels without a backward pass may run on these tensors.
fn fusable(tensors: &[&Tensor]) -> bool {
    on_cpu(tensors) && !tensors.iter().any(|t| t.track_op())
}

/// Calls `f` with the values of tensors in main memory as slices, in row-major order.
fn with_slices<const N: usize, R>(
    tensors: [&Tensor; N],
    f: impl FnOnce([&[f32]; N]) -> R,
) -> Result<R> {
    let tensors = tensors
        .into_iter()
        .map(Tensor::contiguous)
        .collect::<Result<Vec<_>>>()?;
    let guards: Vec<_> = tensors.iter().map(Tensor::storage_and_layout).collect();
    let mut slices: [&[f32]; N] = [&[]; N];
    for ((storage, layout), slice) in guards.iter().zip(&mut slices) {
        let Storage::Cpu(storage) = &**storage else {
            candle_core::bail!("the operator runs in main memory only")
        };
        *slice = contiguous(storage, layout)?;
    }
    Ok(f(slices))
}

/// Whether the kernels may run on keys or values, which may be in half precision.
fn fusable_memory(t: &Tensor) -> bool {
    matches!(t.dtype(), DType::F32 | DType::F16) && !t.track_op() && t.device().is_cpu()
}

/// The values of a contiguous tensor.
fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        candle_core::bail!("the operator needs contiguous rows, got {layout:?}")
    };
    Ok(&storage.as_slice::<f32>()?[start..end])
}

#[cfg(test)]
mod testing {
    use candle_core::{Device, Result, Shape, Tensor};
    use rand_xoshiro::SplitMix64;
    use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

    /// Values of about -3 to 3, the same in every run.
    pub fn random(shape: impl Into<Shape>, seed: u64) -> Result<Tensor> {
        let shape = shape.into();
        let mut random = SplitMix64::seed_from_u64(seed);
        let mut uniform = || (random.next_u64() >> 40) as f32 / (1u32 << 24) as f32;
        let values: Vec<f32> = (0..shape.elem_count())
            .map(|_| 2.0 * (uniform() + uniform() + uniform()) - 3.0)
            .collect();
        Tensor::from_vec(values, shape, &Device::Cpu)
    }

    /// Fails where any number differs by more than `tolerance`.
    pub fn assert_close(fused: &Tensor, plain: &Tensor, tolerance: f32, what: &str) -> Result<()> {
        assert_eq!(fused.dims(), plain.dims(), "{what}");
        let (fused, plain) = (fused.flatten_all()?, plain.flatten_all()?);
        let (fused, plain) = (fused.to_vec1::<f32>()?, plain.to_vec1::<f32>()?);
        for (i, (a, b)) in fused.iter().zip(&plain).enumerate() {
            let near = (a - b).abs() <= tolerance || (a.is_nan() && b.is_nan());
            assert!(near, "{what}: {a} instead of {b} at {i}");
        }
        Ok(())
    }
}
