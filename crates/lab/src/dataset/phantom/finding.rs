//! What can be wrong with a phantom, and the drawing of it.

use glam::{Quat, Vec3};

use super::abdomen::Kidney;
use super::canvas::Tag;
use super::chest::lung_of;
use super::patient::Patient;
use super::shape::{Ellipsoid, Segment};
use super::tissue::Phase;
use crate::dataset::{Laterality, Random, Structure};

/// The kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FindingKind {
    /// A focal lesion of the liver.
    LiverLesion,
    /// A stone in a kidney.
    KidneyStone,
    /// A solid nodule in a lung.
    LungNodule,
    /// Fluid between lung and wall.
    PleuralEffusion,
    /// Calcified plaque in the aorta's wall.
    AorticCalcification,
    /// An enlarged spleen.
    Splenomegaly,
    /// A collapsed vertebral body.
    VertebralFracture,
    /// A broken rib.
    RibFracture,
}

impl FindingKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::LiverLesion,
        Self::KidneyStone,
        Self::LungNodule,
        Self::PleuralEffusion,
        Self::AorticCalcification,
        Self::Splenomegaly,
        Self::VertebralFracture,
        Self::RibFracture,
    ];

    /// As answers name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LiverLesion => "liver lesion",
            Self::KidneyStone => "kidney stone",
            Self::LungNodule => "lung nodule",
            Self::PleuralEffusion => "pleural effusion",
            Self::AorticCalcification => "aortic calcification",
            Self::Splenomegaly => "splenomegaly",
            Self::VertebralFracture => "vertebral fracture",
            Self::RibFracture => "rib fracture",
        }
    }

    /// Where it is found; of sided organs the right one.
    pub const fn site(self) -> Structure {
        match self {
            Self::LiverLesion => Structure::Liver,
            Self::KidneyStone => Structure::RightKidney,
            Self::LungNodule | Self::PleuralEffusion => Structure::RightLung,
            Self::AorticCalcification => Structure::Aorta,
            Self::Splenomegaly => Structure::Spleen,
            Self::VertebralFracture => Structure::Vertebrae,
            Self::RibFracture => Structure::Ribs,
        }
    }

    /// What it is, in one sentence that does not say its name.
    pub const fn description(self) -> &'static str {
        match self {
            Self::LiverLesion => {
                "A rounded area in the largest abdominal gland whose attenuation differs from the parenchyma around it."
            }
            Self::KidneyStone => {
                "A small, very dense body in the collecting system of the organ that makes urine."
            }
            Self::LungNodule => {
                "A small, round opacity of soft-tissue attenuation that is surrounded by aerated parenchyma."
            }
            Self::PleuralEffusion => {
                "A layer of fluid in the dependent part of the chest between the breathing organ and the wall."
            }
            Self::AorticCalcification => {
                "Dense plaque along the wall of the body's largest artery."
            }
            Self::Splenomegaly => "An enlarged lymphoid organ in the left upper abdomen.",
            Self::VertebralFracture => "A block of the backbone that has lost height in front.",
            Self::RibFracture => "A break in the course of a curved bone of the chest wall.",
        }
    }
}

/// Something wrong, as it was drawn and can be seen.
#[derive(Clone, Debug, PartialEq)]
pub struct PhantomFinding {
    /// What it is.
    pub kind: FindingKind,
    /// The patient's side, for what is on one side.
    pub side: Option<Laterality>,
    /// The structure it is in.
    pub site: Structure,
    /// Where in the structure, in words (`upper`, `right lobe`, `L2`); empty where there is no more to say.
    pub place: &'static str,
    /// The longest diameter of one of them, in mm; of an effusion its depth, of a collapse the height that
    /// is lost, in percent.
    pub size: f32,
    /// How many of the kind are close together under this number.
    pub count: u8,
    /// Whether it is brighter than what is around it; none where that is no question.
    pub bright: Option<bool>,
    /// Its number in the phantom's finding map.
    pub number: u8,
}

