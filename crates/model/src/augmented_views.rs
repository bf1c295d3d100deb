//! One image seen several times, each time moved by a few voxels (test-time augmentation).
//!
//! A transformer cuts an image into patches, and what it draws depends a little on where the cuts fall. Those errors
//! differ from view to view, and the mean of the logits has less of them: a small model's masks gain as much by four
//! views as by many hours of training.

use candle_core::{Result, Tensor};

/// How an image is moved for each view, in voxels along (D,H,W).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AugmentedViews(Vec<[i32; 3]>);

impl AugmentedViews {
    /// These views; with none the image as it is.
    pub fn new(moves: &[[i32; 3]]) -> Self {
        Self(if moves.is_empty() {
            vec![[0; 3]]
        } else {
            moves.to_vec()
        })
    }

    /// How many there are, at least one.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// An image `[1,C,D,H,W]` to its views `[n,C,D,H,W]`. What a view lacks at an edge repeats the edge.
    pub fn of(&self, image: &Tensor) -> Result<Tensor> {
        let views = self.0.iter().map(|by| moved(image, *by));
        Tensor::cat(&views.collect::<Result<Vec<_>>>()?, 0)
    }

    /// The logits of each view, `[n,D,H,W]`, moved back to where the image is: the mean, `[D,H,W]`.
    pub fn mean(&self, logits: &Tensor) -> Result<Tensor> {
        let views = self.0.iter().enumerate();
        let back = views.map(|(n, by)| moved(&logits.narrow(0, n, 1)?, by.map(|step| -step)));
        Tensor::cat(&back.collect::<Result<Vec<_>>>()?, 0)?.mean(0)
    }
}

/// Moves `[..,D,H,W]` by voxels, outwards where a number is positive.
fn moved(x: &Tensor, by: [i32; 3]) -> Result<Tensor> {
    let mut x = x.clone();
    for (step, axis) in by.into_iter().zip(x.rank() - 3..) {
        let (count, n) = (step.unsigned_abs() as usize, x.dim(axis)?);
        if count == 0 {
            continue;
        }
        let kept = n.saturating_sub(count);
        let edge = |at: usize| {
            let mut shape = x.dims().to_vec();
            shape[axis] = n - kept;
            x.narrow(axis, at, 1)?.broadcast_as(shape)
        };
        let parts = if step > 0 {
            [edge(0)?, x.narrow(axis, 0, kept)?]
        } else {
            [x.narrow(axis, n - kept, kept)?, edge(n - 1)?]
        };
        x = Tensor::cat(&parts, axis)?;
    }
    Ok(x)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// 0, 1, 2, ... along D and W of 3 x 1 x 4 voxels.
    fn image() -> Tensor {
        let values: Vec<f32> = (0..12).map(|n| n as f32).collect();
        Tensor::from_vec(values, (1, 1, 3, 1, 4), &Device::Cpu).unwrap()
    }

    fn numbers(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn a_view_is_the_image_moved() {
        let views = AugmentedViews::new(&[[0, 0, 0], [1, 0, -2]])
            .of(&image())
            .unwrap();
        assert_eq!(views.dims(), [2, 1, 3, 1, 4]);
        let views = numbers(&views);
        assert_eq!(views[..12], numbers(&image()));
        let moved = [
            2.0, 3.0, 3.0, 3.0, 2.0, 3.0, 3.0, 3.0, 6.0, 7.0, 7.0, 7.0_f32,
        ];
        assert_eq!(views[12..], moved);
    }

    #[test]
    fn what_is_told_of_views_lies_where_the_image_does() {
        let views = AugmentedViews::new(&[[0, 0, 0], [1, 0, -1], [-1, 0, 1]]);
        assert_eq!(views.count(), 3);
        let logits = views.of(&image()).unwrap().squeeze(1).unwrap();
        let mean = numbers(&views.mean(&logits).unwrap());
        // In the middle nothing was lost at an edge.
        assert_eq!(mean[5..7], [5.0, 6.0]);
        let none = AugmentedViews::new(&[]);
        let logits = none.of(&image()).unwrap().squeeze(1).unwrap();
        assert_eq!(numbers(&none.mean(&logits).unwrap()), numbers(&image()));
    }
}
