//! Slices on the GPU.

use bytemuck::Zeroable as _;
use glam::{DAffine3, DVec2, DVec3};

use super::colour_map::upload_all;
use super::pass::{COLOURS, COMMON_ENTRIES, Pass, VOXELS, empty_3d, entry};
use super::slot::{Drawn, DrawnConfig};
use super::style::{slice_styles, unit};
use super::uniforms::{LayerUniforms, SliceUniforms};
use super::{ColourMap, Gpu, LabelStyle, LabelTexture, Shader, ViewSlot, VolumeTexture};
use m3d_imaging::geometry::SliceView;
use m3d_imaging::volume::Window;

/// How far the outline of a label goes from the label's opacity to full.
pub(super) const OUTLINE: f32 = 0.6;

/// The most images of one slice.
pub const MOST_LAYERS: usize = 4;

/// A slice to draw: images over one another, and labels over them. Every image is sampled on its own
/// grid where the picture's pixels lie in the patient, whatever its spacing, tilt and extent. The picture
/// is black where there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct SliceConfig {
    /// The cut, and the picture's place and size; its size is rounded to whole pixels.
    pub view: SliceView,
    /// How the images look, the lowest first; at most [`MOST_LAYERS`] are drawn.
    pub layers: Vec<LayerStyle>,
    /// How label 1, 2, ... look, with a brighter outline one pixel wide; labels without a style are
    /// hidden.
    pub labels: Vec<LabelStyle>,
}

/// How one image of a slice looks. Images in colour are shown in their own: the window, of which [`Window::COLOURS`]
/// changes nothing, and the inversion act on each channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerStyle {
    /// The values from one end of the colours to the other.
    pub window: Window,
    /// The colours the other way round.
    pub invert: bool,
    /// The colours of an image that has none.
    pub colours: ColourMap,
    /// 0 hides the image, 1 hides what is under it. Colours are mixed as displayed; under the lowest
    /// layer it is black.
    pub opacity: f32,
    /// Trilinear between voxel centres; else each voxel is an even patch.
    pub interpolate: bool,
}

impl LayerStyle {
    /// Opaque grey, interpolated: how an image is shown alone.
    pub const fn grey(window: Window) -> Self {
        Self {
            window,
            invert: false,
            colours: ColourMap::Grey,
            opacity: 1.0,
            interpolate: true,
        }
    }
}

/// A side of a picture in whole pixels.
const MOST_PIXELS: f64 = 16384.0;

impl SliceConfig {
    /// The picture's width and height in pixels.
    pub fn size_px(&self) -> [u32; 2] {
        let whole = |side: f64| side.round().clamp(1.0, MOST_PIXELS) as u32;
        [whole(self.view.size_px.x), whole(self.view.size_px.y)]
    }

    /// Whether there is a label to be seen.
    pub(super) fn shows_labels(&self) -> bool {
        self.labels.iter().any(|style| style.opacity > 0.0)
    }
}

/// The bindings of the layers' voxels and of the colour maps in `slice.wgsl`.
const LAYER_BINDINGS: [u32; MOST_LAYERS] = [1, 4, 5, 6];
const COLOUR_MAPS_BINDING: u32 = 7;

/// Draws slices.
#[derive(Debug)]
pub struct SliceRenderer {
    pass: Pass,
    colour_maps: wgpu::Texture,
    no_layer: wgpu::Texture,
}

impl SliceRenderer {
    /// Compiles the pass.
    pub fn new(gpu: &Gpu) -> Self {
        let mut entries = COMMON_ENTRIES.to_vec();
        entries.extend(LAYER_BINDINGS[1..].iter().map(|&n| entry(n, VOXELS)));
        entries.push(entry(COLOUR_MAPS_BINDING, COLOURS));
        Self {
            pass: Pass::new(gpu, Shader::Slice, &entries),
            colour_maps: upload_all(gpu),
            no_layer: empty_3d(gpu, "no layer", wgpu::TextureFormat::R8Unorm),
        }
    }

