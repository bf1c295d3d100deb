//! Freed memory.

/// Gives memory that was freed back to the system: without this, glibc keeps what small tensors lay in,
/// and of every thread that ever read an image as much as the image took.
#[allow(unsafe_code)]
pub fn release_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the function takes a number and may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
