//! Spine, ribs and breastbone.

use glam::{Quat, Vec3};

use super::canvas::Tag;
use super::patient::Patient;
use super::shape::{Ellipsoid, Knot, Segment, knot, smooth_max, tube};
use crate::dataset::{Laterality, Structure};

/// A vertebra: its name and the height of its middle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Level {
    pub name: &'static str,
    pub z: f32,
}

/// From the last lumbar to the last cervical vertebra.
pub(super) const LEVELS: [Level; 20] = [
    Level {
        name: "L5",
        z: -136.0,
    },
    Level {
        name: "L4",
        z: -104.0,
    },
    Level {
        name: "L3",
        z: -67.0,
    },
    Level {
        name: "L2",
        z: -33.0,
    },
    Level { name: "L1", z: 0.0 },
    Level {
        name: "T12",
        z: 32.0,
    },
    Level {
        name: "T11",
        z: 62.0,
    },
    Level {
        name: "T10",
        z: 90.0,
    },
    Level {
        name: "T9",
        z: 117.0,
    },
    Level {
        name: "T8",
        z: 143.0,
    },
    Level {
        name: "T7",
        z: 168.0,
    },
    Level {
        name: "T6",
        z: 191.0,
    },
    Level {
        name: "T5",
        z: 213.0,
    },
    Level {
        name: "T4",
        z: 234.0,
    },
    Level {
        name: "T3",
        z: 254.0,
    },
    Level {
        name: "T2",
        z: 273.0,
    },
    Level {
        name: "T1",
        z: 291.0,
    },
    Level {
        name: "C7",
        z: 307.0,
    },
    Level {
        name: "C6",
        z: 322.0,
    },
    Level {
        name: "C5",
        z: 337.0,
    },
];
/// The first thoracic vertebra that carries a rib, counted in [`LEVELS`].
const T12: usize = 5;
const T1: usize = 16;

/// A bone's value: a hard rind around a spongy core.
pub(super) fn bone(
    cortical: f32,
    trabecular: f32,
    rind: f32,
) -> impl Fn(&super::noise::Lattice, &super::canvas::Here, f32) -> f32 {
    move |lattice, h, d| {
        if d > -rind {
            cortical
        } else {
            trabecular + 25.0 * lattice.at(h.p / 6.0)
        }
    }
}

/// A broken vertebra: which, how much of its front height is left, and the finding's number.
#[derive(Clone, Copy)]
pub(super) struct Collapse {
    pub level: usize,
    pub left: f32,
    pub finding: u8,
}

/// Draws discs, vertebrae and the canal.
pub(super) fn draw_spine(patient: &mut Patient, collapse: Option<Collapse>) {
    let size = patient.random.about(1.0, 0.06).clamp(0.85, 1.15);
    let column: Vec<Knot> = LEVELS
        .iter()
        .map(|level| {
            let p = patient.by_spine(0.0, 0.0, level.z);
            knot(p.x, p.y, p.z, body_radii(level.z).y * size * 0.93)
        })
        .collect();
    let disc = patient.tissue.disc;
    patient.draw_tube(Tag::Nameless, &tube(&column, 1), disc);
    for n in 0..LEVELS.len() {
        draw_arch(patient, n, size);
        draw_vertebra(patient, n, size, collapse.filter(|c| c.level == n));
    }
    let canal: Vec<Knot> = std::iter::once(-215.0)
        .chain(LEVELS.iter().map(|l| l.z))
        .map(|z| {
            let p = patient.by_spine(0.0, -(body_radii(z).y * size + 9.0), z);
            knot(p.x, p.y, p.z, if z < -150.0 { 5.0 } else { 8.8 * size })
        })
        .collect();
    let cord = patient.tissue.cord;
    for segment in tube(&canal, 1) {
        patient
            .canvas
            .add(segment.bounds(), |h| segment.distance(h.p));
    }
    patient
        .canvas
        .fill(Tag::Of(Structure::SpinalCanal), |_, h, d| {
            if h.p.z > -5.0 && d < -3.5 {
                cord + 18.0
            } else {
                cord
            }
        });
}

