//! The distance between pixels, and what it is a distance of.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use glam::DVec3;

use super::dataset::DataSet;
use super::frame::Place;
use super::groups::Groups;
use super::image_file::no_geometry;
use super::values::Notes;
use crate::io::error::Refusal;
use crate::volume::Spacing;

/// Between rows, then between columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PixelSpacing {
    pub mm: [f64; 2],
    pub kind: Spacing,
}

/// Pixel Spacing (0028,0030), or what projections and ultrasound have for it.
///
/// # Errors
/// When it is there but no pair of distances.
pub(super) fn read(groups: &Groups, notes: &Notes) -> Result<PixelSpacing, Refusal> {
    let group = tags::PIXEL_MEASURES_SEQUENCE;
    let found = groups.numbers(group, tags::PIXEL_SPACING, notes)?;
    if !found.is_empty() {
        let kind = Spacing::Patient;
        return pair(&found, "Pixel Spacing (0028,0030)").map(|mm| PixelSpacing { mm, kind });
    }
    let numbers = |tag: Tag| groups.numbers(group, tag, notes);
    if let Some(mm) = of_ultrasound(groups.holder(group, tags::PIXEL_SPACING), notes)? {
        let kind = Spacing::Patient;
        return Ok(PixelSpacing { mm, kind });
    }
    for tag in [
        tags::IMAGER_PIXEL_SPACING,
        tags::NOMINAL_SCANNED_PIXEL_SPACING,
    ] {
        let found = numbers(tag)?;
        if found.is_empty() {
            continue;
        }
        let [rows, columns] = pair(&found, "Imager Pixel Spacing (0018,1164)")?;
        // The factor from the patient to the detector (PS3.3 C.8.11.7.1.4).
        let magnification = numbers(tags::ESTIMATED_RADIOGRAPHIC_MAGNIFICATION_FACTOR)?;
        return Ok(match *magnification.as_slice() {
            [factor] if factor > 0.0 => PixelSpacing {
                mm: [rows / factor, columns / factor],
                kind: Spacing::Patient,
            },
            _ => PixelSpacing {
                mm: [rows, columns],
                kind: Spacing::Detector,
            },
        });
    }
    Ok(PixelSpacing {
        mm: [1.0, 1.0],
        kind: Spacing::Unknown,
    })
}

fn pair(found: &[f64], name: &str) -> Result<[f64; 2], Refusal> {
    match *found {
        [rows, columns] if [rows, columns].iter().all(|&v| v > 0.0 && v < 1e4) => {
            Ok([rows, columns])
        }
        _ => Err(no_geometry(&format!("it has no usable {name}"))),
    }
}

/// The one calibration of an ultrasound picture (PS3.3 C.8.5.5), where all its regions share it.
fn of_ultrasound(root: &DataSet, notes: &Notes) -> Result<Option<[f64; 2]>, Refusal> {
    const CENTIMETRES: f64 = 3.0;
    let mut shared: Option<[f64; 2]> = None;
    for region in root.items(tags::SEQUENCE_OF_ULTRASOUND_REGIONS) {
        let is_length = |tag| Ok::<_, Refusal>(region.number(tag, notes)? == Some(CENTIMETRES));
        if !is_length(tags::PHYSICAL_UNITS_X_DIRECTION)?
            || !is_length(tags::PHYSICAL_UNITS_Y_DIRECTION)?
        {
            continue;
        }
        let mm = |tag| Ok::<_, Refusal>(region.number(tag, notes)?.map(|cm| cm.abs() * 10.0));
        let (Some(x), Some(y)) = (mm(tags::PHYSICAL_DELTA_X)?, mm(tags::PHYSICAL_DELTA_Y)?) else {
            continue;
        };
        let found = pair(&[y, x], "Physical Delta X and Y (0018,602C)")?;
        if shared.is_some_and(|shared| shared != found) {
            return Ok(None);
        }
        shared = Some(found);
    }
    Ok(shared)
}

/// The place of frame `number` of a reconstructed nuclear medicine image (PS3.3 C.8.4.11): the first frame's is told, the
/// others follow along the normal.
pub(super) fn of_detector(
    values: &DataSet,
    number: u32,
    notes: &Notes,
) -> Result<Option<Place>, Refusal> {
    let Some(detector) = values.item(tags::DETECTOR_INFORMATION_SEQUENCE) else {
        return Ok(None);
    };
    let position = detector.numbers(tags::IMAGE_POSITION_PATIENT, notes)?;
    let orientation = detector.numbers(tags::IMAGE_ORIENTATION_PATIENT, notes)?;
    let between = values.number(tags::SPACING_BETWEEN_SLICES, notes)?;
    let (&[x, y, z], &[a, b, c, d, e, f], Some(between)) =
        (position.as_slice(), orientation.as_slice(), between)
    else {
        return Ok(None);
    };
    let (row, column) = (DVec3::new(a, b, c), DVec3::new(d, e, f));
    let (Some(row), Some(column)) = (row.try_normalize(), column.try_normalize()) else {
        return Ok(None);
    };
    let along = row.cross(column) * between * f64::from(number);
    Ok(Some(Place {
        position_mm: DVec3::new(x, y, z) + along,
        row,
        column,
    }))
}
