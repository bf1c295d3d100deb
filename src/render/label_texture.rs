//! The masks on the GPU.

use glam::{DAffine3, DQuat, DVec3};

use super::bricks::LabelBricks;
use super::reduce::{reduced_labels, reduction_to_fit};
use super::volume_texture::{VolumeTexture, create_3d, write_slabs};
use super::{Gpu, RenderError};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::LabelMap;

/// A label map as a 3-D texture, one byte per voxel.
#[derive(Debug)]
pub struct LabelTexture {
    pub(super) texture: wgpu::Texture,
    pub(super) bricks: LabelBricks,
    grid: VoxelGrid,
    reduction: u32,
}

impl LabelTexture {
    /// Brings a label map to the GPU; larger than a texture may be, it is thinned out like its volume.
    ///
    /// # Errors
    /// When the adapter has no room for it.
    pub fn upload(gpu: &Gpu, labels: &LabelMap) -> Result<Self, RenderError> {
        let dims = labels.grid().dims();
        let reduction = reduction_to_fit(dims, gpu.device.limits().max_texture_dimension_3d);
        let reduced = (reduction > 1).then(|| reduced_labels(labels, reduction));
        let (size, values) = match &reduced {
            Some((size, values)) => (*size, values.as_slice()),
            None => (dims, labels.labels()),
        };
        let texture = create_3d(gpu, "labels", size, wgpu::TextureFormat::R8Uint).ok_or(
            RenderError::Memory {
                what: "labels",
                dims: dims.to_array(),
                reduction,
            },
        )?;
        let slice = size.x as usize * size.y as usize;
        write_slabs(gpu, &texture, 1, |slices, bytes| {
            let range = slices.start * slice..slices.end * slice;
            bytes.extend_from_slice(values.get(range).unwrap_or_default());
        });
        Ok(Self {
            texture,
            bricks: LabelBricks::of(labels),
            grid: *labels.grid(),
            reduction,
        })
    }

    /// Whether the labels lie on the voxels of `volume`: others are not drawn.
    pub fn fits(&self, volume: &VolumeTexture) -> bool {
        self.grid == *volume.grid()
    }

    /// The map from patient mm to the texture's texels, and the upper sides of the labels there.
    pub(super) fn place(&self) -> (DAffine3, DVec3) {
        let n = f64::from(self.reduction);
        let texel_from_voxel = DAffine3::from_scale_rotation_translation(
            DVec3::splat(1.0 / n),
            DQuat::IDENTITY,
            DVec3::splat((1.0 - n) / 2.0 / n),
        );
        (
            texel_from_voxel * self.grid.voxel_from_patient(),
            self.grid.dims().as_dvec3() / n - 0.5,
        )
    }

    /// Label voxels per voxel of the volume's texture, and the label coordinate of its coordinate 0.
    pub(super) fn scale_and_offset(&self, volume: &VolumeTexture) -> (f32, f32) {
        let (v, l) = (f64::from(volume.reduction), f64::from(self.reduction));
        (
            (v / l) as f32,
            (((v - 1.0) / 2.0 - (l - 1.0) / 2.0) / l) as f32,
        )
    }
}
