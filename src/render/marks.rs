//! What stands over a picture, as a list: the window paints it, exports draw it, the mouse hits it.
//!
//! Points of the patient are in mm, so that a list holds at any zoom. Everything that is as large on any
//! picture (widths of lines, letters, margins) is in points; a [`MarkFrame`] tells how many pixels make
//! one.

use glam::DVec2;
use glam::DVec3;

use super::font::text_size;
use m3d_imaging::geometry::{Camera, SliceView};

/// Red, green, blue and opacity, as displayed.
pub type Colour = [u8; 4];

/// What is drawn around marks, so that they are seen on any grey: dark, and as faint as the mark is.
pub fn rim([.., opacity]: Colour) -> Colour {
    const OPACITY: u16 = 200;
    [0, 0, 0, (OPACITY * u16::from(opacity) / 255) as u8]
}

/// How far a rim reaches around a mark, in points.
pub const RIM_WIDTH: f64 = 1.2;

/// Something over a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// What it is.
    pub shape: MarkShape,
    /// Its colour.
    pub colour: Colour,
    /// What it belongs to, when it can be taken hold of.
    pub target: Option<MarkTarget>,
}

/// The forms of marks.
#[derive(Clone, Debug, PartialEq)]
pub enum MarkShape {
    /// Straight lines from point to point.
    Line {
        /// The points; a line one of whose ends cannot be seen is left out.
        points: Vec<Place>,
        /// The last point is joined to the first.
        closed: bool,
        /// Thickness, in points.
        width: f64,
        /// A dark rim, so that it is seen on white.
        rim: bool,
    },
    /// A dot, such as a handle.
    Dot {
        /// Its middle.
        centre: Place,
        /// In points.
        radius: f64,
    },
    /// Words on one line, with a dark rim.
    Text {
        /// Where they stand.
        at: Place,
        /// Which point of their box stands there, as shares of its width and height: (0, 0) the top left
        /// corner, (1, 1) the bottom right one.
        align: DVec2,
        /// The words.
        text: String,
        /// The size of the letters, in points.
        size: f64,
    },
}

/// What a mark belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MarkTarget {
    /// The caller's own number for it.
    pub id: u64,
    /// Which part of it.
    pub part: MarkPart,
}

/// A part of what is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MarkPart {
    /// Its lines, its words.
    Body,
    /// One of its handles.
    Handle(u32),
    /// Words that can be moved.
    Label,
}

/// A place on a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// What it goes by.
    pub anchor: Anchor,
    /// How far from there to the right and down, in points.
    pub offset: DVec2,
}

/// What a place goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Anchor {
    /// A point of the patient, in mm.
    Patient(DVec3),
    /// A point of the picture, as shares of its width and height.
    Picture(DVec2),
}

impl Place {
    /// At a point of the patient (mm).
    pub const fn patient(at_mm: DVec3) -> Self {
        Self {
            anchor: Anchor::Patient(at_mm),
            offset: DVec2::ZERO,
        }
    }

    /// At a point of the picture: (0, 0) is its top left corner, (1, 1) its bottom right one.
    pub const fn picture(x: f64, y: f64) -> Self {
        Self {
            anchor: Anchor::Picture(DVec2::new(x, y)),
            offset: DVec2::ZERO,
        }
    }

    /// The place `x` points further right and `y` further down.
    #[must_use]
    pub fn moved(self, x: f64, y: f64) -> Self {
        Self {
            offset: self.offset + DVec2::new(x, y),
            ..self
        }
    }
}

/// How a picture shows the patient.
pub trait Projection {
    /// The pixel a patient point (mm) falls on, (0, 0) being the top left corner of the picture; `None`
    /// when it cannot be seen.
    fn pixel(&self, point_mm: DVec3) -> Option<DVec2>;
    /// The picture's width and height in pixels.
    fn size_px(&self) -> DVec2;
}

/// Points are projected onto the slice.
impl Projection for SliceView {
    fn pixel(&self, point_mm: DVec3) -> Option<DVec2> {
        Some(self.pixel_from_patient(point_mm)).filter(|p| p.is_finite())
    }

    fn size_px(&self) -> DVec2 {
        self.size_px
    }
}

/// A picture through a camera.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CameraView {
    /// Where from.
    pub camera: Camera,
    /// The picture's width and height in pixels.
    pub size_px: DVec2,
}

