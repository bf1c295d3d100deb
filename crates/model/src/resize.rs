//! Trilinear resizing as three separable matrices.

use candle_core::{DType, Device, Result, Tensor};

use m3d_engine::ops::with_backward;

/// Resizes `[C,D,H,W]` to `[C,D',H',W']` in f32: linear along each axis, corners not aligned, no antialiasing
/// (`interpolate(mode="trilinear", align_corners=False)` in PyTorch).
pub fn trilinear(x: &Tensor, size: [usize; 3]) -> Result<Tensor> {
    let (_, d, h, w) = x.dims4()?;
    let x = x.to_dtype(DType::F32)?.contiguous()?;
    let axes = [
        axis_matrix(d, size[0], x.device())?,
        axis_matrix(h, size[1], x.device())?,
        axis_matrix(w, size[2], x.device())?,
    ];
    if !x.track_op() || !x.device().is_cpu() {
        return along_axes(&x, &axes);
    }
    let resized = along_axes(&x.detach(), &axes)?;
    with_backward("trilinear", &x, &resized, move |_, _, gradient| {
        let transposed = |matrix: &Tensor| matrix.t()?.contiguous();
        let axes = [
            transposed(&axes[0])?,
            transposed(&axes[1])?,
            transposed(&axes[2])?,
        ];
        along_axes(gradient, &axes)
    })
}

/// Multiplies each axis of `[C,D,H,W]` with its matrix `[to, from]`.
fn along_axes(x: &Tensor, [md, mh, mw]: &[Tensor; 3]) -> Result<Tensor> {
    let (c, d, h, w) = x.dims4()?;
    let size = [md.dim(0)?, mh.dim(0)?, mw.dim(0)?];
    // The first axis first: it grows least, so the others work on less.
    // An axis that stays as long as it is stays as it is.
    let mut x = x.clone();
    if size[0] != d {
        x = md.broadcast_left(c)?.matmul(&x.reshape((c, d, h * w))?)?;
    }
    if size[1] != h {
        let planes = x.reshape((c * size[0], h, w))?;
        x = mh.broadcast_left(c * size[0])?.matmul(&planes)?;
    }
    if size[2] != w {
        x = x.reshape((c * size[0] * size[1], w))?.matmul(&mw.t()?)?;
    }
    x.reshape((c, size[0], size[1], size[2]))
}

/// `[to, from]`: each row holds the weights of at most two neighbours.
fn axis_matrix(from: usize, to: usize, device: &Device) -> Result<Tensor> {
    let mut matrix = vec![0f32; from * to];
    let scale = from as f64 / to as f64;
    for (i, row) in matrix.chunks_mut(from).enumerate() {
        let at = ((i as f64 + 0.5) * scale - 0.5).max(0.0);
        let low = (at as usize).min(from - 1);
        let high = (low + 1).min(from - 1);
        let weight = (at - low as f64) as f32;
        row[low] += 1.0 - weight;
        row[high] += weight;
    }
    Tensor::from_vec(matrix, (to, from), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_takes_quarters() -> Result<()> {
        let x = Tensor::new(&[0f32, 4.0, 8.0], &Device::Cpu)?.reshape((1, 1, 1, 3))?;
        let y = trilinear(&x, [1, 1, 6])?.flatten_all()?.to_vec1::<f32>()?;
        assert_eq!(y, [0.0, 1.0, 3.0, 5.0, 7.0, 8.0]);
        Ok(())
    }

    #[test]
    fn a_plane_stays_a_plane_inside() -> Result<()> {
        let plane = |n: [usize; 3]| -> Vec<f32> {
            let at = |i: usize, n: usize| (i as f32 + 0.5) / n as f32;
            (0..n[0] * n[1] * n[2])
                .map(|i| {
                    let (z, y, x) = (i / (n[1] * n[2]), i / n[2] % n[1], i % n[2]);
                    at(z, n[0]) + 2.0 * at(y, n[1]) - 3.0 * at(x, n[2])
                })
                .collect()
        };
        let (from, to) = ([4, 5, 6], [8, 5, 3]);
        let x = Tensor::from_vec(plane(from), (1, from[0], from[1], from[2]), &Device::Cpu)?;
        let y = trilinear(&x, to)?
            .narrow(1, 1, 6)?
            .flatten_all()?
            .to_vec1::<f32>()?;
        let expected = plane(to);
        for (a, b) in y.iter().zip(&expected[15..]) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
        Ok(())
    }
}
