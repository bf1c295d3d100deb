//! What a reader measures by hand: lines, angles and regions on a plane, in patient mm.

use glam::{DMat2, DVec2, DVec3};
use m3d_imaging::volume::measure::{FlatRegion, Outline};
use serde::{Deserialize, Serialize};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasurementKind {
    /// The distance of two points.
    Length,
    /// The longest diameter and the one across it.
    Bidirectional,
    /// The angle at the second of three points.
    Angle,
    /// The angle between two lines.
    CobbAngle,
    /// A rectangle along the plane's axes, by two opposite corners.
    Rectangle,
    /// An ellipse along the plane's axes, by two opposite corners around it.
    Ellipse,
    /// A region drawn in one go.
    Freehand,
    /// A region by its corners.
    Polygon,
    /// The value at a point.
    Probe,
    /// An arrow to its first point, with words.
    Arrow,
    /// Words at a point.
    Text,
}

impl MeasurementKind {
    /// All, in the order of the menu.
    pub const ALL: [Self; 11] = [
        Self::Length,
        Self::Bidirectional,
        Self::Angle,
        Self::CobbAngle,
        Self::Ellipse,
        Self::Rectangle,
        Self::Polygon,
        Self::Freehand,
        Self::Probe,
        Self::Arrow,
        Self::Text,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Length => "Length",
            Self::Bidirectional => "Bidirectional",
            Self::Angle => "Angle",
            Self::CobbAngle => "Cobb angle",
            Self::Rectangle => "Rectangle",
            Self::Ellipse => "Ellipse",
            Self::Freehand => "Freehand",
            Self::Polygon => "Polygon",
            Self::Probe => "Probe",
            Self::Arrow => "Arrow",
            Self::Text => "Text",
        }
    }

    /// How many points the reader sets; `None` for as many as wanted.
    pub const fn points(self) -> Option<usize> {
        match self {
            Self::Probe | Self::Text => Some(1),
            Self::Length | Self::Bidirectional | Self::Rectangle | Self::Ellipse | Self::Arrow => {
                Some(2)
            }
            Self::Angle => Some(3),
            Self::CobbAngle => Some(4),
            Self::Freehand | Self::Polygon => None,
        }
    }

    /// Whether it is what the reader says, not what is measured.
    pub const fn is_words(self) -> bool {
        matches!(self, Self::Arrow | Self::Text)
    }

    /// Whether it has an inside.
    pub const fn is_region(self) -> bool {
        matches!(
            self,
            Self::Rectangle | Self::Ellipse | Self::Freehand | Self::Polygon
        )
    }
}

/// Points on a plane of the patient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// What is measured.
    pub kind: MeasurementKind,
    /// The points in patient mm, in the order they were set. Of a bidirectional one: the ends of the longer line, then
    /// those of the shorter.
    pub points_mm: Vec<DVec3>,
    /// The unit patient directions to the right and down of the plane it was drawn on.
    pub axes: [DVec3; 2],
    /// Where its words stand, in patient mm, when they were moved.
    pub label_mm: Option<DVec3>,
}

/// What a measurement comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    /// A distance in mm.
    Length(f64),
    /// Two distances in mm, the longer first.
    Diameters([f64; 2]),
    /// In degrees.
    Angle(f64),
    /// The area in mm² and the length of the line around in mm.
    Region {
        /// The area in mm².
        area_mm2: f64,
        /// The line around in mm.
        perimeter_mm: f64,
    },
}

/// Ellipses are drawn with so many corners.
const ELLIPSE_CORNERS: usize = 72;

impl Measurement {
    /// What it comes to; `None` while points are missing, and for what has no size.
    pub fn reading(&self) -> Option<Reading> {
        let points = &self.points_mm;
        Some(match (self.kind, points.as_slice()) {
            (MeasurementKind::Length | MeasurementKind::Bidirectional, [a, b]) => {
                Reading::Length(a.distance(*b))
            }
            (MeasurementKind::Bidirectional, [a, b, c, d]) => {
                let [one, other] = [a.distance(*b), c.distance(*d)];
                Reading::Diameters([one.max(other), one.min(other)])
            }
            (MeasurementKind::Angle, [a, b, c]) => Reading::Angle(degrees(*a - *b, *c - *b)?),
            (MeasurementKind::CobbAngle, [a, b, c, d]) => {
                let angle = degrees(*b - *a, *d - *c)?;
                Reading::Angle(angle.min(180.0 - angle))
            }
            _ => {
                let region = self.region()?;
                Reading::Region {
                    area_mm2: region.area_mm2(),
                    perimeter_mm: region.perimeter_mm(),
                }
            }
        })
    }

