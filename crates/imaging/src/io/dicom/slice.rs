//! One image file that can be part of a volume.

use std::path::{Path, PathBuf};

use dicom_dictionary_std::{tags, uids};
use dicom_object::{InMemDicomObject, Tag};
use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry};
use glam::DVec3;

use super::elements::malformed;
use super::header::{Header, PixelPlace};
use super::pixels::PixelFormat;
use crate::io::error::Refusal;
use crate::volume::{Rescale, Window};

/// A single-frame, single-channel image with a place in the patient.
#[derive(Clone, Debug)]
pub(in crate::io) struct Slice {
    pub path: PathBuf,
    pub patient_name: String,
    pub patient_id: String,
    pub patient_issuer: String,
    pub study_uid: String,
    pub study_date: String,
    pub study_description: String,
    pub series_uid: String,
    pub sop_uid: String,
    pub frame_uid: String,
    pub series_number: Option<i32>,
    pub series_description: String,
    pub modality: String,
    pub patient_age: String,
    pub patient_sex: String,
    pub image_type: String,
    pub rows: u32,
    pub columns: u32,
    /// The distance between rows, then between columns, as Pixel Spacing (0028,0030) writes them.
    pub spacing_mm: [f64; 2],
    /// The centre of the first pixel.
    pub position_mm: DVec3,
    /// Unit direction along a row (growing column index).
    pub row: DVec3,
    /// Unit direction along a column (growing row index).
    pub column: DVec3,
    /// `None` where the file has none.
    pub rescale: Option<Rescale>,
    pub rescale_type: String,
    pub units: String,
    pub windows: Vec<Window>,
    pub inverted: bool,
    pub lossy: bool,
    pub(super) format: PixelFormat,
    pub(super) place: PixelPlace,
}

impl Slice {
    /// Reads a file's header and says whether it can be part of a volume.
    pub(super) fn read(path: &Path, meta: Option<u64>) -> Result<Self, Refusal> {
        let header = Header::read(path, meta)?;
        let values = &header.values;
        let modality = text(values, tags::MODALITY);
        let image_type = text(values, tags::IMAGE_TYPE);
        let sop_class = text(values, tags::SOP_CLASS_UID);
        let rows = whole(values, tags::ROWS).filter(|&n| n > 0);
        let columns = whole(values, tags::COLUMNS).filter(|&n| n > 0);
        let (Some(rows), Some(columns)) = (rows, columns) else {
            return Err(no_image(&header, meta, &modality));
        };
        refuse_kind(&header, &modality, &image_type, &sop_class)?;
        let Some(place) = header.pixels.clone() else {
            return Err(if header.float_pixels {
                Refusal::new(
                    "float_pixels",
                    "its pixels are floating point numbers, which are not read yet; export integers",
                )
            } else {
                Refusal::truncated("the file ends before its pixels; copy or export it again")
            });
        };
        refuse_syntax(&place.syntax)?;
        let format = PixelFormat::read(values)?;
        refuse_short(
            &place,
            u64::from(rows) * u64::from(columns) * format.bytes(),
        )?;
        let (row, column) = directions(values)?;
        Ok(Self {
            path: path.to_owned(),
            patient_name: text(values, tags::PATIENT_NAME),
            patient_id: text(values, tags::PATIENT_ID),
            patient_issuer: text(values, tags::ISSUER_OF_PATIENT_ID),
            study_uid: text(values, tags::STUDY_INSTANCE_UID),
            study_date: text(values, tags::STUDY_DATE),
            study_description: text(values, tags::STUDY_DESCRIPTION),
            series_uid: text(values, tags::SERIES_INSTANCE_UID),
            sop_uid: text(values, tags::SOP_INSTANCE_UID),
            frame_uid: text(values, tags::FRAME_OF_REFERENCE_UID),
            series_number: whole(values, tags::SERIES_NUMBER),
            series_description: text(values, tags::SERIES_DESCRIPTION),
            modality,
            patient_age: text(values, tags::PATIENT_AGE),
            patient_sex: text(values, tags::PATIENT_SEX),
            image_type,
            rows,
            columns,
            spacing_mm: spacing(values)?,
            position_mm: position(values)?,
            row,
            column,
            rescale: rescale(values)?,
            rescale_type: text(values, tags::RESCALE_TYPE),
            units: text(values, tags::UNITS),
            windows: windows(values),
            inverted: text(values, tags::PHOTOMETRIC_INTERPRETATION) == "MONOCHROME1",
            lossy: text(values, tags::LOSSY_IMAGE_COMPRESSION) == "01"
                || super::header::is_always_lossy(&place.syntax),
            format,
            place,
        })
    }

