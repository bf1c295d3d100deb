//! Several images over one another.

use glam::{DAffine3, DQuat, DVec2, DVec3, UVec3};
use m3d_imaging::geometry::{Orientation, VoxelGrid};
use m3d_imaging::volume::{LabelMap, Rescale, Volume, Voxels, Window};
use m3d_viewer::render::{
    ColourMap, LabelTexture, LayerStyle, Picture, SliceConfig, ViewSlot, VolumeTexture, cpu,
    read_back,
};

use crate::limits::plain_gpu;
use crate::scenes::{
    STYLES, bright_box, gpu, label_map, oblique_place, scene, slice_config, volume_of,
};

/// A grid turned against the patient by `turn` around `centre_mm`.
fn placed(dims: UVec3, spacing_mm: DVec3, turn: DVec3, centre_mm: DVec3) -> DAffine3 {
    let turn = DQuat::from_euler(glam::EulerRot::XYZ, turn.x, turn.y, turn.z);
    let corner = turn * (spacing_mm * (dims.as_dvec3() - 1.0) / 2.0);
    DAffine3::from_scale_rotation_translation(spacing_mm, turn, centre_mm - corner)
}

const CENTRE_MM: DVec3 = DVec3::new(-41.3, 118.7, 903.2);

/// Like CT: thick slices, straight, in integers.
fn ct() -> Volume {
    let dims = UVec3::new(61, 47, 19);
    let place = placed(dims, DVec3::new(0.8, 0.8, 3.0), DVec3::ZERO, CENTRE_MM);
    let values = scene(dims).iter().map(|s| (s * 2000.0) as i16).collect();
    let rescale = Rescale {
        slope: 1.0,
        intercept: -1024.0,
    };
    volume_of(Voxels::I16(values), dims, place, rescale)
}

/// Like PET: coarse, oblique, in floating point, larger than the CT.
fn pet() -> Volume {
    let dims = UVec3::new(23, 21, 27);
    let turn = DVec3::new(0.21, -0.34, 0.13);
    let place = placed(
        dims,
        DVec3::new(4.1, 3.7, 2.9),
        turn,
        CENTRE_MM + DVec3::new(3.0, -2.0, 1.0),
    );
    let values = scene(dims).iter().map(|s| (s * 12.0) as f32).collect();
    volume_of(Voxels::F32(values), dims, place, Rescale::IDENTITY)
}

/// Like MR: mirrored, tilted the other way, and over a part of the CT only.
fn mr() -> Volume {
    let dims = UVec3::new(31, 27, 12);
    let turn = DVec3::new(-0.4, 0.1, 0.5);
    let place = placed(
        dims,
        DVec3::new(-0.6, 0.9, 1.7),
        turn,
        CENTRE_MM + DVec3::new(-9.0, 4.0, 2.0),
    );
    let values = scene(dims).iter().map(|s| (s * 900.0) as u16).collect();
    volume_of(Voxels::U16(values), dims, place, Rescale::IDENTITY)
}

/// A small thing in bytes.
fn small() -> Volume {
    let dims = UVec3::new(19, 19, 19);
    let turn = DVec3::new(0.7, 0.7, -0.2);
    let place = placed(
        dims,
        DVec3::splat(1.3),
        turn,
        CENTRE_MM + DVec3::new(6.0, -7.0, 0.0),
    );
    let values = scene(dims).iter().map(|s| (s * 255.0) as u8).collect();
    volume_of(Voxels::U8(values), dims, place, Rescale::IDENTITY)
}

fn style(low: f32, high: f32, colours: ColourMap, opacity: f32) -> LayerStyle {
    LayerStyle {
        colours,
        opacity,
        ..LayerStyle::grey(Window::from_range(low, high))
    }
}

/// How near a voxel coordinate may be to where the picture jumps, such as the border between two voxels,
/// before the rounding of 32-bit floats may decide on which side of it a pixel falls.
const ROUNDING: f64 = 5e-5;

