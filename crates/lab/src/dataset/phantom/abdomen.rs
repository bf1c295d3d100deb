//! The solid organs of the abdomen, gallbladder and bladder.

use std::sync::Arc;

use glam::{Quat, Vec3};

use super::canvas::Tag;
use super::patient::Patient;
use super::shape::{Ellipsoid, Knot, Segment, knot, smooth_max, tube};
use super::tissue::Phase;
use crate::dataset::{Laterality, Structure};

/// Draws the liver under the right dome of the diaphragm, with its fissure and its vessels.
pub(super) fn draw_liver(patient: &mut Patient) {
    let r = &mut patient.random;
    let tip = r.about(0.0, 17.0);
    let low = r.about(8.0, 14.0);
    let lean = r.range(0.28, 0.6);
    let hollow = r.range(4.0, 24.0);
    let waves = r.range(0.0, 16.0);
    let rough = r.range(2.0, 9.0);
    let turn = r.about(0.0, 0.07);
    let gap = r.range(0.5, 4.0);
    // The visceral surface faces down, left and back. It passes by the inferior vena cava.
    let across = Quat::from_rotation_z(turn) * Vec3::new(0.68, 0.66, -lean);
    let across = across.normalize();
    let hilum = patient.breathed(Vec3::new(-24.0 + tip * 0.4, -32.0, 40.0), 1.0);
    let bottom = -74.0 - patient.body.breath + low;
    let lung = Structure::RightLung.label();
    let lattice = Arc::clone(&patient.canvas.lattice);
    let bounds = [
        Vec3::new(-185.0, -200.0, -150.0),
        Vec3::new(120.0, 110.0, 150.0),
    ];
    let left_tip = 62.0 + tip * 1.6;
    let Patient { body, canvas, .. } = patient;
    canvas.add(bounds, |h| {
        let p = h.p;
        if p.x > left_tip + 20.0 || h.label == lung {
            return f32::INFINITY;
        }
        let roof = (p.z - body.diaphragm(p, h.radius) + 3.0) * 0.8;
        let off = p - hilum;
        // Hollow towards the stomach, full at the back of the right lobe.
        let bent = hollow * (1.0 - ((off.x - 20.0) / 60.0).powi(2)).max(0.0);
        let visceral = off.dot(across) + bent;
        // The lower edge rises from the right flank to the left.
        let edge = bottom + (p.x + 120.0).max(0.0) * 0.38 - p.z;
        let left = p.x - left_tip;
        let uneven = rough * lattice.at(p / 38.0) + waves * lattice.at(p / 74.0 + 3.3);
        let outer = smooth_max(h.cavity + gap, roof, 8.0);
        let inner = smooth_max(visceral + uneven, edge, 26.0);
        smooth_max(smooth_max(outer, inner, 10.0), left, 18.0)
    });
    let hu = patient.tissue.liver;
    patient
        .canvas
        .fill(Tag::Of(Structure::Liver), Patient::uneven(hu, 4.0));
    draw_liver_vessels(patient, hilum);
}

fn draw_liver_vessels(patient: &mut Patient, hilum: Vec3) {
    let label = Structure::Liver.label();
    let fat = patient.tissue.fat * 0.6;
    let fissure = [
        (hilum + Vec3::new(14.0, -42.0, -38.0), 3.0),
        (hilum + Vec3::new(12.0, -30.0, -8.0), 2.5),
        (hilum + Vec3::new(10.0, -16.0, 10.0), 1.5),
    ]
    .map(|(at, radius)| Knot { at, radius });
    patient.draw_tube_in(label, &tube(&fissure, 2), fat);
    let (portal, vein) = (patient.tissue.portal, patient.tissue.vein);
    let port = hilum + Vec3::new(-16.0, -22.0, -18.0);
    for (ends, hu) in [
        (
            [
                (port, 6.5),
                (port + Vec3::new(-34.0, 4.0, 14.0), 5.0),
                (port + Vec3::new(-66.0, 20.0, 26.0), 2.0),
            ],
            portal,
        ),
        (
            [
                (port + Vec3::new(-30.0, 3.0, 12.0), 4.5),
                (port + Vec3::new(-50.0, -20.0, 0.0), 3.0),
                (port + Vec3::new(-66.0, -34.0, -14.0), 1.2),
            ],
            portal,
        ),
        (
            [
                (port, 5.5),
                (port + Vec3::new(20.0, -18.0, 22.0), 4.5),
                (port + Vec3::new(34.0, -44.0, 26.0), 1.5),
            ],
            portal,
        ),
        (
            [
                (hilum + Vec3::new(0.0, -3.0, 46.0), 5.0),
                (hilum + Vec3::new(-34.0, -6.0, 36.0), 4.5),
                (hilum + Vec3::new(-76.0, 4.0, 8.0), 1.5),
            ],
            vein,
        ),
        (
            [
                (hilum + Vec3::new(0.0, -4.0, 46.0), 4.5),
                (hilum + Vec3::new(-16.0, -38.0, 34.0), 4.0),
                (hilum + Vec3::new(-34.0, -66.0, 6.0), 1.5),
            ],
            vein,
        ),
        (
            [
                (hilum + Vec3::new(2.0, -6.0, 46.0), 4.0),
                (hilum + Vec3::new(22.0, -32.0, 38.0), 3.5),
                (hilum + Vec3::new(42.0, -60.0, 28.0), 1.5),
            ],
            vein,
        ),
    ] {
        let line = ends.map(|(at, radius)| Knot { at, radius });
        patient.draw_tube_in(label, &tube(&line, 3), hu);
    }
}

