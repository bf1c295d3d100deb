//! PNG and JPEG pictures: a folder of numbered ones is an image, slice by slice; one alone is a 2-D image.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use glam::{DAffine3, UVec3};
use image::{ColorType, ImageDecoder, ImageReader};

use super::array::{
    Array, Element, Header, Number, Packing, Part, Take, no_orientation, no_spacing,
};
use super::error::Refusal;
use super::library::Filed;
use super::{Refused, Warning, files};
use crate::volume::{Rescale, Stated};

/// The most bytes of one picture, packed or not.
const MOST_BYTES: u64 = 1 << 30;

/// A picture's header.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub path: PathBuf,
    width: u32,
    height: u32,
    element: Element,
}

/// Reads a picture's header.
pub(super) fn inspect(path: &Path) -> Result<Picture, Refusal> {
    let decoder = decoder(BufReader::new(files::open(path)?))?;
    let (width, height) = decoder.dimensions();
    Ok(Picture {
        path: path.to_owned(),
        width,
        height,
        element: element(decoder.color_type())?,
    })
}

/// The pixels of a picture, in this machine's byte order.
pub(super) fn pixels(packed: impl BufRead) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    packed.take(MOST_BYTES).read_to_end(&mut bytes)?;
    let decoder = decoder(Cursor::new(bytes))?;
    let count = decoder.total_bytes();
    let mut pixels = super::error::reserve(count)?;
    pixels.resize(count as usize, 0);
    decoder.read_image(&mut pixels).map_err(|e| damaged(&e))?;
    Ok(pixels)
}

fn decoder<'a>(packed: impl BufRead + Seek + 'a) -> Result<Box<dyn ImageDecoder + 'a>, Refusal> {
    let mut reader = ImageReader::new(packed).with_guessed_format()?;
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| damaged(&error))?;
    if decoder.total_bytes() > MOST_BYTES {
        return Err(Refusal::new(
            "too_large",
            "a picture of more than 1 GiB; reduce it first",
        ));
    }
    Ok(Box::new(decoder))
}

fn damaged(error: &image::ImageError) -> Refusal {
    let message = format!("a picture that cannot be read ({error}); copy or export it again");
    Refusal::new("malformed", message)
}

fn element(colour: ColorType) -> Result<Element, Refusal> {
    let (number, count, take) = match colour {
        ColorType::L8 => (Number::U8, 1, Take::First),
        ColorType::La8 => (Number::U8, 2, Take::First),
        ColorType::Rgb8 => (Number::U8, 3, Take::Colour),
        ColorType::Rgba8 => (Number::U8, 4, Take::Colour),
        ColorType::L16 => (Number::U16, 1, Take::First),
        ColorType::La16 => (Number::U16, 2, Take::First),
        ColorType::Rgb16 => (Number::U16, 3, Take::Colour),
        ColorType::Rgba16 => (Number::U16, 4, Take::Colour),
        other => {
            let message = format!(
                "a picture with pixels of type {other:?}; save it as a PNG of 8 or 16 bits"
            );
            return Err(Refusal::new("pixel_format", message));
        }
    };
    Ok(Element {
        number,
        count,
        take,
    })
}

/// One picture as a 2-D image.
pub(super) fn single(picture: &Picture) -> Result<Array, Refusal> {
    array(std::slice::from_ref(picture), None)
}

/// The images that numbered pictures make, folder by folder. `taken` are the files of other images: pictures beside
/// them or below are thumbnails or notes, and no image of their own.
pub(super) fn stacks(
    pictures: Vec<Picture>,
    taken: &[PathBuf],
    refused: &mut Vec<Refused>,
) -> Vec<Array> {
    let mut stacks: BTreeMap<(PathBuf, String), Vec<(u64, Picture)>> = BTreeMap::new();
    let mut refuse = |picture: &Picture, code: &'static str, message: String| {
        refused.push(Refused::new(&picture.path, Refusal::new(code, message)));
    };
    for picture in pictures {
        let folder = picture.path.parent().unwrap_or(Path::new("")).to_owned();
        let beside = |file: &PathBuf| file.parent().is_some_and(|place| folder.starts_with(place));
        if taken.iter().any(beside) {
            let message = "a picture beside images; open it by itself to see it";
            refuse(&picture, "picture", message.to_owned());
        } else if let Some((number, rest)) = numbered(&picture.path) {
            let stack = stacks.entry((folder, rest)).or_default();
            stack.push((number, picture));
        } else {
            let message =
                "a picture without a number in its name, no slice; open it by itself to see it";
            refuse(&picture, "picture", message.to_owned());
        }
    }
    let mut arrays = Vec::new();
    for mut stack in stacks.into_values() {
        stack.sort_by_key(|(number, _)| *number);
        let numbers: Vec<u64> = stack.iter().map(|(number, _)| *number).collect();
        let slices: Vec<Picture> = stack.into_iter().map(|(_, picture)| picture).collect();
        let made = match trouble(&numbers, &slices) {
            Some(refusal) => Err(refusal),
            None => array(&slices, missing(&numbers)),
        };
        match made {
            Ok(array) => arrays.push(array),
            Err(Refusal { code, message }) => {
                for slice in &slices {
                    refuse(slice, code, message.clone());
                }
            }
        }
    }
    arrays
}

