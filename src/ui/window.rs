//! The window of the system.

use std::sync::Arc;

use egui_wgpu::{WgpuConfiguration, WgpuSetup, WgpuSetupCreateNew};

use super::{Viewer, wheel};
use crate::app::StartOptions;
use crate::render::{wanted_features, wanted_limits};

/// Opens the window and returns when it is closed.
///
/// # Errors
/// When there is no display, or no adapter that can draw.
pub fn run(options: StartOptions) -> eframe::Result {
    let mut setup = WgpuSetupCreateNew::without_display_handle();
    setup.power_preference = wgpu::PowerPreference::HighPerformance;
    setup.device_descriptor = Arc::new(|adapter| wgpu::DeviceDescriptor {
        label: Some("m3d-viewer"),
        required_features: wanted_features(adapter),
        required_limits: wanted_limits(adapter),
        ..Default::default()
    });
    let native = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("m3d-viewer")
            .with_inner_size([1600.0, 1000.0])
            .with_min_inner_size([900.0, 600.0]),
        renderer: eframe::Renderer::Wgpu,
        wgpu_options: WgpuConfiguration {
            wgpu_setup: WgpuSetup::CreateNew(setup),
            ..Default::default()
        },
        ..Default::default()
    };
    wheel::run(
        "m3d-viewer",
        native,
        Box::new(|cc| {
            let state = cc.wgpu_render_state.as_ref();
            Ok(Box::new(Viewer::new(&cc.egui_ctx, state, options)))
        }),
    )
}
