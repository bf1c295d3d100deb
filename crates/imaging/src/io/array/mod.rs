//! An image file that is one array of numbers with a header: NIfTI, NRRD, MetaImage, MGH, NumPy, pictures.
//!
//! Each format's own module reads its header into a [`Header`]. Here it is checked against the size of its files, and
//! here the voxels are read, for all formats alike.

mod fields;
mod hashed_file;
mod number;
mod part;
mod read;
mod series;
mod stream;
mod text;

use std::path::{Path, PathBuf};

use glam::{DAffine3, DMat3, DVec3, UVec3};

pub(super) use fields::Fields;
pub(super) use number::{Element, Number, Take};
pub(super) use part::{Packing, Part, unpacked};
pub(super) use read::{load, load_slice, voxels};

use super::Warning;
use super::error::{MAX_VOLUME_BYTES, Refusal};
use crate::geometry::VoxelGrid;
use crate::volume::{Rescale, Stated, Window};

/// LPS from RAS and back: x and y change sign.
pub(super) const LPS_FROM_RAS: DAffine3 = DAffine3 {
    matrix3: DMat3::from_diagonal(DVec3::new(-1.0, -1.0, 1.0)),
    translation: DVec3::ZERO,
};

/// The most numbers at one voxel.
const MOST_NUMBERS: usize = 1 << 16;

/// What the import needs from the header of an array.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// Voxels along i (fastest), j and k.
    pub dims: UVec3,
    /// Millimetres (LPS) from voxel coordinates.
    pub patient_from_voxel: DAffine3,
    /// Time points: volumes behind each other, or numbers side by side ([`Take::EachTime`]).
    pub times: usize,
    /// Volumes behind each other for each time point, of which the first is shown.
    pub components: usize,
    pub element: Element,
    pub big_endian: bool,
    pub rescale: Rescale,
    /// Where the voxels are, in order; each part holds equally many.
    pub parts: Vec<Part>,
    /// The display range, if the file has one.
    pub window: Option<Window>,
    pub stated: Stated,
    pub warnings: Vec<Warning>,
}

/// A file whose header makes a volume.
#[derive(Clone, Debug)]
pub(super) struct Array {
    /// The file that was opened: the header, alone or with voxels.
    pub path: PathBuf,
    pub grid: VoxelGrid,
    pub header: Header,
}

impl Array {
    /// Checks what a header claims: a place that can be, and files that hold the voxels.
    pub fn new(path: &Path, header: Header) -> Result<Self, Refusal> {
        refuse_large(&header)?;
        refuse_absurd(&header.patient_from_voxel)?;
        let grid = VoxelGrid::new(header.dims, header.patient_from_voxel)
            .map_err(|error| Refusal::new("no_geometry", error.to_string()))?;
        let mut array = Self {
            path: path.to_owned(),
            grid,
            header,
        };
        for part in &array.header.parts {
            part.refuse_short(array.bytes_per_part())?;
        }
        let told = reservations(&array.header);
        array.header.warnings.extend(told);
        Ok(array)
    }

    /// The header is a file of its own.
    fn has_own_header(&self) -> bool {
        self.header.parts.iter().all(|part| part.path != self.path)
    }

    /// The files the image is made of, the opened one first.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let parts = self.header.parts.iter().map(|part| part.path.as_path());
        let own = self.has_own_header().then_some(self.path.as_path());
        own.into_iter().chain(parts)
    }

    /// Bytes of voxels in each part. That they can be counted was checked.
    fn bytes_per_part(&self) -> u64 {
        bytes(&self.header).unwrap_or(u64::MAX) / self.header.parts.len().max(1) as u64
    }
}

