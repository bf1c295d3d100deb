//! Ray casting on the GPU.

use glam::{DVec2, DVec3};

use super::colour::{Lut, linear_from_display};
use super::pass::{COLOURS, COMMON_ENTRIES, Pass, entry, texture};
use super::slot::{Drawn, DrawnConfig, write_2d};
use super::style::ray_cast_styles;
use super::uniforms::RayCastUniforms;
use super::{Gpu, LabelStyle, LabelTexture, Shader, ViewSlot, VolumeTexture};
use m3d_imaging::geometry::{Camera, VoxelGrid};
use m3d_imaging::volume::{Blend, LUT_SIZE, TransferFunction};

/// A picture of the whole volume to draw.
///
/// Along each ray samples stand `step_voxels` apart, the first displaced by a share of a step that
/// belongs to the pixel. When compositing, a sample's colour and opacity come from the transfer
/// function, corrected for the step's length, and are lit from the eye by the gradient in patient
/// space (Blinn-Phong). For the largest value along the ray, the transfer function colours that value
/// and its opacity lays it over the background.
/// Voxels of a visible label take the label's colour and opacity instead, in both.
#[derive(Clone, Debug, PartialEq)]
pub struct RayCastConfig {
    /// Where from.
    pub camera: Camera,
    /// The picture's width and height in pixels.
    pub size_px: [u32; 2],
    /// What values look like, and how they blend.
    pub transfer: TransferFunction,
    /// How label 1, 2, ... look; labels without a style are hidden.
    pub labels: Vec<LabelStyle>,
    /// The distance between samples, in the smallest spacing of the voxels.
    pub step_voxels: f32,
    /// Whether surfaces are lit.
    pub shading: bool,
    /// Red, green and blue, as displayed, of what is behind.
    pub background: [f32; 3],
}

impl RayCastConfig {
    /// The distance between samples in mm, held to what can be drawn.
    pub(super) fn step_mm(&self, grid: &VoxelGrid) -> f64 {
        let step = f64::from(self.step_voxels);
        let held = if step.is_finite() {
            step.clamp(0.05, 64.0)
        } else {
            1.0
        };
        held * grid.spacing_mm().min_element()
    }

    /// The transfer function's table for samples `step_mm` apart.
    pub(super) fn lut(&self, step_mm: f64) -> Lut {
        match self.transfer.blend {
            Blend::Composite => Lut::for_compositing(&self.transfer, step_mm as f32),
            Blend::MaximumIntensity => Lut::for_projection(&self.transfer),
        }
    }
}

/// Casts rays.
#[derive(Debug)]
pub struct VolumeRenderer {
    pass: Pass,
    sampler: wgpu::Sampler,
}

impl VolumeRenderer {
    /// Compiles the pass.
    pub fn new(gpu: &Gpu) -> Self {
        let mut entries = COMMON_ENTRIES.to_vec();
        entries.push(entry(
            4,
            texture(
                wgpu::TextureSampleType::Uint,
                wgpu::TextureViewDimension::D3,
            ),
        ));
        entries.push(entry(5, COLOURS));
        entries.push(entry(
            6,
            wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering),
        ));
        Self {
            pass: Pass::new(gpu, Shader::RayCast, &entries),
            sampler: gpu.device.create_sampler(&wgpu::SamplerDescriptor {
                label: Some("volume"),
                mag_filter: wgpu::FilterMode::Linear,
                min_filter: wgpu::FilterMode::Linear,
                ..Default::default()
            }),
        }
    }

    /// Draws the volume into the slot's texture, unless that is what the slot already shows. With
    /// `region` (x, y, width, height in pixels) only that part is drawn and the rest kept, so that a
    /// slow adapter can sharpen a picture in tiles without holding up the window; after a change of
    /// size the rest is black until its turn comes. Labels of another grid are left out.
    pub fn draw(
        &self,
        gpu: &Gpu,
        slot: &mut ViewSlot,
        volume: &VolumeTexture,
        labels: Option<&LabelTexture>,
        config: &RayCastConfig,
        region: Option<[u32; 4]>,
    ) {
        let visible = config.labels.iter().any(|style| style.opacity > 0.0);
        let labels = labels.filter(|l| visible && l.fits(volume));
        let drawn = Drawn {
            config: DrawnConfig::RayCast(config.clone()),
            layers: vec![volume.texture.clone()],
            labels: labels.map(LabelTexture::state),
        };
        if slot.drawn.as_ref() == Some(&drawn) {
            return;
        }
        let target = slot.resize(gpu, config.size_px);
        let region = match region.map(|r| clipped(r, slot.size())) {
            Some(None) => return,
            Some(part) => part,
            None => None,
        };
        let step_mm = config.step_mm(&volume.texel_grid);
        let lut = config.lut(step_mm);
        let Some(distances) = slot.distances(
            gpu,
            &volume.texture,
            labels.map(LabelTexture::brick_state),
            &config.transfer,
            &volume.bricks,
            || {
                let seen = visible_ranges(&lut, config.transfer.blend);
                volume.bricks.distances(seen, labels.map(|l| &l.bricks))
            },
        ) else {
            return;
        };
        let uniforms = uniforms(volume, labels, config, slot.size(), step_mm, &lut);
        gpu.queue
            .write_buffer(&slot.uniforms, 0, bytemuck::bytes_of(&uniforms));
        let styles = ray_cast_styles(&config.labels, step_mm as f32);
        gpu.queue
            .write_buffer(&slot.styles, 0, bytemuck::cast_slice(&styles));
        write_2d(gpu, &slot.lut, bytemuck::cast_slice(&lut.entries), 16);
        let label_texture = labels.map_or(&self.pass.no_labels, |l| &l.texture);
        let lut_texture = slot.lut.clone();
        let textures = [
            (1, &volume.texture),
            (2, label_texture),
            (4, &distances),
            (5, &lut_texture),
        ];
        let sampler = Some((6, &self.sampler));
        let group = slot.bind(gpu, &self.pass.layout, &textures, sampler);
        // Software adapters round what they filter of 8-bit textures to 8 bits. Compositing averages
        // that out; the one value a projection shows would be several grey levels off.
        let maximum = config.transfer.blend == Blend::MaximumIntensity;
        let eight_bits =
            volume.is_colour() || volume.texture.format() == wgpu::TextureFormat::R8Unorm;
        let named = |on: bool, name: &'static str| if on { name } else { "" };
        let on = [
            named(labels.is_some(), "WITH_LABELS"),
            // A projection without labels has nothing to light.
            named(config.shading && (!maximum || labels.is_some()), "SHADING"),
            named(maximum, "MAXIMUM"),
            named(maximum && eight_bits && gpu.is_software(), "EXACT"),
        ];
        self.pass.run(gpu, &on, &group, &target, region);
        slot.drawn = region.is_none().then_some(drawn);
    }
}

