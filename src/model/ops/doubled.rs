//! The transposed convolution of kernel 2 and stride 2 where gradients flow.

use candle_core::{Result, Tensor};

use super::taught::{teachable, with_back3};
use super::values;

/// Cells `[b,d*h*w,in]`, weight `[in,out*8]` and bias `[out]` to `[b,out,2d,2h,2w]`; `None` where nothing is learnt or
/// the kernels cannot run.
pub fn doubled_taught(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    grid: [usize; 3],
) -> Result<Option<Tensor>> {
    if !teachable(&[x, weight, bias]) {
        return Ok(None);
    }
    let (b, n, width) = x.dims3()?;
    let out = bias.dim(0)?;
    let cells = x
        .detach()
        .reshape((b * n, width))?
        .matmul(&weight.detach())?;
    let mut taps = values(&cells)?;
    let biases = values(bias)?;
    for cell in taps.chunks_exact_mut(out * 8) {
        for (taps, bias) in cell.chunks_exact_mut(8).zip(&biases) {
            taps.iter_mut().for_each(|tap| *tap += bias);
        }
    }
    let mut voxels = vec![0.0; taps.len()];
    each_pair(b, out, grid, |tap, voxel| {
        voxels[voxel..voxel + 2].copy_from_slice(&taps[tap..tap + 2]);
    });
    let [d, h, w] = grid.map(|n| 2 * n);
    let doubled = Tensor::from_vec(voxels, (b, out, d, h, w), x.device())?;
    let learns_x = x.track_op();
    let x = x.contiguous()?;
    let with_back = with_back3(
        "doubled",
        [&x, weight, bias],
        &doubled,
        move |[x, weight, _], gradient| {
            let voxels = values(gradient)?;
            let mut taps = vec![0.0; voxels.len()];
            each_pair(b, out, grid, |tap, voxel| {
                taps[tap..tap + 2].copy_from_slice(&voxels[voxel..voxel + 2]);
            });
            let to_bias: Vec<f32> = (0..out)
                .map(|o| {
                    let sum = |batch: usize| -> f64 {
                        let count = voxels.len() / (b * out);
                        let own = &voxels[(batch * out + o) * count..][..count];
                        own.iter().map(|x| f64::from(*x)).sum()
                    };
                    (0..b).map(sum).sum::<f64>() as f32
                })
                .collect();
            let taps = Tensor::from_vec(taps, (b * n, out * 8), x.device())?;
            let to_x = if learns_x {
                Some(taps.matmul(&weight.t()?)?.reshape(x.dims())?)
            } else {
                None
            };
            let to_weight = x.reshape((b * n, width))?.t()?.matmul(&taps)?;
            Ok([
                to_x,
                Some(to_weight),
                Some(Tensor::from_vec(to_bias, out, x.device())?),
            ])
        },
    )?;
    Ok(Some(with_back))
}

/// Calls `take` with the places of every two neighbours along the last axis: in the cells' taps
/// `[b,d,h,w,out,2,2,2]` and in the voxels `[b,out,2d,2h,2w]`.
fn each_pair(b: usize, out: usize, [d, h, w]: [usize; 3], mut take: impl FnMut(usize, usize)) {
    for batch in 0..b {
        for o in 0..out {
            for (z, y) in (0..2 * d).flat_map(|z| (0..2 * h).map(move |y| (z, y))) {
                let row = (((batch * out + o) * 2 * d + z) * 2 * h + y) * 2 * w;
                let cell = ((batch * d + z / 2) * h + y / 2) * w;
                let corner = o * 8 + z % 2 * 4 + y % 2 * 2;
                for x in 0..w {
                    take((cell + x) * out * 8 + corner, row + 2 * x);
                }
            }
        }
    }
}
