//! What belongs to one view.

use super::bricks::Bricks;
use super::label_texture::LabelState;
use super::pass::TARGET;
use super::style::StyleTable;
use super::uniforms::{RayCastUniforms, SliceUniforms};
use super::volume_texture::{create_3d, write_slabs};
use super::{Gpu, Picture, RayCastConfig, SliceConfig};
use m3d_imaging::volume::{LUT_SIZE, TransferFunction};

/// One view's uniforms, bind group and target. Every view has its own: renderers are shared, and all
/// views are prepared before any is shown.
#[derive(Debug)]
pub struct ViewSlot {
    pub(super) uniforms: wgpu::Buffer,
    pub(super) styles: wgpu::Buffer,
    pub(super) lut: wgpu::Texture,
    target: Option<Target>,
    bound: Option<Bound>,
    distances: Option<Distances>,
    pub(super) drawn: Option<Drawn>,
}

/// The picture drawn into.
#[derive(Debug)]
struct Target {
    texture: wgpu::Texture,
    view: wgpu::TextureView,
}

/// A bind group with what it binds.
#[derive(Debug)]
struct Bound {
    layout: wgpu::BindGroupLayout,
    textures: Vec<(u32, wgpu::Texture)>,
    group: wgpu::BindGroup,
}

/// Brick distances with what they were made for.
#[derive(Debug)]
struct Distances {
    volume: wgpu::Texture,
    labels: Option<LabelState>,
    transfer: TransferFunction,
    texture: wgpu::Texture,
}

/// The whole picture in the target: a request for the same again costs nothing.
#[derive(Debug, PartialEq)]
pub(super) struct Drawn {
    pub(super) config: DrawnConfig,
    /// The images, the lowest first.
    pub(super) layers: Vec<wgpu::Texture>,
    pub(super) labels: Option<LabelState>,
}

/// The configuration a picture was drawn from.
#[derive(Debug, PartialEq)]
pub(super) enum DrawnConfig {
    Slice(SliceConfig),
    RayCast(RayCastConfig),
}

/// Room for the larger of the uniform blocks.
const UNIFORM_BYTES: usize = if size_of::<SliceUniforms>() > size_of::<RayCastUniforms>() {
    size_of::<SliceUniforms>()
} else {
    size_of::<RayCastUniforms>()
};