    /// The direction in which slices ascend (PS3.3 C.7.6.2.1.1): row x column.
    pub fn normal(&self) -> DVec3 {
        self.row.cross(self.column)
    }
}

fn no_image(header: &Header, meta: Option<u64>, modality: &str) -> Refusal {
    let values = &header.values;
    let is_cut = header.pixels.is_none()
        && values.get(tags::SAMPLES_PER_PIXEL).is_none()
        && ["CT", "MR", "PT"].contains(&modality);
    if is_cut {
        return Refusal::truncated("the file ends before its image; copy or export it again");
    }
    if meta.is_some() && header.pixels.is_some() {
        return malformed("it has pixels but no rows and columns");
    }
    let what = match (meta, modality) {
        (None, "") => "neither a DICOM nor a NIfTI image".to_owned(),
        (_, "") => "a DICOM file without an image (a directory or a document)".to_owned(),
        (_, modality) => format!("a DICOM object without an image (modality {modality})"),
    };
    Refusal::new("not_an_image", what)
}

/// Images of a kind that is no stack of slices.
fn refuse_kind(
    header: &Header,
    modality: &str,
    image_type: &str,
    sop_class: &str,
) -> Result<(), Refusal> {
    let values = &header.values;
    if modality == "SEG" || sop_class == uids::SEGMENTATION_STORAGE {
        let message = "a DICOM segmentation, which is not read yet; export it as NIfTI";
        return Err(Refusal::new("not_an_image", message));
    }
    if modality == "RTDOSE" || sop_class == uids::RT_DOSE_STORAGE {
        let message = "a radiotherapy dose, which is not read yet; open the planning CT";
        return Err(Refusal::new("not_an_image", message));
    }
    if image_type.split('\\').any(|part| part.trim() == "MOSAIC") {
        let message =
            "a Siemens mosaic (all slices tiled in one picture); export single slices or NIfTI";
        return Err(Refusal::new("mosaic", message));
    }
    let frames = whole::<i64>(values, tags::NUMBER_OF_FRAMES).unwrap_or(1);
    if frames > 1 || header.is_enhanced {
        let message = format!(
            "a multi-frame image ({frames} frames), which is not read yet; export single slices or NIfTI"
        );
        return Err(Refusal::new("multi_frame", message));
    }
    let samples = whole::<i64>(values, tags::SAMPLES_PER_PIXEL).unwrap_or(1);
    let photometric = text(values, tags::PHOTOMETRIC_INTERPRETATION);
    let is_grey = ["MONOCHROME1", "MONOCHROME2", ""].contains(&photometric.as_str());
    if samples != 1 || !is_grey {
        let message = format!("a colour picture ({photometric}, {samples} samples per pixel)");
        return Err(Refusal::new("colour", message));
    }
    if header.has_modality_lut {
        let message = "its values come from a table (Modality LUT), which is not read yet; export \
                       rescaled values";
        return Err(Refusal::new("modality_lut", message));
    }
    Ok(())
}

fn refuse_syntax(uid: &str) -> Result<(), Refusal> {
    let known = TransferSyntaxRegistry.get(uid);
    if known.is_some_and(dicom_transfer_syntax_registry::TransferSyntax::can_decode_all) {
        return Ok(());
    }
    let name = known.map_or("unknown", |syntax| syntax.name());
    let message = format!(
        "compressed in a way that is not read ({name}, {uid}); convert it to Explicit VR Little Endian"
    );
    Err(Refusal::new("transfer_syntax", message))
}

/// Native pixels must all be there; of compressed ones at least the value's own length.
fn refuse_short(place: &PixelPlace, bytes: u64) -> Result<(), Refusal> {
    let announced = place.length.map_or(0, u64::from);
    let native = place.length.is_some() && super::header::is_native(&place.syntax);
    if native && announced < bytes {
        return Err(Refusal::truncated(format!(
            "it has {announced} bytes of pixels where its size needs {bytes}; copy or export it again"
        )));
    }
    if announced > place.available {
        return Err(Refusal::truncated(format!(
            "{} of {announced} bytes of pixels are there; copy or export it again",
            place.available
        )));
    }
    Ok(())
}

