//! Scaled dot-product attention, shared by all networks.

use candle_core::{DType, Result, Tensor};

/// `softmax(q k^T * scale + mask) v`, the softmax in f32 whatever the type.
///
/// q `[b,heads,n,d]`, k and v `[b,heads,m,d]` (any layout whose last axis or rows are contiguous), mask
/// broadcastable to `[b,heads,n,m]`, f32, added. Returns `[b,heads,n,d]`.
pub fn attend(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    scale: f64,
    mask: Option<&Tensor>,
) -> Result<Tensor> {
    let dtype = v.dtype();
    let scores = (q * scale)?
        .matmul(&k.transpose(2, 3)?)?
        .to_dtype(DType::F32)?;
    let scores = match mask {
        Some(mask) => scores.broadcast_add(mask)?,
        None => scores,
    };
    candle_nn::ops::softmax_last_dim(&scores)?
        .to_dtype(dtype)?
        .matmul(v)
}

/// `[b,n,heads*d]` to `[b,heads,n,d]`, contiguous.
pub fn split_heads(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (b, n, width) = x.dims3()?;
    x.reshape((b, n, heads, width / heads))?
        .transpose(1, 2)?
        .contiguous()
}

/// `[b,heads,n,d]` to `[b,n,heads*d]`.
pub fn join_heads(x: &Tensor) -> Result<Tensor> {
    let (b, heads, n, d) = x.dims4()?;
    x.transpose(1, 2)?.reshape((b, n, heads * d))
}