/// Bytes of all voxels; `None` where there are none, where they cannot be counted or the parts do not hold equally many.
fn bytes(header: &Header) -> Option<u64> {
    let Header {
        dims,
        times,
        components,
        element,
        parts,
        ..
    } = header;
    let times = match element.take {
        Take::EachTime => 1,
        _ => *times,
    };
    let bytes = [dims.x as usize, dims.y as usize, dims.z as usize]
        .into_iter()
        .chain([times, *components, element.count, element.number.size()])
        .try_fold(1_u64, |n, size| n.checked_mul(size as u64))?;
    (bytes > 0 && bytes % parts.len().max(1) as u64 == 0).then_some(bytes)
}

/// One volume must be holdable, and all of them countable.
fn refuse_large(header: &Header) -> Result<(), Refusal> {
    let UVec3 { x, y, z } = header.dims;
    let one = u128::from(x) * u128::from(y) * u128::from(z);
    if one > u128::from(MAX_VOLUME_BYTES / 4) {
        return Err(Refusal::new(
            "too_large",
            format!(
                "its header claims {x} x {y} x {z} voxels, more than can be held; check the file or \
                 reduce the image"
            ),
        ));
    }
    if header.element.count > MOST_NUMBERS || bytes(header).is_none() {
        return Err(Refusal::new(
            "malformed",
            "its header claims no numbers, more than can be counted, or files that do not hold equally many; export the \
             image again",
        ));
    }
    if [x, y, z].iter().filter(|&&size| size > 1).count() < 2 {
        return Err(Refusal::new(
            "too_small",
            format!("{x} x {y} x {z} voxels are a row of numbers, no image"),
        ));
    }
    Ok(())
}

/// Voxels of ten metres or a tenth of a micrometre are a wrong unit or a damaged header; every measure
/// would be wrong with them.
fn refuse_absurd(place: &DAffine3) -> Result<(), Refusal> {
    // A little wider than said: headers have 7 digits.
    const POSSIBLE_MM: std::ops::RangeInclusive<f64> = 0.99e-4..=1.01e4;
    let [x, y, z] = [0, 1, 2].map(|axis| place.matrix3.col(axis).length());
    if [x, y, z].iter().all(|mm| POSSIBLE_MM.contains(mm)) {
        return Ok(());
    }
    Err(Refusal::new(
        "absurd_spacing",
        format!(
            "its voxels measure {x:e} x {y:e} x {z:e} mm, which cannot be; convert it again from the \
             source"
        ),
    ))
}

/// What a reader should know of the way the voxels are shown.
fn reservations(header: &Header) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if header.times > 1 {
        let message = format!("the first of {} time points is shown", header.times);
        warnings.push(Warning::new("first_time_point", message));
    }
    match header.element.take {
        Take::Magnitude => warnings.push(Warning::new(
            "complex_magnitude",
            "its voxels are complex numbers; their magnitude is shown",
        )),
        Take::Colour if header.element.number.size() > 1 => warnings.push(Warning::new(
            "reduced_precision",
            "colours are held with 8 bits a channel",
        )),
        Take::First | Take::EachTime if header.element.number.is_reduced() => {
            let message = "values are held as 32-bit floats (7 digits)";
            warnings.push(Warning::new("reduced_precision", message));
        }
        Take::First | Take::EachTime | Take::Colour => {}
    }
    warnings
}

/// That the first of several numbers at each voxel is shown, and what they are ("a vector", "a displacement in mm").
pub(super) fn first_component(count: usize, what: &str) -> Warning {
    let message = format!("each voxel holds {what} of {count} numbers; the first one is shown");
    Warning::new("vector_component", message)
}

/// That the file does not say how it lies in the patient.
pub(super) fn no_orientation() -> Warning {
    Warning::new(
        "no_orientation",
        "the file does not say how it lies in the patient; left and right are a guess",
    )
}

/// That the file does not say how large its voxels are.
pub(super) fn no_spacing() -> Warning {
    Warning::new(
        "no_spacing",
        "the file does not say how large its voxels are; they are taken as 1 mm, and lengths mean nothing",
    )
}
