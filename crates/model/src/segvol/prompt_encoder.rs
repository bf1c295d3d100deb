//! Prompts as tokens: text, points and boxes; and the random Fourier encoding of places.

use candle_core::{D, DType, Device, Result, Tensor};

use crate::LamedConfig;
use crate::source::Weights;

/// What the mask decoder is asked for; any part may be absent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Prompts<'a> {
    /// The projected `[SEG]` prompt, `[1,embed]`.
    pub text: Option<&'a Tensor>,
    /// Minimum then maximum corner in voxels of the prepared image, axes (D,H,W).
    pub corners: Option<[[f32; 3]; 2]>,
    /// Points in voxels of the prepared image (D,H,W), with whether each lies inside.
    pub points: &'a [([f32; 3], bool)],
}

/// The prompt encoder; its mask branch is never used in 3-D and is not loaded.
#[derive(Debug)]
pub struct PromptEncoder {
    gaussian: Tensor,
    point_embeddings: Vec<Tensor>,
    not_a_point: Tensor,
    no_mask: Tensor,
    dense_position: Tensor,
    image_size: [usize; 3],
}

impl PromptEncoder {
    /// Takes its weights, which must come in f32.
    pub fn new(config: &LamedConfig, weights: &Weights) -> Result<Self> {
        let width = config.seg_config.embed_dim;
        let gaussian = weights
            .pp("pe_layer")
            .get(&[3, width / 2], "positional_encoding_gaussian_matrix")?
            .contiguous()?;
        let point_embeddings = (0..4)
            .map(|i| {
                weights
                    .pp(format!("point_embeddings.{i}"))
                    .get(&[1, width], "weight")
            })
            .collect::<Result<_>>()?;
        let dense_position = dense_position(&gaussian, config.seg_grid())?;
        Ok(Self {
            gaussian,
            point_embeddings,
            not_a_point: weights.pp("not_a_point_embed").get(&[1, width], "weight")?,
            no_mask: weights.pp("no_mask_embed").get(&[1, width], "weight")?,
            dense_position,
            image_size: config.image_size,
        })
    }

    /// Prompt tokens `[1,k,embed]`: points (padded by one non-point where there is no box), box corners, text.
    pub fn sparse(&self, prompts: &Prompts) -> Result<Tensor> {
        let mut tokens = Vec::new();
        for (point, inside) in prompts.points {
            let kind = &self.point_embeddings[usize::from(*inside)];
            tokens.push((self.encode(*point)? + kind)?);
        }
        if !prompts.points.is_empty() && prompts.corners.is_none() {
            tokens.push(self.not_a_point.clone());
        }
        if let Some(corners) = prompts.corners {
            for (corner, kind) in corners.into_iter().zip(&self.point_embeddings[2..]) {
                tokens.push((self.encode(corner)? + kind)?);
            }
        }
        if let Some(text) = prompts.text {
            tokens.push(text.to_dtype(DType::F32)?);
        }
        if tokens.is_empty() {
            return Tensor::zeros(
                (1, 0, self.no_mask.dim(1)?),
                DType::F32,
                self.no_mask.device(),
            );
        }
        Tensor::cat(&tokens, 0)?.unsqueeze(0)
    }

    /// Encoding of the centres of the patch grid, `[1,embed,d,h,w]`.
    pub fn dense_position(&self) -> &Tensor {
        &self.dense_position
    }

    /// What stands for "no mask given", `[1,embed]`.
    pub fn no_mask(&self) -> &Tensor {
        &self.no_mask
    }

    /// One place in voxels, `[1,embed]`. The reference divides the first two axes by each other's size; so the
    /// weights were trained.
    fn encode(&self, point: [f32; 3]) -> Result<Tensor> {
        let [d, h, w] = self.image_size.map(|n| n as f32);
        let unit = [
            (point[0] + 0.5) / h,
            (point[1] + 0.5) / d,
            (point[2] + 0.5) / w,
        ];
        fourier(
            &Tensor::from_vec(unit.to_vec(), (1, 3), self.gaussian.device())?,
            &self.gaussian,
        )
    }
}

/// Places `[n,3]` in 0..1 to `[n,embed]`.
fn fourier(unit: &Tensor, gaussian: &Tensor) -> Result<Tensor> {
    let angles = (((unit * 2.0)? - 1.0)?.matmul(gaussian)? * (2.0 * std::f64::consts::PI))?;
    Tensor::cat(&[angles.sin()?, angles.cos()?], D::Minus1)
}

fn dense_position(gaussian: &Tensor, grid: [usize; 3]) -> Result<Tensor> {
    let [d, h, w] = grid;
    let centre = |i: usize, n: usize| (i as f32 + 0.5) / n as f32;
    // Stacked with the first two axes swapped, as the reference does.
    let unit: Vec<f32> = (0..d * h * w)
        .flat_map(|i| {
            [
                centre(i / w % h, h),
                centre(i / (h * w), d),
                centre(i % w, w),
            ]
        })
        .collect();
    let unit =
        Tensor::from_vec(unit, (d * h * w, 3), &Device::Cpu)?.to_device(gaussian.device())?;
    let encoded = fourier(&unit, gaussian)?;
    encoded.t()?.reshape((1, (), d, h, w))
}
