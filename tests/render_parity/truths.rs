//! The twins against what geometry says; no adapter is needed.

use glam::{DAffine3, DQuat, DVec2, DVec3, UVec3};
use m3d_imaging::geometry::{Camera, Orientation, SlicePlane, SliceView, VoxelGrid};
use m3d_imaging::volume::{Blend, Rescale, TransferFunction, Voxels, Window};
use m3d_viewer::render::{LayerStyle, SliceConfig, cpu};

use crate::scenes::{
    bright_box, colour_volume, difference, oblique_place, point, ray_config, scene, slice_config,
    volume_of,
};

#[test]
fn a_bright_box_appears_where_geometry_says() {
    let (low, high) = (UVec3::new(5, 8, 4), UVec3::new(20, 14, 15));
    let volume = bright_box(low, high, UVec3::new(37, 29, 23), oblique_place());
    let grid = volume.grid();
    for orientation in Orientation::ALL {
        let mut config = slice_config(grid, orientation);
        config.view.size_px = DVec2::new(400.0, 400.0);
        config.layers[0].interpolate = false;
        let middle = grid
            .patient_from_voxel()
            .transform_point3((low + high).as_dvec3() / 2.0);
        let slice = config.view.plane.slice_of(grid, middle);
        config.view.centre_mm = config
            .view
            .plane
            .point_on_slice(grid, grid.centre_mm(), slice);
        let corner = |v: DVec3| {
            let point_mm = grid.patient_from_voxel().transform_point3(v);
            config.view.pixel_from_patient(point_mm)
        };
        let (a, b) = (corner(low.as_dvec3() - 0.5), corner(high.as_dvec3() + 0.5));
        let picture = cpu::slice(&[&volume], None, &config);
        let (from, to) = (a.min(b), a.max(b));
        for y in 0..400 {
            for x in 0..400 {
                let at = DVec2::new(f64::from(x) + 0.5, f64::from(y) + 0.5);
                let inside = at.cmpgt(from).all() && at.cmplt(to).all();
                let edge = (at - from).abs().min((at - to).abs()).min_element() < 0.01;
                let white = picture.pixel(x, y).unwrap()[0] == 255;
                assert!(edge || white == inside, "{orientation:?} {x} {y}");
            }
        }
    }
}

#[test]
fn colours_are_shown_as_they_are_stored() {
    let volume = colour_volume();
    for orientation in Orientation::ALL {
        let mut config = slice_config(volume.grid(), orientation);
        config.layers = vec![LayerStyle {
            interpolate: false,
            ..LayerStyle::grey(Window::COLOURS)
        }];
        let picture = cpu::slice(&[&volume], None, &config);
        config.layers[0].invert = true;
        let inverted = cpu::slice(&[&volume], None, &config);
        let mut seen = 0;
        for y in 0..picture.height {
            for x in 0..picture.width {
                let pixel = DVec2::new(f64::from(x), f64::from(y)) + 0.5;
                let point_mm = config.view.patient_from_pixel(pixel);
                let voxel = volume
                    .grid()
                    .voxel_from_patient()
                    .transform_point3(point_mm);
                let colour = volume.grid().nearest(voxel).and_then(|v| volume.colour(v));
                seen += u32::from(colour.is_some());
                let [red, green, blue] = colour.unwrap_or_default();
                assert_eq!(
                    picture.pixel(x, y),
                    Some([red, green, blue, 255]),
                    "{x} {y}"
                );
                let other = colour.map_or([0; 3], |colour| colour.map(|level| 255 - level));
                assert_eq!(inverted.pixel(x, y).unwrap()[..3], other, "{x} {y}");
            }
        }
        assert!(seen > 2000);
    }
}

