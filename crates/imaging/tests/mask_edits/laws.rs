//! What must hold of corrections on any grid.

use std::sync::atomic::{AtomicUsize, Ordering};

use glam::{DAffine3, DMat3, DQuat, DVec3, EulerRot, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::edit::{self, EditError, Holes, ValueRange};
use m3d_imaging::volume::{Combine, Mask, Modality, Paint, Rescale, Units, Volume, Voxels};
use proptest::prelude::*;

const GO_ON: edit::Cancelled<'static> = &|| false;

/// Anisotropic and oblique, flat ones and sheared ones among them.
fn a_grid() -> impl Strategy<Value = VoxelGrid> {
    let dims = (1..60_u32, 1..45_u32, 1..40_u32);
    let spacing = (0.5..1.5, 0.5..1.5, 0.8..4.0);
    let angles = (-3.0..3.0, -3.0..3.0, -3.0..3.0);
    let shear = prop_oneof![3 => Just(0.0), 1 => -0.4..0.4];
    (dims, spacing, angles, shear).prop_map(|(dims, spacing, angles, shear)| {
        let turn = DQuat::from_euler(EulerRot::XYZ, angles.0, angles.1, angles.2);
        let tilt = DMat3::from_cols(DVec3::X, DVec3::Y, DVec3::new(0.0, shear, 1.0));
        let place = DMat3::from_quat(turn) * tilt * DMat3::from_diagonal(DVec3::from(spacing));
        let place = DAffine3::from_mat3_translation(place, DVec3::new(-310.0, 144.0, 1220.0));
        VoxelGrid::new(UVec3::from(dims), place).unwrap()
    })
}

/// Balls painted and erased on a grid; something is inside.
fn a_mask() -> impl Strategy<Value = Mask> {
    let place = (-0.1..1.1, -0.1..1.1, -0.1..1.1);
    let ball = (place, 0.0..14.0, prop::bool::weighted(0.7));
    (a_grid(), prop::collection::vec(ball, 1..9)).prop_map(|(grid, balls)| {
        let mut mask = Mask::empty(grid);
        for (at, radius_mm, add) in balls {
            let voxel = DVec3::from(at) * grid.dims().as_dvec3();
            let centre = grid.patient_from_voxel().transform_point3(voxel);
            mask.paint_ball(
                centre,
                radius_mm,
                if add { Paint::Add } else { Paint::Erase },
            );
        }
        mask.insert(grid.len() / 2);
        mask
    })
}

fn inside_of(a: &Mask, b: &Mask) -> bool {
    a.combined(b, Combine::Difference).unwrap().count() == 0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn growing_and_shrinking_contain(mask in a_mask(), mm in 0.0..9.0_f64) {
        let grown = edit::grow(&mask, mm, GO_ON).unwrap();
        let shrunk = edit::shrink(&mask, mm, GO_ON).unwrap();
        prop_assert!(inside_of(&mask, &grown) && inside_of(&shrunk, &mask));
        // Closing adds, opening takes away.
        prop_assert!(inside_of(&mask, &edit::shrink(&grown, mm, GO_ON).unwrap()));
        if shrunk.count() > 0 {
            prop_assert!(inside_of(&edit::grow(&shrunk, mm, GO_ON).unwrap(), &mask));
        }
        if mm < 0.4 {
            prop_assert_eq!(&grown, &mask);
            prop_assert_eq!(&shrunk, &mask);
        }
    }

    #[test]
    fn a_grown_voxel_is_a_ball(grid in a_grid(), mm in 0.0..12.0_f64) {
        let mut mask = Mask::empty(grid);
        let voxel = grid.dims() / 2;
        mask.paint_run(voxel, 1, Paint::Add);
        let centre = grid.patient_from_voxel().transform_point3(voxel.as_dvec3());
        let grown = edit::grow(&mask, mm, GO_ON).unwrap();
        let mut ball = Mask::empty(grid);
        ball.paint_ball(centre, mm * (1.0 - 1e-5), Paint::Add);
        ball.paint_run(voxel, 1, Paint::Add);
        let mut larger = ball.clone();
        larger.paint_ball(centre, mm * (1.0 + 1e-5), Paint::Add);
        // Voxels whose distance is the length to the last bits may be on either side.
        prop_assert!(inside_of(&ball, &grown) && inside_of(&grown, &larger));
    }

    #[test]
    fn pieces_are_apart_and_all(mask in a_mask()) {
        let pieces = edit::pieces(&mask, usize::MAX, GO_ON).unwrap();
        let mut all = Mask::empty(*mask.grid());
        for piece in &pieces {
            prop_assert_eq!(all.combined(piece, Combine::Intersection).unwrap().count(), 0);
            all = all.combined(piece, Combine::Union).unwrap();
            prop_assert_eq!(edit::pieces(piece, 1, GO_ON).unwrap().len(), 1);
        }
        prop_assert_eq!(&all, &mask);
        prop_assert!(pieces.is_sorted_by(|a, b| a.count() >= b.count()));
        let largest = edit::keep_largest(&mask, GO_ON).unwrap();
        prop_assert_eq!(largest.count(), pieces[0].count());
        let most_ml = largest.volume_ml();
        let kept = edit::remove_islands(&mask, most_ml, GO_ON).unwrap();
        prop_assert!(inside_of(&largest, &kept));
        prop_assert_eq!(edit::remove_islands(&mask, most_ml * 1.01, GO_ON).unwrap().count(), 0);
    }

    #[test]
    fn filling_holes_twice_is_filling_once(mask in a_mask(), axis in 0..4_usize) {
        let holes = if axis == 3 { Holes::Enclosed } else { Holes::InSlices(axis) };
        let filled = edit::fill_holes(&mask, holes, GO_ON).unwrap();
        prop_assert!(inside_of(&mask, &filled));
        prop_assert_eq!(&edit::fill_holes(&filled, holes, GO_ON).unwrap(), &filled);
        if axis < 3 {
            let enclosed = edit::fill_holes(&mask, Holes::Enclosed, GO_ON).unwrap();
            prop_assert!(inside_of(&enclosed, &filled));
        }
    }

    #[test]
    fn a_region_from_a_click_is_the_piece_of_a_threshold(mask in a_mask()) {
        let grid = *mask.grid();
        let image = volume(grid, Voxels::U8(mask.to_bytes()));
        for piece in edit::pieces(&mask, usize::MAX, GO_ON).unwrap().iter().take(3) {
            let seed = piece.iter().last().unwrap();
            let seed_mm = grid.patient_from_voxel().transform_point3(seed.as_dvec3());
            let range = ValueRange::new(1.0, 2.0);
            prop_assert_eq!(&edit::grow_region(&image, seed_mm, range, None, GO_ON).unwrap(), piece);
        }
        let all = edit::threshold(&image, ValueRange::new(1.0, 1.0), None, GO_ON).unwrap();
        prop_assert_eq!(&all, &mask);
    }

    #[test]
    fn between_slices_nothing_that_was_drawn_changes(mask in a_mask(), axis in 0..3_usize) {
        let sparse = Mask::from_fn(*mask.grid(), |v| v[axis] % 3 == 1 && mask.contains(v));
        match edit::fill_between(&sparse, axis, GO_ON) {
            Ok(filled) => {
                let drawn = |m: &Mask, v: UVec3| m.contains(v);
                for v in filled.iter().filter(|v| v[axis] % 3 == 1) {
                    // A slice that was drawn is as it was; one that was left empty may be filled.
                    let slice = sparse.iter().any(|w| w[axis] == v[axis]);
                    prop_assert!(!slice || drawn(&sparse, v));
                }
                prop_assert!(inside_of(&sparse, &filled));
            }
            Err(error) => prop_assert!(matches!(error, EditError::NothingBetween | EditError::Empty)),
        }
    }

    #[test]
    fn smoothing_keeps_the_box(mask in a_mask(), mm in 0.0..6.0_f64) {
        let smoothed = edit::smooth(&mask, mm, GO_ON).unwrap();
        if let (Some(now), Some(before)) = (smoothed.bounding_box(), mask.bounding_box()) {
            prop_assert!(now.min.cmpge(before.min).all() && now.max.cmple(before.max).all());
        }
        prop_assert_eq!(&edit::smooth(&mask, 0.0, GO_ON).unwrap(), &mask);
    }

    #[test]
    fn sets_obey_the_laws(a in a_mask(), seed in 1..9_u32) {
        let b = Mask::from_fn(*a.grid(), |v| (v.x + 3 * v.y + 7 * v.z) % (seed + 1) == 0);
        let of = |a: &Mask, b: &Mask, how| a.combined(b, how).unwrap();
        let union = of(&a, &b, Combine::Union);
        let both = of(&a, &b, Combine::Intersection);
        prop_assert_eq!(&union, &of(&b, &a, Combine::Union));
        prop_assert_eq!(&both, &of(&b, &a, Combine::Intersection));
        prop_assert_eq!(union.count() + both.count(), a.count() + b.count());
        let rest = of(&a, &b, Combine::Difference);
        prop_assert_eq!(&of(&rest, &both, Combine::Union), &a);
        prop_assert_eq!(of(&rest, &b, Combine::Intersection).count(), 0);
    }
}

fn volume(grid: VoxelGrid, voxels: Voxels) -> Volume {
    Volume::new(
        grid,
        voxels,
        Rescale::IDENTITY,
        Modality::Ct,
        Units::Hounsfield,
    )
    .unwrap()
}

fn cube() -> VoxelGrid {
    VoxelGrid::new(UVec3::new(40, 30, 20), DAffine3::IDENTITY).unwrap()
}

#[test]
fn shapes_that_do_not_overlap_move() {
    // A square that goes 10 voxels aside over 10 slices.
    let square = |v: UVec3, x: u32| (x..x + 6).contains(&v.x) && (8..14).contains(&v.y);
    let drawn = Mask::from_fn(cube(), |v| {
        v.z == 4 && square(v, 3) || v.z == 14 && square(v, 23)
    });
    let filled = edit::fill_between(&drawn, 2, GO_ON).unwrap();
    for z in 5..14 {
        let slice: Vec<UVec3> = filled.iter().filter(|v| v.z == z).collect();
        let sum: DVec3 = slice.iter().map(|v| v.as_dvec3()).sum();
        let middle = sum / slice.len() as f64;
        let wanted = 5.5 + 2.0 * f64::from(z - 4);
        assert!((middle.x - wanted).abs() < 0.6, "{z}: {middle}");
        assert!((30..=42).contains(&slice.len()), "{z}");
    }
}

#[test]
fn what_makes_no_sense_is_told() {
    let empty = Mask::empty(cube());
    let mut one = empty.clone();
    one.insert(77);
    assert_eq!(edit::grow(&empty, 1.0, GO_ON), Err(EditError::Empty));
    assert_eq!(edit::smooth(&empty, 1.0, GO_ON), Err(EditError::Empty));
    assert_eq!(
        edit::fill_holes(&empty, Holes::Enclosed, GO_ON),
        Err(EditError::Empty)
    );
    assert_eq!(edit::keep_largest(&empty, GO_ON), Err(EditError::Empty));
    for mm in [-1.0, f64::NAN, f64::INFINITY, 1e6] {
        assert!(
            matches!(edit::grow(&one, mm, GO_ON), Err(EditError::Length(_))),
            "{mm}"
        );
        assert!(
            matches!(edit::smooth(&one, mm, GO_ON), Err(EditError::Length(_))),
            "{mm}"
        );
    }
    assert_eq!(
        edit::fill_between(&one, 2, GO_ON),
        Err(EditError::NothingBetween)
    );
    assert_eq!(
        edit::fill_between(&one, 7, GO_ON),
        Err(EditError::NothingBetween)
    );
    let image = volume(cube(), Voxels::U8(vec![1; cube().len()]));
    let range = ValueRange::new(0.0, 2.0);
    let beside = edit::grow_region(&image, DVec3::splat(-9.0), range, None, GO_ON);
    assert_eq!(beside, Err(EditError::Seed));
    let nowhere = edit::grow_region(&image, DVec3::NAN, range, None, GO_ON);
    assert_eq!(nowhere, Err(EditError::Seed));
    let nothing = ValueRange::new(5.0, 9.0);
    let none = edit::grow_region(&image, DVec3::ONE, nothing, None, GO_ON).unwrap();
    assert_eq!(none.count(), 0);
    let other = Mask::empty(VoxelGrid::new(UVec3::ONE, DAffine3::IDENTITY).unwrap());
    let elsewhere = edit::threshold(&image, range, Some(&other), GO_ON);
    assert_eq!(elsewhere, Err(EditError::OtherGrid));
}

#[test]
fn long_work_stops_when_it_is_asked_to() {
    let grid = VoxelGrid::new(UVec3::new(128, 128, 128), DAffine3::IDENTITY).unwrap();
    let mask = Mask::from_fn(grid, |v| v.x % 2 == 0);
    let image = volume(grid, Voxels::U8(vec![1; grid.len()]));
    let asked = AtomicUsize::new(0);
    let stop: edit::Cancelled<'_> = &|| asked.fetch_add(1, Ordering::Relaxed) > 0;
    let range = ValueRange::new(0.0, 2.0);
    let acts: [&dyn Fn() -> Result<Mask, EditError>; 5] = [
        &|| edit::threshold(&image, range, None, stop),
        &|| edit::grow_region(&image, DVec3::ONE, range, None, stop),
        &|| edit::keep_largest(&mask, stop),
        &|| edit::smooth(&mask, 2.0, stop),
        &|| edit::fill_holes(&mask, Holes::Enclosed, stop),
    ];
    for (n, act) in acts.iter().enumerate() {
        asked.store(0, Ordering::Relaxed);
        assert_eq!(act(), Err(EditError::Cancelled), "{n}");
    }
}
