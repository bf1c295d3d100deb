//! Stomach, small bowel and colon.

use glam::Vec3;

use super::canvas::Tag;
use super::patient::Patient;
use super::shape::{Ellipsoid, Knot, Segment, knot, smooth_max, tube};
use crate::dataset::Structure;

/// Draws the coils of the small bowel: a line that wanders through the middle of the belly.
pub(super) fn draw_small_bowel(patient: &mut Patient) {
    let r = &mut patient.random;
    let size = Vec3::new(
        r.range(84.0, 110.0),
        r.range(38.0, 50.0) + patient.body.visceral_mm * 0.4,
        r.range(74.0, 98.0),
    );
    let middle = Vec3::new(
        r.about(4.0, 8.0),
        -66.0 - patient.body.visceral_mm * 0.4,
        r.about(-112.0, 8.0),
    );
    let room = Ellipsoid::new(middle, size);
    let thick = r.range(8.5, 13.5);
    let gas = r.range(0.5, 1.1);
    let folds = r.range(0.0, 25.0);
    let parts = 85 + r.below(70);
    let mut at = Vec3::new(44.0, -62.0, -44.0);
    let mut heading = Vec3::new(0.3, -0.6, -0.6);
    let mut line = Vec::with_capacity(parts);
    for _ in 0..parts {
        line.push(Knot {
            at,
            radius: thick * r.range(0.75, 1.25),
        });
        // Mostly within the slice, and back where the room ends.
        let turn = Vec3::new(r.normal(), r.normal() * 0.9, r.normal() * 0.55) * 0.7;
        let home = (middle - at) / size;
        let pull = (room.distance(at) / 18.0 + 1.0).clamp(0.0, 2.5);
        heading = (heading + turn + home * pull).normalize_or(Vec3::X);
        at += heading * r.range(15.0, 24.0);
    }
    for segment in tube(&line, 2) {
        patient.canvas.add(segment.bounds(), |h| {
            smooth_max(segment.distance(h.p), h.cavity + 5.0, 5.0)
        });
    }
    let (wall, fluid, air) = (
        patient.tissue.bowel_wall,
        patient.tissue.gut_fluid,
        patient.tissue.air,
    );
    patient
        .canvas
        .fill(Tag::Of(Structure::SmallBowel), |lattice, h, d| {
            if d > -3.0 {
                return wall;
            }
            let bubble = lattice.at(h.p / 33.0) - (h.p.y + 80.0) / 120.0;
            if bubble > gas {
                air + 60.0
            } else {
                fluid + folds * lattice.at(h.p / 5.0)
            }
        });
    draw_duodenum(patient);
}

fn draw_duodenum(patient: &mut Patient) {
    let line: Vec<Knot> = [
        (-30.0, 84.0, -8.0, 11.0),
        (-50.0, 64.0, -22.0, 11.0),
        (-52.0, 50.0, -60.0, 12.0),
        (-14.0, 42.0, -76.0, 10.0),
        (26.0, 46.0, -66.0, 10.0),
        (34.0, 58.0, -40.0, 11.0),
    ]
    .map(|(x, before, z, r)| {
        let p = patient.breathed(patient.by_spine(x, before, z), 0.6);
        knot(p.x, p.y, p.z, r)
    })
    .to_vec();
    let segments = tube(&line, 3);
    patient.add_tube(&segments, 5.0);
    let (wall, fluid) = (patient.tissue.bowel_wall, patient.tissue.gut_fluid);
    patient
        .canvas
        .fill(Tag::Of(Structure::SmallBowel), |lattice, h, d| {
            if d > -3.0 || lattice.at(h.p / 12.0) > 0.1 {
                wall
            } else {
                fluid
            }
        });
}

/// Draws the stomach with its level of gas over fluid.
pub(super) fn draw_stomach(patient: &mut Patient) {
    let r = &mut patient.random;
    let full = r.range(0.55, 1.25);
    let sag = r.about(0.0, 12.0);
    let wall_mm = r.range(2.5, 5.0) + (1.0 - full).max(0.0) * 5.0;
    let line: Vec<Knot> = [
        (62.0, -12.0, 66.0, 36.0),
        (66.0, -36.0, 46.0, 39.0),
        (64.0, -70.0, 14.0, 33.0),
        (38.0, -94.0, -14.0 - sag, 25.0),
        (6.0, -94.0, -24.0 - sag, 20.0),
        (-20.0, -86.0, -12.0, 14.0),
    ]
    .map(|(x, y, z, radius)| {
        let jitter = Vec3::new(r.about(0.0, 3.0), r.about(0.0, 3.0), r.about(0.0, 3.0));
        let p = Vec3::new(x, y, z) + jitter;
        Knot {
            at: p,
            radius: radius * (0.25 + 0.75 * full),
        }
    })
    .map(|k| Knot {
        at: patient.breathed(k.at, 0.9),
        radius: k.radius,
    })
    .to_vec();
    let r = &mut patient.random;
    let gas_level = r.range(-150.0, -45.0);
    let lumps = r.range(0.0, 45.0);
    let contrast = patient.tissue.gut_fluid;
    let segments = tube(&line, 3);
    let lung = Structure::LeftLung.label();
    let Patient { body, canvas, .. } = patient;
    for segment in &segments {
        canvas.add(segment.bounds(), |h| {
            if h.label == lung {
                return f32::INFINITY;
            }
            let roof = (h.p.z - body.diaphragm(h.p, h.radius) + 4.0) * 0.8;
            smooth_max(
                segment.distance(h.p),
                smooth_max(h.cavity + 5.0, roof, 6.0),
                6.0,
            )
        });
    }
    let (wall, air) = (patient.tissue.bowel_wall, patient.tissue.air);
    patient
        .canvas
        .fill(Tag::Of(Structure::Stomach), |lattice, h, d| {
            // Folds of the lining stand into the lumen.
            let rim = wall_mm + 2.5 * lattice.at(h.p / 9.0);
            if d > -rim {
                wall
            } else if h.p.y < gas_level {
                air + 15.0
            } else {
                contrast + lumps * lattice.at(h.p / 6.0)
            }
        });
}

