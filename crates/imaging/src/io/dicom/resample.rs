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
    macro_rules! linear {
        ($values:expr, $type:ty, $kind:ident, $round:expr) => {{
            let per_slice = $values.len() / stack.acquired_mm.len().max(1);
            let count = per_slice * stack.slices as usize;
            let mut out = reserve::<$type>(count as u64)?;
            out.resize(count, <$type>::default());
            out.par_chunks_mut(per_slice.max(1))
                .enumerate()
                .for_each(|(k, out)| {
                    let (before, after, share) = stack.around(k);
                    let slice = |n: usize| {
                        $values
                            .get(n * per_slice..(n + 1) * per_slice)
                            .unwrap_or_default()
                    };
                    for ((to, &a), &b) in out.iter_mut().zip(slice(before)).zip(slice(after)) {
                        let (a, b) = (f64::from(a), f64::from(b));
                        *to = $round(a + (b - a) * share) as $type;
                    }
                });
            Voxels::$kind(out)
        }};
    }
    Ok(match voxels {
        Voxels::U8(values) => linear!(values, u8, U8, f64::round),
        Voxels::I8(values) => linear!(values, i8, I8, f64::round),
        Voxels::U16(values) => linear!(values, u16, U16, f64::round),
        Voxels::I16(values) => linear!(values, i16, I16, f64::round),
        Voxels::I32(values) => linear!(values, i32, I32, f64::round),
        Voxels::F32(values) => linear!(values, f32, F32, std::convert::identity::<f64>),
    })
}