/// Draws the spleen against the wall behind the stomach. `size` is 1 for a usual one; the returned
/// length is its longest diameter in mm.
pub(super) fn draw_spleen(patient: &mut Patient, size: f32, tag: Tag) -> f32 {
    let r = &mut patient.random;
    let thick = r.range(34.0, 42.0);
    let radii = Vec3::new(thick, r.range(48.0, 58.0), r.range(47.0, 59.0)) * size;
    let tilt = 0.42 + r.about(0.0, 0.15);
    let forward = r.about(0.0, 0.2) - 0.25;
    let back = r.about(12.0, 6.0);
    let notch = r.range(20.0, 32.0);
    let gap = r.range(0.5, 4.5);
    let rise = r.about(22.0, 8.0) - (size - 1.0) * 40.0;
    let [half_width, ..] = patient.body.cavity_extent(rise);
    let at = Vec3::new(
        half_width - 4.0 - radii.x * 0.9,
        back - (size - 1.0) * 25.0,
        rise,
    );
    let centre = patient.breathed(at, 1.0);
    let turn = Quat::from_rotation_z(tilt) * Quat::from_rotation_x(forward);
    let shape = Ellipsoid::new(centre, radii).turned(turn);
    let hollow = Ellipsoid::new(
        centre + turn * Vec3::new(-radii.x * 1.3, -6.0, -6.0),
        Vec3::new(notch * 0.8, notch * 1.3, notch * 1.6),
    )
    .turned(turn);
    let Patient { body, canvas, .. } = patient;
    let lung = Structure::LeftLung.label();
    canvas.add(shape.bounds(), |h| {
        if h.label == lung {
            return f32::INFINITY;
        }
        let roof = (h.p.z - body.diaphragm(h.p, h.radius) + 3.5) * 0.8;
        let outer = smooth_max(h.cavity + gap, roof, 8.0);
        let solid = smooth_max(shape.distance(h.p), -hollow.distance(h.p), 8.0);
        smooth_max(solid, outer, 8.0)
    });
    // Early after contrast the spleen is striped.
    let stripes = if patient.phase == Phase::Arterial {
        38.0
    } else {
        4.0
    };
    let hu = patient.tissue.spleen;
    patient.canvas.fill(tag, |lattice, h, _| {
        hu + stripes * lattice.at(Vec3::new(h.p.x + h.p.z * 0.4, h.p.y, h.p.z) / 11.0)
    });
    2.0 * radii.max_element()
}

/// A kidney as it was drawn: its centre and the turn of its axes.
#[derive(Clone, Copy)]
pub(super) struct Kidney {
    pub side: Laterality,
    pub centre: Vec3,
    pub turn: Quat,
    pub size: f32,
}

