//! Lungs, heart, airways, gullet and the vessels of the chest.

use glam::{Quat, Vec3};

use super::body::bump;
use super::canvas::{Here, Tag};
use super::patient::Patient;
use super::shape::{Ellipsoid, Knot, knot, smooth_max, tube};
use crate::dataset::{Laterality, Structure};

/// Draws the lungs with their vessels.
pub(super) fn draw_lungs(patient: &mut Patient) {
    let narrow = patient.random.about(0.0, 3.0);
    let apex = 296.0 + patient.random.about(0.0, 6.0);
    let wall = patient.random.range(2.0, 5.0);
    let base = patient.tissue.lung;
    let gravity = patient.random.range(0.2, 1.6);
    for side in Laterality::BOTH {
        let s = side.sign();
        let structure = lung_of(side);
        let low = Vec3::new(if s < 0.0 { -190.0 } else { 0.0 }, -190.0, -45.0);
        let high = Vec3::new(if s < 0.0 { 0.0 } else { 190.0 }, 110.0, 320.0);
        let Patient { body, canvas, .. } = patient;
        canvas.add([low, high], |h| {
            let above = (body.diaphragm(h.p, h.radius) - h.p.z) * 0.75;
            let middle = mediastinum(body.spine_y(h.p.z), h.p) + narrow - s * h.p.x;
            smooth_max(h.cavity + wall, above, 3.0)
                .max(middle)
                .max(h.p.z - apex)
        });
        canvas.fill(Tag::Of(structure), |lattice, h, _| {
            let grain = lattice.at(h.p / 7.5).max(0.0) * 110.0 + lattice.at(h.p / 31.0) * 25.0;
            base + gravity * (h.p.y + 25.0) * 0.7 + grain
        });
        draw_lung_vessels(patient, side);
    }
}

/// The lung of a side.
pub(super) const fn lung_of(side: Laterality) -> Structure {
    match side {
        Laterality::Right => Structure::RightLung,
        Laterality::Left => Structure::LeftLung,
    }
}

/// Half the width of the mediastinum at a place.
fn mediastinum(spine_y: f32, p: Vec3) -> f32 {
    let before = spine_y - p.y;
    // Beside the vertebrae, around heart and great vessels, and between the lungs' front edges.
    let spine = 20.0 * bump(before, -6.0, 42.0);
    let vessels = (26.0 + 8.0 * bump(p.z, 245.0, 60.0)) * bump(before, 55.0, 55.0);
    let upper = 12.0 * bump(p.z, 280.0, 50.0);
    7.0 + spine.max(vessels) + upper
}

fn draw_lung_vessels(patient: &mut Patient, side: Laterality) {
    let s = side.sign();
    let label = lung_of(side).label();
    let root = patient.by_spine(s * 32.0, 48.0, 178.0);
    let hu = patient.tissue.right_heart;
    for _ in 0..12 {
        let r = &mut patient.random;
        let direction = Vec3::new(
            s * r.range(0.25, 1.0),
            r.about(0.05, 0.55),
            r.about(-0.1, 0.8),
        )
        .normalize();
        let length = r.range(55.0, 115.0);
        let bend = Vec3::new(s * r.range(0.0, 10.0), r.about(0.0, 9.0), r.about(0.0, 9.0));
        let thick = r.range(3.0, 6.5);
        let line = [
            Knot {
                at: root,
                radius: thick,
            },
            Knot {
                at: root + direction * length * 0.5 + bend,
                radius: thick * 0.55,
            },
            Knot {
                at: root + direction * length,
                radius: 1.0,
            },
        ];
        patient.draw_tube_in(label, &tube(&line, 3), hu);
        let fork = line[1].at;
        let aside = (direction + Vec3::new(0.0, bend.y, bend.z).normalize_or_zero()).normalize();
        let branch = [
            Knot {
                at: fork,
                radius: thick * 0.5,
            },
            Knot {
                at: fork + aside * length * 0.4,
                radius: 0.9,
            },
        ];
        patient.draw_tube_in(label, &tube(&branch, 2), hu);
    }
}

