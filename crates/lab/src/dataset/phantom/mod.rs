//! Bodies that never lived: CT volumes of the trunk, made from a seed, with everything in them known.
//!
//! A phantom is drawn in `body` space (mm, LPS directions, origin in the first lumbar vertebra), whose
//! frame is a table of cross-sections, a spine and a diaphragm. Organs are solids between
//! those; all of it is moved by one smooth displacement, so that what touches keeps touching. Each
//! solid is drawn straight onto the target grid with an edge as soft as the scanner's, one over
//! another. The scanner's part (thickness of slices, sharpness, noise, streaks, calibration) comes last.

mod abdomen;
mod body;
mod bowel;
mod canvas;
mod chest;
mod finding;
mod girdles;
mod image;
mod noise;
mod patient;
mod scan;
mod shape;
mod skeleton;
mod tissue;
mod torso;
mod vessels;

use std::sync::Arc;

use glam::{DVec3, UVec3, Vec3};

pub use finding::{FindingKind, PhantomFinding};
pub use scan::{PhantomConfig, Region};
pub use tissue::Phase;

use super::{Laterality, Random, Structure};
use body::Body;
use canvas::{Canvas, Tag};
use finding::{Findings, Plan};
use image::Image;
use m3d_imaging::geometry::{Orientation, VoxelGrid};
use m3d_imaging::volume::{Modality, Rescale, Units, Volume, VolumeError, Voxels};
use noise::{Lattice, Warp};
use patient::Patient;
use scan::Scan;
use skeleton::{Break, Collapse, LEVELS};
use tissue::Tissue;

/// Why a phantom cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PhantomError {
    /// The size has an empty axis or too many voxels.
    #[error(
        "a phantom of {0} x {1} x {2} voxels cannot be made; use sizes from 8 to 1024 with at most \
         {MOST_VOXELS} voxels in all"
    )]
    Size(usize, usize, usize),
    /// The voxels do not make a volume.
    #[error("the phantom is no volume: {0}")]
    Volume(#[from] VolumeError),
}

/// The most voxels of a phantom: 512 x 512 x 512.
pub const MOST_VOXELS: usize = 512 * 512 * 512;

/// A phantom with everything that is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Phantom {
    /// The seed it was made from.
    pub seed: u64,
    /// The image in Hounsfield units, stored as i16, with its place in the patient (LPS).
    pub volume: Volume,
    /// The [`Structure`] of each voxel by its label, 0 for none, in the volume's memory order.
    pub labels: Vec<u8>,
    /// The number of the finding each voxel belongs to, 0 for none.
    pub finding_labels: Vec<u8>,
    /// What is wrong and can be seen.
    pub findings: Vec<PhantomFinding>,
    /// The plane the slices lie in.
    pub plane: Orientation,
    /// When it was taken after contrast medium.
    pub phase: Phase,
    /// The part of the body it was planned to show.
    pub region: Region,
}

impl Phantom {
    /// Makes the phantom of a seed. The same seed and configuration give the same phantom.
    ///
    /// # Errors
    /// When the size cannot be made.
    pub fn new(seed: u64, config: &PhantomConfig) -> Result<Self, PhantomError> {
        let [d, h, w] = config.size;
        let count = d.checked_mul(h).and_then(|n| n.checked_mul(w));
        let usable = config.size.iter().all(|n| (8..=1024).contains(n));
        let refused = PhantomError::Size(d, h, w);
        if !usable || count.is_none_or(|n| n > MOST_VOXELS) {
            return Err(refused);
        }
        let body = Body::new(&mut Random::new(seed, "body"));
        let scan = Scan::new(&body, config, &mut Random::new(seed, "scan")).ok_or(refused)?;
        let mut random = Random::new(seed, "contrast");
        let phase = *random.pick(&Phase::ALL).unwrap_or(&Phase::PortalVenous);
        let unusual = if random.chance(0.3 * config.variety) {
            random.unit()
        } else {
            0.0
        };
        let tissue = Tissue::new(&mut random, phase, unusual);
        let mut random = Random::new(seed, "warp");
        let lattice = Arc::new(Lattice::new(&mut random));
        let warp = Warp::new(&mut random);
        let canvas = Canvas::new(
            &scan.grid,
            scan.patient_from_body,
            lattice,
            warp,
            scan.soft_mm,
            tissue.air,
        );
        let mut patient = Patient {
            body,
            tissue,
            phase,
            canvas,
            random: Random::new(seed, "shapes"),
        };
        let findings = draw(&mut patient, &scan, seed, config);
        torso::draw_surroundings(
            &mut patient.canvas,
            &scan,
            &patient.tissue,
            &mut Random::new(seed, "around"),
        );
        expose(&mut patient.canvas, &scan, seed, config.variety);
        Self::finish(seed, patient, &scan, findings)
    }