impl Projection for CameraView {
    fn pixel(&self, point_mm: DVec3) -> Option<DVec2> {
        let pixel = self.camera.pixel_from_patient(point_mm, self.size_px);
        pixel.filter(|p| p.is_finite())
    }

    fn size_px(&self) -> DVec2 {
        self.size_px
    }
}

/// The picture that marks stand over.
#[derive(Clone, Copy)]
pub struct MarkFrame<'a> {
    /// Where points of the patient are.
    pub projection: &'a dyn Projection,
    /// Pixels per point.
    pub pixels_per_point: f64,
}

impl MarkFrame<'_> {
    /// The pixel position of a place; `None` when it cannot be seen.
    pub fn pixel(&self, place: &Place) -> Option<DVec2> {
        let anchor = match place.anchor {
            Anchor::Patient(at_mm) => self.projection.pixel(at_mm)?,
            Anchor::Picture(share) => share * self.projection.size_px(),
        };
        Some(anchor + place.offset * self.pixels_per_point)
    }

    /// The lines between places that can be seen, in pixels.
    pub fn segments(&self, points: &[Place], closed: bool) -> Vec<[DVec2; 2]> {
        let pixels: Vec<_> = points.iter().map(|p| self.pixel(p)).collect();
        let last_to_first = closed.then(|| [pixels.last().copied(), pixels.first().copied()]);
        pixels
            .windows(2)
            .map(|pair| [pair[0], pair[1]])
            .chain(last_to_first.map(|ends| ends.map(Option::flatten)))
            .filter_map(|[a, b]| Some([a?, b?]))
            .collect()
    }

    /// The top left corner and the size of a text's box, in pixels.
    pub fn text_box(&self, at: &Place, align: DVec2, text: &str, size: f64) -> Option<[DVec2; 2]> {
        let size_px = text_size(text, size * self.pixels_per_point);
        Some([self.pixel(at)? - align * size_px, size_px])
    }

    /// How far a pixel position is from a mark, in points.
    fn distance(&self, mark: &Mark, at: DVec2) -> Option<f64> {
        let pixels = match &mark.shape {
            MarkShape::Line { points, closed, .. } => self
                .segments(points, *closed)
                .into_iter()
                .map(|segment| distance_to(segment, at))
                .min_by(f64::total_cmp)?,
            MarkShape::Dot { centre, radius } => {
                let away = self.pixel(centre)?.distance(at);
                (away - radius * self.pixels_per_point).max(0.0)
            }
            MarkShape::Text {
                at: place,
                align,
                text,
                size,
            } => {
                let [corner, size] = self.text_box(place, *align, text, *size)?;
                at.distance(at.clamp(corner, corner + size))
            }
        };
        Some(pixels / self.pixels_per_point)
    }
}

/// The distance of a point from a line between two others.
fn distance_to([a, b]: [DVec2; 2], at: DVec2) -> f64 {
    let way = b - a;
    let along = (at - a).dot(way) / way.length_squared().max(1e-12);
    at.distance(a + way * along.clamp(0.0, 1.0))
}

