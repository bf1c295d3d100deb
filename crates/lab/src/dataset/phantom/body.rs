//! The frame of a body: its cross-sections, its spine and its diaphragm.
//!
//! `body` space is in mm with DICOM's LPS directions: x to the left, y to the back, z to the head. The
//! origin is the middle of the first lumbar vertebral body.

use glam::Vec3;

use crate::dataset::Random;

/// Heights between two rows of the tables below, and of the tables made from them, in mm.
const STEP: f32 = 2.0;
const LOWEST: f32 = -470.0;
const ROWS: usize = 460;

/// The cavity of chest, belly and pelvis by height: half width, front, back.
const CAVITY: [(f32, [f32; 3]); 16] = [
    (-420.0, [4.0, -30.0, -15.0]),
    (-320.0, [10.0, -45.0, 15.0]),
    (-285.0, [48.0, -80.0, 40.0]),
    (-255.0, [62.0, -97.0, 46.0]),
    (-200.0, [92.0, -114.0, 48.0]),
    (-140.0, [122.0, -126.0, 44.0]),
    (-70.0, [129.0, -134.0, 56.0]),
    (0.0, [138.0, -130.0, 62.0]),
    (70.0, [140.0, -124.0, 66.0]),
    (150.0, [130.0, -112.0, 66.0]),
    (210.0, [110.0, -92.0, 66.0]),
    (255.0, [86.0, -68.0, 60.0]),
    (285.0, [58.0, -46.0, 50.0]),
    (305.0, [30.0, -28.0, 30.0]),
    (330.0, [14.0, -22.0, 0.0]),
    (450.0, [12.0, -22.0, -4.0]),
];
/// The muscles around it: thickness at the side, in front, behind.
const MUSCLE: [(f32, [f32; 3]); 13] = [
    (-420.0, [165.0, 55.0, 85.0]),
    (-300.0, [145.0, 30.0, 62.0]),
    (-255.0, [102.0, 9.0, 48.0]),
    (-200.0, [66.0, 8.0, 40.0]),
    (-160.0, [30.0, 7.0, 38.0]),
    (-120.0, [9.0, 7.0, 26.0]),
    (-60.0, [8.0, 7.0, 17.0]),
    (0.0, [10.0, 8.0, 15.0]),
    (100.0, [13.0, 10.0, 20.0]),
    (190.0, [26.0, 19.0, 20.0]),
    (250.0, [86.0, 24.0, 28.0]),
    (295.0, [105.0, 32.0, 40.0]),
    (340.0, [44.0, 36.0, 52.0]),
];
/// How thick the fat beneath the skin is, as multiples of the body's own figure.
const FAT: [(f32, [f32; 3]); 7] = [
    (-320.0, [1.3, 1.0, 1.7]),
    (-220.0, [1.2, 1.3, 1.6]),
    (-100.0, [1.1, 1.5, 1.2]),
    (0.0, [0.9, 1.1, 0.9]),
    (100.0, [0.6, 0.7, 0.6]),
    (230.0, [0.6, 0.6, 0.6]),
    (320.0, [0.5, 0.4, 0.5]),
];
/// Where the middle of the vertebral bodies lies from front to back.
const SPINE: [(f32, [f32; 3]); 25] = [
    (-330.0, [52.0, 0.0, 0.0]),
    (-290.0, [62.0, 0.0, 0.0]),
    (-250.0, [62.0, 0.0, 0.0]),
    (-215.0, [56.0, 0.0, 0.0]),
    (-178.0, [40.0, 0.0, 0.0]),
    (-150.0, [14.0, 0.0, 0.0]),
    (-136.0, [-4.0, 0.0, 0.0]),
    (-104.0, [-18.0, 0.0, 0.0]),
    (-67.0, [-18.0, 0.0, 0.0]),
    (-33.0, [-9.0, 0.0, 0.0]),
    (0.0, [0.0, 0.0, 0.0]),
    (32.0, [9.0, 0.0, 0.0]),
    (62.0, [16.0, 0.0, 0.0]),
    (90.0, [22.0, 0.0, 0.0]),
    (117.0, [26.0, 0.0, 0.0]),
    (143.0, [29.0, 0.0, 0.0]),
    (168.0, [31.0, 0.0, 0.0]),
    (191.0, [32.0, 0.0, 0.0]),
    (213.0, [31.0, 0.0, 0.0]),
    (234.0, [29.0, 0.0, 0.0]),
    (254.0, [25.0, 0.0, 0.0]),
    (273.0, [19.0, 0.0, 0.0]),
    (291.0, [12.0, 0.0, 0.0]),
    (307.0, [4.0, 0.0, 0.0]),
    (450.0, [-6.0, 0.0, 0.0]),
];

