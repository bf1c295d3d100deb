//! Masks to contours and back.

use glam::{DAffine3, DMat3, DQuat, DVec2, DVec3, EulerRot, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::contours::{fill, regions};
use m3d_imaging::volume::{Mask, Paint};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

fn oblique(dims: UVec3) -> VoxelGrid {
    let place = DAffine3::from_scale_rotation_translation(
        DVec3::new(0.8, 1.1, 2.5),
        DQuat::from_euler(EulerRot::XYZ, 0.5, -0.35, 2.6),
        DVec3::new(-120.0, 45.0, 310.0),
    );
    VoxelGrid::new(dims, place).unwrap()
}

fn sheared(dims: UVec3) -> VoxelGrid {
    let shear = DMat3::from_cols(DVec3::X, DVec3::Y * 0.7, DVec3::new(0.0, 0.6, 2.0));
    VoxelGrid::new(dims, DAffine3::from_mat3(shear)).unwrap()
}

/// Blobs with holes and parts that touch at corners.
fn blobs(grid: VoxelGrid) -> Mask {
    let mut mask = Mask::empty(grid);
    let mut random = SplitMix64::seed_from_u64(11);
    let mut share = || random.next_u64() as f64 / u64::MAX as f64;
    for n in 0..60 {
        let voxel = DVec3::new(share(), share(), share()) * grid.dims().as_dvec3();
        let centre = grid.patient_from_voxel().transform_point3(voxel);
        let paint = if n % 3 == 2 { Paint::Erase } else { Paint::Add };
        mask.paint_ball(centre, 2.0 + 9.0 * share(), paint);
    }
    mask
}

#[test]
fn contours_of_a_mask_enclose_its_voxels() {
    for grid in [
        oblique(UVec3::new(60, 50, 20)),
        sheared(UVec3::new(60, 50, 20)),
    ] {
        let noise = Mask::from_fn(grid, |v| (v.x * 7 + v.y * 13 + v.z * 29) % 11 < 5);
        for mask in [blobs(grid), noise] {
            let regions = regions(&mask);
            let apart = regions.iter().flat_map(|r| {
                let polygons = std::iter::once(&r.outline).chain(&r.holes);
                polygons.map(|p| r.to_mm(p, &grid))
            });
            let joined = regions.iter().map(|r| r.to_mm(&r.keyhole, &grid));
            for contours in [apart.collect::<Vec<_>>(), joined.collect()] {
                let filled = fill(&grid, &contours);
                assert_eq!(filled.mask, mask);
                assert_eq!((filled.copies, filled.flat, filled.turned), (0, 0, 0));
                assert!(filled.off_plane_mm < 1e-9);
            }
        }
    }
}

fn circle(radius: f64, at: f64) -> Vec<DVec3> {
    let corner = |n: i32| DVec2::from_angle(f64::from(n) * std::f64::consts::TAU / 90.0);
    (0..90).map(|n| (corner(n) * radius).extend(at)).collect()
}

fn grid(spacing: f64, first: f64, slices: u32) -> VoxelGrid {
    let place = DAffine3::from_scale_rotation_translation(
        DVec3::new(0.5, 0.5, spacing),
        DQuat::IDENTITY,
        DVec3::new(-20.0, -20.0, first),
    );
    VoxelGrid::new(UVec3::new(81, 81, slices), place).unwrap()
}

/// How many slices have something, and the voxels of each.
fn per_slice(mask: &Mask) -> Vec<usize> {
    let mut counts = vec![0; mask.grid().dims().z as usize];
    mask.iter().for_each(|v| counts[v.z as usize] += 1);
    counts
}

#[test]
fn a_contour_in_another_is_a_hole_and_a_copy_is_none() {
    let grid = grid(2.0, 0.0, 3);
    let ring = fill(&grid, &[circle(15.0, 2.0), circle(6.0, 2.0)]);
    let (outer, inner) = (
        fill(&grid, &[circle(15.0, 2.0)]).mask.count(),
        fill(&grid, &[circle(6.0, 2.0)]).mask.count(),
    );
    assert_eq!(ring.mask.count(), outer - inner);
    assert!((outer as f64 * 0.25 / (std::f64::consts::PI * 225.0) - 1.0).abs() < 0.01);
    let twice = fill(&grid, &[circle(15.0, 2.0), circle(15.0, 2.0)]);
    assert_eq!((twice.mask.count(), twice.copies), (outer, 1));
    assert_eq!(per_slice(&twice.mask), [0, outer, 0]);
}

#[test]
fn planes_between_slices_count_to_half_the_way() {
    // Contours every 3 mm from 10 to 22, slices every 1 mm from 0.
    let contours: Vec<_> = (0..5)
        .map(|n| circle(10.0, 10.0 + 3.0 * f64::from(n)))
        .collect();
    let counts = per_slice(&fill(&grid(1.0, 0.0, 40), &contours).mask);
    let filled: Vec<usize> = (0..40).filter(|&k| counts[k] > 0).collect();
    assert_eq!(filled, (9..24).collect::<Vec<_>>());
    // Slices amid the planes: as many as there are planes.
    let counts = per_slice(&fill(&grid(3.0, 2.5, 12), &contours).mask);
    assert_eq!(counts.iter().filter(|&&n| n > 0).count(), 5);
    // A plane that is missing leaves its slice empty; a slightly longer step does not.
    let gap = [
        contours[0].clone(),
        contours[1].clone(),
        contours[3].clone(),
        contours[4].clone(),
    ];
    let counts = per_slice(&fill(&grid(3.0, 1.0, 12), &gap).mask);
    let filled: Vec<usize> = (0..12).filter(|&k| counts[k] > 0).collect();
    assert_eq!(filled, [3, 4, 6, 7]);
}

/// Axial contours of a cylinder on an oblique grid: the voxels whose centres are in the cylinder.
#[test]
fn oblique_grids_are_filled_where_they_meet_the_contours() {
    let turn = DQuat::from_euler(EulerRot::XYZ, 0.7, 0.4, -0.3);
    let place = DAffine3::from_scale_rotation_translation(
        DVec3::new(0.9, 1.3, 1.7),
        turn,
        -(turn * (DVec3::new(0.9, 1.3, 1.7) * 25.0)),
    );
    let grid = VoxelGrid::new(UVec3::splat(51), place).unwrap();
    let contours: Vec<_> = (0..9)
        .map(|n| circle(12.0, -8.0 + 2.0 * f64::from(n)))
        .collect();
    let filled = fill(&grid, &contours).mask;
    let wanted = Mask::from_fn(grid, |v| {
        let p = place.transform_point3(v.as_dvec3());
        p.truncate().length() < 12.0 && p.z >= -9.0 && p.z < 9.0
    });
    let dice = filled.dice(&wanted);
    eprintln!("{} voxels, Dice {dice:.5}", filled.count());
    assert!(filled.count() > 3000 && dice > 0.995, "{dice}");
}

#[test]
fn what_encloses_nothing_is_counted() {
    let grid = grid(2.0, 0.0, 3);
    let contours = vec![
        vec![],
        vec![DVec3::ZERO],
        vec![DVec3::ZERO, DVec3::X, DVec3::X * 3.0],
        vec![DVec3::NAN, DVec3::X, DVec3::Y],
        vec![DVec3::splat(1e300), DVec3::X, DVec3::Y],
    ];
    let filled = fill(&grid, &contours);
    assert_eq!((filled.mask.count(), filled.flat), (0, 5));
}