/// Draws a kidney in its fat, with cortex, medulla, sinus and pelvis.
pub(super) fn draw_kidney(patient: &mut Patient, side: Laterality) -> Kidney {
    let s = side.sign();
    let r = &mut patient.random;
    let size = r.about(1.0, 0.08).clamp(0.78, 1.2);
    let low = if s < 0.0 { -38.0 } else { -24.0 };
    let at = Vec3::new(s * r.about(70.0, 4.0), 4.0, low + r.about(0.0, 9.0));
    let turn = Quat::from_rotation_z(s * r.about(0.55, 0.15))
        * Quat::from_rotation_y(-s * r.about(0.22, 0.07))
        * Quat::from_rotation_x(r.about(0.17, 0.06));
    let visceral = patient.body.visceral_mm;
    let halo = (5.0 + visceral * 0.3).clamp(3.0, 16.0);
    let placed = patient.breathed(at, 0.6);
    let centre = placed + Vec3::Y * patient.body.spine_y(placed.z) * 0.5;
    let radii = Vec3::new(28.0, 31.0, 57.0) * size;
    let body = Ellipsoid::new(centre, radii).turned(turn);
    let inward = turn * Vec3::new(-s * radii.x, 0.0, 0.0);
    let sinus =
        Ellipsoid::new(centre + inward * 0.62, Vec3::new(15.0, 11.0, 24.0) * size).turned(turn);
    let structure = match side {
        Laterality::Right => Structure::RightKidney,
        Laterality::Left => Structure::LeftKidney,
    };
    let fat = patient.tissue.fat;
    let around = Ellipsoid::new(centre, radii + halo).turned(turn);
    patient
        .canvas
        .paint(Tag::Of(Structure::Fat), around.bounds(), fat, |h| {
            around.distance(h.p).max(h.cavity + 3.0)
        });
    patient.canvas.add(body.bounds(), |h| {
        smooth_max(
            smooth_max(body.distance(h.p), -sinus.distance(h.p), 5.0),
            h.cavity + 2.0,
            4.0,
        )
    });
    let (cortex, medulla) = (patient.tissue.cortex, patient.tissue.medulla);
    patient.canvas.fill(Tag::Of(structure), |lattice, h, d| {
        // Columns of cortex reach inwards between the pyramids.
        let rind = 6.5 + 4.0 * lattice.at(h.p / 9.0);
        if d > -rind { cortex } else { medulla }
    });
    let pelvis =
        Ellipsoid::new(centre + inward * 0.5, Vec3::new(7.0, 5.5, 15.0) * size).turned(turn);
    patient.draw_ellipsoid(Tag::Keep, &pelvis, patient.tissue.renal_pelvis);
    // The vessels at the hilum.
    let gate = centre + inward;
    let spine = patient.by_spine(s * 12.0, 34.0, centre.z + 8.0);
    let line = [
        Knot {
            at: gate,
            radius: 4.5,
        },
        Knot {
            at: (gate + spine) * 0.5 + Vec3::Y * -5.0,
            radius: 4.5,
        },
        Knot {
            at: spine,
            radius: 4.5,
        },
    ];
    patient.draw_tube(Tag::Nameless, &tube(&line, 2), patient.tissue.vein);
    Kidney {
        side,
        centre,
        turn,
        size,
    }
}

/// Draws both adrenal glands.
pub(super) fn draw_adrenals(patient: &mut Patient, kidneys: &[Kidney]) {
    let hu = patient.tissue.pancreas * 0.7 + 8.0;
    for kidney in kidneys {
        let s = kidney.side.sign();
        let top = kidney.centre + Vec3::new(-s * 26.0, -14.0, 46.0);
        for tip in [
            Vec3::new(s * 9.0, 16.0, -8.0),
            Vec3::new(-s * 5.0, 18.0, -6.0),
        ] {
            let limb = [
                Knot {
                    at: top,
                    radius: 3.5,
                },
                Knot {
                    at: top + tip,
                    radius: 2.4,
                },
            ];
            patient.draw_tube(Tag::Nameless, &tube(&limb, 2), hu);
        }
    }
}

