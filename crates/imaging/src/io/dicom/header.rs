//! What the import needs from a DICOM file's header.

use std::io::{Read, Seek};
use std::path::Path;
use std::sync::Arc;

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::charset::CharacterSet;
use super::dataset::{Budget, DataSet, Wanted, read_value};
use super::elements::{Element, Encoding, Walker};
use super::open::Opened;
use crate::io::error::Refusal;

/// The elements that are kept, at any depth; everything else is passed over.
fn is_wanted(tag: Tag) -> bool {
    WANTED.contains(&tag)
}

const WANTED: &[Tag] = &[
    // The file and what it is about.
    tags::SPECIFIC_CHARACTER_SET,
    tags::IMAGE_TYPE,
    tags::SOP_CLASS_UID,
    tags::SOP_INSTANCE_UID,
    tags::MODALITY,
    tags::MANUFACTURER,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID,
    tags::PATIENT_AGE,
    tags::PATIENT_SEX,
    tags::PATIENT_SIZE,
    tags::PATIENT_WEIGHT,
    tags::STUDY_INSTANCE_UID,
    tags::STUDY_DATE,
    tags::STUDY_DESCRIPTION,
    tags::SERIES_INSTANCE_UID,
    tags::SERIES_NUMBER,
    tags::SERIES_DESCRIPTION,
    tags::SERIES_DATE,
    tags::SERIES_TIME,
    tags::TIMEZONE_OFFSET_FROM_UTC,
    tags::INSTANCE_NUMBER,
    tags::FRAME_OF_REFERENCE_UID,
    tags::BODY_PART_EXAMINED,
    // The place of a frame.
    tags::IMAGE_POSITION_PATIENT,
    tags::IMAGE_ORIENTATION_PATIENT,
    tags::PIXEL_SPACING,
    tags::IMAGER_PIXEL_SPACING,
    tags::NOMINAL_SCANNED_PIXEL_SPACING,
    tags::ESTIMATED_RADIOGRAPHIC_MAGNIFICATION_FACTOR,
    tags::SLICE_THICKNESS,
    tags::SPACING_BETWEEN_SLICES,
    tags::SEQUENCE_OF_ULTRASOUND_REGIONS,
    tags::PHYSICAL_UNITS_X_DIRECTION,
    tags::PHYSICAL_UNITS_Y_DIRECTION,
    tags::PHYSICAL_DELTA_X,
    tags::PHYSICAL_DELTA_Y,
    // What tells frames at one place apart.
    tags::ACQUISITION_NUMBER,
    tags::CONVOLUTION_KERNEL,
    tags::KVP,
    tags::ACQUISITION_DATE,
    tags::ACQUISITION_TIME,
    tags::ACQUISITION_DATE_TIME,
    tags::CONTENT_TIME,
    tags::TEMPORAL_POSITION_IDENTIFIER,
    tags::TRIGGER_TIME,
    tags::ECHO_TIME,
    tags::ECHO_NUMBERS,
    tags::INVERSION_TIME,
    tags::DIFFUSION_B_VALUE,
    // Functional groups of enhanced images (PS3.3 C.7.6.16).
    tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::PIXEL_MEASURES_SEQUENCE,
    tags::PLANE_POSITION_SEQUENCE,
    tags::PLANE_ORIENTATION_SEQUENCE,
    tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
    tags::FRAME_VOILUT_SEQUENCE,
    tags::FRAME_CONTENT_SEQUENCE,
    tags::STACK_ID,
    tags::TEMPORAL_POSITION_INDEX,
    tags::DIMENSION_INDEX_VALUES,
    tags::FRAME_ACQUISITION_NUMBER,
    tags::FRAME_ACQUISITION_DATE_TIME,
    tags::FRAME_TYPE,
    tags::MR_IMAGE_FRAME_TYPE_SEQUENCE,
    tags::CT_IMAGE_FRAME_TYPE_SEQUENCE,
    tags::PET_FRAME_TYPE_SEQUENCE,
    tags::MR_ECHO_SEQUENCE,
    tags::EFFECTIVE_ECHO_TIME,
    tags::MR_DIFFUSION_SEQUENCE,
    tags::CARDIAC_SYNCHRONIZATION_SEQUENCE,
    tags::NOMINAL_CARDIAC_TRIGGER_DELAY_TIME,
    tags::TEMPORAL_POSITION_SEQUENCE,
    tags::TEMPORAL_POSITION_TIME_OFFSET,
    tags::DETECTOR_INFORMATION_SEQUENCE,
    // The pixels.
    tags::SAMPLES_PER_PIXEL,
    tags::PHOTOMETRIC_INTERPRETATION,
    tags::PLANAR_CONFIGURATION,
    tags::NUMBER_OF_FRAMES,
    tags::ROWS,
    tags::COLUMNS,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::HIGH_BIT,
    tags::PIXEL_REPRESENTATION,
    tags::LOSSY_IMAGE_COMPRESSION,
    tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
    tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
    tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
    tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    tags::SEGMENTED_RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    // What their values mean.
    tags::MODALITY_LUT_SEQUENCE,
    tags::VOILUT_SEQUENCE,
    tags::LUT_DESCRIPTOR,
    tags::LUT_DATA,
    tags::MODALITY_LUT_TYPE,
    tags::WINDOW_CENTER,
    tags::WINDOW_WIDTH,
    tags::VOILUT_FUNCTION,
    tags::RESCALE_INTERCEPT,
    tags::RESCALE_SLOPE,
    tags::RESCALE_TYPE,
    // PET (PS3.3 C.8.9).
    tags::UNITS,
    tags::SUV_TYPE,
    tags::DECAY_CORRECTION,
    tags::CORRECTED_IMAGE,
    tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE,
    tags::RADIONUCLIDE_TOTAL_DOSE,
    tags::RADIONUCLIDE_HALF_LIFE,
    tags::RADIOPHARMACEUTICAL_START_TIME,
    tags::RADIOPHARMACEUTICAL_START_DATE_TIME,
    GE_SCAN_DATE_TIME,
    PHILIPS_SUV_FACTOR,
    PHILIPS_ACTIVITY_FACTOR,
    // Siemens mosaics.
    SIEMENS_MOSAIC_COUNT,
    SIEMENS_B_VALUE,
    SIEMENS_CSA_IMAGE_HEADER,
];