    /// Its inside.
    pub fn region(&self) -> Option<FlatRegion> {
        let &origin_mm = self.points_mm.first()?;
        let outline = match self.kind {
            MeasurementKind::Ellipse => {
                let corner = self.on_plane(*self.points_mm.get(1)?);
                Outline::Ellipse {
                    centre: corner / 2.0,
                    half: corner.abs() / 2.0,
                }
            }
            MeasurementKind::Rectangle => {
                let corner = self.on_plane(*self.points_mm.get(1)?);
                Outline::Polygon(vec![
                    DVec2::ZERO,
                    corner.with_y(0.0),
                    corner,
                    corner.with_x(0.0),
                ])
            }
            MeasurementKind::Freehand | MeasurementKind::Polygon if self.points_mm.len() > 2 => {
                Outline::Polygon(self.points_mm.iter().map(|p| self.on_plane(*p)).collect())
            }
            _ => return None,
        };
        Some(FlatRegion {
            origin_mm,
            axes: self.axes,
            outline,
        })
    }

    /// The lines it is drawn with, each from point to point in patient mm, and whether it is closed.
    pub fn lines(&self) -> Vec<(Vec<DVec3>, bool)> {
        let points = &self.points_mm;
        match self.kind {
            MeasurementKind::Bidirectional | MeasurementKind::CobbAngle => points
                .chunks(2)
                .map(|ends| (ends.to_vec(), false))
                .collect(),
            MeasurementKind::Rectangle => vec![(self.handles(), true)],
            MeasurementKind::Ellipse => vec![(self.ellipse(), true)],
            MeasurementKind::Freehand | MeasurementKind::Polygon => vec![(points.clone(), true)],
            _ => vec![(points.clone(), false)],
        }
    }

    fn ellipse(&self) -> Vec<DVec3> {
        let [Some(&from), Some(&to)] = [self.points_mm.first(), self.points_mm.get(1)] else {
            return Vec::new();
        };
        let half = self.on_plane(to) / 2.0;
        let corners = (0..ELLIPSE_CORNERS).map(|n| {
            let turn = DVec2::from_angle(n as f64 / ELLIPSE_CORNERS as f64 * std::f64::consts::TAU);
            from + self.lifted(half + half * turn)
        });
        corners.collect()
    }

    /// The points it can be taken hold of by, in patient mm. Those of a rectangle or an ellipse are the four corners
    /// around it; a line drawn in one go has none.
    pub fn handles(&self) -> Vec<DVec3> {
        match (self.kind, self.points_mm.as_slice()) {
            (MeasurementKind::Rectangle | MeasurementKind::Ellipse, &[from, to]) => {
                let corner = self.on_plane(to);
                let right = self.lifted(corner.with_y(0.0));
                let down = self.lifted(corner.with_x(0.0));
                vec![from, from + right, to, from + down]
            }
            (MeasurementKind::Freehand, _) => Vec::new(),
            (_, points) => points.to_vec(),
        }
    }

    /// The measurement with one of its handles elsewhere (patient mm).
    #[must_use]
    pub fn with_handle(&self, handle: usize, to: DVec3) -> Self {
        let mut changed = self.clone();
        let to = self.flattened(to);
        match (self.kind, changed.points_mm.as_mut_slice()) {
            (MeasurementKind::Rectangle | MeasurementKind::Ellipse, [from, corner]) => {
                let (there, at) = (self.on_plane(*corner), self.on_plane(to));
                let (start, end) = match handle {
                    0 => (at, there),
                    1 => (DVec2::new(0.0, at.y), DVec2::new(at.x, there.y)),
                    2 => (DVec2::ZERO, at),
                    _ => (DVec2::new(at.x, 0.0), DVec2::new(there.x, at.y)),
                };
                let origin = *from;
                *from = origin + self.lifted(start);
                *corner = origin + self.lifted(end);
            }
            (MeasurementKind::Bidirectional, [a, b, c, d]) => match handle {
                0 | 1 => {
                    let before = [self.on_plane(*a), self.on_plane(*b)];
                    let mut after = before;
                    after[handle] = self.on_plane(to);
                    let origin = *a;
                    for end in [c, d] {
                        let place = along(before, self.on_plane(*end));
                        *end = origin + self.lifted(from_along(after, place));
                    }
                    (*a, *b) = (
                        origin + self.lifted(after[0]),
                        origin + self.lifted(after[1]),
                    );
                }
                _ => {
                    // The shorter line stays at right angles to the longer one.
                    let longer = [self.on_plane(*a), self.on_plane(*b)];
                    let held = along(longer, self.on_plane(to));
                    let place = |place: DVec2| *a + self.lifted(from_along(longer, place));
                    let (moved, other) = if handle == 2 { (c, d) } else { (d, c) };
                    let across = along(longer, self.on_plane(*other)).y;
                    (*moved, *other) = (place(held), place(DVec2::new(held.x, across)));
                }
            },
            (_, points) => {
                if let Some(point) = points.get_mut(handle) {
                    *point = to;
                }
            }
        }
        changed
    }

