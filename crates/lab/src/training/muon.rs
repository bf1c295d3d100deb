//! Muon's direction (Jordan et al. 2024): a matrix's momentum, made orthogonal.
//!
//! All singular values of a step become about one, so what is learnt rarely moves as far as what is learnt often. A
//! small transformer that begins with nothing gets by with fewer volumes that way.

use candle_core::{Result, Tensor};

use m3d_engine::ops::matmul_transposed;

/// The quintic's coefficients, chosen by Muon's authors to lift small singular values fast.
const QUINTIC: [f64; 3] = [3.4445, -4.775, 2.0315];
/// Newton-Schulz steps.
const STEPS: usize = 5;
/// How far a step's root mean square is that of AdamW's, after Liu et al. 2025, so that both go by one rate.
const ADAMW_SIZE: f64 = 0.2;

/// The direction of a step for a momentum `[rows,columns]`: singular vectors as they are, singular values about 1, times
/// what makes the step as long as AdamW's.
pub(super) fn direction(momentum: &Tensor) -> Result<Tensor> {
    let (rows, columns) = momentum.dims2()?;
    let wide = rows <= columns;
    let x = if wide {
        momentum.clone()
    } else {
        momentum.t()?.contiguous()?
    };
    let length = (x.sqr()?.sum_all()?.sqrt()? + 1e-12)?;
    let mut x = x.broadcast_div(&length)?;
    let [a, b, c] = QUINTIC;
    for _ in 0..STEPS {
        let square = matmul_transposed(&x, &x)?;
        // The square is its own transpose.
        let fourth = matmul_transposed(&square, &square)?;
        let inner = ((square * b)? + (fourth * c)?)?;
        x = ((&x * a)? + matmul_transposed(&inner, &x.t()?)?)?;
    }
    let x = if wide { x } else { x.t()?.contiguous()? };
    x * (ADAMW_SIZE * (rows.max(columns) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use candle_core::{D, DType, Device};

    use super::*;

    /// Singular vectors stay, singular values become about 1: the product with the transpose is near the identity, and
    /// rotations of the momentum are rotations of the direction.
    #[test]
    fn singular_values_become_one() -> Result<()> {
        for (rows, columns) in [(12, 40), (40, 12)] {
            let values: Vec<f32> = (0..rows * columns)
                .map(|i| crate::training::initial::normal("momentum", i as u64))
                .collect();
            let momentum = Tensor::from_vec(values, (rows, columns), &Device::Cpu)?;
            let step = (direction(&momentum)? / (ADAMW_SIZE * 40_f64.sqrt()))?;
            let small = if rows < columns {
                step.clone()
            } else {
                step.t()?
            };
            let square = small.matmul(&small.t()?.contiguous()?)?;
            let off = (square - Tensor::eye(12, DType::F32, &Device::Cpu)?)?;
            let worst = off.abs()?.max_all()?.to_scalar::<f32>()?;
            assert!(worst < 0.55, "{rows}x{columns}: {worst}");
            // Along the momentum, and as long as AdamW's step: 0.2 in the root mean square.
            let along = (&step * &momentum)?.sum_all()?.to_scalar::<f32>()?;
            assert!(along > 0.0);
            let size = direction(&momentum)?.sqr()?.mean(D::Minus1)?.mean_all()?;
            let size = size.to_scalar::<f32>()?.sqrt();
            assert!((0.15..0.25).contains(&size), "{size}");
        }
        Ok(())
    }
}
