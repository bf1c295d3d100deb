//! Timings and pictures of a phantom, to be read and looked at: `--ignored --nocapture`.

use glam::{DAffine3, DQuat, DVec2, DVec3, UVec3};
use m3d_imaging::geometry::{Camera, Orientation, SliceView, VoxelGrid};
use m3d_imaging::volume::{
    Blend, LabelMap, Mask, Modality, Rescale, Spacing, TransferFunction, Units, Volume, Voxels,
    Window,
};
use m3d_viewer::render::overlay::{
    BoxMark, CornerLine, CornerTexts, SliceOverlay, slice_lines, slice_marks, window_line,
};
use m3d_viewer::render::{
    ColourMap, LabelTexture, LayerStyle, MOST_LAYERS, ViewSlot, VolumeTexture, annotate, cpu,
    read_back,
};

use crate::scenes::{STYLES, gpu, point, ray_config, slice_config};

/// Timings of the bench figures; run with `--ignored --nocapture`.
#[test]
#[ignore = "prints timings"]
fn timings() {
    let Some((gpu, slices, volumes)) = gpu() else {
        return;
    };
    let volume = phantom(256);
    let start = std::time::Instant::now();
    let texture = VolumeTexture::upload(gpu, &volume).unwrap();
    gpu.wait();
    eprintln!("upload 256^3 i16: {:?}", start.elapsed());
    let mut slot = ViewSlot::new(gpu);
    for (name, blend, shading, step) in [
        ("composite shaded", Blend::Composite, true, 0.5),
        ("composite unshaded", Blend::Composite, false, 0.5),
        ("composite shaded, steps of 1", Blend::Composite, true, 1.0),
        ("maximum", Blend::MaximumIntensity, false, 0.5),
    ] {
        for preset in ["bone", "soft"] {
            let mut config = ray_config(volume.grid(), blend);
            config.camera =
                Camera::facing(volume.grid().centre_mm(), volume.grid().radius_mm() * 0.8);
            config.size_px = [512, 512];
            config.shading = shading;
            config.step_voxels = step;
            config.transfer = ct(preset, blend);
            volumes.draw(gpu, &mut slot, &texture, None, &config, None);
            gpu.wait();
            let mut best = f64::INFINITY;
            for _ in 0..3 {
                slot.invalidate();
                let start = std::time::Instant::now();
                volumes.draw(gpu, &mut slot, &texture, None, &config, None);
                gpu.wait();
                best = best.min(start.elapsed().as_secs_f64());
            }
            eprintln!("{name}, {preset}: {:.1} ms", best * 1000.0);
        }
    }
    let start = std::time::Instant::now();
    let mut config = ray_config(volume.grid(), Blend::Composite);
    config.camera = Camera::facing(volume.grid().centre_mm(), volume.grid().radius_mm() * 0.8);
    config.size_px = [512, 512];
    config.transfer = ct("bone", Blend::Composite);
    cpu::ray_cast(&volume, None, &config);
    eprintln!("twin, composite shaded, bone: {:?}", start.elapsed());
    let mut config = slice_config(volume.grid(), Orientation::Axial);
    config.view = SliceView::fit(
        volume.grid(),
        config.view.plane,
        volume.grid().centre_mm(),
        DVec2::splat(800.0),
    );
    for layers in 1..=MOST_LAYERS {
        config.layers.resize(layers, config.layers[0]);
        let mut best = f64::INFINITY;
        for _ in 0..4 {
            slot.invalidate();
            let start = std::time::Instant::now();
            slices.draw(gpu, &mut slot, &vec![&texture; layers], None, &config);
            gpu.wait();
            best = best.min(start.elapsed().as_secs_f64());
        }
        eprintln!("slice 800x800, {layers} layers: {:.1} ms", best * 1000.0);
        let start = std::time::Instant::now();
        cpu::slice(&vec![&volume; layers], None, &config);
        eprintln!(
            "twin, slice 800x800, {layers} layers: {:?}",
            start.elapsed()
        );
    }
}

fn ct(preset: &str, blend: Blend) -> TransferFunction {
    let points = if preset == "bone" {
        vec![
            point(120.0, [0.55, 0.20, 0.13], 0.0),
            point(220.0, [0.85, 0.55, 0.38], 0.10),
            point(400.0, [0.95, 0.86, 0.70], 0.55),
            point(1200.0, [1.0, 0.98, 0.93], 0.95),
        ]
    } else {
        vec![
            point(-160.0, [0.60, 0.36, 0.24], 0.0),
            point(-20.0, [0.72, 0.42, 0.30], 0.02),
            point(40.0, [0.80, 0.35, 0.28], 0.20),
            point(150.0, [0.92, 0.55, 0.45], 0.40),
            point(300.0, [0.98, 0.90, 0.80], 0.80),
        ]
    };
    TransferFunction::new(points, blend)
}

