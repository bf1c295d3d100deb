//! How a phantom is scanned: part of the body, plane, place in the scanner and voxels.

use glam::{DAffine3, DMat3, DQuat, DVec3, UVec3, Vec3};

use super::body::Body;
use crate::dataset::Random;
use m3d_imaging::geometry::{Orientation, VoxelGrid};

/// The part of the body in the field of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Region {
    /// From the apices of the lungs to the upper abdomen.
    Chest,
    /// From the diaphragm to the iliac crests.
    Abdomen,
    /// From the iliac crests to the hips.
    Pelvis,
    /// Chest and abdomen.
    ChestAbdomen,
    /// Abdomen and pelvis.
    AbdomenPelvis,
    /// The whole trunk.
    Torso,
}

impl Region {
    /// All regions.
    pub const ALL: [Self; 6] = [
        Self::Chest,
        Self::Abdomen,
        Self::Pelvis,
        Self::ChestAbdomen,
        Self::AbdomenPelvis,
        Self::Torso,
    ];

    /// As answers name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chest => "chest",
            Self::Abdomen => "abdomen",
            Self::Pelvis => "pelvis",
            Self::ChestAbdomen => "chest and abdomen",
            Self::AbdomenPelvis => "abdomen and pelvis",
            Self::Torso => "chest, abdomen and pelvis",
        }
    }

    /// The heights it usually spans in body mm.
    const fn span(self) -> [f32; 2] {
        match self {
            Self::Chest => [35.0, 305.0],
            Self::Abdomen => [-125.0, 115.0],
            Self::Pelvis => [-305.0, -95.0],
            Self::ChestAbdomen => [-120.0, 305.0],
            Self::AbdomenPelvis => [-305.0, 115.0],
            Self::Torso => [-300.0, 305.0],
        }
    }
}

/// What is asked of a phantom's grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhantomConfig {
    /// Slices, rows and columns of the volume.
    pub size: [usize; 3],
    /// Pixels as a scanner makes them, square, instead of the body filling the picture.
    pub square_pixels: bool,
    /// The part of the body; any where none is named.
    pub region: Option<Region>,
    /// How far voxels, values and shapes stray from the usual: 0 clean and typical, 1 the full variety
    /// for training.
    pub variety: f32,
    /// How likely each kind of finding is in a phantom that is not healthy, 0 to 1.
    pub findings: f32,
}

impl Default for PhantomConfig {
    /// The small model's image: 32 slices of 64 x 64.
    fn default() -> Self {
        Self {
            size: [32, 64, 64],
            square_pixels: false,
            region: None,
            variety: 1.0,
            findings: 0.24,
        }
    }
}

/// A scan as it was set up.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    pub plane: Orientation,
    pub region: Region,
    pub grid: VoxelGrid,
    pub patient_from_body: DAffine3,
    pub arms_down: bool,
    pub table: bool,
    /// Half the width of the trunk, for the arms beside it.
    pub half_width_mm: f32,
    /// The lowest place of the back in the scanner, from the body's origin.
    pub table_top_mm: f32,
    /// The share of each neighbour in a slice: 0 for thin slices, 1/8 for touching ones.
    pub slice_blur: f32,
    /// Half the width of an edge within a slice, in mm.
    pub soft_mm: f32,
}

/// The heights in body mm that a scan covers.
struct Span {
    low: f32,
    high: f32,
}

impl Scan {
    /// A scan of a body; `None` only where the size makes no grid.
    pub fn new(body: &Body, config: &PhantomConfig, random: &mut Random) -> Option<Self> {
        let region = config
            .region
            .unwrap_or_else(|| *random.pick(&Region::ALL).unwrap_or(&Region::Abdomen));
        let variety = config.variety;
        let plane = match random.unit() {
            u if u < 0.08 * variety => Orientation::Coronal,
            u if u < 0.16 * variety => Orientation::Sagittal,
            _ => Orientation::Axial,
        };
        let (span, region) = span_of(region, body, random, variety);
        let arms_down = random.chance(0.16 * variety);
        let table = random.chance(0.75);
        let patient_from_body = place(random, variety);
        let mut scan = Self {
            plane,
            region,
            grid: VoxelGrid::new(UVec3::ONE, DAffine3::IDENTITY).ok()?,
            patient_from_body,
            arms_down,
            table,
            half_width_mm: [-60.0, 60.0, 150.0]
                .map(|z| body.skin_extent(z)[0])
                .into_iter()
                .fold(0.0, f32::max),
            table_top_mm: 0.0,
            slice_blur: if random.chance(0.5) {
                random.range(0.0, 0.125) * variety
            } else {
                0.0
            },
            soft_mm: random.range(0.7, 1.4 + 1.6 * variety),
        };
        let [low, high] = scan.extent(body, &span, random, config);
        scan.grid = scan.grid_over(low, high, config, random)?;
        Some(scan)
    }

