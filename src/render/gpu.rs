//! The graphics device.

use super::RenderError;

/// A device with its queue. A window makes one from its own device; [`Gpu::headless`] opens one.
#[derive(Clone, Debug)]
pub struct Gpu {
    /// Where textures and pipelines are made.
    pub device: wgpu::Device,
    /// Where work is sent.
    pub queue: wgpu::Queue,
}

/// The features drawing is better with, as far as the adapter has them: exact 16-bit textures and
/// interpolation of 32-bit ones. Ask for these when opening the window's device.
pub fn wanted_features(adapter: &wgpu::Adapter) -> wgpu::Features {
    adapter.features()
        & (wgpu::Features::TEXTURE_FORMAT_16BIT_NORM | wgpu::Features::FLOAT32_FILTERABLE)
}

/// The limits to ask for: wgpu's defaults where the adapter has them, with the adapter's own largest
/// textures and buffers.
pub fn wanted_limits(adapter: &wgpu::Adapter) -> wgpu::Limits {
    let most = adapter.limits();
    let mut limits = wgpu::Limits::default()
        .or_worse_values_from(&most)
        .using_resolution(most.clone());
    limits.max_buffer_size = most.max_buffer_size;
    limits
}

impl Gpu {
    /// Opens the best adapter there is without a window, software ones included; `WGPU_BACKEND` and
    /// `WGPU_ADAPTER_NAME` choose as usual.
    ///
    /// # Errors
    /// When there is no adapter or it gives no device.
    pub fn headless() -> Result<Self, RenderError> {
        let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        let instance = wgpu::Instance::new(descriptor);
        let found = wgpu::util::initialize_adapter_from_env_or_default(&instance, None);
        let adapter =
            pollster::block_on(found).map_err(|why| RenderError::NoAdapter(why.to_string()))?;
        let opened = adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("headless"),
            required_features: wanted_features(&adapter),
            required_limits: wanted_limits(&adapter),
            ..Default::default()
        });
        let (device, queue) = pollster::block_on(opened).map_err(|why| RenderError::NoDevice {
            adapter: adapter.get_info().name,
            reason: why.to_string(),
        })?;
        Ok(Self { device, queue })
    }

    /// The adapter's name, for logs and tables.
    pub fn adapter_name(&self) -> String {
        self.device.adapter_info().name
    }

    /// Whether the adapter computes on the CPU: pictures then come slowly, so draw coarse ones while
    /// something moves.
    pub fn is_software(&self) -> bool {
        self.device.adapter_info().device_type == wgpu::DeviceType::Cpu
    }

    /// Lets the adapter tell what it has done, without waiting; false when the device is lost.
    pub(super) fn poll(&self) -> bool {
        let polled = self.device.poll(wgpu::PollType::Poll);
        polled
            .inspect_err(|why| tracing::warn!("the graphics device does not answer: {why}"))
            .is_ok()
    }

    /// Waits until everything sent has been done: for read-backs, for uploads on their own threads, and for
    /// tests. The window never waits; it has [`super::DrawTimer`].
    pub fn wait(&self) {
        // A lost device has nothing left to wait for; the next draw or read reports it.
        if let Err(why) = self.device.poll(wgpu::PollType::wait_indefinitely()) {
            tracing::warn!("waiting for the graphics device failed: {why}");
        }
    }
}
