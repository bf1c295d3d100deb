//! Drawing and changing a measurement with the mouse, in patient mm and without a window.

use glam::DVec3;

use super::Step;
use super::workspace::{FindingId, Measurement, MeasurementKind, Reading};

/// A measurement that is being drawn: by dragging, by clicks, or by both in turn.
#[derive(Clone, Debug)]
pub struct Drawing {
    /// The finding it becomes.
    pub id: FindingId,
    /// The group of its edits.
    pub group: u64,
    /// The points that are set, and the plane.
    set: Measurement,
    /// The point under the pointer, not set yet.
    floating: Option<DVec3>,
    complete: bool,
}

impl Drawing {
    /// Begins with a press at a patient point on a plane with these directions to the right and down.
    pub fn begin(kind: MeasurementKind, at: DVec3, axes: [DVec3; 2]) -> Self {
        let mut drawing = Self {
            id: FindingId::fresh(),
            group: Step::group(),
            set: Measurement {
                kind,
                points_mm: Vec::new(),
                axes,
                label_mm: None,
            },
            floating: None,
            complete: false,
        };
        drawing.set_point(at);
        drawing
    }

    /// What is drawn.
    pub const fn kind(&self) -> MeasurementKind {
        self.set.kind
    }

    /// Whether no further point is wanted.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The measurement as far as it is drawn.
    pub fn measurement(&self) -> Measurement {
        let mut drawn = self.set.clone();
        drawn.points_mm.extend(self.floating);
        if self.complete {
            drawn = drawn.completed();
        }
        drawn
    }

    fn set_point(&mut self, at: DVec3) {
        let at = self.set.flattened(at);
        self.floating = None;
        self.set.points_mm.push(at);
        self.complete = self.kind().points() == Some(self.set.points_mm.len());
    }

    /// The pointer is at `at`, pressed or not. What is drawn in one go takes a point where it has gone on by `step_mm`.
    pub fn hover(&mut self, at: DVec3, pressed: bool, step_mm: f64) {
        if self.complete {
            return;
        }
        let at = self.set.flattened(at);
        if self.kind() == MeasurementKind::Freehand {
            let last = self.set.points_mm.last();
            if pressed && last.is_none_or(|last| last.distance(at) >= step_mm) {
                self.set.points_mm.push(at);
            }
        } else {
            self.floating = Some(at);
        }
    }

    /// A further press. Near its first point a polygon ends.
    pub fn press(&mut self, at: DVec3, reach_mm: f64) {
        let ends = self.kind() == MeasurementKind::Polygon
            && self.set.points_mm.len() > 2
            && self.set.points_mm[0].distance(self.set.flattened(at)) <= reach_mm;
        if ends {
            self.close();
        } else if !self.complete {
            self.set_point(at);
        }
    }

    /// The button comes up at `at`, after a drag or where it was pressed.
    pub fn release(&mut self, at: DVec3, dragged: bool) {
        match self.kind() {
            MeasurementKind::Freehand => self.close(),
            _ if dragged && !self.complete => self.set_point(at),
            _ => {}
        }
    }

    /// Ends what has as many points as wanted, without the one under the pointer.
    pub fn close(&mut self) {
        if self.kind().points().is_none() {
            self.floating = None;
            // A double click sets a point twice.
            let points = &mut self.set.points_mm;
            points.dedup_by(|a, b| a.distance(*b) < 1e-6);
            self.complete = true;
        }
    }

    /// Whether what is complete is worth keeping: lines have a length, regions an inside.
    pub fn is_worth_keeping(&self) -> bool {
        let drawn = self.measurement();
        match self.kind() {
            MeasurementKind::Probe | MeasurementKind::Text => true,
            MeasurementKind::Arrow => drawn.points_mm[0].distance(drawn.points_mm[1]) > 0.0,
            _ => drawn.reading().is_some_and(|reading| match reading {
                Reading::Length(mm) | Reading::Diameters([mm, _]) => mm > 0.0,
                Reading::Angle(_) => true,
                Reading::Region { area_mm2, .. } => area_mm2 > 0.0,
            }),
        }
    }
}

/// A part of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldPart {
    /// One of its handles.
    Handle(usize),
    /// All of it.
    Whole,
    /// Its words.
    Label,
}

