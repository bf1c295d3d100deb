//! The losses of M3D-LaMed: cross entropy on answer tokens, binary cross entropy and Dice on masks.
//!
//! On the CPU each is one pass over its values forwards and one backwards; elsewhere, and as the twin that tests compare
//! with, candle's own operators.

use candle_core::{D, DType, Result, Tensor};
use rayon::prelude::*;

use m3d_engine::ops::with_backward;

/// Next-token cross entropy, a weighted sum over tokens: scores `[n,vocabulary]`, targets and weights `[n]`.
pub fn cross_entropy_sum(logits: &Tensor, targets: &[u32], weights: &[f32]) -> Result<Tensor> {
    let logits = logits.to_dtype(DType::F32)?;
    let (n, vocabulary) = logits.dims2()?;
    if targets.len() != n || weights.len() != n || targets.iter().any(|&t| t as usize >= vocabulary)
    {
        candle_core::bail!("{} targets for scores {:?}", targets.len(), logits.dims())
    }
    if !logits.device().is_cpu() {
        return cross_entropy_plain(&logits, targets, weights);
    }
    let mut shares: Vec<f32> = logits.detach().flatten_all()?.to_vec1()?;
    let sum: f64 = shares
        .par_chunks_exact_mut(vocabulary.max(1))
        .zip(targets.par_iter().zip(weights))
        .map(|(row, (&target, &weight))| {
            let greatest = row.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
            let target_logit = row[target as usize] - greatest;
            for x in row.iter_mut() {
                *x = (*x - greatest).exp();
            }
            let sum: f32 = row.iter().sum();
            for x in row.iter_mut() {
                *x /= sum;
            }
            // From here on this is the gradient of the scores.
            row[target as usize] -= 1.0;
            for x in row.iter_mut() {
                *x *= weight;
            }
            f64::from(weight * (sum.ln() - target_logit))
        })
        .sum();
    let loss = Tensor::new(sum as f32, logits.device())?;
    let slopes = Tensor::from_vec(shares, (n, vocabulary), logits.device())?;
    with_backward("cross-entropy", &logits, &loss, move |_, _, gradient| {
        slopes.broadcast_mul(gradient)
    })
}

/// [`cross_entropy_sum`] in candle's own operators.
pub fn cross_entropy_plain(logits: &Tensor, targets: &[u32], weights: &[f32]) -> Result<Tensor> {
    let weights = Tensor::new(weights, logits.device())?;
    let targets = Tensor::new(targets, logits.device())?;
    // The largest score cancels out; it is taken off as a constant.
    let logits = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
    let normaliser = logits.exp()?.sum(D::Minus1)?.log()?;
    let target_logit = logits
        .gather(&targets.unsqueeze(1)?.contiguous()?, D::Minus1)?
        .squeeze(1)?;
    ((normaliser - target_logit)? * weights)?.sum_all()
}

