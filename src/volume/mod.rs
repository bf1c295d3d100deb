//! Voxels with a place: images, masks, and how their values become colours.

mod image;
mod label_map;
mod mask;
mod statistics;
mod transfer;
mod voxels;
mod window;

pub use image::{Modality, Rescale, Units, Volume, VolumeError};
pub use label_map::LabelMap;
pub use mask::Mask;
pub use statistics::Statistics;
pub use transfer::{Blend, ControlPoint, LUT_SIZE, TransferFunction, VolumePreset};
pub use voxels::Voxels;
pub use window::{CT_PRESETS, Window, WindowPreset};