/// One cross-section: a rounded rectangle between an ellipse and a square.
#[derive(Clone, Copy, Debug)]
struct Section {
    half_width: f32,
    front: f32,
    back: f32,
    middle: f32,
}

/// Where a point lies in a cross-section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depth {
    /// Distance from the outline in mm; negative inside.
    pub distance: f32,
    /// 0 in the middle, 1 on the outline.
    pub radius: f32,
}

impl Section {
    fn depth(&self, x: f32, y: f32, square: f32) -> Depth {
        let dy = y - self.middle;
        let half = if dy < 0.0 {
            self.middle - self.front
        } else {
            self.back - self.middle
        };
        let (u, v) = (x / self.half_width, dy / half.max(1.0));
        let (u2, v2) = (u * u, v * v);
        let q = u2 + v2;
        // A squircle (Fernandez-Guasti): a circle at square = 0, a square at 1, without any power.
        let root = (q * q - 4.0 * square * square * u2 * v2).max(0.0).sqrt();
        let radius = ((q + root) * 0.5).sqrt();
        let length = (x * x + dy * dy).sqrt();
        let distance = if radius > 1e-3 {
            length * (1.0 - 1.0 / radius)
        } else {
            -self.half_width.min(half)
        };
        Depth { distance, radius }
    }
}

/// A body's frame.
pub(super) struct Body {
    cavity: Vec<Section>,
    muscle: Vec<Section>,
    skin: Vec<Section>,
    spine: Vec<f32>,
    square: [f32; 3],
    dome_right: f32,
    dome_left: f32,
    dome_drop: f32,
    /// How far organs below the diaphragm are pushed down by the breath, in mm (positive is down).
    pub breath: f32,
    /// How much the belly's own fat pushes the front wall out, in mm.
    pub visceral_mm: f32,
    /// Breasts, as a share of large ones; 0 for none.
    pub breasts: f32,
}

impl Body {
    pub fn new(random: &mut Random) -> Self {
        let fat_mm = (2.6 + 0.55 * random.normal()).exp().clamp(4.0, 42.0);
        let visceral_mm = (random.about(-5.0, 13.0) + 0.35 * fat_mm).clamp(-16.0, 55.0);
        let muscle_share = random.range(0.75, 1.25);
        let breath = random.about(0.0, 13.0);
        let wide = random.about(1.0, 0.05);
        let deep = random.about(1.0, 0.05);
        let chest = random.about(1.0, 0.05);
        let cavity = table(&CAVITY);
        let thickness = table(&MUSCLE);
        let padding = table(&FAT);
        let mut body = Self {
            cavity: Vec::with_capacity(ROWS),
            muscle: Vec::with_capacity(ROWS),
            skin: Vec::with_capacity(ROWS),
            spine: table(&SPINE).iter().map(|row| row[0]).collect(),
            square: [
                random.range(0.6, 0.82),
                random.range(0.5, 0.72),
                random.range(0.3, 0.65),
            ],
            dome_right: 106.0 + random.about(0.0, 6.0) - breath,
            dome_left: 94.0 + random.about(0.0, 6.0) - breath,
            dome_drop: random.range(92.0, 118.0),
            breath,
            visceral_mm,
            breasts: if random.chance(0.4) {
                random.range(0.3, 1.0)
            } else {
                0.0
            },
        };
        for row in 0..ROWS {
            let z = LOWEST + row as f32 * STEP;
            let belly = bump(z, -70.0, 120.0);
            let upper = ((z - 60.0) / 80.0).clamp(0.0, 1.0);
            let share = wide * (1.0 + (chest - 1.0) * upper);
            let [width, front, back] = cavity[row];
            let inner = [
                width * share + 0.25 * visceral_mm * belly,
                front * deep * (1.0 + (chest - 1.0) * upper) - visceral_mm * belly,
                back,
            ];
            let [side, before, behind] = thickness[row].map(|t| t * muscle_share);
            let behind = behind / muscle_share * (0.6 + 0.4 * muscle_share);
            let outer = [inner[0] + side, inner[1] - before, inner[2] + behind];
            let [a, b, c] = padding[row].map(|f| f * fat_mm + 2.0);
            let bare = [outer[0] + a, outer[1] - b, outer[2] + c];
            body.cavity.push(section(inner));
            body.muscle.push(section(outer));
            body.skin.push(section(bare));
        }
        body
    }

    /// Depth in the cavity that holds the organs.
    pub fn cavity(&self, p: Vec3) -> Depth {
        self.cavity[row_of(p.z)].depth(p.x, p.y, self.square[0])
    }

    /// Depth below the outside of the muscles.
    pub fn muscle(&self, p: Vec3) -> Depth {
        self.muscle[row_of(p.z)].depth(p.x, p.y, self.square[1])
    }

