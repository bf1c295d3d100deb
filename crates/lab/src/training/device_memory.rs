//! Memory of an NVIDIA GPU from one step to the next.

use candle_core::Device;

/// Lets the device keep what is freed for what is asked for next. Otherwise it goes back to the system whenever the
/// device is waited for, and each step takes its gigabytes anew. Nothing is said where that is refused: it is slower, no
/// more.
#[cfg(feature = "cuda")]
#[allow(unsafe_code)]
pub(super) fn keep_freed_memory(device: &Device) {
    use candle_core::cuda::cudarc::driver::{result, sys};

    let Device::Cuda(cuda) = device else { return };
    let stream = cuda.cuda_stream();
    let mut threshold = u64::MAX;
    // SAFETY: the device is open, so its pool is there as long as the program, and the attribute is a 64-bit number.
    let kept = unsafe {
        result::device::get_default_mem_pool(stream.context().cu_device()).and_then(|pool| {
            result::mem_pool::set_attribute(
                pool,
                sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD,
                (&raw mut threshold).cast(),
            )
        })
    };
    if let Err(error) = kept {
        tracing::debug!("freed memory of the GPU is not kept: {error}");
    }
}

/// Nothing to do where no GPU can be used.
#[cfg(not(feature = "cuda"))]
pub(super) fn keep_freed_memory(_: &Device) {}