    /// The box in patient mm that the scan shows.
    fn extent(
        &mut self,
        body: &Body,
        span: &Span,
        random: &mut Random,
        config: &PhantomConfig,
    ) -> [DVec3; 2] {
        let mut low = DVec3::INFINITY;
        let mut high = DVec3::NEG_INFINITY;
        let mut back = f64::NEG_INFINITY;
        let rows = 24;
        for row in 0..=rows {
            let z = span.low + (span.high - span.low) * row as f32 / rows as f32;
            let [half_width, front, rear] = body.skin_extent(z);
            for (x, y) in [
                (-half_width, 0.0),
                (half_width, 0.0),
                (0.0, front),
                (0.0, rear),
            ] {
                let p = self
                    .patient_from_body
                    .transform_point3(Vec3::new(x, y, z).as_dvec3());
                low = low.min(p);
                high = high.max(p);
                back = back.max(p.y);
            }
        }
        let origin = self.patient_from_body.translation;
        self.table_top_mm = (back - origin.y) as f32;
        // The heights are what was asked for, whatever the tilt adds to them.
        let ends = [span.low, span.high].map(|z| {
            self.patient_from_body
                .transform_point3(DVec3::Z * f64::from(z))
                .z
        });
        (low.z, high.z) = (ends[0], ends[1]);
        if self.arms_down && random.chance(0.8) {
            let s = f64::from(self.half_width_mm) + 92.0;
            low.x = low.x.min(origin.x - s);
            high.x = high.x.max(origin.x + s);
        }
        let variety = f64::from(config.variety);
        let mut some = |most: f64| f64::from(random.range(0.0, 1.0)) * most * variety;
        // Skin near the edge, air around, or the table in the picture.
        low -= DVec3::new(2.0 + some(10.0), 2.0 + some(10.0), 0.0);
        high += DVec3::new(2.0 + some(10.0), 2.0 + some(8.0), 0.0);
        if self.table && (config.square_pixels || some(1.0) > 0.45) {
            high.y += 20.0 + some(50.0);
            let wide = 180.0 + some(70.0);
            low.x = low.x.min(origin.x - wide);
            high.x = high.x.max(origin.x + wide);
        }
        if some(1.0) > 0.82 {
            // A small field of view cuts the body off.
            let part = 1.0 - some(0.3);
            let centre = (low + high) * 0.5;
            let centre =
                centre + DVec3::new(some(36.0) - 18.0, some(30.0) - 15.0, 0.0) * (1.0 - part) * 4.0;
            let half = (high - low) * 0.5 * part;
            (low.x, high.x) = (centre.x - half.x, centre.x + half.x);
            (low.y, high.y) = (centre.y - half.y, centre.y + half.y);
        }
        [low, high]
    }

    fn grid_over(
        &self,
        low: DVec3,
        high: DVec3,
        config: &PhantomConfig,
        random: &mut Random,
    ) -> Option<VoxelGrid> {
        let [depth, height, width] = config.size.map(|n| u32::try_from(n).unwrap_or(0));
        let turned = random.chance(0.4 * config.variety);
        // Directions of columns, rows and slices. No order of storing mirrors the patient.
        let [i, j, k] = match self.plane {
            Orientation::Axial if turned => [DVec3::NEG_X, DVec3::NEG_Y, DVec3::Z],
            Orientation::Axial => [DVec3::X, DVec3::Y, DVec3::Z],
            Orientation::Coronal => [DVec3::X, DVec3::NEG_Z, DVec3::Y],
            Orientation::Sagittal => [DVec3::Y, DVec3::NEG_Z, DVec3::NEG_X],
        };
        let size = high - low;
        let along = |axis: DVec3| axis.abs().dot(size);
        let mut sides = DVec3::new(along(i), along(j), along(k));
        let dims = UVec3::new(width, height, depth);
        if config.square_pixels {
            let pixel = (sides.x / f64::from(width.max(1))).max(sides.y / f64::from(height.max(1)));
            sides.x = pixel * f64::from(width);
            sides.y = pixel * f64::from(height);
        }
        let spacing = sides / dims.as_dvec3();
        let axes = DMat3::from_cols(i * spacing.x, j * spacing.y, k * spacing.z);
        let centre = (low + high) * 0.5;
        let origin = centre - axes * ((dims.as_dvec3() - 1.0) * 0.5);
        VoxelGrid::new(dims, DAffine3::from_mat3_translation(axes, origin)).ok()
    }
}

/// The heights that are scanned, and the part of the body they really show.
fn span_of(region: Region, body: &Body, random: &mut Random, variety: f32) -> (Span, Region) {
    let [low, high] = region.span();
    let mut span = Span {
        low: low + random.about(0.0, 14.0) * variety,
        high: high + random.about(0.0, 12.0) * variety - body.breath * 0.3,
    };
    if random.chance(0.22 * variety) {
        // A thin stack from anywhere within the region.
        let thick = random.range(35.0, 120.0);
        let room = (span.high - span.low - thick).max(0.0);
        span.low += room * random.unit();
        span.high = span.low + thick;
        let middle = f32::midpoint(span.low, span.high);
        let shown = if middle > 95.0 {
            Region::Chest
        } else if middle > -105.0 {
            Region::Abdomen
        } else {
            Region::Pelvis
        };
        return (span, shown);
    }
    (span, region)
}

/// Pose: turn, size and place in the scanner.
fn place(random: &mut Random, variety: f32) -> DAffine3 {
    let mut r = |deviation: f32| f64::from(random.about(0.0, deviation));
    let v = f64::from(variety);
    let turn = DQuat::from_rotation_z(r(0.075) * v)
        * DQuat::from_rotation_y(r(0.03) * v)
        * DQuat::from_rotation_x(r(0.035) * v);
    let size = 1.0 + r(0.06) * v;
    let scale = DVec3::new(
        size * (1.0 + r(0.02) * v),
        size * (1.0 + r(0.02) * v),
        size * (1.0 + r(0.04) * v),
    );
    let at = DVec3::new(r(12.0), -160.0 + r(30.0), -400.0 + r(300.0));
    DAffine3::from_scale_rotation_translation(scale, turn, at)
}
