//! Figures about a volume's values.

use super::Volume;
use super::hounsfield::is_like_hounsfield;
use super::voxels::sum_counts;

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
    /// Whether the values are Hounsfield units by what they are: air, fat, water and bone where they belong.
    pub like_hounsfield: bool,
    /// Whether the voxels are colours; the values are their luma then, of 0 to 255.
    pub colour: bool,
}

const BINS: usize = 4096;

/// What one pass over some values adds up to.
#[derive(Clone, Copy)]
struct Sums {
    count: u64,
    sum: f64,
    squares: f64,
    low: f64,
    high: f64,
}

impl Sums {
    const NONE: Self = Self {
        count: 0,
        sum: 0.0,
        squares: 0.0,
        low: f64::INFINITY,
        high: f64::NEG_INFINITY,
    };

    fn with(mut self, value: f64, times: u64) -> Self {
        if value.is_finite() {
            self.count += times;
            self.sum += value * times as f64;
            self.squares += value * value * times as f64;
            self.low = self.low.min(value);
            self.high = self.high.max(value);
        }
        self
    }

    fn join(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            squares: self.squares + other.squares,
            low: self.low.min(other.low),
            high: self.high.max(other.high),
        }
    }
}

/// The bins of the histogram that percentiles are read from.
struct Bins {
    low: f64,
    width: f64,
}

impl Bins {
    fn over(sums: Sums) -> Self {
        Self {
            low: sums.low,
            width: ((sums.high - sums.low) / BINS as f64).max(f64::MIN_POSITIVE),
        }
    }

    fn add(&self, mut counts: Vec<u64>, value: f64, times: u64) -> Vec<u64> {
        if value.is_finite() {
            counts.resize(BINS, 0);
            counts[(((value - self.low) / self.width) as usize).min(BINS - 1)] += times;
        }
        counts
    }

    /// The middle of the bin below which a share of all `total` values lies.
    fn percentile(&self, counts: &[u64], total: u64, share: f64) -> f32 {
        let wanted = (share * total as f64) as u64;
        let mut seen = 0;
        let bin = counts.iter().position(|&count| {
            seen += count;
            seen > wanted
        });
        (self.low + (bin.unwrap_or(BINS - 1) as f64 + 0.5) * self.width) as f32
    }
}

impl Statistics {
    /// In parallel and without a copy. Voxels of 8 or 16 bits are read once and counted, which tells all figures;
    /// those of 32 are read twice, for the sums and then for the histogram over their range.
    pub fn of(volume: &Volume) -> Self {
        let (voxels, rescale) = (volume.voxels(), volume.rescale());
        let value = |stored: f32| f64::from(stored) * rescale.slope + rescale.intercept;
        let (sums, bins, counts);
        if let Some(stored) = voxels.counts() {
            sums = stored.iter().fold(Sums::NONE, |sums, &(stored, times)| {
                sums.with(value(stored), times)
            });
            bins = Bins::over(sums);
            counts = stored.iter().fold(Vec::new(), |counts, &(stored, times)| {
                bins.add(counts, value(stored), times)
            });
        } else {
            sums = voxels.fold_chunks(
                || Sums::NONE,
                |sums, stored| sums.with(value(stored), 1),
                Sums::join,
            );
            bins = Bins::over(sums);
            counts = voxels.fold_chunks(
                Vec::new,
                |counts, stored| bins.add(counts, value(stored), 1),
                sum_counts,
            );
        }
        if sums.count == 0 {
            return Self {
                min: 0.0,
                max: 0.0,
                mean: 0.0,
                std: 0.0,
                p01: 0.0,
                p99: 0.0,
                like_hounsfield: false,
                colour: voxels.is_colour(),
            };
        }
        let mean = sums.sum / sums.count as f64;
        let variance = sums.squares / sums.count as f64 - mean * mean;
        Self {
            min: sums.low as f32,
            max: sums.high as f32,
            mean,
            std: variance.max(0.0).sqrt(),
            p01: bins.percentile(&counts, sums.count, 0.01),
            p99: bins.percentile(&counts, sums.count, 0.99),
            like_hounsfield: is_like_hounsfield(volume),
            colour: voxels.is_colour(),
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
    /// Of voxels that are counted all figures are those of the same values read one by one.
    #[test]
    fn counted_voxels_have_the_figures_of_the_same_floats() {
        let grid = VoxelGrid::new(UVec3::new(64, 32, 16), DAffine3::IDENTITY).unwrap();
        let mut seed = 3_u32;
        let mut bits = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 16
        };
        let bits: Vec<u16> = (0..grid.len()).map(|_| bits() as u16).collect();
        let rescale = Rescale {
            slope: -0.37,
            intercept: 12.5,
        };
        let of = |voxels| {
            Volume::new(grid, voxels, rescale, Modality::Other, Units::Arbitrary)
                .unwrap()
                .statistics()
        };
        let stored: [Voxels; 4] = [
            Voxels::U8(bits.iter().map(|&b| b as u8).collect()),
            Voxels::I8(bits.iter().map(|&b| b as i8).collect()),
            Voxels::U16(bits.clone()),
            Voxels::I16(bits.iter().map(|&b| b as i16).collect()),
        ];
        for voxels in stored {
            let mut floats = vec![0.0; voxels.len()];
            voxels.read(0..voxels.len(), &mut floats);
            let (name, counted, read) = (voxels.type_name(), of(voxels), of(Voxels::F32(floats)));
            let exact = |s: &Statistics| [s.min, s.max, s.p01, s.p99];
            assert_eq!(exact(&counted), exact(&read), "{name}");
            // The sums are rounded in another order.
            assert!(
                (counted.mean - read.mean).abs() <= 1e-9 * read.std,
                "{name}"
            );
            assert!((counted.std - read.std).abs() <= 1e-9 * read.std, "{name}");
        }
    }
}
