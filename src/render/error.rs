//! What can go wrong while drawing.

use std::path::PathBuf;

/// Why a picture cannot be drawn, fetched or written.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RenderError {
    /// No graphics adapter, not even a software one.
    #[error(
        "no graphics adapter found ({0}); install a Vulkan driver (Debian: mesa-vulkan-drivers)"
    )]
    NoAdapter(String),
    /// The adapter gives no device.
    #[error("the graphics adapter {adapter} gives no device: {reason}")]
    NoDevice {
        /// The adapter's name.
        adapter: String,
        /// What it said.
        reason: String,
    },
    /// A texture does not fit the adapter's memory, even when reduced.
    #[error(
        "the graphics adapter has no room for {what} of {dims:?} voxels, not even reduced to 1/{reduction}; close other volumes"
    )]
    Memory {
        /// What was to be stored.
        what: &'static str,
        /// Its full size.
        dims: [u32; 3],
        /// The strongest reduction tried.
        reduction: u32,
    },
    /// The slot has no picture yet.
    #[error("the view has no picture yet; draw before reading it back")]
    NothingDrawn,
    /// The picture does not come back from the adapter.
    #[error("the picture cannot be read back from the graphics adapter: {0}")]
    ReadBack(String),
    /// The picture cannot be encoded.
    #[error("a picture of {width} x {height} pixels cannot be encoded as PNG: {reason}")]
    Encode {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// What the encoder said.
        reason: String,
    },
    /// The file cannot be written.
    #[error("{} cannot be written: {reason}", path.display())]
    Write {
        /// Where it was to go.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}