    /// Depth below the skin.
    pub fn skin(&self, p: Vec3) -> Depth {
        let bulge = if self.breasts > 0.0 && p.y < -60.0 {
            self.breasts * 42.0 * bump(p.z, 158.0, 72.0) * bump(p.x.abs(), 78.0, 70.0)
        } else {
            0.0
        };
        self.skin[row_of(p.z)].depth(p.x, p.y + bulge, self.square[2])
    }

    /// Half width, front and back of the skin at a height.
    pub fn skin_extent(&self, z: f32) -> [f32; 3] {
        let s = &self.skin[row_of(z)];
        [s.half_width, s.front, s.back]
    }

    /// Half width, front, back and the height of the widest place of the cavity.
    pub fn cavity_extent(&self, z: f32) -> [f32; 4] {
        let s = &self.cavity[row_of(z)];
        [s.half_width, s.front, s.back, s.middle]
    }

    /// The point of the cavity's wall in a direction (0 to the back, 90 degrees to the left of the body
    /// when `side` is 1) at a height, pushed outwards.
    pub fn wall(&self, angle: f32, side: f32, z: f32, outwards_mm: f32) -> Vec3 {
        let s = &self.cavity[row_of(z)];
        let (sin, cos) = angle.sin_cos();
        let half = if cos > 0.0 {
            s.back - s.middle
        } else {
            s.middle - s.front
        };
        let (u, v) = (sin.abs(), cos);
        let q = 1.0_f32;
        let root = (q - 4.0 * self.square[0] * self.square[0] * u * u * v * v)
            .max(0.0)
            .sqrt();
        let stretch = 1.0 / ((q + root) * 0.5).sqrt();
        Vec3::new(
            side * (u * stretch * s.half_width + u * outwards_mm),
            s.middle + v * stretch * half + v * outwards_mm,
            z,
        )
    }

    /// The front-back place of the spine at a height.
    pub fn spine_y(&self, z: f32) -> f32 {
        self.spine[row_of(z)]
    }

    /// The height of the diaphragm above a point of the cavity whose radius is given.
    pub fn diaphragm(&self, p: Vec3, radius: f32) -> f32 {
        let left = smooth_step(p.x, -35.0, 35.0);
        let saddle = (1.0 - (p.x.abs() / 45.0).min(1.0)).powi(2) * 9.0;
        let top = self.dome_right + (self.dome_left - self.dome_right) * left - saddle;
        let behind = smooth_step(p.y, -95.0, -10.0);
        let drop = self.dome_drop * (0.45 + 0.55 * behind);
        // Steep near the wall: the recess between the diaphragm and the ribs is thin.
        let r2 = radius * radius;
        let r4 = r2 * r2;
        top - drop * r4 * r4
    }
}

/// 0 below `low`, 1 above `high`, smooth between.
pub(super) fn smooth_step(x: f32, low: f32, high: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// 1 at `centre`, 0 from `width` away on, smooth between.
pub(super) fn bump(x: f32, centre: f32, width: f32) -> f32 {
    let t = 1.0 - ((x - centre).abs() / width).min(1.0);
    t * t * (3.0 - 2.0 * t)
}

fn section([half_width, front, back]: [f32; 3]) -> Section {
    Section {
        half_width,
        front,
        back,
        // A torso is widest a little behind its middle.
        middle: back - (back - front) * 0.48,
    }
}

fn row_of(z: f32) -> usize {
    (((z - LOWEST) / STEP + 0.5).max(0.0) as usize).min(ROWS - 1)
}

/// A table with a row every [`STEP`], smoothed twice over 34 mm.
fn table(knots: &[(f32, [f32; 3])]) -> Vec<[f32; 3]> {
    const HALF: usize = 8;
    let mut rows: Vec<[f32; 3]> = (0..ROWS)
        .map(|row| between(knots, LOWEST + row as f32 * STEP))
        .collect();
    for _ in 0..2 {
        rows = (0..ROWS)
            .map(|row| {
                let window = &rows[row.saturating_sub(HALF)..(row + HALF + 1).min(ROWS)];
                let mut sum = [0.0; 3];
                for values in window {
                    for (total, value) in sum.iter_mut().zip(values) {
                        *total += value;
                    }
                }
                sum.map(|total| total / window.len() as f32)
            })
            .collect();
    }
    rows
}

fn between(knots: &[(f32, [f32; 3])], z: f32) -> [f32; 3] {
    let above = knots.iter().position(|(height, _)| *height > z);
    match above {
        Some(0) => knots[0].1,
        None => knots[knots.len() - 1].1,
        Some(n) => {
            let ((z0, low), (z1, high)) = (knots[n - 1], knots[n]);
            let t = (z - z0) / (z1 - z0);
            std::array::from_fn(|i| low[i] + (high[i] - low[i]) * t)
        }
    }
}
