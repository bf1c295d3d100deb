//! The named parts of a body that phantoms are labelled with.

/// Right or left, of the patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Laterality {
    /// The patient's right: negative x in LPS.
    Right,
    /// The patient's left: positive x in LPS.
    Left,
}

impl Laterality {
    /// Both, right first.
    pub const BOTH: [Self; 2] = [Self::Right, Self::Left];

    /// `right` or `left`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Left => "left",
        }
    }

    /// -1 or 1: the sign of x in LPS.
    pub const fn sign(self) -> f32 {
        match self {
            Self::Right => -1.0,
            Self::Left => 1.0,
        }
    }
}

macro_rules! structures {
    ($($variant:ident = $label:literal, $name:literal, $other:expr, $about:literal;)*) => {
        /// A labelled part of the body; its number is its label.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Structure {
            $(#[doc = $about] $variant = $label,)*
        }

        impl Structure {
            /// Every structure, in the order of the labels from 1 on.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name used in answers.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Other names a question may use.
            pub const fn other_names(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &$other,)* }
            }

            /// What it is, in one sentence that does not say its name.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

structures! {
    Liver = 1, "liver", ["hepatic parenchyma"],
        "The largest solid organ of the abdomen, under the right dome of the diaphragm, which makes bile and clears the blood from the gut.";
    Spleen = 2, "spleen", ["lien"],
        "A lymphoid organ in the left upper abdomen behind the stomach, which filters the blood and stores platelets.";
    RightKidney = 3, "right kidney", ["kidney on the right side"],
        "A bean-shaped organ behind the peritoneum on the right of the spine, which filters the blood and makes urine.";
    LeftKidney = 4, "left kidney", ["kidney on the left side"],
        "A bean-shaped organ behind the peritoneum on the left of the spine, which filters the blood and makes urine.";
    RightLung = 5, "right lung", ["lung on the right side"],
        "An air-filled organ in the right half of the chest with three lobes, where the blood takes up oxygen.";
    LeftLung = 6, "left lung", ["lung on the left side"],
        "An air-filled organ in the left half of the chest with two lobes, where the blood takes up oxygen.";
    Heart = 7, "heart", ["cardiac chambers"],
        "A muscular organ with four chambers in the middle of the chest, which pumps the blood through the body.";
    Aorta = 8, "aorta", ["main artery of the body"],
        "The largest artery, which leaves the left ventricle, arches over and runs down in front of the spine.";
    InferiorVenaCava = 9, "inferior vena cava", ["IVC"],
        "The large vein to the right of the aorta, which carries blood from the lower body to the right atrium.";
    Stomach = 10, "stomach", ["gastric lumen"],
        "A hollow muscular organ in the left upper abdomen, which stores food and begins its digestion with acid.";
    Gallbladder = 11, "gallbladder", ["gall bladder"],
        "A small pear-shaped sac on the underside of the right abdominal gland, which stores and thickens bile.";
    Pancreas = 12, "pancreas", ["pancreatic gland"],
        "A long gland across the upper abdomen behind the stomach, which makes digestive enzymes and insulin.";
    Bladder = 13, "bladder", ["urinary bladder"],
        "A hollow muscular organ in the front of the pelvis, which stores urine.";
    Trachea = 14, "trachea", ["windpipe"],
        "The air-filled tube in front of the gullet, which leads from the larynx to the two main bronchi.";
    Oesophagus = 15, "oesophagus", ["esophagus", "gullet"],
        "The muscular tube behind the windpipe, which carries food from the throat to the stomach.";
    Vertebrae = 16, "vertebrae", ["spine", "vertebral column"],
        "The column of bones in the midline of the back, which carries the trunk and shelters the spinal cord.";
    Ribs = 17, "ribs", ["rib cage"],
        "The curved bones that run from the back around the chest and protect its organs.";
    Pelvis = 18, "pelvis", ["pelvic bones"],
        "The ring of the hip bones and the sacrum, which carries the trunk upon the legs.";
    RightPsoas = 19, "right psoas muscle", ["psoas on the right side"],
        "The long muscle on the right of the lumbar spine, which bends the right hip.";
    LeftPsoas = 20, "left psoas muscle", ["psoas on the left side"],
        "The long muscle on the left of the lumbar spine, which bends the left hip.";
    Colon = 21, "colon", ["large intestine", "large bowel"],
        "The wide part of the gut that frames the abdomen, holds gas and stool and takes up water.";
    SmallBowel = 22, "small bowel", ["small intestine"],
        "The long, coiled part of the gut in the middle of the abdomen, where food is digested and taken up.";
    Muscle = 23, "muscle", ["skeletal muscle"],
        "The layer of soft tissue around the cavity of the trunk that moves and steadies it.";
    Fat = 24, "fat", ["adipose tissue"],
        "The tissue of low attenuation beneath the skin and between the organs, which stores energy.";
    Femurs = 25, "femurs", ["thigh bones"],
        "The two long bones of the thighs, whose round heads sit in the sockets of the hips.";
    SpinalCanal = 26, "spinal canal", ["vertebral canal"],
        "The tunnel behind the vertebral bodies that holds the spinal cord.";
    Sternum = 27, "sternum", ["breastbone"],
        "The flat bone in the midline of the front of the chest, to which the cartilages of the ribs are joined.";
    PortalVein = 28, "portal vein", ["portal vein and splenic vein"],
        "The vein that carries blood from the gut and the lymphoid organ on the left to the largest abdominal gland.";
}

impl Structure {
    /// The label in a label map.
    pub const fn label(self) -> u8 {
        self as u8
    }

    /// The structure of a label; `None` for the background and for labels that no structure has.
    pub fn from_label(label: u8) -> Option<Self> {
        Self::ALL.get(usize::from(label).checked_sub(1)?).copied()
    }

    /// The structure with a name, whatever its case.
    pub fn from_name(name: &str) -> Option<Self> {
        let same = |other: &str| other.eq_ignore_ascii_case(name.trim());
        Self::ALL
            .iter()
            .copied()
            .find(|s| same(s.name()) || s.other_names().iter().any(|n| same(n)))
    }

    /// The side of the body it lies on, where it lies on one.
    pub const fn side(self) -> Option<Laterality> {
        match self {
            Self::Liver
            | Self::RightKidney
            | Self::RightLung
            | Self::RightPsoas
            | Self::Gallbladder => Some(Laterality::Right),
            Self::Spleen | Self::LeftKidney | Self::LeftLung | Self::LeftPsoas | Self::Stomach => {
                Some(Laterality::Left)
            }
            _ => None,
        }
    }

    /// Whether it is an organ rather than a bone, a tissue or a space.
    pub const fn is_organ(self) -> bool {
        !matches!(
            self,
            Self::Vertebrae
                | Self::Ribs
                | Self::Pelvis
                | Self::RightPsoas
                | Self::LeftPsoas
                | Self::Muscle
                | Self::Fat
                | Self::Femurs
                | Self::SpinalCanal
                | Self::Sternum
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_names_lead_back() {
        for (n, &structure) in Structure::ALL.iter().enumerate() {
            assert_eq!(usize::from(structure.label()), n + 1);
            assert_eq!(Structure::from_label(structure.label()), Some(structure));
            assert_eq!(Structure::from_name(structure.name()), Some(structure));
            for name in structure.other_names() {
                assert_eq!(Structure::from_name(name), Some(structure));
            }
            let about = structure.description().to_lowercase();
            assert!(!about.contains(structure.name()), "{}", structure.name());
        }
        assert_eq!(Structure::from_label(0), None);
        assert_eq!(Structure::from_label(255), None);
        assert!(Structure::ALL.len() >= 20);
    }
}
