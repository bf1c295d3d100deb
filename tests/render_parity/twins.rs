//! The GPU against the CPU twins, pixel by pixel.

use std::time::{Duration, Instant};

use glam::{DVec2, DVec3, UVec3};
use m3d_imaging::geometry::Orientation;
use m3d_imaging::volume::{Blend, LabelMap, Mask, Paint, Rescale, Voxels, Window};
use m3d_viewer::render::{
    DrawTimer, LabelTexture, Picture, ViewSlot, VolumeTexture, cpu, read_back,
};

use crate::scenes::{
    STYLES, assert_ray_cast_agrees, difference, gpu, label_map, oblique_place, ray_config,
    slice_config, volume_of, volumes,
};

#[test]
fn slices_agree_with_the_twin_in_every_type_and_plane() {
    let Some((gpu, renderer, _)) = gpu() else {
        return;
    };
    let mut slot = ViewSlot::new(gpu);
    for volume in volumes() {
        let texture = VolumeTexture::upload(gpu, &volume).unwrap();
        assert_eq!(texture.reduction(), None);
        let map = label_map(volume.grid());
        let labels = LabelTexture::upload(gpu, &map).unwrap();
        for orientation in Orientation::ALL {
            for variant in 0..4 {
                let mut config = slice_config(volume.grid(), orientation);
                config.layers[0].interpolate = variant != 1;
                config.layers[0].invert = variant == 2;
                if variant == 3 {
                    config.labels = STYLES.to_vec();
                    config.layers[0].window = Window::from_range(400.0, 460.0);
                }
                renderer.draw(gpu, &mut slot, &[&texture], Some(&labels), &config);
                let found = read_back(gpu, &slot).unwrap();
                let wanted = cpu::slice(&[&volume], Some(&map), &config);
                let (largest, ..) = difference(&found, &wanted);
                let what = volume.voxels().type_name();
                assert!(largest <= 1, "{what} {orientation:?} {variant}: {largest}");
                let grey = wanted
                    .rgba
                    .chunks(4)
                    .filter(|p| (1..255).contains(&p[0]))
                    .count();
                assert!(grey > 2000, "the picture shows something: {grey}");
            }
        }
    }
}

#[test]
fn ray_casting_agrees_with_the_twin_in_every_type() {
    let Some((gpu, _, renderer)) = gpu() else {
        return;
    };
    let mut slot = ViewSlot::new(gpu);
    for volume in volumes() {
        let texture = VolumeTexture::upload(gpu, &volume).unwrap();
        let map = label_map(volume.grid());
        let labels = LabelTexture::upload(gpu, &map).unwrap();
        for (blend, shading, with_labels) in [
            (Blend::Composite, true, false),
            (Blend::Composite, false, false),
            (Blend::Composite, true, true),
            (Blend::MaximumIntensity, true, false),
            (Blend::MaximumIntensity, true, true),
        ] {
            let mut config = ray_config(volume.grid(), blend);
            config.shading = shading;
            if with_labels {
                config.labels = STYLES.to_vec();
            }
            renderer.draw(gpu, &mut slot, &texture, Some(&labels), &config, None);
            let found = read_back(gpu, &slot).unwrap();
            let wanted = cpu::ray_cast(&volume, Some(&map), &config);
            let type_name = volume.voxels().type_name();
            let what = format!("{type_name} {blend:?} shading {shading} labels {with_labels}");
            assert_ray_cast_agrees(&what, &found, &wanted);
        }
    }
}

