//! Shapes whose figures are known in closed form.

use std::f64::consts::PI;

use glam::{DAffine3, DQuat, DVec3, EulerRot, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::measure::{
    Comparison, MeasureError, Measured, Side, longest_in_plane, measure,
};
use m3d_imaging::volume::{Mask, Paint};

use crate::support::{blank, drawn, drawn_coarsely, grid, grids};

fn within(what: &str, measured: Measured, wanted: f64) {
    let off = (measured.value - wanted).abs();
    assert!(off <= measured.error, "{what}: {measured:?}, {wanted}");
    assert!(!measured.at_least, "{what}");
    // An error that allows anything would prove nothing.
    assert!(measured.error < 0.5 * wanted, "{what}: {measured:?}");
}

/// Half axes of an ellipsoid, and how it is turned in the patient.
const HALF: DVec3 = DVec3::new(31.0, 19.0, 24.0);

fn turn() -> DQuat {
    DQuat::from_euler(EulerRot::XYZ, 0.3, 0.8, -0.5)
}

fn ellipsoid(place: DVec3) -> bool {
    (turn().inverse() * place / HALF).length_squared() <= 1.0
}

/// How far the ellipsoid reaches along a patient axis.
fn reach(axis: DVec3) -> f64 {
    2.0 * (HALF * (turn().inverse() * axis)).length()
}

#[test]
fn the_longest_diameter_in_a_slice_is_that_of_its_widest_slice() {
    for grid in grids(20.0) {
        let ball = drawn(grid, |at| at.length() <= 12.0);
        let found = longest_in_plane(&ball).unwrap();
        // Plainly: corners of voxels of one slice, pair by pair.
        let mut best: f64 = 0.0;
        for k in 0..grid.dims().z {
            let voxels = ball.iter().filter(|voxel| voxel.z == k);
            let corners: Vec<DVec3> = voxels
                .flat_map(|voxel| {
                    [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)].map(|(x, y)| {
                        let corner = voxel.as_dvec3() + DVec3::new(x, y, 0.0);
                        grid.patient_from_voxel().transform_point3(corner)
                    })
                })
                .collect();
            // The extremes along many directions hold the farthest pair.
            let axes = grid.directions();
            let extremes: Vec<DVec3> = (0..360)
                .filter_map(|n| {
                    let turn = f64::from(n).to_radians();
                    let way = axes.x_axis * turn.cos() + axes.y_axis * turn.sin();
                    let along = |p: &&DVec3| p.dot(way);
                    corners
                        .iter()
                        .max_by(|a, b| along(a).total_cmp(&along(b)))
                        .copied()
                })
                .collect();
            for a in &extremes {
                best = extremes
                    .iter()
                    .fold(best, |best, b| best.max(a.distance(*b)));
            }
        }
        assert!(
            (found.length_mm - best).abs() < 1e-6,
            "{} {best}",
            found.length_mm
        );
        assert!((found.ends_mm[0].distance(found.ends_mm[1]) - found.length_mm).abs() < 1e-9);
    }
    assert_eq!(longest_in_plane(&Mask::empty(grids(20.0)[0])), None);
}

#[test]
fn an_ellipsoid_on_grids_of_all_kinds() {
    for (n, grid) in grids(38.0).into_iter().enumerate() {
        for times in [UVec3::ONE, UVec3::new(3, 3, 1), UVec3::new(4, 4, 2)] {
            let (mask, size) = drawn_coarsely(grid, times, ellipsoid);
            let found = measure(&mask, &blank(grid), Some(size)).unwrap();
            let what = format!("grid {n}, drawn {times}");
            let wanted = 4.0 / 3.0 * PI * HALF.element_product() / 1000.0;
            within(&what, found.volume_ml, wanted);
            for (axis, extent) in found.extents_mm.into_iter().enumerate() {
                within(&what, extent, reach(DVec3::AXES[axis]));
            }
            within(&what, found.longest_diameter_mm, 62.0);
            let ends = found.longest_ends_mm;
            let along = (ends[1] - ends[0]).normalize();
            assert!(along.dot(turn() * DVec3::X).abs() > 0.95, "{what}: {along}");
            assert!(found.centroid_mm.length() < size.length() / 4.0, "{what}");
            assert!(found.cut_by.is_empty());
            assert_eq!(found.voxels, mask.count());
            assert_eq!(found.check_diameter(), Ok(()));
        }
    }
}

