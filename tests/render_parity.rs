//! The GPU's pictures compared with the CPU twins', and the twins with what geometry says.
//!
//! Any adapter will do, a software one too; without one the comparisons say so and are skipped. The
//! truths about the twins need none.

use std::sync::OnceLock;

use glam::{DAffine3, DQuat, DVec2, DVec3, UVec3};
use m3d_viewer::geometry::{Camera, Orientation, SlicePlane, SliceView, VoxelGrid};
use m3d_viewer::render::{
    Gpu, LabelStyle, LabelTexture, Picture, RayCastConfig, SliceConfig, SliceRenderer, ViewSlot,
    VolumeRenderer, VolumeTexture, cpu, read_back,
};
use m3d_viewer::volume::{
    Blend, ControlPoint, LabelMap, Mask, Modality, Rescale, TransferFunction, Units, Volume,
    Voxels, Window,
};

/// The adapter, with both renderers; `None`, told once, where there is none.
fn gpu() -> Option<&'static (Gpu, SliceRenderer, VolumeRenderer)> {
    static GPU: OnceLock<Option<(Gpu, SliceRenderer, VolumeRenderer)>> = OnceLock::new();
    GPU.get_or_init(|| match Gpu::headless() {
        Ok(gpu) => {
            eprintln!("adapter: {}", gpu.adapter_name());
            let (slices, volumes) = (SliceRenderer::new(&gpu), VolumeRenderer::new(&gpu));
            Some((gpu, slices, volumes))
        }
        Err(why) => {
            eprintln!("skipped: comparisons of the GPU with the CPU twins: {why}");
            None
        }
    })
    .as_ref()
}

/// Far from the patient's origin, oblique, anisotropic, and mirrored (a negative direction cosine).
fn oblique_place() -> DAffine3 {
    let turn = DQuat::from_euler(glam::EulerRot::XYZ, 0.31, -0.23, 0.17);
    DAffine3::from_scale_rotation_translation(
        DVec3::new(-0.8, 1.1, 2.3),
        turn,
        DVec3::new(812.3, -604.7, 1519.9),
    )
}

/// A smooth but busy scene with a hard-edged bright ball, as shares of 1 by voxel.
fn scene(dims: UVec3) -> Vec<f64> {
    let mut values = Vec::new();
    for k in 0..dims.z {
        for j in 0..dims.y {
            for i in 0..dims.x {
                let at = UVec3::new(i, j, k).as_dvec3() / (dims.as_dvec3() - 1.0);
                let waves = (at.x * 9.0).sin() * (at.y * 7.0).cos() * (at.z * 5.0).sin();
                let ball = (at - DVec3::new(0.45, 0.55, 0.5)).length() < 0.22;
                values.push((0.35 + 0.25 * waves + if ball { 0.35 } else { 0.0 }).clamp(0.0, 1.0));
            }
        }
    }
    values
}

fn volume_of(voxels: Voxels, dims: UVec3, place: DAffine3, rescale: Rescale) -> Volume {
    let grid = VoxelGrid::new(dims, place).unwrap();
    Volume::new(grid, voxels, rescale, Modality::Other, Units::Arbitrary).unwrap()
}

/// The scene in each voxel type, over the type's own range, with the rescale that makes it 0 to 1000.
fn volumes() -> Vec<Volume> {
    let dims = UVec3::new(37, 29, 23);
    let shares = scene(dims);
    let spread = |low: f64, high: f64| shares.iter().map(move |s| low + s * (high - low));
    let cases = [
        (
            Voxels::U8(spread(0.0, 255.0).map(|v| v as u8).collect()),
            0.0,
            255.0,
        ),
        (
            Voxels::I8(spread(-128.0, 127.0).map(|v| v as i8).collect()),
            -128.0,
            127.0,
        ),
        (
            Voxels::U16(spread(0.0, 65535.0).map(|v| v as u16).collect()),
            0.0,
            65535.0,
        ),
        (
            Voxels::I16(spread(-32768.0, 32767.0).map(|v| v as i16).collect()),
            -32768.0,
            32767.0,
        ),
        (
            Voxels::I32(spread(-9e5, 7e5).map(|v| v as i32).collect()),
            -9e5,
            7e5,
        ),
        (
            Voxels::F32(spread(-2.5, 40.0).map(|v| v as f32).collect()),
            -2.5,
            40.0,
        ),
    ];
    cases
        .into_iter()
        .map(|(voxels, low, high)| {
            let slope = 1000.0 / (high - low);
            let rescale = Rescale {
                slope,
                intercept: -low * slope,
            };
            volume_of(voxels, dims, oblique_place(), rescale)
        })
        .collect()
}

