//! Balls in patient space as runs of voxels.

use glam::{DVec3, UVec3};

use crate::geometry::VoxelGrid;

/// No patient is larger; what is, is held to it.
const MOST_MM: f64 = 1e9;

/// Calls `run(first, len)` for the voxels along `i` whose centres are at most `radius_mm` from a patient
/// point, row by row. The grid may be anisotropic and oblique, or sheared.
pub(super) fn runs(
    grid: &VoxelGrid,
    centre_mm: DVec3,
    radius_mm: f64,
    mut run: impl FnMut(UVec3, u32),
) {
    if !centre_mm.is_finite() || radius_mm.is_nan() || radius_mm < 0.0 {
        return;
    }
    let radius_mm = radius_mm.min(MOST_MM);
    let place = grid.patient_from_voxel();
    let inverse = grid.voxel_from_patient();
    let centre = inverse.transform_point3(centre_mm);
    // The ball reaches as far along an axis as that axis' coordinate changes within a radius.
    let per_mm = DVec3::from_array([0, 1, 2].map(|axis| inverse.matrix3.row(axis).length()));
    let last = grid.dims().as_dvec3() - 1.0;
    let low = (centre - per_mm * radius_mm).floor().max(DVec3::ZERO);
    let high = (centre + per_mm * radius_mm).ceil().min(last);
    if !low.cmple(high).all() {
        return;
    }
    let square = radius_mm * radius_mm;
    let along = place.matrix3.x_axis;
    let per_voxel = along.length_squared();
    for k in low.z as u32..=high.z as u32 {
        for j in low.y as u32..=high.y as u32 {
            let voxel = |i: f64| DVec3::new(i, f64::from(j), f64::from(k));
            let inside = |i: f64| {
                let point_mm = place.transform_point3(voxel(i));
                point_mm.distance_squared(centre_mm) <= square
            };
            // Where the row's line enters and leaves the ball, then the voxels there one by one, so that
            // rounding decides nothing.
            let from_centre = place.transform_point3(voxel(0.0)) - centre_mm;
            let nearest = -along.dot(from_centre) / per_voxel;
            let miss = (from_centre + along * nearest).length_squared();
            let half = ((square - miss).max(0.0) / per_voxel).sqrt();
            let mut from = ((nearest - half).floor() - 1.0).max(low.x);
            let mut to = ((nearest + half).ceil() + 1.0).min(high.x);
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