/// Which findings a phantom shall have, if its field of view shows where they belong.
#[derive(Clone, Debug)]
pub(super) struct Plan(Vec<FindingKind>);

impl Plan {
    pub fn new(random: &mut Random, healthy: f32, each: f32) -> Self {
        if random.chance(healthy) {
            return Self(Vec::new());
        }
        let kinds = FindingKind::ALL.into_iter();
        Self(kinds.filter(|_| random.chance(each)).collect())
    }

    pub fn has(&self, kind: FindingKind) -> bool {
        self.0.contains(&kind)
    }
}

/// Places that are tried for lesions of the liver and for a nodule.
const PLACES: usize = 24;
/// What is as bright as this is near white where reports are read, and what is dense does not show beside it, in HU.
const BRIGHT: f32 = 190.0;

/// The findings of a phantom while it is drawn.
pub(super) struct Findings {
    pub list: Vec<PhantomFinding>,
    /// The edge of a cube as large as a voxel, in mm: what is wrong is drawn as large as shows on the grid.
    pub voxel_mm: f32,
}

impl Findings {
    /// The number the next finding gets.
    pub fn next_number(&self) -> u8 {
        self.list.len() as u8 + 1
    }

    pub fn push(
        &mut self,
        kind: FindingKind,
        site: Structure,
        (side, place, size, count): (Option<Laterality>, &'static str, f32, u8),
        bright: Option<bool>,
    ) {
        let number = self.next_number();
        self.list.push(PhantomFinding {
            kind,
            side,
            site,
            place,
            size,
            count,
            bright,
            number,
        });
    }

    /// Liver lesions of one kind: cysts, poor or rich in contrast medium.
    pub fn draw_liver_lesion(&mut self, patient: &mut Patient, random: &mut Random) {
        let label = Structure::Liver.label();
        let voxels = patient.canvas.voxels_of(label);
        let liver = patient.tissue.liver;
        let rich = patient.phase == Phase::Arterial && random.chance(0.5);
        let step = if rich {
            random.range(45.0, 90.0)
        } else if random.chance(0.4) {
            // Water, wherever the liver itself is not as dark as that.
            (random.range(0.0, 15.0) - liver).min(-45.0)
        } else {
            -random.range(40.0, 80.0)
        };
        let number = self.next_number();
        let radius = random.range(10.0, 32.0).max(self.voxel_mm * 2.6).min(36.0);
        let count = if random.chance(0.3) {
            2 + random.below(3) as u8
        } else {
            1
        };
        let mut first = None;
        let mut drawn = 0;
        for _ in 0..PLACES {
            if drawn == count {
                break;
            }
            let Some(&at) = random.pick(&voxels) else {
                return;
            };
            let share = if drawn == 0 {
                1.0
            } else {
                random.range(0.6, 0.95)
            };
            let size =
                Vec3::new(1.0, random.range(0.8, 1.0), random.range(0.8, 1.0)) * radius * share;
            let centre = patient.canvas.look(at).p;
            let shape =
                Ellipsoid::new(centre, size).turned(Quat::from_rotation_z(random.range(0.0, 3.0)));
            patient.canvas.add(shape.bounds(), |h| {
                if h.label == label {
                    shape.distance(h.p)
                } else {
                    f32::INFINITY
                }
            });
            // Most of it, not a sliver under the capsule.
            let whole = 4.19 * size.element_product() / self.voxel_mm.powi(3);
            if (patient.canvas.pending() as f32) < 0.85 * whole {
                patient.canvas.discard();
                continue;
            }
            patient.canvas.fill(Tag::Finding(number), |lattice, h, _| {
                liver + step + 4.0 * lattice.at(h.p / 7.0)
            });
            first = first.or(Some(centre));
            drawn += 1;
        }
        if let Some(centre) = first {
            let place = if centre.x < -22.0 {
                "right lobe"
            } else {
                "left lobe"
            };
            let facts = (None, place, 2.0 * radius, drawn);
            self.push(
                FindingKind::LiverLesion,
                Structure::Liver,
                facts,
                Some(step > 0.0),
            );
        }
    }

    /// A stone in the sinus of one kidney.
    pub fn draw_kidney_stone(
        &mut self,
        patient: &mut Patient,
        kidneys: &[Kidney],
        random: &mut Random,
    ) {
        let Some(kidney) = random.pick(kidneys) else {
            return;
        };
        if patient.tissue.renal_pelvis > BRIGHT {
            return;
        }
        let site = match kidney.side {
            Laterality::Right => Structure::RightKidney,
            Laterality::Left => Structure::LeftKidney,
        };
        let pole = random.range(-0.8, 0.8);
        let radius = random.range(3.0, 9.0).max(self.voxel_mm * 1.3).min(12.0);
        let off = Vec3::new(-kidney.side.sign() * 9.0, 0.0, pole * 28.0) * kidney.size;
        let centre = kidney.centre + kidney.turn * off;
        let shape = Ellipsoid::new(centre, Vec3::new(radius, radius * 0.8, radius));
        let label = site.label();
        let mut in_kidney = false;
        for &n in &patient.canvas.voxels_of(label) {
            in_kidney |= (patient.canvas.look(n).p - centre).length() < 22.0;
        }
        patient.canvas.add(shape.bounds(), |h| shape.distance(h.p));
        if !in_kidney || patient.canvas.pending() == 0 {
            patient.canvas.discard();
            return;
        }
        let hu = random.range(400.0, 1300.0);
        let number = self.next_number();
        patient
            .canvas
            .fill(Tag::FindingIn(site, number), |_, _, _| hu);
        let place = third(pole, 0.27, ["lower pole", "middle third", "upper pole"]);
        let facts = (Some(kidney.side), place, 2.0 * radius, 1);
        self.push(FindingKind::KidneyStone, site, facts, None);
    }

    /// A nodule well inside a lung.
    pub fn draw_lung_nodule(&mut self, patient: &mut Patient, random: &mut Random) {
        let side = if random.chance(0.5) {
            Laterality::Right
        } else {
            Laterality::Left
        };
        let site = lung_of(side);
        // Larger than a vessel seen end on; a nodule has at most 30 mm.
        let radius = random.range(5.0, 15.0).max(self.voxel_mm * 2.1).min(15.0);
        let flat = random.range(0.85, 1.0);
        let label = site.label();
        let voxels: Vec<u32> = patient
            .canvas
            .voxels_of(label)
            .into_iter()
            .filter(|&n| patient.canvas.look(n).cavity < -radius - 6.0)
            .collect();
        let mut places = (0..PLACES).map_while(|_| random.pick(&voxels));
        let free = places.find_map(|&at| {
            let centre = patient.canvas.look(at).p;
            // Lung all around it, not a lump on the hilum or the heart.
            let around = Ellipsoid::new(centre, Vec3::splat(radius + self.voxel_mm));
            patient.canvas.add(around.bounds(), |h| {
                if h.label == label {
                    f32::INFINITY
                } else {
                    around.distance(h.p)
                }
            });
            let alone = patient.canvas.pending() == 0;
            patient.canvas.discard();
            alone.then_some(centre)
        });
        let Some(centre) = free else {
            return;
        };
        let shape = Ellipsoid::new(centre, Vec3::new(radius, radius * flat, radius));
        patient.canvas.add(shape.bounds(), |h| shape.distance(h.p));
        if patient.canvas.pending() == 0 {
            patient.canvas.discard();
            return;
        }
        let hu = random.range(10.0, 75.0);
        let number = self.next_number();
        patient.canvas.fill(Tag::Finding(number), |_, _, _| hu);
        let height = (centre.z - 165.0) / 100.0;
        let place = third(height, 0.3, ["lower zone", "middle zone", "upper zone"]);
        let facts = (Some(side), place, 2.0 * radius, 1);
        self.push(FindingKind::LungNodule, site, facts, None);
    }

    /// Fluid behind a lung of a patient on the back.
    pub fn draw_effusion(&mut self, patient: &mut Patient, random: &mut Random) {
        let sides: &[Laterality] = match random.below(3) {
            0 => &[Laterality::Right],
            1 => &[Laterality::Left],
            _ => &Laterality::BOTH,
        };
        for &side in sides {
            let site = lung_of(side);
            let label = site.label();
            let deep = random.range(22.0, 62.0);
            let shift = random.range(0.0, 30.0);
            let hu = random.range(0.0, 25.0);
            let bounds = [
                Vec3::new(-190.0, -120.0, -60.0),
                Vec3::new(190.0, 110.0, 300.0),
            ];
            let Patient { body, canvas, .. } = patient;
            let layer = |p: Vec3, cavity: f32| {
                // Deepest at the base, thin towards the apex, and climbing the wall at the side.
                let height = ((p.z + 20.0) / 230.0).clamp(0.0, 1.0);
                let [_, _, back, _] = body.cavity_extent(p.z);
                let thick = deep * (1.0 - height * 0.9);
                let level = back - thick - p.y;
                level.min(-cavity - thick * 0.35 + (-20.0 - p.y + shift).max(0.0) * 0.6)
            };
            canvas.add(bounds, |h| {
                if h.label == label {
                    layer(h.p, h.cavity)
                } else {
                    f32::INFINITY
                }
            });
            if canvas.pending() < 24 {
                canvas.discard();
                continue;
            }
            // The lung beside the fluid is compressed.
            canvas.fill(Tag::Finding(self.next_number()), |_, _, d| {
                if d > -3.0 { hu + 15.0 } else { hu }
            });
            let facts = (Some(side), "", deep, 1);
            self.push(FindingKind::PleuralEffusion, site, facts, None);
        }
    }

    /// Plaques in the wall of the aorta.
    pub fn draw_calcification(
        &mut self,
        patient: &mut Patient,
        aorta: &[Segment],
        random: &mut Random,
    ) {
        if patient.tissue.aorta > BRIGHT {
            return;
        }
        let label = Structure::Aorta.label();
        let voxels = patient.canvas.voxels_of(label);
        let number = self.next_number();
        let hu = random.range(450.0, 1100.0) + patient.tissue.aorta * 0.5;
        let thick = random.range(2.0, 3.5).max(self.voxel_mm * 0.9);
        let reach = random.range(7.0, 15.0).max(self.voxel_mm * 1.6);
        let count = 3 + random.below(5);
        let mut drawn = 0;
        let mut below = 0;
        for _ in 0..count {
            let Some(&at) = random.pick(&voxels) else {
                return;
            };
            let centre = patient.canvas.look(at).p;
            let wall = |p: Vec3| {
                let near = aorta.iter().map(|s| s.distance(p));
                near.fold(f32::INFINITY, f32::min)
            };
            let ball = Ellipsoid::new(centre, Vec3::splat(reach));
            patient.canvas.add(ball.bounds(), |h| {
                let d = ball.distance(h.p);
                if h.label != label || d > 2.0 {
                    return f32::INFINITY;
                }
                d.max(-thick - wall(h.p))
            });
            if patient.canvas.pending() == 0 {
                patient.canvas.discard();
                continue;
            }
            patient.canvas.fill(Tag::Finding(number), |_, _, _| hu);
            drawn += 1;
            below += usize::from(centre.z < 60.0);
        }
        if drawn > 0 {
            let place = if below * 2 > drawn {
                "abdominal"
            } else {
                "thoracic"
            };
            let facts = (None, place, 2.0 * reach, drawn.min(250) as u8);
            self.push(
                FindingKind::AorticCalcification,
                Structure::Aorta,
                facts,
                None,
            );
        }
    }
}

/// The word for a place between two borders.
fn third(at: f32, border: f32, words: [&'static str; 3]) -> &'static str {
    if at < -border {
        words[0]
    } else if at > border {
        words[2]
    } else {
        words[1]
    }
}
