//! Diameters along tubes of known width, and what is no tube.

use std::f64::consts::PI;

use glam::{DVec3, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::Mask;
use m3d_imaging::volume::measure::{MeasureError, Tube, diameter_along};

use crate::storage_orders::{orders, stored};
use crate::support::{drawn, drawn_coarsely, grid, grids};

fn along(mask: &Mask) -> Tube {
    diameter_along(mask, None).unwrap()
}

/// A straight tube through the image, out at both ends, as of an aorta in a slab.
#[test]
fn an_oblique_tube_has_its_diameter_everywhere() {
    let axis = DVec3::new(0.35, -0.4, 1.0).normalize();
    for (n, grid) in grids(30.0).into_iter().enumerate() {
        for radius in [6.5, 9.0] {
            let mask = drawn(grid, |p| p.reject_from(axis).length() <= radius);
            let tube = along(&mask);
            let what = format!("grid {n}, radius {radius}: {:?}", tube.mean_mm);
            assert!(tube.sections.len() > 8, "{what}: {}", tube.sections.len());
            // Much nearer than the error, which is a bound.
            assert!((tube.mean_mm.value - 2.0 * radius).abs() < 0.35, "{what}");
            assert!((tube.largest_mm.value - 2.0 * radius).abs() < tube.largest_mm.error);
            assert!(
                tube.largest_mm.value - 2.0 * radius < 0.7,
                "{what}: {:?}",
                tube.largest_mm
            );
            assert!(tube.largest_mm.at_least, "it goes on outside");
            for section in &tube.sections {
                assert!(section.along.dot(axis).abs() > 0.99, "{what}: {section:?}");
                assert!(
                    section.middle_mm.reject_from(axis).length() < 0.8,
                    "{what}: {section:?}"
                );
                assert!(section.roundness > 0.85, "{what}: {section:?}");
            }
        }
    }
}

/// A bow as of the aortic arch: three quarters of a ring that is wider at one place.
fn bow(p: DVec3) -> (f64, f64) {
    let angle = p.z.atan2(p.x);
    let middle = DVec3::new(angle.cos(), 0.0, angle.sin()) * 40.0;
    let wider = (-((angle - 0.8) / 0.35).powi(2)).exp();
    (p.distance(middle), 8.0 + 3.0 * wider)
}

#[test]
fn an_arch_that_is_wider_at_one_place() {
    for (n, grid) in grids(56.0).into_iter().enumerate() {
        let mask = drawn(grid, |p| {
            let (off, radius) = bow(p);
            off <= radius && p.z.atan2(p.x) > -0.75 * PI
        });
        let tube = along(&mask);
        let widest = DVec3::new(0.8_f64.cos(), 0.0, 0.8_f64.sin()) * 40.0;
        let what = format!("grid {n}: {:?} {:?}", tube.largest_mm, tube.largest_at_mm);
        assert!((tube.largest_mm.value - 22.0).abs() < 0.8, "{what}");
        assert!(tube.largest_at_mm.distance(widest) < 6.0, "{what}");
        assert!(!tube.largest_mm.at_least);
        assert!(
            (tube.length_mm - 40.0 * 1.75 * PI).abs() < 30.0,
            "{}",
            tube.length_mm
        );
        for section in &tube.sections {
            let angle = section.middle_mm.z.atan2(section.middle_mm.x);
            let (off, radius) = bow(section.middle_mm);
            assert!(off < 0.8, "grid {n}, {angle}: off by {off}");
            // Near flat ends the direction is known from one side only.
            let from_end = 40.0 * (angle + 0.75 * PI).min(PI - angle);
            let slack = if from_end < 16.0 { 1.6 } else { 0.6 };
            let error = (section.diameter_mm.value - 2.0 * radius).abs();
            assert!(
                error < slack,
                "grid {n}, {angle}: {} {radius}",
                section.diameter_mm.value
            );
        }
    }
}

#[test]
fn the_order_of_storage_changes_no_diameter() {
    let grid = grid(DVec3::new(0.9, 1.2, 2.2), [0.2, -0.1, 0.4], 56.0);
    let inside = |p: DVec3| {
        let (off, radius) = bow(p);
        off <= radius && (-0.4 * PI..0.8 * PI).contains(&p.z.atan2(p.x))
    };
    let size = DVec3::new(1.8, 1.2, 2.2);
    let all: Vec<Tube> = orders()
        .map(|order| {
            let (there, original) = stored(&grid, order);
            let at = |v: UVec3| {
                grid.patient_from_voxel()
                    .transform_point3(original(v).as_dvec3())
            };
            let mask = Mask::from_fn(there, |v| inside(at(v)));
            let size = DVec3::from_array(order.map(|(axis, _)| size[axis]));
            diameter_along(&mask, Some(size)).unwrap()
        })
        .collect();
    for tube in &all {
        assert_eq!(tube.sections.len(), all[0].sections.len());
        let off = |a: f64, b: f64| (a - b).abs();
        assert!(off(tube.mean_mm.value, all[0].mean_mm.value) < 0.02);
        assert!(off(tube.mean_mm.error, all[0].mean_mm.error) < 0.02);
        assert!(off(tube.largest_mm.value, all[0].largest_mm.value) < 0.05);
        assert!(tube.largest_at_mm.distance(all[0].largest_at_mm) < 0.5);
    }
}

#[test]
fn what_is_no_tube_is_refused() {
    let grid = grids(32.0)[1];
    let ball = drawn(grid, |p| p.length() < 20.0);
    assert_eq!(diameter_along(&ball, None), Err(MeasureError::NoTube));
    let half = DVec3::new(28.0, 12.0, 18.0);
    let organ = drawn(grid, |p| (p / half).length() < 1.0);
    assert_eq!(diameter_along(&organ, None), Err(MeasureError::NoTube));
    let plate = drawn(grid, |p| p.y.abs() < 3.0 && p.length() < 30.0);
    assert_eq!(diameter_along(&plate, None), Err(MeasureError::NoTube));
    let two = drawn(grid, |p| (p.x.abs() - 14.0).hypot(p.y) < 6.0);
    let found = diameter_along(&two, None);
    assert!(
        matches!(found, Err(MeasureError::InPieces { .. })),
        "{found:?}"
    );
    assert_eq!(
        diameter_along(&Mask::empty(grid), None),
        Err(MeasureError::Empty)
    );
    let tiny = Mask::from_fn(grid, |v| v == UVec3::splat(9));
    assert!(diameter_along(&tiny, None).is_err());
    let all = Mask::from_fn(grid, |_| true);
    assert!(diameter_along(&all, None).is_err());
}

#[test]
fn a_diameter_of_too_few_drawn_voxels_is_refused() {
    let grid = grid(DVec3::splat(1.0), [0.0; 3], 30.0);
    let upright = |times: u32| {
        let times = UVec3::new(times, times, 1);
        drawn_coarsely(grid, times, |p| p.x.hypot(p.y) <= 6.0)
    };
    let (mask, size) = upright(2);
    assert!(diameter_along(&mask, Some(size)).is_ok());
    let (mask, size) = upright(4);
    // As wide as the few voxels are that it was drawn in.
    let area = mask.count() as f64 / f64::from(grid.dims().z);
    let wanted = 2.0 * (area / PI).sqrt();
    let Err(MeasureError::TooFine {
        diameter_mm,
        drawn_mm,
    }) = diameter_along(&mask, Some(size))
    else {
        panic!("twelve mm in voxels of four");
    };
    assert!(
        (diameter_mm - wanted).abs() < 0.5,
        "{diameter_mm}, {wanted}"
    );
    assert!((drawn_mm - 4.0).abs() < 0.1, "{drawn_mm}");
    // Thick slices count only for what runs along them.
    let size = DVec3::new(1.0, 1.0, 8.0);
    let upright = drawn(grid, |p| p.x.hypot(p.y) <= 6.0);
    assert!(diameter_along(&upright, Some(size)).is_ok());
    let lying = drawn(grid, |p| p.z.hypot(p.y) <= 6.0);
    let found = diameter_along(&lying, Some(size));
    assert!(
        matches!(found, Err(MeasureError::TooFine { .. })),
        "{found:?}"
    );
}

/// A flat image has no tubes; whatever the grid, there is an answer.
#[test]
fn thin_images_end_in_a_refusal() {
    let place = grid(DVec3::ONE, [0.0; 3], 5.0).patient_from_voxel();
    for dims in [UVec3::new(40, 40, 1), UVec3::new(1, 60, 1), UVec3::ONE] {
        let grid = VoxelGrid::new(dims, place).unwrap();
        let all = Mask::from_fn(grid, |_| true);
        assert!(diameter_along(&all, None).is_err(), "{dims}");
    }
}
