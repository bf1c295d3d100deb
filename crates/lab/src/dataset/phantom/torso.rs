//! The trunk's layers, and what lies around a body: arms and table.

use glam::{DAffine3, Vec3};

use super::body::bump;
use super::canvas::{Canvas, Tag};
use super::patient::Patient;
use super::scan::Scan;
use super::shape::{Segment, knot, tube};
use super::tissue::Tissue;
use crate::dataset::{Laterality, Random, Structure};

/// Draws skin, fat, muscles and the fat of the cavity.
pub(super) fn draw_layers(patient: &mut Patient) {
    let streaks = patient.random.range(0.45, 0.85);
    let strands = patient.random.range(0.35, 0.7);
    let glands = patient.random.range(0.0, 0.8) * patient.body.breasts;
    let Patient {
        body,
        tissue,
        canvas,
        ..
    } = patient;
    canvas.draw_trunk(body, |lattice, p, [skin, muscle, cavity]| {
        let fat = tissue.fat + 9.0 * lattice.at(p / 23.0);
        if cavity < 0.0 {
            // Small vessels and strands run through the fat of the belly.
            let strand = (lattice.at(p / 8.5) - strands).max(0.0) * 260.0;
            return ((fat + strand).min(60.0), Structure::Fat.label());
        }
        if muscle < 0.0 {
            // Planes of fat between muscles run along the body and its wall.
            let plane = lattice.at(Vec3::new(p.x / 19.0, p.y / 15.0, p.z / 60.0));
            // The buttocks have more of them than the trunk.
            let many = 0.3 * bump(p.z, -220.0, 120.0);
            let share = ((plane - streaks + many) * 4.0).clamp(0.0, 0.85);
            let hu = tissue.muscle + (fat - tissue.muscle) * share;
            return (hu, Structure::Muscle.label());
        }
        if skin > -2.2 {
            return (tissue.skin, 0);
        }
        if glands > 0.0 && p.y < -100.0 && p.z > 90.0 && p.z < 220.0 && skin < -9.0 {
            let gland = (lattice.at(p / 13.0) + glands - 0.4).clamp(0.0, 1.0);
            return (fat + 130.0 * gland, Structure::Fat.label());
        }
        (fat, Structure::Fat.label())
    });
}

/// Draws muscles that stand out of the layers: beside the spine behind, the crura of the diaphragm and
/// the psoas and iliacus.
pub(super) fn draw_muscles(patient: &mut Patient) {
    let muscle = patient.tissue.muscle;
    let strength = patient.random.range(0.8, 1.2);
    for side in Laterality::BOTH {
        let s = side.sign();
        let crus = [
            (s * 20.0, 20.0, 78.0, 5.0),
            (s * 15.0, 26.0, 30.0, 6.5),
            (s * 10.0, 25.0, -30.0, 4.5),
            (s * 8.0, 24.0, -60.0, 2.0),
        ]
        .map(|(x, before, z, r)| {
            let p = patient.by_spine(x, before, z);
            knot(p.x, p.y, p.z, r)
        });
        patient.draw_tube(Tag::Of(Structure::Muscle), &tube(&crus, 2), muscle);

        let structure = match side {
            Laterality::Right => Structure::RightPsoas,
            Laterality::Left => Structure::LeftPsoas,
        };
        let psoas = [
            (s * 23.0, 2.0, 12.0, 5.0),
            (s * 32.0, 4.0, -35.0, 13.0 * strength),
            (s * 40.0, 6.0, -80.0, 19.0 * strength),
            (s * 49.0, 16.0, -128.0, 22.0 * strength),
        ]
        .map(|(x, before, z, r)| {
            let p = patient.by_spine(x, before, z);
            knot(p.x, p.y, p.z, r)
        });
        let mut line = psoas.to_vec();
        line.extend([
            knot(s * 68.0, -36.0, -180.0, 20.0 * strength),
            knot(s * 88.0, -58.0, -235.0, 16.0 * strength),
            knot(s * 98.0, -42.0, -275.0, 13.0 * strength),
        ]);
        for segment in tube(&line, 3) {
            patient
                .canvas
                .add(segment.bounds(), |h| segment.distance(h.p));
        }
        patient
            .canvas
            .fill(Tag::Of(structure), Patient::uneven(muscle + 4.0, 5.0));
        let iliacus = [
            knot(s * 82.0, 0.0, -135.0, 9.0),
            knot(s * 92.0, -18.0, -175.0, 15.0 * strength),
            knot(s * 92.0, -45.0, -225.0, 13.0),
        ];
        patient.draw_tube(Tag::Of(Structure::Muscle), &tube(&iliacus, 3), muscle);
        draw_back(patient, s, strength.min(1.05));
    }
}

