//! Rotary position embedding: the halves of each head rotate against each other.

use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::simd::{Kernel, Simd, dispatch};
use super::{contiguous, fusable};

/// Rotates the heads of x `[b,n,heads*d]` (any view whose last axis is contiguous, such as a part of a fused
/// projection) by the angles of its positions, `cos` and `sin` `[n,d/2]` in f32. Returns `[b,heads,n,d]`, on the
/// CPU a view of `[b,n,heads,d]`.
pub fn rotate(x: &Tensor, heads: usize, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let (b, n, width) = x.dims3()?;
    if heads == 0 || width % heads != 0 {
        candle_core::bail!("{width} columns do not divide into {heads} heads")
    }
    let d = width / heads;
    if fusable(&[x, cos, sin]) && x.stride()[2] == 1 {
        return x
            .apply_op3_no_bwd(&cos.contiguous()?, &sin.contiguous()?, &Rotate { d })?
            .reshape((b, n, heads, d))?
            .transpose(1, 2);
    }
    let dtype = x.dtype();
    let x = x
        .reshape((b, n, heads, d))?
        .transpose(1, 2)?
        .to_dtype(DType::F32)?
        .contiguous()?;
    // The fused rotation has no gradient.
    let rotated = if x.track_op() {
        candle_nn::rotary_emb::rope_slow(&x, cos, sin)?
    } else {
        candle_nn::rotary_emb::rope(&x, cos, sin)?
    };
    rotated.to_dtype(dtype)
}

struct Rotate {
    d: usize,
}

impl CustomOp3 for Rotate {
    fn name(&self) -> &'static str {
        "rotate"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        cos: &CpuStorage,
        cos_layout: &Layout,
        sin: &CpuStorage,
        sin_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (&[b, n, width], &[sb, sn, _]) = (layout.dims(), layout.stride()) else {
            candle_core::bail!("a rotation takes three axes, got {:?}", layout.dims())
        };
        let (cos, sin) = (contiguous(cos, cos_layout)?, contiguous(sin, sin_layout)?);
        let (d, half) = (self.d, self.d / 2);
        if d % 2 != 0 || cos.len() != n * half || sin.len() != n * half {
            candle_core::bail!("{} angles for {n} positions of heads of {d}", cos.len())
        }
        let x = &x.as_slice::<f32>()?[layout.start_offset()..];
        let mut out = vec![0.0; b * n * width];
        if width > 0 && d > 0 {
            out.par_chunks_mut(width)
                .with_min_len(8)
                .enumerate()
                .for_each(|(at, out)| {
                    let (batch, i) = (at / n, at % n);
                    let start = batch * sb + i * sn;
                    dispatch(Position {
                        x: &x[start..start + width],
                        cos: &cos[i * half..(i + 1) * half],
                        sin: &sin[i * half..(i + 1) * half],
                        out,
                    });
                });
        }
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

/// All heads of one position.
struct Position<'a> {
    x: &'a [f32],
    cos: &'a [f32],
    sin: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Position<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let half = self.cos.len();
        let whole = half - half % S::N;
        let heads = self.out.chunks_exact_mut(2 * half);
        for (out, x) in heads.zip(self.x.chunks_exact(2 * half)) {
            let ((a, b), (out_a, out_b)) = (x.split_at(half), out.split_at_mut(half));
            for i in (0..whole).step_by(S::N) {
                let (cos, sin) = (s.load(&self.cos[i..]), s.load(&self.sin[i..]));
                let (a, b) = (s.load(&a[i..]), s.load(&b[i..]));
                s.store(s.sub(s.mul(a, cos), s.mul(b, sin)), &mut out_a[i..]);
                s.store(s.mul_add(a, sin, s.mul(b, cos)), &mut out_b[i..]);
            }
            for i in whole..half {
                let (cos, sin) = (self.cos[i], self.sin[i]);
                out_a[i] = a[i] * cos - b[i] * sin;
                out_b[i] = a[i] * sin + b[i] * cos;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Result, Var};

    use super::rotate;
    use crate::ops::testing::{assert_close, random};

    #[test]
    fn it_is_the_plain_rotation_of_a_part_of_a_projection() -> Result<()> {
        for (b, n, heads, d) in [(1, 1, 32, 96), (1, 17, 3, 96), (2, 5, 4, 6), (1, 9, 2, 38)] {
            let both = random((b, n, 7 + 2 * heads * d), d as u64)?;
            let x = both.narrow(2, 7, heads * d)?;
            let angles = random((n, d / 2), 2)?;
            let (cos, sin) = (angles.cos()?, angles.sin()?);
            let split = x.reshape((b, n, heads, d))?.transpose(1, 2)?.contiguous()?;
            let plain = candle_nn::rotary_emb::rope_slow(&split, &cos, &sin)?;
            assert_close(&rotate(&x, heads, &cos, &sin)?, &plain, 1e-6, "rotation")?;
        }
        Ok(())
    }

    #[test]
    fn gradients_flow() -> Result<()> {
        let x = Var::from_tensor(&random((1, 3, 16), 5)?)?;
        let angles = random((3, 4), 2)?;
        let rotated = rotate(&x, 2, &angles.cos()?, &angles.sin()?)?;
        assert!(rotated.sum_all()?.backward()?.get(&x).is_some());
        Ok(())
    }
}
