//! The spatial pooling projector: patch tokens to the decoder's image tokens.

use candle_core::{Result, Tensor};

use super::LamedConfig;
use super::source::Weights;
use m3d_engine::linear::Linear;
use m3d_engine::ops::gelu;

/// Averages neighbouring patches, then Linear (GELU Linear)*.
#[derive(Debug)]
pub struct Projector {
    layers: Vec<Linear>,
    grid: [usize; 3],
    pooling: usize,
}

impl Projector {
    /// Takes its weights.
    pub fn new(config: &LamedConfig, weights: &Weights) -> Result<Self> {
        let weights = weights.pp("projector");
        let layers = (0..config.proj_layer_num)
            .map(|i| {
                let width_in = if i == 0 {
                    config.mm_hidden_size
                } else {
                    config.hidden_size
                };
                // Activations stand at the odd places of the reference's sequence.
                weights.pp(2 * i).linear(width_in, config.hidden_size)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            layers,
            grid: config.grid(),
            pooling: config.proj_pooling_size,
        })
    }

    /// `[b,patches,mm_hidden]` to `[b,image tokens,hidden]`, both D-major.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.project(&self.pool(x)?)
    }

    /// `[b,image tokens,mm_hidden]` to `[b,image tokens,hidden]`.
    pub fn project(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                x = gelu(&x)?;
            }
            x = layer.forward(&x)?;
        }
        Ok(x)
    }

    /// `[b,patches,mm_hidden]` to the means of neighbours, `[b,image tokens,mm_hidden]`.
    pub fn pool(&self, x: &Tensor) -> Result<Tensor> {
        let (b, _, width) = x.dims3()?;
        let (p, [d, h, w]) = (self.pooling, self.grid.map(|n| n / self.pooling));
        x.reshape(vec![b, d, p, h, p, w, p, width])?
            .permute(vec![0, 1, 3, 5, 2, 4, 6, 7])?
            .reshape((b, d * h * w, p * p * p, width))?
            .mean(2)
    }
}