/// Draws pancreas, splenic and portal vein.
pub(super) fn draw_pancreas(patient: &mut Patient) {
    let r = &mut patient.random;
    let size = r.range(0.75, 1.2);
    let tilt = r.about(0.0, 9.0);
    let line = [
        (-32.0, 62.0, -46.0, 12.0),
        (-30.0, 64.0, -24.0, 16.0),
        (-8.0, 72.0, -10.0, 9.5),
        (22.0, 66.0, 0.0 + tilt * 0.4, 10.5),
        (52.0, 46.0, 8.0 + tilt * 0.8, 11.0),
        (82.0, 22.0, 18.0 + tilt, 9.0),
    ]
    .map(|(x, before, z, radius)| {
        let p = patient.breathed(patient.by_spine(x, before, z), 0.7);
        knot(p.x, p.y, p.z, radius * size)
    });
    let segments = tube(&line, 3);
    patient.add_tube(&segments, 6.0);
    let lobules = patient.random.range(5.0, 35.0);
    let hu = patient.tissue.pancreas;
    patient
        .canvas
        .fill(Tag::Of(Structure::Pancreas), |lattice, h, _| {
            hu - lobules * lattice.at(h.p / 6.0).max(0.0) * 2.0
        });
    let vein: Vec<Knot> = line[2..]
        .iter()
        .rev()
        .map(|k| Knot {
            at: k.at + Vec3::new(0.0, 8.5, 2.0),
            radius: 4.6,
        })
        .chain([
            Knot {
                at: line[2].at + Vec3::new(-8.0, 6.0, 8.0),
                radius: 6.5,
            },
            Knot {
                at: line[2].at + Vec3::new(-24.0, -4.0, 32.0),
                radius: 6.5,
            },
        ])
        .collect();
    let mesenteric = [
        Knot {
            at: line[2].at + Vec3::new(0.0, 8.0, 0.0),
            radius: 5.5,
        },
        Knot {
            at: line[2].at + Vec3::new(6.0, -4.0, -60.0),
            radius: 5.0,
        },
    ];
    let portal = patient.tissue.portal;
    let mut lines = tube(&vein, 3);
    lines.extend(tube(&mesenteric, 3));
    patient.draw_tube(Tag::Of(Structure::PortalVein), &lines, portal);
    let artery = [
        Knot {
            at: line[2].at + Vec3::new(14.0, 16.0, 10.0),
            radius: 3.6,
        },
        Knot {
            at: line[2].at + Vec3::new(15.0, -2.0, -58.0),
            radius: 3.4,
        },
    ];
    patient.draw_tube(Tag::Nameless, &tube(&artery, 2), patient.tissue.aorta);
}

/// Draws the gallbladder beneath the liver; some patients have none.
pub(super) fn draw_gallbladder(patient: &mut Patient) {
    let r = &mut patient.random;
    if r.chance(0.1) {
        return;
    }
    let full = r.range(0.65, 1.3);
    let at = Vec3::new(
        -62.0 + r.about(0.0, 7.0),
        -88.0 + r.about(0.0, 7.0),
        -22.0 + r.about(0.0, 8.0),
    );
    let centre = patient.breathed(at, 1.0);
    let line = [
        Knot {
            at: centre + Vec3::new(12.0, 26.0, 16.0),
            radius: 5.0 * full,
        },
        Knot {
            at: centre + Vec3::new(4.0, 9.0, 5.0),
            radius: 11.0 * full,
        },
        Knot {
            at: centre + Vec3::new(-4.0, -9.0, -7.0),
            radius: 15.0 * full,
        },
    ];
    let segments = tube(&line, 3);
    patient.add_tube(&segments, 5.0);
    let (wall, bile) = (patient.tissue.bowel_wall, patient.tissue.bile);
    patient
        .canvas
        .fill(Tag::Of(Structure::Gallbladder), |_, _, d| {
            if d > -1.5 { wall } else { bile }
        });
}

/// Draws the bladder and what lies behind it.
pub(super) fn draw_bladder(patient: &mut Patient) {
    let r = &mut patient.random;
    let full = r.range(0.55, 1.25);
    let at = Vec3::new(r.about(0.0, 4.0), -58.0, -252.0 + 26.0 * full);
    let radii = Vec3::new(46.0, 36.0, 36.0) * full;
    let wall = r.range(2.0, 5.0);
    let shape = Ellipsoid::new(at, radii);
    let floor = Segment {
        from: knot(0.0, -40.0, -282.0, 19.0),
        to: knot(0.0, -36.0, -292.0, 15.0),
    };
    let womb = r.chance(0.5);
    let tilt = r.about(0.0, 6.0);
    let muscle = patient.tissue.muscle;
    if womb {
        let uterus = Ellipsoid::new(
            Vec3::new(tilt, -10.0 + radii.y * 0.25, -222.0),
            Vec3::new(26.0, 22.0, 34.0),
        )
        .turned(Quat::from_rotation_x(0.5));
        patient.draw_ellipsoid(Tag::Nameless, &uterus, muscle + 14.0);
    }
    patient.draw_tube(Tag::Nameless, &[floor], muscle);
    patient.canvas.add(shape.bounds(), |h| {
        smooth_max(shape.distance(h.p), h.cavity + 4.0, 8.0)
    });
    let (urine, layer, rim) = (
        patient.tissue.urine,
        patient.tissue.urine_layer,
        patient.tissue.bowel_wall,
    );
    let level = at.y + radii.y * 0.15;
    patient.canvas.fill(Tag::Of(Structure::Bladder), |_, h, d| {
        if d > -wall {
            rim
        } else if h.p.y > level {
            layer
        } else {
            urine
        }
    });
}
