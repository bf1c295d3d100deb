//! Structures as a binary segmentation, a bit a voxel.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use glam::DVec3;

use crate::geometry::VoxelGrid;
use crate::io::objects::codes::{coded, elements};
use crate::io::objects::colour::stored_from_rgb;
use crate::io::objects::drawn::{Drawn, too_many};
use crate::io::objects::elements::{
    code, decimals, item, new_uid, numbers, sequence, shortened, text,
};
use crate::io::objects::file::{Syntax, save};
use crate::io::objects::original::Original;
use crate::io::{IoError, Series};
use crate::volume::Mask;

/// One slice of one structure.
struct Frame {
    /// The structure's number, from 1.
    segment: u16,
    k: u32,
}

/// Writes structures of one grid as a segmentation that names the images of the series. Slices without a voxel of a
/// structure have no frame.
///
/// # Errors
/// When the series is no DICOM series, the grid's rows and columns are not perpendicular or too long, or reading the
/// first image or writing fails.
pub(in crate::io::objects) fn write(
    path: &Path,
    series: &Series,
    grid: &VoxelGrid,
    drawn: &[Drawn],
) -> Result<(), IoError> {
    too_many(path, drawn)?;
    let original = Original::of(series, path)?;
    let refused = |message: String| IoError::OutputShape {
        path: path.to_owned(),
        message,
    };
    let dims = grid.dims();
    let (Ok(columns), Ok(rows)) = (u16::try_from(dims.x), u16::try_from(dims.y)) else {
        return Err(refused(format!(
            "a frame has at most 65535 rows and columns, not {} x {}",
            dims.x, dims.y
        )));
    };
    let directions = grid.directions();
    if directions.x_axis.dot(directions.y_axis).abs() > 1e-4 {
        return Err(refused(
            "rows and columns of the image are not perpendicular; write .nii.gz".to_owned(),
        ));
    }
    let (frames, pixels) = frames(grid, drawn);
    if i32::try_from(frames.len()).is_err() || pixels.len() > u32::MAX as usize - 1 {
        return Err(refused(
            "the structures have more frames than one object holds".to_owned(),
        ));
    }
    let made = || -> io::Result<InMemDicomObject> {
        let class = uids::SEGMENTATION_STORAGE;
        let mut object = original.derived(class, "SEG", "Segmentation")?;
        put_image(&mut object, rows, columns, frames.len());
        put_content(&mut object, drawn);
        put_references(&mut object, &original);
        put_dimensions(&mut object, &new_uid()?);
        put_groups(&mut object, grid, &frames, &original);
        object.put(DataElement::new(
            tags::PIXEL_DATA,
            VR::OB,
            PrimitiveValue::U8(pixels.into()),
        ));
        Ok(object)
    };
    let object = made().map_err(|error| IoError::write(path, error))?;
    save(path, object, Syntax::Explicit)
}

/// The frames, structure by structure, and their bits: the first pixel in the lowest bit, and no gap between rows or
/// frames (PS3.5 8.1.1).
fn frames(grid: &VoxelGrid, drawn: &[Drawn]) -> (Vec<Frame>, Vec<u8>) {
    let dims = grid.dims();
    let area = dims.x as usize * dims.y as usize;
    let (mut frames, mut pixels) = (Vec::new(), Vec::new());
    let mut slice = vec![0; area];
    let mut bit = 0;
    for (segment, structure) in (1..).zip(drawn) {
        for k in slices_of(structure.mask) {
            structure.mask.read_slice(k, &mut slice);
            if !slice.contains(&1) {
                continue;
            }
            frames.push(Frame { segment, k });
            pixels.resize((bit + area).div_ceil(8), 0_u8);
            for (n, voxel) in slice.iter().enumerate() {
                pixels[(bit + n) / 8] |= voxel << ((bit + n) % 8);
            }
            bit += area;
        }
    }
    // A value has an even length.
    pixels.resize(pixels.len().next_multiple_of(2), 0);
    (frames, pixels)
}

/// The slices in which a mask can have voxels.
fn slices_of(mask: &Mask) -> std::ops::Range<u32> {
    let bounds = mask.bounding_box();
    bounds.map_or(0..0, |b| (b.min.z + 0.5) as u32..(b.max.z + 0.5) as u32)
}

