//! A NIfTI or ANALYZE header as the import needs it.

use std::io::Read as _;
use std::path::Path;

use glam::UVec3;

use super::fields::{BYTES_2, Stored, Version};
use super::layers::Layers;
use super::malformed;
use super::orientation::placement;
use crate::io::array::{Array, Element, Header, Part, Take, unpacked};
use crate::io::error::Refusal;
use crate::io::{Warning, files};
use crate::volume::{Rescale, Stated, Window};

/// NIFTI_INTENT_LABEL: the values are indices of labels.
const INTENT_LABEL: i32 = 1002;

/// The intents of CIFTI: points of a surface, no image.
const INTENTS_CIFTI: std::ops::RangeInclusive<i32> = 3000..=3099;

/// Reads and checks the header of a `.nii`, `.nii.gz`, `.hdr` or `.hdr.gz` file.
pub(in crate::io) fn inspect(path: &Path) -> Result<Array, Refusal> {
    let mut bytes = Vec::with_capacity(BYTES_2);
    unpacked(path)?
        .take(BYTES_2 as u64)
        .read_to_end(&mut bytes)?;
    let stored = Stored::read(&bytes)?;
    let dims = sizes(&stored)?;
    let layers = Layers::of(&stored)?;
    let element = stored.element()?;
    let part = voxels(&stored, path)?;
    let mut warnings = Vec::new();
    let place = placement(&stored, dims, &mut warnings)?;
    warnings.extend(layers.warning);
    let rescale = rescale(&stored, element, &mut warnings);
    Array::new(
        path,
        Header {
            dims,
            patient_from_voxel: place.patient_from_voxel,
            times: layers.times,
            components: layers.components,
            element,
            big_endian: stored.big_endian,
            rescale,
            parts: vec![part],
            window: (stored.cal_max > stored.cal_min)
                .then(|| Window::from_range(stored.cal_min as f32, stored.cal_max as f32)),
            stated: Stated {
                side_known: !place.is_guess,
                label_map: stored.intent == INTENT_LABEL,
                ..Stated::NOTHING
            },
            warnings,
        },
    )
}

/// The three axes.
fn sizes(stored: &Stored) -> Result<UVec3, Refusal> {
    let dim = stored.dim;
    if !(1..=7).contains(&dim[0]) {
        return Err(malformed(
            "dim[0] is not a number of dimensions from 1 to 7",
        ));
    }
    if INTENTS_CIFTI.contains(&stored.intent) {
        let message = "a CIFTI file with values on a surface of the brain, no image; open the volume it was made from";
        return Err(Refusal::new("not_an_image", message));
    }
    let used = dim[0] as usize;
    if let Some(size) = dim[1..=used].iter().find(|&&size| size < 1) {
        return Err(malformed(&format!("a size of {size}")));
    }
    let axis = |n: usize| {
        let size = if n <= used { dim[n] } else { 1 };
        u32::try_from(size).map_err(|_| malformed(&format!("a size of {size}")))
    };
    Ok(UVec3::new(axis(1)?, axis(2)?, axis(3)?))
}

/// Where the voxels are.
fn voxels(stored: &Stored, path: &Path) -> Result<Part, Refusal> {
    let beside = |what: &str| {
        files::voxels_of_pair(path).ok_or_else(|| {
            let message =
                format!("the header of {what} without its voxels; put the .img file beside it");
            Refusal::new("pair", message)
        })
    };
    let is_header = [".hdr", ".hdr.gz"]
        .iter()
        .any(|ending| files::lower_name(path).ends_with(ending));
    let file = match stored.version {
        Version::Pair => beside("a pair")?,
        Version::Analyze if is_header => beside("an ANALYZE image")?,
        Version::Analyze => return Err(malformed("not the magic word of NIfTI")),
        Version::Single => path.to_owned(),
    };
    let offset = stored.offset;
    if !(0.0..1e15).contains(&offset) {
        return Err(malformed(&format!("voxels at byte {offset}")));
    }
    let offset = match (stored.version, offset as u64) {
        // Some writers leave it out.
        (Version::Single, 0) => stored.first_voxel,
        (Version::Single, offset) if offset < stored.first_voxel => {
            let message = format!("voxels at byte {offset}, in the header");
            return Err(malformed(&message));
        }
        (_, offset) => offset,
    };
    Part::whole(&file, offset)
}

/// A slope of 0 means none, and colours have none; one that is not a number is worth a word.
fn rescale(stored: &Stored, element: Element, warnings: &mut Vec<Warning>) -> Rescale {
    let Stored {
        slope, intercept, ..
    } = *stored;
    if slope == 0.0 || element.take == Take::Colour {
        return Rescale::IDENTITY;
    }
    if slope.is_finite() && intercept.is_finite() {
        return Rescale { slope, intercept };
    }
    let message =
        format!("its scaling (slope {slope}, intercept {intercept}) is no number and ignored");
    warnings.push(Warning::new("bad_rescale", message));
    Rescale::IDENTITY
}
