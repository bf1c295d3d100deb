//! What a scanner and its kernel do to the picture: slice thickness, sharpness, noise, streaks, and the
//! range of values a file keeps.

use crate::dataset::Random;

/// The dimensions of a picture in memory order and its values.
pub(super) struct Image<'a> {
    pub dims: [usize; 3],
    pub hu: &'a mut [f32],
}

impl Image<'_> {
    /// Neighbours along an axis: how far apart in memory, and how many there are.
    fn axis(&self, axis: usize) -> (usize, usize) {
        let stride = [1, self.dims[0], self.dims[0] * self.dims[1]][axis];
        (stride, self.dims[axis])
    }

    /// Mixes each voxel with its two neighbours along an axis; a negative share sharpens. Ends are kept.
    pub fn mix(&mut self, axis: usize, share: f32) {
        let (stride, count) = self.axis(axis);
        let keep = 1.0 - 2.0 * share;
        let outer = stride * count;
        if count < 3 {
            return;
        }
        let mut before = vec![0.0_f32; stride];
        for block in self.hu.chunks_exact_mut(outer) {
            before.copy_from_slice(&block[..stride]);
            for n in 1..count - 1 {
                let (head, tail) = block.split_at_mut((n + 1) * stride);
                let here = &mut head[n * stride..];
                for ((value, last), next) in here.iter_mut().zip(&mut before).zip(&tail[..stride]) {
                    let old = *value;
                    *value = keep * old + share * (*last + next);
                    *last = old;
                }
            }
        }
    }

    /// Adds noise of a deviation in HU; `grain` (0 to 1) makes it coarser within the slices, but for
    /// their outermost rows and columns.
    pub fn add_noise(&mut self, random: &mut Random, sigma: f32, grain: f32) {
        let mut noise = vec![0.0_f32; self.hu.len()];
        for value in &mut noise {
            *value = random.normal();
        }
        let mut field = Image {
            dims: self.dims,
            hu: &mut noise,
        };
        let share = grain / 3.0;
        if share > 0.01 {
            field.mix(0, share);
            field.mix(1, share);
        }
        // What is left of the deviation after mixing along two axes.
        let left = (1.0 - 2.0 * share).powi(2) + 2.0 * share * share;
        let gain = sigma / left;
        for (value, n) in self.hu.iter_mut().zip(&noise) {
            *value += gain * n;
        }
    }

    /// Bands across the body where dense bone takes most of the beam: hips, shoulders, arms.
    pub fn add_streaks(
        &mut self,
        random: &mut Random,
        strength: f32,
        coronal_axis: usize,
        across: usize,
    ) {
        // Streaks run along `across` (left to right) and change along the other axis of the slice.
        let dims = self.dims;
        let along = 3 - coronal_axis - across;
        let slices = dims[along];
        let lines = dims[coronal_axis];
        let mut bands = vec![0.0_f32; slices * lines];
        for slice in bands.chunks_exact_mut(lines.max(1)) {
            let mut level = 0.0;
            for band in slice {
                level = 0.55 * level + random.normal();
                *band = level * strength;
            }
        }
        let strides = [1, dims[0], dims[0] * dims[1]];
        for (n, value) in self.hu.iter_mut().enumerate() {
            if *value < -950.0 {
                continue;
            }
            let index = |axis: usize| n / strides[axis] % dims[axis];
            let x = (index(across) as f32 + 0.5) / dims[across] as f32 * 2.0 - 1.0;
            *value += bands[index(along) * lines + index(coronal_axis)] * (1.0 - 0.5 * x * x);
        }
    }

    /// Moves and stretches values, and bends their curve around soft tissue.
    pub fn recalibrate(&mut self, shift: f32, gain: f32, bend: f32) {
        for value in self.hu.iter_mut() {
            let v = *value * gain + shift;
            let t = (v / 300.0).clamp(-1.0, 1.0);
            *value = v + bend * t * (1.0 - t * t) * 100.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixing_keeps_the_mean_of_a_ramp_and_smooths_a_spike() {
        let mut ramp: Vec<f32> = (0..24).map(|n| n as f32).collect();
        let wanted = ramp.clone();
        for axis in 0..3 {
            let mut image = Image {
                dims: [4, 3, 2],
                hu: &mut ramp,
            };
            image.mix(axis, 0.2);
        }
        for (a, b) in ramp.iter().zip(&wanted) {
            assert!((a - b).abs() < 1e-5);
        }
        let mut spike = vec![0.0, 0.0, 1.0, 0.0, 0.0];
        Image {
            dims: [1, 5, 1],
            hu: &mut spike,
        }
        .mix(1, 0.25);
        assert_eq!(spike, [0.0, 0.25, 0.5, 0.25, 0.0]);
    }

    #[test]
    fn noise_has_the_deviation_that_was_asked_for() {
        for grain in [0.0, 0.5, 1.0] {
            let mut hu = vec![0.0; 40 * 40 * 20];
            let mut random = Random::new(5, "noise");
            Image {
                dims: [40, 40, 20],
                hu: &mut hu,
            }
            .add_noise(&mut random, 20.0, grain);
            // The outermost rows and columns are not mixed and keep more noise.
            let inner = hu.iter().enumerate().filter(|(n, _)| {
                let (i, j) = (n % 40, n / 40 % 40);
                (1..39).contains(&i) && (1..39).contains(&j)
            });
            let (sum, n) = inner.fold((0.0, 0.0), |(sum, n), (_, v)| (sum + v * v, n + 1.0_f32));
            let sigma = (sum / n).sqrt();
            assert!((sigma - 20.0).abs() < 1.0, "{grain}: {sigma}");
        }
    }
}