/// At full resolution the volume is far nearer than its error, which is a bound.
#[test]
fn a_cylinder_at_full_resolution() {
    let axis = DVec3::new(0.2, -0.5, 1.0).normalize();
    let (radius, half): (f64, f64) = (11.0, 27.0);
    let inside = |p: DVec3| p.dot(axis).abs() <= half && p.reject_from(axis).length() <= radius;
    for grid in grids(32.0) {
        let found = measure(&drawn(grid, inside), &blank(grid), None).unwrap();
        let volume = PI * radius * radius * 2.0 * half / 1000.0;
        assert!((found.volume_ml.value / volume - 1.0).abs() < 0.02);
        within("volume", found.volume_ml, volume);
        within(
            "longest",
            found.longest_diameter_mm,
            2.0 * radius.hypot(half),
        );
    }
}

/// The two farthest border corners are those of all pairs.
#[test]
fn the_longest_diameter_is_that_of_all_corners() {
    let mut state = 5_u64;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f64 / f64::from(1 << 24)
    };
    for grid in grids(9.0) {
        for _ in 0..6 {
            let mut mask = Mask::empty(grid);
            for _ in 0..3 {
                let at = 5.0 * DVec3::new(random() - 0.5, random() - 0.5, random() - 0.5);
                mask.paint_ball(at, 1.0 + 4.0 * random(), Paint::Add);
            }
            let corners: Vec<DVec3> = mask
                .iter()
                .flat_map(|voxel| {
                    (0..8_u32).map(move |n| {
                        let corner = UVec3::new(n & 1, n >> 1 & 1, n >> 2).as_dvec3() - 0.5;
                        grid.patient_from_voxel()
                            .transform_point3(voxel.as_dvec3() + corner)
                    })
                })
                .collect();
            let pairs = corners
                .iter()
                .flat_map(|a| corners.iter().map(|b| a.distance(*b)));
            let longest = pairs.fold(0.0, f64::max);
            let found = measure(&mask, &blank(grid), None).unwrap();
            assert!((found.longest_diameter_mm.value - longest).abs() < 1e-9);
            let [a, b] = found.longest_ends_mm;
            assert!((a.distance(b) - longest).abs() < 1e-9);
            for axis in 0..3 {
                let along = corners.iter().map(|c| c[axis]);
                let (low, high) =
                    along.fold((f64::MAX, f64::MIN), |(l, h), x| (l.min(x), h.max(x)));
                assert!((found.extents_mm[axis].value - (high - low)).abs() < 1e-9);
            }
        }
    }
}

#[test]
fn one_voxel_is_a_box() {
    let place = DAffine3::from_scale(DVec3::new(2.0, 3.0, 6.0));
    let grid = VoxelGrid::new(UVec3::splat(5), place).unwrap();
    let mut mask = Mask::empty(grid);
    mask.paint_run(UVec3::new(2, 1, 3), 1, Paint::Add);
    let found = measure(&mask, &blank(grid), None).unwrap();
    assert_eq!(found.extents_mm.map(|e| e.value), [2.0, 3.0, 6.0]);
    assert_eq!(found.longest_diameter_mm.value, 7.0);
    assert_eq!(
        found.longest_ends_mm,
        [DVec3::new(3.0, 1.5, 15.0), DVec3::new(5.0, 4.5, 21.0)]
    );
    assert!((found.volume_ml.value - 0.036).abs() < 1e-12);
    // Six faces, half a voxel each.
    assert!((found.volume_ml.error - 3.0 * 0.036).abs() < 1e-12);
    assert_eq!(found.drawn_voxels, 1.0);
    assert!(matches!(
        found.check_diameter(),
        Err(MeasureError::TooFine { .. })
    ));
    let coarse = measure(&mask, &blank(grid), Some(DVec3::new(4.0, 3.0, 12.0))).unwrap();
    assert!((coarse.drawn_voxels - 0.25).abs() < 1e-12);
}

