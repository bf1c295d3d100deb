//! Voxels with a place: images, masks, and how their values become colours.

pub mod axis;
pub mod bits;
mod brick_layout;
pub mod contours;
pub mod edit;
mod hounsfield;
mod image;
mod image_key;
mod label_map;
mod mask;
pub mod measure;
mod mesh;
mod prepare;
mod scan;
mod stated;
mod statistics;
mod suv;
mod transfer;
mod upright;
mod voxels;
mod window;

pub use brick_layout::{BRICK_SIDE, BrickLayout};
pub(crate) use hounsfield::is_like_hounsfield;
pub use image::{Modality, Rescale, Units, Volume, VolumeError};
pub use image_key::{Digest, ImageIdentity, ImageKey, NotADigest};
pub use label_map::LabelMap;
pub use mask::{Combine, Mask, MaskPatch, MaskStoreError, Paint};
pub use mesh::Mesh;
pub use prepare::{Preparation, PrepareError, Prepared, nearest_voxels, prepare, volume_of};
pub use stated::{Spacing, Stated};
pub use statistics::Statistics;
pub use suv::{Suv, SuvKind};
pub use transfer::{Blend, ControlPoint, LUT_SIZE, TransferFunction, VolumePreset};
pub(crate) use upright::Upright;
pub use voxels::{Voxels, luma};
pub use window::{CT_PRESETS, Window, WindowPreset};
