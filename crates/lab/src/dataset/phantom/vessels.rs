//! The aorta with its large branches, and the inferior vena cava.

use super::canvas::Tag;
use super::patient::Patient;
use super::shape::{Knot, Segment, knot, tube};
use crate::dataset::{Laterality, Structure};

/// Draws the inferior vena cava and the iliac veins.
pub(super) fn draw_vena_cava(patient: &mut Patient) {
    let r = &mut patient.random;
    let flat = r.range(0.75, 1.15);
    let hu = patient.tissue.vein;
    let line: Vec<Knot> = [
        (-17.0, 26.0, -112.0, 10.0),
        (-19.0, 28.0, -60.0, 10.5),
        (-21.0, 30.0, 0.0, 11.0),
        (-23.0, 40.0, 45.0, 12.0),
        (-24.0, 58.0, 92.0, 12.5),
        (-22.0, 72.0, 118.0, 12.0),
    ]
    .map(|(x, before, z, radius)| {
        let p = patient.by_spine(x, before, z);
        knot(p.x, p.y, p.z, radius * flat)
    })
    .to_vec();
    patient.draw_tube(Tag::Of(Structure::InferiorVenaCava), &tube(&line, 3), hu);
    for side in Laterality::BOTH {
        let s = side.sign();
        let line = [
            line[0],
            knot(s * 28.0, -18.0, -148.0, 8.0),
            knot(s * 52.0, -24.0, -190.0, 8.0),
            knot(s * 72.0, -64.0, -248.0, 7.5),
            knot(s * 82.0, -78.0, -290.0, 7.0),
        ];
        patient.draw_tube(Tag::Nameless, &tube(&line, 3), hu);
    }
}

/// Draws the aorta from its root to its fork, and its branches; the aorta's own pieces are returned.
pub(super) fn draw_aorta(patient: &mut Patient) -> Vec<Segment> {
    let r = &mut patient.random;
    let wide = r.range(0.85, 1.25);
    let wind = r.range(0.0, 8.0);
    let high = r.about(0.0, 6.0);
    let arch = [
        knot(2.0, -62.0, 164.0, 15.5),
        knot(-12.0, -66.0, 190.0, 16.0),
        knot(-15.0, -58.0, 216.0 + high, 15.5),
        knot(-2.0, -38.0, 242.0 + high, 14.0),
        knot(15.0, -8.0, 243.0 + high, 13.5),
    ];
    let down: Vec<Knot> = [
        (23.0, 20.0, 222.0 + high, 13.0),
        (24.0, 20.0, 180.0, 12.5),
        (20.0 + wind, 22.0, 130.0, 12.0),
        (14.0, 26.0, 80.0, 11.5),
        (9.0, 29.0, 35.0, 11.0),
        (9.0, 29.0, -10.0, 10.0),
        (10.0 + wind * 0.6, 29.0, -60.0, 9.5),
        (4.0, 29.0, -100.0, 9.0),
    ]
    .map(|(x, before, z, radius)| {
        let p = patient.by_spine(x, before, z);
        knot(p.x, p.y, p.z, radius)
    })
    .to_vec();
    let mut line = arch.to_vec();
    line.extend(&down);
    for k in &mut line {
        k.radius *= wide;
    }
    let hu = patient.tissue.aorta;
    let segments = tube(&line, 3);
    let fork = line[line.len() - 1];
    for side in Laterality::BOTH {
        let s = side.sign();
        let iliac = [
            Knot {
                radius: 6.5,
                ..fork
            },
            knot(s * 32.0, -32.0, -146.0, 5.5),
            knot(s * 56.0, -38.0, -190.0, 5.2),
            knot(s * 84.0, -74.0, -248.0, 4.8),
            knot(s * 92.0, -82.0, -290.0, 4.5),
        ];
        patient.draw_tube(Tag::Nameless, &tube(&iliac, 3), hu);
        let neck = [
            knot(s * 12.0 - 3.0, -44.0, 242.0 + high, 5.5),
            knot(s * 24.0, -32.0, 285.0, 4.5),
            knot(s * 30.0, -30.0, 340.0, 4.0),
        ];
        patient.draw_tube(Tag::Nameless, &tube(&neck, 2), hu);
    }
    let trunk = patient.by_spine(9.0, 38.0, 22.0);
    let coeliac = [
        knot(trunk.x, trunk.y, trunk.z, 4.0),
        knot(trunk.x - 2.0, trunk.y - 22.0, trunk.z + 4.0, 3.6),
        knot(trunk.x - 32.0, trunk.y - 26.0, trunk.z + 2.0, 2.8),
    ];
    patient.draw_tube(Tag::Nameless, &tube(&coeliac, 2), hu);
    patient.draw_tube(Tag::Of(Structure::Aorta), &segments, hu);
    segments
}