/// Whether a pixel lies on a jump: a side of an image, or a border between voxels that are not
/// interpolated (as labels never are).
fn on_a_jump(grid: &VoxelGrid, config: &SliceConfig, smooth: bool, pixel: DVec2) -> bool {
    let point_mm = config.view.patient_from_pixel(pixel);
    let voxel = grid.voxel_from_patient().transform_point3(point_mm);
    let to_border = (voxel - 0.5 - (voxel - 0.5).round()).abs();
    let to_side = (voxel + 0.5)
        .abs()
        .min((voxel + 0.5 - grid.dims().as_dvec3()).abs());
    to_side.min_element() < ROUNDING || !smooth && to_border.min_element() < ROUNDING
}

/// Compares the pictures where 32-bit floats can tell on which side of a jump a pixel is.
fn assert_agrees(
    what: &str,
    found: &Picture,
    layers: &[&Volume],
    labels: Option<&LabelMap>,
    config: &SliceConfig,
) -> Picture {
    let wanted = cpu::slice(layers, labels, config);
    assert_eq!((found.width, found.height), (wanted.width, wanted.height));
    let mut left_out = 0;
    for y in 0..wanted.height {
        for x in 0..wanted.width {
            let (a, b) = (found.pixel(x, y).unwrap(), wanted.pixel(x, y).unwrap());
            let most = a.iter().zip(&b).map(|(p, q)| p.abs_diff(*q)).max().unwrap();
            if most <= 1 {
                continue;
            }
            let pixel = DVec2::new(f64::from(x), f64::from(y)) + 0.5;
            let jump = layers
                .iter()
                .zip(&config.layers)
                .any(|(l, style)| on_a_jump(l.grid(), config, style.interpolate, pixel))
                || labels.is_some_and(|map| {
                    [DVec2::ZERO, DVec2::X, -DVec2::X, DVec2::Y, -DVec2::Y]
                        .iter()
                        .any(|side| on_a_jump(map.grid(), config, false, pixel + side))
                });
            assert!(jump, "{what}: {a:?}, not {b:?}, at {x} {y}");
            left_out += 1;
        }
    }
    // Few pixels can be that near a jump.
    assert!(left_out <= 12, "{what}: {left_out} pixels on jumps");
    wanted
}

#[test]
fn layers_agree_with_the_twin() {
    let Some((gpu, renderer, _)) = gpu() else {
        return;
    };
    let volumes = [ct(), pet(), mr(), small()];
    let textures = volumes
        .each_ref()
        .map(|v| VolumeTexture::upload(gpu, v).unwrap());
    // On the PET's own grid, not on the base's.
    let map = label_map(volumes[1].grid());
    let labels = LabelTexture::upload(gpu, &map).unwrap();
    let styles = [
        style(-900.0, 600.0, ColourMap::Grey, 1.0),
        style(1.0, 11.0, ColourMap::HotIron, 0.45),
        style(100.0, 800.0, ColourMap::Rainbow, 0.3),
        style(20.0, 240.0, ColourMap::Hot, 0.8),
    ];
    let mut slot = ViewSlot::new(gpu);
    let mut seen = Vec::new();
    // Which images lie over one another, the lowest first.
    for order in [&[0, 1][..], &[1], &[1, 0, 2], &[0, 1, 2, 3], &[3, 2, 1, 0]] {
        for orientation in Orientation::ALL {
            for variant in 0..4 {
                let mut config = slice_config(volumes[0].grid(), orientation);
                config.layers = order.iter().map(|&n| styles[n]).collect();
                for layer in &mut config.layers {
                    layer.interpolate = variant != 1;
                }
                if variant == 2 {
                    config.layers[0].colours = ColourMap::Pet;
                    for layer in &mut config.layers {
                        layer.invert = true;
                    }
                }
                if variant == 3 {
                    config.layers[0].opacity = 0.6;
                    config.labels = STYLES.to_vec();
                }
                let over: Vec<_> = order.iter().map(|&n| &textures[n]).collect();
                renderer.draw(gpu, &mut slot, &over, Some(&labels), &config);
                let found = read_back(gpu, &slot).unwrap();
                let under: Vec<_> = order.iter().map(|&n| &volumes[n]).collect();
                let what = format!("{order:?} {orientation:?} {variant}");
                let wanted = assert_agrees(&what, &found, &under, Some(&map), &config);
                assert!(!seen.contains(&wanted), "{what} is a picture of its own");
                seen.push(wanted);
            }
        }
    }
}

