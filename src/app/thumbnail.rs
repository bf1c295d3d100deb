//! Small pictures of series: the middle slice, as it was acquired.

use glam::DVec2;

use super::{SliceState, first_window};
use crate::render::{LayerStyle, Picture, SliceConfig, cpu};
use m3d_imaging::geometry::Orientation;
use m3d_imaging::io::{self, IoError, Progress, Series};

/// The side of a thumbnail, in pixels.
pub const THUMBNAIL_PX: u32 = 96;

/// Reads the middle slice of a series and draws it on the CPU.
///
/// # Errors
/// When the slice cannot be read.
pub(super) fn thumbnail(series: &Series, progress: &Progress) -> Result<Picture, IoError> {
    let middle = series.grid.dims().z / 2;
    let volume = io::load_slice(series, middle, progress)?;
    let grid = *volume.grid();
    // The anatomical plane whose normal is the axis across slices.
    let across = grid.axes_of_planes().iter().position(|&axis| axis == 2);
    let orientation = Orientation::ALL[across.unwrap_or(0)];
    let size = DVec2::splat(f64::from(THUMBNAIL_PX));
    let statistics = volume.statistics();
    let config = SliceConfig {
        view: SliceState::default().view(&grid, orientation, grid.centre_mm(), size),
        layers: vec![LayerStyle {
            invert: series.inverted,
            ..LayerStyle::grey(first_window(series, volume.modality(), &statistics))
        }],
        labels: Vec::new(),
    };
    Ok(cpu::slice(&[&volume], None, &config))
}