/// Two overlapping masks.
fn label_map(grid: &VoxelGrid) -> LabelMap {
    let dims = grid.dims().as_dvec3();
    let ball = |centre: DVec3, radius: f64| {
        Mask::from_fn(*grid, |v| {
            ((v.as_dvec3() + 0.5) / dims).distance(centre) < radius
        })
    };
    let (a, b) = (
        ball(DVec3::new(0.3, 0.4, 0.5), 0.2),
        ball(DVec3::new(0.5, 0.5, 0.4), 0.17),
    );
    LabelMap::from_masks(*grid, [&a, &b])
}

const STYLES: [LabelStyle; 2] = [
    LabelStyle {
        colour: [0.9, 0.3, 0.1],
        opacity: 0.4,
    },
    LabelStyle {
        colour: [0.1, 0.7, 0.95],
        opacity: 0.7,
    },
];

/// How two pictures differ, by channel: the largest difference, the mean, and the share of pixels more
/// than 3 levels apart.
fn difference(a: &Picture, b: &Picture) -> (u8, f64, f64) {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let (mut largest, mut sum, mut apart) = (0, 0.0, 0_u32);
    for (p, q) in a.rgba.chunks(4).zip(b.rgba.chunks(4)) {
        let most = p.iter().zip(q).map(|(x, y)| x.abs_diff(*y)).max().unwrap();
        largest = largest.max(most);
        sum += p
            .iter()
            .zip(q)
            .map(|(x, y)| f64::from(x.abs_diff(*y)))
            .sum::<f64>()
            / 4.0;
        apart += u32::from(most > 3);
    }
    let pixels = a.rgba.len() as f64 / 4.0;
    (largest, sum / pixels, f64::from(apart) / pixels)
}

fn slice_config(grid: &VoxelGrid, orientation: Orientation) -> SliceConfig {
    let plane = SlicePlane::new(grid, orientation);
    let middle = grid.centre_mm() + plane.normal * 1.7;
    let mut view = SliceView::fit(grid, plane, middle, DVec2::new(211.0, 173.0));
    // Off the lattice, so that no pixel falls exactly between two voxels.
    view.centre_mm += plane.right * 0.1237 - plane.down * 0.0713;
    SliceConfig {
        view,
        window: Window::from_range(120.0, 930.0),
        invert: false,
        labels: Vec::new(),
        interpolate: true,
    }
}

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
                config.interpolate = variant != 1;
                config.invert = variant == 2;
                if variant == 3 {
                    config.labels = STYLES.to_vec();
                    config.window = Window::from_range(400.0, 460.0);
                }
                renderer.draw(gpu, &mut slot, &texture, Some(&labels), &config);
                let found = read_back(gpu, &slot).unwrap();
                let wanted = cpu::slice(&volume, Some(&map), &config);
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

fn point(value: f32, colour: [f32; 3], opacity: f32) -> ControlPoint {
    ControlPoint {
        value,
        colour,
        opacity,
    }
}

/// Transparent below 500, with a haze and a firm part.
fn transfer(blend: Blend) -> TransferFunction {
    TransferFunction::new(
        vec![
            point(480.0, [0.6, 0.2, 0.1], 0.0),
            point(560.0, [0.8, 0.5, 0.3], 0.05),
            point(700.0, [0.9, 0.8, 0.6], 0.4),
            point(900.0, [1.0, 1.0, 0.9], 0.9),
        ],
        blend,
    )
}

fn ray_config(grid: &VoxelGrid, blend: Blend) -> RayCastConfig {
    let mut camera = Camera::facing(grid.centre_mm(), grid.radius_mm() * 0.9);
    camera.orbit(DVec2::new(0.6, -0.35));
    camera.pan(DVec2::new(0.03, -0.02));
    RayCastConfig {
        camera,
        size_px: [203, 170],
        transfer: transfer(blend),
        labels: Vec::new(),
        step_voxels: 0.5,
        shading: true,
        background: [0.05, 0.06, 0.09],
    }
}