/// Draws the heart in its fat, with its chambers.
pub(super) fn draw_heart(patient: &mut Patient) {
    let r = &mut patient.random;
    let size = r.about(1.0, 0.08).clamp(0.8, 1.3);
    let at = Vec3::new(20.0 + r.about(0.0, 5.0), -62.0 + r.about(0.0, 4.0), 141.0);
    let turn = Quat::from_rotation_z(-0.6 + r.about(0.0, 0.12))
        * Quat::from_rotation_y(0.52 + r.about(0.0, 0.12));
    let centre = patient.breathed(at, 0.7);
    let heart = Ellipsoid::new(centre, Vec3::new(66.0, 47.0, 50.0) * size).turned(turn);
    let fat = Ellipsoid::new(centre, Vec3::new(66.0, 47.0, 50.0) * size + 5.0).turned(turn);
    let fat_hu = patient.tissue.fat;
    let Patient { body, canvas, .. } = patient;
    let within = |h: &Here| {
        let floor = body.diaphragm(h.p, h.radius.min(0.55)) - h.p.z;
        smooth_max(h.cavity + 4.0, floor - 3.0, 6.0)
    };
    canvas.paint(Tag::Of(Structure::Fat), fat.bounds(), fat_hu, |h| {
        fat.distance(h.p).max(within(h))
    });
    canvas.add(heart.bounds(), |h| {
        smooth_max(heart.distance(h.p), within(h) + 3.0, 5.0)
    });
    canvas.fill(
        Tag::Of(Structure::Heart),
        Patient::uneven(patient.tissue.myocardium, 5.0),
    );
    // In the heart's own axes x points to the apex, y to the back, z to the head.
    let (left, right) = (patient.tissue.aorta, patient.tissue.right_heart);
    for (x, y, z, rx, ry, rz, hu) in [
        (14.0, 10.0, -2.0, 32.0, 19.0, 21.0, left),
        (8.0, -20.0, 2.0, 38.0, 15.0, 28.0, right),
        (-30.0, 18.0, 12.0, 21.0, 18.0, 21.0, left),
        (-34.0, -14.0, 2.0, 20.0, 20.0, 27.0, right),
    ] {
        let chamber = Ellipsoid::new(
            centre + turn * (Vec3::new(x, y, z) * size),
            Vec3::new(rx, ry, rz) * size,
        )
        .turned(turn);
        let label = Structure::Heart.label();
        patient.canvas.paint(Tag::Keep, chamber.bounds(), hu, |h| {
            if h.label == label {
                chamber.distance(h.p).max(heart.distance(h.p) + 4.0)
            } else {
                f32::INFINITY
            }
        });
    }
}

