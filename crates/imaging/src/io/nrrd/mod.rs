//! NRRD, attached (`.nrrd`) and detached (`.nhdr`): <https://teem.sourceforge.net/nrrd/format.html>.

mod axes;
mod data;
mod fields;
mod segments;

use std::path::Path;

use axes::Axes;
use fields::Fields;
pub(super) use segments::segments;

use super::array::{Array, Element, Header, Number, Take};
use super::error::Refusal;
use crate::volume::{Rescale, Stated};

fn malformed(what: &str) -> Refusal {
    Refusal::new(
        "malformed",
        format!("not a sound NRRD header ({what}); export the image again"),
    )
}

/// Reads and checks a header.
pub(super) fn inspect(path: &Path) -> Result<Array, Refusal> {
    let fields = Fields::read(path)?;
    let number = number(fields.need("type")?)?;
    let axes = Axes::of(&fields, number)?;
    let element = Element {
        number,
        count: axes.side_by_side,
        take: axes.take,
    };
    let parts = data::parts(&fields, path, number, axes.bytes(number))?;
    Array::new(
        path,
        Header {
            dims: axes.dims,
            patient_from_voxel: axes.patient_from_voxel,
            times: axes.times,
            components: axes.components,
            element,
            big_endian: is_big_endian(&fields, number)?,
            rescale: Rescale::IDENTITY,
            parts,
            window: None,
            stated: Stated {
                side_known: axes.side_known,
                label_map: fields.keys.keys().any(|key| key.starts_with("Segment0_")),
                ..Stated::NOTHING
            },
            warnings: axes.warnings,
        },
    )
}

fn number(name: &str) -> Result<Number, Refusal> {
    Ok(match name {
        "signed char" | "int8" | "int8_t" => Number::I8,
        "uchar" | "unsigned char" | "uint8" | "uint8_t" => Number::U8,
        "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => {
            Number::I16
        }
        "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => Number::U16,
        "int" | "signed int" | "int32" | "int32_t" => Number::I32,
        "uint" | "unsigned int" | "uint32" | "uint32_t" => Number::U32,
        "longlong"
        | "long long"
        | "long long int"
        | "signed long long"
        | "signed long long int"
        | "int64"
        | "int64_t" => Number::I64,
        "ulonglong" | "unsigned long long" | "unsigned long long int" | "uint64" | "uint64_t" => {
            Number::U64
        }
        "float" => Number::F32,
        "double" => Number::F64,
        "block" => {
            let message = "its voxels are blocks of bytes; convert them to numbers";
            return Err(Refusal::new("pixel_format", message));
        }
        other => return Err(malformed(&format!("type {other:?}"))),
    })
}

/// Numbers of several bytes need an order, unless they are written out.
fn is_big_endian(fields: &Fields, number: Number) -> Result<bool, Refusal> {
    let is_text = data::is_text(fields.need("encoding")?);
    match fields.get("endian") {
        _ if is_text || number.size() == 1 => Ok(false),
        Some("little") => Ok(false),
        Some("big") => Ok(true),
        Some(other) => Err(malformed(&format!("endian {other:?}"))),
        None => Err(malformed("no endian")),
    }
}

/// What lies at a voxel by the kind of the axis it lies along. Bytes in threes and fours are colours: ITK writes them as
/// vectors.
fn take(kind: &str, size: usize, number: Number) -> Take {
    match (kind, size, number) {
        ("RGB-color" | "3-color", 3, Number::U8 | Number::U16)
        | ("RGBA-color" | "4-color", 4, Number::U8 | Number::U16)
        | ("vector" | "3-vector" | "4-vector", 3 | 4, Number::U8) => Take::Colour,
        ("complex", 2, _) => Take::Magnitude,
        ("list" | "time", ..) => Take::EachTime,
        _ => Take::First,
    }
}
