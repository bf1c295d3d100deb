//! NumPy's array files (NEP 1, versions 1 to 3), as far as images and masks need them.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use glam::{DAffine3, UVec3};

use super::array::{
    Array, Element, Header, Number, Packing, Part, first_component, no_orientation, no_spacing,
};
use super::error::{MAX_VOLUME_BYTES, Refusal, reserve};
use super::{IoError, files};
use crate::volume::{Rescale, Stated};

/// An array as it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct NpyArray {
    /// The length of each axis, the slowest first.
    pub shape: Vec<usize>,
    /// The values in row-major order.
    pub values: NpyValues,
}

/// Values in the type they are kept in.
#[derive(Clone, Debug, PartialEq)]
pub enum NpyValues {
    /// Unsigned bytes, and booleans as 0 and 1.
    U8(Vec<u8>),
    /// 32-bit floats; other numbers are read as these.
    F32(Vec<f32>),
}

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// No header of an image comes near this.
const MOST_HEADER: usize = 1 << 16;
/// Header and preamble end on a multiple of this (NEP 1).
const ALIGN: usize = 64;

/// Writes an array of bytes.
///
/// # Errors
/// When the shape does not hold the values or writing fails.
pub fn write_npy_u8(path: &Path, shape: &[usize], values: &[u8]) -> Result<(), IoError> {
    write(path, "|u1", shape, values.len(), |out| {
        out.write_all(values)
    })
}

/// Writes an array of 32-bit floats.
///
/// # Errors
/// When the shape does not hold the values or writing fails.
pub fn write_npy_f32(path: &Path, shape: &[usize], values: &[f32]) -> Result<(), IoError> {
    write(path, "<f4", shape, values.len(), |out| {
        values
            .iter()
            .try_for_each(|value| out.write_all(&value.to_le_bytes()))
    })
}

fn write(
    path: &Path,
    kind: &str,
    shape: &[usize],
    count: usize,
    values: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), IoError> {
    let wanted = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
    if wanted != Some(count) {
        return Err(IoError::OutputShape {
            path: path.to_owned(),
            message: format!("{count} values do not fill the shape {shape:?}"),
        });
    }
    let axes = match shape {
        [one] => format!("({one},)"),
        many => {
            let words: Vec<String> = many.iter().map(ToString::to_string).collect();
            format!("({})", words.join(", "))
        }
    };
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {axes}, }}");
    let before = MAGIC.len() + 4;
    let padding = ALIGN - (before + header.len() + 1) % ALIGN;
    header.extend(std::iter::repeat_n(' ', padding % ALIGN));
    header.push('\n');
    let length = u16::try_from(header.len()).map_err(|_| IoError::OutputShape {
        path: path.to_owned(),
        message: format!("{} axes do not fit a header", shape.len()),
    })?;
    let all = || {
        let mut out = BufWriter::new(File::create(path)?);
        out.write_all(MAGIC)?;
        out.write_all(&[1, 0])?;
        out.write_all(&length.to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        values(&mut out)?;
        out.flush()
    };
    all().map_err(|error| IoError::write(path, error))
}

/// Reads an array of numbers or booleans in C order and little-endian bytes.
///
/// # Errors
/// When the file is no such array, is damaged or ends early, or does not fit.
pub fn read_npy(path: &Path) -> Result<NpyArray, IoError> {
    let file = File::open(path).map_err(|error| IoError::unreadable(path, error))?;
    let size = file.metadata().map_or(0, |m| m.len());
    read(&mut BufReader::new(file), size).map_err(|refusal| refusal.at(path))
}

fn damaged(message: impl Into<String>) -> Refusal {
    Refusal::new("not_npy", message)
}

fn read(file: &mut impl Read, size: u64) -> Result<NpyArray, Refusal> {
    let Described { number, shape, .. } = describe(file)?;
    let count = shape
        .iter()
        .try_fold(1_u64, |n, &d| n.checked_mul(d as u64))
        .filter(|&n| n <= MAX_VOLUME_BYTES)
        .ok_or_else(|| damaged(format!("its shape {shape:?} is too large")))?;
    if size > 0 && count.saturating_mul(number.size() as u64) > size {
        return Err(Refusal::truncated(format!(
            "its shape {shape:?} needs more bytes than the file has; copy it again"
        )));
    }
    let values = values(number, file, count)?;
    let mut rest = [0; 1];
    if file.read(&mut rest)? != 0 {
        return Err(damaged(
            "there is more in it than its shape says; save it again",
        ));
    }
    Ok(NpyArray { shape, values })
}

