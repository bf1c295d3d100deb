//! The masks on the GPU.

use glam::{DAffine3, DQuat, DVec3, UVec3};

use super::label_bricks::LabelBricks;
use super::reduce::{blocks_showing, reduction_to_fit, shown_voxel};
use super::volume_texture::{STAGING_BYTES, VolumeTexture, create_3d, write_slabs};
use super::{Gpu, RenderError};
use m3d_imaging::volume::LabelMap;

/// A label map as a 3-D texture, one byte per voxel, that follows the map brick by brick.
#[derive(Debug)]
pub struct LabelTexture {
    pub(super) texture: wgpu::Texture,
    pub(super) bricks: LabelBricks,
    /// The state of the map that the texture shows.
    labels: LabelMap,
    reduction: u32,
    /// How often the texture was written, and how often bricks of it came to hold labels or lost them.
    revision: u64,
    brick_revision: u64,
}

/// A texture of labels in one state: pictures are drawn again when it is another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LabelState {
    texture: wgpu::Texture,
    revision: u64,
}

impl LabelTexture {
    /// Brings a label map to the GPU; larger than a texture may be, it is thinned out like its volume.
    ///
    /// # Errors
    /// When the adapter has no room for it.
    pub fn upload(gpu: &Gpu, labels: &LabelMap) -> Result<Self, RenderError> {
        let dims = labels.grid().dims();
        let reduction = reduction_to_fit(dims, gpu.device.limits().max_texture_dimension_3d);
        let size = dims.map(|n| n.div_ceil(reduction));
        let texture = create_3d(gpu, "labels", size, wgpu::TextureFormat::R8Uint).ok_or(
            RenderError::Memory {
                what: "labels",
                dims: dims.to_array(),
                reduction,
            },
        )?;
        write_slabs(gpu, &texture, 1, |slices, bytes| {
            let first = UVec3::new(0, 0, slices.start as u32);
            let past = size.with_z(slices.end as u32);
            append_texels(labels, reduction, [first, past], bytes);
        });
        Ok(Self {
            texture,
            bricks: LabelBricks::of(labels),
            labels: labels.clone(),
            reduction,
            revision: 0,
            brick_revision: 0,
        })
    }

    /// Shows a later state of the map, or any other, by writing only the bricks that differ. A map of
    /// another grid is uploaded whole. Waits for the adapter only where more has changed than may be on
    /// its way at a time, tens of megabytes.
    ///
    /// # Errors
    /// When it is, and the adapter has no room for it.
    pub fn update(&mut self, gpu: &Gpu, labels: &LabelMap) -> Result<(), RenderError> {
        if labels.grid() != self.labels.grid() {
            *self = Self::upload(gpu, labels)?;
            return Ok(());
        }
        let changed = labels.changed_since(&self.labels);
        if changed.is_empty() {
            return Ok(());
        }
        let mut waiting = 0;
        for &brick in &changed {
            waiting += self.write_brick(gpu, labels, brick);
            if waiting >= STAGING_BYTES {
                gpu.queue.submit([]);
                gpu.wait();
                waiting = 0;
            }
        }
        gpu.queue.submit([]);
        self.labels = labels.clone();
        self.revision += 1;
        self.brick_revision += u64::from(self.bricks.update(labels, &changed));
        Ok(())
    }

