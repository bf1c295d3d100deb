//! Scaled dot-product attention, shared by all networks.

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor};

use half::f16;

use super::attention_backward::attend_backward;
use super::attention_block::{self, MAX_HEAD_DIM};
use super::dot_product::dot_product_attention;
use super::number::Number;
use super::pack::Heads;
use super::{attention_single, fusable, fusable_memory, on_cpu};

/// Which keys a query sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttentionMask {
    /// All.
    None,
    /// The queries are the last positions: of n queries and m keys, query i sees keys 0 to m-n+i.
    Causal,
}

impl AttentionMask {
    /// Keys that query `i` of `n` sees of `m`.
    pub(super) fn seen(self, i: usize, n: usize, m: usize) -> usize {
        match self {
            Self::None => m,
            Self::Causal => (m + i + 1).saturating_sub(n).min(m),
        }
    }
}

/// `softmax(q k^T * scale) v` with the heads joined again, the softmax in f32 whatever the type.
///
/// q `[b,heads,n,d]`, k and v `[b,kv_heads,m,d]`, in any layout whose last axis is contiguous: views of a cache and
/// slices of a fused projection need no copy. Query head h uses key head `h / (heads / kv_heads)`. Keys and values may
/// be in f16 beside queries in f32; they are widened as they are read. Returns `[b,n,heads*d]`, contiguous: what the
/// output projection takes.
pub fn attend(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    scale: f64,
    mask: AttentionMask,
) -> Result<Tensor> {
    let (_, heads, n, d) = q.dims4()?;
    let (_, key_heads, m, _) = k.dims4()?;
    if key_heads == 0 || heads % key_heads != 0 {
        candle_core::bail!("{heads} query heads cannot share {key_heads} key heads")
    }
    if mask == AttentionMask::Causal && n > m {
        candle_core::bail!("{n} queries are more positions than {m} keys")
    }
    let rows = [q, k, v].iter().all(|t| t.stride()[3] == 1);
    let with_gradient = mask == AttentionMask::None && on_cpu(&[q, k, v]);
    let held = fusable_memory(k) && fusable_memory(v) && k.dtype() == v.dtype();
    if (with_gradient || fusable(&[q]) && held) && rows && d <= MAX_HEAD_DIM && m > 0 {
        let scale = scale as f32;
        q.apply_op3(k, v, Attention { scale, mask })
    } else {
        attend_plain(q, k, v, scale, mask)
    }
}

/// `[b,n,heads*d]` to a view `[b,heads,n,d]`.
pub fn split_heads(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (b, n, width) = x.dims3()?;
    if heads == 0 || width % heads != 0 {
        candle_core::bail!("{width} columns do not divide into {heads} heads")
    }
    x.reshape((b, n, heads, width / heads))?.transpose(1, 2)
}

/// [`attend`] in candle's own operators, on any device, any type, and with gradients.
pub fn attend_plain(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    scale: f64,
    mask: AttentionMask,
) -> Result<Tensor> {
    let (n, m) = (q.dim(2)?, k.dim(2)?);
    let (k, v) = (k.to_dtype(q.dtype())?, v.to_dtype(q.dtype())?);
    let (k, v) = (packed_rows(&k)?, packed_rows(&v)?);
    let mask = match mask {
        AttentionMask::Causal if n > 1 => Some(causal_mask(n, m, q.device())?),
        _ => None,
    };
    dot_product_attention(&q.contiguous()?, &k, &v, scale, mask.as_ref())
}

/// Matrix products take views of a cache as they are, but not rows with gaps between.
fn packed_rows(t: &Tensor) -> Result<Tensor> {
    let stride = t.stride();
    if t.dim(0)? == 1 && stride[3] == 1 && stride[2] == t.dim(3)? {
        Ok(t.clone())
    } else {
        t.contiguous()
    }
}

/// `[1,1,n,m]` of 0 and -inf.
fn causal_mask(n: usize, m: usize, device: &Device) -> Result<Tensor> {
    let mask: Vec<f32> = (0..n)
        .flat_map(|i| {
            let seen = AttentionMask::Causal.seen(i, n, m);
            (0..m).map(move |j| if j < seen { 0.0 } else { f32::NEG_INFINITY })
        })
        .collect();
    Tensor::from_vec(mask, (1, 1, n, m), device)
}

