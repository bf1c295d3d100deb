//! Voxels with a place: from files to volumes and back, and to the image that a model sees. Nothing here knows networks.
//!
//! # Spaces
//! `voxel` (i = column, j = row, k = slice; integers at voxel centres), `patient` (mm, DICOM LPS), and `model` (0 to 1
//! over the prepared image, in the order depth, height, width). Every map is named `to_from`: `patient_from_voxel`.
//!
//! # Layers
//! `io -> volume -> geometry`, `survey -> volume -> geometry`, `terms -> geometry`; `wording` stands alone.

pub mod geometry;
pub mod io;
pub mod survey;
pub mod terms;
pub mod volume;
pub mod wording;
