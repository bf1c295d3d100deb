//! The losses of M3D-LaMed: cross entropy on answer tokens, binary cross entropy and Dice on masks.

use candle_core::{D, DType, Result, Tensor};

/// Next-token cross entropy, summed over tokens: scores `[n,vocabulary]`, targets `[n]` u32.
pub fn cross_entropy_sum(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let logits = logits.to_dtype(DType::F32)?;
    // The largest score cancels out; it is taken off as a constant.
    let logits = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
    let normaliser = logits.exp()?.sum(D::Minus1)?.log()?;
    let told = logits
        .gather(&targets.unsqueeze(1)?.contiguous()?, D::Minus1)?
        .squeeze(1)?;
    (normaliser - told)?.sum_all()
}

/// Losses of masks, each summed over the masks.
#[derive(Debug, Clone)]
pub struct MaskLosses {
    /// Binary cross entropy, a mean over the voxels of a mask.
    pub bce: Tensor,
    /// 1 - 2 sum(p t) / (sum p + sum t + 1).
    pub dice: Tensor,
}

/// Logits and targets (0 or 1) of masks, both `[n, voxels]` in f32.
pub fn mask_losses(logits: &Tensor, targets: &Tensor) -> Result<MaskLosses> {
    let shares = candle_nn::ops::sigmoid(logits)?;
    // log(1 + e^z) - z t, in the form that cannot overflow: max(z,0) + log(1 + e^-|z|) - z t.
    let soft = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
    let bce = ((logits.relu()? + soft)? - (logits * targets)?)?;
    let overlap = (&shares * targets)?.sum(1)?;
    let both = (shares.sum(1)? + targets.sum(1)?)?;
    let dice = (1.0 - ((overlap * 2.0)? / (both + 1.0)?)?)?;
    Ok(MaskLosses {
        bce: bce.mean(1)?.sum_all()?,
        dice: dice.sum_all()?,
    })
}