struct Attention {
    scale: f32,
    mask: AttentionMask,
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let q = Heads::new(q, q_layout)?;
        if let CpuStorage::F16(_) = k {
            let (k, v) = (Heads::new(k, k_layout)?, Heads::new(v, v_layout)?);
            self.run::<f16>(&q, &k, &v)
        } else {
            let (k, v) = (Heads::new(k, k_layout)?, Heads::new(v, v_layout)?);
            self.run::<f32>(&q, &k, &v)
        }
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let qkv = [q.detach(), k.detach(), v.detach()];
        let [to_q, to_k, to_v] = attend_backward(qkv.each_ref(), gradient, self.scale)?;
        Ok((Some(to_q), Some(to_k), Some(to_v)))
    }
}

impl Attention {
    fn run<T: Number>(&self, q: &Heads, k: &Heads<T>, v: &Heads<T>) -> Result<(CpuStorage, Shape)> {
        let ([b, heads, n, d], [key_b, key_heads, m, key_d]) = (q.dims, k.dims);
        if k.dims != v.dims || key_b != b || key_d != d || key_heads == 0 || heads % key_heads != 0
        {
            candle_core::bail!("attention of {:?} to {:?} and {:?}", q.dims, k.dims, v.dims)
        }
        let mut out = vec![0.0; b * n * heads * d];
        if out.is_empty() || m == 0 {
        } else if n == 1 {
            attention_single::run(q, k, v, self.scale, &mut out);
        } else {
            attention_block::run(q, k, v, self.scale, self.mask, &mut out);
        }
        Ok((CpuStorage::F32(out), Shape::from((b, n, heads * d))))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Result, Tensor, Var};

    use super::{AttentionMask, attend, attend_plain};
    use crate::ops::testing::{assert_close, random};

    /// The kernel may be off by what the plain twin in f32 is off by, and 1e-6.
    fn check(q: &Tensor, k: &Tensor, v: &Tensor, mask: AttentionMask) -> Result<()> {
        let scale = 1.0 / (q.dim(3)? as f64).sqrt();
        let what = format!("{:?} to {:?}, {mask:?}", q.dims(), k.dims());
        let wide = |t: &Tensor| t.to_dtype(DType::F64);
        let exact = attend_plain(&wide(q)?, &wide(k)?, &wide(v)?, scale, mask)?;
        let exact = exact.to_dtype(DType::F32)?;
        let plain = attend_plain(q, k, v, scale, mask)?;
        let own = (&plain - &exact)?.abs()?.flatten_all()?.max(0)?;
        let fused = attend(q, k, v, scale, mask)?;
        assert!(fused.is_contiguous());
        assert_close(&fused, &exact, 1e-6 + own.to_scalar::<f32>()?, &what)
    }

    #[test]
    fn it_is_the_plain_operator_at_odd_sizes() -> Result<()> {
        for (b, heads, key_heads, n, m, d) in [
            (1, 1, 1, 1, 1, 1),
            (1, 2, 2, 5, 5, 8),
            (2, 4, 2, 7, 13, 16),
            (1, 6, 2, 3, 70, 24),
            (2, 3, 3, 97, 101, 48),
            (1, 2, 1, 130, 300, 64),
            (1, 4, 2, 100, 517, 96),
            (1, 2, 2, 9, 257, 128),
            (1, 2, 2, 11, 40, 80),
            (2, 4, 4, 1, 33, 96),
            (2, 6, 2, 1, 600, 19),
        ] {
            let q = (random((b, heads, n, d), 1)? * 2.0)?;
            let k = random((b, key_heads, m, d), 2)?;
            let v = random((b, key_heads, m, d), 3)?;
            check(&q, &k, &v, AttentionMask::None)?;
            check(&q, &k, &v, AttentionMask::Causal)?;
        }
        Ok(())
    }