impl ViewSlot {
    /// An empty view.
    pub fn new(gpu: &Gpu) -> Self {
        let uniform = |label, size| {
            gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        Self {
            uniforms: uniform("view uniforms", UNIFORM_BYTES as u64),
            styles: uniform("label styles", size_of::<StyleTable>() as u64),
            lut: gpu.device.create_texture(&wgpu::TextureDescriptor {
                label: Some("transfer function"),
                size: wgpu::Extent3d {
                    width: LUT_SIZE as u32,
                    height: 1,
                    depth_or_array_layers: 1,
                },
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: wgpu::TextureFormat::Rgba32Float,
                usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
                view_formats: &[],
            }),
            target: None,
            bound: None,
            distances: None,
            drawn: None,
        }
    }

    /// The picture, in display colours; `None` before the first draw. It is another texture after a
    /// change of size.
    pub fn texture(&self) -> Option<&wgpu::Texture> {
        self.target.as_ref().map(|t| &t.texture)
    }

    /// The view of [`Self::texture`].
    pub fn view(&self) -> Option<&wgpu::TextureView> {
        self.target.as_ref().map(|t| &t.view)
    }

    /// The picture's width and height in pixels; zero before the first draw.
    pub fn size(&self) -> [u32; 2] {
        self.texture().map_or([0, 0], |t| [t.width(), t.height()])
    }

    /// Forgets what is drawn, so that the next draw draws whatever it is asked for.
    pub fn invalidate(&mut self) {
        self.drawn = None;
    }

    /// Shows a picture computed elsewhere, as by [`super::cpu`].
    pub fn show(&mut self, gpu: &Gpu, picture: &Picture) {
        self.drawn = None;
        let most = gpu.device.limits().max_texture_dimension_2d;
        let fits = (1..=most).contains(&picture.width) && (1..=most).contains(&picture.height);
        let wanted = picture.width as usize * picture.height as usize * 4;
        if !fits || picture.rgba.len() != wanted {
            tracing::warn!(
                "a picture of {} x {} pixels cannot be shown",
                picture.width,
                picture.height
            );
            return;
        }
        self.resize(gpu, [picture.width, picture.height]);
        if let Some(target) = &self.target {
            write_2d(gpu, &target.texture, &picture.rgba, 4);
        }
    }

    /// Makes the target as large as asked for, within the adapter's limits, and gives its view.
    pub(super) fn resize(&mut self, gpu: &Gpu, size_px: [u32; 2]) -> wgpu::TextureView {
        let most = gpu.device.limits().max_texture_dimension_2d;
        let size = size_px.map(|n| n.clamp(1, most));
        if let Some(target) = &self.target
            && [target.texture.width(), target.texture.height()] == size
        {
            return target.view.clone();
        }
        let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("view"),
            size: wgpu::Extent3d {
                width: size[0],
                height: size[1],
                depth_or_array_layers: 1,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: TARGET,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT
                | wgpu::TextureUsages::TEXTURE_BINDING
                | wgpu::TextureUsages::COPY_SRC
                | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        self.target = Some(Target {
            texture,
            view: view.clone(),
        });
        self.drawn = None;
        view
    }

    /// The bind group of `layout` with the view's uniforms and styles and these textures, each at its
    /// binding, and a sampler at its own. It is made again only when one of the textures changed.
    pub(super) fn bind(
        &mut self,
        gpu: &Gpu,
        layout: &wgpu::BindGroupLayout,
        textures: &[(u32, &wgpu::Texture)],
        sampler: Option<(u32, &wgpu::Sampler)>,
    ) -> wgpu::BindGroup {
        if let Some(bound) = &self.bound
            && bound.layout == *layout
            && bound
                .textures
                .iter()
                .map(|(n, t)| (*n, t))
                .eq(textures.iter().copied())
        {
            return bound.group.clone();
        }
        let views: Vec<_> = textures
            .iter()
            .map(|(n, t)| (*n, t.create_view(&wgpu::TextureViewDescriptor::default())))
            .collect();
        let mut entries = vec![
            wgpu::BindGroupEntry {
                binding: 0,
                resource: self.uniforms.as_entire_binding(),
            },
            wgpu::BindGroupEntry {
                binding: 3,
                resource: self.styles.as_entire_binding(),
            },
        ];
        for (binding, view) in &views {
            entries.push(wgpu::BindGroupEntry {
                binding: *binding,
                resource: wgpu::BindingResource::TextureView(view),
            });
        }
        if let Some((binding, sampler)) = sampler {
            entries.push(wgpu::BindGroupEntry {
                binding,
                resource: wgpu::BindingResource::Sampler(sampler),
            });
        }
        let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("view"),
            layout,
            entries: &entries,
        });
        self.bound = Some(Bound {
            layout: layout.clone(),
            textures: textures.iter().map(|(n, t)| (*n, (*t).clone())).collect(),
            group: group.clone(),
        });
        group
    }

    /// The texture of brick distances for a volume, its labels and a transfer function; `compute` is
    /// asked for them only when one of these changed. `None` when the adapter has no room.
    pub(super) fn distances(
        &mut self,
        gpu: &Gpu,
        volume: &wgpu::Texture,
        labels: Option<LabelState>,
        transfer: &TransferFunction,
        bricks: &Bricks,
        compute: impl FnOnce() -> Vec<u8>,
    ) -> Option<wgpu::Texture> {
        if let Some(made) = &self.distances
            && made.volume == *volume
            && made.labels == labels
            && made.transfer == *transfer
        {
            return Some(made.texture.clone());
        }
        let dims = bricks.dims();
        let values = compute();
        let texture = create_3d(gpu, "brick distances", dims, wgpu::TextureFormat::R8Uint)?;
        let slice = dims.x as usize * dims.y as usize;
        write_slabs(gpu, &texture, 1, |slices, bytes| {
            let range = slices.start * slice..slices.end * slice;
            bytes.extend_from_slice(values.get(range).unwrap_or_default());
        });
        self.distances = Some(Distances {
            volume: volume.clone(),
            labels,
            transfer: transfer.clone(),
            texture: texture.clone(),
        });
        Some(texture)
    }
}

/// Fills a 2-D texture.
pub(super) fn write_2d(gpu: &Gpu, texture: &wgpu::Texture, bytes: &[u8], texel_bytes: u32) {
    gpu.queue.write_texture(
        texture.as_image_copy(),
        bytes,
        wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(texture.width() * texel_bytes),
            rows_per_image: None,
        },
        texture.size(),
    );
}
