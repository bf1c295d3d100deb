//! Boxes as a slice shows them.

use glam::{DVec2, DVec3};

use super::words::{PITCH, words};
use super::{BoxMark, faded};
use crate::render::marks::{Mark, MarkPart, MarkShape, MarkTarget, Place};
use m3d_imaging::geometry::SliceView;

/// The radius of a box's handles, in points.
pub const HANDLE_RADIUS: f64 = 3.5;

/// Lines of a box.
pub(super) fn line(points: Vec<Place>, closed: bool, width: f64, of: &BoxMark) -> Mark {
    Mark {
        shape: MarkShape::Line {
            points,
            closed,
            width,
            rim: true,
        },
        colour: of.colour,
        target: of.id.map(|id| MarkTarget {
            id,
            part: MarkPart::Body,
        }),
    }
}

/// The outline of a box where the slice cuts it; where it does not, the box's own outline seen along the
/// normal, fainter.
pub(super) fn box_on_slice(marks: &mut Vec<Mark>, view: &SliceView, region: &BoxMark) {
    let cut = cut_outline(view, region);
    let missed = cut.is_empty();
    let outline = if missed {
        seen_outline(view, region)
    } else {
        cut
    };
    let points: Vec<_> = outline.iter().copied().map(Place::patient).collect();
    let mut shown = region.clone();
    if missed {
        shown.colour = faded(region.colour, 0.45);
    }
    let width = if missed { 1.0 } else { 1.8 };
    marks.push(line(points, true, width, &shown));
    let right = outline.iter().copied().max_by(|a, b| {
        let [a, b] = [a, b].map(|p| view.pixel_from_patient(*p));
        (a.x - a.y).total_cmp(&(b.x - b.y))
    });
    for (n, text) in region.words.iter().enumerate() {
        let at = right.map(|at| Place::patient(at).moved(6.0, 6.0 + n as f64 * PITCH));
        marks.extend(at.map(|at| words(at, [0.0, 0.5], text, shown.colour)));
    }
    if region.handles {
        let middles = (0..outline.len()).map(|n| {
            let next = outline[(n + 1) % outline.len()];
            outline[n].midpoint(next)
        });
        let centre = outline.iter().sum::<DVec3>() / outline.len().max(1) as f64;
        let places = outline.iter().copied().chain(middles).chain([centre]);
        for (n, at_mm) in (0..).zip(places) {
            marks.push(Mark {
                shape: MarkShape::Dot {
                    centre: Place::patient(at_mm),
                    radius: HANDLE_RADIUS,
                },
                colour: region.colour,
                target: region.id.map(|id| MarkTarget {
                    id,
                    part: MarkPart::Handle(n),
                }),
            });
        }
    }
}

/// The corners of the polygon in which the slice cuts a box, in order; empty when it misses the box.
fn cut_outline(view: &SliceView, region: &BoxMark) -> Vec<DVec3> {
    let normal = view.plane.right.cross(view.plane.down);
    let height = |point: DVec3| (point - view.centre_mm).dot(normal);
    let mut points: Vec<DVec3> = Vec::new();
    for [a, b] in region.region.edges_mm(&region.grid) {
        let (from, to) = (height(a), height(b));
        // An edge in the slice itself is met by its neighbours.
        if from * to <= 0.0 && from != to {
            let point = a.lerp(b, from / (from - to));
            if points.iter().all(|p| p.distance(point) > 1e-6) {
                points.push(point);
            }
        }
    }
    if points.len() < 3 {
        return Vec::new();
    }
    in_order(view, points)
}

/// The corners of a box that lie on its outline seen along the normal, in order.
fn seen_outline(view: &SliceView, region: &BoxMark) -> Vec<DVec3> {
    let edges = region.region.edges_mm(&region.grid);
    let mut points: Vec<DVec3> = Vec::new();
    let mut pixels: Vec<DVec2> = Vec::new();
    for point in edges.into_iter().flatten() {
        let pixel = view.pixel_from_patient(point);
        if pixels.iter().all(|p| p.distance(pixel) > 1e-6) {
            points.push(point);
            pixels.push(pixel);
        }
    }
    // A corner is on the outline when some direction leads farthest to it: between the two neighbours on
    // the outline there is an empty half plane.
    let outer = (0..points.len()).filter(|&n| {
        let mut angles: Vec<f64> = (0..points.len())
            .filter(|&other| other != n)
            .map(|other| (pixels[other] - pixels[n]).to_angle())
            .collect();
        angles.sort_by(f64::total_cmp);
        let round = angles.first().map(|first| first + std::f64::consts::TAU);
        let next = angles.iter().copied().skip(1).chain(round);
        angles
            .iter()
            .zip(next)
            .any(|(a, b)| b - a > std::f64::consts::PI + 1e-9)
    });
    in_order(view, outer.map(|n| points[n]).collect())
}