/// Half width, half depth and half height of a vertebral body.
fn body_radii(z: f32) -> Vec3 {
    let t = ((z + 136.0) / 440.0).clamp(0.0, 1.0);
    Vec3::new(25.5 - 14.0 * t, 18.5 - 8.5 * t, 13.6 - 7.6 * t)
}

fn draw_vertebra(patient: &mut Patient, n: usize, size: f32, collapse: Option<Collapse>) {
    let level = LEVELS[n];
    let radii = body_radii(level.z) * Vec3::new(size, size, 1.0);
    let centre = patient.by_spine(0.0, 0.0, level.z);
    let (low, high) = (
        LEVELS[n.saturating_sub(1)],
        LEVELS[(n + 1).min(LEVELS.len() - 1)],
    );
    let along = patient.by_spine(0.0, 0.0, high.z) - patient.by_spine(0.0, 0.0, low.z);
    let tilt = (along.y / along.z).atan();
    let turn = Quat::from_rotation_x(-tilt).inverse();
    let wedge = collapse.map_or(1.0, |c| c.left);
    // A collapsed body is dense, and bulges.
    let (cast, bulge) = collapse.map_or((0.0, 1.0), |_| (300.0, 1.12));
    let radii = radii * Vec3::new(bulge, bulge, 1.0);
    let (hard, soft) = (
        patient.tissue.cortical * 0.72,
        patient.tissue.trabecular + cast,
    );
    let reach = Vec3::splat(radii.x + 4.0);
    patient.canvas.add([centre - reach, centre + reach], |h| {
        let p = turn * (h.p - centre);
        let waist = 1.0 - 0.09 * (1.0 - (p.z / radii.z).powi(2)).max(0.0);
        let (u, v) = (p.x / (radii.x * waist), p.y / (radii.y * waist));
        let ring = (u * u + v * v).sqrt();
        let around = (p.x * p.x + p.y * p.y).sqrt();
        let side = if ring > 1e-3 {
            around * (1.0 - 1.0 / ring)
        } else {
            -radii.y
        };
        // The front (-y) of a broken body is lower than its back; its plates sink in.
        let share = (0.5 - p.y / (2.0 * radii.y)).clamp(0.0, 1.0);
        let height = radii.z * (1.0 + (wedge - 1.0) * share);
        smooth_max(side, p.z.abs() - height, 3.0)
    });
    let tag = collapse.map_or(Tag::Of(Structure::Vertebrae), |c| {
        Tag::FindingIn(Structure::Vertebrae, c.finding)
    });
    patient.canvas.fill(tag, bone(hard, soft, 1.9));
}

/// Pedicles, laminae and the processes.
fn draw_arch(patient: &mut Patient, n: usize, size: f32) {
    let level = LEVELS[n];
    let radii = body_radii(level.z);
    let lumbar = level.z < 20.0;
    let reach = radii.y * size;
    let at = |x: f32, behind: f32, z: f32| {
        patient.by_spine(x, -behind, level.z + z) * Vec3::new(1.0, 1.0, 1.0)
    };
    let thick = if lumbar { 5.5 } else { 4.3 } * size;
    let mut segments = Vec::new();
    let mut line = |a: Vec3, ra: f32, b: Vec3, rb: f32| {
        segments.push(Segment {
            from: Knot { at: a, radius: ra },
            to: Knot { at: b, radius: rb },
        });
    };
    let spine_end = if lumbar { (31.0, -9.0) } else { (30.0, -26.0) };
    let back = at(0.0, reach + 20.0, -4.0);
    line(
        back,
        thick * 0.85,
        at(0.0, reach + spine_end.0 + 7.0, spine_end.1),
        thick * 0.7,
    );
    for side in Laterality::BOTH {
        let s = side.sign();
        let pedicle = at(s * (radii.x * 0.55 + 1.5), reach * 0.7, 4.0);
        let joint = at(s * 15.0 * size, reach + 12.0, 0.0);
        line(pedicle, thick * 0.85, joint, thick);
        line(joint, thick * 0.8, back, thick * 0.7);
        line(
            at(s * 15.0 * size, reach + 13.0, 12.0),
            thick,
            at(s * 15.0 * size, reach + 15.0, -14.0),
            thick * 0.9,
        );
        let (out, behind, rise) = if lumbar {
            (38.0, 13.0, 2.0)
        } else {
            (30.0, 22.0, 5.0)
        };
        line(
            joint,
            thick * 0.7,
            at(s * out, reach + behind, rise),
            thick * 0.55,
        );
    }
    for segment in &segments {
        patient
            .canvas
            .add(segment.bounds(), |h| segment.distance(h.p));
    }
    let (hard, soft) = (patient.tissue.cortical * 0.75, patient.tissue.trabecular);
    patient
        .canvas
        .fill(Tag::Of(Structure::Vertebrae), bone(hard, soft, 2.0));
}