fn assert_ray_cast_agrees(what: &str, found: &Picture, wanted: &Picture) {
    let (largest, mean, apart) = difference(found, wanted);
    eprintln!(
        "{what}: largest {largest}, mean {mean:.4}, apart {:.4} %",
        apart * 100.0
    );
    assert!(mean < 1.0, "{what}: mean {mean}");
    assert!(apart <= 0.001, "{what}: {apart} of the pixels are apart");
    let first = wanted.rgba[0..3].to_vec();
    let drawn = wanted
        .rgba
        .chunks(4)
        .filter(|p| p[..3] != first[..])
        .count();
    assert!(drawn > 4000, "{what}: the picture shows something: {drawn}");
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
    renderer.draw(gpu, &mut slot, &texture, None, &config);
    let first = read_back(gpu, &slot).unwrap();
    let blank = Picture::filled(first.width, first.height, [1, 2, 3]);
    slot.show(gpu, &blank);
    assert_eq!(read_back(gpu, &slot).unwrap(), blank);
    renderer.draw(gpu, &mut slot, &texture, None, &config);
    assert_eq!(read_back(gpu, &slot).unwrap(), first);
    let mut smaller = config.clone();
    smaller.view.size_px = DVec2::new(50.0, 60.0);
    renderer.draw(gpu, &mut slot, &texture, None, &smaller);
    assert_eq!(slot.size(), [50, 60]);
}

/// A device with none of the wanted features and small 3-D textures.
fn plain_gpu(most_3d: u32) -> Option<Gpu> {
    gpu()?;
    let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    let instance = wgpu::Instance::new(descriptor);
    let found = wgpu::util::initialize_adapter_from_env_or_default(&instance, None);
    let adapter = pollster::block_on(found).ok()?;
    let opened = adapter.request_device(&wgpu::DeviceDescriptor {
        required_limits: wgpu::Limits {
            max_texture_dimension_3d: most_3d,
            ..wgpu::Limits::downlevel_defaults()
        },
        ..Default::default()
    });
    let (device, queue) = pollster::block_on(opened).ok()?;
    Some(Gpu { device, queue })
}

/// Without the wanted features values are held in half floats over their range: 12 bits of it exactly.
#[test]
fn adapters_without_the_wanted_features_draw_the_same() {
    let Some(gpu) = plain_gpu(256) else {
        return;
    };
    let (slices, rays) = (SliceRenderer::new(&gpu), VolumeRenderer::new(&gpu));
    let dims = UVec3::new(37, 29, 23);
    let shares = scene(dims);
    let mut slot = ViewSlot::new(&gpu);
    for voxels in [
        Voxels::I16(shares.iter().map(|s| (s * 1000.0) as i16).collect()),
        Voxels::F32(shares.iter().map(|s| (s * 1000.0) as f32).collect()),
    ] {
        let volume = volume_of(voxels, dims, oblique_place(), Rescale::IDENTITY);
        let texture = VolumeTexture::upload(&gpu, &volume).unwrap();
        let config = slice_config(volume.grid(), Orientation::Coronal);
        slices.draw(&gpu, &mut slot, &texture, None, &config);
        let wanted = cpu::slice(&volume, None, &config);
        let (largest, ..) = difference(&read_back(&gpu, &slot).unwrap(), &wanted);
        assert!(largest <= 1, "{}: {largest}", volume.voxels().type_name());
        let config = ray_config(volume.grid(), Blend::Composite);
        rays.draw(&gpu, &mut slot, &texture, None, &config, None);
        let wanted = cpu::ray_cast(&volume, None, &config);
        assert_ray_cast_agrees("half floats", &read_back(&gpu, &slot).unwrap(), &wanted);
    }
}