    /// The measurement moved by a patient vector (mm), along its plane.
    #[must_use]
    pub fn moved(&self, by: DVec3) -> Self {
        let mut changed = self.clone();
        let along = by - self.normal() * by.dot(self.normal());
        for point in changed.points_mm.iter_mut().chain(&mut changed.label_mm) {
            *point += along;
        }
        changed
    }

    /// A bidirectional measurement with a line across the middle of the first; others as they are.
    #[must_use]
    pub fn completed(mut self) -> Self {
        if let (MeasurementKind::Bidirectional, &[a, b]) = (self.kind, self.points_mm.as_slice()) {
            let ends = [self.on_plane(a), self.on_plane(b)];
            for across in [-0.25, 0.25] {
                let end = from_along(ends, DVec2::new(0.5, across));
                self.points_mm.push(a + self.lifted(end));
            }
        }
        self
    }

    /// The mean of its points, in patient mm.
    pub fn centre_mm(&self) -> Option<DVec3> {
        let points = self.lines().into_iter().flat_map(|(points, _)| points);
        let (sum, count) = points.fold((DVec3::ZERO, 0.0), |(sum, n), p| (sum + p, n + 1.0));
        (count > 0.0).then(|| sum / count)
    }

    /// Two corners around it, in patient mm.
    pub fn corners_mm(&self) -> Option<[DVec3; 2]> {
        let all: Vec<DVec3> = self
            .lines()
            .into_iter()
            .flat_map(|(points, _)| points)
            .collect();
        let low = all.iter().copied().reduce(DVec3::min)?;
        Some([low, all.iter().copied().reduce(DVec3::max)?])
    }

    /// The unit normal of its plane.
    pub fn normal(&self) -> DVec3 {
        self.axes[0].cross(self.axes[1]).normalize_or_zero()
    }

    /// A patient point moved onto the plane, along its normal.
    pub fn flattened(&self, point_mm: DVec3) -> DVec3 {
        let Some(&origin) = self.points_mm.first() else {
            return point_mm;
        };
        point_mm - self.normal() * (point_mm - origin).dot(self.normal())
    }

    /// Right and down from the first point, in mm.
    fn on_plane(&self, point_mm: DVec3) -> DVec2 {
        let [right, down] = self.axes;
        let away = point_mm - self.points_mm.first().copied().unwrap_or_default();
        // The axes of a sheared image are not at right angles.
        let products = right.dot(down);
        let gram = DMat2::from_cols(DVec2::new(1.0, products), DVec2::new(products, 1.0));
        gram.inverse() * DVec2::new(away.dot(right), away.dot(down))
    }

    fn lifted(&self, at: DVec2) -> DVec3 {
        self.axes[0] * at.x + self.axes[1] * at.y
    }

    /// Bytes it holds.
    pub fn byte_len(&self) -> usize {
        self.points_mm.capacity() * size_of::<DVec3>()
    }
}

/// The angle between two directions in degrees; `None` where one has no length.
fn degrees(a: DVec3, b: DVec3) -> Option<f64> {
    let (a, b) = (a.try_normalize()?, b.try_normalize()?);
    // By half-angles: exact for small angles, too.
    Some((2.0 * (a - b).length().atan2((a + b).length())).to_degrees())
}

/// Where a point is along a line, as a share of its length, and beside it, in the same share.
fn along([from, to]: [DVec2; 2], point: DVec2) -> DVec2 {
    let way = to - from;
    let (away, squared) = (point - from, way.length_squared().max(1e-12));
    DVec2::new(away.dot(way), way.perp_dot(away)) / squared
}

