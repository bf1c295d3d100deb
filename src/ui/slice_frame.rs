//! Where a slice stands on the screen.

use egui::{Pos2, Rect};
use glam::{DVec2, DVec3};

use m3d_imaging::geometry::SliceView;

/// A slice view and the part of the window it fills.
#[derive(Clone, Copy, Debug)]
pub struct SliceFrame {
    /// The part of the window, in points.
    pub rect: Rect,
    /// Pixels per point.
    pub scale: f64,
    /// The picture, in pixels.
    pub view: SliceView,
}

impl SliceFrame {
    /// The patient point under a window position.
    pub fn patient_from_screen(&self, at: Pos2) -> DVec3 {
        self.view.patient_from_pixel(self.pixel(at))
    }

    /// The pixel of the picture at a window position.
    pub fn pixel(&self, at: Pos2) -> DVec2 {
        let offset = at - self.rect.min;
        DVec2::new(f64::from(offset.x), f64::from(offset.y)) * self.scale
    }

    /// Millimetres per point of the window.
    pub fn mm_per_point(&self) -> f64 {
        self.view.mm_per_pixel * self.scale
    }
}

/// The size of a part of the window in whole pixels.
pub fn size_in_pixels(rect: Rect, scale: f32) -> [u32; 2] {
    let side = |points: f32| ((points * scale).round() as u32).clamp(1, 8192);
    [side(rect.width()), side(rect.height())]
}
