//! Segmentations to structures, and their frames to masks.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicUsize;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use glam::DVec3;
use rayon::prelude::*;

use super::frames::FrameReader;
use super::gather::{Plane, Slab, gather};
use crate::geometry::VoxelGrid;
use crate::io::dicom::{ABOUT, DataSet, Notes, Object, malformed};
use crate::io::error::Refusal;
use crate::io::objects::colour::rgb_from_stored;
use crate::io::objects::found::{about, read_again, term, three};
use crate::io::objects::{LoadedObject, LoadedStructure, ObjectKind, ObjectOnTop, Structure};
use crate::io::{IoError, Progress, Warning};
use crate::volume::Mask;

/// What is kept to list a segmentation.
const LISTED: &[Tag] = &[
    tags::SEGMENT_SEQUENCE,
    tags::SEGMENT_NUMBER,
    tags::SEGMENT_LABEL,
    tags::SEGMENT_ALGORITHM_TYPE,
    tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE,
    tags::SEGMENTED_PROPERTY_TYPE_MODIFIER_CODE_SEQUENCE,
    tags::CODE_VALUE,
    tags::CODING_SCHEME_DESIGNATOR,
    tags::CODE_MEANING,
    tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE,
    tags::REFERENCED_SERIES_SEQUENCE,
    tags::SEGMENTATION_TYPE,
    tags::SEGMENTATION_FRACTIONAL_TYPE,
    tags::PIXEL_PADDING_VALUE,
    tags::ROWS,
    tags::COLUMNS,
    tags::NUMBER_OF_FRAMES,
];

/// What is kept beside that to load it.
const LOADED: &[Tag] = &[
    tags::SAMPLES_PER_PIXEL,
    tags::PHOTOMETRIC_INTERPRETATION,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::MAXIMUM_FRACTIONAL_VALUE,
    tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::PIXEL_MEASURES_SEQUENCE,
    tags::PIXEL_SPACING,
    tags::SLICE_THICKNESS,
    tags::SPACING_BETWEEN_SLICES,
    tags::PLANE_ORIENTATION_SEQUENCE,
    tags::IMAGE_ORIENTATION_PATIENT,
    tags::PLANE_POSITION_SEQUENCE,
    tags::IMAGE_POSITION_PATIENT,
    tags::SEGMENT_IDENTIFICATION_SEQUENCE,
    tags::REFERENCED_SEGMENT_NUMBER,
    tags::PIXEL_DATA,
];

/// Background of a label map (PS3.16 DCM 125040): no structure.
const BACKGROUND: &str = "125040";

/// Lists what a segmentation holds.
///
/// # Errors
/// When it is damaged or holds no segment.
pub(in crate::io::objects) fn inspect(
    path: &Path,
    meta: Option<u64>,
) -> Result<ObjectOnTop, Refusal> {
    let wanted = |tag| LISTED.contains(&tag) || ABOUT.contains(&tag);
    let values = Object::read(path, meta, wanted)?.values;
    let mut object = about(path, ObjectKind::Segmentation, &values);
    object.structures = structures(&values)?;
    let series = values.items(tags::REFERENCED_SERIES_SEQUENCE).iter();
    let series = series.map(|item| item.text(tags::SERIES_INSTANCE_UID));
    object.series_uids = series.filter(|uid| !uid.is_empty()).collect();
    if values.text(tags::SEGMENTATION_TYPE) == "FRACTIONAL" {
        object.warnings.push(fractional(&values));
    }
    Ok(object)
}

fn fractional(values: &DataSet) -> Warning {
    let of = match values.text(tags::SEGMENTATION_FRACTIONAL_TYPE).as_str() {
        "OCCUPANCY" => "shares of voxels",
        _ => "probabilities",
    };
    let message = format!("it holds {of}; what is at least one half is inside");
    Warning::new("fractional", message)
}

fn structures(values: &DataSet) -> Result<Vec<Structure>, Refusal> {
    let notes = Notes::default();
    let padding = values.whole::<u32>(tags::PIXEL_PADDING_VALUE, &notes)?;
    let mut found: Vec<Structure> = Vec::new();
    for item in values.items(tags::SEGMENT_SEQUENCE) {
        let Some(number) = item.whole::<u32>(tags::SEGMENT_NUMBER, &notes)? else {
            return Err(malformed("a segment without a number"));
        };
        let kind = tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE;
        let code = item.item(kind).map(|code| code.text(tags::CODE_VALUE));
        if number == 0 || padding == Some(number) || code.as_deref() == Some(BACKGROUND) {
            continue;
        }
        if found.iter().any(|s| s.number == number) {
            return Err(malformed(&format!("two segments of number {number}")));
        }
        let label = item.text(tags::SEGMENT_LABEL);
        let name = if label.is_empty() {
            format!("segment {number}")
        } else {
            label
        };
        found.push(Structure {
            number,
            term: term(&name, item, kind),
            name,
            colour: three(item, tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE).map(rgb_from_stored),
            drawn_by: item.text(tags::SEGMENT_ALGORITHM_TYPE),
        });
    }
    if found.is_empty() {
        let message = "a segmentation without a segment; there is nothing to show";
        return Err(Refusal::new("no_segments", message));
    }
    Ok(found)
}

