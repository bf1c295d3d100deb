//! What is painted by hand: brush, eraser and outline.

use glam::{DAffine3, DQuat, DVec3, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::edit::{self, Brush, EditError, Tip, ValueRange};
use m3d_imaging::volume::{Mask, Modality, Paint, Rescale, Units, Volume, Voxels};

/// Oblique, of thick slices; values rise along i, from -1024 by steps of 10.
fn image() -> Volume {
    let place = DAffine3::from_scale_rotation_translation(
        DVec3::new(0.7, 0.9, 3.0),
        DQuat::from_rotation_y(0.4),
        DVec3::new(-120.0, 33.0, 900.0),
    );
    let grid = VoxelGrid::new(UVec3::new(70, 60, 40), place).unwrap();
    let values = (0..grid.len()).map(|n| (n % 70) as i16 * 5).collect();
    let rescale = Rescale {
        slope: 2.0,
        intercept: -1024.0,
    };
    Volume::new(
        grid,
        Voxels::I16(values),
        rescale,
        Modality::Ct,
        Units::Hounsfield,
    )
    .unwrap()
}

fn at(image: &Volume, voxel: DVec3) -> DVec3 {
    image.grid().patient_from_voxel().transform_point3(voxel)
}

fn painted(mask: &Mask, image: &Volume, brush: Brush, ends: [DVec3; 2], paint: Paint) -> Mask {
    let mut after = mask.clone();
    let patch = brush.stroke(mask, image, ends, paint).unwrap();
    let back = after.apply(patch);
    let mut before = after.clone();
    before.apply(back);
    assert_eq!(&before, mask);
    after
}

#[test]
fn a_ball_and_a_disc_have_their_size_in_mm() {
    let image = image();
    let grid = *image.grid();
    let empty = Mask::empty(grid);
    let centre = at(&image, DVec3::new(33.0, 30.0, 20.0));
    let mut brush = Brush {
        radius_mm: 7.5,
        tip: Tip::Ball,
        range: None,
    };
    let ball = painted(&empty, &image, brush, [centre; 2], Paint::Add);
    let inside = |v: UVec3| at(&image, v.as_dvec3()).distance(centre) <= 7.5;
    assert_eq!(ball, Mask::from_fn(grid, inside));
    for (axis, slice) in [(0, 33), (1, 30), (2, 20)] {
        brush.tip = Tip::Disc { axis, slice };
        let disc = painted(&empty, &image, brush, [centre; 2], Paint::Add);
        assert_eq!(disc, Mask::from_fn(grid, |v| v[axis] == slice && inside(v)));
        let left = painted(&ball, &image, brush, [centre; 2], Paint::Erase);
        assert_eq!(left, Mask::from_fn(grid, |v| v[axis] != slice && inside(v)));
    }
    // A slice that the image does not have.
    for tip in [
        Tip::Disc { axis: 2, slice: 99 },
        Tip::Disc { axis: 5, slice: 0 },
    ] {
        let patch = Brush { tip, ..brush }.stroke(&empty, &image, [centre; 2], Paint::Add);
        assert!(patch.unwrap().is_empty());
    }
}

#[test]
fn a_fast_stroke_has_no_gaps() {
    let image = image();
    let empty = Mask::empty(*image.grid());
    let ends = [DVec3::new(5.0, 7.0, 20.0), DVec3::new(64.0, 50.0, 20.0)].map(|v| at(&image, v));
    let tip = Tip::Disc { axis: 2, slice: 20 };
    for radius_mm in [0.0, 0.2, 4.0] {
        let brush = Brush {
            radius_mm,
            tip,
            range: None,
        };
        let stroke = painted(&empty, &image, brush, ends, Paint::Add);
        for n in 0..=500 {
            let point = ends[0].lerp(ends[1], f64::from(n) / 500.0);
            let voxel = image.grid().voxel_from_patient().transform_point3(point);
            // A corner that the line just touches may be left out.
            let near = (voxel - voxel.round()).abs().max_element() < 0.4;
            assert!(
                !near || stroke.contains(image.grid().nearest(voxel).unwrap()),
                "{n}"
            );
        }
        let thinnest = 40 < stroke.count() && stroke.count() < 120;
        assert_eq!(thinnest, radius_mm < 1.0, "{}", stroke.count());
    }
}

#[test]
fn a_range_of_values_keeps_the_rest() {
    let image = image();
    let empty = Mask::empty(*image.grid());
    let centre = at(&image, DVec3::new(33.0, 30.0, 20.0));
    let range = ValueRange::new(-704.0, -650.0);
    let brush = Brush {
        radius_mm: 12.0,
        tip: Tip::Ball,
        range: Some(range),
    };
    let ball = painted(&empty, &image, brush, [centre; 2], Paint::Add);
    assert!(ball.count() > 100);
    assert!(ball.iter().all(|v| (32..=37).contains(&v.x)));
    let all = Brush {
        range: None,
        ..brush
    };
    let all = painted(&empty, &image, all, [centre; 2], Paint::Add);
    assert_eq!(
        all.iter().filter(|v| (32..=37).contains(&v.x)).count(),
        ball.count()
    );
    let left = painted(&all, &image, brush, [centre; 2], Paint::Erase);
    assert_eq!(left.count() + ball.count(), all.count());
}

#[test]
fn places_outside_paint_nothing_and_cost_nothing() {
    let image = image();
    let empty = Mask::empty(*image.grid());
    let brush = Brush {
        radius_mm: 3.0,
        tip: Tip::Ball,
        range: None,
    };
    let inside = at(&image, DVec3::new(33.0, 30.0, 20.0));
    for far in [DVec3::splat(1e15), DVec3::NAN, DVec3::splat(f64::INFINITY)] {
        let patch = brush.stroke(&empty, &image, [far; 2], Paint::Add).unwrap();
        assert!(patch.is_empty());
    }
    // From inside to far outside: what is inside is painted.
    let far = inside + (at(&image, DVec3::new(34.0, 30.0, 20.0)) - inside) * 1e6;
    let patch = brush
        .stroke(&empty, &image, [inside, far], Paint::Add)
        .unwrap();
    assert!(!patch.is_empty());
    let other = Mask::empty(VoxelGrid::new(UVec3::ONE, DAffine3::IDENTITY).unwrap());
    let error = brush
        .stroke(&other, &image, [inside; 2], Paint::Add)
        .unwrap_err();
    assert_eq!(error, EditError::OtherGrid);
}

#[test]
fn an_outline_fills_its_slice_alone() {
    let image = image();
    let grid = *image.grid();
    let empty = Mask::empty(grid);
    for (axis, slice) in [(0, 31), (1, 12), (2, 25)] {
        let [u, v] = [[1, 2], [0, 2], [0, 1]][axis];
        let corners = [(4.6, 5.6), (25.4, 5.6), (25.4, 24.4), (4.6, 24.4)];
        let outline: Vec<DVec3> = corners
            .iter()
            .map(|&(x, y)| {
                let mut voxel = DVec3::ZERO;
                (voxel[axis], voxel[u], voxel[v]) = (f64::from(slice), x, y);
                at(&image, voxel)
            })
            .collect();
        let inside =
            |w: UVec3| w[axis] == slice && (5..=25).contains(&w[u]) && (6..=24).contains(&w[v]);
        let mut mask = empty.clone();
        mask.apply(edit::paint_outline(&mask, &image, &outline, None, Paint::Add).unwrap());
        assert_eq!(mask, Mask::from_fn(grid, inside), "{axis}");
        let range = ValueRange::new(-1024.0, -860.0);
        let patch =
            edit::paint_outline(&mask, &image, &outline, Some(range), Paint::Erase).unwrap();
        mask.apply(patch);
        assert_eq!(mask, Mask::from_fn(grid, |w| inside(w) && w.x > 16));
    }
    for outline in [vec![], vec![DVec3::ZERO; 2], vec![DVec3::NAN; 5]] {
        let patch = edit::paint_outline(&empty, &image, &outline, None, Paint::Add).unwrap();
        assert!(patch.is_empty());
    }
}