/// A measurement that the mouse has taken hold of.
#[derive(Clone, Debug)]
pub struct Held {
    /// The finding.
    pub id: FindingId,
    /// The group of its edits.
    pub group: u64,
    /// What is held.
    pub part: HeldPart,
    /// The measurement when the drag began.
    pub before: Measurement,
    /// Where the drag began, in patient mm.
    pub from: DVec3,
    /// Where its words stood when the drag began, in patient mm.
    pub label_mm: DVec3,
}

impl Held {
    /// The measurement after the drag has come to `at`.
    pub fn result(&self, at: DVec3) -> Measurement {
        match self.part {
            HeldPart::Handle(handle) => self.before.with_handle(handle, at),
            HeldPart::Whole => self.before.moved(at - self.from),
            HeldPart::Label => {
                let label = self.before.flattened(self.label_mm + at - self.from);
                Measurement {
                    label_mm: Some(label),
                    ..self.before.clone()
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXES: [DVec3; 2] = [DVec3::X, DVec3::Y];

    fn at(x: f64, y: f64) -> DVec3 {
        DVec3::new(x, y, 4.0)
    }

    #[test]
    fn a_line_is_drawn_by_a_drag_or_by_two_clicks() {
        let mut dragged = Drawing::begin(MeasurementKind::Length, at(1.0, 2.0), AXES);
        dragged.hover(at(5.0, 5.0), true, 1.0);
        assert_eq!(dragged.measurement().points_mm.len(), 2);
        dragged.release(at(9.0, 2.0), true);
        let mut clicked = Drawing::begin(MeasurementKind::Length, at(1.0, 2.0), AXES);
        clicked.release(at(1.0, 2.0), false);
        assert!(!clicked.is_complete());
        clicked.hover(at(3.0, 3.0), false, 1.0);
        clicked.press(at(9.0, 2.0), 1.0);
        for drawing in [dragged, clicked] {
            assert!(drawing.is_complete() && drawing.is_worth_keeping());
            assert_eq!(
                drawing.measurement().points_mm,
                [at(1.0, 2.0), at(9.0, 2.0)]
            );
        }
    }

    #[test]
    fn a_cobb_angle_is_drawn_by_two_drags_on_one_plane() {
        let mut drawing = Drawing::begin(MeasurementKind::CobbAngle, at(0.0, 0.0), AXES);
        drawing.release(at(5.0, 0.0), true);
        drawing.hover(at(2.0, 9.0), false, 1.0);
        // The reader has scrolled meanwhile.
        drawing.press(at(0.0, 9.0) + DVec3::Z * 3.0, 1.0);
        assert!(!drawing.is_complete());
        drawing.release(at(4.0, 13.0), true);
        assert!(drawing.is_complete());
        let drawn = drawing.measurement();
        assert!(drawn.points_mm.iter().all(|p| p.z == 4.0));
        let Some(Reading::Angle(angle)) = drawn.reading() else {
            panic!("an angle");
        };
        assert!((angle - 45.0).abs() < 1e-9);
    }

    #[test]
    fn a_polygon_ends_at_its_first_point_and_by_a_double_click() {
        let corners = [at(0.0, 0.0), at(8.0, 0.0), at(8.0, 6.0)];
        let mut drawing = Drawing::begin(MeasurementKind::Polygon, corners[0], AXES);
        for corner in &corners[1..] {
            drawing.release(*corner, false);
            drawing.press(*corner, 0.5);
        }
        let mut doubled = drawing.clone();
        drawing.press(at(0.2, 0.1), 0.5);
        doubled.press(corners[2], 0.5);
        doubled.close();
        for drawing in [drawing, doubled] {
            assert!(drawing.is_complete());
            assert_eq!(drawing.measurement().points_mm, corners);
        }
    }

    #[test]
    fn what_has_no_size_is_not_worth_keeping() {
        for kind in [MeasurementKind::Ellipse, MeasurementKind::Length] {
            let mut drawing = Drawing::begin(kind, at(0.0, 0.0), AXES);
            drawing.press(at(0.0, 0.0), 1.0);
            assert!(
                drawing.is_complete() && !drawing.is_worth_keeping(),
                "{kind:?}"
            );
        }
        let mut freehand = Drawing::begin(MeasurementKind::Freehand, at(0.0, 0.0), AXES);
        freehand.hover(at(0.1, 0.0), true, 1.0);
        freehand.release(at(0.1, 0.0), true);
        assert!(freehand.is_complete() && !freehand.is_worth_keeping());
    }
}