/// Draws the gullet and the airways.
pub(super) fn draw_tubes(patient: &mut Patient) {
    let soft = patient.tissue.bowel_wall;
    let gas = patient.random.chance(0.5);
    let wide = patient.random.range(6.5, 9.5);
    let gullet: Vec<Knot> = [
        (0.0, 24.0, 345.0, 0.8),
        (2.0, 26.0, 270.0, 0.9),
        (4.0, 27.0, 215.0, 1.0),
        (3.0, 34.0, 160.0, 1.0),
        (8.0, 42.0, 110.0, 1.05),
        (22.0, 50.0, 78.0, 1.1),
        (38.0, 58.0, 62.0, 1.2),
    ]
    .map(|(x, before, z, r)| {
        let p = patient.by_spine(x, before, z);
        knot(p.x, p.y, p.z, r * wide)
    })
    .to_vec();
    for segment in tube(&gullet, 3) {
        patient
            .canvas
            .add(segment.bounds(), |h| segment.distance(h.p));
    }
    patient
        .canvas
        .fill(Tag::Of(Structure::Oesophagus), |lattice, h, d| {
            if gas && d < -wide * 0.45 && lattice.at(h.p / 40.0) > 0.1 {
                -700.0
            } else {
                soft
            }
        });

    let carina = patient.by_spine(-1.0, 36.0, 213.0);
    let radius = patient.random.range(7.5, 10.0);
    let top = patient.by_spine(0.0, 36.0, 345.0);
    let middle = patient.by_spine(0.0, 38.0, 275.0);
    let mut lines = vec![vec![
        knot(top.x, top.y, top.z, radius),
        knot(middle.x, middle.y, middle.z, radius),
        knot(carina.x, carina.y, carina.z, radius * 1.05),
    ]];
    for side in Laterality::BOTH {
        let s = side.sign();
        let hilum = carina + Vec3::new(s * 38.0, 8.0, if s < 0.0 { -34.0 } else { -38.0 });
        lines.push(vec![
            Knot {
                at: carina,
                radius: radius * 0.8,
            },
            Knot {
                at: hilum,
                radius: radius * 0.6,
            },
        ]);
    }
    for (tag, thicker, hu) in [
        (Tag::Nameless, 2.0, soft),
        (Tag::Of(Structure::Trachea), 0.0, patient.tissue.air + 15.0),
    ] {
        for line in &lines {
            for mut segment in tube(line, 3) {
                segment.from.radius += thicker;
                segment.to.radius += thicker;
                patient
                    .canvas
                    .add(segment.bounds(), |h| segment.distance(h.p));
            }
        }
        patient.canvas.fill(tag, |_, _, _| hu);
    }
}

/// Draws the pulmonary trunk, the great veins and, in the upper chest, the thyroid's bed.
pub(super) fn draw_great_vessels(patient: &mut Patient) {
    let right = patient.tissue.right_heart;
    let lines = [
        // The pulmonary trunk and its two arteries.
        vec![
            knot(14.0, -84.0, 168.0, 14.0),
            knot(18.0, -58.0, 196.0, 14.0),
            knot(14.0, -36.0, 200.0, 13.0),
        ],
        vec![
            knot(14.0, -40.0, 200.0, 11.0),
            knot(-14.0, -26.0, 196.0, 11.0),
            knot(-44.0, -14.0, 190.0, 8.0),
        ],
        vec![
            knot(16.0, -38.0, 200.0, 11.0),
            knot(36.0, -18.0, 204.0, 10.0),
            knot(48.0, -8.0, 196.0, 8.0),
        ],
        // The superior vena cava and the two veins it is made of.
        vec![
            knot(-28.0, -46.0, 168.0, 10.0),
            knot(-30.0, -48.0, 215.0, 9.5),
            knot(-27.0, -46.0, 245.0, 9.0),
        ],
        vec![
            knot(-27.0, -46.0, 245.0, 8.0),
            knot(-32.0, -40.0, 285.0, 7.0),
            knot(-40.0, -30.0, 330.0, 6.0),
        ],
        vec![
            knot(-26.0, -48.0, 245.0, 7.0),
            knot(8.0, -56.0, 258.0, 7.0),
            knot(34.0, -42.0, 285.0, 7.0),
            knot(40.0, -30.0, 330.0, 6.0),
        ],
    ];
    for line in &lines {
        let segments = tube(line, 3);
        patient.draw_tube(Tag::Nameless, &segments, right);
    }
    // Thyroid lobes beside the windpipe.
    let hu = if patient.phase == super::Phase::NonContrast {
        100.0
    } else {
        150.0
    };
    for side in Laterality::BOTH {
        let at = patient.by_spine(side.sign() * 19.0, 38.0, 322.0);
        let lobe = Ellipsoid::new(at, Vec3::new(8.0, 9.0, 22.0));
        patient.draw_ellipsoid(Tag::Nameless, &lobe, hu);
    }
}