/// A volume larger than a texture may be is reduced, and says so; what is drawn of it stays in place.
#[test]
fn an_oversized_volume_is_reduced_in_place() {
    let Some(gpu) = plain_gpu(32) else {
        return;
    };
    let (slices, rays) = (SliceRenderer::new(&gpu), VolumeRenderer::new(&gpu));
    let dims = UVec3::new(91, 47, 65);
    let volume = bright_box(
        UVec3::new(21, 12, 15),
        UVec3::new(65, 38, 50),
        dims,
        oblique_place(),
    );
    let texture = VolumeTexture::upload(&gpu, &volume).unwrap();
    assert_eq!(texture.reduction(), Some(3));
    let mask = Mask::from_fn(*volume.grid(), |v| {
        v.cmpge(UVec3::splat(18)).all() && v.cmple(UVec3::splat(35)).all()
    });
    let map = LabelMap::from_masks(*volume.grid(), [&mask]);
    let labels = LabelTexture::upload(&gpu, &map).unwrap();
    let mut slot = ViewSlot::new(&gpu);
    // Box and mask are made of whole blocks, so only corners are rounded differently. Half a voxel of
    // misplacement sets 0.7 % of the pixels apart.
    let most = 0.003;
    for orientation in Orientation::ALL {
        let mut config = slice_config(volume.grid(), orientation);
        config.window = Window::from_range(499.0, 501.0);
        config.labels = STYLES.to_vec();
        slices.draw(&gpu, &mut slot, &texture, Some(&labels), &config);
        let wanted = cpu::slice(&volume, Some(&map), &config);
        let (.., apart) = difference(&read_back(&gpu, &slot).unwrap(), &wanted);
        eprintln!("reduced {orientation:?}: apart {:.2} %", apart * 100.0);
        assert!(apart < most, "{orientation:?}: {apart}");
    }
    let mut config = ray_config(volume.grid(), Blend::Composite);
    config.shading = false;
    config.labels = STYLES.to_vec();
    rays.draw(&gpu, &mut slot, &texture, Some(&labels), &config, None);
    let wanted = cpu::ray_cast(&volume, Some(&map), &config);
    let (_, mean, apart) = difference(&read_back(&gpu, &slot).unwrap(), &wanted);
    eprintln!("reduced: mean {mean:.2}, apart {:.2} %", apart * 100.0);
    assert!(mean < 8.0, "{mean}");
}

// What follows needs no adapter.

/// A volume that is bright in a box of voxels (ends included).
fn bright_box(low: UVec3, high: UVec3, dims: UVec3, place: DAffine3) -> Volume {
    let mut values = Vec::new();
    for k in 0..dims.z {
        for j in 0..dims.y {
            for i in 0..dims.x {
                let v = UVec3::new(i, j, k);
                let inside = v.cmpge(low).all() && v.cmple(high).all();
                values.push(if inside { 1000_i16 } else { 0 });
            }
        }
    }
    volume_of(Voxels::I16(values), dims, place, Rescale::IDENTITY)
}

#[test]
fn a_bright_box_appears_where_geometry_says() {
    let (low, high) = (UVec3::new(5, 8, 4), UVec3::new(20, 14, 15));
    let volume = bright_box(low, high, UVec3::new(37, 29, 23), oblique_place());
    let grid = volume.grid();
    for orientation in Orientation::ALL {
        let mut config = slice_config(grid, orientation);
        config.view.size_px = DVec2::new(400.0, 400.0);
        config.interpolate = false;
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
        let picture = cpu::slice(&volume, None, &config);
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
            window: Window::from_range(999.0, 1001.0),
            invert: false,
            labels: Vec::new(),
            interpolate: true,
        };
        let picture = cpu::slice(&volume, None, &config);
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
            let wanted = cpu::slice(&plain, None, &slice_config(plain.grid(), orientation));
            let found = cpu::slice(&other, None, &slice_config(other.grid(), orientation));
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
    let start = std::time::Instant::now();
    slices.draw(gpu, &mut slot, &texture, None, &config);
    gpu.wait();
    eprintln!("slice 800x800: {:?}", start.elapsed());
    let start = std::time::Instant::now();
    cpu::slice(&volume, None, &config);
    eprintln!("twin, slice 800x800: {:?}", start.elapsed());
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
        config.window = Window::from_range(-160.0, 240.0);
        config.labels = STYLES.to_vec();
        slices.draw(gpu, &mut slot, &texture, Some(&labels), &config);
        let mut picture = read_back(gpu, &slot).unwrap();
        let lines = ["W 400 L 40".to_owned()];
        m3d_viewer::render::annotate::slice_annotations(&mut picture, &config.view, &lines);
        let bounds = liver.bounding_box().unwrap();
        let edges = bounds
            .edges_mm(grid)
            .map(|e| e.map(|p| config.view.pixel_from_patient(p)));
        m3d_viewer::render::annotate::draw_box(&mut picture, &edges, [250, 210, 60]);
        picture
            .save_png(&folder.join(format!("slice_{}.png", orientation.name())))
            .unwrap();
    }
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