/// A body of soft tissue with lungs, spine, ribs and organs, in HU.
fn phantom(side: u32) -> Volume {
    let dims = UVec3::splat(side);
    let mut values = Vec::with_capacity((side * side * side) as usize);
    let mut noise = 1_u32;
    for k in 0..side {
        for j in 0..side {
            for i in 0..side {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let p = (UVec3::new(i, j, k).as_dvec3() + 0.5) / f64::from(side) * 2.0 - 1.0;
                let grain = f64::from(noise >> 20) / 4096.0 * 24.0 - 12.0;
                values.push((tissue(p) + grain) as i16);
            }
        }
    }
    let place = DAffine3::from_scale_rotation_translation(
        DVec3::splat(360.0 / f64::from(side)),
        DQuat::IDENTITY,
        DVec3::new(-180.0, -180.0, -900.0),
    );
    let grid = VoxelGrid::new(dims, place).unwrap();
    Volume::new(
        grid,
        Voxels::I16(values),
        Rescale::IDENTITY,
        Modality::Ct,
        Units::Hounsfield,
    )
    .unwrap()
}

/// HU at a place of the phantom, -1 to 1 along left, back and head.
fn tissue(p: DVec3) -> f64 {
    let in_ball = |c: DVec3, r: DVec3| ((p - c) / r).length() < 1.0;
    let body = DVec2::new(p.x / 0.85, p.y / 0.6).length();
    if body > 1.0 {
        return -1000.0;
    }
    let spine = DVec2::new(p.x, p.y - 0.38).length();
    if spine < 0.05 {
        return 20.0;
    }
    if spine < 0.13 && (p.z * 9.0).fract().abs() > 0.15 {
        return if spine > 0.11 { 900.0 } else { 350.0 };
    }
    // Ribs rise from the spine to the sides.
    let rib = ((p.z + p.y * 0.35) * 7.0).rem_euclid(1.0);
    if (0.82..0.88).contains(&body) && rib < 0.4 && p.z > -0.2 && p.y > -0.45 {
        return 700.0;
    }
    if body > 0.93 {
        return -90.0;
    }
    if p.z > 0.0 {
        for side in [-1.0, 1.0] {
            if in_ball(
                DVec3::new(0.42 * side, -0.02, 0.35),
                DVec3::new(0.3, 0.38, 0.55),
            ) {
                return -850.0;
            }
        }
    }
    if in_ball(DVec3::new(-0.35, -0.05, -0.25), DVec3::new(0.4, 0.35, 0.25)) {
        return 110.0;
    }
    for side in [-1.0, 1.0] {
        if in_ball(
            DVec3::new(0.32 * side, 0.22, -0.55),
            DVec3::new(0.12, 0.1, 0.2),
        ) {
            return 190.0;
        }
    }
    if DVec2::new(p.x - 0.05, p.y - 0.18).length() < 0.05 {
        return 320.0;
    }
    40.0
}

/// Like PET of the phantom, coarse and turned a little: two warm places on an even ground.
fn uptake() -> Volume {
    let dims = UVec3::new(64, 64, 48);
    let turn = DQuat::from_rotation_y(0.12);
    let spacing = DVec3::splat(5.0);
    let corner = turn * (spacing * (dims.as_dvec3() - 1.0) / 2.0);
    let place = DAffine3::from_scale_rotation_translation(
        spacing,
        turn,
        DVec3::new(0.0, 0.0, -720.0) - corner,
    );
    let grid = VoxelGrid::new(dims, place).unwrap();
    let warm = |at_mm: DVec3, centre_mm: DVec3, width: f64| {
        (-at_mm.distance_squared(centre_mm) / (2.0 * width * width)).exp()
    };
    let values = (0..grid.len() as u32).map(|n| {
        let voxel = UVec3::new(n % 64, n / 64 % 64, n / 4096).as_dvec3();
        let at_mm = place.transform_point3(voxel);
        let liver = warm(at_mm, DVec3::new(-63.0, 0.0, -765.0), 45.0);
        let node = warm(at_mm, DVec3::new(70.0, 10.0, -680.0), 14.0);
        (0.6 + 3.0 * liver + 7.0 * node) as f32
    });
    let values = Voxels::F32(values.collect());
    Volume::new(
        grid,
        values,
        Rescale::IDENTITY,
        Modality::Pet,
        Units::Arbitrary,
    )
    .unwrap()
}

