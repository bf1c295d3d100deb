//! A DICOM file's header to the frames it holds.

use std::path::Path;
use std::sync::Arc;

use dicom_dictionary_std::{tags, uids};
use glam::DVec3;

use super::elements::malformed;
use super::facts::Facts;
use super::frame::{Frame, ImageFile, Marks, Place};
use super::groups::Groups;
use super::header::{Header, PixelPlace};
use super::lookup::{LookupTable, Palette};
use super::mosaic::Mosaic;
use super::pet::PetFacts;
use super::pixels::PixelFormat;
use super::spacing;
use super::syntax::{self, is_always_lossy};
use super::values::{Notes, unreadable};
use crate::io::Warning;
use crate::io::error::Refusal;
use crate::volume::{Rescale, Window};

/// More windows than this are no recommendation.
const MOST_WINDOWS: usize = 16;
/// More frames than this in one file are a damaged header.
const MOST_FRAMES: u32 = 1 << 20;

/// The frames of a file, or why it is not taken. `facts` tell whose file it is.
pub(super) fn read(
    path: &Path,
    header: Header,
    facts: &Arc<Facts>,
    is_marked: bool,
    notes: Notes,
) -> Result<Vec<Frame>, Refusal> {
    let values = &header.values;
    if let Some(fault) = header.fault {
        return Err(fault);
    }
    // Numbers of 16 bits by the standard; of larger ones the products below could not be held.
    let size = |tag| -> Result<Option<u32>, Refusal> {
        let size = values.whole::<u16>(tag, &notes)?;
        Ok(size.filter(|&n| n > 0).map(u32::from))
    };
    let (Some(rows), Some(columns)) = (size(tags::ROWS)?, size(tags::COLUMNS)?) else {
        return Err(no_image(&header, facts, is_marked));
    };
    refuse_kind(facts)?;
    let place = header.pixels.clone().ok_or_else(|| {
        Refusal::truncated("the file ends before its pixels; copy or export it again")
    })?;
    syntax::refuse_unknown(&place.syntax)?;
    let frames = match values.whole::<u32>(tags::NUMBER_OF_FRAMES, &notes)? {
        Some(0) | None => 1,
        Some(frames) if frames <= MOST_FRAMES => frames,
        Some(frames) => return Err(unreadable(tags::NUMBER_OF_FRAMES, &frames.to_string())),
    };
    let format = PixelFormat::read(values, place.element, &notes)?;
    refuse_short(&place, format.frame_bytes(rows, columns), frames)?;
    let photometric = values.text(tags::PHOTOMETRIC_INTERPRETATION);
    let palette = match photometric.as_str() {
        "PALETTE COLOR" => Some(Arc::new(Palette::read(values, format.signed, &notes)?)),
        _ => None,
    };
    let (mut table, mut rescale_type) = (None, String::new());
    if let Some(item) = values.item(tags::MODALITY_LUT_SEQUENCE) {
        let pair = [tags::LUT_DESCRIPTOR, tags::LUT_DATA];
        let read = LookupTable::read(item, pair, format.signed, &notes)?;
        (table, rescale_type) = (Some(Arc::new(read)), item.text(tags::MODALITY_LUT_TYPE));
    }
    let pet = (facts.modality == "PT").then(|| PetFacts::read(values, &notes));
    let all = Groups::of_frames(values, frames)?;
    let is_mosaic = is_mosaic(&values.text(tags::IMAGE_TYPE));
    let mut found = Vec::with_capacity(frames as usize);
    for (number, groups) in (0..).zip(&all) {
        let (rescale, half_rescaled) = rescale(groups, &notes)?;
        found.push(Picture {
            number,
            place: match place_of(groups, frames, &notes)? {
                Some(place) => Some(place),
                None => spacing::of_detector(values, number, &notes)?,
            },
            spacing: spacing::read(groups, &notes)?,
            thickness_mm: length(groups, tags::SLICE_THICKNESS, &notes)?,
            between_mm: length(groups, tags::SPACING_BETWEEN_SLICES, &notes)?,
            rescale,
            half_rescaled,
            windows: windows(groups, &notes),
            marks: Marks::read(groups, &notes)?,
        });
    }
    let group = tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE;
    let named = all.first().map(|g| g.text(group, tags::RESCALE_TYPE));
    let mosaic = match found.first() {
        Some(first) if is_mosaic && frames == 1 => {
            Some(Mosaic::read(values, [columns, rows], first.place, &notes)?)
        }
        _ => None,
    };
    if values.text(tags::VOILUT_FUNCTION) == "SIGMOID" {
        let message = "its recommended window is a sigmoid curve; it is shown as a linear one";
        notes.add(Warning::new("voi_sigmoid", message));
    }
    let file = Arc::new(ImageFile {
        path: path.to_owned(),
        facts: facts.clone(),
        sop_uid: values.text(tags::SOP_INSTANCE_UID),
        rows,
        columns,
        frames,
        inverted: photometric == "MONOCHROME1",
        lossy: values.text(tags::LOSSY_IMAGE_COMPRESSION) == "01" || is_always_lossy(&place.syntax),
        rescale_type: named.filter(|n| !n.is_empty()).unwrap_or(rescale_type),
        pet,
        palette,
        notes: notes.into_warnings(),
        format,
        place,
    });
    let frames = found
        .into_iter()
        .flat_map(|picture| picture.frames(&file, table.as_ref(), mosaic));
    Ok(frames.collect())
}