/// What a header says.
struct Described {
    number: Number,
    shape: Vec<usize>,
    /// Bytes of the header.
    length: u64,
}

fn describe(file: &mut impl Read) -> Result<Described, Refusal> {
    let mut start = [0; 8];
    file.read_exact(&mut start)?;
    if &start[..6] != MAGIC {
        return Err(damaged("it is no NumPy array; give a .npy file"));
    }
    let (length, before) = match start[6] {
        1 => {
            let mut bytes = [0; 2];
            file.read_exact(&mut bytes)?;
            (usize::from(u16::from_le_bytes(bytes)), 10)
        }
        2 | 3 => {
            let mut bytes = [0; 4];
            file.read_exact(&mut bytes)?;
            (u32::from_le_bytes(bytes) as usize, 12)
        }
        other => {
            return Err(damaged(format!(
                "its version {other} is not known; save it again with NumPy"
            )));
        }
    };
    if length > MOST_HEADER {
        return Err(damaged(format!(
            "its header claims {length} bytes; save it again"
        )));
    }
    let mut header = vec![0; length];
    file.read_exact(&mut header)?;
    let header = String::from_utf8(header).map_err(|_| damaged("its header is no text"))?;
    let (number, shape) = parse(&header)?;
    Ok(Described {
        number,
        shape,
        length: (length + before) as u64,
    })
}

/// Reads the header of an image: (D, H, W) or (1, D, H, W) as M3D's data sets have it, or (H, W).
pub(super) fn inspect(path: &Path) -> Result<Array, Refusal> {
    let Described {
        number,
        shape,
        length,
    } = describe(&mut BufReader::new(files::open(path)?))?;
    let (channels, [depth, height, width]) = match shape[..] {
        [height, width] => (1, [1, height, width]),
        [depth, height, width] => (1, [depth, height, width]),
        [channels, depth, height, width] => (channels, [depth, height, width]),
        _ => {
            let message = format!(
                "an array of the shape {shape:?}, no image; save it as (depth, height, width)"
            );
            return Err(Refusal::new("npy_shape", message));
        }
    };
    let size = |size: usize| match u32::try_from(size) {
        Ok(size @ 1..) => Ok(size),
        _ => Err(damaged(format!("its shape {shape:?} cannot be held"))),
    };
    let mut warnings = vec![no_spacing(), no_orientation()];
    if channels != 1 {
        warnings.push(first_component(channels, "the channels"));
    }
    Array::new(
        path,
        Header {
            dims: UVec3::new(size(width)?, size(height)?, size(depth)?),
            patient_from_voxel: DAffine3::IDENTITY,
            times: 1,
            components: channels,
            element: Element::one(number),
            big_endian: false,
            rescale: Rescale::IDENTITY,
            parts: vec![Part {
                path: path.to_owned(),
                start: length,
                packing: Packing::Plain,
                skip: 0,
            }],
            window: None,
            stated: Stated::NOTHING,
            warnings,
        },
    )
}

/// The types that are read.
fn number(descr: &str) -> Option<Number> {
    Some(match descr {
        "|u1" | "|b1" | "<u1" | "<b1" => Number::U8,
        "|i1" | "<i1" => Number::I8,
        "<u2" => Number::U16,
        "<i2" => Number::I16,
        "<u4" => Number::U32,
        "<i4" => Number::I32,
        "<u8" => Number::U64,
        "<i8" => Number::I64,
        "<f4" => Number::F32,
        "<f8" => Number::F64,
        _ => return None,
    })
}

fn values(number: Number, file: &mut impl Read, count: u64) -> Result<NpyValues, Refusal> {
    if number == Number::U8 {
        let mut values = reserve::<u8>(count)?;
        values.resize(count as usize, 0);
        file.read_exact(&mut values)?;
        return Ok(NpyValues::U8(values));
    }
    let mut values = reserve::<f32>(count)?;
    let mut bytes = [0; 8];
    for _ in 0..count {
        let part = &mut bytes[..number.size()];
        file.read_exact(part)?;
        values.push(number.value(part, false) as f32);
    }
    Ok(NpyValues::F32(values))
}