/// The modules of the image (C.7.6.3, C.8.20.2).
fn put_image(object: &mut InMemDicomObject, rows: u16, columns: u16, frames: usize) {
    for element in [
        text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY"),
        numbers(tags::SAMPLES_PER_PIXEL, &[1]),
        text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        text(tags::NUMBER_OF_FRAMES, VR::IS, &frames.to_string()),
        numbers(tags::ROWS, &[rows]),
        numbers(tags::COLUMNS, &[columns]),
        numbers(tags::BITS_ALLOCATED, &[1]),
        numbers(tags::BITS_STORED, &[1]),
        numbers(tags::HIGH_BIT, &[0]),
        numbers(tags::PIXEL_REPRESENTATION, &[0]),
        text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00"),
        text(tags::SEGMENTATION_TYPE, VR::CS, "BINARY"),
    ] {
        object.put(element);
    }
}

/// What the segments are (C.8.20.2, C.8.20.4).
fn put_content(object: &mut InMemDicomObject, drawn: &[Drawn]) {
    let [date, time] = [tags::SERIES_DATE, tags::SERIES_TIME].map(|tag| {
        let value = object.get(tag).and_then(|e| e.to_str().ok());
        value.map_or_else(String::new, std::borrow::Cow::into_owned)
    });
    let overlap = if overlap(drawn) { "YES" } else { "NO" };
    let segments = (1_u16..).zip(drawn).map(|(number, d)| segment(number, d));
    for element in [
        text(tags::CONTENT_DATE, VR::DA, &date),
        text(tags::CONTENT_TIME, VR::TM, &time),
        text(tags::CONTENT_LABEL, VR::CS, "SEGMENTATION"),
        text(
            tags::CONTENT_DESCRIPTION,
            VR::LO,
            "Structures drawn on the image",
        ),
        text(tags::CONTENT_CREATOR_NAME, VR::PN, ""),
        text(tags::SEGMENTS_OVERLAP, VR::CS, overlap),
        sequence(tags::SEGMENT_SEQUENCE, segments),
    ] {
        object.put(element);
    }
}

/// Whether two structures have a voxel in common.
fn overlap(drawn: &[Drawn]) -> bool {
    let mut pairs = (0..drawn.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
    pairs.any(|(a, b)| drawn[a].mask.dice(drawn[b].mask) > 0.0 && drawn[b].mask.count() > 0)
}

fn segment(number: u16, drawn: &Drawn) -> InMemDicomObject {
    let mut segment = InMemDicomObject::from_element_iter([
        numbers(tags::SEGMENT_NUMBER, &[number]),
        text(tags::SEGMENT_LABEL, VR::LO, &shortened(drawn.name, 64)),
        text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, drawn.by.code()),
        numbers(
            tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE,
            &stored_from_rgb(drawn.shown_colour()),
        ),
    ]);
    for element in elements(
        coded(drawn.term),
        tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE,
        tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE,
    ) {
        segment.put(element);
    }
    if let Some((name, version)) = drawn.by.program() {
        let name = shortened(name, 64);
        segment.put(text(tags::SEGMENT_ALGORITHM_NAME, VR::LO, &name));
        segment.put(item(
            tags::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE,
            [
                sequence(
                    tags::ALGORITHM_FAMILY_CODE_SEQUENCE,
                    [code("DCM", "123110", "Artificial Intelligence")],
                ),
                text(tags::ALGORITHM_VERSION, VR::LO, &shortened(version, 64)),
                text(tags::ALGORITHM_NAME, VR::LO, &name),
            ],
        ));
    }
    segment
}

/// The images it lies on (C.12.2).
fn put_references(object: &mut InMemDicomObject, original: &Original) {
    object.put(item(
        tags::REFERENCED_SERIES_SEQUENCE,
        [
            sequence(tags::REFERENCED_INSTANCE_SEQUENCE, original.references()),
            text(tags::SERIES_INSTANCE_UID, VR::UI, &original.series_uid),
        ],
    ));
}