/// Draws the colon's frame with its pouches, gas and stool.
pub(super) fn draw_colon(patient: &mut Patient) {
    let r = &mut patient.random;
    let wide = r.range(0.8, 1.45);
    let sag = r.about(-38.0, 26.0);
    let loop_up = r.about(0.0, 22.0);
    let front = -122.0 - patient.body.visceral_mm * 0.6;
    let mut line: Vec<Knot> = [
        (-92.0, -62.0, -168.0, 22.0),
        (-104.0, -46.0, -142.0, 29.0),
        (-114.0, -28.0, -98.0, 26.0),
        (-112.0, -26.0, -62.0, 24.0),
        (-96.0, -62.0, -40.0, 23.0),
        (-58.0, front + 6.0, sag * 0.6, 22.0),
        (0.0, front, sag, 21.0),
        (58.0, front + 12.0, sag * 0.4 + 8.0, 20.0),
        (102.0, -50.0, 26.0, 19.0),
        (112.0, -8.0, 22.0, 18.0),
        (116.0, 6.0, -40.0, 16.0),
        (114.0, -6.0, -100.0, 15.0),
        (100.0, -38.0, -150.0, 15.0),
        (70.0, -62.0, -182.0, 16.0),
        (30.0, -60.0, -190.0 + loop_up, 17.0),
        (4.0, -18.0, -186.0 + loop_up * 0.5, 17.0),
        (8.0, 18.0, -200.0, 18.0),
        (2.0, 26.0, -240.0, 19.0),
        (0.0, 18.0, -280.0, 13.0),
    ]
    .map(|(x, y, z, radius)| Knot {
        at: Vec3::new(
            x + r.about(0.0, 5.0),
            y + r.about(0.0, 4.0),
            z + r.about(0.0, 5.0),
        ),
        radius: radius * wide * r.range(0.8, 1.2),
    })
    .to_vec();
    for k in line.iter_mut().take(11) {
        let share = ((k.at.z + 120.0) / 140.0).clamp(0.0, 1.0);
        k.at.z -= patient.body.breath * 0.7 * share;
        // Held to the wall's inside whatever the belly's width.
        let [half_width, low, high, _] = patient.body.cavity_extent(k.at.z);
        let room = half_width - k.radius * 0.9 - 5.0;
        k.at.x = k.at.x.clamp(-room, room);
        k.at.y = k.at.y.clamp(low + k.radius * 0.9 + 5.0, high);
    }
    let segments = tube(&line, 5);
    for (n, segment) in segments.iter().enumerate() {
        add_pouch(patient, segment, n);
    }
    let r = &mut patient.random;
    let gassy = r.range(-0.4, 0.75);
    let dense = r.range(-60.0, 60.0);
    let (wall, air) = (patient.tissue.bowel_wall, patient.tissue.air);
    patient
        .canvas
        .fill(Tag::Of(Structure::Colon), |lattice, h, d| {
            if d > -2.6 {
                return wall;
            }
            let bubble = lattice.at(h.p / 42.0 + 7.0) - (h.p.y + 70.0) / 75.0;
            let grain = lattice.at(h.p / 6.0);
            if bubble > gassy {
                air + 20.0
            } else if grain > 0.45 {
                -500.0
            } else {
                dense + 35.0 * grain
            }
        });
}

/// Haustra: the tube's pieces swell and shrink by turns.
fn add_pouch(patient: &mut Patient, segment: &Segment, n: usize) {
    let swell = [1.06, 0.98, 0.86, 0.97][n % 4];
    let mut piece = *segment;
    piece.from.radius *= swell;
    piece.to.radius *= [0.98, 0.86, 0.97, 1.06][n % 4];
    patient.canvas.add(piece.bounds(), |h| {
        smooth_max(piece.distance(h.p), h.cavity + 4.0, 5.0)
    });
}