    fn finish(
        seed: u64,
        patient: Patient,
        scan: &Scan,
        mut findings: Vec<PhantomFinding>,
    ) -> Result<Self, PhantomError> {
        let Canvas {
            hu,
            labels,
            findings: mut marks,
            ..
        } = patient.canvas;
        // What later parts drew over, or too little of which is in the picture, cannot be seen.
        let mut counts = [0_usize; 256];
        for &mark in &marks {
            counts[usize::from(mark)] += 1;
        }
        // What is left of it after all has been drawn must show.
        let least = |f: &PhantomFinding| match f.kind {
            FindingKind::Splenomegaly => (15.0 / scan.grid.voxel_ml()).ceil() as usize,
            FindingKind::KidneyStone => 2,
            FindingKind::AorticCalcification => 4,
            FindingKind::PleuralEffusion => 24,
            _ => 10,
        };
        findings.retain(|f| counts[usize::from(f.number)] >= least(f));
        let mut renumber = [0_u8; 256];
        for (finding, number) in findings.iter_mut().zip(1..) {
            renumber[usize::from(finding.number)] = number;
            finding.number = number;
        }
        for mark in &mut marks {
            *mark = renumber[usize::from(*mark)];
        }
        let voxels = hu
            .iter()
            .map(|v| v.round().clamp(-1024.0, 3071.0) as i16)
            .collect();
        let volume = Volume::new(
            scan.grid,
            Voxels::I16(voxels),
            Rescale::IDENTITY,
            Modality::Ct,
            Units::Hounsfield,
        )?;
        Ok(Self {
            seed,
            volume,
            labels,
            finding_labels: marks,
            findings,
            plane: scan.plane,
            phase: patient.phase,
            region: scan.region,
        })
    }

    /// Size and place.
    pub const fn grid(&self) -> &VoxelGrid {
        self.volume.grid()
    }

    /// How many voxels each label has, from 0 on.
    pub fn counts(&self) -> [usize; 256] {
        let mut counts = [0; 256];
        for &label in &self.labels {
            counts[usize::from(label)] += 1;
        }
        counts
    }

    /// The structures of which at least `least_ml` mL are in the picture, in the order of their labels.
    pub fn structures(&self, least_ml: f64) -> Vec<Structure> {
        let counts = self.counts();
        let voxel = self.grid().voxel_ml();
        let shown = |s: &Structure| {
            let n = counts[usize::from(s.label())];
            n > 0 && n as f64 * voxel >= least_ml
        };
        Structure::ALL.iter().copied().filter(shown).collect()
    }

    /// Whether a kind of finding is present.
    pub fn has(&self, kind: FindingKind) -> bool {
        self.findings.iter().any(|f| f.kind == kind)
    }
}

/// Draws the body from the outside in, then what is wrong with it.
fn draw(
    patient: &mut Patient,
    scan: &Scan,
    seed: u64,
    config: &PhantomConfig,
) -> Vec<PhantomFinding> {
    let mut random = Random::new(seed, "findings");
    let plan = Plan::new(&mut random, 0.15, config.findings);
    let spacing = scan.grid.spacing_mm();
    let mut found = Findings {
        list: Vec::new(),
        voxel_mm: spacing.element_product().cbrt() as f32,
    };
    torso::draw_layers(patient);
    chest::draw_lungs(patient);
    chest::draw_great_vessels(patient);
    if plan.has(FindingKind::PleuralEffusion) {
        found.draw_effusion(patient, &mut random);
    }
    chest::draw_heart(patient);
    bowel::draw_small_bowel(patient);
    bowel::draw_colon(patient);
    bowel::draw_stomach(patient);
    vessels::draw_vena_cava(patient);
    abdomen::draw_liver(patient);
    draw_spleen(patient, &mut found, &mut random, &plan);
    abdomen::draw_gallbladder(patient);
    abdomen::draw_pancreas(patient);
    let kidneys = Laterality::BOTH.map(|side| abdomen::draw_kidney(patient, side));
    abdomen::draw_adrenals(patient, &kidneys);
    abdomen::draw_bladder(patient);
    torso::draw_muscles(patient);
    chest::draw_tubes(patient);
    let aorta = vessels::draw_aorta(patient);
    draw_bones(patient, scan, &mut found, &mut random, &plan);
    if plan.has(FindingKind::LiverLesion) {
        found.draw_liver_lesion(patient, &mut random);
    }
    if plan.has(FindingKind::KidneyStone) {
        found.draw_kidney_stone(patient, &kidneys, &mut random);
    }
    if plan.has(FindingKind::LungNodule) {
        found.draw_lung_nodule(patient, &mut random);
    }
    if plan.has(FindingKind::AorticCalcification) {
        found.draw_calcification(patient, &aorta, &mut random);
    }
    found.list
}

fn draw_spleen(patient: &mut Patient, found: &mut Findings, random: &mut Random, plan: &Plan) {
    let large = plan.has(FindingKind::Splenomegaly);
    let size = if large {
        random.range(1.4, 1.75)
    } else {
        random.range(0.9, 1.16)
    };
    let tag = if large {
        Tag::FindingIn(Structure::Spleen, found.next_number())
    } else {
        Tag::Of(Structure::Spleen)
    };
    let length = abdomen::draw_spleen(patient, size, tag);
    if large {
        let facts = (Some(Laterality::Left), "", length, 1);
        found.push(FindingKind::Splenomegaly, Structure::Spleen, facts, None);
    }
}

