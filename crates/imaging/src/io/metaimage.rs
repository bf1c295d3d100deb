//! MetaImage (`.mha`, `.mhd`): <https://itk.org/Wiki/ITK/MetaIO/Documentation>. What the text leaves open is decided as
//! ITK reads it.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use glam::{DAffine3, DMat3, DVec3, UVec3};

use super::array::{
    Array, Element, Header, Number, Packing, Part, Take, first_component, no_orientation,
    no_spacing, unpacked,
};
use super::error::Refusal;
use super::{Warning, files};
use crate::volume::{Rescale, Stated};

const MOST_HEADER: u64 = 1 << 20;
/// The most files of one image.
const MOST_FILES: usize = 1 << 16;

fn malformed(what: &str) -> Refusal {
    Refusal::new(
        "malformed",
        format!("not a sound MetaImage header ({what}); export the image again"),
    )
}

/// `key = value` lines up to and with `ElementDataFile`.
struct Fields {
    values: BTreeMap<String, String>,
    /// The names below `ElementDataFile = LIST`.
    listed: Vec<String>,
    /// Bytes of the header.
    length: u64,
}

impl Fields {
    fn read(file: &mut dyn BufRead) -> Result<Self, Refusal> {
        let mut file = file.take(MOST_HEADER);
        let mut found = Self {
            values: BTreeMap::new(),
            listed: Vec::new(),
            length: 0,
        };
        let mut lists = false;
        loop {
            let mut line = Vec::new();
            let count = file.read_until(b'\n', &mut line)?;
            found.length += count as u64;
            let line = String::from_utf8_lossy(&line);
            let line = line.trim();
            match line.split_once('=') {
                _ if count == 0 && lists => return Ok(found),
                _ if count == 0 => {
                    let message = "the file ends within its header; copy it again";
                    return Err(Refusal::truncated(message));
                }
                _ if lists => found
                    .listed
                    .extend((!line.is_empty()).then(|| line.to_owned())),
                Some((key, value)) => {
                    let (key, value) = (key.trim(), value.trim());
                    found.values.insert(key.to_owned(), value.to_owned());
                    if key == "ElementDataFile" {
                        lists = value.starts_with("LIST");
                        if !lists {
                            return Ok(found);
                        }
                    }
                }
                None if line.is_empty() => {}
                None => return Err(malformed("a line without =")),
            }
        }
    }

    fn get(&self, names: &[&str]) -> Option<&str> {
        let mut found = names.iter().filter_map(|name| self.values.get(*name));
        found.next().map(String::as_str)
    }

    fn is_true(&self, names: &[&str]) -> bool {
        self.get(names)
            .is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }

    /// The numbers of a field; `None` where it is not there.
    fn numbers(&self, names: &[&str]) -> Result<Option<Vec<f64>>, Refusal> {
        let Some(text) = self.get(names) else {
            return Ok(None);
        };
        let numbers: Result<Vec<f64>, _> = text.split_whitespace().map(str::parse).collect();
        let wrong = |_| malformed(names.first().copied().unwrap_or_default());
        numbers.map(Some).map_err(wrong)
    }

    /// A whole number, or `otherwise`.
    fn whole(&self, name: &str, otherwise: i64) -> Result<i64, Refusal> {
        self.get(&[name]).map_or(Ok(otherwise), |text| {
            text.parse().map_err(|_| malformed(name))
        })
    }
}