/// GE: when the scan began, to which decay is corrected.
pub(super) const GE_SCAN_DATE_TIME: Tag = Tag(0x0009, 0x100D);
/// Philips: SUVbw per stored count.
pub(super) const PHILIPS_SUV_FACTOR: Tag = Tag(0x7053, 0x1000);
/// Philips: Bq/mL per stored count.
pub(super) const PHILIPS_ACTIVITY_FACTOR: Tag = Tag(0x7053, 0x1009);
/// Siemens: how many slices a mosaic holds.
pub(super) const SIEMENS_MOSAIC_COUNT: Tag = Tag(0x0019, 0x100A);
/// Siemens: the b-value.
pub(super) const SIEMENS_B_VALUE: Tag = Tag(0x0019, 0x100C);
/// Siemens: the CSA image header.
pub(super) const SIEMENS_CSA_IMAGE_HEADER: Tag = Tag(0x0029, 0x1010);

/// Where the pixels lie and how they are wrapped.
#[derive(Clone, Debug)]
pub(super) struct PixelPlace {
    pub element: PixelElement,
    /// From the start of the file, or of the inflated data set.
    pub offset: u64,
    /// Bytes of the value; `None` when undefined: a sequence of fragments.
    pub length: Option<u32>,
    /// The transfer syntax.
    pub syntax: Arc<str>,
    pub big_endian: bool,
    /// Pixels written as 16-bit words.
    pub words: bool,
    /// Size of the file when its header was read.
    pub file_length: u64,
    /// Bytes that are there for the pixels.
    pub available: u64,
}

/// The element that holds the pixels (PS3.3 C.7.6.3 and C.7.6.24 to 25).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PixelElement {
    /// Pixel Data (7FE0,0010).
    Integer,
    /// Float Pixel Data (7FE0,0008).
    Float,
    /// Double Float Pixel Data (7FE0,0009).
    Double,
}

/// A file's header.
#[derive(Debug)]
pub(super) struct Header {
    pub values: DataSet,
    pub pixels: Option<PixelPlace>,
    /// Why reading ended before the pixels, where it did.
    pub fault: Option<Refusal>,
}

impl Header {
    /// Reads up to the pixels. `meta` is the offset of the File Meta group; `None` where the file begins
    /// with the data set itself.
    pub fn read(path: &Path, meta: Option<u64>) -> Result<Self, Refusal> {
        let mut opened = Opened::open(path, meta)?;
        let walker = &mut opened.walker;
        let mut header = Self {
            values: DataSet::new(opened.encoding, CharacterSet::default()),
            pixels: None,
            fault: None,
        };
        let found = read_to_pixels(walker, opened.encoding, &mut header.values, is_wanted);
        match found {
            Ok(found) => {
                header.pixels = found.map(|(pixels, element)| PixelPlace {
                    element: pixels,
                    offset: walker.position(),
                    length: element.length,
                    syntax: opened.syntax.into(),
                    big_endian: opened.encoding.big_endian,
                    words: element.vr.is_none_or(|vr| &vr == b"OW"),
                    file_length: opened.file_length,
                    available: walker.remaining(),
                });
            }
            // Whose file it is may have been read before.
            Err(fault) => header.fault = Some(fault),
        }
        Ok(header)
    }
}

/// Reads the wanted elements before the pixels, where the walker stops; what stands behind these is padding and
/// signatures. `None` where there are no pixels.
pub(super) fn read_to_pixels<R: Read + Seek>(
    walker: &mut Walker<R>,
    encoding: Encoding,
    values: &mut DataSet,
    wanted: Wanted,
) -> Result<Option<(PixelElement, Element)>, Refusal> {
    let mut budget = Budget::new();
    while let Some(element) = walker.next(encoding)? {
        if let Some(pixels) = pixel_element(element.tag) {
            return Ok(Some((pixels, element)));
        }
        if element.tag > tags::PIXEL_DATA && element.tag.group() != 0xFFFE {
            break;
        }
        if !wanted(element.tag) {
            walker.skip_value(&element, encoding)?;
            continue;
        }
        let value = read_value(walker, &element, encoding, values, wanted, &mut budget)?;
        if let Some(value) = value {
            values.put(element.tag, value);
        }
    }
    Ok(None)
}

const fn pixel_element(tag: Tag) -> Option<PixelElement> {
    match tag {
        tags::PIXEL_DATA => Some(PixelElement::Integer),
        tags::FLOAT_PIXEL_DATA => Some(PixelElement::Float),
        tags::DOUBLE_FLOAT_PIXEL_DATA => Some(PixelElement::Double),
        _ => None,
    }
}
