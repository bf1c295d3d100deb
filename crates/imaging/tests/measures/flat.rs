//! Flat regions of interest: against SimpleITK on a real CT, against plain counting and closed forms elsewhere.

use std::f64::consts::PI;
use std::path::Path;

use glam::{DAffine3, DVec2, DVec3, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::Voxels;
use m3d_imaging::volume::measure::{FlatRegion, Outline, Values};
use serde::Deserialize;

use crate::support::{centre, ct, grids, load};

#[derive(Deserialize)]
struct Case {
    plane: String,
    kind: String,
    origin_mm: DVec3,
    right: DVec3,
    down: DVec3,
    half: DVec2,
    corners: Vec<DVec2>,
    count: usize,
    mean: f64,
    std: f64,
    min: f64,
    max: f64,
}

#[test]
fn values_in_regions_are_those_of_simpleitk() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let volume = load(&root.join("assets/sample/ct_abdomen"));
    let text = std::fs::read_to_string(root.join("tests/data/roi/expected.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    assert_eq!(cases.len(), 9);
    for case in cases {
        let what = format!("{} {}", case.plane, case.kind);
        let outline = match case.kind.as_str() {
            "ellipse" => Outline::Ellipse {
                centre: DVec2::ZERO,
                half: case.half,
            },
            _ => Outline::Polygon(case.corners),
        };
        let region = FlatRegion {
            origin_mm: case.origin_mm,
            axes: [case.right, case.down],
            outline,
        };
        let inside = region.values(&volume);
        assert_eq!(inside.len(), case.count, "{what}");
        let found = Values::of_sorted(&inside).unwrap();
        let pairs = [
            (found.mean, case.mean),
            (found.std, case.std),
            (found.min, case.min),
            (found.max, case.max),
        ];
        for (found, wanted) in pairs {
            assert!((found - wanted).abs() < 1e-6, "{what}: {found}, {wanted}");
        }
    }
}

/// An ellipse on a slice of grids of all kinds: voxels by plain counting, and the mean of a value that rises evenly.
#[test]
fn regions_hold_the_voxels_whose_centres_are_inside() {
    let half = DVec2::new(13.2, 8.7);
    for (n, grid) in grids(20.0).into_iter().enumerate() {
        let turned = grid.directions();
        let axes = [turned.x_axis, turned.y_axis];
        let slice = grid.dims().z / 2;
        let middle = centre(&grid, (grid.dims() / 2).with_z(slice));
        let origin_mm = middle + axes[0] * 0.11 - axes[1] * 0.07;
        let region = FlatRegion {
            origin_mm,
            axes,
            outline: Outline::Ellipse {
                centre: DVec2::ZERO,
                half,
            },
        };
        let found = region.voxels(&grid);
        let dims = grid.dims();
        let mut wanted = Vec::new();
        for j in 0..dims.y {
            for i in 0..dims.x {
                let away = centre(&grid, UVec3::new(i, j, slice)) - origin_mm;
                let at = DVec2::new(away.dot(axes[0]), away.dot(axes[1])) / half;
                if at.length_squared() <= 1.0 {
                    wanted.push(UVec3::new(i, j, slice));
                }
            }
        }
        assert_eq!(found, wanted, "grid {n}");
        assert!(found.len() > 100, "grid {n}");
        let spacing = grid.spacing_mm().abs();
        let counted = found.len() as f64 * spacing.x * spacing.y;
        assert!((counted / region.area_mm2() - 1.0).abs() < 0.05, "grid {n}");
        assert!((region.area_mm2() - PI * half.x * half.y).abs() < 1e-9);
    }
}

#[test]
fn a_rectangle_is_the_polygon_of_its_corners_and_its_mean_that_of_its_middle() {
    let place = DAffine3::from_scale(DVec3::new(0.7, 0.7, 2.5));
    let grid = VoxelGrid::new(UVec3::new(60, 50, 9), place).unwrap();
    let value = |voxel: UVec3| (3 * voxel.x + 7 * voxel.y + 100 * voxel.z) as i16;
    let all = (0..grid.len() as u32).map(|n| {
        let (i, j, k) = (n % 60, n / 60 % 50, n / 3000);
        value(UVec3::new(i, j, k))
    });
    let volume = ct(grid, Voxels::I16(all.collect()));
    // 9 x 5 voxels around (20, 30, 4).
    let half = DVec2::new(4.4, 2.4) * 0.7;
    let corners = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)];
    let region = FlatRegion {
        origin_mm: centre(&grid, UVec3::new(20, 30, 4)),
        axes: [DVec3::X, DVec3::Y],
        outline: Outline::Polygon(corners.map(|(x, y)| DVec2::new(x, y) * half).to_vec()),
    };
    let values = region.values(&volume);
    assert_eq!(values.len(), 45);
    let found = Values::of_sorted(&values).unwrap();
    let middle = f64::from(value(UVec3::new(20, 30, 4)));
    assert_eq!((found.mean, found.median), (middle, middle));
    assert_eq!((found.min, found.max), (middle - 26.0, middle + 26.0));
    assert!((region.area_mm2() - 8.8 * 4.8 * 0.49).abs() < 1e-9);
    assert!((region.perimeter_mm() - 2.0 * (8.8 + 4.8) * 0.7).abs() < 1e-9);
}

#[test]
fn a_plane_between_two_slices_has_the_voxels_of_one() {
    let grid = VoxelGrid::new(UVec3::new(20, 20, 8), DAffine3::IDENTITY).unwrap();
    for height in [3.5, 3.500_000_001, 3.499_999_999, 3.1, 2.9] {
        let region = FlatRegion {
            origin_mm: DVec3::new(10.0, 10.0, height),
            axes: [DVec3::X, DVec3::Y],
            outline: Outline::Ellipse {
                centre: DVec2::ZERO,
                half: DVec2::splat(3.0),
            },
        };
        assert_eq!(region.voxels(&grid).len(), 29, "{height}");
    }
}

#[test]
fn neighbours_share_no_voxel_and_outside_there_is_none() {
    let grid = VoxelGrid::new(UVec3::new(20, 20, 1), DAffine3::IDENTITY).unwrap();
    let square = |from: f64, to: f64| FlatRegion {
        origin_mm: DVec3::ZERO,
        axes: [DVec3::X, DVec3::Y],
        outline: Outline::Polygon(vec![
            DVec2::new(from, 2.0),
            DVec2::new(to, 2.0),
            DVec2::new(to, 5.0),
            DVec2::new(from, 5.0),
        ]),
    };
    let [left, right, both] =
        [(2.0, 6.0), (6.0, 9.0), (2.0, 9.0)].map(|(from, to)| square(from, to));
    let mut parts = left.voxels(&grid);
    parts.extend(right.voxels(&grid));
    parts.sort_unstable_by_key(|v| (v.y, v.x));
    assert_eq!(parts, both.voxels(&grid));
    assert!(square(25.0, 30.0).voxels(&grid).is_empty());
    assert!(square(4.0, 4.0).voxels(&grid).is_empty());
    let nothing = FlatRegion {
        axes: [DVec3::X, DVec3::X],
        ..square(2.0, 6.0)
    };
    assert!(nothing.voxels(&grid).is_empty() && nothing.area_mm2() == 0.0);
}