    /// Draws the slice into the slot's texture, unless that is what the slot already shows. `layers` are
    /// the images of [`SliceConfig::layers`] in the same order, the lowest first; an image without a
    /// style, or a style without an image, is left out.
    pub fn draw(
        &self,
        gpu: &Gpu,
        slot: &mut ViewSlot,
        layers: &[&VolumeTexture],
        labels: Option<&LabelTexture>,
        config: &SliceConfig,
    ) {
        let count = layers.len().min(config.layers.len()).min(MOST_LAYERS);
        let layers = &layers[..count];
        let labels = labels.filter(|_| config.shows_labels());
        let drawn = Drawn {
            config: DrawnConfig::Slice(config.clone()),
            layers: layers.iter().map(|l| l.texture.clone()).collect(),
            labels: labels.map(LabelTexture::state),
        };
        if slot.drawn.as_ref() == Some(&drawn) {
            return;
        }
        let target = slot.resize(gpu, config.size_px());
        let uniforms = uniforms(layers, labels, config);
        gpu.queue
            .write_buffer(&slot.uniforms, 0, bytemuck::bytes_of(&uniforms));
        let styles = slice_styles(&config.labels);
        gpu.queue
            .write_buffer(&slot.styles, 0, bytemuck::cast_slice(&styles));
        let label_texture = labels.map_or(&self.pass.no_labels, |l| &l.texture);
        let mut textures = vec![(2, label_texture), (COLOUR_MAPS_BINDING, &self.colour_maps)];
        for (n, binding) in LAYER_BINDINGS.into_iter().enumerate() {
            let texture = layers.get(n).map_or(&self.no_layer, |l| &l.texture);
            textures.push((binding, texture));
        }
        let group = slot.bind(gpu, &self.pass.layout, &textures, None);
        let named = |on: bool, name: &'static str| if on { name } else { "" };
        let on = [
            named(labels.is_some(), "WITH_LABELS"),
            named(count > 1, "SECOND"),
            named(count > 2, "THIRD"),
            named(count > 3, "FOURTH"),
        ];
        self.pass.run(gpu, &on, &group, &target, None);
        slot.drawn = Some(drawn);
    }
}

fn uniforms(
    layers: &[&VolumeTexture],
    labels: Option<&LabelTexture>,
    config: &SliceConfig,
) -> SliceUniforms {
    let mut uniforms = SliceUniforms::zeroed();
    for ((block, volume), style) in uniforms.layers.iter_mut().zip(layers).zip(&config.layers) {
        *block = layer(volume, style, &config.view);
    }
    if let Some(labels) = labels {
        let (texel_from_patient, box_max) = labels.place();
        let [origin, dx, dy] = from_pixels(texel_from_patient, &config.view);
        uniforms.label_origin = origin;
        uniforms.label_dx = dx;
        uniforms.label_dy = dy;
        uniforms.label_box_max = box_max.as_vec3().to_array();
    }
    uniforms
}

fn layer(volume: &VolumeTexture, style: &LayerStyle, view: &SliceView) -> LayerUniforms {
    let [voxel_origin, voxel_dx, voxel_dy] =
        from_pixels(volume.texel_grid.voxel_from_patient(), view);
    let width = f64::from(style.window.width);
    let low = f64::from(style.window.centre) - width / 2.0;
    let mut scale = volume.value_scale / width;
    let mut offset = (volume.value_offset - low) / width;
    if style.invert {
        (scale, offset) = (-scale, 1.0 - offset);
    }
    LayerUniforms {
        voxel_origin,
        brightness_scale: scale as f32,
        voxel_dx,
        brightness_offset: offset as f32,
        voxel_dy,
        opacity: unit(style.opacity),
        box_max: volume.box_max().as_vec3().to_array(),
        colour_map: style.colours.row(),
        interpolate: u32::from(style.interpolate),
        is_colour: u32::from(volume.is_colour()),
        padding: [0; 2],
    }
}

/// The texel of the picture's top left corner, and the texels per pixel to the right and down. The map
/// from pixels to texels is put together in f64, so that a volume far from the patient's origin is as
/// sharp as one near it.
fn from_pixels(texel_from_patient: DAffine3, view: &SliceView) -> [[f32; 3]; 3] {
    let corner = view.patient_from_pixel(DVec2::ZERO);
    let per_pixel = |direction: DVec3| texel_from_patient.matrix3 * direction * view.mm_per_pixel;
    [
        texel_from_patient.transform_point3(corner),
        per_pixel(view.plane.right),
        per_pixel(view.plane.down),
    ]
    .map(|v| v.as_vec3().to_array())
}
