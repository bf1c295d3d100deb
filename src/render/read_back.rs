//! Pictures from the GPU.

use super::{Gpu, Picture, RenderError, ViewSlot};

/// How long a device that has done its work may take to say so.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(10);

/// The picture a slot shows. Waits for the drawing to be done.
///
/// # Errors
/// When nothing is drawn yet or the device does not answer.
pub fn read_back(gpu: &Gpu, slot: &ViewSlot) -> Result<Picture, RenderError> {
    let texture = slot.texture().ok_or(RenderError::NothingDrawn)?;
    Ok(Picture {
        width: texture.width(),
        height: texture.height(),
        rgba: texels(gpu, texture, 4)?,
    })
}

/// The texels of a texture, row by row and slice by slice. Waits for them to be written.
///
/// # Errors
/// When the device does not answer.
pub(super) fn texels(
    gpu: &Gpu,
    texture: &wgpu::Texture,
    texel_bytes: usize,
) -> Result<Vec<u8>, RenderError> {
    let (height, depth) = (texture.height(), texture.depth_or_array_layers());
    let row = texture.width() as usize * texel_bytes;
    // Copies want rows of a multiple of 256 bytes.
    let padded = row.next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT as usize);
    let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("read back"),
        size: (padded * height as usize * depth as usize) as u64,
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let mut encoder = gpu
        .device
        .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_texture_to_buffer(
        texture.as_image_copy(),
        wgpu::TexelCopyBufferInfo {
            buffer: &buffer,
            layout: wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(padded as u32),
                rows_per_image: Some(height),
            },
        },
        texture.size(),
    );
    gpu.queue.submit([encoder.finish()]);
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    buffer.map_async(wgpu::MapMode::Read, .., move |mapped| {
        // The receiver is gone only when waiting failed, which is reported below.
        let _ = sender.send(mapped);
    });
    let failed = |why: String| RenderError::ReadBack(why);
    gpu.device
        .poll(wgpu::PollType::wait_indefinitely())
        .map_err(|why| failed(why.to_string()))?;
    // Another thread's wait may be the one that delivers the answer, a moment after this one's ended.
    receiver
        .recv_timeout(ANSWER)
        .map_err(|why| failed(why.to_string()))?
        .map_err(|why| failed(why.to_string()))?;
    let bytes = buffer
        .get_mapped_range(..)
        .map_err(|why| failed(why.to_string()))?;
    let rows = bytes.chunks(padded);
    Ok(rows.flat_map(|r| &r[..row]).copied().collect())
}