    /// Writes the texels that show a voxel of a brick, and gives their number.
    fn write_brick(&self, gpu: &Gpu, labels: &LabelMap, brick: usize) -> usize {
        let (first, size) = labels.layout().voxels(brick);
        let (dims, n) = (labels.grid().dims(), self.reduction);
        let [xs, ys, zs] =
            [0, 1, 2].map(|a| blocks_showing(first[a]..first[a] + size[a], n, dims[a]));
        let first = UVec3::new(xs.start, ys.start, zs.start);
        let past = UVec3::new(xs.end, ys.end, zs.end);
        let extent = past - first;
        let mut bytes = Vec::with_capacity(extent.element_product() as usize);
        append_texels(labels, n, [first, past], &mut bytes);
        if bytes.is_empty() {
            return 0;
        }
        gpu.queue.write_texture(
            wgpu::TexelCopyTextureInfo {
                origin: wgpu::Origin3d {
                    x: first.x,
                    y: first.y,
                    z: first.z,
                },
                ..self.texture.as_image_copy()
            },
            &bytes,
            wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(extent.x),
                rows_per_image: Some(extent.y),
            },
            wgpu::Extent3d {
                width: extent.x,
                height: extent.y,
                depth_or_array_layers: extent.z,
            },
        );
        bytes.len()
    }

    /// Whether the labels lie on the voxels of `volume`: others are not drawn.
    pub fn fits(&self, volume: &VolumeTexture) -> bool {
        self.labels.grid() == volume.grid()
    }

    /// The map from patient mm to the texture's texels, and the upper sides of the labels there.
    pub(super) fn place(&self) -> (DAffine3, DVec3) {
        let n = f64::from(self.reduction);
        let texel_from_voxel = DAffine3::from_scale_rotation_translation(
            DVec3::splat(1.0 / n),
            DQuat::IDENTITY,
            DVec3::splat((1.0 - n) / 2.0 / n),
        );
        let grid = self.labels.grid();
        (
            texel_from_voxel * grid.voxel_from_patient(),
            grid.dims().as_dvec3() / n - 0.5,
        )
    }

    /// What a picture with these labels shows of them.
    pub(super) fn state(&self) -> LabelState {
        LabelState {
            texture: self.texture.clone(),
            revision: self.revision,
        }
    }

    /// What the distances between bricks with labels are made from.
    pub(super) fn brick_state(&self) -> LabelState {
        LabelState {
            texture: self.texture.clone(),
            revision: self.brick_revision,
        }
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

/// Appends the texels from `first` up to but without `past`, each the label in the middle of a block of
/// `n` voxels a side.
fn append_texels(labels: &LabelMap, n: u32, [first, past]: [UVec3; 2], bytes: &mut Vec<u8>) {
    let dims = labels.grid().dims();
    for z in first.z..past.z {
        for y in first.y..past.y {
            let (j, k) = (shown_voxel(y, n, dims.y), shown_voxel(z, n, dims.z));
            if n == 1 {
                let start = bytes.len();
                bytes.resize(start + (past.x - first.x) as usize, 0);
                labels.read_run(UVec3::new(first.x, j, k), &mut bytes[start..]);
            } else {
                let shown = (first.x..past.x).map(|x| shown_voxel(x, n, dims.x));
                bytes.extend(shown.map(|i| labels.label(UVec3::new(i, j, k))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DVec3};

    use super::super::read_back::texels;
    use super::*;
    use m3d_imaging::geometry::VoxelGrid;
    use m3d_imaging::volume::{Mask, Modality, Paint, Rescale, Units, Volume, Voxels};

    /// A device whose 3-D textures are at most `most` texels a side; `None`, told, without an adapter.
    fn gpu(most: u32) -> Option<Gpu> {
        let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        let instance = wgpu::Instance::new(descriptor);
        let found = wgpu::util::initialize_adapter_from_env_or_default(&instance, None);
        let Ok(adapter) = pollster::block_on(found) else {
            eprintln!("skipped: there is no graphics adapter");
            return None;
        };
        let opened = adapter.request_device(&wgpu::DeviceDescriptor {
            required_limits: wgpu::Limits {
                max_texture_dimension_3d: most,
                ..wgpu::Limits::downlevel_defaults()
            },
            ..Default::default()
        });
        let (device, queue) = pollster::block_on(opened).unwrap();
        Some(Gpu { device, queue })
    }

    fn grid() -> VoxelGrid {
        let place = DAffine3::from_scale(DVec3::new(0.7, 0.9, 2.0));
        VoxelGrid::new(UVec3::new(91, 67, 45), place).unwrap()
    }

    #[test]
    fn an_updated_texture_is_a_fresh_one() {
        for most in [256, 40, 13] {
            let Some(gpu) = gpu(most) else {
                return;
            };
            let grid = grid();
            let mut masks = [Mask::from_fn(grid, |v| v.x < 20), Mask::empty(grid)];
            let mut labels = LabelMap::from_masks(grid, &masks);
            let mut texture = LabelTexture::upload(&gpu, &labels).unwrap();
            assert_eq!(texture.reduction, 91_u32.div_ceil(most));
            for step in 0..12 {
                let share = DVec3::new(0.31, 0.47, 0.83) * f64::from(step);
                let voxel = share.fract() * grid.dims().as_dvec3();
                let centre_mm = grid.patient_from_voxel().transform_point3(voxel);
                let paint = if step % 4 == 3 {
                    Paint::Erase
                } else {
                    Paint::Add
                };
                let mask = &mut masks[step as usize % 2];
                let radius_mm = 4.0 + f64::from(step % 3) * 6.0;
                let patch = mask.edit(|m| m.paint_ball(centre_mm, radius_mm, paint));
                labels.update(&masks, patch.bricks());
                let before = texture.state();
                let same = texture.labels == labels;
                texture.update(&gpu, &labels).unwrap();
                assert_eq!(texture.state() == before, same);
                let fresh = LabelTexture::upload(&gpu, &labels).unwrap();
                let found = texels(&gpu, &texture.texture, 1).unwrap();
                assert_eq!(
                    found,
                    texels(&gpu, &fresh.texture, 1).unwrap(),
                    "step {step}"
                );
                assert!(found.contains(&1) && (step < 1 || found.contains(&2)));
                assert_eq!(texture.bricks, fresh.bricks);
            }
        }
    }

    /// The map of another image as large, and what is drawn of it.
    #[test]
    fn labels_of_another_grid_are_uploaded_whole_and_fit_no_other_volume() {
        let Some(gpu) = gpu(256) else {
            return;
        };
        let grid = grid();
        let aside = DAffine3::from_translation(DVec3::X * 0.01) * grid.patient_from_voxel();
        let other = VoxelGrid::new(grid.dims(), aside).unwrap();
        let volume = |grid: VoxelGrid| {
            let voxels = Voxels::U8(vec![0; grid.len()]);
            let (modality, units) = (Modality::Other, Units::Arbitrary);
            let volume = Volume::new(grid, voxels, Rescale::IDENTITY, modality, units).unwrap();
            VolumeTexture::upload(&gpu, &volume).unwrap()
        };
        let (here, there) = (volume(grid), volume(other));
        let map =
            |grid: VoxelGrid| LabelMap::from_masks(grid, [&Mask::from_fn(grid, |v| v.y > 50)]);
        let mut texture = LabelTexture::upload(&gpu, &map(grid)).unwrap();
        assert!(texture.fits(&here) && !texture.fits(&there));
        let before = texture.state();
        texture.update(&gpu, &map(other)).unwrap();
        assert!(texture.fits(&there) && !texture.fits(&here));
        assert!(texture.state() != before);
    }
}
