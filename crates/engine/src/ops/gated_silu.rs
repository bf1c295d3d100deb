//! The gate of the decoder's MLP.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, D, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::rowwise_backward::{LANES, gated_silu_backward};
use super::simd::{Kernel, Simd, dispatch};
use super::{PARALLEL_FROM, contiguous, fusable, on_cpu};

/// `silu(gate) * up` of both side by side: `[.., 2w]`, gate first, to `[.., w]`.
pub fn gated_silu(gate_up: &Tensor) -> Result<Tensor> {
    let width = gate_up.dim(D::Minus1)? / 2;
    let rows = width > 0 && width.is_multiple_of(LANES);
    if fusable(&[gate_up]) || on_cpu(&[gate_up]) && rows {
        return gate_up.contiguous()?.apply_op1(Both);
    }
    let gate = gate_up.narrow(D::Minus1, 0, width)?;
    gate.silu()? * gate_up.narrow(D::Minus1, width, width)?
}

/// `silu(gate) * up`, both of one shape.
pub fn silu_times(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    if fusable(&[gate, up]) && gate.dims() == up.dims() {
        gate.contiguous()?
            .apply_op2_no_bwd(&up.contiguous()?, &Pair)
    } else {
        gate.silu()? * up
    }
}

struct Both;

impl CustomOp1 for Both {
    fn name(&self) -> &'static str {
        "gated-silu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = contiguous(storage, layout)?;
        let mut dims = layout.dims().to_vec();
        let Some(width) = dims.last_mut().filter(|width| **width % 2 == 0) else {
            candle_core::bail!("gate and up have different widths in {:?}", layout.dims())
        };
        *width /= 2;
        let width = *width;
        let mut out = vec![0.0; x.len() / 2];
        if !out.is_empty() {
            let rows = PARALLEL_FROM.div_ceil(width);
            out.par_chunks_mut(rows * width)
                .zip(x.par_chunks(rows * 2 * width))
                .for_each(|(out, x)| {
                    for (out, x) in out.chunks_mut(width).zip(x.chunks(2 * width)) {
                        let (gate, up) = x.split_at(width);
                        dispatch(Chunk { gate, up, out });
                    }
                });
        }
        Ok((CpuStorage::F32(out), Shape::from(dims)))
    }

    fn bwd(&self, gate_up: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        gated_silu_backward(gate_up, gradient).map(Some)
    }
}

struct Pair;

impl CustomOp2 for Pair {
    fn name(&self) -> &'static str {
        "silu-times"
    }

    fn cpu_fwd(
        &self,
        gate: &CpuStorage,
        gate_layout: &Layout,
        up: &CpuStorage,
        up_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gate, up) = (contiguous(gate, gate_layout)?, contiguous(up, up_layout)?);
        let mut out = vec![0.0; gate.len()];
        out.par_chunks_mut(PARALLEL_FROM)
            .zip(gate.par_chunks(PARALLEL_FROM))
            .zip(up.par_chunks(PARALLEL_FROM))
            .for_each(|((out, gate), up)| dispatch(Chunk { gate, up, out }));
        Ok((CpuStorage::F32(out), gate_layout.shape().clone()))
    }
}

pub(super) struct Chunk<'a> {
    pub gate: &'a [f32],
    pub up: &'a [f32],
    pub out: &'a mut [f32],
}

impl Kernel for Chunk<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { gate, up, out } = self;
        let whole = gate.len() - gate.len() % S::N;
        let vectors = out[..whole].chunks_exact_mut(S::N);
        let (gates, ups) = (gate.chunks_exact(S::N), up.chunks_exact(S::N));
        for ((out, gate), up) in vectors.zip(gates).zip(ups) {
            let (gate, up) = (s.load(gate), s.load(up));
            let lower = s.exp(s.sub(s.splat(0.0), gate));
            let silu = s.div(gate, s.add(lower, s.splat(1.0)));
            s.store(s.mul(silu, up), out);
        }
        for i in whole..gate.len() {
            out[i] = gate[i] / (1.0 + (-gate[i]).exp()) * up[i];
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{D, Result, Tensor, Var};

    use super::{gated_silu, silu_times};
    use crate::ops::testing::{assert_close, random};

    fn plain(gate_up: &Tensor) -> Result<Tensor> {
        let halves = gate_up.chunk(2, D::Minus1)?;
        &halves[0].silu()? * &halves[1]
    }

    #[test]
    fn both_forms_are_the_plain_operators() -> Result<()> {
        for (shape, seed) in [((1, 1, 2), 1), ((1, 3, 38), 2), ((2, 70, 514), 3)] {
            let x = (random(shape, seed)? * 4.0)?;
            assert_close(&gated_silu(&x)?, &plain(&x)?, 4e-6, "gated silu")?;
            let halves = x.chunk(2, D::Minus1)?;
            let fused = silu_times(&halves[0], &halves[1])?;
            assert_close(&fused, &plain(&x)?, 4e-6, "silu times")?;
        }
        let far = (random((2, 64), 4)? * 60.0)?;
        let fused = gated_silu(&far)?.broadcast_div(&(plain(&far)?.abs()? + 1.0)?)?;
        let exact = plain(&far)?.broadcast_div(&(plain(&far)?.abs()? + 1.0)?)?;
        assert_close(&fused, &exact, 1e-6, "gated silu far out")
    }

    #[test]
    fn gradients_flow() -> Result<()> {
        let x = Var::from_tensor(&random((3, 8), 5)?)?;
        assert!(gated_silu(&x)?.sum_all()?.backward()?.get(&x).is_some());
        let y = random((3, 8), 6)?;
        assert!(silu_times(&y, &x)?.sum_all()?.backward()?.get(&x).is_some());
        Ok(())
    }
}
