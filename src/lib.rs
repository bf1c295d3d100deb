//! m3d-viewer: a viewer for 3-D medical images with an assistant inside.
//!
//! # Spaces
//! `voxel` (i = column, j = row, k = slice; integers at voxel centres), `patient` (mm, DICOM LPS),
//! `model` (0 to 1 over the prepared image, in the order depth, height, width), and `view` (a picture).
//! Every map is named `to_from`: `patient_from_voxel`.
//!
//! # Layers
//! This package stands on four others, and each on those behind it: `m3d-viewer -> m3d-lab -> m3d-assistant ->
//! m3d-model -> m3d-engine`; all but the last two use `m3d-imaging`. Here `ui -> app -> render`, and `cli` uses
//! anything but `ui`. What Cargo does not keep apart, a test does that reads the sources.

pub mod app;
pub mod cli;
pub mod render;
pub mod ui;
