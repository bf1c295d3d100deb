//! Writing new positions into the storage of a cache.

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor};
use rayon::prelude::*;

use super::fusable;
use super::pack::Heads;

/// Writes `[b,heads,n,d]` into contiguous storage `[b,heads,capacity,d]` from position `at` on. Heads that lie apart,
/// as in a projection, need no copy in between.
pub fn write_positions(storage: &Tensor, x: &Tensor, at: usize) -> Result<()> {
    if fusable(&[storage, x]) && storage.is_contiguous() && x.stride().last() == Some(&1) {
        storage.inplace_op2(x, &Write { at })
    } else {
        storage.slice_set(&x.contiguous()?, 2, at)
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
        let [b, heads, n, d] = x.dims;
        let (CpuStorage::F32(to), Some((start, end)), &[to_b, to_heads, capacity, to_d]) =
            (storage, layout.contiguous_offsets(), layout.dims())
        else {
            candle_core::bail!("positions are written to contiguous f32, not to {layout:?}")
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
                let rows = to[written.clone()].chunks_exact_mut(d);
                for (i, row) in rows.enumerate() {
                    row.copy_from_slice(x.row(head / heads, head % heads, i));
                }
            });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Result, Tensor};

    use super::write_positions;
    use crate::model::ops::testing::{assert_close, random};

    #[test]
    fn it_writes_what_a_copy_would() -> Result<()> {
        for (b, heads, n, d) in [(1, 3, 1, 5), (2, 2, 7, 4), (1, 32, 20, 96)] {
            let x = random((b, n, heads, d), 1)?.transpose(1, 2)?;
            let zeros = || Tensor::zeros((b, heads, 40, d), x.dtype(), &Device::Cpu);
            let (fused, plain) = (zeros()?, zeros()?);
            write_positions(&fused, &x, 20)?;
            plain.slice_set(&x.contiguous()?, 2, 20)?;
            assert_close(&fused, &plain, 0.0, "storage")?;
            assert!(write_positions(&fused, &x, 41 - n).is_err());
        }
        Ok(())
    }
}