/// What a file says of one of its pictures.
struct Picture {
    number: u32,
    place: Option<Place>,
    spacing: spacing::PixelSpacing,
    thickness_mm: Option<f64>,
    between_mm: Option<f64>,
    rescale: Option<Rescale>,
    half_rescaled: bool,
    windows: Vec<Window>,
    marks: Marks,
}

impl Picture {
    /// The picture as a frame, or as many as a mosaic has slices.
    fn frames(
        self,
        file: &Arc<ImageFile>,
        table: Option<&Arc<LookupTable>>,
        mosaic: Option<Mosaic>,
    ) -> Vec<Frame> {
        let whole = Frame {
            file: file.clone(),
            number: self.number,
            tile: None,
            rows: file.rows,
            columns: file.columns,
            place: self.place,
            spacing_mm: self.spacing.mm,
            spacing: self.spacing.kind,
            thickness_mm: self.thickness_mm,
            between_mm: self.between_mm,
            rescale: self.rescale,
            half_rescaled: self.half_rescaled,
            table: table.cloned(),
            windows: self.windows,
            marks: self.marks,
        };
        let Some(mosaic) = mosaic else {
            return vec![whole];
        };
        let between_mm = whole.between_mm.or(whole.thickness_mm).unwrap_or(1.0);
        let slice = |slice: u32| Frame {
            tile: Some(mosaic.tile(slice)),
            rows: mosaic.rows,
            columns: mosaic.columns,
            place: whole
                .place
                .map(|place| mosaic.place(place, slice, whole.spacing_mm, between_mm)),
            ..whole.clone()
        };
        (0..mosaic.count).map(slice).collect()
    }
}

fn is_mosaic(image_type: &str) -> bool {
    image_type.split('\\').any(|part| part.trim() == "MOSAIC")
}

fn no_image(header: &Header, facts: &Facts, is_marked: bool) -> Refusal {
    let modality = facts.modality.as_str();
    let is_cut = header.pixels.is_none()
        && !header.values.has(tags::SAMPLES_PER_PIXEL)
        && ["CT", "MR", "PT"].contains(&modality);
    if is_cut {
        return Refusal::truncated("the file ends before its image; copy or export it again");
    }
    if is_marked && header.pixels.is_some() {
        return malformed("it has pixels but no rows and columns");
    }
    let what = match (is_marked, modality) {
        (false, "") => "neither a DICOM nor a NIfTI image".to_owned(),
        (_, "") => "a DICOM file without an image (a directory or a document)".to_owned(),
        (_, modality) => format!("a DICOM object without an image (modality {modality})"),
    };
    Refusal::new("not_an_image", what)
}

/// Objects with pixels that are no picture of the patient.
fn refuse_kind(facts: &Facts) -> Result<(), Refusal> {
    let is = |modality: &str, class: &str| facts.modality == modality || facts.sop_class == class;
    let message = if is("SEG", uids::SEGMENTATION_STORAGE) {
        "a DICOM segmentation, which is not read yet; export it as NIfTI"
    } else if is("RTDOSE", uids::RT_DOSE_STORAGE) {
        "a radiotherapy dose, which is not read; open the planning CT"
    } else {
        return Ok(());
    };
    Err(Refusal::new("not_an_image", message))
}

