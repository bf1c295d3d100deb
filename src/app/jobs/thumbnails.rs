//! Small pictures of series: the middle slice, as it was acquired.

use glam::DVec2;
use m3d_imaging::geometry::Orientation;
use m3d_imaging::io::{self, IoError, Progress, Series};

use super::{Finish, Job, Slot, first_window};
use crate::app::Look;
use crate::render::{LayerStyle, Picture, SliceConfig, cpu};

/// The side of a thumbnail, in pixels.
pub const THUMBNAIL_PX: u32 = 96;

/// Draws small pictures of series; those that cannot be read get none.
pub struct DrawThumbnails {
    /// The series.
    pub series: Vec<Series>,
}

impl Job for DrawThumbnails {
    fn title(&self) -> String {
        "Drawing thumbnails".into()
    }

    fn slot(&self) -> Slot {
        Slot::latest("thumbnails")
    }

    fn run(self: Box<Self>, progress: &Progress) -> Finish {
        let silent = Progress::silent();
        let count = self.series.len().max(1) as f32;
        let mut drawn = Vec::new();
        for (n, series) in self.series.iter().enumerate() {
            if progress.is_cancelled() {
                break;
            }
            progress.set(n as f32 / count);
            if let Ok(picture) = thumbnail(series, &silent) {
                drawn.push((series.id(), picture));
            }
        }
        Box::new(move |app| app.resources.thumbnails.extend(drawn))
    }
}

/// Reads the middle slice of a series and draws it on the CPU.
fn thumbnail(series: &Series, progress: &Progress) -> Result<Picture, IoError> {
    let middle = series.grid.dims().z / 2;
    let volume = io::load_slice(series, middle, progress)?;
    let grid = *volume.grid();
    // The anatomical plane whose normal is the axis across slices.
    let across = grid.axes_of_planes().iter().position(|&axis| axis == 2);
    let orientation = Orientation::ALL[across.unwrap_or(0)];
    let size = DVec2::splat(f64::from(THUMBNAIL_PX));
    let statistics = volume.statistics();
    let config = SliceConfig {
        view: Look::default().slice_view(&grid, orientation, grid.centre_mm(), size),
        layers: vec![LayerStyle {
            invert: series.inverted,
            ..LayerStyle::grey(first_window(series, volume.modality(), &statistics))
        }],
        labels: Vec::new(),
    };
    Ok(cpu::slice(&[&volume], None, &config))
}