/// The part of a region inside a picture; `None` when there is none.
fn clipped([x, y, width, height]: [u32; 4], size: [u32; 2]) -> Option<[u32; 4]> {
    let right = x.saturating_add(width).min(size[0]);
    let bottom = y.saturating_add(height).min(size[1]);
    (x < right && y < bottom).then(|| [x, y, right - x, bottom - y])
}

/// Tells which ranges of values hold one that can be seen. A table place more is allowed on both
/// sides, for the adapter's rounding.
fn visible_ranges(lut: &Lut, blend: Blend) -> impl Fn([f32; 2]) -> bool + '_ {
    // Visible entries before each one.
    let mut before = vec![0_u32; LUT_SIZE + 1];
    for (n, entry) in lut.entries.iter().enumerate() {
        before[n + 1] = before[n] + u32::from(entry[3] > 0.0);
    }
    move |[low, high]| {
        let last = LUT_SIZE - 1;
        let from = (lut.place(low).floor() as usize).saturating_sub(1);
        let to = (lut.place(high).ceil() as usize + 1).min(last);
        match blend {
            Blend::Composite => before[to + 1] > before[from],
            // Values that fall on the first place change no maximum that starts there.
            Blend::MaximumIntensity => lut.place(high) > 0.0,
        }
    }
}

/// The camera is taken to voxel space in f64; the shader adds up pixels from there.
fn uniforms(
    volume: &VolumeTexture,
    labels: Option<&LabelTexture>,
    config: &RayCastConfig,
    size_px: [u32; 2],
    step_mm: f64,
    lut: &Lut,
) -> RayCastUniforms {
    let place = volume.texel_grid.voxel_from_patient();
    let camera = &config.camera;
    let size = DVec2::new(f64::from(size_px[0]), f64::from(size_px[1]));
    let mm_per_pixel = camera.mm_per_pixel(size);
    let [right, down, into] = camera.axes();
    let corner = into * camera.distance_mm - (right * size.x + down * size.y) / 2.0 * mm_per_pixel;
    let voxel = |v_mm: DVec3| (place.matrix3 * v_mm).as_vec3().to_array();
    let lut_per_value = (LUT_SIZE - 1) as f64 / (f64::from(lut.high) - f64::from(lut.low));
    let (label_scale, label_offset) = labels.map_or((1.0, 0.0), |l| l.scale_and_offset(volume));
    let gradients = place.matrix3.as_mat3();
    RayCastUniforms {
        eye_voxel: place.transform_point3(camera.eye_mm()).as_vec3().to_array(),
        step_mm: step_mm as f32,
        ray_origin: voxel(corner),
        distance_mm: camera.distance_mm as f32,
        ray_dx: voxel(right * mm_per_pixel),
        mm_per_pixel: mm_per_pixel as f32,
        ray_dy: voxel(down * mm_per_pixel),
        label_offset,
        box_max: volume.box_max().as_vec3().to_array(),
        lut_scale: (volume.value_scale * lut_per_value) as f32,
        gradient_x: gradients.x_axis.to_array(),
        lut_offset: ((volume.value_offset - f64::from(lut.low)) * lut_per_value) as f32,
        gradient_y: gradients.y_axis.to_array(),
        label_scale,
        gradient_z: gradients.z_axis.to_array(),
        lut_floor: lut.transparent_up_to(),
        background: config.background.map(linear_from_display),
        padding: 0.0,
        half_size_px: (size / 2.0).as_vec2().to_array(),
        padding_2: [0.0; 2],
    }
}
