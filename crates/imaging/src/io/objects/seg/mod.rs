//! DICOM segmentations (PS3.3 A.51).

mod write;

pub(super) use write::write;
