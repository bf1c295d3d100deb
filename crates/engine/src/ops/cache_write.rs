//! Writing new positions into the storage of a cache.

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor};
use rayon::prelude::*;

use super::number::Number;
use super::pack::Heads;
use super::simd::{Kernel, Simd, dispatch};
use super::{fusable, fusable_memory};

/// Writes `[b,heads,n,d]` into contiguous storage `[b,heads,capacity,d]` from position `at` on, rounded to the
/// storage's type. Heads that lie apart, as in a projection, need no copy in between.
pub fn write_positions(storage: &Tensor, x: &Tensor, at: usize) -> Result<()> {
    let fused = fusable(&[x]) && fusable_memory(storage);
    if fused && storage.is_contiguous() && x.stride().last() == Some(&1) {
        storage.inplace_op2(x, &Write { at })
    } else {
        let x = x.to_dtype(storage.dtype())?.contiguous()?;
        storage.slice_set(&x, 2, at)
    }
}

struct Write {
    at: usize,
}

impl InplaceOp2 for Write {
    fn name(&self) -> &'static str {
        "write-positions"
    }

    fn cpu_fwd(
        &self,
        storage: &mut CpuStorage,
        layout: &Layout,
        x: &CpuStorage,
        x_layout: &Layout,
    ) -> Result<()> {
        let x = Heads::new(x, x_layout)?;
        match storage {
            CpuStorage::F16(to) => self.write(to, layout, &x),
            CpuStorage::F32(to) => self.write(to, layout, &x),
            _ => candle_core::bail!("positions are written to f32 or f16, not to {layout:?}"),
        }
    }
}

impl Write {
    fn write<T: Number>(&self, to: &mut [T], layout: &Layout, x: &Heads) -> Result<()> {
        let [b, heads, n, d] = x.dims;
        let (Some((start, end)), &[to_b, to_heads, capacity, to_d]) =
            (layout.contiguous_offsets(), layout.dims())
        else {
            candle_core::bail!("positions are written to contiguous storage, not to {layout:?}")
        };
        if [to_b, to_heads, to_d] != [b, heads, d] || capacity.saturating_sub(self.at) < n {
            candle_core::bail!("{:?} from {} on do not fit {layout:?}", x.dims, self.at)
        }
        let written = self.at * d..(self.at + n) * d;
        if written.is_empty() {
            return Ok(());
        }
        to[start..end]
            .par_chunks_exact_mut(capacity * d)
            .with_min_len(if n == 1 { heads } else { 1 })
            .enumerate()
            .for_each(|(head, to)| {
                dispatch(Rows {
                    x,
                    batch: head / heads,
                    head: head % heads,
                    to: &mut to[written.clone()],
                });
            });
        Ok(())
    }
}

/// All new positions of one head.
struct Rows<'a, 'b, T> {
    x: &'a Heads<'b>,
    batch: usize,
    head: usize,
    to: &'a mut [T],
}

impl<T: Number> Kernel for Rows<'_, '_, T> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let rows = self.to.chunks_exact_mut(self.x.dims[3]);
        for (i, to) in rows.enumerate() {
            T::write(s, self.x.row(self.batch, self.head, i), to);
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Result, Tensor};

    use super::write_positions;
    use crate::ops::testing::{assert_close, random};

    #[test]
    fn it_writes_what_a_copy_would() -> Result<()> {
        for (b, heads, n, d) in [(1, 3, 1, 5), (2, 2, 7, 4), (1, 32, 20, 96)] {
            let x = random((b, n, heads, d), 1)?.transpose(1, 2)?;
            for dtype in [DType::F32, DType::F16] {
                let zeros = || Tensor::zeros((b, heads, 40, d), dtype, &Device::Cpu);
                let (fused, plain) = (zeros()?, zeros()?);
                write_positions(&fused, &x, 20)?;
                plain.slice_set(&x.to_dtype(dtype)?.contiguous()?, 2, 20)?;
                let wide = |t: &Tensor| t.to_dtype(DType::F32);
                assert_close(&wide(&fused)?, &wide(&plain)?, 0.0, "storage")?;
                assert!(write_positions(&fused, &x, 41 - n).is_err());
            }
        }
        Ok(())
    }
}
