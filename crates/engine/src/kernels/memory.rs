//! Memory for weights: whole pages, large ones where the system has them.

use memmap2::MmapMut;

use super::KernelError;

/// Zeroed bytes that begin at a page, so that every tile is aligned.
pub(super) struct Pages(MmapMut);

impl Pages {
    /// Reserves `bytes` bytes, at least one.
    pub(super) fn zeroed(bytes: usize) -> Result<Self, KernelError> {
        let map =
            MmapMut::map_anon(bytes).map_err(|source| KernelError::Memory { bytes, source })?;
        // Streaming through small pages costs a quarter of the bandwidth in address look-ups. A system that
        // refuses is slower, not wrong.
        #[cfg(target_os = "linux")]
        if bytes >= 1 << 22 {
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        Ok(Self(map))
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, to fill them.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
