//! The bridge from the renderers' textures to egui's: thin, drawn only when something changed.

use egui::TextureId;
use egui_wgpu::RenderState;

use crate::render::{Gpu, SliceRenderer, ViewSlot, VolumeRenderer};

/// The renderers, shared by all views.
pub struct Painters {
    /// The device and queue egui draws with.
    pub gpu: Gpu,
    /// Draws slices.
    pub slices: SliceRenderer,
    /// Casts rays.
    pub volumes: VolumeRenderer,
    state: RenderState,
}

impl Painters {
    /// Renderers on egui's own device.
    pub fn new(state: &RenderState) -> Self {
        let gpu = Gpu {
            device: state.device.clone(),
            queue: state.queue.clone(),
        };
        Self {
            slices: SliceRenderer::new(&gpu),
            volumes: VolumeRenderer::new(&gpu),
            gpu,
            state: state.clone(),
        }
    }
}

/// An off-screen picture known to egui.
pub struct Canvas {
    /// The renderer's side of it.
    pub slot: ViewSlot,
    id: Option<TextureId>,
    size: [u32; 2],
}

impl Canvas {
    /// An empty canvas.
    pub fn new(painters: &Painters) -> Self {
        Self {
            slot: ViewSlot::new(&painters.gpu),
            id: None,
            size: [0, 0],
        }
    }

    /// Egui's name of the picture, once something was drawn. The texture behind it changes when the
    /// view changes its size; the name stays.
    pub fn texture(&mut self, painters: &Painters) -> Option<TextureId> {
        let view = self.slot.view()?;
        let mut renderer = painters.state.renderer.write();
        let (device, filter) = (&painters.gpu.device, wgpu::FilterMode::Linear);
        match self.id {
            Some(id) if self.size != self.slot.size() => {
                renderer.update_egui_texture_from_wgpu_texture(device, view, filter, id);
            }
            Some(_) => {}
            None => self.id = Some(renderer.register_native_texture(device, view, filter)),
        }
        self.size = self.slot.size();
        self.id
    }
}