/// A small bright ball and a label in a large empty volume: most bricks are leapt over, and the eye
/// is inside the volume.
#[test]
fn leaping_over_empty_bricks_changes_nothing() {
    let Some((gpu, _, renderer)) = gpu() else {
        return;
    };
    let dims = UVec3::new(90, 75, 70);
    let mut values = Vec::new();
    for k in 0..dims.z {
        for j in 0..dims.y {
            for i in 0..dims.x {
                let at = UVec3::new(i, j, k).as_dvec3();
                let r = at.distance(DVec3::new(61.0, 40.0, 22.0));
                let shell = at.distance(DVec3::new(20.0, 20.0, 50.0));
                values.push(if r < 9.0 || (shell - 11.0).abs() < 0.8 {
                    900_i16
                } else {
                    0
                });
            }
        }
    }
    let volume = volume_of(
        Voxels::I16(values),
        dims,
        oblique_place(),
        Rescale::IDENTITY,
    );
    let texture = VolumeTexture::upload(gpu, &volume).unwrap();
    let mask = Mask::from_fn(*volume.grid(), |v| {
        v.as_dvec3().distance(DVec3::new(70.0, 12.0, 55.0)) < 7.3
    });
    let map = LabelMap::from_masks(*volume.grid(), [&mask]);
    let labels = LabelTexture::upload(gpu, &map).unwrap();
    let mut slot = ViewSlot::new(gpu);
    for (inside, blend) in [
        (false, Blend::Composite),
        (true, Blend::Composite),
        (false, Blend::MaximumIntensity),
    ] {
        let mut config = ray_config(volume.grid(), blend);
        config.labels = vec![STYLES[1]];
        if inside {
            config.camera.zoom(6.0);
        }
        renderer.draw(gpu, &mut slot, &texture, Some(&labels), &config, None);
        let found = read_back(gpu, &slot).unwrap();
        let wanted = cpu::ray_cast(&volume, Some(&map), &config);
        let (largest, mean, apart) = difference(&found, &wanted);
        let what = format!("inside {inside} {blend:?}");
        eprintln!(
            "{what}: largest {largest}, mean {mean:.4}, apart {:.4} %",
            apart * 100.0
        );
        assert!(mean < 1.0 && apart <= 0.001, "{what}");
    }
}

/// What is painted into a texture that was drawn already is seen, in bricks that rays leapt over as well.
#[test]
fn labels_are_followed_where_they_change() {
    let Some((gpu, slices, rays)) = gpu() else {
        return;
    };
    let dims = UVec3::new(90, 75, 70);
    let empty = Voxels::U8(vec![0; 90 * 75 * 70]);
    let volume = volume_of(empty, dims, oblique_place(), Rescale::IDENTITY);
    let grid = *volume.grid();
    let texture = VolumeTexture::upload(gpu, &volume).unwrap();
    let mut mask = Mask::empty(grid);
    let mut map = LabelMap::from_masks(grid, [&mask]);
    let mut labels = LabelTexture::upload(gpu, &map).unwrap();
    let (mut slice_slot, mut ray_slot) = (ViewSlot::new(gpu), ViewSlot::new(gpu));
    let mut slice_config = slice_config(&grid, Orientation::Coronal);
    slice_config.labels = vec![STYLES[1]];
    let mut ray_config = ray_config(&grid, Blend::Composite);
    ray_config.labels = vec![STYLES[1]];
    let mut pictures = Vec::new();
    for (share, paint) in [
        (0.5, Paint::Erase),
        (0.5, Paint::Add),
        (0.3, Paint::Add),
        (0.6, Paint::Erase),
    ] {
        let voxel = (dims.as_dvec3() * share).floor();
        let centre_mm = grid.patient_from_voxel().transform_point3(voxel);
        let patch = mask.edit(|m| m.paint_ball(centre_mm, 19.0, paint));
        map.update([&mask], patch.bricks());
        labels.update(gpu, &map).unwrap();
        slices.draw(
            gpu,
            &mut slice_slot,
            &[&texture],
            Some(&labels),
            &slice_config,
        );
        let slice = read_back(gpu, &slice_slot).unwrap();
        let wanted = cpu::slice(&[&volume], Some(&map), &slice_config);
        assert!(difference(&slice, &wanted).0 <= 1, "{share}");
        rays.draw(
            gpu,
            &mut ray_slot,
            &texture,
            Some(&labels),
            &ray_config,
            None,
        );
        let cast = read_back(gpu, &ray_slot).unwrap();
        let wanted = cpu::ray_cast(&volume, Some(&map), &ray_config);
        let (_, mean, apart) = difference(&cast, &wanted);
        assert!(mean < 1.0 && apart <= 0.001, "{share}: {mean} {apart}");
        assert!(
            !pictures.contains(&(slice.clone(), cast.clone())),
            "{share}"
        );
        pictures.push((slice, cast));
    }
}

