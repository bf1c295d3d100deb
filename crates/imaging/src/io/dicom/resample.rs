//! Slices at even distances from slices that are not.

use rayon::prelude::*;

use crate::io::error::{Refusal, reserve};
use crate::volume::Voxels;

/// From where slices were acquired to where they are wanted, in mm along the stack.
pub(super) struct Resampled<'a> {
    /// Ascending.
    pub acquired_mm: &'a [f64],
    /// The first wanted slice is at 0.
    pub spacing_mm: f64,
    pub slices: u32,
}

impl Resampled<'_> {
    /// The acquired slices around a wanted one, and the share of the second.
    fn around(&self, slice: usize) -> (usize, usize, f64) {
        let at = slice as f64 * self.spacing_mm;
        let last = self.acquired_mm.len().saturating_sub(1);
        let after = self.acquired_mm.partition_point(|&mm| mm < at).min(last);
        let before = after.saturating_sub(1);
        let mm = |n: usize| self.acquired_mm.get(n).copied().unwrap_or(0.0);
        let gap = mm(after) - mm(before);
        let share = if gap > 0.0 {
            (at - mm(before)) / gap
        } else {
            1.0
        };
        // An acquired slice stays as it is.
        let share = share.clamp(0.0, 1.0);
        let share = if (share - share.round()).abs() < 1e-6 {
            share.round()
        } else {
            share
        };
        (before, after, share)
    }
}

/// Interpolates linearly between neighbouring slices.
///
/// # Errors
/// When the slices do not fit in memory.
pub(super) fn resample(voxels: &Voxels, stack: &Resampled) -> Result<Voxels, Refusal> {
    macro_rules! rounded {
        ($values:expr, $type:ty) => {
            each_slice($values, stack, |a, b, share| {
                mix(a, b, share).round() as $type
            })?
        };
    }
    Ok(match voxels {
        Voxels::U8(values) => Voxels::U8(rounded!(values, u8)),
        Voxels::I8(values) => Voxels::I8(rounded!(values, i8)),
        Voxels::U16(values) => Voxels::U16(rounded!(values, u16)),
        Voxels::I16(values) => Voxels::I16(rounded!(values, i16)),
        Voxels::I32(values) => Voxels::I32(rounded!(values, i32)),
        Voxels::F32(values) => Voxels::F32(each_slice(values, stack, |a, b, share| {
            mix(a, b, share) as f32
        })?),
        Voxels::Rgb8(values) => Voxels::Rgb8(each_slice(values, stack, |a, b, share| {
            [0, 1, 2].map(|n| mix(a[n], b[n], share).round() as u8)
        })?),
    })
}

fn mix<T: Into<f64>>(a: T, b: T, share: f64) -> f64 {
    let (a, b) = (a.into(), b.into());
    a + (b - a) * share
}

/// The wanted slices, by `mix` of the voxels before and after and the share of those after.
fn each_slice<T: Copy + Default + Send + Sync>(
    values: &[T],
    stack: &Resampled,
    mix: impl Fn(T, T, f64) -> T + Sync,
) -> Result<Vec<T>, Refusal> {
    let per_slice = values.len() / stack.acquired_mm.len().max(1);
    let count = per_slice * stack.slices as usize;
    let mut out = reserve::<T>(count as u64)?;
    out.resize(count, T::default());
    out.par_chunks_mut(per_slice.max(1))
        .enumerate()
        .for_each(|(k, out)| {
            let (before, after, share) = stack.around(k);
            let slice = |n: usize| {
                values
                    .get(n * per_slice..(n + 1) * per_slice)
                    .unwrap_or_default()
            };
            for ((to, &a), &b) in out.iter_mut().zip(slice(before)).zip(slice(after)) {
                *to = mix(a, b, share);
            }
        });
    Ok(out)
}