/// Reads and checks a header.
pub(super) fn inspect(path: &Path) -> Result<Array, Refusal> {
    let fields = Fields::read(&mut unpacked(path)?)?;
    let axes = fields.whole("NDims", 0)?;
    let sizes = fields.numbers(&["DimSize"])?.unwrap_or_default();
    if !(2..=4).contains(&axes) || sizes.len() != axes as usize {
        return Err(malformed("NDims or DimSize"));
    }
    let size = |n: usize| match sizes.get(n) {
        Some(&size) if size >= 1.0 && size.fract() == 0.0 && size <= f64::from(u32::MAX) => {
            Ok(size as u32)
        }
        Some(size) => Err(malformed(&format!("a size of {size}"))),
        None => Ok(1),
    };
    let dims = UVec3::new(size(0)?, size(1)?, size(2)?);
    let times = size(3)? as usize;
    let channels = fields.whole("ElementNumberOfChannels", 1)?;
    let channels = usize::try_from(channels).ok().filter(|&n| n > 0);
    let count = channels.ok_or_else(|| malformed("ElementNumberOfChannels"))?;
    let number = number(fields.get(&["ElementType"]).unwrap_or_default())?;
    let take = match (count, number) {
        // Bytes in threes and fours are colours.
        (3 | 4, Number::U8) => Take::Colour,
        _ => Take::First,
    };
    let mut warnings = Vec::new();
    let (patient_from_voxel, side_known) = place(&fields, axes as usize, &mut warnings)?;
    if take == Take::First && count > 1 {
        warnings.push(first_component(count, "a vector"));
    }
    let element = Element {
        number,
        count,
        take,
    };
    let bytes = [
        dims.x as usize,
        dims.y as usize,
        dims.z as usize,
        times,
        element.size(),
    ]
    .into_iter()
    .try_fold(1_u64, |n, size| n.checked_mul(size as u64));
    let order = ["BinaryDataByteOrderMSB", "ElementByteOrderMSB"];
    let is_binary = fields.get(&["BinaryData"]).is_none() || fields.is_true(&["BinaryData"]);
    Array::new(
        path,
        Header {
            dims,
            patient_from_voxel,
            times,
            components: 1,
            element,
            big_endian: is_binary && fields.is_true(&order),
            rescale: Rescale::IDENTITY,
            parts: parts(&fields, path, (number, is_binary), bytes)?,
            window: None,
            stated: Stated {
                side_known,
                ..Stated::NOTHING
            },
            warnings,
        },
    )
}

fn number(name: &str) -> Result<Number, Refusal> {
    Ok(match name.trim_end_matches("_ARRAY") {
        "MET_CHAR" => Number::I8,
        "MET_UCHAR" => Number::U8,
        "MET_SHORT" => Number::I16,
        "MET_USHORT" => Number::U16,
        // MetaIO's long has 4 bytes on every machine.
        "MET_INT" | "MET_LONG" => Number::I32,
        "MET_UINT" | "MET_ULONG" => Number::U32,
        "MET_LONG_LONG" => Number::I64,
        "MET_ULONG_LONG" => Number::U64,
        "MET_FLOAT" => Number::F32,
        "MET_DOUBLE" => Number::F64,
        other => return Err(malformed(&format!("ElementType {other:?}"))),
    })
}

/// Where the image lies, and whether the file says so. ITK's world is LPS.
fn place(
    fields: &Fields,
    axes: usize,
    warnings: &mut Vec<Warning>,
) -> Result<(DAffine3, bool), Refusal> {
    let three = |numbers: &[f64], missing: f64| {
        DVec3::from_array([0, 1, 2].map(|n| numbers.get(n).copied().unwrap_or(missing)))
    };
    let spacing = match fields.numbers(&["ElementSpacing", "ElementSize"])? {
        Some(spacing) if spacing.len() >= axes => three(&spacing, 1.0).abs(),
        Some(_) => return Err(malformed("ElementSpacing")),
        None => {
            warnings.push(no_spacing());
            DVec3::ONE
        }
    };
    let offset = fields.numbers(&["Offset", "Position", "Origin"])?;
    let offset = three(&offset.unwrap_or_default(), 0.0);
    let centre = fields.numbers(&["CenterOfRotation"])?;
    if centre.is_some_and(|centre| centre.iter().any(|&c| c != 0.0)) {
        let message =
            "its CenterOfRotation is not used, as in ITK; other programs may place it elsewhere";
        warnings.push(Warning::new("center_of_rotation", message));
    }
    let letters = fields.get(&["AnatomicalOrientation"]).and_then(anatomical);
    let turn = match fields.numbers(&["TransformMatrix", "Orientation", "Rotation"])? {
        Some(numbers) if numbers.len() == axes * axes => {
            let at = |axis: usize, n: usize| {
                if axis < axes && n < axes {
                    numbers[axis * axes + n]
                } else {
                    f64::from(u8::from(axis == n))
                }
            };
            // A row of the text is the direction of an axis.
            let column = |axis| DVec3::new(at(axis, 0), at(axis, 1), at(axis, 2));
            let turn = DMat3::from_cols(column(0), column(1), column(2));
            if letters.is_some_and(|letters| apart(&letters, &turn)) {
                let message =
                    "its AnatomicalOrientation is another than its TransformMatrix, which is used";
                warnings.push(Warning::new("orientations_differ", message));
            }
            Some(turn)
        }
        Some(_) => return Err(malformed("TransformMatrix")),
        None => letters,
    };
    if turn.is_none() {
        warnings.push(no_orientation());
    }
    let matrix3 = turn.unwrap_or(DMat3::IDENTITY) * DMat3::from_diagonal(spacing);
    let place = DAffine3 {
        matrix3,
        translation: offset,
    };
    Ok((place, turn.is_some()))
}