#[test]
fn what_cannot_be_measured_says_why() {
    let grid = grids(10.0)[0];
    let mask = drawn(grid, |p| p.length() < 6.0);
    let empty = Mask::empty(grid);
    let image = blank(grid);
    assert_eq!(measure(&empty, &image, None), Err(MeasureError::Empty));
    let other = blank(grids(10.0)[1]);
    assert_eq!(measure(&mask, &other, None), Err(MeasureError::OtherGrid));
    for size in [
        DVec3::ZERO,
        DVec3::NAN,
        DVec3::new(1.0, -1.0, 1.0),
        DVec3::INFINITY,
    ] {
        let found = measure(&mask, &image, Some(size));
        assert!(matches!(found, Err(MeasureError::DrawnSize(_))), "{size}");
    }
}

/// A ball that runs out of the image at one side.
fn cut_at(grid: VoxelGrid, out: DVec3) -> Vec<Side> {
    let corners = grid.corners_mm();
    let edge = corners.iter().map(|c| c.dot(out)).fold(f64::MIN, f64::max);
    let mask = drawn(grid, |p| p.distance(out * edge) < 8.0);
    let found = measure(&mask, &blank(grid), None).unwrap();
    assert!(found.volume_ml.at_least && found.longest_diameter_mm.at_least);
    for (axis, extent) in found.extents_mm.iter().enumerate() {
        assert_eq!(extent.at_least, out[axis] != 0.0, "{out}");
    }
    assert!(found.volume_words(true).starts_with("at least "));
    found.cut_by
}

#[test]
fn a_cut_is_named_by_the_side_of_the_patient() {
    let sides = [
        (DVec3::NEG_X, Side::Right),
        (DVec3::X, Side::Left),
        (DVec3::NEG_Y, Side::Front),
        (DVec3::Y, Side::Back),
        (DVec3::NEG_Z, Side::Bottom),
        (DVec3::Z, Side::Top),
    ];
    let all = grids(20.0);
    // Along the patient's axes, and mirrored.
    let mirrored = grid(DVec3::new(-1.1, 0.9, -2.0), [0.0; 3], 20.0);
    for grid in [all[0], all[1], mirrored] {
        for (out, side) in sides {
            assert_eq!(cut_at(grid, out), [side]);
        }
    }
}

#[test]
fn of_an_oblique_image_the_cut_takes_the_extents_that_it_reaches() {
    // Turned by 20 degrees about the patient's x axis.
    let grid = grids(20.0)[2];
    let edge = grid.directions().z_axis * grid.corners_mm()[7].dot(grid.directions().z_axis);
    let mask = drawn(grid, |p| p.distance(edge) < 8.0);
    let found = measure(&mask, &blank(grid), None).unwrap();
    assert_eq!(found.cut_by, [Side::Top]);
    assert_eq!(found.extents_mm.map(|e| e.at_least), [false, true, true]);
    let words = found.extents_words(true);
    assert!(
        words.contains("foot to head not given (cut by the image)"),
        "{words}"
    );
}

#[test]
fn cut_masks_are_compared_only_where_it_holds() {
    let grid = grids(20.0)[0];
    let image = blank(grid);
    let ball = |at: DVec3, radius: f64| {
        let mask = drawn(grid, |p| p.distance(at) < radius);
        measure(&mask, &image, None).unwrap()
    };
    let small = ball(DVec3::ZERO, 4.0);
    let large = ball(DVec3::ZERO, 12.0);
    let cut_small = ball(DVec3::Z * 20.0, 4.0);
    let cut_large = ball(DVec3::Z * 20.0, 14.0);
    assert_eq!(large.compare(&small), Comparison::Larger);
    assert_eq!(cut_large.compare(&small), Comparison::Larger);
    assert_eq!(small.compare(&cut_large), Comparison::Smaller);
    assert!(matches!(
        cut_small.compare(&large),
        Comparison::CannotTell { .. }
    ));
    assert!(matches!(
        large.compare(&cut_small),
        Comparison::CannotTell { .. }
    ));
    assert_eq!(large.compare(&large), Comparison::Alike);
}