/// What of the marks is nearest to a pixel position, no more than `reach` points away. Handles come before
/// lines, and of what is equally near the one drawn last: it lies on top.
pub fn hit(marks: &[Mark], frame: &MarkFrame<'_>, at: DVec2, reach: f64) -> Option<MarkTarget> {
    let near = marks.iter().rev().filter_map(|mark| {
        let target = mark.target?;
        let distance = frame.distance(mark, at).filter(|d| *d <= reach)?;
        Some((target.part == MarkPart::Body, distance, target))
    });
    near.min_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)))
        .map(|(.., target)| target)
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, UVec3};

    use super::*;
    use m3d_imaging::geometry::{Orientation, SlicePlane, VoxelGrid};

    const RED: Colour = [255, 0, 0, 255];

    fn view() -> SliceView {
        let grid = VoxelGrid::new(UVec3::splat(100), DAffine3::IDENTITY).unwrap();
        let plane = SlicePlane::new(&grid, Orientation::Axial);
        SliceView {
            plane,
            centre_mm: DVec3::splat(50.0),
            mm_per_pixel: 0.5,
            size_px: DVec2::new(200.0, 100.0),
        }
    }

    fn target(id: u64, part: MarkPart) -> MarkTarget {
        MarkTarget { id, part }
    }

    fn line(id: u64, from: DVec3, to: DVec3) -> Mark {
        Mark {
            shape: MarkShape::Line {
                points: vec![Place::patient(from), Place::patient(to)],
                closed: false,
                width: 1.0,
                rim: false,
            },
            colour: RED,
            target: Some(target(id, MarkPart::Body)),
        }
    }

    #[test]
    fn places_follow_the_patient_or_the_picture() {
        let view = view();
        let frame = MarkFrame {
            projection: &view,
            pixels_per_point: 2.0,
        };
        let middle = Place::patient(DVec3::splat(50.0));
        assert_eq!(frame.pixel(&middle), Some(DVec2::new(100.0, 50.0)));
        let beside = Place::patient(DVec3::new(55.0, 50.0, 9.0)).moved(3.0, -1.0);
        assert_eq!(frame.pixel(&beside), Some(DVec2::new(116.0, 48.0)));
        let corner = Place::picture(1.0, 1.0).moved(-8.0, -4.0);
        assert_eq!(frame.pixel(&corner), Some(DVec2::new(184.0, 92.0)));
    }

    #[test]
    fn the_nearest_is_hit_and_handles_come_first() {
        let view = view();
        let frame = MarkFrame {
            projection: &view,
            pixels_per_point: 2.0,
        };
        let handle = Mark {
            shape: MarkShape::Dot {
                centre: Place::patient(DVec3::new(60.0, 50.0, 50.0)),
                radius: 3.0,
            },
            colour: RED,
            target: Some(target(1, MarkPart::Handle(4))),
        };
        let across = DVec3::new(80.0, 50.0, 50.0);
        let marks = [
            line(1, DVec3::new(20.0, 50.0, 50.0), across),
            handle,
            line(2, DVec3::new(20.0, 53.0, 50.0), across + DVec3::Y * 3.0),
            line(3, DVec3::new(20.0, 50.0, 20.0), across),
        ];
        // Pixels: the lines at 50 and 56, the handle around 120.
        let hit = |x, y| hit(&marks, &frame, DVec2::new(x, y), 4.0);
        assert_eq!(hit(50.0, 55.0), Some(target(2, MarkPart::Body)));
        assert_eq!(
            hit(50.0, 51.0),
            Some(target(3, MarkPart::Body)),
            "the upper"
        );
        assert_eq!(hit(50.0, 65.0), None);
        assert_eq!(hit(122.0, 56.0), Some(target(1, MarkPart::Handle(4))));
        // Beyond its end a line is a point.
        assert_eq!(hit(166.0, 50.0), Some(target(3, MarkPart::Body)));
        assert_eq!(hit(169.0, 50.0), None);
    }

    #[test]
    fn words_are_hit_inside_their_box() {
        let view = view();
        let frame = MarkFrame {
            projection: &view,
            pixels_per_point: 1.0,
        };
        let mark = Mark {
            shape: MarkShape::Text {
                at: Place::picture(1.0, 0.0),
                align: DVec2::new(1.0, 0.0),
                text: "liver".into(),
                size: 12.0,
            },
            colour: RED,
            target: Some(target(9, MarkPart::Body)),
        };
        let marks = [mark];
        assert!(hit(&marks, &frame, DVec2::new(195.0, 5.0), 0.0).is_some());
        assert!(hit(&marks, &frame, DVec2::new(150.0, 5.0), 4.0).is_none());
    }

    #[test]
    fn what_is_behind_the_eye_is_left_out() {
        let camera = Camera::facing(DVec3::ZERO, 50.0);
        let behind = camera.eye_mm() * 2.0;
        let view = CameraView {
            camera,
            size_px: DVec2::splat(100.0),
        };
        let frame = MarkFrame {
            projection: &view,
            pixels_per_point: 1.0,
        };
        let points = [DVec3::ZERO, DVec3::X, behind].map(Place::patient);
        assert_eq!(frame.segments(&points, false).len(), 1);
        assert_eq!(frame.segments(&points, true).len(), 1);
        assert_eq!(frame.segments(&points[..2], true).len(), 2);
        assert!(frame.segments(&[], true).is_empty());
    }
}