/// A picture is drawn again when any of its images is another.
#[test]
fn a_slot_knows_all_layers_of_its_picture() {
    let Some((gpu, renderer, _)) = gpu() else {
        return;
    };
    let [ct, pet, mr] = [ct(), pet(), mr()].map(|v| VolumeTexture::upload(gpu, &v).unwrap());
    let mut config = slice_config(ct.grid(), Orientation::Axial);
    config.layers = vec![
        style(-900.0, 600.0, ColourMap::Grey, 1.0),
        style(1.0, 11.0, ColourMap::Hot, 0.5),
    ];
    let mut slot = ViewSlot::new(gpu);
    renderer.draw(gpu, &mut slot, &[&ct, &pet], None, &config);
    let first = read_back(gpu, &slot).unwrap();
    renderer.draw(gpu, &mut slot, &[&ct, &mr], None, &config);
    let second = read_back(gpu, &slot).unwrap();
    assert_ne!(first, second);
    renderer.draw(gpu, &mut slot, &[&ct], None, &config);
    let alone = read_back(gpu, &slot).unwrap();
    assert!(alone != first && alone != second);
    renderer.draw(gpu, &mut slot, &[&ct, &pet], None, &config);
    assert_eq!(read_back(gpu, &slot).unwrap(), first);
}

/// The means of whole blocks of a ramp lie on the ramp, so that a reduced texture shows what the volume
/// does: under another image, over it, and far from both borders.
#[test]
fn a_reduced_layer_lies_where_it_belongs() {
    let Some(gpu) = plain_gpu(32) else {
        return;
    };
    let dims = UVec3::new(96, 48, 63);
    let turn = DVec3::new(0.1, -0.2, 0.3);
    let place = placed(dims, DVec3::new(0.5, 0.9, 0.8), turn, CENTRE_MM);
    let grid = VoxelGrid::new(dims, place).unwrap();
    let ramp = (0..grid.len())
        .map(|n| (n % 96) as f32 * 3.0 + (n / 96 % 48) as f32 * 5.0)
        .collect();
    let ramp = volume_of(Voxels::F32(ramp), dims, place, Rescale::IDENTITY);
    let pet = pet();
    let mask = label_map(pet.grid());
    let [large, coarse] = [&ramp, &pet].map(|v| VolumeTexture::upload(&gpu, v).unwrap());
    let labels = LabelTexture::upload(&gpu, &mask).unwrap();
    assert_eq!(large.reduction(), Some(3));
    assert_eq!(coarse.reduction(), None);
    let renderer = m3d_viewer::render::SliceRenderer::new(&gpu);
    let mut slot = ViewSlot::new(&gpu);
    let over_ramp = style(0.0, 520.0, ColourMap::Rainbow, 0.7);
    let over_pet = style(1.0, 11.0, ColourMap::HotIron, 0.4);
    for orientation in Orientation::ALL {
        let mut config = slice_config(&grid, orientation);
        config.view.mm_per_pixel = 0.1;
        config.labels = STYLES.to_vec();
        config.layers = vec![over_ramp, over_pet];
        renderer.draw(&gpu, &mut slot, &[&large, &coarse], Some(&labels), &config);
        let found = read_back(&gpu, &slot).unwrap();
        assert_agrees("below", &found, &[&ramp, &pet], Some(&mask), &config);
        config.layers.reverse();
        renderer.draw(&gpu, &mut slot, &[&coarse, &large], Some(&labels), &config);
        let found = read_back(&gpu, &slot).unwrap();
        assert_agrees("above", &found, &[&pet, &ramp], Some(&mask), &config);
    }
}