fn rescale(values: &InMemDicomObject) -> Result<Option<Rescale>, Refusal> {
    let slope = numbers(values, tags::RESCALE_SLOPE).first().copied();
    let intercept = numbers(values, tags::RESCALE_INTERCEPT).first().copied();
    if slope.is_none() && intercept.is_none() {
        return Ok(None);
    }
    let (slope, intercept) = (slope.unwrap_or(1.0), intercept.unwrap_or(0.0));
    if slope == 0.0 || !slope.is_finite() || !intercept.is_finite() {
        return Err(Refusal::new(
            "bad_rescale",
            format!("its rescale (slope {slope}, intercept {intercept}) loses the values"),
        ));
    }
    Ok(Some(Rescale { slope, intercept }))
}

fn windows(values: &InMemDicomObject) -> Vec<Window> {
    let centres = numbers(values, tags::WINDOW_CENTER);
    let widths = numbers(values, tags::WINDOW_WIDTH);
    centres
        .iter()
        .zip(&widths)
        .filter(|(centre, width)| centre.is_finite() && width.is_finite() && **width > 0.0)
        .map(|(&centre, &width)| Window::new(centre as f32, width as f32))
        .take(16)
        .collect()
}

fn no_geometry(what: &str) -> Refusal {
    Refusal::new(
        "no_geometry",
        format!("{what}, so it has no place in the patient; it cannot be part of a volume"),
    )
}

fn directions(values: &InMemDicomObject) -> Result<(DVec3, DVec3), Refusal> {
    let found = numbers(values, tags::IMAGE_ORIENTATION_PATIENT);
    let &[a, b, c, d, e, f] = found.as_slice() else {
        return Err(no_geometry("it has no Image Orientation (0020,0037)"));
    };
    let (row, column) = (DVec3::new(a, b, c), DVec3::new(d, e, f));
    let is_unit = |v: DVec3| (v.length() - 1.0).abs() < 1e-2;
    if !is_unit(row) || !is_unit(column) || row.dot(column).abs() > 1e-2 {
        return Err(no_geometry(
            "its Image Orientation (0020,0037) is no pair of perpendicular directions",
        ));
    }
    Ok((row.normalize(), column.normalize()))
}

fn position(values: &InMemDicomObject) -> Result<DVec3, Refusal> {
    let found = numbers(values, tags::IMAGE_POSITION_PATIENT);
    match *found.as_slice() {
        [x, y, z] if [x, y, z].iter().all(|v| v.is_finite()) => Ok(DVec3::new(x, y, z)),
        _ => Err(no_geometry("it has no Image Position (0020,0032)")),
    }
}

fn spacing(values: &InMemDicomObject) -> Result<[f64; 2], Refusal> {
    let found = numbers(values, tags::PIXEL_SPACING);
    match *found.as_slice() {
        [rows, columns] if [rows, columns].iter().all(|&v| v > 0.0 && v < 1e4) => {
            Ok([rows, columns])
        }
        _ => Err(no_geometry("it has no usable Pixel Spacing (0028,0030)")),
    }
}

/// An element's text without padding and control characters; empty where it is absent.
pub(super) fn text(values: &InMemDicomObject, tag: Tag) -> String {
    let found = values.get(tag).and_then(|element| element.to_str().ok());
    let clean: String = found
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(1024)
        .collect();
    clean.trim().to_owned()
}

/// An element's first whole number.
pub(super) fn whole<T: TryFrom<i64>>(values: &InMemDicomObject, tag: Tag) -> Option<T> {
    let number: i64 = values.get(tag)?.to_int().ok()?;
    T::try_from(number).ok()
}

/// An element's numbers; empty where it is absent or not all are numbers.
fn numbers(values: &InMemDicomObject, tag: Tag) -> Vec<f64> {
    let found = values.get(tag).and_then(|e| e.to_multi_float64().ok());
    found.unwrap_or_default()
}

/// A required whole number of the image pixel module.
pub(super) fn required<T: TryFrom<i64>>(
    values: &InMemDicomObject,
    tag: Tag,
    name: &str,
) -> Result<T, Refusal> {
    whole(values, tag).ok_or_else(|| malformed(&format!("its {name}")))
}
