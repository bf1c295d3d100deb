//! Structure sets to structures, and their contours to masks.

use std::path::Path;
use std::sync::atomic::AtomicUsize;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use glam::DVec3;
use rayon::prelude::*;

use crate::geometry::VoxelGrid;
use crate::io::dicom::{ABOUT, DataSet, Notes, Object, malformed};
use crate::io::error::Refusal;
use crate::io::objects::found::{about, read_again, term, three};
use crate::io::objects::{LoadedObject, LoadedStructure, ObjectKind, ObjectOnTop, Structure};
use crate::io::{IoError, Progress, Warning};
use crate::volume::Mask;
use crate::volume::contours::{Filled, fill};

/// What is kept to list a structure set.
const LISTED: &[Tag] = &[
    tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE,
    tags::RT_REFERENCED_STUDY_SEQUENCE,
    tags::RT_REFERENCED_SERIES_SEQUENCE,
    tags::STRUCTURE_SET_LABEL,
    tags::STRUCTURE_SET_ROI_SEQUENCE,
    tags::ROI_NUMBER,
    tags::ROI_NAME,
    tags::ROI_GENERATION_ALGORITHM,
    tags::REFERENCED_FRAME_OF_REFERENCE_UID,
    tags::ROI_CONTOUR_SEQUENCE,
    tags::ROI_DISPLAY_COLOR,
    tags::REFERENCED_ROI_NUMBER,
    tags::RTROI_OBSERVATIONS_SEQUENCE,
    tags::RTROI_IDENTIFICATION_CODE_SEQUENCE,
    tags::SEGMENTED_PROPERTY_TYPE_MODIFIER_CODE_SEQUENCE,
    tags::CODING_SCHEME_DESIGNATOR,
    tags::CODE_MEANING,
];

/// What is kept beside that to load it.
const LOADED: &[Tag] = &[
    tags::CONTOUR_SEQUENCE,
    tags::CONTOUR_GEOMETRIC_TYPE,
    tags::CONTOUR_DATA,
];

/// A corner may be off its contour's plane by this before it is told, in mm.
const OFF_PLANE_MM: f64 = 0.5;

/// Lists what a structure set holds.
///
/// # Errors
/// When it is damaged or holds no structure.
pub(in crate::io::objects) fn inspect(
    path: &Path,
    meta: Option<u64>,
) -> Result<ObjectOnTop, Refusal> {
    let wanted = |tag| LISTED.contains(&tag) || ABOUT.contains(&tag);
    let values = Object::read(path, meta, wanted)?.values;
    let mut object = about(path, ObjectKind::StructureSet, &values);
    if object.description.is_empty() {
        object.description = values.text(tags::STRUCTURE_SET_LABEL);
    }
    object.structures = structures(&values)?;
    let frames = values.items(tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE);
    for series in frames
        .iter()
        .flat_map(|frame| frame.items(tags::RT_REFERENCED_STUDY_SEQUENCE))
        .flat_map(|study| study.items(tags::RT_REFERENCED_SERIES_SEQUENCE))
    {
        let uid = series.text(tags::SERIES_INSTANCE_UID);
        if !uid.is_empty() && !object.series_uids.contains(&uid) {
            object.series_uids.push(uid);
        }
    }
    let of_structures = values.items(tags::STRUCTURE_SET_ROI_SEQUENCE).iter();
    let uids = of_structures.map(|roi| roi.text(tags::REFERENCED_FRAME_OF_REFERENCE_UID));
    let uids = uids.chain(frames.iter().map(|f| f.text(tags::FRAME_OF_REFERENCE_UID)));
    let mut named = uids.filter(|uid| !uid.is_empty());
    // That of the structures stands before the object's own, which is often another.
    object.frame_of_reference = named.next().or(object.frame_of_reference);
    Ok(object)
}

fn structures(values: &DataSet) -> Result<Vec<Structure>, Refusal> {
    let notes = Notes::default();
    let mut found: Vec<Structure> = Vec::new();
    for item in values.items(tags::STRUCTURE_SET_ROI_SEQUENCE) {
        let Some(number) = item.whole::<u32>(tags::ROI_NUMBER, &notes)? else {
            return Err(malformed("a structure without a number"));
        };
        if found.iter().any(|s| s.number == number) {
            return Err(malformed(&format!("two structures of number {number}")));
        }
        let label = item.text(tags::ROI_NAME);
        let name = if label.is_empty() {
            format!("structure {number}")
        } else {
            label
        };
        let observation = of_roi(values.items(tags::RTROI_OBSERVATIONS_SEQUENCE), number);
        let contours = of_roi(values.items(tags::ROI_CONTOUR_SEQUENCE), number);
        let code = tags::RTROI_IDENTIFICATION_CODE_SEQUENCE;
        found.push(Structure {
            number,
            term: term(&name, observation.unwrap_or(item), code),
            name,
            colour: contours.and_then(|c| three(c, tags::ROI_DISPLAY_COLOR)),
            drawn_by: item.text(tags::ROI_GENERATION_ALGORITHM),
        });
    }
    if found.is_empty() {
        let message = "a structure set without a structure; there is nothing to show";
        return Err(Refusal::new("no_structures", message));
    }
    Ok(found)
}

