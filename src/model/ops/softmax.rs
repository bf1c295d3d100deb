//! The softmax of candle's own operators with a way back in few passes.

use candle_core::{D, Result, Tensor};

use super::with_back;

/// `exp(x) / sum of exp(x)` over the last axis, in one pass. Composed of operators it is slow to go back through: the
/// scores of attention are the largest tensors of all.
pub(super) fn softmax(x: &Tensor) -> Result<Tensor> {
    if !x.track_op() {
        return candle_nn::ops::softmax_last_dim(x);
    }
    let shares = candle_nn::ops::softmax_last_dim(&x.detach().contiguous()?)?;
    with_back("softmax", x, &shares, |_, shares, gradient| {
        let weighted = (shares * gradient)?;
        let sums = weighted.sum_keepdim(D::Minus1)?;
        weighted - shares.broadcast_mul(&sums)?
    })
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;
    use crate::model::ops::testing::{assert_close, random};

    #[test]
    fn it_is_the_composed_softmax_there_and_back() -> Result<()> {
        let x = Var::from_tensor(&random((3, 4, 7), 1)?)?;
        let weights = random((3, 4, 7), 2)?;
        let both = [softmax(&x)?, candle_nn::ops::softmax(&x, D::Minus1)?];
        assert_close(&both[0], &both[1], 1e-6, "shares")?;
        let gradients = both.map(|shares| -> Result<Tensor> {
            let mut store = (shares * &weights)?.sum_all()?.backward()?;
            store
                .remove(&x)
                .ok_or_else(|| candle_core::Error::msg("no gradient"))
        });
        let [ours, composed] = gradients;
        assert_close(&ours?, &composed?, 1e-6, "gradients")
    }
}
