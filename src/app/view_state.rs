//! What each view shows, beside the image itself.

use glam::{DVec2, DVec3};

use m3d_imaging::geometry::{Orientation, SlicePlane, SliceView, VoxelGrid};

/// One of the four views.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ViewId {
    /// A slice view.
    Slice(Orientation),
    /// The 3-D view.
    Volume,
}

impl ViewId {
    /// The four views in the order of the 2x2 layout.
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

    /// Its place in [`Self::ALL`].
    pub const fn index(self) -> usize {
        match self {
            Self::Slice(Orientation::Axial) => 0,
            Self::Slice(Orientation::Sagittal) => 1,
            Self::Slice(Orientation::Coronal) => 2,
            Self::Volume => 3,
        }
    }
}

/// How the views share the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Two by two.
    Grid,
    /// One large view, the others in a column beside it.
    Focus(ViewId),
    /// One view alone.
    Single(ViewId),
}

impl Layout {
    /// The layout after this one, with `view` in front where one is in front.
    #[must_use]
    pub const fn next(self, view: ViewId) -> Self {
        match self {
            Self::Grid => Self::Focus(view),
            Self::Focus(v) => Self::Single(v),
            Self::Single(_) => Self::Grid,
        }
    }

    /// The layout after a double click on `view`: alone, or back to the grid.
    #[must_use]
    pub const fn toggled(self, view: ViewId) -> Self {
        match self {
            Self::Single(_) => Self::Grid,
            Self::Grid | Self::Focus(_) => Self::Single(view),
        }
    }
}

/// What the left mouse button does in a slice view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tool {
    /// Drag changes the window.
    Window,
    /// Drag moves the crosshair.
    Crosshair,
    /// Drag draws the box.
    Box,
}

impl Tool {
    /// All, in the order of the toolbar.
    pub const ALL: [Self; 3] = [Self::Window, Self::Crosshair, Self::Box];
}

/// The reader's zoom and pan of a slice view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SliceState {
    /// 1 shows the whole slice, 2 half of it.
    pub zoom: f64,
    /// How far the middle of the picture is from the middle of the volume, in mm right and down.
    pub pan_mm: DVec2,
}

impl Default for SliceState {
    fn default() -> Self {
        Self {
            zoom: 1.0,
            pan_mm: DVec2::ZERO,
        }
    }
}

impl SliceState {
    /// The picture of the slice through `crosshair_mm`, in `size_px` pixels.
    pub fn view(
        &self,
        grid: &VoxelGrid,
        orientation: Orientation,
        crosshair_mm: DVec3,
        size_px: DVec2,
    ) -> SliceView {
        let plane = SlicePlane::new(grid, orientation);
        let mut view = SliceView::fit(grid, plane, crosshair_mm, size_px);
        view.mm_per_pixel /= self.zoom;
        view.centre_mm += plane.right * self.pan_mm.x + plane.down * self.pan_mm.y;
        view
    }

    /// Moves the picture with the hand: by `delta_px` pixels of a picture at `mm_per_pixel`.
    pub fn pan(&mut self, delta_px: DVec2, mm_per_pixel: f64) {
        self.pan_mm -= delta_px * mm_per_pixel;
    }

    /// Zooms by `factor` so that the point under `pixel` stays where it is.
    pub fn zoom_at(&mut self, factor: f64, pixel: DVec2, view: &SliceView) {
        let zoom = (self.zoom * factor).clamp(0.1, 100.0);
        let applied = zoom / self.zoom;
        let from_middle = (pixel - view.size_px / 2.0) * view.mm_per_pixel;
        self.pan_mm += from_middle * (1.0 - 1.0 / applied);
        self.zoom = zoom;
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
        let mut state = SliceState::default();
        let pixel = DVec2::new(320.0, 40.0);
        let of = |s: &SliceState| s.view(&grid, Orientation::Axial, grid.centre_mm(), size);
        let before = of(&state).patient_from_pixel(pixel);
        let view = of(&state);
        state.zoom_at(2.5, pixel, &view);
        let after = of(&state).patient_from_pixel(pixel);
        assert!(before.distance(after) < 1e-9);
        assert!((of(&state).mm_per_pixel * 2.5 - view.mm_per_pixel).abs() < 1e-12);
    }

    #[test]
    fn layouts_come_round() {
        let view = ViewId::Volume;
        let round = Layout::Grid.next(view).next(view).next(view);
        assert_eq!(round, Layout::Grid);
        assert_eq!(Layout::Grid.toggled(view).toggled(view), Layout::Grid);
    }
}
