//! The bias of a linear layer.

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor};
use rayon::prelude::*;

use super::simd::{Kernel, Simd, dispatch};
use super::{PARALLEL_FROM, contiguous, fusable, repeated};

/// `y + bias` over the last axis, y `[.., w]` and bias `[w]`. May write into y's memory: y must be the only tensor
/// on it, as a product just made is.
pub fn add_bias(y: Tensor, bias: &Tensor) -> Result<Tensor> {
    if fusable(&[&y, bias]) && y.is_contiguous() {
        y.inplace_op2(bias, &AddBias)?;
        Ok(y)
    } else {
        &y + repeated(bias, y.shape())?
    }
}

struct AddBias;

impl InplaceOp2 for AddBias {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    fn cpu_fwd(
        &self,
        y: &mut CpuStorage,
        layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<()> {
        let bias = contiguous(bias, bias_layout)?;
        let (CpuStorage::F32(y), Some((start, end))) = (y, layout.contiguous_offsets()) else {
            candle_core::bail!("a bias is added to contiguous f32, not to {layout:?}")
        };
        if layout.dims().last() != Some(&bias.len()) {
            candle_core::bail!("a bias of {} for {:?}", bias.len(), layout.dims())
        }
        if start < end {
            y[start..end]
                .par_chunks_mut(PARALLEL_FROM.next_multiple_of(bias.len()))
                .for_each(|y| dispatch(Rows { y, bias }));
        }
        Ok(())
    }
}

struct Rows<'a> {
    y: &'a mut [f32],
    bias: &'a [f32],
}

impl Kernel for Rows<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for row in self.y.chunks_exact_mut(self.bias.len()) {
            for (y, bias) in row.iter_mut().zip(self.bias) {
                *y += bias;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Result, Var};

    use super::add_bias;
    use crate::ops::testing::{assert_close, random};

    #[test]
    fn it_is_the_plain_sum() -> Result<()> {
        for (n, width) in [(1, 1), (3, 7), (100, 768)] {
            let (y, bias) = (random((2, n, width), 1)?, random(width, 2)?);
            let plain = y.broadcast_add(&bias)?;
            assert_close(&add_bias(y, &bias)?, &plain, 0.0, "sum")?;
        }
        assert!(add_bias(random((2, 3), 1)?, &random(2, 2)?).is_err());
        Ok(())
    }

    #[test]
    fn gradients_flow() -> Result<()> {
        let bias = Var::from_tensor(&random(8, 2)?)?;
        let sum = add_bias(random((3, 8), 1)?, &bias)?;
        assert!(sum.sum_all()?.backward()?.get(&bias).is_some());
        Ok(())
    }
}