/// The muscles behind and beside the spine: erector, multifidus, quadratus lumborum.
fn draw_back(patient: &mut Patient, s: f32, strength: f32) {
    let muscle = patient.tissue.muscle;
    for line in [
        vec![
            (32.0, -44.0, 215.0, 15.0),
            (34.0, -46.0, 100.0, 20.0),
            (38.0, -46.0, 0.0, 26.0),
            (38.0, -47.0, -80.0, 28.0),
            (30.0, -42.0, -150.0, 17.0),
        ],
        vec![
            (14.0, -40.0, 120.0, 11.0),
            (15.0, -40.0, 0.0, 14.0),
            (16.0, -40.0, -120.0, 17.0),
        ],
        vec![
            (58.0, -26.0, 12.0, 9.0),
            (66.0, -28.0, -45.0, 14.0),
            (72.0, -34.0, -112.0, 16.0),
        ],
    ] {
        let knots: Vec<_> = line
            .into_iter()
            .map(|(x, before, z, r)| {
                let p = patient.by_spine(s * x, before, z);
                knot(p.x, p.y, p.z, r * strength)
            })
            .collect();
        patient.draw_tube(Tag::Of(Structure::Muscle), &tube(&knots, 3), muscle);
    }
}

/// Draws the table and, where they are beside the body, the arms.
pub(super) fn draw_surroundings(
    canvas: &mut Canvas,
    scan: &Scan,
    tissue: &Tissue,
    random: &mut Random,
) {
    if scan.arms_down {
        draw_arms(canvas, scan, tissue, random);
    }
    if scan.table {
        draw_table(canvas, scan, random);
    }
}

fn draw_arms(canvas: &mut Canvas, scan: &Scan, tissue: &Tissue, random: &mut Random) {
    let body_from_voxel = scan.patient_from_body.inverse() * scan.grid.patient_from_voxel();
    let size = random.range(0.85, 1.2);
    let arms: Vec<(Vec<Segment>, f32)> = Laterality::BOTH
        .iter()
        .map(|side| {
            let s = side.sign();
            let out = scan.half_width_mm;
            let forward = random.range(-45.0, 10.0);
            let line = [
                knot(s * 190.0, 22.0, 262.0, 46.0 * size),
                knot(s * (out + 40.0), 22.0, 150.0, 50.0 * size),
                knot(s * (out + 36.0), 16.0 + forward * 0.3, 30.0, 46.0 * size),
                knot(s * (out + 32.0), forward, -90.0, 40.0 * size),
                knot(s * (out + 30.0), forward - 10.0, -190.0, 24.0 * size),
            ];
            (tube(&line, 3), random.range(5.0, 14.0))
        })
        .collect();
    canvas.paint_around(body_from_voxel, |p| {
        let (segments, fat_mm) = &arms[usize::from(p.x > 0.0)];
        if p.x.abs() < scan.half_width_mm * 0.8 {
            return None;
        }
        let mut nearest = (f32::INFINITY, 40.0);
        for segment in segments {
            let d = segment.distance(p);
            if d < nearest.0 {
                nearest = (d, segment.from.radius);
            }
        }
        let (d, radius) = nearest;
        if d > 4.0 {
            return None;
        }
        let from_axis = d + radius;
        let hu = if d > -2.0 {
            tissue.skin
        } else if d > -fat_mm {
            tissue.fat
        } else if from_axis < 7.0 {
            40.0
        } else if from_axis < 12.5 {
            tissue.cortical + 250.0
        } else {
            tissue.muscle
        };
        Some((d, hu))
    });
}

fn draw_table(canvas: &mut Canvas, scan: &Scan, random: &mut Random) {
    let gap = random.range(2.0, 16.0);
    let curve = random.range(0.0, 0.0011);
    let half_width = random.range(185.0, 260.0);
    let depth = random.range(12.0, 45.0);
    let sheet = random.range(1.2, 4.5);
    let hu = random.range(-350.0, 250.0);
    let foam = random.range(-990.0, -860.0);
    let mattress = random.range(-995.0, -900.0);
    let top = scan.table_top_mm + gap;
    let to_table = DAffine3::from_translation(-scan.patient_from_body.translation)
        * scan.grid.patient_from_voxel();
    canvas.paint_around(to_table, |p| {
        let x = p.x.abs();
        if x > half_width || p.y < top - 60.0 {
            return None;
        }
        let level = p.y - (top + curve * (half_width * half_width * 0.25 - p.x * p.x));
        let upper = level.abs() - sheet;
        let lower = (level - depth).abs() - sheet;
        let shell = upper.min(lower);
        if shell < 3.0 && (shell < 0.0 || level < 0.0 || level > depth) {
            Some((shell, hu))
        } else if level > 0.0 && level < depth {
            Some((-9.0, if shell < 2.0 { (hu + foam) * 0.5 } else { foam }))
        } else if level < 0.0 && level > -22.0 {
            Some((-9.0, mattress))
        } else {
            None
        }
    });
}
