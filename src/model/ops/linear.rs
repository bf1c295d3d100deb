//! The linear layer where gradients flow.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, D, Layout, Result, Shape, Tensor};

use super::taught_rows::{LANES, column_sums};
use super::{contiguous, on_processor};

/// `x W^T + b`, `[..,in]` to `[..,out]`, with a backward pass that makes no more than the three gradients; `None`
/// where nothing is learnt or the kernels cannot run.
pub fn linear_taught(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Option<Tensor>> {
    let tensors: Vec<&Tensor> = [x, weight].into_iter().chain(bias).collect();
    let learnt = tensors.iter().any(|t| t.track_op());
    if !learnt || !on_processor(&tensors) || !weight.dim(0)?.is_multiple_of(LANES) {
        return Ok(None);
    }
    let op = Linear {
        learns_x: x.track_op(),
        learns_weight: weight.track_op(),
    };
    let x = x.contiguous()?;
    match bias {
        None => x.apply_op2(weight, op),
        Some(bias) => x.apply_op3(weight, bias, op),
    }
    .map(Some)
}

struct Linear {
    learns_x: bool,
    learns_weight: bool,
}

impl Linear {
    fn product(
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (width_out, width_in) = weight_layout.shape().dims2()?;
        let rows = layout.shape().elem_count() / width_in.max(1);
        let flat = Layout::contiguous_with_offset((rows, width_in), layout.start_offset());
        let turned = weight_layout.transpose(0, 1)?;
        let y = x.matmul(weight, (1, rows, width_out, width_in), &flat, &turned)?;
        let mut dims = layout.dims().to_vec();
        if let Some(last) = dims.last_mut() {
            *last = width_out;
        }
        Ok((y, Shape::from(dims)))
    }

    fn back(&self, x: &Tensor, weight: &Tensor, gradient: &Tensor) -> Result<[Option<Tensor>; 2]> {
        let (x, weight) = (x.detach(), weight.detach());
        let flat = |t: &Tensor| t.reshape(((), t.dim(D::Minus1)?));
        let gradient = flat(gradient)?;
        let to_x = if self.learns_x {
            Some(gradient.matmul(&weight)?.reshape(x.dims())?)
        } else {
            None
        };
        let to_weight = if self.learns_weight {
            Some(gradient.t()?.matmul(&flat(&x)?)?)
        } else {
            None
        };
        Ok([to_x, to_weight])
    }
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Self::product(x, layout, weight, weight_layout)
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [to_x, to_weight] = self.back(x, weight, &gradient.detach().contiguous()?)?;
        Ok((to_x, to_weight))
    }
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (mut y, shape) = Self::product(x, layout, weight, weight_layout)?;
        let bias = contiguous(bias, bias_layout)?;
        let CpuStorage::F32(numbers) = &mut y else {
            candle_core::bail!("a bias is added to f32")
        };
        for row in numbers.chunks_exact_mut(bias.len().max(1)) {
            row.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
        }
        Ok((y, shape))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.detach().contiguous()?;
        let [to_x, to_weight] = self.back(x, weight, &gradient)?;
        Ok((to_x, to_weight, Some(column_sums(&gradient)?)))
    }
}