fn draw_bones(
    patient: &mut Patient,
    scan: &Scan,
    found: &mut Findings,
    random: &mut Random,
    plan: &Plan,
) {
    let shows = |p: Vec3, margin: f64| {
        let v = scan
            .grid
            .voxel_from_patient()
            .transform_point3(scan.patient_from_body.transform_point3(p.as_dvec3()));
        v.cmpge(DVec3::splat(margin)).all()
            && v.cmple(scan.grid.dims().as_dvec3() - 1.0 - margin).all()
    };
    let levels: Vec<usize> = (0..LEVELS.len())
        .filter(|&n| shows(patient.by_spine(0.0, 0.0, LEVELS[n].z), 1.0))
        .filter(|&n| LEVELS[n].z < 250.0)
        .collect();
    let collapse = if plan.has(FindingKind::VertebralFracture) {
        random.pick(&levels).map(|&level| Collapse {
            level,
            left: random.range(0.3, 0.6),
            finding: found.next_number(),
        })
    } else {
        None
    };
    if let Some(c) = collapse {
        // Bone that gives way is porous: the body that sank in is white among grey ones.
        let porous = random.range(70.0, 120.0);
        patient.tissue.trabecular = patient.tissue.trabecular.min(porous);
        let lost = (1.0 - c.left) * 100.0;
        let facts = (None, LEVELS[c.level].name, lost, 1);
        found.push(
            FindingKind::VertebralFracture,
            Structure::Vertebrae,
            facts,
            None,
        );
    }
    let (ribs, cartilages) = skeleton::lay_ribs(patient);
    let mut pieces = Vec::new();
    for (n, rib) in ribs.iter().enumerate() {
        for (m, segment) in rib.segments.iter().enumerate().skip(8) {
            if shows(0.5 * (segment.from.at + segment.to.at), 1.0) {
                pieces.push((n, m));
            }
        }
    }
    let broken = if plan.has(FindingKind::RibFracture) {
        random.pick(&pieces).map(|&(rib, piece)| Break {
            rib,
            piece,
            callus_mm: (found.voxel_mm * 1.9).max(10.0),
            finding: found.next_number(),
        })
    } else {
        None
    };
    if let Some(b) = broken {
        let rib = &ribs[b.rib];
        let facts = (Some(rib.side), ORDINALS[rib.number - 1], 8.0, 1);
        found.push(FindingKind::RibFracture, Structure::Ribs, facts, None);
    }
    girdles::draw_shoulders(patient, scan.arms_down);
    girdles::draw_pelvis(patient);
    skeleton::draw_ribs(patient, &ribs, &cartilages, broken);
    skeleton::draw_spine(patient, collapse);
}

const ORDINALS: [&str; 12] = [
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth",
];

/// What scanner, kernel and file do to the values.
fn expose(canvas: &mut Canvas, scan: &Scan, seed: u64, variety: f32) {
    let mut random = Random::new(seed, "image");
    let r = &mut random;
    let dims = scan.grid.dims().to_array().map(|n| n as usize);
    // The memory axes that run from front to back and from side to side.
    let (front_back, across) = match scan.plane {
        Orientation::Axial => (1, 0),
        Orientation::Coronal => (2, 0),
        Orientation::Sagittal => (0, 2),
    };
    let mut image = Image {
        dims,
        hu: &mut canvas.hu,
    };
    if r.chance(0.3 * variety) {
        let strength = r.range(2.0, 14.0);
        image.add_streaks(r, strength, front_back, across);
    }
    let sigma = ((2.2 + 0.75 * r.normal()).exp() * variety).clamp(1.0, 45.0);
    let grain = if r.chance(0.5) { r.unit() } else { 0.0 };
    image.add_noise(r, sigma, grain);
    if scan.slice_blur > 0.0 {
        image.mix(2, scan.slice_blur);
    }
    match r.unit() {
        u if u < 0.22 * variety => {
            let share = r.range(0.03, 0.2);
            image.mix(0, share);
            image.mix(1, share);
        }
        u if u < 0.36 * variety => {
            let share = -r.range(0.02, 0.1);
            image.mix(0, share);
            image.mix(1, share);
        }
        _ => {}
    }
    if r.chance(0.5 * variety) {
        let (shift, gain) = (r.about(0.0, 9.0), r.about(1.0, 0.025));
        let bend = r.about(0.0, 0.12);
        image.recalibrate(shift, gain, bend);
    }
    if r.chance(0.06 * variety) {
        // Some files keep a display's window only.
        let low = r.range(-1000.0, -150.0);
        let high = r.range(240.0, 1200.0);
        for value in image.hu.iter_mut() {
            *value = value.clamp(low, high);
        }
    }
}

/// The size in voxels of a grid as `[D,H,W]`.
pub fn size_of(grid: &VoxelGrid) -> [usize; 3] {
    let UVec3 { x, y, z } = grid.dims();
    [z as usize, y as usize, x as usize]
}
