//! From image tokens to a mask at four times the patch grid.

use candle_core::{D, Result, Tensor};

use crate::source::Weights;
use m3d_engine::ops::fused::{Part, UpscalingSizes, joined, upscale};
use m3d_engine::ops::{LANES, add_bias, gelu, repeated};

const LAYER_NORM_EPS: f64 = 1e-5;

/// Twice doubled: transposed convolution, norm over the whole volume, GELU, transposed convolution, GELU; then the dot
/// product of every voxel's channels with a filter.
///
/// Voxels stay in the order in which the products make them, a patch's eight children side by side, channels last;
/// only the mask itself, one number a voxel, is put into the order of the volume.
#[derive(Debug)]
pub struct Upscaling {
    first: Doubling,
    norm_weight: Tensor,
    norm_bias: Tensor,
    second: Doubling,
    grid: [usize; 3],
    /// Its weights joined for one fused operator, in training.
    joined: Option<Tensor>,
}

impl Upscaling {
    /// Takes its weights, which must come in f32; `grid` counts patches, (D,H,W).
    pub fn new(width: usize, grid: [usize; 3], weights: &Weights) -> Result<Self> {
        let norm = |name| norm_weights(width / 4, grid, &weights.pp(1), name);
        let mut upscaling = Self {
            first: Doubling::new(width, width / 4, &weights.pp(0))?,
            norm_weight: norm("weight")?,
            norm_bias: norm("bias")?,
            second: Doubling::new(width / 4, width / 8, &weights.pp(3))?,
            grid,
            joined: None,
        };
        if width.is_multiple_of(LANES) {
            upscaling.joined = joined([
                Part::Tensor(&upscaling.first.weight.t()?),
                Part::Tensor(&upscaling.first.bias),
                Part::Tensor(&upscaling.norm_weight),
                Part::Tensor(&upscaling.norm_bias),
                Part::Tensor(&upscaling.second.weight.t()?),
                Part::Tensor(&upscaling.second.bias),
            ])?;
        }
        Ok(upscaling)
    }

    /// Image tokens `[b,d*h*w,width]` and filters `[b,1,width/8]` to logits `[b,1,4d,4h,4w]`.
    pub fn forward(&self, image: &Tensor, filter: &Tensor) -> Result<Tensor> {
        if let Some(weights) = &self.joined {
            let sizes = UpscalingSizes {
                grid: self.grid,
                width: image.dim(D::Minus1)?,
                eps: LAYER_NORM_EPS,
            };
            return upscale(image, filter, weights, sizes);
        }
        let x = gelu(&self.norm(&self.first.forward(image)?)?)?;
        let x = gelu(&self.second.forward(&x)?)?;
        let mask = x.matmul(&filter.transpose(1, 2)?)?;
        let (b, [d, h, w]) = (mask.dim(0)?, self.grid);
        // First within each patch, then the patches: candle adds gradients of at most eight axes.
        mask.reshape(vec![b * d * h * w, 2, 2, 2, 2, 2, 2])?
            .permute(vec![0, 1, 4, 2, 5, 3, 6])?
            .reshape(vec![b, d, h, w, 4, 4, 4])?
            .permute(vec![0, 1, 4, 2, 5, 3, 6])?
            .reshape((b, 1, 4 * d, 4 * h, 4 * w))
    }

    /// Layer norm over (C,D,H,W), `[b,voxels,C]`. Means are taken axis by axis: a single f32 sum over millions would
    /// drift.
    fn norm(&self, x: &Tensor) -> Result<Tensor> {
        let mean = |x: &Tensor| x.mean_keepdim(D::Minus1)?.mean_keepdim(1);
        let centred = x.broadcast_sub(&mean(x)?)?;
        let deviation = (mean(&centred.sqr()?)? + LAYER_NORM_EPS)?.sqrt()?;
        let normal = centred.broadcast_div(&deviation)?;
        let all = x.shape();
        (normal * repeated(&self.norm_weight, all)?)? + repeated(&self.norm_bias, all)?
    }
}

/// `[C,2d,2h,2w]` as `[d*h*w*8,C]`.
fn norm_weights(
    channels: usize,
    grid: [usize; 3],
    weights: &Weights,
    name: &str,
) -> Result<Tensor> {
    let [d, h, w] = grid;
    weights
        .get(&[channels, 2 * d, 2 * h, 2 * w], name)?
        .reshape(vec![channels, d, 2, h, 2, w, 2])?
        .permute(vec![1, 3, 5, 2, 4, 6, 0])?
        .reshape((d * h * w * 8, channels))
}

/// A transposed convolution of kernel 2 and stride 2: no two outputs overlap, so it is one matrix product.
#[derive(Debug)]
struct Doubling {
    /// `[in,8*out]`, the eight children in turn.
    weight: Tensor,
    /// `[8*out]`.
    bias: Tensor,
}

impl Doubling {
    fn new(width_in: usize, width_out: usize, weights: &Weights) -> Result<Self> {
        let weight = weights.get(&[width_in, width_out, 2, 2, 2], "weight")?;
        let weight = weight.reshape((width_in, width_out, 8))?;
        Ok(Self {
            weight: weight.transpose(1, 2)?.reshape((width_in, 8 * width_out))?,
            bias: weights.get(&[width_out], "bias")?.repeat(8)?,
        })
    }

    /// `[b,n,in]` to `[b,8*n,out]`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (b, n, width_in) = x.dims3()?;
        let y = x.reshape((b * n, width_in))?.matmul(&self.weight)?;
        add_bias(y, &self.bias)?.reshape((b, 8 * n, ()))
    }
}
