//! Broadcasting where gradients flow through candle's own operators.

use candle_core::{Result, Shape, Tensor};

/// A tensor repeated over the first axes of a shape that ends as its own does. Where it is trained it is made by a product,
/// for then its gradient is a product as well: summing over the first axes is what a GPU does slowest, column by column.
pub fn repeated(x: &Tensor, shape: &Shape) -> Result<Tensor> {
    if !x.track_op() {
        return x.broadcast_as(shape);
    }
    let (own, all) = (x.elem_count(), shape.elem_count());
    let ones = Tensor::ones((all / own.max(1), 1), x.dtype(), x.device())?;
    ones.matmul(&x.reshape((1, own))?)?.reshape(shape)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn a_row_is_there_many_times_and_learns_from_all() -> Result<()> {
        let row = Var::new(&[1_f32, -2.0], &Device::Cpu)?;
        let shape = Shape::from((3, 2));
        let rows = repeated(&row, &shape)?;
        assert_eq!(rows.to_vec2::<f32>()?, [[1.0, -2.0]; 3]);
        let fixed = repeated(&row.detach(), &shape)?;
        assert_eq!(fixed.to_vec2::<f32>()?, [[1.0, -2.0]; 3]);
        let weights = Tensor::new(&[[1_f32, 10.0], [2.0, 20.0], [4.0, 40.0]], &Device::Cpu)?;
        let store = (rows * weights)?.sum_all()?.backward()?;
        let gradient = store.get(&row).map(Tensor::to_vec1::<f32>).transpose()?;
        assert_eq!(gradient, Some(vec![7.0, 70.0]));
        Ok(())
    }
}
