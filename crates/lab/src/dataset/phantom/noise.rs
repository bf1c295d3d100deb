//! Smooth random fields.

use glam::Vec3;

use crate::dataset::Random;

/// Samples along each axis before the field repeats.
const SIDE: usize = 32;

/// A smooth periodic field with values from -1 to 1, one hill or valley per unit of length.
pub(super) struct Lattice(Vec<f32>);

impl Lattice {
    pub fn new(random: &mut Random) -> Self {
        Self(
            (0..SIDE * SIDE * SIDE)
                .map(|_| random.range(-1.0, 1.0))
                .collect(),
        )
    }

    /// The field at a place, trilinear between eased samples.
    pub fn at(&self, place: Vec3) -> f32 {
        // A cast is quicker than a call of floor; places stay far below 2^31.
        let floor = |x: f32| {
            let cut = x as i32 as f32;
            if cut > x { cut - 1.0 } else { cut }
        };
        let low = Vec3::new(floor(place.x), floor(place.y), floor(place.z));
        let part = place - low;
        let ease = part * part * (3.0 - 2.0 * part);
        let wrap = |x: f32| (x as i32 as usize) & (SIDE - 1);
        let (x0, y0, z0) = (wrap(low.x), wrap(low.y), wrap(low.z));
        let (x1, y1, z1) = (
            (x0 + 1) & (SIDE - 1),
            (y0 + 1) & (SIDE - 1),
            (z0 + 1) & (SIDE - 1),
        );
        let get = |x: usize, y: usize, z: usize| self.0[(z * SIDE + y) * SIDE + x];
        let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
        let near = mix(
            mix(get(x0, y0, z0), get(x1, y0, z0), ease.x),
            mix(get(x0, y1, z0), get(x1, y1, z0), ease.x),
            ease.y,
        );
        let far = mix(
            mix(get(x0, y0, z1), get(x1, y0, z1), ease.x),
            mix(get(x0, y1, z1), get(x1, y1, z1), ease.x),
            ease.y,
        );
        mix(near, far, ease.z)
    }
}

/// A gentle displacement of all of space: what makes every body a little different, and keeps what
/// touches touching.
pub(super) struct Warp {
    coarse_mm: f32,
    fine_mm: f32,
}

/// Hills of the coarse and of the fine displacement, in mm.
const COARSE: f32 = 210.0;
const FINE: f32 = 80.0;

impl Warp {
    pub fn new(random: &mut Random) -> Self {
        Self {
            coarse_mm: random.range(2.0, 15.0),
            fine_mm: random.range(1.0, 6.5),
        }
    }

    /// The displacement at a place, in mm.
    pub fn at(&self, lattice: &Lattice, place: Vec3) -> Vec3 {
        let (c, f) = (place / COARSE, place / FINE);
        let shift = |n: f32| Vec3::new(7.3 * n, 3.1 * n, 11.7 * n);
        let sample = |p: Vec3| {
            Vec3::new(
                lattice.at(p + shift(1.0)),
                lattice.at(p + shift(2.0)),
                lattice.at(p + shift(3.0)),
            )
        };
        sample(c) * self.coarse_mm + sample(f + 0.5) * self.fine_mm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_smooth_and_bounded() {
        let lattice = Lattice::new(&mut Random::new(3, "field"));
        let mut last = lattice.at(Vec3::new(-5.0, 0.3, 0.7));
        for n in 1..4000 {
            let next = lattice.at(Vec3::new(-5.0 + n as f32 * 0.01, 0.3, 0.7));
            assert!(next.abs() <= 1.0 && (next - last).abs() < 0.04);
            last = next;
        }
    }
}
