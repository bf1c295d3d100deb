//! FreeSurfer's MGH and MGZ: <https://surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat>.

use std::io::Read as _;
use std::path::Path;

use glam::{DAffine3, DMat3, DVec3, UVec3};

use super::array::{
    Array, Element, Fields, Header, LPS_FROM_RAS, Number, Part, no_orientation, unpacked,
};
use super::error::Refusal;
use crate::volume::{Rescale, Stated};

/// Voxels begin here.
const HEADER_BYTES: usize = 284;

fn malformed(what: &str) -> Refusal {
    Refusal::new(
        "malformed",
        format!("not a sound MGH header ({what}); export the image again"),
    )
}

/// Whether a file begins as these do: version 1, sizes, and a known type, all big endian.
pub(super) fn is_head(head: &[u8]) -> bool {
    let fields = Fields {
        bytes: head,
        big_endian: true,
    };
    head.len() >= HEADER_BYTES
        && fields.i32(0) == 1
        && (1..5).all(|n| fields.i32(4 * n) > 0)
        && number(fields.i32(20)).is_some()
}

/// Reads and checks a header.
pub(super) fn inspect(path: &Path) -> Result<Array, Refusal> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    unpacked(path)?
        .take(HEADER_BYTES as u64)
        .read_to_end(&mut bytes)?;
    if bytes.len() < HEADER_BYTES {
        return Err(Refusal::truncated(format!(
            "{} of the {HEADER_BYTES} bytes of an MGH header are there; copy the file again",
            bytes.len()
        )));
    }
    let fields = Fields {
        bytes: &bytes,
        big_endian: true,
    };
    if fields.i32(0) != 1 {
        return Err(malformed(&format!("version {}", fields.i32(0))));
    }
    let size = |n: usize| match fields.i32(4 * n) {
        size @ 1.. => Ok(size as u32),
        size => Err(malformed(&format!("a size of {size}"))),
    };
    let dims = UVec3::new(size(1)?, size(2)?, size(3)?);
    let number = number(fields.i32(20))
        .ok_or_else(|| malformed(&format!("data type {}", fields.i32(20))))?;
    let side_known = fields.i16(28) > 0;
    Array::new(
        path,
        Header {
            dims,
            patient_from_voxel: LPS_FROM_RAS * place(&fields, dims, side_known),
            times: size(4)? as usize,
            components: 1,
            element: Element::one(number),
            big_endian: true,
            rescale: Rescale::IDENTITY,
            parts: vec![Part::whole(path, HEADER_BYTES as u64)?],
            window: None,
            stated: Stated {
                side_known,
                ..Stated::NOTHING
            },
            warnings: (!side_known).then(no_orientation).into_iter().collect(),
        },
    )
}

const fn number(code: i32) -> Option<Number> {
    Some(match code {
        0 => Number::U8,
        1 => Number::I32,
        3 => Number::F32,
        4 => Number::I16,
        10 => Number::U16,
        _ => return None,
    })
}

/// RAS from voxels. Without the flag the image is coronal with voxels of 1 mm around the origin.
fn place(fields: &Fields, dims: UVec3, is_said: bool) -> DAffine3 {
    let vector = |at: usize| DVec3::new(fields.f32(at), fields.f32(at + 4), fields.f32(at + 8));
    let (turn, centre) = if is_said {
        let sizes = DMat3::from_diagonal(vector(30));
        let turn = DMat3::from_cols(vector(42), vector(54), vector(66));
        (turn * sizes, vector(78))
    } else {
        let turn = DMat3::from_cols(DVec3::NEG_X, DVec3::NEG_Z, DVec3::Y);
        (turn, DVec3::ZERO)
    };
    // The centre is that of voxel dims / 2, not of the volume.
    DAffine3 {
        matrix3: turn,
        translation: centre - turn * (dims.as_dvec3() / 2.0),
    }
}
