//! What the import needs from a DICOM file's header.

use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};

use super::charset::CharacterSet;
use super::dataset::{Budget, DataSet, read_value};
use super::elements::{Element, Encoding, Walker, is_vr, malformed};
use crate::io::error::Refusal;
use crate::io::files;

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

/// The most bytes a deflated data set may become: an image of 16384 x 16384 with room to spare.
const MOST_INFLATED: u64 = 1 << 30;

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
        let file = files::open(path)?;
        let file_length = file.metadata()?.len();
        let mut reader = BufReader::new(file);
        reader.seek(SeekFrom::Start(meta.unwrap_or(0)))?;
        let mut walker = Walker::new(reader, meta.unwrap_or(0), file_length);
        let declared = match meta {
            Some(_) => read_meta(&mut walker)?,
            None => None,
        };
        let start = walker.position();
        let syntax = match declared {
            Some(syntax) => syntax,
            // Without a declaration the default (PS3.5 10.1) or what the first element shows.
            None => guess(&mut walker, start)?,
        };
        if syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
            drop(walker);
            let inflated = inflate(path, start)?;
            let end = inflated.len() as u64;
            return read_dataset(
                &mut Walker::new(Cursor::new(inflated), 0, end),
                &syntax,
                file_length,
            );
        }
        read_dataset(&mut walker, &syntax, file_length)
    }
}

/// Reads the File Meta group (PS3.10 7.1) for its transfer syntax and stops at the data set. Its group
/// length is not trusted: writers get it wrong.
pub(super) fn read_meta<R: Read + Seek>(walker: &mut Walker<R>) -> Result<Option<String>, Refusal> {
    let mut syntax = None;
    loop {
        let start = walker.position();
        match walker.next(Encoding::EXPLICIT) {
            Ok(Some(element)) if element.tag.group() == 0x0002 => {
                if element.tag == tags::TRANSFER_SYNTAX_UID {
                    let length = element.length.filter(|&n| n <= 256);
                    let length = length.ok_or_else(|| malformed("its transfer syntax"))?;
                    let bytes = walker.value(length)?;
                    let text = String::from_utf8_lossy(&bytes);
                    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
                    syntax = Some(text.to_owned()).filter(|text| !text.is_empty());
                } else {
                    walker.skip_value(&element, Encoding::EXPLICIT)?;
                }
            }
            // The data set begins here; in implicit VR or deflated this was no element at all.
            Ok(Some(_)) => return walker.rewind(start).map(|()| syntax),
            Ok(None) => return Ok(syntax),
            Err(refusal) if start == walker.position() => return Err(refusal),
            Err(_) => return walker.rewind(start).map(|()| syntax),
        }
    }
}

/// The syntax of a data set that declares none.
pub(super) fn guess<R: Read + Seek>(walker: &mut Walker<R>, start: u64) -> Result<String, Refusal> {
    let encoding = probe(walker, start, Encoding::EXPLICIT)?;
    Ok(if encoding.explicit {
        uids::EXPLICIT_VR_LITTLE_ENDIAN.to_owned()
    } else {
        uids::IMPLICIT_VR_LITTLE_ENDIAN.to_owned()
    })
}

/// The encoding as declared, unless the first element says otherwise: files exist that declare explicit
/// VR and are implicit.
pub(super) fn probe<R: Read + Seek>(
    walker: &mut Walker<R>,
    start: u64,
    declared: Encoding,
) -> Result<Encoding, Refusal> {
    if declared.big_endian || walker.remaining() < 8 {
        return Ok(declared);
    }
    let head = walker.value(8)?;
    walker.rewind(start)?;
    let explicit = matches!(head[..], [_, _, _, _, a, b, ..] if is_vr([a, b]));
    Ok(Encoding {
        explicit,
        big_endian: false,
    })
}

fn read_dataset<R: Read + Seek>(
    walker: &mut Walker<R>,
    syntax: &str,
    file_length: u64,
) -> Result<Header, Refusal> {
    let declared = match syntax {
        uids::IMPLICIT_VR_LITTLE_ENDIAN => Encoding::IMPLICIT,
        #[allow(deprecated, reason = "retired from the standard, not from archives")]
        uids::EXPLICIT_VR_BIG_ENDIAN => Encoding {
            explicit: true,
            big_endian: true,
        },
        _ => Encoding::EXPLICIT,
    };
    let start = walker.position();
    let encoding = probe(walker, start, declared)?;
    let mut header = Header {
        values: DataSet::new(encoding, CharacterSet::default()),
        pixels: None,
        fault: None,
    };
    let mut budget = Budget::new();
    let found = read_elements(walker, encoding, &mut header.values, &mut budget);
    match found {
        Ok(found) => {
            header.pixels = found.map(|(pixels, element)| PixelPlace {
                element: pixels,
                offset: walker.position(),
                length: element.length,
                syntax: syntax.into(),
                big_endian: encoding.big_endian,
                words: element.vr.is_none_or(|vr| &vr == b"OW"),
                file_length,
                available: walker.remaining(),
            });
        }
        // Whose file it is may have been read before.
        Err(fault) => header.fault = Some(fault),
    }
    Ok(header)
}

/// Reads the elements before the pixels, where the walker stops.
fn read_elements<R: Read + Seek>(
    walker: &mut Walker<R>,
    encoding: Encoding,
    values: &mut DataSet,
    budget: &mut Budget,
) -> Result<Option<(PixelElement, Element)>, Refusal> {
    while let Some(element) = walker.next(encoding)? {
        if let Some(pixels) = pixel_element(element.tag) {
            return Ok(Some((pixels, element)));
        }
        if element.tag > tags::PIXEL_DATA && element.tag.group() != 0xFFFE {
            break;
        }
        if !is_wanted(element.tag) {
            walker.skip_value(&element, encoding)?;
            continue;
        }
        let value = read_value(walker, &element, encoding, values, is_wanted, budget)?;
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

/// A deflated data set (PS3.5 A.5) in memory, at most [`MOST_INFLATED`] bytes of it.
pub(super) fn inflate(path: &Path, start: u64) -> Result<Vec<u8>, Refusal> {
    let mut file = files::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let packed = BufReader::new(file);
    let mut bytes = Vec::new();
    let read = flate2::bufread::DeflateDecoder::new(packed)
        .take(MOST_INFLATED + 1)
        .read_to_end(&mut bytes);
    if bytes.len() as u64 > MOST_INFLATED {
        return Err(Refusal::new(
            "too_large",
            "its deflated data set becomes larger than 1 GiB; export it uncompressed",
        ));
    }
    // A damaged end may still leave the header whole; the walk over it will tell.
    match read {
        Err(_) if bytes.is_empty() => Err(malformed("its deflated data set")),
        _ => Ok(bytes),
    }
}