/// Writes the phantom's pictures into `M3D_PICTURES`, to be looked at.
#[test]
#[ignore = "writes pictures"]
fn pictures() {
    let Some(folder) = std::env::var_os("M3D_PICTURES").map(std::path::PathBuf::from) else {
        eprintln!("skipped: set M3D_PICTURES to a folder");
        return;
    };
    let Some((gpu, slices, volumes)) = gpu() else {
        return;
    };
    let volume = phantom(192);
    let grid = volume.grid();
    let texture = VolumeTexture::upload(gpu, &volume).unwrap();
    let in_mask = |centre: DVec3, radii: DVec3| {
        Mask::from_fn(*grid, |v| {
            let p = (v.as_dvec3() + 0.5) / 192.0 * 2.0 - 1.0;
            ((p - centre) / radii).length() < 1.0
        })
    };
    let liver = in_mask(DVec3::new(-0.35, -0.05, -0.25), DVec3::new(0.4, 0.35, 0.25));
    let kidney = in_mask(DVec3::new(0.32, 0.22, -0.55), DVec3::new(0.12, 0.1, 0.2));
    let map = LabelMap::from_masks(*grid, [&liver, &kidney]);
    let labels = LabelTexture::upload(gpu, &map).unwrap();
    let mut slot = ViewSlot::new(gpu);
    for orientation in Orientation::ALL {
        let mut config = slice_config(grid, orientation);
        let point_mm = grid.centre_mm() + DVec3::new(-30.0, 10.0, -60.0);
        config.view = SliceView::fit(grid, config.view.plane, point_mm, DVec2::new(720.0, 600.0));
        config.layers[0].window = Window::from_range(-160.0, 240.0);
        config.labels = STYLES.to_vec();
        slices.draw(gpu, &mut slot, &[&texture], Some(&labels), &config);
        let mut picture = read_back(gpu, &slot).unwrap();
        let marks = slice_marks(&SliceOverlay {
            view: config.view,
            pixels_per_point: 1.2,
            crosshair_mm: Some(point_mm),
            boxes: vec![BoxMark {
                grid: *grid,
                region: liver.bounding_box().unwrap(),
                colour: [250, 210, 60, 255],
                handles: true,
                words: Vec::new(),
                id: None,
            }],
            annotations: Vec::new(),
            texts: CornerTexts {
                top_left: [
                    "Müller^Žofia",
                    "2026-11-27",
                    "Phantom, a description as long as any",
                ]
                .map(CornerLine::new)
                .to_vec(),
                top_right: slice_lines(grid, &config.view, true),
                bottom_left: vec![window_line(config.layers[0].window, true)],
            },
            spacing: Spacing::Patient,
            sides_known: true,
            notice: true,
        });
        annotate(&mut picture, &marks, &config.view, 1.2);
        picture
            .save_png(&folder.join(format!("slice_{}.png", orientation.name())))
            .unwrap();
    }
    fused(&folder, &volume);
    for (name, preset, blend, with_labels, turn) in [
        ("bone", "bone", Blend::Composite, false, 0.5),
        ("soft", "soft", Blend::Composite, false, 0.5),
        ("labels", "bone", Blend::Composite, true, 0.3),
        ("mip", "bone", Blend::MaximumIntensity, false, 0.5),
    ] {
        let mut config = ray_config(grid, blend);
        config.camera = Camera::facing(grid.centre_mm(), grid.radius_mm() * 0.8);
        config.camera.orbit(DVec2::new(turn, -0.15));
        config.size_px = [720, 600];
        config.transfer = ct(preset, blend);
        if blend == Blend::MaximumIntensity {
            config.transfer = TransferFunction::new(
                vec![point(-160.0, [0.0; 3], 0.0), point(700.0, [1.0; 3], 1.0)],
                blend,
            );
        }
        if with_labels {
            config.labels = STYLES.to_vec();
        }
        volumes.draw(gpu, &mut slot, &texture, Some(&labels), &config, None);
        let picture = read_back(gpu, &slot).unwrap();
        picture
            .save_png(&folder.join(format!("volume_{name}.png")))
            .unwrap();
    }
}

/// The phantom's uptake over it, in each colour map.
fn fused(folder: &std::path::Path, volume: &Volume) {
    let Some((gpu, slices, _)) = gpu() else {
        return;
    };
    let grid = volume.grid();
    let uptake = uptake();
    let [texture, layer] = [volume, &uptake].map(|v| VolumeTexture::upload(gpu, v).unwrap());
    let mut slot = ViewSlot::new(gpu);
    for colours in ColourMap::ALL {
        let mut config = slice_config(grid, Orientation::Coronal);
        let point_mm = grid.centre_mm() + DVec3::new(0.0, 20.0, 0.0);
        config.view = SliceView::fit(grid, config.view.plane, point_mm, DVec2::new(720.0, 600.0));
        config.layers = vec![
            LayerStyle::grey(Window::from_range(-160.0, 240.0)),
            LayerStyle {
                colours,
                opacity: 0.5,
                ..LayerStyle::grey(Window::from_range(0.0, 8.0))
            },
        ];
        slices.draw(gpu, &mut slot, &[&texture, &layer], None, &config);
        let picture = read_back(gpu, &slot).unwrap();
        picture
            .save_png(&folder.join(format!("fusion_{}.png", colours.name())))
            .unwrap();
    }
}
