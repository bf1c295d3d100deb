//! Shoulders, pelvis and femurs.

use glam::Vec3;

use super::canvas::Tag;
use super::patient::Patient;
use super::shape::{Blade, Ellipsoid, Knot, knot, smooth_max, tube};
use super::skeleton::bone;
use crate::dataset::{Laterality, Structure};

/// Draws collar bones, shoulder blades and the heads of the upper arms.
pub(super) fn draw_shoulders(patient: &mut Patient, arms_down: bool) {
    let (hard, soft) = (patient.tissue.cortical, patient.tissue.trabecular);
    let raised = if arms_down { 0.0 } else { 26.0 };
    for side in Laterality::BOTH {
        let s = side.sign();
        let clavicle = [
            knot(s * 18.0, -68.0, 246.0, 6.5),
            knot(s * 70.0, -66.0, 268.0, 5.5),
            knot(s * 130.0, -22.0, 282.0 + raised, 6.0),
        ];
        for segment in tube(&clavicle, 3) {
            patient
                .canvas
                .add(segment.bounds(), |h| segment.distance(h.p));
        }
        let [half_width, ..] = patient.body.cavity_extent(215.0);
        let blade = Blade {
            corners: [
                Vec3::new(s * (half_width * 0.55), 88.0, 268.0),
                Vec3::new(s * (half_width * 0.8 + raised * 0.5), 80.0, 162.0),
                Vec3::new(s * 140.0, 22.0, 262.0 + raised),
            ],
            half_thickness: 2.6,
        };
        patient.canvas.add(blade.bounds(), |h| blade.distance(h.p));
        patient.canvas.fill(Tag::Nameless, bone(hard, soft, 2.0));
        let head = Ellipsoid::new(Vec3::new(s * 165.0, 8.0, 266.0 + raised), Vec3::splat(23.0));
        patient.canvas.add(head.bounds(), |h| head.distance(h.p));
        patient.canvas.fill(Tag::Nameless, bone(hard, soft, 2.2));
    }
}

/// Draws sacrum, hip bones and femurs.
pub(super) fn draw_pelvis(patient: &mut Patient) {
    let wide = patient.random.about(1.0, 0.04);
    let (hard, soft) = (patient.tissue.cortical * 0.85, patient.tissue.trabecular);
    for (z, rx, ry) in [
        (-164.0, 50.0, 17.0),
        (-186.0, 44.0, 15.0),
        (-210.0, 32.0, 12.0),
        (-234.0, 20.0, 9.0),
        (-256.0, 11.0, 7.0),
    ] {
        let centre = patient.by_spine(0.0, 0.0, z);
        let part = Ellipsoid::new(centre, Vec3::new(rx * wide, ry, 17.0));
        patient.canvas.add(part.bounds(), |h| part.distance(h.p));
    }
    patient
        .canvas
        .fill(Tag::Of(Structure::Pelvis), bone(hard, soft, 1.8));
    for side in Laterality::BOTH {
        let s = side.sign();
        let v = |x: f32, y: f32, z: f32| Vec3::new(s * x * wide, y, z);
        let (top, foot) = (v(48.0, 58.0, -138.0), v(52.0, 54.0, -198.0));
        let (crest, front) = (v(122.0, 4.0, -108.0), v(130.0, -54.0, -156.0));
        let (roof, socket) = (v(96.0, -18.0, -232.0), v(94.0, -14.0, -258.0));
        for (corners, half_thickness) in [
            ([top, crest, roof], 4.5),
            ([crest, front, roof], 4.5),
            ([top, foot, roof], 6.0),
        ] {
            let blade = Blade {
                corners,
                half_thickness,
            };
            patient.canvas.add(blade.bounds(), |h| blade.distance(h.p));
        }
        let cup = Ellipsoid::new(socket, Vec3::splat(34.0));
        let head = Ellipsoid::new(socket, Vec3::splat(27.5));
        patient.canvas.add(cup.bounds(), |h| {
            let open = (h.p.x * s - socket.x * s) * 0.8 - (h.p.z - socket.z) * 0.3 - 8.0;
            smooth_max(cup.distance(h.p), -head.distance(h.p), 2.0).max(open)
        });
        for line in [
            [
                knot(s * 66.0 * wide, -34.0, -252.0, 9.0),
                knot(s * 38.0, -62.0, -270.0, 7.0),
                knot(s * 9.0, -70.0, -286.0, 9.0),
            ],
            [
                knot(s * 84.0 * wide, 8.0, -270.0, 13.0),
                knot(s * 66.0 * wide, 24.0, -300.0, 13.0),
                knot(s * 52.0, 8.0, -322.0, 12.0),
            ],
            [
                knot(s * 52.0, 8.0, -322.0, 8.0),
                knot(s * 28.0, -38.0, -312.0, 6.0),
                knot(s * 9.0, -66.0, -296.0, 7.0),
            ],
        ] {
            for segment in tube(&line, 2) {
                patient
                    .canvas
                    .add(segment.bounds(), |h| segment.distance(h.p));
            }
        }
        patient
            .canvas
            .fill(Tag::Of(Structure::Pelvis), bone(hard, soft, 2.2));
        draw_femur(patient, s, wide, socket);
    }
}

fn draw_femur(patient: &mut Patient, s: f32, wide: f32, socket: Vec3) {
    let (hard, soft) = (patient.tissue.cortical, patient.tissue.trabecular);
    let v = |x: f32, y: f32, z: f32| Vec3::new(s * x * wide, y, z);
    let ball = Ellipsoid::new(socket, Vec3::splat(24.0));
    patient.canvas.add(ball.bounds(), |h| ball.distance(h.p));
    for line in [
        [
            Knot {
                at: socket,
                radius: 15.0,
            },
            Knot {
                at: v(128.0, 6.0, -282.0),
                radius: 17.0,
            },
        ],
        [
            Knot {
                at: v(134.0, 14.0, -264.0),
                radius: 15.0,
            },
            Knot {
                at: v(132.0, 10.0, -305.0),
                radius: 18.0,
            },
        ],
        [
            Knot {
                at: v(130.0, 8.0, -310.0),
                radius: 15.0,
            },
            Knot {
                at: v(118.0, -2.0, -440.0),
                radius: 14.0,
            },
        ],
    ] {
        for segment in tube(&line, 1) {
            patient
                .canvas
                .add(segment.bounds(), |h| segment.distance(h.p));
        }
    }
    patient
        .canvas
        .fill(Tag::Of(Structure::Femurs), bone(hard * 1.2, soft, 3.2));
}