/// Why pictures of one name make no image.
fn trouble(numbers: &[u64], slices: &[Picture]) -> Option<Refusal> {
    let first = slices.first()?;
    if slices.len() == 1 {
        let message = "a single picture; open it by itself to see it";
        return Some(Refusal::new("picture", message));
    }
    if let Some([number, _]) = numbers.array_windows().find(|[a, b]| a == b) {
        let message = format!("two pictures have the number {number}; keep one of them");
        return Some(Refusal::new("duplicate_positions", message));
    }
    let differs = |other: &&Picture| {
        (other.width, other.height, other.element) != (first.width, first.height, first.element)
    };
    let other = slices.iter().find(differs)?;
    let message = format!(
        "its folder holds pictures of {} x {} and {} x {} pixels or of different kinds, no one image; sort them into \
         folders",
        first.width, first.height, other.width, other.height
    );
    Some(Refusal::new("picture_sizes", message))
}

/// The last number of a file's name, and the name without it.
fn numbered(path: &Path) -> Option<(u64, String)> {
    let stem = path.file_stem()?.to_str()?;
    let end = stem.rfind(|c: char| c.is_ascii_digit())? + 1;
    let before = stem[..end].trim_end_matches(|c: char| c.is_ascii_digit());
    let number = stem[before.len()..end].parse().ok()?;
    Some((number, format!("{before}#{}", &stem[end..])))
}

/// The numbers that are not there, in words.
fn missing(numbers: &[u64]) -> Option<Warning> {
    let gaps: Vec<String> = numbers
        .array_windows()
        .filter(|[a, b]| b - a > 1)
        .map(|[a, b]| match b - a {
            2 => format!("{}", a + 1),
            _ => format!("{} to {}", a + 1, b - 1),
        })
        .collect();
    let count: u64 = numbers.array_windows().map(|[a, b]| b - a - 1).sum();
    let shown = gaps.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
    let more = if gaps.len() > 8 { ", …" } else { "" };
    let message = format!(
        "{count} pictures are missing between the first and the last (number {shown}{more}); what lies on both sides of a \
         gap is shown as neighbours"
    );
    (count > 0).then(|| Warning::new("missing_slices", message))
}

/// Pictures of one size as slices, the first one at the patient's feet if it were known.
fn array(slices: &[Picture], gaps: Option<Warning>) -> Result<Array, Refusal> {
    let first = slices
        .first()
        .ok_or_else(|| Refusal::new("picture", "no pictures"))?;
    let parts = slices.iter().map(|slice| Part {
        path: slice.path.clone(),
        start: 0,
        packing: Packing::Picture,
        skip: 0,
    });
    let mut warnings = vec![no_spacing(), no_orientation()];
    warnings.extend(gaps);
    Array::new(
        &first.path,
        Header {
            dims: UVec3::new(first.width, first.height, slices.len() as u32),
            patient_from_voxel: DAffine3::IDENTITY,
            times: 1,
            components: 1,
            element: first.element,
            big_endian: cfg!(target_endian = "big"),
            rescale: Rescale::IDENTITY,
            parts: parts.collect(),
            window: None,
            stated: Stated {
                lossy: slices.iter().any(|slice| is_jpeg(&slice.path)),
                ..Stated::NOTHING
            },
            warnings,
        },
    )
}

fn is_jpeg(path: &Path) -> bool {
    [".jpg", ".jpeg"]
        .iter()
        .any(|ending| files::lower_name(path).ends_with(ending))
}

/// A folder of pictures as a series: it has the folder's name.
pub(super) fn into_series(array: Array, root: &Path) -> Filed {
    let folder = array.path.parent().and_then(Path::file_name);
    let name = folder.map(|name| name.to_string_lossy().into_owned());
    let mut filed = array.into_series(root);
    filed.series.description = name.unwrap_or_default();
    filed
}