#[test]
fn an_anisotropic_ball_looks_round() {
    let place = DAffine3::from_scale(DVec3::new(0.6, 1.0, 2.5));
    let dims = UVec3::new(100, 60, 24);
    let grid = VoxelGrid::new(dims, place).unwrap();
    let centre = grid.centre_mm();
    let mut values = Vec::new();
    for k in 0..dims.z {
        for j in 0..dims.y {
            for i in 0..dims.x {
                let at_mm = place.transform_point3(UVec3::new(i, j, k).as_dvec3());
                values.push(
                    (1000.0 - 40.0 * (at_mm.distance(centre) - 20.0)).clamp(0.0, 2000.0) as f32,
                );
            }
        }
    }
    let volume = volume_of(Voxels::F32(values), dims, place, Rescale::IDENTITY);
    for orientation in Orientation::ALL {
        let plane = SlicePlane::new(&grid, orientation);
        let mut view = SliceView::fit(&grid, plane, centre, DVec2::new(300.0, 300.0));
        view.centre_mm = centre;
        view.mm_per_pixel = 0.2;
        let config = SliceConfig {
            view,
            layers: vec![LayerStyle::grey(Window::from_range(999.0, 1001.0))],
            labels: Vec::new(),
        };
        let picture = cpu::slice(&[&volume], None, &config);
        for step in 0..32 {
            let way = DVec2::from_angle(f64::from(step) * std::f64::consts::TAU / 32.0);
            let white = |r_mm: f64| {
                let at = (view.size_px / 2.0 + way * r_mm / 0.2).floor();
                picture.pixel(at.x as u32, at.y as u32).unwrap()[0] > 127
            };
            // Linear interpolation cuts the corners of a ball of 2.5 mm slices by h^2 / 8r = 0.04 mm.
            assert!(white(19.5) && !white(20.5), "{orientation:?} {way}");
        }
    }
}

/// Storing the voxels backwards along any axes, with the affine to match, is the same study.
#[test]
fn storage_order_does_not_change_the_picture() {
    let dims = UVec3::new(23, 19, 17);
    let shares = scene(dims);
    let place = oblique_place();
    let offset = |v: UVec3| ((v.z * dims.y + v.y) * dims.x + v.x) as usize;
    let flipped = |axes: [bool; 3]| {
        let last = dims - 1;
        let other = |v: UVec3| {
            let pick = |n: usize| if axes[n] { last[n] - v[n] } else { v[n] };
            UVec3::new(pick(0), pick(1), pick(2))
        };
        let mut values = Vec::new();
        for k in 0..dims.z {
            for j in 0..dims.y {
                for i in 0..dims.x {
                    values.push((shares[offset(other(UVec3::new(i, j, k)))] * 1000.0) as i16);
                }
            }
        }
        let sign = DVec3::from_array(axes.map(|f| if f { -1.0 } else { 1.0 }));
        let start =
            DVec3::from_array([0, 1, 2].map(|n| if axes[n] { f64::from(last[n]) } else { 0.0 }));
        let turn = DAffine3::from_scale_rotation_translation(sign, DQuat::IDENTITY, start);
        volume_of(Voxels::I16(values), dims, place * turn, Rescale::IDENTITY)
    };
    let plain = flipped([false; 3]);
    let rays = ray_config(plain.grid(), Blend::Composite);
    let wanted_rays = cpu::ray_cast(&plain, None, &rays);
    for axes in [
        [true, false, false],
        [false, true, true],
        [true, true, true],
    ] {
        let other = flipped(axes);
        for orientation in Orientation::ALL {
            let wanted = cpu::slice(&[&plain], None, &slice_config(plain.grid(), orientation));
            let found = cpu::slice(&[&other], None, &slice_config(other.grid(), orientation));
            // f64 rounding may tip a grey level.
            let (largest, mean, _) = difference(&wanted, &found);
            assert!(
                largest <= 1 && mean < 1e-3,
                "{axes:?} {orientation:?}: {largest} {mean}"
            );
        }
        let found = cpu::ray_cast(&other, None, &rays);
        let (_, mean, apart) = difference(&wanted_rays, &found);
        assert!(mean < 0.01 && apart == 0.0, "{axes:?}: {mean} {apart}");
    }
}