/// The masks of all segments on a grid.
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
    let file = read_again(object.file(), wanted).map_err(at)?;
    progress.check()?;
    let reader = FrameReader::new(&file).map_err(at)?;
    let placed = placed(&file.values, &reader, object).map_err(at)?;
    let mut warnings = object.warnings.clone();
    warnings.extend(reader.warning());
    if placed.iter().any(|p| !p.fits(grid, &reader)) {
        let message = "it lies on another grid than the image; each voxel of the image takes the nearest one of it";
        warnings.push(Warning::new("resampled", message));
    }
    let slabs = slabs(&placed, grid);
    let done = AtomicUsize::new(0);
    let structures = object
        .structures
        .par_iter()
        .map(|structure| {
            progress.check()?;
            let mut mask = Mask::empty(*grid);
            for slab in &slabs {
                let planes: Vec<Plane> = slab
                    .frames
                    .iter()
                    .filter(|&&n| placed[n].holds(structure.number))
                    .filter_map(|&n| {
                        let columns = reader.size()[0];
                        let bits = reader.bits(n, structure.number);
                        let plane = bits.map(|b| Plane::new(&placed[n].place, slab, &b, columns));
                        plane.transpose()
                    })
                    .collect::<Result<_, Refusal>>()
                    .map_err(at)?;
                gather(&mut mask, slab, &planes);
            }
            progress.step(&done, object.structures.len());
            Ok(LoadedStructure {
                structure: structure.clone(),
                mask,
            })
        })
        .collect::<Result<Vec<_>, IoError>>()?;
    warnings.extend(outside(&placed, grid, &reader));
    Ok(LoadedObject {
        structures,
        warnings,
    })
}

/// Frames that lie wholly outside the image.
fn outside(placed: &[Placed], grid: &VoxelGrid, reader: &FrameReader) -> Option<Warning> {
    let low = DVec3::splat(-0.5) - 1.0;
    let high = grid.dims().as_dvec3() + 0.5;
    let is_outside = |p: &&Placed| {
        let corners = p.place.corners_mm(reader.size());
        let inverse = grid.voxel_from_patient();
        let corners = corners.map(|c| inverse.transform_point3(c));
        let least = corners.into_iter().fold(DVec3::INFINITY, DVec3::min);
        let most = corners.into_iter().fold(DVec3::NEG_INFINITY, DVec3::max);
        most.cmplt(low).any() || least.cmpgt(high).any()
    };
    let count = placed.iter().filter(is_outside).count();
    (count > 0).then(|| {
        let message = format!(
            "{count} of its {} frames lie outside the image",
            placed.len()
        );
        Warning::new("outside", message)
    })
}

/// Where a frame lies.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(clippy::struct_field_names, reason = "all are lengths in mm")]
pub(super) struct FramePlace {
    /// The centre of the first pixel.
    pub position_mm: DVec3,
    /// The steps from column to column and from row to row, in mm.
    pub steps_mm: [DVec3; 2],
    /// How far slices are apart, where the file says so.
    pub apart_mm: Option<f64>,
}

impl FramePlace {
    /// The unit normal.
    pub fn normal(&self) -> DVec3 {
        self.steps_mm[0].cross(self.steps_mm[1]).normalize_or_zero()
    }

    /// The centres of the pixels at the corners; `size` is columns and rows.
    fn corners_mm(&self, size: [u32; 2]) -> [DVec3; 4] {
        let [c, r] = size.map(|n| f64::from(n - 1));
        let [across, down] = self.steps_mm;
        [[0.0, 0.0], [c, 0.0], [0.0, r], [c, r]]
            .map(|[c, r]| self.position_mm + across * c + down * r)
    }
}

/// A frame, whose it is and where it lies.
struct Placed {
    /// One, but for label maps.
    segments: BTreeSet<u32>,
    place: FramePlace,
}

impl Placed {
    fn holds(&self, segment: u32) -> bool {
        self.segments.contains(&segment)
    }

    /// Whether the pixels are voxels of the grid, within a fiftieth of a voxel.
    fn fits(&self, grid: &VoxelGrid, reader: &FrameReader) -> bool {
        let inverse = grid.voxel_from_patient();
        let [across, down] = self.place.steps_mm.map(|s| inverse.transform_vector3(s));
        let is_step = |step: DVec3| {
            (step - step.round()).abs().max_element() * 64.0 < 0.02
                && (step.abs().element_sum() - 1.0).abs() < 0.02
        };
        let mut corners = self.place.corners_mm(reader.size()).into_iter();
        is_step(across)
            && is_step(down)
            && corners.all(|corner| {
                let voxel = inverse.transform_point3(corner);
                (voxel - voxel.round()).abs().max_element() < 0.02
            })
    }
}

