//! Passes over all values of a volume, in parallel and a row at a time, without a second copy.

use rayon::prelude::*;

use super::voxels::sum_counts;
use super::{Rescale, Volume};

/// Folds every row of a volume, with its number (`k * height + j`) and its values after rescale.
pub(super) fn fold_rows<S: Send>(
    volume: &Volume,
    start: impl Fn() -> S + Sync,
    each: impl Fn(&mut S, usize, &[f32]) + Sync,
    join: impl Fn(S, S) -> S + Sync,
) -> S {
    let dims = volume.grid().dims();
    let width = dims.x as usize;
    let rows = dims.y as usize * dims.z as usize;
    // A few parts per thread balance the load; each part has a state of its own.
    let parts = (rayon::current_num_threads() * 4).clamp(1, rows);
    (0..parts)
        .into_par_iter()
        .map(|part| {
            let mut state = start();
            let mut values = vec![0.0; width];
            for row in rows * part / parts..rows * (part + 1) / parts {
                read_values(volume, row * width, &mut values);
                each(&mut state, row, &values);
            }
            state
        })
        .reduce(&start, &join)
}

/// The values after rescale of the voxels from `offset` on, as many as `out` holds.
pub(super) fn read_values(volume: &Volume, offset: usize, out: &mut [f32]) {
    volume.voxels().read(offset..offset + out.len(), out);
    rescaled(volume.rescale(), out);
}

/// The values after rescale of voxels that lie `stride` apart, from `offset` on, as many as `out` holds.
pub(super) fn read_strided_values(volume: &Volume, offset: usize, stride: isize, out: &mut [f32]) {
    volume.voxels().read_strided(offset, stride, out);
    rescaled(volume.rescale(), out);
}

fn rescaled(rescale: Rescale, out: &mut [f32]) {
    if rescale != Rescale::IDENTITY {
        for value in out {
            *value = rescale.apply(*value);
        }
    }
}

/// The plainest figures of a volume's finite values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Extent {
    /// The smallest value.
    pub min: f32,
    /// The largest value.
    pub max: f32,
    /// The mean.
    pub mean: f64,
}

/// Smallest, largest and mean value; `None` when no value is finite.
pub(super) fn extent(volume: &Volume) -> Option<Extent> {
    let (count, sum, min, max) = fold_rows(
        volume,
        || (0_u64, 0.0_f64, f32::INFINITY, f32::NEG_INFINITY),
        |(count, sum, min, max), _, row| {
            let mut row_sum = 0.0;
            for &value in row {
                if value.is_finite() {
                    *count += 1;
                    row_sum += f64::from(value);
                    *min = min.min(value);
                    *max = max.max(value);
                }
            }
            *sum += row_sum;
        },
        |a, b| (a.0 + b.0, a.1 + b.1, a.2.min(b.2), a.3.max(b.3)),
    );
    (count > 0).then(|| Extent {
        min,
        max,
        mean: sum / count as f64,
    })
}

/// Half the bits of an f32's rank.
const HALF: usize = 1 << 16;

/// The bits of a finite f32, turned so that they sort as the numbers do.
fn rank_bits(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    }
}

fn from_rank_bits(rank: u32) -> f32 {
    f32::from_bits(if rank >> 31 == 1 {
        rank & !(1 << 31)
    } else {
        !rank
    })
}

/// Exact percentiles (`shares` of 0 to 1, linear between neighbours as numpy's default) of the finite
/// values above `threshold`; `None` when there are none.
///
/// Two histograms find each order statistic exactly: the upper halves of all values' bits, then the
/// lower halves of those in the bins wanted.
pub(super) fn percentiles_above<const N: usize>(
    volume: &Volume,
    threshold: f64,
    shares: [f64; N],
) -> Option<[f64; N]> {
    let upper = histogram(volume, threshold, HALF, |rank| Some((rank >> 16) as usize));
    let total: u64 = upper.iter().sum();
    let last = total.checked_sub(1)?;
    // Each percentile lies between two neighbours in sorted order.
    let places = shares.map(|share| share.clamp(0.0, 1.0) * last as f64);
    let wanted: Vec<u64> = places
        .iter()
        .flat_map(|place| [place.floor() as u64, (place.floor() as u64 + 1).min(last)])
        .collect();
    let found: Vec<(usize, u64)> = wanted
        .iter()
        .map(|&index| find_bin(&upper, index))
        .collect();
    let mut bins: Vec<usize> = found.iter().map(|&(bin, _)| bin).collect();
    bins.sort_unstable();
    bins.dedup();
    let lower = histogram(volume, threshold, bins.len() * HALF, |rank| {
        let at = bins.binary_search(&((rank >> 16) as usize)).ok()?;
        Some(at * HALF + (rank as usize & (HALF - 1)))
    });
    let order_statistic = |n: usize| -> Option<f64> {
        let &(bin, within) = found.get(n)?;
        let at = bins.binary_search(&bin).ok()?;
        let (low, _) = find_bin(lower.get(at * HALF..(at + 1) * HALF)?, within);
        Some(f64::from(from_rank_bits((bin << 16 | low) as u32)))
    };
    let mut out = [0.0; N];
    for (n, value) in out.iter_mut().enumerate() {
        let (low, high) = (order_statistic(2 * n)?, order_statistic(2 * n + 1)?);
        *value = low + (high - low) * (places[n] - places[n].floor());
    }
    Some(out)
}

