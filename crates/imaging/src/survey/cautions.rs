//! What to be careful about.

use super::{Caution, Content, Survey};
use crate::geometry::BodyLevel;
use crate::volume::{Modality, Stated};

/// Fewer axial slices are no volume to a model of CTs of the trunk.
const FEWEST_SLICES: u32 = 8;

/// Slices further apart hide whole organs, in mm.
const MOST_SPACING_MM: f64 = 10.0;

/// What a survey that is complete but for them gives reason to be careful about. `is_hounsfield`: the values are HU.
pub(super) fn of(survey: &Survey, stated: &Stated, is_hounsfield: bool) -> Vec<Caution> {
    let mut found = Vec::new();
    let mut warn = |code, message: String| found.push(Caution { code, message });
    match survey.content {
        Content::Anatomy => {}
        Content::LabelMap => warn(
            "domain_label_map",
            "the image is a label map or a mask, no picture of tissue".to_owned(),
        ),
        Content::Noise => warn(
            "domain_noise",
            "the values have nothing to do with their neighbours: noise, no picture of tissue"
                .to_owned(),
        ),
        Content::Flat => warn(
            "domain_flat",
            "the image has one value everywhere".to_owned(),
        ),
    }
    let is_picture = survey.content == Content::Anatomy;
    if survey.modality_by_values {
        warn(
            "taken_as_ct",
            "the file does not say what made it; its values are Hounsfield units, and it is treated as CT"
                .to_owned(),
        );
    }
    match survey.modality {
        Modality::Ct if is_picture && !is_hounsfield => warn(
            "domain_values",
            "the values of this CT are not Hounsfield units".to_owned(),
        ),
        Modality::Mr => warn("domain_modality", "an MR, no CT".to_owned()),
        Modality::Pet => warn("domain_modality", "a PET, no CT".to_owned()),
        Modality::Other if is_picture => warn(
            "domain_modality",
            "the file does not say what made it, and its values are not a CT's".to_owned(),
        ),
        Modality::Ct | Modality::Other => {}
    }
    let [.., slices] = survey.voxels;
    if slices < FEWEST_SLICES {
        warn(
            "domain_few_slices",
            format!("{slices} axial slices only, of {FEWEST_SLICES} at least"),
        );
    }
    let (most, field) = (survey.spacing_mm.max_element(), survey.field_of_view_mm);
    if most > MOST_SPACING_MM {
        warn(
            "domain_spacing",
            format!("voxels are {most:.1} mm apart, of {MOST_SPACING_MM} mm at most"),
        );
    } else if !survey.is_of_a_body() {
        warn(
            "domain_spacing",
            format!(
                "the image measures {:.0} x {:.0} x {:.0} mm, which is no part of a body",
                field.x, field.y, field.z
            ),
        );
    }
    if let Some(coverage) = survey.coverage {
        let [top, bottom] = [coverage.top.level, coverage.bottom.level];
        if let Some(region) = coverage.outside_of_trunk() {
            warn(
                "domain_region",
                format!("the image shows {region} (about {top} to {bottom}), not the trunk"),
            );
        }
    }
    if !stated.side_known {
        warn(
            "side_unknown",
            "the file does not say which side is the patient's left".to_owned(),
        );
    }
    if stated.lossy {
        warn(
            "lossy",
            "the pixels were compressed with loss before they came here".to_owned(),
        );
    }
    found
}

/// The trunk, to models of CTs of the chest and the abdomen.
pub(super) const TRUNK: [BodyLevel; 2] = [BodyLevel(8.0), BodyLevel(32.0)];
