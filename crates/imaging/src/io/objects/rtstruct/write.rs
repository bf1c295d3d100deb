//! Structures as the contours of a structure set.

use std::io;
use std::path::Path;

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;
use glam::DVec3;

use crate::geometry::VoxelGrid;
use crate::io::objects::codes::coded;
use crate::io::objects::drawn::{Drawn, too_many};
use crate::io::objects::elements::{decimal, item, reference, sequence, shortened, text};
use crate::io::objects::file::{Syntax, save};
use crate::io::objects::original::Original;
use crate::io::{IoError, Series};
use crate::terms::Kind;
use crate::volume::contours::regions;

/// Bytes of a value whose length has 16 bits (PS3.5 7.1.2).
const MOST_BYTES: usize = 65_534;

/// Writes structures of one grid as closed planar contours, one for each region of a slice; holes are joined to the edge
/// by channels without width, which every reader understands (PS3.3 C.8.8.6.3).
///
/// # Errors
/// When the series is no DICOM series, or reading the first image or writing fails.
pub(in crate::io::objects) fn write(
    path: &Path,
    series: &Series,
    grid: &VoxelGrid,
    drawn: &[Drawn],
) -> Result<(), IoError> {
    too_many(path, drawn)?;
    let original = Original::of(series, path)?;
    let mut longest = 0;
    let contours: Vec<Vec<InMemDicomObject>> = drawn
        .iter()
        .map(|d| contours(d, grid, &original, &mut longest))
        .collect();
    let made = || -> io::Result<InMemDicomObject> {
        let class = uids::RT_STRUCTURE_SET_STORAGE;
        let mut object = original.derived(class, "RTSTRUCT", "Structure set")?;
        put_structures(&mut object, drawn, &original);
        let contours = (1..)
            .zip(drawn)
            .zip(contours)
            .map(|((number, d), contours)| {
                InMemDicomObject::from_element_iter([
                    text(
                        tags::ROI_DISPLAY_COLOR,
                        VR::IS,
                        &d.shown_colour().map(|v| v.to_string()).join("\\"),
                    ),
                    sequence(tags::CONTOUR_SEQUENCE, contours),
                    whole(tags::REFERENCED_ROI_NUMBER, number),
                ])
            });
        object.put(sequence(tags::ROI_CONTOUR_SEQUENCE, contours));
        Ok(object)
    };
    let object = made().map_err(|error| IoError::write(path, error))?;
    let syntax = if longest > MOST_BYTES {
        Syntax::Implicit
    } else {
        Syntax::Explicit
    };
    save(path, object, syntax)
}

fn whole(tag: dicom_core::Tag, number: usize) -> InMemElement {
    text(tag, VR::IS, &number.to_string())
}

/// The contours of a structure, slice by slice; `longest` grows to the bytes of the longest one's corners.
fn contours(
    drawn: &Drawn,
    grid: &VoxelGrid,
    original: &Original,
    longest: &mut usize,
) -> Vec<InMemDicomObject> {
    let contour = |(number, region): (usize, crate::volume::contours::Region)| {
        let corners = region.to_mm(&region.keyhole, grid);
        let words: Vec<String> = corners
            .iter()
            .flat_map(DVec3::to_array)
            .map(micrometres)
            .collect();
        let data = words.join("\\");
        *longest = data.len().max(*longest);
        let mut contour = InMemDicomObject::from_element_iter([
            whole(tags::CONTOUR_NUMBER, number),
            text(tags::CONTOUR_GEOMETRIC_TYPE, VR::CS, "CLOSED_PLANAR"),
            whole(tags::NUMBER_OF_CONTOUR_POINTS, corners.len()),
            text(tags::CONTOUR_DATA, VR::DS, &data),
        ]);
        let first = DVec3::new(0.0, 0.0, f64::from(region.k));
        let position_mm = grid.patient_from_voxel().transform_point3(first);
        if let Some(image) = original.at(position_mm) {
            contour.put(sequence(tags::CONTOUR_IMAGE_SEQUENCE, [image.reference()]));
        }
        contour
    };
    (1..).zip(regions(drawn.mask)).map(contour).collect()
}

/// A place in mm, to the tenth of a micrometre.
fn micrometres(value: f64) -> String {
    decimal((value * 1e4).round() / 1e4)
}

/// The modules of the structure set and its observations (C.8.8.5, C.8.8.8).
fn put_structures(object: &mut InMemDicomObject, drawn: &[Drawn], original: &Original) {
    let [date, time] = [tags::SERIES_DATE, tags::SERIES_TIME].map(|tag| {
        let value = object.get(tag).and_then(|e| e.to_str().ok());
        value.map_or_else(String::new, std::borrow::Cow::into_owned)
    });
    // The class of a study that is managed elsewhere, long retired, is what readers know here.
    let mut study = reference("1.2.840.10008.3.1.2.3.1", &original.study_uid);
    study.put(item(
        tags::RT_REFERENCED_SERIES_SEQUENCE,
        [
            text(tags::SERIES_INSTANCE_UID, VR::UI, &original.series_uid),
            sequence(tags::CONTOUR_IMAGE_SEQUENCE, original.references()),
        ],
    ));
    let rois = (1..).zip(drawn).map(|(number, d)| {
        let mut roi = InMemDicomObject::from_element_iter([
            whole(tags::ROI_NUMBER, number),
            text(
                tags::REFERENCED_FRAME_OF_REFERENCE_UID,
                VR::UI,
                &original.frame_of_reference,
            ),
            text(tags::ROI_NAME, VR::LO, &shortened(d.name, 64)),
            text(tags::ROI_GENERATION_ALGORITHM, VR::CS, d.by.code()),
        ]);
        if let Some((name, version)) = d.by.program() {
            let about = shortened(&format!("{name} {version}"), 64);
            roi.put(text(tags::ROI_GENERATION_DESCRIPTION, VR::LO, &about));
        }
        roi
    });
    let observations = (1..).zip(drawn).map(|(number, d)| {
        let interpreted = match d.term.map(crate::terms::Term::kind) {
            Some(Kind::Organ | Kind::Vessel | Kind::Bone | Kind::Muscle) => "ORGAN",
            _ => "",
        };
        let mut observation = InMemDicomObject::from_element_iter([
            whole(tags::OBSERVATION_NUMBER, number),
            whole(tags::REFERENCED_ROI_NUMBER, number),
            text(tags::RTROI_INTERPRETED_TYPE, VR::CS, interpreted),
            text(tags::ROI_INTERPRETER, VR::PN, ""),
        ]);
        if d.term.is_some() {
            let kind = coded(d.term).kind;
            observation.put(sequence(tags::RTROI_IDENTIFICATION_CODE_SEQUENCE, [kind]));
        }
        observation
    });
    for element in [
        text(tags::OPERATORS_NAME, VR::PN, ""),
        text(tags::STRUCTURE_SET_LABEL, VR::SH, "Structures"),
        text(tags::STRUCTURE_SET_DATE, VR::DA, &date),
        text(tags::STRUCTURE_SET_TIME, VR::TM, &time),
        item(
            tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE,
            [
                text(
                    tags::FRAME_OF_REFERENCE_UID,
                    VR::UI,
                    &original.frame_of_reference,
                ),
                sequence(tags::RT_REFERENCED_STUDY_SEQUENCE, [study]),
            ],
        ),
        sequence(tags::STRUCTURE_SET_ROI_SEQUENCE, rois),
        sequence(tags::RTROI_OBSERVATIONS_SEQUENCE, observations),
        text(tags::APPROVAL_STATUS, VR::CS, "UNAPPROVED"),
    ] {
        object.put(element);
    }
}
