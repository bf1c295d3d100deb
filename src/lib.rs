//! m3d-viewer: a viewer for 3-D medical images with an assistant inside.
//!
//! # Spaces
//! `voxel` (i = column, j = row, k = slice; integers at voxel centres), `patient` (mm, DICOM LPS),
//! `model` (0 to 1 over the prepared image, in the order depth, height, width), and `view` (a picture).
//! Every map is named `to_from`: `patient_from_voxel`.
//!
//! # Layers
//! Each uses only what stands to its right or below it:
//! `ui -> app -> {inference, render, io, hub} -> volume -> geometry`, `inference -> model`, `hub -> model`,
//! `{dataset, inference} -> wording`, `dataset -> io`, `training -> {inference, dataset}`, `evaluation -> {inference,
//! dataset}`, and `cli` uses anything but `ui`. `io`, `render` and `inference` never use each other. A test reads the
//! sources and fails on an upward path.

pub mod app;
pub mod cli;
pub mod dataset;
pub mod evaluation;
pub mod geometry;
pub mod hub;
pub mod inference;
pub mod io;
pub mod model;
pub mod render;
pub mod training;
pub mod ui;
pub mod volume;
pub mod wording;
