//! The camera of the 3-D view.

use glam::{DMat3, DQuat, DVec2, DVec3};
use serde::{Deserialize, Serialize};

/// A line of sight in patient space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ray {
    /// Where it starts, in patient mm.
    pub origin_mm: DVec3,
    /// Its unit direction.
    pub direction: DVec3,
}

/// A perspective camera that orbits a point of the patient. `view` has x to the right, y down the
/// screen and z into it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Camera {
    /// The patient point (mm) it looks at and turns around.
    pub target_mm: DVec3,
    /// The turn that takes view directions to patient directions.
    pub patient_from_view: DQuat,
    /// The distance from the eye to the target, in mm.
    pub distance_mm: f64,
    /// What the shorter side of the picture covers at the target, in mm: smaller is closer.
    pub span_mm: f64,
}

/// The eye stands this many spans away: an opening of about 28 degrees.
const DISTANCE_PER_SPAN: f64 = 2.0;

impl Camera {
    /// A camera in front of the patient, looking to the back with the head up, that sees a sphere of
    /// `radius_mm` around `centre_mm` whole.
    pub fn facing(centre_mm: DVec3, radius_mm: f64) -> Self {
        let span_mm = (radius_mm * 2.1).max(1e-3);
        let patient_from_view = DMat3::from_cols(DVec3::X, DVec3::NEG_Z, DVec3::Y);
        Self {
            target_mm: centre_mm,
            patient_from_view: DQuat::from_mat3(&patient_from_view),
            distance_mm: span_mm * DISTANCE_PER_SPAN,
            span_mm,
        }
    }

    /// The patient directions right, down and into the screen.
    pub fn axes(&self) -> [DVec3; 3] {
        [DVec3::X, DVec3::Y, DVec3::Z].map(|v| self.patient_from_view * v)
    }

    /// The eye in patient mm.
    pub fn eye_mm(&self) -> DVec3 {
        self.target_mm - self.axes()[2] * self.distance_mm
    }

    /// Turns around the target: by `delta` in radians, as if the body was dragged right and down.
    pub fn orbit(&mut self, delta: DVec2) {
        let turn = DQuat::from_rotation_y(delta.x) * DQuat::from_rotation_x(-delta.y);
        self.patient_from_view = (self.patient_from_view * turn).normalize();
    }

    /// Moves the picture by `delta` shorter sides to the right and down.
    pub fn pan(&mut self, delta: DVec2) {
        let [right, down, _] = self.axes();
        self.target_mm -= (right * delta.x + down * delta.y) * self.span_mm;
    }

    /// Comes closer (`factor` above 1) or goes away, within sane limits.
    pub fn zoom(&mut self, factor: f64) {
        if factor.is_finite() && factor > 0.0 {
            self.span_mm = (self.span_mm / factor).clamp(1.0, 1e5);
            self.distance_mm = self.span_mm * DISTANCE_PER_SPAN;
        }
    }

    /// Millimetres per pixel at the target, in a picture of `size_px`.
    pub fn mm_per_pixel(&self, size_px: DVec2) -> f64 {
        self.span_mm / size_px.min_element().max(1.0)
    }

    /// The line of sight through a pixel of a picture of `size_px`; (0, 0) is the top left corner.
    pub fn ray(&self, pixel: DVec2, size_px: DVec2) -> Ray {
        let [right, down, into] = self.axes();
        let offset = (pixel - size_px / 2.0) * self.mm_per_pixel(size_px);
        let through = into * self.distance_mm + right * offset.x + down * offset.y;
        Ray {
            origin_mm: self.eye_mm(),
            direction: through.normalize(),
        }
    }

    /// The pixel a patient point falls on; `None` when it is behind the eye.
    pub fn pixel_from_patient(&self, point_mm: DVec3, size_px: DVec2) -> Option<DVec2> {
        let seen = self.patient_from_view.inverse() * (point_mm - self.eye_mm());
        (seen.z > 1e-6).then(|| {
            let scale = self.distance_mm / seen.z / self.mm_per_pixel(size_px);
            seen.truncate() * scale + size_px / 2.0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_look_is_from_the_front_with_the_head_up() {
        let camera = Camera::facing(DVec3::new(1.0, 2.0, 3.0), 100.0);
        let size = DVec2::new(400.0, 300.0);
        let above = camera
            .pixel_from_patient(DVec3::new(1.0, 2.0, 53.0), size)
            .unwrap();
        assert!(above.y < 150.0 && (above.x - 200.0).abs() < 1e-9);
        let left_side = camera
            .pixel_from_patient(DVec3::new(51.0, 2.0, 3.0), size)
            .unwrap();
        assert!(left_side.x > 200.0);
        assert!(camera.eye_mm().y < 2.0);
    }

    #[test]
    fn rays_go_through_the_points_that_project_there() {
        let mut camera = Camera::facing(DVec3::ZERO, 80.0);
        camera.orbit(DVec2::new(0.7, -0.4));
        camera.pan(DVec2::new(0.1, 0.2));
        camera.zoom(1.7);
        let size = DVec2::new(500.0, 400.0);
        let point = DVec3::new(12.0, -9.0, 31.0);
        let pixel = camera.pixel_from_patient(point, size).unwrap();
        let ray = camera.ray(pixel, size);
        let along = (point - ray.origin_mm).dot(ray.direction);
        assert!((ray.origin_mm + ray.direction * along).distance(point) < 1e-6);
    }

    #[test]
    fn dragging_right_turns_the_front_to_the_right() {
        let mut camera = Camera::facing(DVec3::ZERO, 80.0);
        camera.orbit(DVec2::new(0.2, 0.0));
        let front = camera
            .pixel_from_patient(DVec3::new(0.0, -50.0, 0.0), DVec2::splat(200.0))
            .unwrap();
        assert!(front.x > 100.0);
    }
}
