//! Solid shapes as signed distances: negative inside, in mm near the surface.

use glam::{Mat3, Quat, Vec3};

/// An ellipsoid in any position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ellipsoid {
    pub centre: Vec3,
    pub radii: Vec3,
    /// From body to the ellipsoid's own axes.
    turned: Mat3,
}

impl Ellipsoid {
    pub fn new(centre: Vec3, radii: Vec3) -> Self {
        Self {
            centre,
            radii: radii.max(Vec3::splat(0.5)),
            turned: Mat3::IDENTITY,
        }
    }

    /// The same, with its axes turned.
    #[must_use]
    pub fn turned(mut self, by: Quat) -> Self {
        self.turned = Mat3::from_quat(by.inverse());
        self
    }

    /// A point in the ellipsoid's own axes, from its centre.
    pub fn local(&self, p: Vec3) -> Vec3 {
        self.turned * (p - self.centre)
    }

    pub fn distance(&self, p: Vec3) -> f32 {
        let local = self.local(p);
        let scaled = local / self.radii;
        let k0 = scaled.length();
        let k1 = (scaled / self.radii).length();
        if k1 < 1e-6 {
            -self.radii.min_element()
        } else {
            k0 * (k0 - 1.0) / k1
        }
    }

    /// The corners of a box around it.
    pub fn bounds(&self) -> [Vec3; 2] {
        let back = self.turned.transpose();
        let reach = Vec3::new(
            (back.row(0) * self.radii).length(),
            (back.row(1) * self.radii).length(),
            (back.row(2) * self.radii).length(),
        );
        [self.centre - reach, self.centre + reach]
    }
}

/// A point of a tube's axis and the tube's radius there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Knot {
    pub at: Vec3,
    pub radius: f32,
}

/// A knot from its parts.
pub(super) const fn knot(x: f32, y: f32, z: f32, radius: f32) -> Knot {
    Knot {
        at: Vec3::new(x, y, z),
        radius,
    }
}

/// A piece of a tube: a cone with round ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub from: Knot,
    pub to: Knot,
}

impl Segment {
    pub fn distance(&self, p: Vec3) -> f32 {
        let axis = self.to.at - self.from.at;
        let off = p - self.from.at;
        let t = (off.dot(axis) / axis.length_squared().max(1e-6)).clamp(0.0, 1.0);
        let radius = self.from.radius + (self.to.radius - self.from.radius) * t;
        (off - axis * t).length() - radius
    }

    pub fn bounds(&self) -> [Vec3; 2] {
        let (a, b) = (self.from, self.to);
        [
            (a.at - a.radius).min(b.at - b.radius),
            (a.at + a.radius).max(b.at + b.radius),
        ]
    }
}

/// The pieces of a smooth tube through knots (Catmull-Rom, `parts` pieces between two).
pub(super) fn tube(knots: &[Knot], parts: usize) -> Vec<Segment> {
    let mut line: Vec<Knot> = Vec::with_capacity(knots.len() * parts + 1);
    let last = knots.len().saturating_sub(1);
    for n in 0..last {
        let get = |m: isize| knots[(n as isize + m).clamp(0, last as isize) as usize];
        let (a, b, c, d) = (get(-1), get(0), get(1), get(2));
        for part in 0..parts {
            let t = part as f32 / parts as f32;
            line.push(Knot {
                at: spline(a.at, b.at, c.at, d.at, t),
                radius: b.radius + (c.radius - b.radius) * t,
            });
        }
    }
    line.extend(knots.last());
    line.windows(2)
        .map(|pair| Segment {
            from: pair[0],
            to: pair[1],
        })
        .collect()
}

fn spline(a: Vec3, b: Vec3, c: Vec3, d: Vec3, t: f32) -> Vec3 {
    let (t2, t3) = (t * t, t * t * t);
    0.5 * (2.0 * b
        + (c - a) * t
        + (2.0 * a - 5.0 * b + 4.0 * c - d) * t2
        + (3.0 * b - a - 3.0 * c + d) * t3)
}

/// A flat triangle made thick: the blade of a bone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blade {
    pub corners: [Vec3; 3],
    pub half_thickness: f32,
}

impl Blade {
    pub fn distance(&self, p: Vec3) -> f32 {
        let [a, b, c] = self.corners;
        let normal = (b - a).cross(c - a).normalize_or_zero();
        let edges = [(a, b), (b, c), (c, a)];
        let inside = edges
            .iter()
            .all(|&(from, to)| (to - from).cross(p - from).dot(normal) >= 0.0);
        let flat = if inside {
            normal.dot(p - a).abs()
        } else {
            edges
                .iter()
                .map(|&(from, to)| {
                    let edge = to - from;
                    let t =
                        ((p - from).dot(edge) / edge.length_squared().max(1e-6)).clamp(0.0, 1.0);
                    (p - from - edge * t).length()
                })
                .fold(f32::INFINITY, f32::min)
        };
        flat - self.half_thickness
    }

    pub fn bounds(&self) -> [Vec3; 2] {
        let [a, b, c] = self.corners;
        [
            a.min(b).min(c) - self.half_thickness,
            a.max(b).max(c) + self.half_thickness,
        ]
    }
}

/// The larger of two distances with a rounded edge between (`round` mm).
pub(super) fn smooth_max(a: f32, b: f32, round: f32) -> f32 {
    let h = (round - (a - b).abs()).max(0.0) / round;
    a.max(b) + h * h * round * 0.25
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_zero_on_surfaces_and_inside_bounds() {
        let turn = Quat::from_rotation_z(0.7) * Quat::from_rotation_x(0.3);
        let shape =
            Ellipsoid::new(Vec3::new(5.0, -3.0, 9.0), Vec3::new(20.0, 10.0, 6.0)).turned(turn);
        let tip = shape.centre + turn * Vec3::X * 20.0;
        assert!(shape.distance(tip).abs() < 1e-3);
        assert!((shape.distance(shape.centre) + 6.0).abs() < 1e-3);
        let [low, high] = shape.bounds();
        assert!(low.cmple(tip + 1e-3).all() && high.cmpge(tip - 1e-3).all());

        let line = tube(&[knot(0.0, 0.0, 0.0, 2.0), knot(10.0, 0.0, 0.0, 4.0)], 2);
        assert_eq!(line.len(), 2);
        let d = line
            .iter()
            .map(|s| s.distance(Vec3::new(10.0, 4.0, 0.0)))
            .fold(f32::INFINITY, f32::min);
        assert!(d.abs() < 1e-4);

        let blade = Blade {
            corners: [Vec3::ZERO, Vec3::X * 10.0, Vec3::Y * 10.0],
            half_thickness: 1.0,
        };
        assert!((blade.distance(Vec3::new(2.0, 2.0, 3.0)) - 2.0).abs() < 1e-5);
        assert!((blade.distance(Vec3::new(-3.0, 0.0, 0.0)) - 2.0).abs() < 1e-5);
        assert!(smooth_max(1.0, 1.0, 4.0) > 1.0);
        assert_eq!(smooth_max(9.0, 1.0, 4.0), 9.0);
    }
}
