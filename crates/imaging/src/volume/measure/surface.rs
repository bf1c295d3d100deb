//! How far the surfaces of two masks are apart.

use glam::UVec3;
use rayon::prelude::*;

use super::MeasureError;
use super::crop::Crop;
use super::distance_map::squared_distances;
use crate::volume::Mask;

/// The distances in mm from each surface voxel of one mask to the nearest of the other, both ways, between centres.
///
/// A voxel is of the surface when one of its six neighbours is outside of the mask or of the image, as in MONAI and
/// medpy, so that figures compare with theirs.
#[derive(Clone, Debug, PartialEq)]
pub struct SurfaceDistances {
    /// From the first to the second and back, each sorted; infinite where the other mask is empty.
    both: [Vec<f32>; 2],
}

/// The most that the cosine between two axes of a grid may be for distances along them to be added by Pythagoras.
const RIGHT_ANGLE: f64 = 1e-3;

/// The distances between the surfaces of two masks of one grid.
///
/// # Errors
/// When the masks lie on different grids, or the axes of theirs are not at right angles.
pub fn surface_distances(a: &Mask, b: &Mask) -> Result<SurfaceDistances, MeasureError> {
    let grid = a.grid();
    if !grid.matches(b.grid()) {
        return Err(MeasureError::OtherGrid);
    }
    let axes = grid.directions();
    let cosines = [(0, 1), (0, 2), (1, 2)].map(|(m, n)| axes.col(m).dot(axes.col(n)));
    if cosines.iter().any(|cosine| cosine.abs() > RIGHT_ANGLE) {
        return Err(MeasureError::Skewed);
    }
    let boxes = [a.bounding_box(), b.bounding_box()].into_iter().flatten();
    let Some((low, high)) = boxes
        .map(|bounds| (bounds.min, bounds.max))
        .reduce(|(low, high), (min, max)| (low.min(min), high.max(max)))
    else {
        return Ok(SurfaceDistances {
            both: [Vec::new(), Vec::new()],
        });
    };
    let first = (low + 0.5).as_uvec3();
    let dims = (high + 0.5).as_uvec3() - first;
    let [a, b] = [a, b].map(|mask| surface(&Crop::of(mask, first, dims)));
    let spacing = grid.spacing_mm();
    let from = |surface: &[u8], other: &[u8]| {
        let squared = squared_distances(other, dims, spacing);
        let on_surface = surface.par_iter().zip(squared).filter(|&(&s, _)| s == 1);
        let mut distances: Vec<f32> = on_surface.map(|(_, d)| d.sqrt()).collect();
        distances.par_sort_unstable_by(f32::total_cmp);
        distances
    };
    Ok(SurfaceDistances {
        both: [from(&a, &b), from(&b, &a)],
    })
}

/// The voxels inside that have a neighbour outside.
fn surface(crop: &Crop) -> Vec<u8> {
    let UVec3 { x, y, z } = crop.dims;
    let steps = [1, x as usize, x as usize * y as usize];
    let inside = crop.bytes();
    let is_surface = |offset: usize| {
        let voxel = crop.voxel(offset);
        (0..3).any(|axis| {
            let step = steps[axis];
            voxel[axis] == 0
                || voxel[axis] + 1 == [x, y, z][axis]
                || inside[offset - step] & inside[offset + step] == 0
        })
    };
    let voxels = inside.par_iter().enumerate();
    voxels
        .map(|(offset, &inside)| u8::from(inside == 1 && is_surface(offset)))
        .collect()
}

impl SurfaceDistances {
    /// The average symmetric surface distance (ASSD) in mm: the mean over the surface voxels of both. 0 for two empty
    /// masks; `None` when one of them is empty.
    pub fn assd_mm(&self) -> Option<f64> {
        self.figure(|both| {
            let all = both.iter().flatten();
            let sum: f64 = all.map(|&d| f64::from(d)).sum();
            sum / (both[0].len() + both[1].len()) as f64
        })
    }

    /// The 95th percentile of the Hausdorff distance (HD95) in mm: the larger one of both ways, interpolated between
    /// ranks. 0 for two empty masks; `None` when one of them is empty.
    pub fn hd95_mm(&self) -> Option<f64> {
        self.figure(|both| percentile(&both[0], 0.95).max(percentile(&both[1], 0.95)))
    }

    /// The Hausdorff distance in mm: the largest of all. 0 for two empty masks; `None` when one of them is empty.
    pub fn hausdorff_mm(&self) -> Option<f64> {
        self.figure(|both| percentile(&both[0], 1.0).max(percentile(&both[1], 1.0)))
    }

    /// The normalised surface Dice (NSD): the share of the surface voxels of both that lie within a tolerance in mm of
    /// the other surface. 1 for two empty masks, 0 when one of them is empty.
    pub fn nsd(&self, tolerance_mm: f64) -> f64 {
        let [a, b] = &self.both;
        if a.is_empty() && b.is_empty() {
            return 1.0;
        }
        let within = |d: &[f32]| d.partition_point(|&d| f64::from(d) <= tolerance_mm);
        (within(a) + within(b)) as f64 / (a.len() + b.len()) as f64
    }

    fn figure(&self, of: impl Fn(&[Vec<f32>; 2]) -> f64) -> Option<f64> {
        match (self.both[0].is_empty(), self.both[1].is_empty()) {
            (true, true) => Some(0.0),
            (false, false) => Some(of(&self.both)),
            _ => None,
        }
    }
}

/// A percentile of sorted distances, interpolated between neighbouring ranks as numpy does; 0 of none.
fn percentile(sorted: &[f32], share: f64) -> f64 {
    let at = share * sorted.len().saturating_sub(1) as f64;
    let value = |n: usize| f64::from(sorted.get(n).copied().unwrap_or_default());
    let (low, part) = (at.floor(), at.fract());
    value(low as usize) * (1.0 - part) + value(at.ceil() as usize) * part
}
