//! Adapters that lack features or room.

use glam::UVec3;
use m3d_imaging::geometry::Orientation;
use m3d_imaging::volume::{Blend, LabelMap, Mask, Rescale, Voxels, Window};
use m3d_viewer::render::{
    Gpu, LabelTexture, SliceRenderer, ViewSlot, VolumeRenderer, VolumeTexture, cpu, read_back,
};

use crate::scenes::{
    STYLES, assert_ray_cast_agrees, bright_box, difference, gpu, oblique_place, ray_config, scene,
    slice_config, volume_of,
};

/// A device with none of the wanted features and small 3-D textures.
pub(crate) fn plain_gpu(most_3d: u32) -> Option<Gpu> {
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
        slices.draw(&gpu, &mut slot, &[&texture], None, &config);
        let wanted = cpu::slice(&[&volume], None, &config);
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
        config.layers[0].window = Window::from_range(499.0, 501.0);
        config.labels = STYLES.to_vec();
        slices.draw(&gpu, &mut slot, &[&texture], Some(&labels), &config);
        let wanted = cpu::slice(&[&volume], Some(&map), &config);
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
