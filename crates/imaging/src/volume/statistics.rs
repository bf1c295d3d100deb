//! Figures about a volume's values.

use super::Volume;

/// Minimum, maximum, mean, population standard deviation and a few percentiles of a volume's values
/// after rescale. Values that are not finite do not count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// The smallest value.
    pub min: f32,
    /// The largest value.
    pub max: f32,
    /// The mean.
    pub mean: f64,
    /// The population standard deviation.
    pub std: f64,
    /// The 1st percentile, to the width of a histogram bin (range / 4096).
    pub p01: f32,
    /// The 99th percentile, likewise.
    pub p99: f32,
}

const BINS: usize = 4096;

impl Statistics {
    /// Reads every voxel twice (sums, then the histogram), in parallel and without a copy.
    pub fn of(volume: &Volume) -> Self {
        let rescale = volume.rescale();
        let voxels = volume.voxels();
        let (n, sum, squares, low, high) = voxels.fold_chunks(
            || (0_u64, 0.0_f64, 0.0_f64, f64::INFINITY, f64::NEG_INFINITY),
            |(n, sum, squares, low, high), stored| {
                let v = f64::from(stored) * rescale.slope + rescale.intercept;
                if v.is_finite() {
                    (n + 1, sum + v, squares + v * v, low.min(v), high.max(v))
                } else {
                    (n, sum, squares, low, high)
                }
            },
            |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2, a.3.min(b.3), a.4.max(b.4)),
        );
        if n == 0 {
            return Self {
                min: 0.0,
                max: 0.0,
                mean: 0.0,
                std: 0.0,
                p01: 0.0,
                p99: 0.0,
            };
        }
        let mean = sum / n as f64;
        let bin_width = ((high - low) / BINS as f64).max(f64::MIN_POSITIVE);
        let histogram = voxels.fold_chunks(
            Vec::new,
            |mut bins: Vec<u64>, stored| {
                let v = f64::from(stored) * rescale.slope + rescale.intercept;
                if v.is_finite() {
                    bins.resize(BINS, 0);
                    bins[(((v - low) / bin_width) as usize).min(BINS - 1)] += 1;
                }
                bins
            },
            |a, b| {
                let (mut long, short) = if a.len() < b.len() { (b, a) } else { (a, b) };
                long.iter_mut().zip(short).for_each(|(x, y)| *x += y);
                long
            },
        );
        let percentile = |share: f64| {
            let wanted = (share * n as f64) as u64;
            let mut seen = 0;
            let bin = histogram.iter().position(|&count| {
                seen += count;
                seen > wanted
            });
            (low + (bin.unwrap_or(BINS - 1) as f64 + 0.5) * bin_width) as f32
        };
        Self {
            min: low as f32,
            max: high as f32,
            mean,
            std: (squares / n as f64 - mean * mean).max(0.0).sqrt(),
            p01: percentile(0.01),
            p99: percentile(0.99),
        }
    }
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, UVec3};

    use super::*;
    use crate::geometry::VoxelGrid;
    use crate::volume::{Modality, Rescale, Units, Voxels};

    #[test]
    fn figures_of_a_known_ramp() {
        let grid = VoxelGrid::new(UVec3::new(100, 100, 20), DAffine3::IDENTITY).unwrap();
        let mut values: Vec<f32> = (0..200_000).map(|v| v as f32 / 100.0).collect();
        values[7] = f32::NAN;
        let rescale = Rescale {
            slope: 0.5,
            intercept: 3.0,
        };
        let voxels = Voxels::F32(values);
        let volume = Volume::new(grid, voxels, rescale, Modality::Other, Units::Arbitrary).unwrap();
        let found = volume.statistics();
        assert_eq!((found.min, found.max), (3.0, 1002.995));
        assert!((found.mean - 502.9975).abs() < 0.01);
        assert!((found.std - 1000.0 / 12.0_f64.sqrt()).abs() < 0.01);
        assert!((found.p01 - 13.0).abs() < 0.5 && (found.p99 - 993.0).abs() < 0.5);
    }
}
