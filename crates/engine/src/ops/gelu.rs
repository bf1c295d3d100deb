//! The exact Gaussian error linear unit.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::rowwise_backward::gelu_backward;
use super::simd::{Kernel, Simd, dispatch};
use super::{PARALLEL_FROM, contiguous, on_cpu};

/// `x * (1 + erf(x / sqrt 2)) / 2`, any shape.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if on_cpu(&[x]) {
        x.contiguous()?.apply_op1(Gelu)
    } else {
        x.gelu_erf()
    }
}

struct Gelu;

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = contiguous(storage, layout)?;
        let mut out = vec![0.0; x.len()];
        out.par_chunks_mut(PARALLEL_FROM)
            .zip(x.par_chunks(PARALLEL_FROM))
            .for_each(|(out, x)| dispatch(Chunk { x, out }));
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        gelu_backward(x, gradient).map(Some)
    }
}

pub(super) struct Chunk<'a> {
    pub x: &'a [f32],
    pub out: &'a mut [f32],
}

impl Kernel for Chunk<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let whole = self.x.len() - self.x.len() % S::N;
        let (x, x_rest) = self.x.split_at(whole);
        let (out, out_rest) = self.out.split_at_mut(whole);
        for (x, out) in x.chunks_exact(S::N).zip(out.chunks_exact_mut(S::N)) {
            s.store(lanes(s, s.load(x)), out);
        }
        // The widest vector has 16 lanes.
        let mut rest = [0.0; 16];
        rest[..x_rest.len()].copy_from_slice(x_rest);
        let mut result = [0.0; 16];
        s.store(lanes(s, s.load(&rest)), &mut result);
        out_rest.copy_from_slice(&result[..x_rest.len()]);
    }
}

#[inline(always)]
fn lanes<S: Simd>(s: S, x: S::V) -> S::V {
    let half = s.mul(x, s.splat(0.5));
    s.mul_add(half, erf(s, s.mul(x, s.splat(FRAC_1_SQRT_2))), half)
}

const FRAC_1_SQRT_2: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// Minimax `erf(z) / z = A(z^2) / B(z^2)` over 0 to 4 (relative error 7e-8), where f32 has reached 1.
#[inline(always)]
pub(super) fn erf<S: Simd>(s: S, z: S::V) -> S::V {
    const A: [f32; 7] = [
        1.910_623_1e-8,
        -1.945_432_4e-6,
        1.479_571_4e-4,
        4.017_056_3e-3,
        5.160_761e-2,
        0.207_734_1,
        std::f32::consts::FRAC_2_SQRT_PI,
    ];
    const B: [f32; 5] = [
        1.027_647_5e-3,
        1.501_133_7e-2,
        0.118_224_37,
        0.517_430_7,
        1.0,
    ];
    let z = s.max(s.splat(-4.0), s.min(s.splat(4.0), z));
    let u = s.mul(z, z);
    let mut a = s.splat(A[0]);
    for c in &A[1..] {
        a = s.mul_add(a, u, s.splat(*c));
    }
    let mut b = s.splat(B[0]);
    for c in &B[1..] {
        b = s.mul_add(b, u, s.splat(*c));
    }
    let erf = s.div(s.mul(a, z), b);
    s.max(s.splat(-1.0), s.min(s.splat(1.0), erf))
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor, Var};

    use super::gelu;
    use crate::ops::testing::{assert_close, random};

    #[test]
    fn it_is_the_plain_operator() -> candle_core::Result<()> {
        for (shape, seed) in [((1, 1, 1), 1), ((2, 5, 7), 2), ((3, 129, 251), 3)] {
            let x = random(shape, seed)?;
            assert_close(&gelu(&x)?, &x.gelu_erf()?, 1e-6, "gelu")?;
        }
        // Where the function bends and where f32 can hold no more of it.
        let x = Tensor::arange_step(-20f32, 20.0, 1e-3, &Device::Cpu)?;
        let exact = x.to_dtype(DType::F64)?.gelu_erf()?.to_dtype(DType::F32)?;
        assert_close(&gelu(&x)?, &exact, 1e-6, "gelu over a range")?;
        let odd = Tensor::new(&[f32::INFINITY, f32::NAN, 0.0, -1e30], &Device::Cpu)?;
        let odd = gelu(&odd)?.to_vec1::<f32>()?;
        assert!(odd[0] == f32::INFINITY && odd[1].is_nan() && odd[2] == 0.0 && odd[3] == 0.0);
        Ok(())
    }

    #[test]
    fn a_view_of_rows_with_gaps_is_taken_as_it_reads() -> candle_core::Result<()> {
        let x = random((4, 9, 33), 4)?.narrow(2, 5, 21)?;
        assert_close(&gelu(&x)?, &x.gelu_erf()?, 1e-6, "gelu of a view")
    }

    #[test]
    fn gradients_flow() -> candle_core::Result<()> {
        let x = Var::from_tensor(&random((3, 4), 5)?)?;
        let gradients = gelu(&x)?.sum_all()?.backward()?;
        assert!(gradients.get(&x).is_some());
        Ok(())
    }
}
