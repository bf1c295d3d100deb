//! DICOM radiotherapy structure sets (PS3.3 A.19).

mod write;

pub(super) use write::write;
