//! The fields of NIfTI-1, NIfTI-2 and ANALYZE 7.5 headers, as they are stored.

use crate::io::array::{Element, Fields, Number, Take};
use crate::io::error::Refusal;

/// Bytes of a NIfTI-1 and of a NIfTI-2 header.
pub(super) const BYTES_1: usize = 348;
pub(super) const BYTES_2: usize = 540;

/// What wrote the header, by its magic words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// ANALYZE 7.5: no magic word, and no place.
    Analyze,
    /// NIfTI with its voxels behind the header.
    Single,
    /// NIfTI with its voxels in a file of their own.
    Pair,
}

impl Version {
    /// The magic word of NIfTI-1 with its voxels in the same file.
    pub const SINGLE_1: &[u8; 4] = b"n+1\0";
    const PAIR_1: &[u8; 4] = b"ni1\0";
    /// NIfTI-2's go on with bytes that a transfer as text would spoil.
    const SINGLE_2: &[u8; 8] = b"n+2\0\r\n\x1a\n";
    const PAIR_2: &[u8; 8] = b"ni2\0\r\n\x1a\n";
}

/// A header, its numbers in their widest type.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub version: Version,
    pub big_endian: bool,
    pub dim: [i64; 8],
    pub intent: i32,
    pub datatype: i16,
    pub pixdim: [f64; 8],
    pub offset: f64,
    /// Where voxels begin when the header does not say.
    pub first_voxel: u64,
    pub slope: f64,
    pub intercept: f64,
    pub units: i32,
    pub cal_max: f64,
    pub cal_min: f64,
    pub qform_code: i32,
    pub sform_code: i32,
    /// Quaternion b, c, d and the shift.
    pub qform: [f64; 6],
    /// The rows of the sform.
    pub sform: [[f64; 4]; 3],
}

impl Stored {
    /// From the first bytes of a file, [`BYTES_2`] of them if it has as many.
    pub fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let little = Fields {
            bytes,
            big_endian: false,
        };
        let big = Fields {
            bytes,
            big_endian: true,
        };
        let (fields, length) = match (little.i32(0), big.i32(0)) {
            _ if bytes.len() < 4 => (little, BYTES_1),
            (348, _) => (little, BYTES_1),
            (_, 348) => (big, BYTES_1),
            (540, _) => (little, BYTES_2),
            (_, 540) => (big, BYTES_2),
            _ => {
                let message = "named like a NIfTI image but not one";
                return Err(Refusal::new("not_an_image", message));
            }
        };
        if bytes.len() < length {
            return Err(Refusal::truncated(format!(
                "{} of the {length} bytes of a NIfTI header are there; copy the file again",
                bytes.len()
            )));
        }
        if length == BYTES_1 {
            Ok(Self::first(&fields))
        } else {
            Self::second(&fields)
        }
    }

    /// nifti1.h; the fields that ANALYZE 7.5 has are at the same places.
    fn first(fields: &Fields) -> Self {
        let version = match fields.bytes.get(344..348) {
            Some(magic) if magic == Version::SINGLE_1 => Version::Single,
            Some(magic) if magic == Version::PAIR_1 => Version::Pair,
            _ => Version::Analyze,
        };
        let floats = |at: usize, n: usize| fields.f32(at + 4 * n);
        let is_nifti = version != Version::Analyze;
        let code = |at: usize| if is_nifti { fields.i16(at) } else { 0 };
        Self {
            version,
            big_endian: fields.big_endian,
            dim: std::array::from_fn(|n| i64::from(fields.i16(40 + 2 * n))),
            intent: i32::from(code(68)),
            datatype: fields.i16(70),
            pixdim: std::array::from_fn(|n| floats(76, n)),
            offset: fields.f32(108),
            first_voxel: 352,
            slope: fields.f32(112),
            intercept: fields.f32(116),
            units: i32::from(fields.bytes[123] * u8::from(is_nifti)),
            cal_max: fields.f32(124),
            cal_min: fields.f32(128),
            qform_code: i32::from(code(252)),
            sform_code: i32::from(code(254)),
            qform: std::array::from_fn(|n| floats(256, n)),
            sform: [280, 296, 312].map(|at| std::array::from_fn(|n| floats(at, n))),
        }
    }

    /// nifti2.h.
    fn second(fields: &Fields) -> Result<Self, Refusal> {
        let version = match fields.bytes.get(4..12) {
            Some(magic) if magic == Version::SINGLE_2 => Version::Single,
            Some(magic) if magic == Version::PAIR_2 => Version::Pair,
            _ => return Err(super::malformed("not the magic word of NIfTI-2")),
        };
        let floats = |at: usize, n: usize| fields.f64(at + 8 * n);
        Ok(Self {
            version,
            big_endian: fields.big_endian,
            dim: std::array::from_fn(|n| fields.i64(16 + 8 * n)),
            intent: fields.i32(504),
            datatype: fields.i16(12),
            pixdim: std::array::from_fn(|n| floats(104, n)),
            offset: fields.i64(168) as f64,
            first_voxel: 544,
            slope: fields.f64(176),
            intercept: fields.f64(184),
            units: fields.i32(500),
            cal_max: fields.f64(192),
            cal_min: fields.f64(200),
            qform_code: fields.i32(344),
            sform_code: fields.i32(348),
            qform: std::array::from_fn(|n| floats(352, n)),
            sform: [400, 432, 464].map(|at| std::array::from_fn(|n| floats(at, n))),
        })
    }

    /// What lies at each voxel.
    pub fn element(&self) -> Result<Element, Refusal> {
        let wide = |what: &str| {
            let message = format!("its voxels are {what}; convert them to 32-bit floats");
            Err(Refusal::new("pixel_format", message))
        };
        Ok(match self.datatype {
            32 => Element::complex(Number::F32),
            1792 => Element::complex(Number::F64),
            RGB24 => Element::colour(Number::U8, 3),
            2304 => Element::colour(Number::U8, 4),
            1 => return wide("single bits"),
            1536 => return wide("128-bit floats"),
            2048 => return wide("complex numbers of 128-bit floats"),
            other => {
                let elements = NUMBERS.map(Element::one);
                let element = elements.into_iter().find(|&e| code(e) == other);
                element.ok_or_else(|| super::malformed(&format!("data type {other}")))?
            }
        })
    }
}

const NUMBERS: [Number; 10] = [
    Number::U8,
    Number::I8,
    Number::U16,
    Number::I16,
    Number::U32,
    Number::I32,
    Number::U64,
    Number::I64,
    Number::F32,
    Number::F64,
];

/// NIFTI_TYPE_RGB24.
const RGB24: i16 = 128;

/// The data type of a number or of a colour of three channels (nifti1.h, NIFTI_TYPE_*).
pub(super) const fn code(element: Element) -> i16 {
    if matches!(element.take, Take::Colour) {
        return RGB24;
    }
    match element.number {
        Number::U8 => 2,
        Number::I16 => 4,
        Number::I32 => 8,
        Number::F32 => 16,
        Number::F64 => 64,
        Number::I8 => 256,
        Number::U16 => 512,
        Number::U32 => 768,
        Number::I64 => 1024,
        Number::U64 => 1280,
    }
}