    #[test]
    fn parts_of_a_projection_are_read_where_they_lie() -> Result<()> {
        let qkv = random((2, 37, 3, 4, 48), 1)?.permute((2, 0, 3, 1, 4))?;
        let (q, k, v) = (qkv.get(0)?, qkv.get(1)?, qkv.get(2)?);
        check(&q, &k, &v, AttentionMask::None)?;
        check(&q, &k, &v, AttentionMask::Causal)
    }

    #[test]
    fn views_of_a_cache_are_read_where_they_lie() -> Result<()> {
        let (k, v) = (random((1, 2, 512, 96), 1)?, random((1, 2, 512, 96), 2)?);
        for (m, n) in [(300, 1), (300, 20), (263, 263)] {
            let (k, v) = (k.narrow(2, 0, m)?, v.narrow(2, 0, m)?);
            let q = random((1, n, 8, 96), 3)?.transpose(1, 2)?;
            check(&q, &k, &v, AttentionMask::Causal)?;
        }
        Ok(())
    }

    #[test]
    fn keys_in_half_precision_are_read_as_the_numbers_they_are() -> Result<()> {
        for (heads, key_heads, n, m, d) in [
            (2, 2, 1, 1, 1),
            (4, 2, 1, 301, 96),
            (6, 2, 1, 70, 19),
            (4, 2, 20, 301, 96),
            (2, 1, 97, 101, 50),
            (1, 1, 300, 517, 128),
        ] {
            let q = random((2, n, heads, d), 1)?.transpose(1, 2)?;
            let held = |seed| -> Result<[Tensor; 2]> {
                let narrow = random((2, key_heads, m + 11, d), seed)?.to_dtype(DType::F16)?;
                let narrow = narrow.narrow(2, 0, m)?;
                Ok([narrow.clone(), narrow.to_dtype(DType::F32)?])
            };
            let ([k, wide_k], [v, wide_v]) = (held(2)?, held(3)?);
            for mask in [AttentionMask::None, AttentionMask::Causal] {
                let narrow = attend(&q, &k, &v, 0.3, mask)?;
                let wide = attend(&q, &wide_k, &wide_v, 0.3, mask)?;
                assert_close(&narrow, &wide, 0.0, &format!("{n} to {m} of {d}"))?;
                let plain = attend_plain(&q, &k, &v, 0.3, mask)?;
                let wide = attend_plain(&q, &wide_k, &wide_v, 0.3, mask)?;
                assert_close(&plain, &wide, 0.0, "the plain twin")?;
            }
        }
        Ok(())
    }

    #[test]
    fn great_scores_neither_overflow_nor_hide_the_others() -> Result<()> {
        let q = (random((1, 2, 8, 64), 1)? * 100.0)?;
        let (k, v) = (random((1, 2, 300, 64), 2)?, random((1, 2, 300, 64), 3)?);
        let fused = attend(&q, &k, &v, 1.0, AttentionMask::None)?;
        let plain = attend_plain(&q, &k, &v, 1.0, AttentionMask::None)?;
        // Scores of hundreds carry rounding of 1e-4 into the exponent.
        assert_close(&fused, &plain, 2e-3, "great scores")
    }

    #[test]
    fn gradients_flow() -> Result<()> {
        let q = Var::from_tensor(&random((1, 2, 5, 8), 1)?)?;
        let k = Var::from_tensor(&random((1, 1, 5, 8), 2)?)?;
        let v = Var::from_tensor(&random((1, 1, 5, 8), 3)?)?;
        let mixed = attend(&q, &k, &v, 0.3, AttentionMask::Causal)?;
        let gradients = mixed.sqr()?.sum_all()?.backward()?;
        for t in [&q, &k, &v] {
            assert!(gradients.get(t).is_some());
        }
        Ok(())
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() -> Result<()> {
        let (q, k) = (random((1, 3, 5, 8), 1)?, random((1, 2, 5, 8), 2)?);
        assert!(attend(&q, &k, &k, 1.0, AttentionMask::None).is_err());
        let k = random((1, 3, 4, 8), 2)?;
        assert!(attend(&q, &k, &k, 1.0, AttentionMask::Causal).is_err());
        assert!(attend(&q, &k, &random((1, 3, 5, 8), 3)?, 1.0, AttentionMask::None).is_err());
        Ok(())
    }
}
