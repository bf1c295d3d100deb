//! DICOM radiotherapy structure sets (PS3.3 A.19).

mod read;
mod write;

pub(super) use read::{inspect, load};
pub(super) use write::write;