/// Native pixels must all be there; of compressed ones at least the value's own length, and an item of eight bytes for
/// each frame (PS3.5 A.4).
fn refuse_short(place: &PixelPlace, frame_bytes: u64, frames: u32) -> Result<(), Refusal> {
    let announced = place.length.map_or(0, u64::from);
    let native = place.length.is_some() && syntax::is_native(&place.syntax);
    let bytes = frame_bytes * u64::from(frames);
    if frames > 1 && !native && place.available / 8 < u64::from(frames) {
        return Err(Refusal::truncated(format!(
            "it has {} bytes of pixels for {frames} frames; copy or export it again",
            place.available
        )));
    }
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

/// A length in mm that is worth something.
fn length(groups: &Groups, tag: dicom_core::Tag, notes: &Notes) -> Result<Option<f64>, Refusal> {
    let found = groups.number(tags::PIXEL_MEASURES_SEQUENCE, tag, notes)?;
    // Spacing Between Slices is negative in some nuclear medicine images.
    Ok(found.map(f64::abs).filter(|&mm| mm > 0.0 && mm < 1e4))
}

/// The rescale, and whether one of its two numbers is missing.
fn rescale(groups: &Groups, notes: &Notes) -> Result<(Option<Rescale>, bool), Refusal> {
    let group = tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE;
    for tag in [tags::RESCALE_SLOPE, tags::RESCALE_INTERCEPT] {
        let text = groups.text(group, tag);
        if could_be_thousands(&text) {
            return Err(unreadable(tag, &text));
        }
    }
    let slope = groups.number(group, tags::RESCALE_SLOPE, notes)?;
    let intercept = groups.number(group, tags::RESCALE_INTERCEPT, notes)?;
    if slope.is_none() && intercept.is_none() {
        return Ok((None, false));
    }
    let is_half = slope.is_none() || intercept.is_none();
    if is_half {
        let message =
            "of Rescale Slope and Intercept one is missing; slope 1 or intercept 0 is taken for it";
        notes.add(Warning::new("half_rescale", message));
    }
    let (slope, intercept) = (slope.unwrap_or(1.0), intercept.unwrap_or(0.0));
    if slope == 0.0 || !slope.is_finite() || !intercept.is_finite() {
        return Err(Refusal::new(
            "bad_rescale",
            format!("its rescale (slope {slope}, intercept {intercept}) loses the values"),
        ));
    }
    Ok((Some(Rescale { slope, intercept }), is_half))
}

/// `-1,024` is minus one thousand to some writers and minus one to others.
fn could_be_thousands(text: &str) -> bool {
    let text = text.trim_start_matches(['-', '+']);
    text.split_once(',').is_some_and(|(whole, rest)| {
        rest.len() == 3
            && (1..=3).contains(&whole.len())
            && !whole.starts_with('0')
            && (whole.to_owned() + rest)
                .bytes()
                .all(|b| b.is_ascii_digit())
    })
}

/// The recommended windows. One that cannot be read is named and left out: the image is whole without it.
fn windows(groups: &Groups, notes: &Notes) -> Vec<Window> {
    let group = tags::FRAME_VOILUT_SEQUENCE;
    let numbers = |tag| {
        groups.numbers(group, tag, notes).unwrap_or_else(|refusal| {
            notes.add(Warning::new("bad_window", refusal.message));
            Vec::new()
        })
    };
    let (centres, widths) = (numbers(tags::WINDOW_CENTER), numbers(tags::WINDOW_WIDTH));
    let lines = centres
        .iter()
        .zip(&widths)
        .filter(|(centre, width)| centre.is_finite() && width.is_finite() && **width > 0.0)
        .map(|(&centre, &width)| Window::new(centre as f32, width as f32));
    let tables = groups
        .holder(group, tags::VOILUT_SEQUENCE)
        .items(tags::VOILUT_SEQUENCE);
    let tables = tables.iter().filter_map(|item| {
        let pair = [tags::LUT_DESCRIPTOR, tags::LUT_DATA];
        let (low, high) = LookupTable::read(item, pair, true, notes).ok()?.span();
        Some(Window::from_range(low as f32, high as f32))
    });
    lines.chain(tables).take(MOST_WINDOWS).collect()
}

/// Where a frame lies; `None` where nothing says so.
fn place_of(groups: &Groups, frames: u32, notes: &Notes) -> Result<Option<Place>, Refusal> {
    let position = groups.numbers(
        tags::PLANE_POSITION_SEQUENCE,
        tags::IMAGE_POSITION_PATIENT,
        notes,
    )?;
    let orientation = groups.numbers(
        tags::PLANE_ORIENTATION_SEQUENCE,
        tags::IMAGE_ORIENTATION_PATIENT,
        notes,
    )?;
    // A plain position is that of the first of several frames alone.
    let is_of_one = frames == 1 || groups.has_own();
    if (position.is_empty() && orientation.is_empty()) || !is_of_one {
        return Ok(None);
    }
    let &[a, b, c, d, e, f] = orientation.as_slice() else {
        return Err(no_geometry("it has no Image Orientation (0020,0037)"));
    };
    let (row, column) = (DVec3::new(a, b, c), DVec3::new(d, e, f));
    let is_unit = |v: DVec3| (v.length() - 1.0).abs() < 1e-2;
    if !is_unit(row) || !is_unit(column) || row.dot(column).abs() > 1e-2 {
        return Err(no_geometry(
            "its Image Orientation (0020,0037) is no pair of perpendicular directions",
        ));
    }
    let position_mm = match *position.as_slice() {
        [x, y, z] if position.iter().all(|v| v.is_finite()) => DVec3::new(x, y, z),
        _ => return Err(no_geometry("it has no Image Position (0020,0032)")),
    };
    Ok(Some(Place {
        position_mm,
        row: row.normalize(),
        column: column.normalize(),
    }))
}

pub(super) fn no_geometry(what: &str) -> Refusal {
    Refusal::new(
        "no_geometry",
        format!("{what}, so it has no place in the patient; it cannot be part of a volume"),
    )
}