/// Frames are counted by segment and place (C.7.6.17).
fn put_dimensions(object: &mut InMemDicomObject, uid: &str) {
    let pointer =
        |tag, value| DataElement::new(tag, VR::AT, PrimitiveValue::Tags([value].as_slice().into()));
    let index = |value, group, label: &str| {
        InMemDicomObject::from_element_iter([
            text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, uid),
            pointer(tags::DIMENSION_INDEX_POINTER, value),
            pointer(tags::FUNCTIONAL_GROUP_POINTER, group),
            text(tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, label),
        ])
    };
    object.put(item(
        tags::DIMENSION_ORGANIZATION_SEQUENCE,
        [text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, uid)],
    ));
    object.put(sequence(
        tags::DIMENSION_INDEX_SEQUENCE,
        [
            index(
                tags::REFERENCED_SEGMENT_NUMBER,
                tags::SEGMENT_IDENTIFICATION_SEQUENCE,
                "Segment Number",
            ),
            index(
                tags::IMAGE_POSITION_PATIENT,
                tags::PLANE_POSITION_SEQUENCE,
                "Image Position Patient",
            ),
        ],
    ));
}

/// Where the frames lie (C.7.6.16).
fn put_groups(
    object: &mut InMemDicomObject,
    grid: &VoxelGrid,
    frames: &[Frame],
    original: &Original,
) {
    let (spacing, directions) = (grid.spacing_mm(), grid.directions());
    let normal = directions.x_axis.cross(directions.y_axis);
    let apart = grid.patient_from_voxel().matrix3.z_axis.dot(normal).abs();
    let orientation = [directions.x_axis, directions.y_axis].map(|v| v.to_array());
    object.put(item(
        tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
        [
            item(
                tags::PIXEL_MEASURES_SEQUENCE,
                [
                    decimals(tags::SLICE_THICKNESS, [apart]),
                    decimals(tags::SPACING_BETWEEN_SLICES, [apart]),
                    decimals(tags::PIXEL_SPACING, [spacing.y, spacing.x]),
                ],
            ),
            item(
                tags::PLANE_ORIENTATION_SEQUENCE,
                [decimals(
                    tags::IMAGE_ORIENTATION_PATIENT,
                    orientation.concat(),
                )],
            ),
        ],
    ));
    let mut places: BTreeMap<u32, u32> = frames.iter().map(|frame| (frame.k, 0)).collect();
    for (number, place) in (1..).zip(places.values_mut()) {
        *place = number;
    }
    let items = frames.iter().map(|frame| {
        let first = DVec3::new(0.0, 0.0, f64::from(frame.k));
        let position_mm = grid.patient_from_voxel().transform_point3(first);
        let index = [u32::from(frame.segment), places[&frame.k]];
        InMemDicomObject::from_element_iter([
            derivation(original, position_mm),
            item(
                tags::FRAME_CONTENT_SEQUENCE,
                [DataElement::new(
                    tags::DIMENSION_INDEX_VALUES,
                    VR::UL,
                    PrimitiveValue::U32(index.as_slice().into()),
                )],
            ),
            item(
                tags::PLANE_POSITION_SEQUENCE,
                [decimals(
                    tags::IMAGE_POSITION_PATIENT,
                    position_mm.to_array(),
                )],
            ),
            item(
                tags::SEGMENT_IDENTIFICATION_SEQUENCE,
                [numbers(tags::REFERENCED_SEGMENT_NUMBER, &[frame.segment])],
            ),
        ])
    });
    object.put(sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, items));
}

/// The image that a frame was drawn on; none where the grid has slices between the images (C.7.6.16.2.6).
fn derivation(original: &Original, position_mm: DVec3) -> dicom_object::mem::InMemElement {
    let derived = original.at(position_mm).map(|instance| {
        let mut source = instance.reference();
        let purpose = "Source image for image processing operation";
        source.put(sequence(
            tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
            [code("DCM", "121322", purpose)],
        ));
        InMemDicomObject::from_element_iter([
            sequence(tags::SOURCE_IMAGE_SEQUENCE, [source]),
            sequence(
                tags::DERIVATION_CODE_SEQUENCE,
                [code("DCM", "113076", "Segmentation")],
            ),
        ])
    });
    sequence(tags::DERIVATION_IMAGE_SEQUENCE, derived)
}
