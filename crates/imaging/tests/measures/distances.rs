//! Distances between surfaces, against all pairs.

use glam::{DAffine3, DVec3, UVec3, Vec3Swizzles};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::Mask;
use m3d_imaging::volume::measure::{MeasureError, surface_distances};

use crate::support::{centre, drawn, grid, grids};

/// The voxels inside that have one of six neighbours outside, in patient mm.
fn surface(mask: &Mask) -> Vec<DVec3> {
    let outside = |v: UVec3| {
        (0..3).any(|axis| {
            let step = UVec3::AXES[axis];
            !mask.contains(v + step) || v[axis] == 0 || !mask.contains(v - step)
        })
    };
    let surface = mask.iter().filter(|&v| outside(v));
    surface.map(|v| centre(mask.grid(), v)).collect()
}

fn nearest(from: &[DVec3], to: &[DVec3]) -> Vec<f64> {
    let nearest = |a: &DVec3| {
        to.iter()
            .map(|b| a.distance(*b))
            .fold(f64::INFINITY, f64::min)
    };
    let mut all: Vec<f64> = from.iter().map(nearest).collect();
    all.sort_by(f64::total_cmp);
    all
}

fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

#[test]
fn figures_are_those_of_all_pairs() {
    for grid in grids(11.0) {
        let a = drawn(grid, |p| p.length() < 8.0);
        for (at, half) in [
            (DVec3::new(2.0, 1.0, -3.0), DVec3::new(6.0, 7.0, 4.0)),
            // Out of the image, which ends it.
            (DVec3::new(9.0, 3.0, 8.0), DVec3::splat(5.0)),
            (DVec3::ZERO, DVec3::splat(8.0)),
        ] {
            let b = drawn(grid, |p| ((p - at) / half).length() < 1.0);
            let found = surface_distances(&a, &b).unwrap();
            let [on_a, on_b] = [&a, &b].map(surface);
            let [there, back] = [nearest(&on_a, &on_b), nearest(&on_b, &on_a)];
            let n = (there.len() + back.len()) as f64;
            let assd = there.iter().chain(&back).sum::<f64>() / n;
            let close = |found: Option<f64>, wanted: f64| {
                let found = found.unwrap();
                assert!((found - wanted).abs() < 1e-5, "{found}, {wanted}");
            };
            close(found.assd_mm(), assd);
            close(
                found.hd95_mm(),
                percentile(&there, 0.95).max(percentile(&back, 0.95)),
            );
            close(
                found.hausdorff_mm(),
                there[there.len() - 1].max(back[back.len() - 1]),
            );
            for tolerance in [0.0, 1.234, 3.456, 100.0] {
                let within = there
                    .iter()
                    .chain(&back)
                    .filter(|&&d| d <= tolerance)
                    .count();
                assert!((found.nsd(tolerance) - within as f64 / n).abs() < 1e-12);
            }
            let swapped = surface_distances(&b, &a).unwrap();
            assert_eq!(swapped.hd95_mm(), found.hd95_mm());
            assert_eq!(swapped.nsd(1.0), found.nsd(1.0));
        }
    }
}

#[test]
fn two_plates_are_as_far_apart_as_they_lie() {
    let place = DAffine3::from_scale(DVec3::new(1.0, 1.0, 2.5));
    let grid = VoxelGrid::new(UVec3::new(9, 9, 12), place).unwrap();
    let plate = |k: u32| Mask::from_fn(grid, |v| v.z == k && v.xy().max_element() < 9);
    let found = surface_distances(&plate(2), &plate(8)).unwrap();
    assert_eq!(found.assd_mm(), Some(15.0));
    assert_eq!(found.hd95_mm(), Some(15.0));
    assert_eq!((found.nsd(14.9), found.nsd(15.0)), (0.0, 1.0));
}

#[test]
fn empty_masks_and_other_grids() {
    let grid = grids(6.0)[0];
    let ball = drawn(grid, |p| p.length() < 4.0);
    let empty = Mask::empty(grid);
    let none = surface_distances(&empty, &empty).unwrap();
    assert_eq!(
        (none.assd_mm(), none.hd95_mm(), none.nsd(1.0)),
        (Some(0.0), Some(0.0), 1.0)
    );
    for (a, b) in [(&ball, &empty), (&empty, &ball)] {
        let one = surface_distances(a, b).unwrap();
        assert_eq!(
            (one.assd_mm(), one.hd95_mm(), one.nsd(1e9)),
            (None, None, 0.0)
        );
    }
    let other = Mask::empty(grids(6.0)[1]);
    assert_eq!(
        surface_distances(&ball, &other),
        Err(MeasureError::OtherGrid)
    );
    let mut tilted = grid_place();
    tilted.matrix3.z_axis.y = 0.3;
    let tilted = Mask::empty(VoxelGrid::new(UVec3::splat(8), tilted).unwrap());
    assert_eq!(
        surface_distances(&tilted, &tilted),
        Err(MeasureError::Skewed)
    );
}

fn grid_place() -> DAffine3 {
    grid(DVec3::ONE, [0.0; 3], 4.0).patient_from_voxel()
}
