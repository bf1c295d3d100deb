//! Figures of a volume's values inside a mask.

use std::ops::Range;

use glam::UVec3;
use rayon::prelude::*;

use super::crop::Crop;
use crate::volume::Volume;

/// The values of an image inside a mask, after rescale. Those that are not finite do not count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values {
    /// The mean.
    pub mean: f64,
    /// The population standard deviation.
    pub std: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The median, exactly; halfway between the two middle ones where there is an even number.
    pub median: f64,
}

/// As many as 16 bits tell apart.
const BINS: usize = 1 << 16;

/// What the first look at some values tells.
struct First {
    count: u64,
    sum: f64,
    /// How often the upper half of each order key occurs.
    upper: Vec<u64>,
}

impl Values {
    /// The figures inside `crop`, a part of the grid of `volume`; `None` where no value is finite.
    pub(super) fn of(volume: &Volume, crop: &Crop) -> Option<Self> {
        let first = over(
            volume,
            crop,
            || First {
                count: 0,
                sum: 0.0,
                upper: vec![0; BINS],
            },
            |first, value| {
                first.count += 1;
                first.sum += f64::from(value);
                first.upper[(key(value) >> 16) as usize] += 1;
            },
            |mut a, b| {
                a.count += b.count;
                a.sum += b.sum;
                add(&mut a.upper, &b.upper);
                a
            },
        );
        let last = first.count.checked_sub(1)?;
        let mean = first.sum / first.count as f64;
        // The least, the greatest and the two middle values: each in a bin of the first look, told apart by the second.
        let ranks = [0, last / 2, first.count / 2, last];
        let wanted = ranks.map(|rank| find(&first.upper, rank));
        let (squares, lower) = over(
            volume,
            crop,
            || (0.0, vec![vec![0; BINS]; ranks.len()]),
            |(squares, lower), value| {
                *squares += (f64::from(value) - mean).powi(2);
                let key = key(value);
                for (counts, (bin, _)) in lower.iter_mut().zip(&wanted) {
                    if (key >> 16) as usize == *bin {
                        counts[(key & 0xFFFF) as usize] += 1;
                    }
                }
            },
            |(squares, mut counts), (more, others)| {
                for (counts, others) in counts.iter_mut().zip(&others) {
                    add(counts, others);
                }
                (squares + more, counts)
            },
        );
        let mut found = wanted.iter().zip(&lower).map(|((bin, rank), counts)| {
            let (low, _) = find(counts, *rank);
            f64::from(value((*bin as u32) << 16 | low as u32))
        });
        let mut next = || found.next().unwrap_or_default();
        let (min, below, above, max) = (next(), next(), next(), next());
        Some(Self {
            mean,
            std: (squares / first.count as f64).sqrt(),
            min,
            max,
            median: f64::midpoint(below, above),
        })
    }
}

/// Every finite value inside. The slices are shared out in the same way each time, so that sums are rounded the same.
fn over<R: Send>(
    volume: &Volume,
    crop: &Crop,
    nothing: impl Fn() -> R + Sync + Send,
    each: impl Fn(&mut R, f32) + Sync + Send,
    join: impl Fn(R, R) -> R,
) -> R {
    const PARTS: usize = 16;
    let width = crop.dims.x as usize;
    let part = |slices: &[(usize, &[u8])]| {
        let mut sums = nothing();
        let mut values = vec![0.0; width];
        for (k, slice) in slices {
            for (j, row) in slice.chunks_exact(width).enumerate() {
                let first = crop.first + UVec3::new(0, j as u32, *k as u32);
                if let Some(range) = range(volume, first, width).filter(|_| row.contains(&1)) {
                    volume.voxels().read(range, &mut values);
                    let inside = values.iter().zip(row).filter(|&(_, &inside)| inside == 1);
                    inside
                        .map(|(&stored, _)| volume.rescale().apply(stored))
                        .filter(|value| value.is_finite())
                        .for_each(|value| each(&mut sums, value));
                }
            }
        }
        sums
    };
    let slices: Vec<(usize, &[u8])> = crop.slices().enumerate().collect();
    let parts = slices.par_chunks(slices.len().div_ceil(PARTS).max(1));
    let parts: Vec<R> = parts.map(part).collect();
    parts.into_iter().reduce(join).unwrap_or_else(nothing)
}

fn range(volume: &Volume, first: UVec3, width: usize) -> Option<Range<usize>> {
    let start = volume.grid().offset(first)?;
    Some(start..start + width)
}

fn add(a: &mut [u64], b: &[u64]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
}

/// The bin of the value of a rank, and its rank in that bin.
fn find(counts: &[u64], rank: u64) -> (usize, u64) {
    let mut rest = rank;
    for (bin, &count) in counts.iter().enumerate() {
        if rest < count {
            return (bin, rest);
        }
        rest -= count;
    }
    (counts.len() - 1, 0)
}

/// A number in the order of the value (IEEE 754: negative values count down).
const fn key(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    }
}

/// The value of a number in order.
const fn value(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 {
        key & !(1 << 31)
    } else {
        !key
    })
}