/// A group of attributes of a frame: its own or the one it shares (PS3.3 C.7.6.16).
fn group<'a>(
    frame: &'a DataSet,
    shared: Option<&'a DataSet>,
    sequence: Tag,
) -> Option<&'a DataSet> {
    frame.item(sequence).or_else(|| shared?.item(sequence))
}

fn placed(
    values: &DataSet,
    reader: &FrameReader,
    object: &ObjectOnTop,
) -> Result<Vec<Placed>, Refusal> {
    let frames = reader.frames();
    let shared = values.item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    let own = values.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    if own.len() != frames {
        let message = format!("{} functional groups for {frames} frames", own.len());
        return Err(malformed(&message));
    }
    let known: BTreeSet<u32> = object.structures.iter().map(|s| s.number).collect();
    own.par_iter()
        .enumerate()
        .map(|(n, frame)| {
            let segments = match reader.labels(n)? {
                Some(labels) => labels,
                None => BTreeSet::from([segment_of(frame, shared, &known)?]),
            };
            let place = place_of(frame, shared)?;
            Ok(Placed { segments, place })
        })
        .collect()
}

/// The segment that a frame is of.
fn segment_of(
    frame: &DataSet,
    shared: Option<&DataSet>,
    known: &BTreeSet<u32>,
) -> Result<u32, Refusal> {
    let item = group(frame, shared, tags::SEGMENT_IDENTIFICATION_SEQUENCE);
    let number = match item {
        Some(item) => item.whole::<u32>(tags::REFERENCED_SEGMENT_NUMBER, &Notes::default())?,
        None => None,
    };
    match (number, known.first()) {
        (Some(number), _) if known.contains(&number) => Ok(number),
        (Some(number), _) => {
            let message = format!("a frame of segment {number}, which it does not have");
            Err(malformed(&message))
        }
        (None, Some(only)) if known.len() == 1 => Ok(*only),
        (None, _) => Err(malformed("a frame of no segment")),
    }
}

fn place_of(frame: &DataSet, shared: Option<&DataSet>) -> Result<FramePlace, Refusal> {
    let notes = Notes::default();
    let numbers = |sequence, tag| -> Result<Vec<f64>, Refusal> {
        match group(frame, shared, sequence) {
            Some(item) => item.numbers(tag, &notes),
            None => Ok(Vec::new()),
        }
    };
    let position = numbers(tags::PLANE_POSITION_SEQUENCE, tags::IMAGE_POSITION_PATIENT)?;
    let orientation = numbers(
        tags::PLANE_ORIENTATION_SEQUENCE,
        tags::IMAGE_ORIENTATION_PATIENT,
    )?;
    let spacing = numbers(tags::PIXEL_MEASURES_SEQUENCE, tags::PIXEL_SPACING)?;
    let (&[x, y, z], &[a, b, c, d, e, f], &[rows, columns]) = (
        position.as_slice(),
        orientation.as_slice(),
        spacing.as_slice(),
    ) else {
        let message =
            "its frames do not say where they lie in the patient; it cannot be shown on an image";
        return Err(Refusal::new("no_geometry", message));
    };
    let (row, column) = (DVec3::new(a, b, c), DVec3::new(d, e, f));
    let is_unit = |v: DVec3| (v.length() - 1.0).abs() < 1e-2;
    let is_length = |mm: f64| mm > 0.0 && mm < 1e4;
    if !is_unit(row)
        || !is_unit(column)
        || row.dot(column).abs() > 1e-2
        || !is_length(rows)
        || !is_length(columns)
    {
        let message = "the orientation or the spacing of its frames is none that can be used";
        return Err(Refusal::new("no_geometry", message));
    }
    let measures = tags::PIXEL_MEASURES_SEQUENCE;
    let apart = [tags::SPACING_BETWEEN_SLICES, tags::SLICE_THICKNESS].into_iter();
    let mut apart = apart.filter_map(|tag| numbers(measures, tag).ok()?.first().copied());
    Ok(FramePlace {
        position_mm: DVec3::new(x, y, z),
        steps_mm: [row.normalize() * columns, column.normalize() * rows],
        apart_mm: apart.find(|&mm| is_length(mm)),
    })
}

/// Frames by orientation and spacing: each group is a stack of slices.
fn slabs(placed: &[Placed], grid: &VoxelGrid) -> Vec<Slab> {
    let mut slabs: Vec<Slab> = Vec::new();
    for (n, frame) in placed.iter().enumerate() {
        let place = frame.place;
        let same = |slab: &&mut Slab| {
            let steps = slab.first.steps_mm.iter().zip(&place.steps_mm);
            steps
                .into_iter()
                .all(|(a, b)| a.distance(*b) < 1e-3 * a.length())
        };
        match slabs.iter_mut().find(same) {
            Some(slab) => slab.frames.push(n),
            None => slabs.push(Slab::new(place, n)),
        }
    }
    for slab in &mut slabs {
        let normal = slab.first.normal();
        let at = slab
            .frames
            .iter()
            .map(|&n| placed[n].place.position_mm.dot(normal));
        slab.settle(at.collect(), grid);
    }
    slabs
}
