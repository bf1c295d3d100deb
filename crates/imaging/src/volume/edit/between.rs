//! Filling between slices that were drawn.

use glam::{DVec2, DVec3, UVec2, UVec3};

use super::{Cancelled, EditError, check};
use crate::volume::measure::crop::Crop;
use crate::volume::measure::distance_map::squared_distances;
use crate::volume::{Mask, Paint};

/// Voxels nearer to the new outline than this lie on it, outside, so that rounding decides nothing.
const ON_OUTLINE_MM: f32 = 1e-4;

/// A mask with the empty slices across an axis of the grid (0 for i, 1 for j, 2 for k) filled between slices that are
/// drawn: by interpolation of the distances from their outlines (Raya and Udupa 1990). Where two drawn slices do not
/// overlap, the outline moves from the middle of one to the middle of the other.
///
/// # Errors
/// When the mask is empty, no empty slice lies between drawn ones, or it was cancelled.
pub fn fill_between(mask: &Mask, axis: usize, cancelled: Cancelled<'_>) -> Result<Mask, EditError> {
    let crop = Crop::around(mask).ok_or(EditError::Empty)?;
    if axis > 2 {
        return Err(EditError::NothingBetween);
    }
    let plane = Plane::of(&crop, axis, mask.grid().spacing_mm());
    let mut filled = mask.clone();
    let mut below: Option<(u32, Outline)> = None;
    let mut any = false;
    for n in 0..crop.dims[axis] {
        check(cancelled)?;
        let Some(outline) = plane.outline(&crop, n) else {
            continue;
        };
        if let Some((from, start)) = below.filter(|(from, _)| from + 1 < n) {
            any = true;
            for between in from + 1..n {
                check(cancelled)?;
                let share = f64::from(between - from) / f64::from(n - from);
                plane.paint(
                    &start.towards(&outline, share, plane.size),
                    between,
                    &mut filled,
                );
            }
        }
        below = Some((n, outline));
    }
    if any {
        Ok(filled)
    } else {
        Err(EditError::NothingBetween)
    }
}

/// The slices across an axis.
struct Plane {
    first: UVec3,
    axis: usize,
    /// The axes in the slice, the first one the faster in memory.
    within: [usize; 2],
    size: UVec2,
    spacing_mm: DVec2,
}

/// What is drawn in a slice: for each voxel the distance from the outline in mm, negative inside.
struct Outline {
    distances: Vec<f32>,
    middle: DVec2,
}

impl Plane {
    fn of(crop: &Crop, axis: usize, spacing_mm: DVec3) -> Self {
        let within = [[1, 2], [0, 2], [0, 1]][axis];
        Self {
            first: crop.first,
            axis,
            within,
            size: UVec2::from_array(within.map(|n| crop.dims[n])),
            spacing_mm: DVec2::from_array(within.map(|n| spacing_mm[n])),
        }
    }

    fn voxel(&self, slice: u32, at: UVec2) -> UVec3 {
        let mut voxel = UVec3::ZERO;
        voxel[self.axis] = slice;
        voxel[self.within[0]] = at.x;
        voxel[self.within[1]] = at.y;
        voxel
    }

    fn places(&self) -> impl Iterator<Item = UVec2> + use<> {
        let size = self.size;
        (0..size.y).flat_map(move |y| (0..size.x).map(move |x| UVec2::new(x, y)))
    }

    /// What is drawn in a slice; `None` where nothing is.
    fn outline(&self, crop: &Crop, slice: u32) -> Option<Outline> {
        let inside: Vec<u8> = self
            .places()
            .map(|at| u8::from(crop.contains(self.voxel(slice, at).as_ivec3())))
            .collect();
        let drawn = self
            .places()
            .zip(&inside)
            .filter(|&(_, &inside)| inside == 1);
        let (count, sum) = drawn.fold((0_u32, DVec2::ZERO), |(n, sum), (at, _)| {
            (n + 1, sum + at.as_dvec2())
        });
        if count == 0 {
            return None;
        }
        // One voxel more on all sides, so that there is an outside.
        let size = self.size + 2;
        let mut wide = vec![0; size.element_product() as usize];
        for (at, &inside) in self.places().zip(&inside) {
            wide[((at.y + 1) * size.x + at.x + 1) as usize] = inside;
        }
        let distances = |marked: &[u8]| {
            let dims = size.extend(1);
            squared_distances(marked, dims, self.spacing_mm.extend(1.0))
        };
        let to_inside = distances(&wide);
        let outside: Vec<u8> = wide.iter().map(|inside| 1 - inside).collect();
        let to_outside = distances(&outside);
        let at = self
            .places()
            .map(|at| ((at.y + 1) * size.x + at.x + 1) as usize);
        Some(Outline {
            distances: at
                .map(|n| to_inside[n].sqrt() - to_outside[n].sqrt())
                .collect(),
            middle: sum / f64::from(count),
        })
    }

    fn paint(&self, inside: &[bool], slice: u32, mask: &mut Mask) {
        for (at, _) in self.places().zip(inside).filter(|&(_, &inside)| inside) {
            mask.paint_run(self.first + self.voxel(slice, at), 1, Paint::Add);
        }
    }
}

impl Outline {
    /// What lies at a share of the way to another outline: a flag for each voxel.
    fn towards(&self, other: &Self, share: f64, size: UVec2) -> Vec<bool> {
        let mut pairs = self.distances.iter().zip(&other.distances);
        let overlap = pairs.any(|(a, b)| *a < 0.0 && *b < 0.0);
        let middle = self.middle.lerp(other.middle, share);
        let [to_self, to_other] = if overlap {
            [DVec2::ZERO; 2]
        } else {
            [self.middle - middle, other.middle - middle]
        };
        let share = share as f32;
        let places =
            (0..size.y).flat_map(|y| (0..size.x).map(move |x| UVec2::new(x, y).as_dvec2()));
        places
            .map(|at| {
                let (a, b) = (self.at(at + to_self, size), other.at(at + to_other, size));
                a * (1.0 - share) + b * share < -ON_OUTLINE_MM
            })
            .collect()
    }

    /// The distance at a place, of the nearest voxel; beyond the box it is outside.
    fn at(&self, at: DVec2, size: UVec2) -> f32 {
        let at = at.round();
        let in_box = at.cmpge(DVec2::ZERO).all() && at.cmplt(size.as_dvec2()).all();
        let held = at.clamp(DVec2::ZERO, size.as_dvec2() - 1.0).as_uvec2();
        let held = self.distances[(held.y * size.x + held.x) as usize];
        if in_box { held } else { held.max(1.0) }
    }
}