/// Counts the finite values above `threshold` by the bin their rank falls in.
fn histogram(
    volume: &Volume,
    threshold: f64,
    bins: usize,
    bin_of: impl Fn(u32) -> Option<usize> + Sync,
) -> Vec<u64> {
    fold_rows(
        volume,
        Vec::new,
        |counts: &mut Vec<u64>, _, row| {
            counts.resize(bins, 0);
            for &value in row {
                if value.is_finite()
                    && f64::from(value) > threshold
                    && let Some(bin) = bin_of(rank_bits(value))
                {
                    counts[bin] += 1;
                }
            }
        },
        sum_counts,
    )
}

/// The bin that holds the `index`-th entry of a histogram, and how many entries of that bin precede it.
fn find_bin(histogram: &[u64], index: u64) -> (usize, u64) {
    let mut before = 0;
    for (bin, &count) in histogram.iter().enumerate() {
        if before + count > index {
            return (bin, index - before);
        }
        before += count;
    }
    (histogram.len().saturating_sub(1), 0)
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, UVec3};

    use super::*;
    use crate::geometry::VoxelGrid;
    use crate::volume::{Modality, Units, Voxels};

    fn volume(values: Vec<f32>, slope: f64) -> Volume {
        let dims = UVec3::new(10, values.len() as u32 / 10, 1);
        let grid = VoxelGrid::new(dims, DAffine3::IDENTITY).unwrap();
        let rescale = Rescale {
            slope,
            intercept: 0.0,
        };
        let voxels = Voxels::F32(values);
        Volume::new(grid, voxels, rescale, Modality::Other, Units::Arbitrary).unwrap()
    }

    #[test]
    fn ranks_sort_like_numbers() {
        let sorted = [-1e30, -2.5, -1e-40, 0.0, 1e-40, 3.0, 3.000_000_2, 1e30];
        for pair in sorted.windows(2) {
            assert!(rank_bits(pair[0]) < rank_bits(pair[1]));
        }
        for value in sorted {
            assert_eq!(from_rank_bits(rank_bits(value)), value);
        }
    }

    /// Against sorting, on values of both signs with ties, whatever the sign of the slope.
    #[test]
    fn percentiles_are_those_of_the_sorted_values() {
        let mut seed = 7_u32;
        let mut values: Vec<f32> = (0..3000)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((seed >> 20) as f32 - 2048.0) / 16.0
            })
            .collect();
        values[5] = f32::NAN;
        values[6] = f32::INFINITY;
        for slope in [1.0, -0.5] {
            let volume = volume(values.clone(), slope);
            let mut sorted: Vec<f64> = values
                .iter()
                .map(|&v| f64::from(v) * slope)
                .filter(|v| v.is_finite() && *v > -30.0)
                .collect();
            sorted.sort_by(f64::total_cmp);
            let shares = [0.0, 0.0005, 0.3, 0.9995, 1.0];
            let found = percentiles_above(&volume, -30.0, shares).unwrap();
            for (share, found) in shares.iter().zip(found) {
                let place = share * (sorted.len() - 1) as f64;
                let (low, part) = (place.floor() as usize, place.fract());
                let high = (low + 1).min(sorted.len() - 1);
                let wanted = sorted[low] + (sorted[high] - sorted[low]) * part;
                assert!((found - wanted).abs() < 1e-5, "{share}: {found} {wanted}");
            }
            assert_eq!(percentiles_above(&volume, 1e9, [0.5]), None);
        }
    }

    #[test]
    fn extent_passes_over_what_is_not_finite() {
        let mut values = vec![1.0; 20];
        values[3] = f32::NAN;
        values[4] = f32::NEG_INFINITY;
        values[5] = 19.0;
        let found = extent(&volume(values, 1.0)).unwrap();
        assert_eq!((found.min, found.max, found.mean), (1.0, 19.0, 2.0));
        assert_eq!(extent(&volume(vec![f32::NAN; 10], 1.0)), None);
    }
}
