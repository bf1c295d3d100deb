//! Scaled dot-product attention in candle's own operators, with a backward pass of few passes over memory.

use candle_core::{D, DType, Result, Tensor};
use candle_nn::ops::softmax_last_dim;

use super::with_backward;

/// `softmax(q k^T * scale + mask) v` with the heads joined again, the softmax in f32 whatever the type: q `[b,heads,n,d]`,
/// k and v `[b,key heads,m,d]`, the mask `[b or 1,1,n,m]`. Returns `[b,n,heads*d]`.
pub(super) fn dot_product_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    scale: f64,
    mask: Option<&Tensor>,
) -> Result<Tensor> {
    let (b, heads, n, d) = q.dims4()?;
    let key_heads = k.dim(1)?;
    // Query heads that share a key head become further rows of it: keys and values are never repeated.
    let group = heads / key_heads;
    let q = (q * scale)?.reshape((b, key_heads, group * n, d))?;
    let mask = mask.map(|mask| mask.repeat((1, 1, group, 1))).transpose()?;
    mixed(&q, k, v, mask.as_ref())?
        .reshape((b, heads, n, d))?
        .transpose(1, 2)?
        .reshape((b, n, heads * d))
}

/// `softmax(q k^T + mask) v` where there are as many heads of each.
fn mixed(q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    if ![q, k, v].iter().any(|t| t.track_op()) {
        return probabilities(q, k, mask)?.to_dtype(v.dtype())?.matmul(v);
    }
    let rows = [q.dim(2)?, k.dim(2)?];
    let all = Tensor::cat(&[q, k, v], 2)?.contiguous()?;
    let [q, k, v] = apart(&all.detach(), rows)?;
    let probabilities = probabilities(&q, &k, mask)?;
    let mixed = probabilities.to_dtype(v.dtype())?.matmul(&v)?;
    with_backward("attention", &all, &mixed, move |all, mixed, gradient| {
        backward(&probabilities, apart(all, rows)?, mixed, gradient)?.to_dtype(all.dtype())
    })
}

/// `softmax(q k^T + mask)` in f32, `[b,heads,n,m]`.
fn probabilities(q: &Tensor, k: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    let scores = q.matmul(&k.transpose(2, 3)?)?.to_dtype(DType::F32)?;
    softmax_last_dim(&match mask {
        Some(mask) => scores.broadcast_add(mask)?,
        None => scores,
    })
}

/// Queries, keys and values that lie one after another.
fn apart(all: &Tensor, [n, m]: [usize; 2]) -> Result<[Tensor; 3]> {
    Ok([
        all.narrow(2, 0, n)?,
        all.narrow(2, n, m)?,
        all.narrow(2, n + m, m)?,
    ])
}

/// The gradients of queries, keys and values, one after another. The scores are the largest tensors of all and composed
/// operators go over them a dozen times. The gradient of the scores is
/// `p (dp - sum of p dp)`, p being the probabilities and dp their gradient, and that sum is the dot product of result and
/// gradient: one more column of the product that makes dp.
fn backward(
    probabilities: &Tensor,
    [q, k, v]: [Tensor; 3],
    mixed: &Tensor,
    gradient: &Tensor,
) -> Result<Tensor> {
    let wide = |t: &Tensor| t.to_dtype(DType::F32);
    let (q, k, v) = (wide(&q)?, wide(&k)?, wide(&v)?);
    let (mixed, gradient) = (wide(mixed)?, wide(gradient)?);
    let mean = (mixed * &gradient)?.sum_keepdim(D::Minus1)?;
    let ones = v.narrow(D::Minus1, 0, 1)?.ones_like()?;
    let left = Tensor::cat(&[&gradient, &mean.neg()?], D::Minus1)?.contiguous()?;
    let right = Tensor::cat(&[&v, &ones], D::Minus1)?.contiguous()?;
    let to_scores = (probabilities * left.matmul(&right.transpose(2, 3)?)?)?;
    let to_q = to_scores.matmul(&k)?;
    let to_k = to_scores.transpose(2, 3)?.matmul(&q)?;
    let to_v = probabilities.transpose(2, 3)?.matmul(&gradient)?;
    Tensor::cat(&[to_q, to_k, to_v], 2)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;
    use crate::ops::testing::{assert_close, random};

    const SCALE: f64 = 0.5;

    /// The same composed of operators whose backward pass is candle's.
    fn composed(q: &Tensor, k: &Tensor, v: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let scores = (q.matmul(&k.t()?)? * SCALE)?.broadcast_add(mask)?;
        let mixed = candle_nn::ops::softmax(&scores, D::Minus1)?.matmul(v)?;
        mixed.transpose(1, 2)?.flatten_from(2)
    }

    #[test]
    fn it_is_the_composed_attention_there_and_back() -> Result<()> {
        let var = |shape, seed| Var::from_tensor(&random(shape, seed)?);
        let (q, k) = (var((2, 3, 5, 4), 1)?, var((2, 3, 7, 4), 2)?);
        let v = var((2, 3, 7, 4), 3)?;
        let hidden = |i: usize, j: usize| if j > i + 2 { f32::NEG_INFINITY } else { 0.0 };
        let mask: Vec<f32> = (0..35).map(|at| hidden(at / 7, at % 7)).collect();
        let mask = Tensor::from_vec(mask, (1, 1, 5, 7), &Device::Cpu)?;
        let weights = random((2, 5, 12), 4)?;
        let both = [
            dot_product_attention(&q, &k, &v, SCALE, Some(&mask))?,
            composed(&q, &k, &v, &mask)?,
        ];
        assert_close(&both[0], &both[1], 1e-6, "result")?;
        let still =
            dot_product_attention(&q.detach(), &k.detach(), &v.detach(), SCALE, Some(&mask))?;
        assert_close(&still, &both[1], 1e-6, "result without a graph")?;
        let stores = both.map(|mixed| (mixed * &weights)?.sum_all()?.backward());
        let [ours, theirs] = stores;
        let (ours, theirs) = (ours?, theirs?);
        for (name, var) in [("q", &q), ("k", &k), ("v", &v)] {
            match (ours.get(var), theirs.get(var)) {
                (Some(ours), Some(theirs)) => assert_close(ours, theirs, 1e-5, name)?,
                _ => panic!("no gradient of {name}"),
            }
        }
        Ok(())
    }
}