/// The directions of the axes by the letters of where they start (`RAI` runs to L, P and S).
fn anatomical(letters: &str) -> Option<DMat3> {
    let axis = |letter: char| {
        Some(match letter {
            'R' => DVec3::X,
            'L' => DVec3::NEG_X,
            'A' => DVec3::Y,
            'P' => DVec3::NEG_Y,
            'I' => DVec3::Z,
            'S' => DVec3::NEG_Z,
            _ => return None,
        })
    };
    let axes: Option<Vec<DVec3>> = letters.chars().map(axis).collect();
    let [i, j, k] = axes?[..] else { return None };
    let turn = DMat3::from_cols(i, j, k);
    (turn.determinant() != 0.0).then_some(turn)
}

/// Whether an axis of one runs against the other.
fn apart(a: &DMat3, b: &DMat3) -> bool {
    (0..3).any(|axis| a.col(axis).dot(b.col(axis)) <= 0.0)
}

/// The files with voxels.
fn parts(
    fields: &Fields,
    path: &Path,
    (number, is_binary): (Number, bool),
    bytes: Option<u64>,
) -> Result<Vec<Part>, Refusal> {
    let packing = match (fields.is_true(&["CompressedData"]), is_binary) {
        (true, _) => Packing::Zlib,
        (false, true) => Packing::Plain,
        (false, false) => Packing::Text(number),
    };
    let (files, header) = files_of(fields, path)?;
    let each = bytes.map(|bytes| bytes / files.len().max(1) as u64);
    let header_size = fields.whole("HeaderSize", 0)?;
    let part = |path: PathBuf| {
        let start = match (header_size, each) {
            (-1, Some(each)) if packing == Packing::Plain => {
                let length = files::open(&path)?.metadata()?.len();
                length.saturating_sub(each)
            }
            (size, _) => header + u64::try_from(size).map_err(|_| malformed("HeaderSize"))?,
        };
        Ok(Part {
            path,
            start,
            packing,
            skip: 0,
        })
    };
    files.into_iter().map(part).collect()
}

/// The files that `ElementDataFile` names, and the bytes of the header before the voxels in them.
fn files_of(fields: &Fields, path: &Path) -> Result<(Vec<PathBuf>, u64), Refusal> {
    let named = fields.get(&["ElementDataFile"]).unwrap_or_default();
    let beside = |name: &str| files::beside(path, name);
    if ["LOCAL", "Local", "local"].contains(&named) {
        return Ok((vec![path.to_owned()], fields.length));
    }
    if named.starts_with("LIST") {
        if fields.listed.is_empty() {
            return Err(malformed("an empty list of files"));
        }
        let files: Result<_, _> = fields.listed.iter().map(|name| beside(name)).collect();
        return Ok((files?, 0));
    }
    if let [pattern, numbers @ ..] = &named.split_whitespace().collect::<Vec<_>>()[..]
        && pattern.contains('%')
    {
        let wrong = || malformed("ElementDataFile");
        let numbers: Result<Vec<i64>, _> = numbers.iter().map(|word| word.parse()).collect();
        let numbers = match numbers.map_err(|_| wrong())?[..] {
            [min, max] => files::numbers(min, max, 1, MOST_FILES),
            [min, max, step] => files::numbers(min, max, step, MOST_FILES),
            _ => None,
        };
        let files: Result<_, _> = numbers
            .ok_or_else(wrong)?
            .map(|n| beside(&files::printed(pattern, n).ok_or_else(wrong)?))
            .collect();
        return Ok((files?, 0));
    }
    Ok((vec![beside(named)?], 0))
}
