//! Smoothing.

use glam::UVec3;
use rayon::prelude::*;

use super::{Cancelled, EditError, check, checked_mm};
use crate::volume::measure::crop::Crop;
use crate::volume::{Mask, Paint};

/// About as many voxels are worked on at a time.
const VOXELS_AT_A_TIME: usize = 1 << 24;
/// The kernel ends at so many deviations.
const TRUNCATE: f64 = 4.0;

/// A mask with a smoother border: blurred by a Gaussian with a deviation of `sigma_mm` along each axis of the grid, what
/// is at least half inside is inside. Details of less than about twice that go, the volume stays about the same. At the
/// image's border it is taken to go on as it is there.
///
/// # Errors
/// When the mask is empty, the length is none from 0 to 200 mm, or it was cancelled.
pub fn smooth(mask: &Mask, sigma_mm: f64, cancelled: Cancelled<'_>) -> Result<Mask, EditError> {
    let sigma_mm = checked_mm(sigma_mm)?;
    let bounds = mask.bounding_box().ok_or(EditError::Empty)?;
    let grid = mask.grid();
    let kernels = grid.spacing_mm().to_array().map(|mm| kernel(sigma_mm / mm));
    let reach = UVec3::from_array([0, 1, 2].map(|axis| kernels[axis].len() as u32 - 1));
    let first = (bounds.min + 0.5).as_uvec3();
    let past = (bounds.max + 0.5).as_uvec3();
    // Nothing beyond the smallest box can be half inside, but what is beyond it counts.
    let low = first.saturating_sub(reach);
    let high = (past + reach).min(grid.dims());
    let area = ((high.x - low.x) as usize * (high.y - low.y) as usize).max(1);
    let thick = ((VOXELS_AT_A_TIME / area).max(1) as u32).saturating_add(reach.z);
    let mut smoothed = Mask::empty(*grid);
    for k in (first.z..past.z).step_by(thick as usize) {
        let part = k..k.saturating_add(thick).min(past.z);
        let from = low.with_z(part.start.saturating_sub(reach.z));
        let to = high.with_z((part.end + reach.z).min(grid.dims().z));
        let crop = Crop::of(mask, from, to - from);
        let mut field: Vec<f32> = crop
            .bytes()
            .par_iter()
            .map(|&byte| f32::from(byte))
            .collect();
        let (width, area) = (crop.dims.x as usize, (crop.dims.x * crop.dims.y) as usize);
        for (kernel, step, length) in [
            (&kernels[0], 1, crop.dims.x),
            (&kernels[1], width, crop.dims.y),
            (&kernels[2], area, crop.dims.z),
        ] {
            check(cancelled)?;
            field = blurred(&field, kernel, step, length as usize, width);
        }
        let rows = (0..).zip(field.chunks_exact(width));
        let rows =
            rows.map(|(n, row)| (from + UVec3::new(0, n % crop.dims.y, n / crop.dims.y), row));
        for (first, row) in rows.filter(|(first, _)| part.contains(&first.z)) {
            let mut at = 0;
            let inside = |&value: &f32| value >= 0.5;
            while let Some(start) = row[at..].iter().position(inside).map(|n| at + n) {
                let end = row[start..]
                    .iter()
                    .position(|v| !inside(v))
                    .map_or(width, |n| start + n);
                let run = first.with_x(first.x + start as u32);
                smoothed.paint_run(run, (end - start) as u32, Paint::Add);
                at = end;
            }
        }
    }
    Ok(smoothed)
}

/// One half of a Gaussian of so many voxels' deviation, its middle first; all of it adds up to 1.
fn kernel(sigma: f64) -> Vec<f32> {
    let reach = (TRUNCATE * sigma + 0.5) as usize;
    if reach == 0 {
        return vec![1.0];
    }
    let weights: Vec<f64> = (0..=reach)
        .map(|n| (-0.5 * (n as f64 / sigma).powi(2)).exp())
        .collect();
    let sum = 2.0 * weights.iter().sum::<f64>() - 1.0;
    weights
        .into_iter()
        .map(|weight| (weight / sum) as f32)
        .collect()
}

/// The field blurred along an axis of `length` places, each `step` from the one before; its ends are held. `width` is
/// the length of a row.
fn blurred(field: &[f32], kernel: &[f32], step: usize, length: usize, width: usize) -> Vec<f32> {
    let mut out = vec![0.0; field.len()];
    out.par_chunks_exact_mut(width)
        .enumerate()
        .for_each(|(row, to)| {
            let start = row * width;
            if step == 1 {
                let from = &field[start..start + width];
                for (at, to) in to.iter_mut().enumerate() {
                    let sides = kernel.iter().enumerate().skip(1);
                    let sides = sides.map(|(n, weight)| {
                        weight * (from[at.saturating_sub(n)] + from[(at + n).min(width - 1)])
                    });
                    *to = kernel[0] * from[at] + sides.sum::<f32>();
                }
                return;
            }
            // Whole rows are added up.
            let at = start / step % length;
            for (n, &weight) in kernel.iter().enumerate() {
                let below = start - (at - at.saturating_sub(n)) * step;
                let above = start + ((at + n).min(length - 1) - at) * step;
                let weight = if n == 0 { weight / 2.0 } else { weight };
                let (below, above) = (&field[below..below + width], &field[above..above + width]);
                for ((to, a), b) in to.iter_mut().zip(below).zip(above) {
                    *to += weight * (a + b);
                }
            }
        });
    out
}
