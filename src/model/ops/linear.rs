//! The linear layer where gradients flow.

use candle_core::{D, Result, Tensor};

use super::taught::{teachable, with_back2, with_back3};
use super::taught_rows::{LANES, column_sums};

/// `x W^T + b`, `[..,in]` to `[..,out]`, with a backward pass that makes no more than the three gradients; `None`
/// where nothing is learnt or the kernels cannot run.
pub fn linear_taught(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Option<Tensor>> {
    let width = weight.dim(0)?;
    let fits = teachable(&[x, weight]) && bias.is_none_or(|bias| teachable(&[x, weight, bias]));
    if !fits || !width.is_multiple_of(LANES) {
        return Ok(None);
    }
    let x = x.contiguous()?;
    let (learns_x, learns_weight) = (x.track_op(), weight.track_op());
    let mut dims = x.dims().to_vec();
    let rows = x.elem_count() / weight.dim(1)?;
    if let Some(last) = dims.last_mut() {
        *last = width;
    }
    let flat = |t: &Tensor| t.reshape((rows, t.dim(D::Minus1)?));
    let y = flat(&x.detach())?.matmul(&weight.detach().t()?)?;
    let back =
        move |x: &Tensor, weight: &Tensor, gradient: &Tensor| -> Result<[Option<Tensor>; 2]> {
            let flat = |t: &Tensor| t.reshape((rows, t.dim(D::Minus1)?));
            let gradient = flat(gradient)?;
            let to_x = if learns_x {
                Some(gradient.matmul(weight)?.reshape(x.dims())?)
            } else {
                None
            };
            let to_weight = if learns_weight {
                Some(gradient.t()?.matmul(&flat(x)?)?)
            } else {
                None
            };
            Ok([to_x, to_weight])
        };
    let out = match bias {
        None => {
            let y = y.reshape(dims)?;
            with_back2("linear", [&x, weight], &y, move |[x, weight], g| {
                back(x, weight, g)
            })?
        }
        Some(bias) => {
            let y = y.broadcast_add(&bias.detach())?.reshape(dims)?;
            with_back3(
                "linear",
                [&x, weight, bias],
                &y,
                move |[x, weight, _], g| {
                    let [to_x, to_weight] = back(x, weight, g)?;
                    Ok([to_x, to_weight, Some(column_sums(g)?)])
                },
            )?
        }
    };
    Ok(Some(out))
}
