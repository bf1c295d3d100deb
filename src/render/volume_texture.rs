//! The voxels on the GPU.

use glam::DVec3;

use super::bricks::Bricks;
use super::reduce::{reduced_volume, reduction_to_fit};
use super::texels::Encoding;
use super::{Gpu, RenderError};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::Volume;

/// A volume as a 3-D texture, as exact as the adapter allows, with what ray casting needs to leap over
/// its empty parts.
///
/// A volume larger than a texture may be, or than the adapter has room for, is held as the means of
/// blocks, and [`Self::reduction`] says so. Slices drawn from such a texture are coarser than the
/// study: a caller that wants every voxel draws them with [`super::cpu::slice`] and shows the picture
/// with [`super::ViewSlot::show`].
#[derive(Debug)]
pub struct VolumeTexture {
    pub(super) texture: wgpu::Texture,
    /// The grid of the texture's texels.
    pub(super) texel_grid: VoxelGrid,
    /// The volume's own grid.
    grid: VoxelGrid,
    pub(super) reduction: u32,
    /// Values per texel unit and the value of a texel of 0, rescale included.
    pub(super) value_scale: f64,
    pub(super) value_offset: f64,
    pub(super) bricks: Bricks,
}

/// Reductions beyond this show too little to be worth it.
const MOST_REDUCED: u32 = 16;

/// The most bytes that are on their way to the adapter at a time.
pub(super) const STAGING_BYTES: usize = 32 << 20;

impl VolumeTexture {
    /// Brings a volume to the GPU, slab by slab.
    ///
    /// # Errors
    /// When the adapter has no room for it, not even reduced.
    pub fn upload(gpu: &Gpu, volume: &Volume) -> Result<Self, RenderError> {
        let dims = volume.grid().dims();
        let most = gpu.device.limits().max_texture_dimension_3d;
        let mut reduction = reduction_to_fit(dims, most);
        let memory = |reduction| RenderError::Memory {
            what: "a volume",
            dims: dims.to_array(),
            reduction,
        };
        while reduction <= MOST_REDUCED {
            let uploaded = if reduction == 1 {
                Self::upload_whole(gpu, volume)
            } else {
                let smaller = reduced_volume(volume, reduction).ok_or_else(|| memory(reduction))?;
                Self::upload_whole(gpu, &smaller)
            };
            if let Some(mut texture) = uploaded {
                texture.grid = *volume.grid();
                texture.reduction = reduction;
                return Ok(texture);
            }
            reduction *= 2;
        }
        Err(memory(reduction / 2))
    }

    /// `None` when the adapter has no room.
    fn upload_whole(gpu: &Gpu, volume: &Volume) -> Option<Self> {
        let grid = *volume.grid();
        let (bricks, range) = Bricks::of(volume);
        let encoding = Encoding::of(volume.voxels(), range, gpu.device.features());
        let texture = create_3d(gpu, "volume", grid.dims(), encoding.format)?;
        let slice = grid.dims().x as usize * grid.dims().y as usize;
        write_slabs(gpu, &texture, encoding.texel_bytes(), |slices, bytes| {
            encoding.encode(
                volume.voxels(),
                slices.start * slice..slices.end * slice,
                bytes,
            );
        });
        let rescale = volume.rescale();
        Some(Self {
            texture,
            texel_grid: grid,
            grid,
            reduction: 1,
            value_scale: encoding.scale * rescale.slope,
            value_offset: encoding.offset * rescale.slope + rescale.intercept,
            bricks,
        })
    }

    /// The n of a volume held at 1/n of its resolution for being too large; `None` when every voxel
    /// is there.
    pub fn reduction(&self) -> Option<u32> {
        (self.reduction > 1).then_some(self.reduction)
    }

    /// Whether its texels are colours.
    pub(super) fn is_colour(&self) -> bool {
        self.texture.format() == wgpu::TextureFormat::Rgba8Unorm
    }

    /// The volume's own grid.
    pub const fn grid(&self) -> &VoxelGrid {
        &self.grid
    }

    /// Bytes on the GPU.
    pub fn byte_len(&self) -> u64 {
        let texel = self.texture.format().block_copy_size(None).unwrap_or(4);
        self.texel_grid.len() as u64 * u64::from(texel)
    }

    /// The upper sides of the volume in the texture's voxel coordinates: the last blocks of a reduced
    /// volume may be partly filled.
    pub(super) fn box_max(&self) -> DVec3 {
        self.grid.dims().as_dvec3() / f64::from(self.reduction) - 0.5
    }
}

/// An empty 3-D texture; `None` when the adapter has no room.
pub(super) fn create_3d(
    gpu: &Gpu,
    label: &'static str,
    dims: glam::UVec3,
    format: wgpu::TextureFormat,
) -> Option<wgpu::Texture> {
    let room = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let valid = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
    let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
        label: Some(label),
        size: wgpu::Extent3d {
            width: dims.x,
            height: dims.y,
            depth_or_array_layers: dims.z,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D3,
        format,
        // Tests read textures back.
        usage: wgpu::TextureUsages::TEXTURE_BINDING
            | wgpu::TextureUsages::COPY_DST
            | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    });
    let invalid = pollster::block_on(valid.pop());
    let full = pollster::block_on(room.pop());
    if let Some(why) = invalid.or(full) {
        tracing::warn!("no {label} texture of {dims}: {why}");
        return None;
    }
    Some(texture)
}

/// Fills a 3-D texture a few slices at a time: `texels(slices, bytes)` appends what belongs there.
pub(super) fn write_slabs(
    gpu: &Gpu,
    texture: &wgpu::Texture,
    texel_bytes: usize,
    mut texels: impl FnMut(std::ops::Range<usize>, &mut Vec<u8>),
) {
    let size = texture.size();
    let row = size.width as usize * texel_bytes;
    let slice = row * size.height as usize;
    let depth = size.depth_or_array_layers as usize;
    let at_once = (STAGING_BYTES / 2 / slice.max(1)).max(1);
    let mut bytes = Vec::with_capacity(slice * at_once.min(depth));
    let mut waiting = 0;
    for first in (0..depth).step_by(at_once) {
        let slices = first..(first + at_once).min(depth);
        bytes.clear();
        texels(slices.clone(), &mut bytes);
        gpu.queue.write_texture(
            wgpu::TexelCopyTextureInfo {
                origin: wgpu::Origin3d {
                    x: 0,
                    y: 0,
                    z: first as u32,
                },
                ..texture.as_image_copy()
            },
            &bytes,
            wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(row as u32),
                rows_per_image: Some(size.height),
            },
            wgpu::Extent3d {
                depth_or_array_layers: slices.len() as u32,
                ..size
            },
        );
        waiting += bytes.len();
        if waiting >= STAGING_BYTES {
            gpu.queue.submit([]);
            gpu.wait();
            waiting = 0;
        }
    }
    gpu.queue.submit([]);
}
