//! What the tissues of one patient measure, in Hounsfield units.

use crate::dataset::Random;

/// When the image was taken after contrast medium was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// No contrast medium.
    NonContrast,
    /// About 30 s: bright arteries and renal cortex.
    Arterial,
    /// About 70 s: bright portal vein and liver.
    PortalVenous,
    /// Some minutes: even vessels, contrast in the renal pelvis and the bladder.
    Delayed,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 4] = [
        Self::NonContrast,
        Self::Arterial,
        Self::PortalVenous,
        Self::Delayed,
    ];

    /// As answers name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NonContrast => "non-contrast phase",
            Self::Arterial => "arterial phase",
            Self::PortalVenous => "portal venous phase",
            Self::Delayed => "delayed phase",
        }
    }
}

/// One patient's tissues.
pub(super) struct Tissue {
    pub air: f32,
    pub lung: f32,
    pub fat: f32,
    pub skin: f32,
    pub muscle: f32,
    pub aorta: f32,
    pub vein: f32,
    pub right_heart: f32,
    pub portal: f32,
    pub myocardium: f32,
    pub liver: f32,
    pub spleen: f32,
    pub cortex: f32,
    pub medulla: f32,
    pub renal_pelvis: f32,
    pub pancreas: f32,
    pub bowel_wall: f32,
    pub bile: f32,
    pub urine: f32,
    /// What layers in the back of the bladder.
    pub urine_layer: f32,
    pub gut_fluid: f32,
    pub trabecular: f32,
    pub cortical: f32,
    pub cartilage: f32,
    pub disc: f32,
    pub cord: f32,
}

impl Tissue {
    /// Tissues in a phase; with `unusual`, the soft organs are moved far from their usual values, so
    /// that shape and place must tell them apart.
    pub fn new(random: &mut Random, phase: Phase, unusual: f32) -> Self {
        let r = &mut *random;
        let blood = r.about(41.0, 4.0);
        let fatty = if r.chance(0.22) {
            r.range(8.0, 45.0)
        } else {
            0.0
        };
        let [
            aorta,
            vein,
            right,
            portal,
            liver,
            spleen,
            cortex,
            medulla,
            pancreas,
            wall,
        ] = enhancement(r, phase, blood);
        let enhanced = phase != Phase::NonContrast;
        let excreted = phase == Phase::Delayed;
        let mut soft = |value: f32| value + unusual * 45.0 * random.normal();
        let (liver, spleen, pancreas) = (soft(liver - fatty), soft(spleen), soft(pancreas));
        let (cortex, medulla) = (soft(cortex), soft(medulla));
        let bile = soft(8.0);
        let r = &mut *random;
        let age = r.unit();
        Self {
            air: -1000.0,
            lung: r.about(-835.0, 40.0),
            fat: r.about(-103.0, 7.0) + unusual * r.range(0.0, 50.0),
            skin: r.about(15.0, 30.0),
            muscle: r.about(52.0, 7.0) - age * 12.0 + if enhanced { 8.0 } else { 0.0 },
            aorta,
            vein,
            right_heart: right,
            portal,
            myocardium: if enhanced {
                r.range(85.0, 125.0)
            } else {
                blood + 4.0
            },
            liver,
            spleen,
            cortex,
            medulla,
            renal_pelvis: if excreted {
                r.range(250.0, 900.0)
            } else {
                r.range(0.0, 15.0)
            },
            pancreas,
            bowel_wall: wall,
            bile,
            urine: r.range(-3.0, 16.0),
            urine_layer: if excreted {
                r.range(150.0, 700.0)
            } else {
                10.0
            },
            gut_fluid: if r.chance(0.13) {
                r.range(120.0, 350.0)
            } else {
                r.range(5.0, 40.0)
            },
            trabecular: (235.0 - age * 150.0 + r.normal() * 25.0).max(70.0),
            cortical: r.range(450.0, 950.0),
            cartilage: r.range(70.0, 140.0),
            disc: r.about(85.0, 15.0),
            cord: r.range(10.0, 38.0),
        }
    }
}

/// Aorta, large veins, right heart, portal vein, liver, spleen, renal cortex and medulla, pancreas and
/// the wall of the gut in a phase.
fn enhancement(r: &mut Random, phase: Phase, blood: f32) -> [f32; 10] {
    match phase {
        Phase::NonContrast => {
            let spleen = r.about(48.0, 4.0);
            [
                blood,
                blood,
                blood,
                blood,
                r.about(57.0, 5.0),
                spleen,
                r.about(32.0, 4.0),
                r.about(31.0, 3.0),
                r.about(38.0, 6.0),
                r.about(38.0, 6.0),
            ]
        }
        Phase::Arterial => [
            r.range(210.0, 420.0),
            r.range(45.0, 110.0),
            r.range(110.0, 300.0),
            r.range(60.0, 140.0),
            r.about(72.0, 8.0),
            r.about(125.0, 20.0),
            r.range(140.0, 220.0),
            r.range(55.0, 90.0),
            r.about(100.0, 13.0),
            r.about(80.0, 15.0),
        ],
        Phase::PortalVenous => {
            let aorta = r.range(120.0, 190.0);
            [
                aorta,
                aorta * r.range(0.8, 1.05),
                aorta * r.range(0.9, 1.05),
                aorta * r.range(0.98, 1.2),
                r.about(110.0, 11.0),
                r.about(120.0, 11.0),
                r.range(150.0, 210.0),
                r.range(130.0, 180.0),
                r.about(92.0, 11.0),
                r.about(85.0, 12.0),
            ]
        }
        Phase::Delayed => {
            let aorta = r.range(85.0, 125.0);
            [
                aorta,
                aorta * r.range(0.93, 1.03),
                aorta,
                aorta * r.range(0.95, 1.05),
                r.about(88.0, 9.0),
                r.about(92.0, 7.0),
                r.range(105.0, 150.0),
                r.range(110.0, 160.0),
                r.about(75.0, 9.0),
                r.about(70.0, 10.0),
            ]
        }
    }
}
