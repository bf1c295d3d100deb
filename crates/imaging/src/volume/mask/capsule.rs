//! Balls, and what a moved ball covers, in patient space as runs of voxels.

use glam::{DVec3, UVec3};

use crate::geometry::VoxelGrid;

/// No patient is larger; what is, is held to it.
const MOST_MM: f64 = 1e9;

/// All points at most `radius_mm` from the line between two patient points: a ball where they are one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::volume) struct Capsule {
    /// The ends of the line, in patient mm.
    pub(in crate::volume) ends_mm: [DVec3; 2],
    /// In mm.
    pub(in crate::volume) radius_mm: f64,
}

impl Capsule {
    /// Calls `run(first, len)` for the voxels along `i` whose centres are inside, row by row; of one slice alone where
    /// its axis and number are given. The grid may be anisotropic and oblique, or sheared.
    pub(in crate::volume) fn runs(
        &self,
        grid: &VoxelGrid,
        slice: Option<(usize, u32)>,
        mut run: impl FnMut(UVec3, u32),
    ) {
        let [a, b] = self.ends_mm;
        if !a.is_finite() || !b.is_finite() || self.radius_mm.is_nan() || self.radius_mm < 0.0 {
            return;
        }
        let radius_mm = self.radius_mm.min(MOST_MM);
        let (place, inverse) = (grid.patient_from_voxel(), grid.voxel_from_patient());
        let ends = self.ends_mm.map(|end| inverse.transform_point3(end));
        // The ball reaches as far along an axis as that axis' coordinate changes within a radius.
        let per_mm = DVec3::from_array([0, 1, 2].map(|axis| inverse.matrix3.row(axis).length()));
        let last = grid.dims().as_dvec3() - 1.0;
        let mut low = (ends[0].min(ends[1]) - per_mm * radius_mm)
            .floor()
            .max(DVec3::ZERO);
        let mut high = (ends[0].max(ends[1]) + per_mm * radius_mm).ceil().min(last);
        if let Some((axis, slice)) = slice {
            low[axis] = low[axis].max(f64::from(slice));
            high[axis] = high[axis].min(f64::from(slice));
        }
        if !low.cmple(high).all() {
            return;
        }
        let square = radius_mm * radius_mm;
        let row = place.matrix3.x_axis;
        let length = a.distance(b);
        let axis = (b - a).normalize_or_zero();
        for k in low.z as u32..=high.z as u32 {
            for j in low.y as u32..=high.y as u32 {
                let point =
                    |i: f64| place.transform_point3(DVec3::new(i, f64::from(j), f64::from(k)));
                let inside = |i: f64| {
                    let from_a = point(i) - a;
                    let along = axis * from_a.dot(axis).clamp(0.0, length);
                    from_a.distance_squared(along) <= square
                };
                // Where the row's line enters and leaves both balls and the tube between them, then the voxels there
                // one by one, so that rounding decides nothing.
                let first = point(0.0);
                let across = |v: DVec3| v - axis * v.dot(axis);
                let tube = (length > 0.0)
                    .then(|| span(across(first - a), across(row), square))
                    .flatten()
                    .and_then(|tube| {
                        both(tube, between((first - a).dot(axis), row.dot(axis), length)?)
                    });
                let parts = [
                    span(first - a, row, square),
                    span(first - b, row, square),
                    tube,
                ];
                let Some((enter, leave)) = parts
                    .into_iter()
                    .flatten()
                    .reduce(|(a, b), (c, d)| (a.min(c), b.max(d)))
                else {
                    continue;
                };
                let mut from = (enter.floor() - 1.0).max(low.x);
                let mut to = (leave.ceil() + 1.0).min(high.x);
                while from <= to && !inside(from) {
                    from += 1.0;
                }
                while from < to && !inside(to) {
                    to -= 1.0;
                }
                if from <= to {
                    run(UVec3::new(from as u32, j, k), (to - from) as u32 + 1);
                }
            }
        }
    }
}

/// Between which `t` a line `from + t row` is at most the root of `square` from the origin.
fn span(from: DVec3, row: DVec3, square: f64) -> Option<(f64, f64)> {
    let per_voxel = row.length_squared();
    if per_voxel < 1e-18 {
        return (from.length_squared() <= square).then_some((f64::NEG_INFINITY, f64::INFINITY));
    }
    let nearest = -row.dot(from) / per_voxel;
    let miss = (from + row * nearest).length_squared();
    let half = ((square - miss).max(0.0) / per_voxel).sqrt();
    (miss <= square + 1e-6 * (1.0 + square)).then_some((nearest - half, nearest + half))
}

/// Between which `t` `start + t step` lies between 0 and `length`.
fn between(start: f64, step: f64, length: f64) -> Option<(f64, f64)> {
    if step.abs() < 1e-12 {
        let within = (0.0..=length).contains(&start);
        return within.then_some((f64::NEG_INFINITY, f64::INFINITY));
    }
    let ends = [-start / step, (length - start) / step];
    Some((ends[0].min(ends[1]), ends[0].max(ends[1])))
}