/// The corners of a convex polygon in the order in which they follow each other around its middle.
fn in_order(view: &SliceView, mut points: Vec<DVec3>) -> Vec<DVec3> {
    let middle = points.iter().sum::<DVec3>() / points.len().max(1) as f64;
    let centre = view.pixel_from_patient(middle);
    let angle = |point: &DVec3| (view.pixel_from_patient(*point) - centre).to_angle();
    points.sort_by(|a, b| angle(a).total_cmp(&angle(b)));
    points
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DQuat, UVec3};

    use super::*;
    use m3d_imaging::geometry::{Orientation, SlicePlane, VoxelBox, VoxelGrid};

    fn grid(turn: DQuat) -> VoxelGrid {
        let place = DAffine3::from_rotation_translation(turn, DVec3::ZERO);
        VoxelGrid::new(UVec3::splat(100), place).unwrap()
    }

    fn region(grid: VoxelGrid) -> BoxMark {
        BoxMark {
            grid,
            region: VoxelBox::from_corners(DVec3::splat(-10.0), DVec3::splat(10.0)),
            colour: [200, 100, 50, 200],
            handles: true,
            words: Vec::new(),
            id: Some(7),
        }
    }

    /// Axial, through the point at z, looking at an untilted patient.
    fn view(z: f64) -> SliceView {
        let plane = SlicePlane::new(&grid(DQuat::IDENTITY), Orientation::Axial);
        SliceView {
            plane,
            centre_mm: DVec3::new(0.0, 0.0, z),
            mm_per_pixel: 0.5,
            size_px: DVec2::splat(200.0),
        }
    }

    fn area(view: &SliceView, outline: &[DVec3]) -> f64 {
        let pixels: Vec<_> = outline
            .iter()
            .map(|p| view.pixel_from_patient(*p))
            .collect();
        let next = pixels.iter().cycle().skip(1);
        let twice: f64 = pixels.iter().zip(next).map(|(a, b)| a.perp_dot(*b)).sum();
        twice.abs() / 2.0
    }

    #[test]
    fn a_straight_box_is_a_rectangle_and_fainter_where_the_slice_misses_it() {
        for (z, opacity) in [(3.0, 200), (9.9, 200), (10.1, 90), (-60.0, 90)] {
            let mut marks = Vec::new();
            box_on_slice(&mut marks, &view(z), &region(grid(DQuat::IDENTITY)));
            let MarkShape::Line { points, closed, .. } = &marks[0].shape else {
                panic!("lines come first");
            };
            assert!(points.len() == 4 && *closed);
            assert_eq!(marks[0].colour, [200, 100, 50, opacity], "{z}");
            let corners: Vec<_> = points
                .iter()
                .filter_map(|p| match p.anchor {
                    crate::render::marks::Anchor::Patient(at) => Some(at),
                    crate::render::marks::Anchor::Picture(_) => None,
                })
                .collect();
            assert!((area(&view(z), &corners) - 1600.0).abs() < 1e-6);
            // Four corners, four sides and the middle.
            let parts: Vec<_> = marks[1..].iter().filter_map(|m| m.target).collect();
            assert_eq!(parts.len(), 9);
            assert!(
                (0..)
                    .zip(&parts)
                    .all(|(n, t)| t.part == MarkPart::Handle(n) && t.id == 7)
            );
        }
    }

    /// A box on edge: a slice through its middle cuts a rectangle of its diagonal, one near its edge a
    /// narrow one, one through three of its sides a hexagon.
    #[test]
    fn a_tilted_box_is_cut_where_the_slice_is() {
        let on_edge = region(grid(DQuat::from_rotation_x(std::f64::consts::FRAC_PI_4)));
        let diagonal = 20.0 * std::f64::consts::SQRT_2;
        for (z, height) in [(0.0, diagonal), (10.0, diagonal - 20.0)] {
            let found = cut_outline(&view(z), &on_edge);
            assert_eq!(found.len(), 4);
            // Pixels are half a mm wide.
            assert!((area(&view(z), &found) - 20.0 * height * 4.0).abs() < 1e-6);
        }
        assert!(cut_outline(&view(15.0), &on_edge).is_empty());
        let seen = seen_outline(&view(15.0), &on_edge);
        assert!((area(&view(15.0), &seen) - 20.0 * diagonal * 4.0).abs() < 1e-6);
        let to_corner = DQuat::from_rotation_arc(DVec3::ONE.normalize(), DVec3::Z);
        let on_corner = region(grid(to_corner));
        let hexagon = cut_outline(&view(0.0), &on_corner);
        assert_eq!(hexagon.len(), 6);
        let side = 10.0 * std::f64::consts::SQRT_2;
        let wanted = 1.5 * 3_f64.sqrt() * side * side * 4.0;
        assert!((area(&view(0.0), &hexagon) - wanted).abs() < 1e-6);
        assert_eq!(seen_outline(&view(40.0), &on_corner).len(), 6);
    }
}