fn from_along([from, to]: [DVec2; 2], place: DVec2) -> DVec2 {
    let way = to - from;
    from + way * place.x + way.perp() * place.y
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(kind: MeasurementKind, points: &[[f64; 2]]) -> Measurement {
        let axes = [
            DVec3::new(0.6, 0.8, 0.0),
            DVec3::new(-0.8 * 0.6, 0.6 * 0.6, -0.8),
        ];
        let at = |[x, y]: [f64; 2]| DVec3::new(11.0, -7.0, 3.0) + axes[0] * x + axes[1] * y;
        Measurement {
            kind,
            points_mm: points.iter().map(|&p| at(p)).collect(),
            axes,
            label_mm: None,
        }
    }

    fn close(found: f64, wanted: f64) {
        assert!((found - wanted).abs() < 1e-9, "{found}, not {wanted}");
    }

    #[test]
    fn lines_and_angles_are_those_of_geometry() {
        let length = made(MeasurementKind::Length, &[[0.0, 0.0], [3.0, 4.0]]);
        assert!(matches!(length.reading(), Some(Reading::Length(mm)) if (mm - 5.0).abs() < 1e-9));
        for wanted in [0.001, 30.0, 90.0, 143.5, 179.999] {
            let leg = DVec2::from_angle(f64::to_radians(wanted)) * 7.0;
            let angle = made(
                MeasurementKind::Angle,
                &[[5.0, 0.0], [0.0, 0.0], leg.to_array()],
            );
            let Some(Reading::Angle(found)) = angle.reading() else {
                panic!("no angle");
            };
            close(found, wanted);
            // Endplates are lines without a direction.
            let [x, y] = leg.to_array();
            let lines = [[0.0, 0.0], [4.0, 0.0], [9.0 + x, 20.0 + y], [9.0, 20.0]];
            let Some(Reading::Angle(found)) = made(MeasurementKind::CobbAngle, &lines).reading()
            else {
                panic!("no angle");
            };
            close(found, wanted.min(180.0 - wanted));
        }
        assert_eq!(
            made(MeasurementKind::Angle, &[[0.0, 0.0]; 3]).reading(),
            None
        );
        assert_eq!(
            made(MeasurementKind::Angle, &[[0.0, 0.0]; 2]).reading(),
            None
        );
    }

    #[test]
    fn the_shorter_diameter_stays_across_the_longer() {
        let both = made(MeasurementKind::Bidirectional, &[[0.0, 0.0], [20.0, 0.0]]).completed();
        let at = |x: f64, y: f64| both.points_mm[0] + both.lifted(DVec2::new(x, y));
        assert_eq!(both.reading(), both.clone().completed().reading());
        let changes = [
            both.with_handle(2, at(13.0, -8.0)),
            both.with_handle(3, at(4.0, 6.0)),
            both.with_handle(1, at(12.0, 16.0)),
            both.with_handle(0, at(-10.0, 3.0)),
        ];
        for changed in &changes {
            let [a, b, c, d] = changed.points_mm[..] else {
                panic!("four points");
            };
            close((b - a).normalize().dot((d - c).normalize()), 0.0);
        }
        let Some(Reading::Diameters([long, short])) = changes[0].reading() else {
            panic!("two diameters");
        };
        close(long, 20.0);
        close(short, 8.0 + 5.0);
        // As long as before, and as far along.
        let Some(Reading::Diameters([long, short])) = changes[2].reading() else {
            panic!("two diameters");
        };
        close(long, 20.0);
        close(short, 10.0);
    }

    #[test]
    fn regions_keep_the_opposite_corner_of_the_one_that_is_moved() {
        for kind in [MeasurementKind::Rectangle, MeasurementKind::Ellipse] {
            let drawn = made(kind, &[[2.0, 1.0], [12.0, 7.0]]);
            let handles = drawn.handles();
            for (held, kept) in [(0, 2), (1, 3), (2, 0), (3, 1)] {
                let to = drawn.points_mm[0] + drawn.lifted(DVec2::new(30.0, -9.0));
                let after = drawn.with_handle(held, to).handles();
                assert!(after[held].distance(to) < 1e-9, "{kind:?} {held}");
                assert!(
                    after[kept].distance(handles[kept]) < 1e-9,
                    "{kind:?} {held}"
                );
            }
            let Some(Reading::Region { area_mm2, .. }) = drawn.reading() else {
                panic!("an area");
            };
            let share = if kind == MeasurementKind::Ellipse {
                std::f64::consts::FRAC_PI_4
            } else {
                1.0
            };
            close(area_mm2, 60.0 * share);
            let away = DVec3::new(3.0, 1.0, -5.0);
            let moved = drawn.moved(away);
            close(
                (moved.points_mm[1] - drawn.points_mm[1]).dot(drawn.normal()),
                0.0,
            );
            assert_eq!(moved.reading().is_some(), drawn.reading().is_some());
        }
    }
}