#[test]
fn tiles_make_the_whole_and_leave_the_rest() {
    let Some((gpu, _, renderer)) = gpu() else {
        return;
    };
    let volume = volumes().swap_remove(3);
    let texture = VolumeTexture::upload(gpu, &volume).unwrap();
    let config = ray_config(volume.grid(), Blend::Composite);
    let mut slot = ViewSlot::new(gpu);
    renderer.draw(gpu, &mut slot, &texture, None, &config, None);
    let whole = read_back(gpu, &slot).unwrap();
    let mut tiled = ViewSlot::new(gpu);
    for y in (0..config.size_px[1]).step_by(64) {
        for x in (0..config.size_px[0]).step_by(64) {
            let tile = Some([x, y, 64, 64]);
            renderer.draw(gpu, &mut tiled, &texture, None, &config, tile);
        }
    }
    assert_eq!(read_back(gpu, &tiled).unwrap(), whole);
    let mut other = config.clone();
    other.background = [1.0, 0.0, 0.0];
    renderer.draw(
        gpu,
        &mut tiled,
        &texture,
        None,
        &other,
        Some([0, 0, 40, 30]),
    );
    let mixed = read_back(gpu, &tiled).unwrap();
    assert_eq!(mixed.pixel(0, 0), Some([255, 0, 0, 255]));
    for (x, y) in [(41, 0), (0, 31), (100, 100)] {
        assert_eq!(mixed.pixel(x, y), whole.pixel(x, y));
    }
}

#[test]
fn a_slot_draws_again_only_when_something_changed() {
    let Some((gpu, renderer, _)) = gpu() else {
        return;
    };
    let volume = volumes().swap_remove(0);
    let texture = VolumeTexture::upload(gpu, &volume).unwrap();
    let config = slice_config(volume.grid(), Orientation::Axial);
    let mut slot = ViewSlot::new(gpu);
    renderer.draw(gpu, &mut slot, &[&texture], None, &config);
    let first = read_back(gpu, &slot).unwrap();
    let blank = Picture::filled(first.width, first.height, [1, 2, 3]);
    slot.show(gpu, &blank);
    assert_eq!(read_back(gpu, &slot).unwrap(), blank);
    renderer.draw(gpu, &mut slot, &[&texture], None, &config);
    assert_eq!(read_back(gpu, &slot).unwrap(), first);
    let mut smaller = config.clone();
    smaller.view.size_px = DVec2::new(50.0, 60.0);
    renderer.draw(gpu, &mut slot, &[&texture], None, &smaller);
    assert_eq!(slot.size(), [50, 60]);
}

/// The time of a picture comes by asking, is told once, and its end is told.
#[test]
fn a_picture_is_timed_by_asking() {
    let Some((gpu, _, renderer)) = gpu() else {
        return;
    };
    let volume = volumes().swap_remove(0);
    let texture = VolumeTexture::upload(gpu, &volume).unwrap();
    let mut config = ray_config(volume.grid(), Blend::Composite);
    config.size_px = [1500, 1200];
    let mut slot = ViewSlot::new(gpu);
    let (told, end) = std::sync::mpsc::channel();
    let mut timer = DrawTimer::new(gpu, move || told.send(()).unwrap());
    assert!(!timer.is_busy() && timer.taken().is_none());
    let begun = Instant::now();
    timer.time(|| renderer.draw(gpu, &mut slot, &texture, None, &config, None));
    assert!(timer.is_busy());
    let taken = loop {
        if let Some(taken) = timer.taken() {
            break taken;
        }
        assert!(begun.elapsed() < Duration::from_mins(2), "no answer");
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(taken > Duration::ZERO && taken <= begun.elapsed());
    assert!(!timer.is_busy() && timer.taken().is_none(), "told once");
    end.recv_timeout(Duration::from_mins(2)).unwrap();
    // The next one is timed by itself.
    slot.invalidate();
    timer.time(|| renderer.draw(gpu, &mut slot, &texture, None, &config, None));
    end.recv_timeout(Duration::from_mins(2)).unwrap();
    assert!(timer.is_busy(), "until it is asked for");
    assert!(timer.taken().is_some());
}