/// Logits and targets (0 or 1) of masks, both `[n, voxels]` in f32, to `[2]`: binary cross entropy (a mean over a
/// mask's voxels) and 1 - 2 sum(p t) / (sum p + sum t + 1), each summed over the masks.
pub fn mask_losses(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let (_, voxels) = logits.dims2()?;
    if targets.dims() != logits.dims() {
        candle_core::bail!("masks {:?} for logits {:?}", targets.dims(), logits.dims())
    }
    if !logits.device().is_cpu() {
        return mask_losses_plain(logits, targets);
    }
    let mut z: Vec<f32> = logits.detach().flatten_all()?.to_vec1()?;
    let targets: Vec<f32> = targets.flatten_all()?.to_vec1()?;
    // From here on z holds the shares; each mask keeps its overlap and its sizes' sum.
    let masks: Vec<[f64; 3]> = z
        .par_chunks_exact_mut(voxels.max(1))
        .zip(targets.par_chunks_exact(voxels.max(1)))
        .map(|(z, targets)| {
            let (mut bce, mut overlap, mut both) = (0.0_f64, 0.0_f64, 0.0_f64);
            for (z, t) in z.iter_mut().zip(targets) {
                // log(1 + e^z) - z t, in the form that cannot overflow.
                let e = (-z.abs()).exp();
                bce += f64::from(z.max(0.0) + (1.0 + e).ln() - *z * t);
                let share = if *z >= 0.0 {
                    1.0 / (1.0 + e)
                } else {
                    e / (1.0 + e)
                };
                overlap += f64::from(share * t);
                both += f64::from(share + t);
                *z = share;
            }
            [bce / voxels as f64, overlap, both + 1.0]
        })
        .collect();
    let bce: f64 = masks.iter().map(|m| m[0]).sum();
    let dice: f64 = masks.iter().map(|m| 1.0 - 2.0 * m[1] / m[2]).sum();
    let losses = Tensor::new(&[bce as f32, dice as f32], logits.device())?;
    let shares = z;
    with_backward(
        "mask-losses",
        logits,
        &losses,
        move |logits, _, gradient| {
            let gradient = gradient.to_vec1::<f32>()?;
            let [to_bce, to_dice] = [gradient[0] / voxels as f32, gradient[1]];
            let mut out = vec![0.0; shares.len()];
            out.par_chunks_exact_mut(voxels.max(1))
                .zip(
                    shares
                        .par_chunks_exact(voxels.max(1))
                        .zip(targets.par_chunks_exact(voxels.max(1))),
                )
                .zip(&masks)
                .for_each(|((out, (shares, targets)), [_, overlap, both])| {
                    // Dice's slope by a share: -2 t / both + 2 overlap / both^2.
                    let by_target = (-2.0 / both) as f32 * to_dice;
                    let by_size = (2.0 * overlap / (both * both)) as f32 * to_dice;
                    for ((out, p), t) in out.iter_mut().zip(shares).zip(targets) {
                        *out = to_bce * (p - t) + p * (1.0 - p) * (by_target * t + by_size);
                    }
                });
            Tensor::from_vec(out, logits.dims(), logits.device())
        },
    )
}

/// [`mask_losses`] in candle's own operators.
pub fn mask_losses_plain(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let shares = candle_nn::ops::sigmoid(logits)?;
    // log(1 + e^z) - z t, in the form that cannot overflow: max(z,0) + log(1 + e^-|z|) - z t.
    let soft = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
    let bce = ((logits.relu()? + soft)? - (logits * targets)?)?;
    let overlap = (&shares * targets)?.sum(1)?;
    let both = (shares.sum(1)? + targets.sum(1)?)?;
    let dice = (1.0 - ((overlap * 2.0)? / (both + 1.0)?)?)?;
    Tensor::stack(&[bce.mean(1)?.sum_all()?, dice.sum_all()?], 0)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    fn numbers(count: usize, scale: f32) -> Vec<f32> {
        (0..count)
            .map(|i| scale * (2.0 * m3d_model::rule::uniform("losses", i as u64) - 1.0))
            .collect()
    }

    fn gradient(loss: &Tensor, var: &Var) -> Vec<f32> {
        let store = loss.backward().unwrap();
        store
            .get(var)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap()
    }

    #[test]
    fn one_pass_is_the_plain_operators() -> Result<()> {
        let z = Tensor::from_vec(numbers(3 * 70, 12.0), (3, 70), &Device::Cpu)?;
        let z = Var::from_tensor(&z)?;
        let weights = Tensor::new(&[0.7_f32, 1.3], &Device::Cpu)?;
        let t: Vec<f32> = numbers(210, 1.0)
            .iter()
            .map(|x| f32::from(u8::from(*x > 0.3)))
            .collect();
        let t = Tensor::from_vec(t, (3, 70), &Device::Cpu)?;
        let both = [mask_losses(&z, &t)?, mask_losses_plain(&z, &t)?];
        let sums = both.map(|losses| (losses * &weights).unwrap().sum_all().unwrap());
        assert!((sums[0].to_scalar::<f32>()? - sums[1].to_scalar::<f32>()?).abs() < 1e-5);
        let [a, b] = sums.map(|sum| gradient(&sum, &z));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6));
        let targets = [3, 69, 0];
        let both = [
            cross_entropy_sum(&z, &targets, &[1.0, 0.5, 2.0])?,
            cross_entropy_plain(&z, &targets, &[1.0, 0.5, 2.0])?,
        ];
        assert!((both[0].to_scalar::<f32>()? - both[1].to_scalar::<f32>()?).abs() < 1e-4);
        let [a, b] = both.map(|loss| gradient(&(loss * 0.3).unwrap(), &z));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6));
        Ok(())
    }
}
