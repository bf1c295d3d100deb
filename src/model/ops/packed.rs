//! Attention and rotation for sequences in which several texts share one beginning.

use candle_core::{D, DType, Result, Tensor};

use crate::model::decoder::Packing;

/// `softmax(q k^T * scale) v` with the heads joined again, each position seeing what its packing says.
///
/// q `[b,heads,n,d]`, k and v `[b,kv_heads,n,d]`, a packing for each sequence. Returns `[b,n,heads*d]`.
pub fn attend_packed(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    scale: f64,
    packings: &[Packing],
) -> Result<Tensor> {
    let (b, heads, n, d) = q.dims4()?;
    let key_heads = k.dim(1)?;
    if key_heads == 0 || heads % key_heads != 0 {
        candle_core::bail!("{heads} query heads cannot share {key_heads} key heads")
    }
    let group = heads / key_heads;
    let masks = packings
        .iter()
        .map(|packing| packing.mask(q.device()))
        .collect::<Result<Vec<_>>>()?;
    let mask = Tensor::stack(&masks, 0)?.reshape((b, 1, 1, n, n))?;
    let q = (q.contiguous()? * scale)?.reshape((b, key_heads, group * n, d))?;
    let scores = q
        .matmul(&k.contiguous()?.transpose(2, 3)?)?
        .to_dtype(DType::F32)?
        .reshape((b, key_heads, group, n, n))?
        .broadcast_add(&mask)?
        .reshape((b, key_heads, group * n, n))?;
    candle_nn::ops::softmax(&scores, D::Minus1)?
        .to_dtype(v.dtype())?
        .matmul(&v.contiguous()?)?
        .reshape((b, heads, n, d))?
        .transpose(1, 2)?
        .reshape((b, n, heads * d))
}

/// Rotates the heads of x `[b,n,heads*d]` by the angles of each position, `cos` and `sin` `[b,n,d/2]` in f32. Returns
/// `[b,heads,n,d]`.
pub fn rotate_packed(x: &Tensor, heads: usize, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let (b, n, width) = x.dims3()?;
    if heads == 0 || width % (2 * heads) != 0 {
        candle_core::bail!("{width} columns do not divide into {heads} heads of even width")
    }
    let (d, dtype) = (width / heads, x.dtype());
    let x = x.to_dtype(DType::F32)?.reshape((b, n, heads, d))?;
    let (cos, sin) = (cos.unsqueeze(2)?, sin.unsqueeze(2)?);
    let (low, high) = (
        x.narrow(D::Minus1, 0, d / 2)?,
        x.narrow(D::Minus1, d / 2, d / 2)?,
    );
    let turned = [
        (low.broadcast_mul(&cos)? - high.broadcast_mul(&sin)?)?,
        (high.broadcast_mul(&cos)? + low.broadcast_mul(&sin)?)?,
    ];
    Tensor::cat(&turned, D::Minus1)?
        .to_dtype(dtype)?
        .transpose(1, 2)
}
