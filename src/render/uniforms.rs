//! The uniform blocks, laid out as the shaders declare them; `tests/shaders.rs` compares the layouts.

use bytemuck::{Pod, Zeroable};

use super::MOST_LAYERS;

/// What one layer of a slice is drawn with. Voxel coordinates are those of its own texture: integers at
/// texel centres. All zero it draws nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct LayerUniforms {
    /// Voxel coordinates of the picture's top left corner.
    pub voxel_origin: [f32; 3],
    /// Brightness per texel unit: rescale and window in one.
    pub brightness_scale: f32,
    /// Voxels per pixel to the right.
    pub voxel_dx: [f32; 3],
    /// Brightness of a texel of 0.
    pub brightness_offset: f32,
    /// Voxels per pixel down.
    pub voxel_dy: [f32; 3],
    /// 1 hides what is below.
    pub opacity: f32,
    /// The upper sides of the volume, in voxel coordinates.
    pub box_max: [f32; 3],
    /// The row of the colour map.
    pub colour_map: u32,
    /// Not 0 for trilinear values; else the nearest voxel's.
    pub interpolate: u32,
    /// Not 0 for texels that are colours, to be shown as they are.
    pub is_colour: u32,
    /// To a multiple of 16 bytes.
    pub padding: [u32; 2],
}

/// What a slice is drawn with.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct SliceUniforms {
    /// The layers, the lowest first.
    pub layers: [LayerUniforms; MOST_LAYERS],
    /// Coordinates of the picture's top left corner in the label texture: integers at texel centres.
    pub label_origin: [f32; 3],
    /// To a multiple of 16 bytes.
    pub padding: f32,
    /// Label voxels per pixel to the right.
    pub label_dx: [f32; 3],
    /// To a multiple of 16 bytes.
    pub padding_2: f32,
    /// Label voxels per pixel down.
    pub label_dy: [f32; 3],
    /// To a multiple of 16 bytes.
    pub padding_3: f32,
    /// The upper sides of the label map, in its voxel coordinates.
    pub label_box_max: [f32; 3],
    /// To a multiple of 16 bytes.
    pub padding_4: f32,
}

/// What rays are cast with. Voxel coordinates are those of the texture: integers at texel centres.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct RayCastUniforms {
    /// The eye.
    pub eye_voxel: [f32; 3],
    /// The distance between samples.
    pub step_mm: f32,
    /// From the eye to the top left corner of the picture at the target, in voxels.
    pub ray_origin: [f32; 3],
    /// From the eye to the target.
    pub distance_mm: f32,
    /// What a pixel to the right adds to the ray, in voxels.
    pub ray_dx: [f32; 3],
    /// The size of a pixel at the target.
    pub mm_per_pixel: f32,
    /// What a pixel down adds to the ray, in voxels.
    pub ray_dy: [f32; 3],
    /// The label coordinate of voxel coordinate 0, on each axis.
    pub label_offset: f32,
    /// The upper sides of the volume, in voxel coordinates.
    pub box_max: [f32; 3],
    /// Place in the transfer function's table per texel unit.
    pub lut_scale: f32,
    /// First row of the map from voxel gradients to patient gradients.
    pub gradient_x: [f32; 3],
    /// Place of a texel of 0 in the transfer function's table.
    pub lut_offset: f32,
    /// Second row.
    pub gradient_y: [f32; 3],
    /// Label voxels per volume voxel.
    pub label_scale: f32,
    /// Third row.
    pub gradient_z: [f32; 3],
    /// Places of the table up to this one are transparent; below 0 when none is.
    pub lut_floor: f32,
    /// The background, in linear light.
    pub background: [f32; 3],
    /// To a multiple of 16 bytes.
    pub padding: f32,
    /// Half the picture's size in pixels.
    pub half_size_px: [f32; 2],
    /// To a multiple of 16 bytes.
    pub padding_2: [f32; 2],
}
