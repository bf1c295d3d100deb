//! DICOM segmentations (PS3.3 A.51).

mod frames;
mod gather;
mod read;
mod write;

pub(super) use read::{inspect, load};
pub(super) use write::write;
