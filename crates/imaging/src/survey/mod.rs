//! What an image is, before anything is asked about it: modality, content, the part of the body it shows, and what to
//! be careful about.
//!
//! All of it comes from the voxels and from what the file says of them; where the two contradict each other the voxels
//! are believed. The answers are the same for each of the 48 orders an image can be stored in.

mod atlas;
mod cautions;
mod content;
mod coverage;
mod features;
mod fit;
mod regions;
mod section;

use glam::DVec3;

pub use content::Content;
pub use coverage::{Coverage, End, InView};
use features::Features;
use section::Sections;

use crate::volume::{Modality, Stated, Upright, Volume, is_like_hounsfield};

/// What an image is.
#[derive(Clone, Debug, PartialEq)]
pub struct Survey {
    /// What made it: as the file says, or CT by the values where it does not.
    pub modality: Modality,
    /// The file did not say that it is a CT; its values are Hounsfield units.
    pub modality_by_values: bool,
    /// What the voxels are.
    pub content: Content,
    /// The heights of the body that a CT shows; `None` of other images.
    pub coverage: Option<Coverage>,
    /// Sizes of the image from right to left, from front to back and from head to foot, to the outer edges of its
    /// voxels, along the nearest axes.
    pub field_of_view_mm: DVec3,
    /// Distances of neighbouring voxels along the same axes.
    pub spacing_mm: DVec3,
    /// Voxels along the same axes; the last is the number of axial slices.
    pub voxels: [u32; 3],
    /// What to be careful about.
    pub cautions: Vec<Caution>,
}

/// Something to be careful about when questions are asked about an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caution {
    /// Machine-readable. Those that begin with `domain_` say that the image is not what a model of CTs of the trunk was
    /// taught.
    pub code: &'static str,
    /// In words.
    pub message: String,
}

impl Caution {
    /// Whether the image lies outside what a model of CTs of the trunk was taught.
    pub fn is_of_domain(&self) -> bool {
        self.code.starts_with("domain_")
    }
}

impl Survey {
    /// Looks at a volume and at what its file says of it.
    pub fn of(volume: &Volume, stated: &Stated) -> Self {
        let upright = Upright::new(volume);
        let spacing_mm = upright.spacing_mm();
        let voxels = upright.dims().map(|size| size as u32);
        let content = Content::of(volume, &upright, stated);
        let like_hounsfield = content == Content::Anatomy && is_like_hounsfield(volume);
        let modality_by_values = volume.modality() == Modality::Other && like_hounsfield;
        let modality = if modality_by_values {
            Modality::Ct
        } else {
            volume.modality()
        };
        let mut survey = Self {
            modality,
            modality_by_values,
            content,
            coverage: None,
            field_of_view_mm: spacing_mm * DVec3::from_array(voxels.map(f64::from)),
            spacing_mm,
            voxels,
            cautions: Vec::new(),
        };
        if survey.modality == Modality::Ct && like_hounsfield && survey.is_of_a_body() {
            survey.coverage = coverage_of(&upright);
        }
        survey.cautions = cautions::of(&survey, stated, like_hounsfield);
        survey
    }

    /// Whether it is as large as a part of a body can be.
    fn is_of_a_body(&self) -> bool {
        let [x, y, z] = self.field_of_view_mm.to_array();
        [x, y].iter().all(|mm| BODY_MM.contains(mm)) && z <= *BODY_MM.end()
    }
}

/// Sizes that a part of a body can have, in mm; slices may be few.
const BODY_MM: std::ops::RangeInclusive<f64> = 25.0..=2500.0;

/// The heights that a CT in HU shows.
fn coverage_of(upright: &Upright) -> Option<Coverage> {
    let length_mm = upright.dims()[2] as f64 * upright.spacing_mm().z;
    let sections = Sections::of(upright);
    fit::fit(&Features::of_all(&sections), sections.step_mm, length_mm)
}
