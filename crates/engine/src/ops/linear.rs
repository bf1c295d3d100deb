//! The linear layer where gradients flow.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, D, Layout, Result, Shape, Tensor};

use super::autocast::tiles;
use super::product::product;
use super::rowwise_backward::{LANES, column_sums};
use super::{contiguous, on_cpu, with_slices};
use crate::kernels::amx::Vectors;

/// `x W^T + b`, `[..,in]` to `[..,out]`, with a backward pass that makes no more than the three gradients; `None`
/// where nothing is learnt or the kernels cannot run.
pub fn linear_with_gradient(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Option<Tensor>> {
    let tensors: Vec<&Tensor> = [x, weight].into_iter().chain(bias).collect();
    let learnt = tensors.iter().any(|t| t.track_op());
    if !learnt || !on_cpu(&tensors) || !weight.dim(0)?.is_multiple_of(LANES) {
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

/// `a b^T` without a backward pass, in f32 in main memory: rows `[n,k]` and `[m,k]`, in any layout, to `[n,m]`; inside
/// [`autocast`](super::autocast()) their values may be rounded to bf16.
pub fn matmul_transposed(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let Some(amx) = tiles().filter(|_| on_cpu(&[a, b])) else {
        return a.matmul(&b.t()?);
    };
    let (a, b) = (a.detach().contiguous()?, b.detach());
    let transposed = !b.is_contiguous();
    let b = if transposed { b.t()?.contiguous()? } else { b };
    let ((n, k), (rows, columns)) = (a.dims2()?, b.dims2()?);
    let m = if transposed { columns } else { rows };
    let y = with_slices([&a, &b], |[a, b]| {
        let b = if transposed {
            Vectors::columns(b, rows, columns)
        } else {
            Vectors::rows(b, rows, columns)
        };
        product(Vectors::rows(a, n, k), b, Some(amx))
    })?;
    Tensor::from_vec(y, (n, m), a.device())
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
        let [stride, step] = [0, 1].map(|axis| weight_layout.stride()[axis]);
        let weight = Vectors {
            values: &weight.as_slice::<f32>()?[weight_layout.start_offset()..],
            count: width_out,
            depth: width_in,
            stride,
            step,
        };
        let x = Vectors::rows(contiguous(x, layout)?, rows, width_in);
        let y = CpuStorage::F32(product(x, weight, tiles()));
        let mut dims = layout.dims().to_vec();
        if let Some(last) = dims.last_mut() {
            *last = width_out;
        }
        Ok((y, Shape::from(dims)))
    }

    fn gradients(
        &self,
        x: &Tensor,
        weight: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; 2]> {
        let (x, weight) = (x.detach(), weight.detach());
        let flat = |t: &Tensor| t.reshape(((), t.dim(D::Minus1)?));
        let gradient = flat(gradient)?;
        let (width_out, width_in) = weight.dims2()?;
        let (rows, amx) = (gradient.dim(0)?, tiles());
        let [to_x, to_weight] = with_slices([&x, &weight, &gradient], |[x, weight, gradient]| {
            let to_x = self.learns_x.then(|| {
                let weight = Vectors::columns(weight, width_out, width_in);
                product(Vectors::rows(gradient, rows, width_out), weight, amx)
            });
            let to_weight = self.learns_weight.then(|| {
                let x = Vectors::columns(x, rows, width_in);
                product(Vectors::columns(gradient, rows, width_out), x, amx)
            });
            [to_x, to_weight]
        })?;
        let tensor = |values: Option<Vec<f32>>, like: &Tensor| {
            let tensor = values.map(|values| Tensor::from_vec(values, like.dims(), like.device()));
            tensor.transpose()
        };
        Ok([tensor(to_x, &x)?, tensor(to_weight, &weight)?])
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
        let [to_x, to_weight] = self.gradients(x, weight, &gradient.detach().contiguous()?)?;
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
        let CpuStorage::F32(values) = &mut y else {
            candle_core::bail!("a bias is added to f32")
        };
        for row in values.chunks_exact_mut(bias.len().max(1)) {
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
        let [to_x, to_weight] = self.gradients(x, weight, &gradient)?;
        Ok((to_x, to_weight, Some(column_sums(&gradient)?)))
    }
}