/// What two ranges share.
fn both(a: (f64, f64), b: (f64, f64)) -> Option<(f64, f64)> {
    let (from, to) = (a.0.max(b.0), a.1.min(b.1));
    (from <= to).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DMat3, DQuat, EulerRot};

    use super::*;
    use crate::volume::{Mask, Paint};

    /// Every voxel asked by itself.
    fn plain(grid: &VoxelGrid, centre_mm: DVec3, radius_mm: f64) -> Mask {
        Mask::from_fn(*grid, |v| {
            let point_mm = grid.patient_from_voxel().transform_point3(v.as_dvec3());
            point_mm.distance_squared(centre_mm) <= radius_mm * radius_mm
        })
    }

    #[test]
    fn balls_have_the_voxels_whose_centres_are_inside() {
        let turn = DQuat::from_euler(EulerRot::XYZ, 0.5, -0.35, 2.6);
        let oblique = DAffine3::from_scale_rotation_translation(
            DVec3::new(0.8, 1.1, -3.5),
            turn,
            DVec3::new(-1200.0, 450.0, 3100.0),
        );
        let sheared = DMat3::from_cols(DVec3::X, DVec3::new(0.4, 1.0, 0.0), DVec3::Z * 2.0);
        for place in [oblique, DAffine3::from_mat3(sheared), DAffine3::IDENTITY] {
            let grid = VoxelGrid::new(UVec3::new(70, 45, 33), place).unwrap();
            for (share, radius_mm) in [
                (DVec3::splat(0.5), 12.0),
                (DVec3::new(0.02, 0.9, 0.4), 20.0),
                (DVec3::new(-0.05, 0.5, 0.5), 9.0),
                (DVec3::splat(0.5), 0.0),
                (DVec3::splat(0.5), 500.0),
                (DVec3::splat(0.31), 1.0),
            ] {
                let voxel = (share * grid.dims().as_dvec3()).floor();
                let centre_mm = place.transform_point3(voxel);
                let mut mask = Mask::empty(grid);
                mask.paint_ball(centre_mm, radius_mm, Paint::Add);
                assert_eq!(
                    mask,
                    plain(&grid, centre_mm, radius_mm),
                    "{share} {radius_mm}"
                );
            }
        }
    }

    #[test]
    fn moved_balls_have_the_voxels_whose_centres_are_inside() {
        let turn = DQuat::from_euler(EulerRot::XYZ, 0.5, -0.35, 2.6);
        let oblique = DAffine3::from_scale_rotation_translation(
            DVec3::new(0.8, 1.1, -3.5),
            turn,
            DVec3::new(-1200.0, 450.0, 3100.0),
        );
        let sheared = DMat3::from_cols(DVec3::X, DVec3::new(0.4, 1.0, 0.0), DVec3::Z * 2.0);
        for place in [oblique, DAffine3::from_mat3(sheared), DAffine3::IDENTITY] {
            let grid = VoxelGrid::new(UVec3::new(50, 45, 33), place).unwrap();
            for (from, to, radius_mm) in [
                (DVec3::splat(5.0), DVec3::new(40.0, 30.0, 20.0), 6.1),
                (DVec3::new(5.0, 9.0, 9.0), DVec3::new(30.0, 9.0, 9.0), 3.4),
                (DVec3::new(9.0, 9.0, 2.0), DVec3::new(9.0, 9.0, 30.0), 3.4),
                (
                    DVec3::new(-20.0, 60.0, 9.0),
                    DVec3::new(70.0, -9.0, 9.0),
                    2.0,
                ),
            ] {
                let ends_mm = [from, to].map(|v| place.transform_point3(v));
                let capsule = Capsule { ends_mm, radius_mm };
                for slice in [None, Some((2, 9)), Some((0, 20)), Some((1, 99))] {
                    let mut mask = Mask::empty(grid);
                    capsule.runs(&grid, slice, |first, len| {
                        mask.paint_run(first, len, Paint::Add);
                    });
                    let axis = ends_mm[1] - ends_mm[0];
                    let wanted = Mask::from_fn(grid, |v| {
                        let from = place.transform_point3(v.as_dvec3()) - ends_mm[0];
                        let share = (from.dot(axis) / axis.length_squared()).clamp(0.0, 1.0);
                        slice.is_none_or(|(axis, n)| v[axis] == n)
                            && (from - axis * share).length() <= radius_mm
                    });
                    assert_eq!(mask, wanted, "{from} {to} {slice:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_finite_or_far_away_paints_nothing() {
        let grid = VoxelGrid::new(UVec3::splat(9), DAffine3::IDENTITY).unwrap();
        let mut mask = Mask::empty(grid);
        for (centre_mm, radius_mm) in [
            (DVec3::NAN, 3.0),
            (DVec3::splat(f64::INFINITY), 3.0),
            (DVec3::ZERO, f64::NAN),
            (DVec3::ZERO, -1.0),
            (DVec3::splat(1e300), 3.0),
            (DVec3::splat(-40.0), 20.0),
        ] {
            mask.paint_ball(centre_mm, radius_mm, Paint::Add);
            assert_eq!(mask.count(), 0, "{centre_mm} {radius_mm}");
        }
        mask.paint_ball(DVec3::ZERO, f64::INFINITY, Paint::Add);
        assert_eq!(mask.count(), 9 * 9 * 9);
    }
}
