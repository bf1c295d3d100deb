//! Slices on the GPU.

use glam::{DAffine3, DVec2};

use super::pass::{COMMON_ENTRIES, Pass};
use super::slot::{Drawn, DrawnConfig};
use super::style::slice_styles;
use super::uniforms::SliceUniforms;
use super::{Gpu, LabelStyle, LabelTexture, Shader, ViewSlot, VolumeTexture};
use m3d_imaging::geometry::SliceView;
use m3d_imaging::volume::Window;

/// How far the outline of a label goes from the label's opacity to full.
pub(super) const OUTLINE: f32 = 0.6;

/// A slice to draw. The picture is black outside the volume; inside it is the window's grey, labels
/// over it with a brighter outline one pixel wide.
#[derive(Clone, Debug, PartialEq)]
pub struct SliceConfig {
    /// The cut, and the picture's place and size; its size is rounded to whole pixels.
    pub view: SliceView,
    /// The values from black to white.
    pub window: Window,
    /// White is low, black is high.
    pub invert: bool,
    /// How label 1, 2, ... look; labels without a style are hidden.
    pub labels: Vec<LabelStyle>,
    /// Trilinear between voxel centres; else each voxel is an even patch.
    pub interpolate: bool,
}

/// A side of a picture in whole pixels.
const MOST_PIXELS: f64 = 16384.0;

impl SliceConfig {
    /// The picture's width and height in pixels.
    pub fn size_px(&self) -> [u32; 2] {
        let whole = |side: f64| side.round().clamp(1.0, MOST_PIXELS) as u32;
        [whole(self.view.size_px.x), whole(self.view.size_px.y)]
    }
}

/// Draws slices.
#[derive(Debug)]
pub struct SliceRenderer {
    pass: Pass,
}

impl SliceRenderer {
    /// Compiles the pass.
    pub fn new(gpu: &Gpu) -> Self {
        Self {
            pass: Pass::new(gpu, Shader::Slice, &COMMON_ENTRIES),
        }
    }

    /// Draws the slice into the slot's texture, unless that is what the slot already shows. Labels of
    /// another grid than the volume's are left out.
    pub fn draw(
        &self,
        gpu: &Gpu,
        slot: &mut ViewSlot,
        volume: &VolumeTexture,
        labels: Option<&LabelTexture>,
        config: &SliceConfig,
    ) {
        let visible = config.labels.iter().any(|style| style.opacity > 0.0);
        let labels = labels.filter(|l| visible && l.fits(volume));
        let drawn = Drawn {
            config: DrawnConfig::Slice(config.clone()),
            volume: volume.texture.clone(),
            labels: labels.map(|l| l.texture.clone()),
        };
        if slot.drawn.as_ref() == Some(&drawn) {
            return;
        }
        let target = slot.resize(gpu, config.size_px());
        let uniforms = uniforms(volume, labels, config);
        gpu.queue
            .write_buffer(&slot.uniforms, 0, bytemuck::bytes_of(&uniforms));
        let styles = slice_styles(&config.labels);
        gpu.queue
            .write_buffer(&slot.styles, 0, bytemuck::cast_slice(&styles));
        let label_texture = labels.map_or(&self.pass.no_labels, |l| &l.texture);
        let textures = [&volume.texture, label_texture];
        let group = slot.bind(gpu, &self.pass.layout, &textures, None);
        let on = [
            labels.map_or("", |_| "WITH_LABELS"),
            if config.interpolate {
                "INTERPOLATE"
            } else {
                ""
            },
        ];
        self.pass.run(gpu, &on, &group, &target, None);
        slot.drawn = Some(drawn);
    }
}

/// The map from pixels to voxels is put together in f64, so that a volume far from the patient's
/// origin is as sharp as one near it.
fn uniforms(
    volume: &VolumeTexture,
    labels: Option<&LabelTexture>,
    config: &SliceConfig,
) -> SliceUniforms {
    let voxel_from_patient: DAffine3 = volume.texel_grid.voxel_from_patient();
    let view = &config.view;
    let corner = view.patient_from_pixel(DVec2::ZERO);
    let per_pixel = voxel_from_patient.matrix3 * view.mm_per_pixel;
    let width = f64::from(config.window.width);
    let low = f64::from(config.window.centre) - width / 2.0;
    let (label_scale, label_offset) = labels.map_or((1.0, 0.0), |l| l.scale_and_offset(volume));
    SliceUniforms {
        voxel_origin: voxel_from_patient
            .transform_point3(corner)
            .as_vec3()
            .to_array(),
        brightness_scale: (volume.value_scale / width) as f32,
        voxel_dx: (per_pixel * view.plane.right).as_vec3().to_array(),
        brightness_offset: ((volume.value_offset - low) / width) as f32,
        voxel_dy: (per_pixel * view.plane.down).as_vec3().to_array(),
        invert: u32::from(config.invert),
        box_max: volume.box_max().as_vec3().to_array(),
        label_scale,
        label_offset,
        padding: [0.0; 3],
    }
}
