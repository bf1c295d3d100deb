//! What one view shows and how.

use glam::{DVec2, DVec3};
use m3d_imaging::geometry::{Camera, Orientation, SlicePlane, SliceView, VoxelGrid};
use m3d_imaging::volume::{ImageKey, VolumePreset, Window};
use serde::{Deserialize, Serialize};

use crate::render::ColourMap;

/// What kind of picture a view is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewKind {
    /// A slice along an axis of the base image.
    Slice(Orientation),
    /// The volume.
    Volume,
}

impl ViewKind {
    /// The four kinds, in the order of the 2x2 layout.
    pub const ALL: [Self; 4] = [
        Self::Slice(Orientation::Axial),
        Self::Slice(Orientation::Sagittal),
        Self::Slice(Orientation::Coronal),
        Self::Volume,
    ];

    /// The name on screen.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slice(orientation) => orientation.name(),
            Self::Volume => "3-D",
        }
    }
}

/// One image of a view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// The image.
    pub image: ImageKey,
    /// The time point, from 0.
    pub time: u32,
    /// The values from black to white.
    pub window: Window,
    /// White is low, black is high.
    pub invert: bool,
    /// The colours of the window.
    pub colour_map: ColourMap,
    /// 0 to 1; the base layer is opaque.
    pub opacity: f32,
}

impl Layer {
    /// The most layers of a view.
    pub const MOST: usize = 4;
}

/// How a view looks at its layers: no part of the reader's work, but kept with it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// 1 shows the whole slice, 2 half of it.
    pub zoom: f64,
    /// How far the middle of the picture is from the middle of the volume, in mm right and down.
    pub pan_mm: DVec2,
    /// The camera of the 3-D view; none to face the patient.
    pub camera: Option<Camera>,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            zoom: 1.0,
            pan_mm: DVec2::ZERO,
            camera: None,
        }
    }
}

impl Look {
    /// The picture of the slice through `cursor_mm`, in `size_px` pixels.
    pub fn slice_view(
        &self,
        grid: &VoxelGrid,
        orientation: Orientation,
        cursor_mm: DVec3,
        size_px: DVec2,
    ) -> SliceView {
        let plane = SlicePlane::new(grid, orientation);
        let mut view = SliceView::fit(grid, plane, cursor_mm, size_px);
        view.mm_per_pixel /= self.zoom;
        view.centre_mm += plane.right * self.pan_mm.x + plane.down * self.pan_mm.y;
        view
    }

    /// The camera on an image.
    pub fn camera_on(&self, grid: &VoxelGrid) -> Camera {
        self.camera
            .unwrap_or_else(|| Camera::facing(grid.centre_mm(), grid.radius_mm()))
    }

    /// Moved with the hand: by `delta_px` pixels of a picture at `mm_per_pixel`.
    #[must_use]
    pub fn panned(mut self, delta_px: DVec2, mm_per_pixel: f64) -> Self {
        self.pan_mm -= delta_px * mm_per_pixel;
        self
    }

    /// Zoomed by `factor` so that the point under `pixel` stays where it is.
    #[must_use]
    pub fn zoomed_at(mut self, factor: f64, pixel: DVec2, view: &SliceView) -> Self {
        let zoom = (self.zoom * factor).clamp(0.1, 100.0);
        let applied = zoom / self.zoom;
        let from_middle = (pixel - view.size_px / 2.0) * view.mm_per_pixel;
        self.pan_mm += from_middle * (1.0 - 1.0 / applied);
        self.zoom = zoom;
        self
    }
}

/// One view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// What kind of picture it is.
    pub kind: ViewKind,
    /// Its images, the base first; none in an empty view.
    pub layers: Vec<Layer>,
    /// How it looks at them.
    pub look: Look,
    /// The transfer function of the 3-D view.
    pub preset: VolumePreset,
}

impl View {
    /// An empty view.
    pub const fn empty(kind: ViewKind) -> Self {
        Self {
            kind,
            layers: Vec::new(),
            look: Look {
                zoom: 1.0,
                pan_mm: DVec2::ZERO,
                camera: None,
            },
            preset: VolumePreset::Ramp,
        }
    }

    /// The image that its plane, its place and the readings come from.
    pub fn base(&self) -> Option<&Layer> {
        self.layers.first()
    }

    /// Whether it shows an image, as its base or over it.
    pub fn shows(&self, image: &ImageKey) -> bool {
        self.layers.iter().any(|layer| layer.image == *image)
    }
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, UVec3};

    use super::*;

    #[test]
    fn zooming_keeps_the_point_under_the_pointer() {
        let grid = VoxelGrid::new(UVec3::new(64, 50, 20), DAffine3::IDENTITY).unwrap();
        let size = DVec2::new(400.0, 300.0);
        let pixel = DVec2::new(320.0, 40.0);
        let of = |l: &Look| l.slice_view(&grid, Orientation::Axial, grid.centre_mm(), size);
        let view = of(&Look::default());
        let zoomed = of(&Look::default().zoomed_at(2.5, pixel, &view));
        let moved = view.patient_from_pixel(pixel) - zoomed.patient_from_pixel(pixel);
        assert!(moved.length() < 1e-9);
        assert!((zoomed.mm_per_pixel * 2.5 - view.mm_per_pixel).abs() < 1e-12);
    }
}