/// An opaque ball's outline is the cone of rays that touch it.
#[test]
fn an_opaque_ball_covers_its_analytic_outline() {
    let place = oblique_place();
    let dims = UVec3::new(90, 70, 36);
    let grid = VoxelGrid::new(dims, place).unwrap();
    let centre = grid.centre_mm() + DVec3::new(3.0, -4.0, 5.0);
    let radius = 22.0;
    let mut values = Vec::new();
    for k in 0..dims.z {
        for j in 0..dims.y {
            for i in 0..dims.x {
                let at_mm = place.transform_point3(UVec3::new(i, j, k).as_dvec3());
                values.push((100.0 * (radius - at_mm.distance(centre))) as f32);
            }
        }
    }
    let volume = volume_of(Voxels::F32(values), dims, place, Rescale::IDENTITY);
    let mut config = ray_config(&grid, Blend::Composite);
    config.shading = false;
    config.background = [0.0; 3];
    config.step_voxels = 0.25;
    config.size_px = [240, 200];
    // Opaque at once where the distance to the surface turns positive.
    config.transfer = TransferFunction::new(
        vec![point(0.0, [1.0; 3], 0.0), point(1.0, [1.0; 3], 1.0)],
        Blend::Composite,
    );
    let picture = cpu::ray_cast(&volume, None, &config);
    let size = DVec2::new(240.0, 200.0);
    let mut seen = 0;
    for y in 0..200 {
        for x in 0..240 {
            let ray = config
                .camera
                .ray(DVec2::new(f64::from(x) + 0.5, f64::from(y) + 0.5), size);
            let along = (centre - ray.origin_mm).dot(ray.direction);
            let miss = (ray.origin_mm + ray.direction * along).distance(centre);
            let white = picture.pixel(x, y).unwrap()[0] > 127;
            // Grazing rays may pass between samples, and trilinear values round the ball off: with
            // spacings to 2.3 mm by h^2 / 8r = 0.03 mm and the chord of one step.
            if (miss - radius).abs() > 0.15 {
                assert_eq!(white, miss < radius, "{x} {y}: {miss}");
            }
            seen += u32::from(white);
        }
    }
    assert!(seen > 3000);
}

/// A thin bright plate far behind: the largest value shows through whatever is in front.
#[test]
fn the_largest_value_along_the_ray_is_shown() {
    let volume = bright_box(
        UVec3::new(10, 20, 4),
        UVec3::new(25, 21, 18),
        UVec3::new(37, 29, 23),
        DAffine3::from_scale(DVec3::new(1.0, 1.0, 2.0)),
    );
    let mut config = ray_config(volume.grid(), Blend::MaximumIntensity);
    config.camera = Camera::facing(volume.grid().centre_mm(), volume.grid().radius_mm());
    config.background = [0.0; 3];
    config.transfer = TransferFunction::new(
        vec![point(0.0, [0.0; 3], 0.0), point(1000.0, [1.0; 3], 1.0)],
        Blend::MaximumIntensity,
    );
    let picture = cpu::ray_cast(&volume, None, &config);
    let size = DVec2::new(203.0, 170.0);
    let at = |voxel: DVec3| {
        let point_mm = volume.grid().patient_from_voxel().transform_point3(voxel);
        let pixel = config.camera.pixel_from_patient(point_mm, size).unwrap();
        picture.pixel(pixel.x as u32, pixel.y as u32).unwrap()[0]
    };
    assert_eq!(at(DVec3::new(17.0, 20.5, 11.0)), 255);
    assert_eq!(at(DVec3::new(4.0, 20.5, 11.0)), 0);
    assert_eq!(at(DVec3::new(17.0, 20.5, 1.0)), 0);
}