/// An oblique image's bright box over a straight one, by its own coordinates; both black where neither is.
#[test]
fn a_box_of_an_upper_layer_appears_where_geometry_says() {
    let dims = UVec3::new(37, 29, 23);
    let (low, high) = (UVec3::new(5, 8, 4), UVec3::new(20, 14, 15));
    let upper = bright_box(low, high, dims, oblique_place());
    let centre = upper.grid().centre_mm();
    let lower_dims = UVec3::new(30, 30, 10);
    let place = placed(
        lower_dims,
        DVec3::new(1.0, 1.0, 3.0),
        DVec3::ZERO,
        centre + DVec3::X * 8.0,
    );
    let even = vec![1000_i16; lower_dims.element_product() as usize];
    let lower = volume_of(Voxels::I16(even), lower_dims, place, Rescale::IDENTITY);
    for orientation in Orientation::ALL {
        let mut config = slice_config(lower.grid(), orientation);
        config.view.mm_per_pixel *= 1.5;
        config.layers = vec![
            style(0.0, 2000.0, ColourMap::Grey, 1.0),
            style(0.0, 1000.0, ColourMap::HotIron, 0.25),
        ];
        config.layers[1].interpolate = false;
        let picture = cpu::slice(&[&lower, &upper], None, &config);
        let mut counts = [0; 5];
        for y in 0..picture.height {
            for x in 0..picture.width {
                let pixel = DVec2::new(f64::from(x), f64::from(y)) + 0.5;
                let at_mm = config.view.patient_from_pixel(pixel);
                let inside = |grid: &VoxelGrid, low: UVec3, high: UVec3| {
                    let voxel = grid.voxel_from_patient().transform_point3(at_mm);
                    voxel.cmpgt(low.as_dvec3() - 0.5).all()
                        && voxel.cmplt(high.as_dvec3() + 0.5).all()
                };
                let below = inside(lower.grid(), UVec3::ZERO, lower_dims - 1);
                let over = inside(upper.grid(), UVec3::ZERO, dims - 1);
                let bright = inside(upper.grid(), low, high);
                // Half grey is 128; a quarter of black or of white over it is 96 or 159.
                let (case, level) = match (below, over, bright) {
                    (false, false, _) => (0, 0),
                    (true, false, _) => (1, 128),
                    (true, true, false) => (2, 96),
                    (true, true, true) => (3, 159),
                    (false, true, bright) => (4, if bright { 64 } else { 0 }),
                };
                counts[case] += 1;
                let found = picture.pixel(x, y).unwrap();
                assert_eq!(found, [level, level, level, 255], "{orientation:?} {x} {y}");
            }
        }
        assert!(counts.iter().all(|&n| n > 50), "{orientation:?} {counts:?}");
    }
}

/// What a picture is asked for beyond its images or styles is left out, not mixed up.
#[test]
fn a_layer_needs_an_image_and_a_style() {
    let (ct, pet) = (ct(), pet());
    let mut config = slice_config(ct.grid(), Orientation::Axial);
    config.layers = vec![style(-900.0, 600.0, ColourMap::Grey, 1.0)];
    let alone = cpu::slice(&[&ct], None, &config);
    assert_eq!(cpu::slice(&[&ct, &pet], None, &config), alone);
    config
        .layers
        .push(style(1.0, 11.0, ColourMap::Rainbow, 0.5));
    assert_eq!(cpu::slice(&[&ct], None, &config), alone);
    assert_ne!(cpu::slice(&[&ct, &pet], None, &config), alone);
    config.layers[1].opacity = f32::NAN;
    assert_eq!(cpu::slice(&[&ct, &pet], None, &config), alone);
    let Some((gpu, renderer, _)) = gpu() else {
        return;
    };
    let mut slot = ViewSlot::new(gpu);
    renderer.draw(gpu, &mut slot, &[], None, &config);
    let nothing = read_back(gpu, &slot).unwrap();
    assert!(nothing.rgba.chunks(4).all(|p| p == [0, 0, 0, 255]));
    let texture = VolumeTexture::upload(gpu, &ct).unwrap();
    let styles = config.layers.clone();
    config.layers = styles.into_iter().cycle().take(9).collect();
    renderer.draw(gpu, &mut slot, &[&texture; 9], None, &config);
    let found = read_back(gpu, &slot).unwrap();
    assert_agrees("nine", &found, &[&ct; 9], None, &config);
}