/// The item of a sequence that is about a structure.
fn of_roi(items: &[DataSet], number: u32) -> Option<&DataSet> {
    let notes = Notes::default();
    let own = |item: &&DataSet| {
        let named = item.whole::<u32>(tags::REFERENCED_ROI_NUMBER, &notes);
        named.is_ok_and(|named| named == Some(number))
    };
    items.iter().find(own)
}

/// The masks of all structures on a grid.
///
/// # Errors
/// As [`crate::io::objects::load`].
pub(in crate::io::objects) fn load(
    object: &ObjectOnTop,
    grid: &VoxelGrid,
    progress: &Progress,
) -> Result<LoadedObject, IoError> {
    let wanted = |tag| LISTED.contains(&tag) || LOADED.contains(&tag) || ABOUT.contains(&tag);
    let at = |refusal: Refusal| refusal.at(&object.path);
    let values = read_again(object.file(), wanted).map_err(at)?.values;
    let done = AtomicUsize::new(0);
    let loaded = object
        .structures
        .par_iter()
        .map(|structure| {
            progress.check()?;
            let (mask, warnings) = filled(&values, structure, grid).map_err(at)?;
            progress.step(&done, object.structures.len());
            let structure = structure.clone();
            Ok((LoadedStructure { structure, mask }, warnings))
        })
        .collect::<Result<Vec<_>, IoError>>()?;
    let mut warnings = object.warnings.clone();
    let mut structures = Vec::with_capacity(loaded.len());
    for (structure, told) in loaded {
        structures.push(structure);
        warnings.extend(told);
    }
    Ok(LoadedObject {
        structures,
        warnings,
    })
}

fn filled(
    values: &DataSet,
    structure: &Structure,
    grid: &VoxelGrid,
) -> Result<(Mask, Vec<Warning>), Refusal> {
    let notes = Notes::default();
    let mut contours: Vec<Vec<DVec3>> = Vec::new();
    let mut open = 0;
    let item = of_roi(values.items(tags::ROI_CONTOUR_SEQUENCE), structure.number);
    for contour in item
        .into_iter()
        .flat_map(|i| i.items(tags::CONTOUR_SEQUENCE))
    {
        let kind = contour.text(tags::CONTOUR_GEOMETRIC_TYPE);
        if !["CLOSED_PLANAR", "CLOSEDPLANAR_XOR"].contains(&kind.as_str()) {
            open += 1;
            continue;
        }
        let numbers = contour.numbers(tags::CONTOUR_DATA, &notes)?;
        let (corners, rest) = numbers.as_chunks::<3>();
        if !rest.is_empty() {
            let message = format!(
                "a contour of {} numbers, which are no points",
                numbers.len()
            );
            return Err(malformed(&message));
        }
        contours.push(corners.iter().map(|c| DVec3::from_array(*c)).collect());
    }
    let filled = fill(grid, &contours);
    let mut warnings = notes.into_warnings();
    warnings.extend(told(structure, &filled, &contours, open, grid));
    Ok((filled.mask, warnings))
}

/// What a reader should know of a structure's contours.
fn told(
    structure: &Structure,
    filled: &Filled,
    contours: &[Vec<DVec3>],
    open: usize,
    grid: &VoxelGrid,
) -> Vec<Warning> {
    let name = &structure.name;
    let mut told = Vec::new();
    let mut tell = |count: usize, code, what: &str| {
        if count > 0 {
            told.push(Warning::new(
                code,
                format!("{name}: {count} contours {what}"),
            ));
        }
    };
    tell(
        open,
        "open_contours",
        "are points or open lines, which enclose nothing",
    );
    tell(filled.flat, "flat_contours", "enclose nothing");
    tell(
        filled.copies,
        "double_contours",
        "are there twice; they count once",
    );
    tell(
        filled.turned,
        "turned_contours",
        "are left out, for their planes are turned in too many ways",
    );
    if filled.off_plane_mm > OFF_PLANE_MM {
        let message = format!(
            "{name}: contours are up to {:.1} mm from flat",
            filled.off_plane_mm
        );
        told.push(Warning::new("uneven_contours", message));
    }
    let inverse = grid.voxel_from_patient();
    let high = grid.dims().as_dvec3() - 0.5;
    let is_outside = |contour: &&Vec<DVec3>| {
        let mut corners = contour.iter().map(|c| inverse.transform_point3(*c));
        corners.all(|c| c.cmplt(DVec3::splat(-0.5)).any() || c.cmpgt(high).any())
    };
    let outside = contours.iter().filter(is_outside).count();
    if outside > 0 {
        let message = format!(
            "{name}: {outside} of {} contours lie outside the image",
            contours.len()
        );
        told.push(Warning::new("outside", message));
    }
    if contours.is_empty() {
        told.push(Warning::new(
            "empty",
            format!("{name}: has no closed contours"),
        ));
    }
    told
}