/// The path of a rib along the wall, with its half thickness.
pub(super) struct Rib {
    pub side: Laterality,
    /// 1 to 12.
    pub number: usize,
    pub segments: Vec<Segment>,
}

/// Lays out all ribs; drawing comes later, so that one of them can be broken.
pub(super) fn lay_ribs(patient: &mut Patient) -> (Vec<Rib>, Vec<Vec<Segment>>) {
    let slope = patient.random.range(0.8, 1.15);
    let thick = patient.random.range(4.3, 5.6);
    let mut ribs = Vec::new();
    let mut cartilages = Vec::new();
    for (n, level) in LEVELS.iter().enumerate().take(T1 + 1).skip(T12) {
        let number = T1 + 1 - n;
        let drop = [
            22.0, 45.0, 60.0, 70.0, 78.0, 84.0, 88.0, 90.0, 84.0, 74.0, 48.0, 30.0,
        ][number - 1]
            * slope;
        // How far round from the spine, in parts of half a circle.
        let end = [
            0.80, 0.82, 0.82, 0.80, 0.78, 0.75, 0.72, 0.68, 0.63, 0.57, 0.42, 0.27,
        ][number - 1];
        for side in Laterality::BOTH {
            let s = side.sign();
            let mut knots = vec![
                knot(
                    s * 16.0,
                    patient.body.spine_y(level.z) + 9.0,
                    level.z + 8.0,
                    thick,
                ),
                knot(
                    s * 30.0,
                    patient.body.spine_y(level.z) + 27.0,
                    level.z + 5.0,
                    thick,
                ),
            ];
            let parts = 11;
            for part in 0..=parts {
                let t = 0.16 + (end - 0.16) * part as f32 / parts as f32;
                let angle = t * std::f32::consts::PI;
                let z = level.z + 2.0 - drop * (0.5 - 0.5 * (angle * 1.05).cos()) * 1.15;
                let p = patient.body.wall(angle, s, z, thick * 0.9 + 1.5);
                knots.push(Knot {
                    at: p,
                    radius: thick,
                });
            }
            let last = knots[knots.len() - 1];
            if number <= 10 {
                let target_z =
                    236.0 - 13.0 * (number as f32 - 1.0) - if number > 7 { 0.0 } else { 8.0 };
                let front = patient.body.cavity_extent(target_z)[1];
                let inner = if number > 7 {
                    24.0 + 14.0 * (number as f32 - 7.0)
                } else {
                    13.0
                };
                let z = target_z.min(last.at.z + 42.0);
                let end = Vec3::new(s * inner, front - 3.0 + (inner - 13.0) * 0.25, z);
                let angle = std::f32::consts::PI
                    * 0.9_f32.min(f32::midpoint(last.at.x.abs(), 300.0) / 300.0);
                let middle_z = f32::midpoint(last.at.z, z) - 8.0;
                let mut middle = patient.body.wall(angle, s, middle_z, 3.0);
                middle.x = f32::midpoint(last.at.x, end.x);
                let line = [
                    Knot {
                        at: last.at,
                        radius: thick * 0.9,
                    },
                    Knot {
                        at: middle,
                        radius: thick * 0.9,
                    },
                    Knot {
                        at: end,
                        radius: thick * 0.8,
                    },
                ];
                cartilages.push(tube(&line, 3));
            }
            ribs.push(Rib {
                side,
                number,
                segments: tube(&knots, 2),
            });
        }
    }
    (ribs, cartilages)
}

