//! What the passes have in common: one triangle over the whole target.

use std::sync::OnceLock;

use super::Gpu;
use super::shader::Shader;

/// The format of every picture: display colours, opaque.
pub(super) const TARGET: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// A layout entry for the fragment stage.
pub(super) const fn entry(binding: u32, ty: wgpu::BindingType) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::FRAGMENT,
        ty,
        count: None,
    }
}

/// A uniform block.
pub(super) const UNIFORM: wgpu::BindingType = wgpu::BindingType::Buffer {
    ty: wgpu::BufferBindingType::Uniform,
    has_dynamic_offset: false,
    min_binding_size: None,
};

/// A texture that is read as it is or through a sampler.
pub(super) const fn texture(
    sample_type: wgpu::TextureSampleType,
    view_dimension: wgpu::TextureViewDimension,
) -> wgpu::BindingType {
    wgpu::BindingType::Texture {
        sample_type,
        view_dimension,
        multisampled: false,
    }
}

/// The voxels of an image.
pub(super) const VOXELS: wgpu::BindingType = texture(
    wgpu::TextureSampleType::Float { filterable: true },
    wgpu::TextureViewDimension::D3,
);

/// A table of colours, read entry by entry.
pub(super) const COLOURS: wgpu::BindingType = texture(
    wgpu::TextureSampleType::Float { filterable: false },
    wgpu::TextureViewDimension::D2,
);

/// The entries of `common.wgsl`: uniforms, volume, labels, styles.
pub(super) const COMMON_ENTRIES: [wgpu::BindGroupLayoutEntry; 4] = [
    entry(0, UNIFORM),
    entry(1, VOXELS),
    entry(
        2,
        texture(
            wgpu::TextureSampleType::Uint,
            wgpu::TextureViewDimension::D3,
        ),
    ),
    entry(3, UNIFORM),
];

/// A single voxel of 0, bound where a picture shows nothing.
pub(super) fn empty_3d(gpu: &Gpu, label: &str, format: wgpu::TextureFormat) -> wgpu::Texture {
    gpu.device.create_texture(&wgpu::TextureDescriptor {
        label: Some(label),
        size: wgpu::Extent3d::default(),
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D3,
        format,
        usage: wgpu::TextureUsages::TEXTURE_BINDING,
        view_formats: &[],
    })
}

/// A shader's pipelines with their one bind group layout, and the labels of a view that shows none.
#[derive(Debug)]
pub(super) struct Pass {
    shader: Shader,
    module: wgpu::ShaderModule,
    pipeline_layout: wgpu::PipelineLayout,
    /// One for each choice of overrides, made when first drawn with.
    pipelines: [OnceLock<wgpu::RenderPipeline>; 16],
    pub(super) layout: wgpu::BindGroupLayout,
    pub(super) no_labels: wgpu::Texture,
}

impl Pass {
    /// The pass of a shader.
    pub(super) fn new(gpu: &Gpu, shader: Shader, entries: &[wgpu::BindGroupLayoutEntry]) -> Self {
        let device = &gpu.device;
        let label = Some(shader.file());
        let layout =
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        Self {
            shader,
            module: shader.module(device),
            pipeline_layout,
            pipelines: [const { OnceLock::new() }; 16],
            layout,
            no_labels: empty_3d(gpu, "no labels", wgpu::TextureFormat::R8Uint),
        }
    }

    /// The pipeline with these overrides on and all others off.
    fn pipeline(&self, gpu: &Gpu, on: &[&str]) -> &wgpu::RenderPipeline {
        let names = self.shader.overrides();
        let bits = (0..names.len()).filter(|&n| on.contains(&names[n]));
        let variant = bits.fold(0, |variant, n| variant | 1 << n);
        self.pipelines[variant].get_or_init(|| {
            let constants: Vec<(&str, f64)> = names
                .iter()
                .map(|name| (*name, f64::from(u8::from(on.contains(name)))))
                .collect();
            gpu.device
                .create_render_pipeline(&wgpu::RenderPipelineDescriptor {
                    label: Some(self.shader.file()),
                    layout: Some(&self.pipeline_layout),
                    vertex: wgpu::VertexState {
                        module: &self.module,
                        entry_point: Some("cover"),
                        compilation_options: wgpu::PipelineCompilationOptions {
                            constants: &constants,
                            ..Default::default()
                        },
                        buffers: &[],
                    },
                    primitive: wgpu::PrimitiveState::default(),
                    depth_stencil: None,
                    multisample: wgpu::MultisampleState::default(),
                    fragment: Some(wgpu::FragmentState {
                        module: &self.module,
                        entry_point: Some(self.shader.fragment()),
                        compilation_options: wgpu::PipelineCompilationOptions {
                            constants: &constants,
                            ..Default::default()
                        },
                        targets: &[Some(TARGET.into())],
                    }),
                    multiview_mask: None,
                    cache: None,
                })
        })
    }

    /// Draws with the overrides that are `on` over `target`, or over the part of it at `region` (x, y, width, height), keeping the rest.
    pub(super) fn run(
        &self,
        gpu: &Gpu,
        on: &[&str],
        bind_group: &wgpu::BindGroup,
        target: &wgpu::TextureView,
        region: Option<[u32; 4]>,
    ) {
        let mut encoder = gpu
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let load = match region {
                Some(_) => wgpu::LoadOp::Load,
                None => wgpu::LoadOp::Clear(wgpu::Color::BLACK),
            };
            let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                label: None,
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view: target,
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations {
                        load,
                        store: wgpu::StoreOp::Store,
                    },
                })],
                ..Default::default()
            });
            pass.set_pipeline(self.pipeline(gpu, on));
            pass.set_bind_group(0, bind_group, &[]);
            if let Some([x, y, width, height]) = region {
                pass.set_scissor_rect(x, y, width, height);
            }
            pass.draw(0..3, 0..1);
        }
        gpu.queue.submit([encoder.finish()]);
    }
}