/// The type and the shape from a header, which is a Python dictionary.
fn parse(header: &str) -> Result<(Number, Vec<usize>), Refusal> {
    let after = |key: &str| {
        let (_, rest) = header.split_once(&format!("'{key}'"))?;
        Some(rest.trim_start().strip_prefix(':')?.trim_start())
    };
    let lacks = |key: &str| damaged(format!("its header has no usable {key}; save it again"));
    let descr = after("descr").ok_or_else(|| lacks("descr"))?;
    let word = descr
        .strip_prefix('\'')
        .and_then(|rest| rest.split_once('\''))
        .map(|(word, _)| word)
        .ok_or_else(|| lacks("descr"))?;
    let number = number(word).ok_or_else(|| {
        Refusal::new(
            "npy_type",
            format!("it holds {word:?}; save it as little-endian float32, float64, bool or whole numbers"),
        )
    })?;
    let order = after("fortran_order").ok_or_else(|| lacks("fortran_order"))?;
    if !order.starts_with("False") {
        return Err(Refusal::new(
            "npy_order",
            "it is in Fortran order; save it after numpy.ascontiguousarray",
        ));
    }
    let shape = after("shape")
        .and_then(|rest| rest.strip_prefix('('))
        .and_then(|rest| rest.split_once(')'))
        .map(|(inside, _)| inside)
        .ok_or_else(|| lacks("shape"))?;
    let axes: Result<Vec<usize>, _> = shape
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::parse)
        .collect();
    let axes = axes.map_err(|_| lacks("shape"))?;
    Ok((number, axes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_come_back_as_they_went() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let values: Vec<f32> = (0..24).map(|n| n as f32 * 0.5 - 3.0).collect();
        write_npy_f32(&path, &[1, 2, 3, 4], &values).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!((bytes.len() - 24 * 4) % 64, 0);
        let found = read_npy(&path).unwrap();
        assert_eq!(found.shape, [1, 2, 3, 4]);
        assert_eq!(found.values, NpyValues::F32(values));
        write_npy_u8(&path, &[3], &[1, 0, 7]).unwrap();
        let found = read_npy(&path).unwrap();
        assert_eq!(
            (found.shape, found.values),
            (vec![3], NpyValues::U8(vec![1, 0, 7]))
        );
        assert!(write_npy_u8(&path, &[4], &[1, 0, 7]).is_err());
    }

    #[test]
    fn the_header_is_numpys_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        write_npy_u8(&path, &[2, 1], &[5, 6]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        // What numpy.save writes for numpy.array([[5], [6]], numpy.uint8).
        let mut wanted = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        wanted.extend(b"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1), }");
        wanted.resize(127, b' ');
        wanted.extend(b"\n\x05\x06");
        assert_eq!(bytes, wanted);
    }

    #[test]
    fn damage_is_an_error_and_never_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        write_npy_f32(&path, &[2, 3], &[1.0; 6]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(read_npy(&path).is_err(), "{length} bytes");
        }
        for at in 0..128 {
            for value in [0, 0x29, 0x39, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                std::fs::write(&path, &bytes).unwrap();
                // Some changes are harmless; none may panic or ask for absurd memory.
                let _ = read_npy(&path);
            }
        }
        let header = |text: &str| {
            let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
            bytes.extend((text.len() as u16).to_le_bytes());
            bytes.extend(text.as_bytes());
            std::fs::write(&path, bytes).unwrap();
            read_npy(&path).unwrap_err().to_string()
        };
        for (text, word) in [
            (
                "{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }",
                "Fortran",
            ),
            (
                "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }",
                ">f4",
            ),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
                "shape",
            ),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }",
                "too large",
            ),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (4000000,), }",
                "more bytes",
            ),
            ("{}", "descr"),
        ] {
            let message = header(text);
            assert!(message.contains(word), "{message}");
        }
        assert!(read_npy(&folder.path().join("none.npy")).is_err());
    }
}