/// A broken rib: which of those laid out, which of its pieces, the callus's radius, and the finding's number.
#[derive(Clone, Copy)]
pub(super) struct Break {
    pub rib: usize,
    pub piece: usize,
    pub callus_mm: f32,
    pub finding: u8,
}

/// Draws ribs, their cartilages and the breastbone.
pub(super) fn draw_ribs(
    patient: &mut Patient,
    ribs: &[Rib],
    cartilages: &[Vec<Segment>],
    broken: Option<Break>,
) {
    let cartilage = patient.tissue.cartilage;
    for line in cartilages {
        patient.draw_tube(Tag::Nameless, line, cartilage);
    }
    let (hard, soft) = (patient.tissue.cortical, patient.tissue.trabecular * 0.9);
    for (n, rib) in ribs.iter().enumerate() {
        let gap = broken.filter(|b| b.rib == n);
        for (m, segment) in rib.segments.iter().enumerate() {
            if gap.is_none_or(|b| b.piece != m) {
                patient
                    .canvas
                    .add(segment.bounds(), |h| segment.distance(h.p));
            }
        }
    }
    patient
        .canvas
        .fill(Tag::Of(Structure::Ribs), bone(hard, soft, 1.8));
    if let Some(b) = broken
        && let Some(segment) = ribs.get(b.rib).and_then(|rib| rib.segments.get(b.piece))
    {
        draw_break(patient, segment, b);
    }
    draw_sternum(patient);
}

/// Both ends out of line, and the callus of a healing fracture around them.
fn draw_break(patient: &mut Patient, segment: &Segment, broken: Break) {
    let (a, b) = (segment.from, segment.to);
    let centre = (a.at + b.at) * 0.5;
    let outwards = Vec3::new(centre.x, centre.y + 30.0, 0.0).normalize_or_zero();
    let shifted = Segment {
        from: Knot {
            at: a.at + outwards * 5.5,
            radius: a.radius * 1.05,
        },
        to: Knot {
            at: centre + outwards * 6.5,
            radius: a.radius * 1.05,
        },
    };
    let callus = Ellipsoid::new(centre, Vec3::splat(broken.callus_mm));
    let hu = patient.random.range(300.0, 550.0);
    patient
        .canvas
        .paint(Tag::Keep, callus.bounds(), hu, |h| callus.distance(h.p));
    patient.draw_tube(
        Tag::Of(Structure::Ribs),
        &[shifted],
        patient.tissue.cortical,
    );
    let site = Ellipsoid::new(centre, Vec3::splat(broken.callus_mm + 1.5));
    patient.canvas.add(site.bounds(), |h| site.distance(h.p));
    patient.canvas.mark(broken.finding);
}

fn draw_sternum(patient: &mut Patient) {
    let thick = patient.random.range(5.0, 7.0);
    let line: Vec<Vec3> = [108.0, 150.0, 200.0, 238.0]
        .iter()
        .map(|&z| Vec3::new(0.0, patient.body.cavity_extent(z)[1] - 5.0, z))
        .collect();
    for (pair, wide) in line.windows(2).zip([11.0, 14.0, 20.0]) {
        for off in [-1.0, 0.0, 1.0] {
            let aside = Vec3::X * off * (wide - thick);
            let segment = Segment {
                from: Knot {
                    at: pair[0] + aside,
                    radius: thick,
                },
                to: Knot {
                    at: pair[1] + aside,
                    radius: thick,
                },
            };
            patient
                .canvas
                .add(segment.bounds(), |h| segment.distance(h.p));
        }
    }
    let (hard, soft) = (
        patient.tissue.cortical * 0.6,
        patient.tissue.trabecular * 0.8,
    );
    patient
        .canvas
        .fill(Tag::Of(Structure::Sternum), bone(hard, soft, 1.8));
}
