//! Volumes to NIfTI-1 files.

use std::io::{self, Write};
use std::path::Path;

use super::fields::{Version, code};
use crate::geometry::VoxelGrid;
use crate::io::array::{Element, LPS_FROM_RAS, Number};
use crate::io::{IoError, files, whole_file};
use crate::volume::{Rescale, Volume, Voxels};
use bytemuck::{Pod, cast_slice};
use flate2::Compression;
use flate2::write::GzEncoder;
use glam::{DMat3, DQuat};

/// Writes a volume as `.nii` or, packed, `.nii.gz`: voxels as stored (colours as RGB24), the rescale as `scl_slope` and
/// `scl_inter` (32-bit floats, 7 digits), the place as sform and, unless the grid is sheared, as qform,
/// both in RAS.
///
/// The file appears whole or not at all: it is written beside its place and moved there.
///
/// # Errors
/// For another ending, a grid NIfTI-1 cannot hold (more than 32767 voxels along an axis), a rescale beyond 32-bit
/// floats, or when writing fails.
pub fn write_nifti(path: &Path, volume: &Volume) -> Result<(), IoError> {
    let voxels = volume.voxels();
    let element = match voxels {
        Voxels::Rgb8(_) => Element::colour(Number::U8, 3),
        Voxels::U8(_) => Element::one(Number::U8),
        Voxels::I8(_) => Element::one(Number::I8),
        Voxels::U16(_) => Element::one(Number::U16),
        Voxels::I16(_) => Element::one(Number::I16),
        Voxels::I32(_) => Element::one(Number::I32),
        Voxels::F32(_) => Element::one(Number::F32),
    };
    let header = header(path, volume.grid(), element, volume.rescale())?;
    write(path, &header, |out| match voxels {
        Voxels::U8(values) => out.write_all(values),
        Voxels::Rgb8(values) => out.write_all(values.as_flattened()),
        Voxels::I8(values) => little_endian(values, out, |v| v.to_le_bytes()),
        Voxels::U16(values) => little_endian(values, out, |v| v.to_le_bytes()),
        Voxels::I16(values) => little_endian(values, out, |v| v.to_le_bytes()),
        Voxels::I32(values) => little_endian(values, out, |v| v.to_le_bytes()),
        Voxels::F32(values) => little_endian(values, out, |v| v.to_le_bytes()),
    })
}

/// Numbers as little-endian bytes, without a copy where memory already has them so.
fn little_endian<T: Pod, const N: usize>(
    values: &[T],
    out: &mut dyn Write,
    bytes: impl Fn(&T) -> [u8; N],
) -> io::Result<()> {
    if cfg!(target_endian = "little") {
        return out.write_all(cast_slice(values));
    }
    values
        .iter()
        .try_for_each(|value| out.write_all(&bytes(value)))
}

/// The 348 bytes of the header and the 4 that say there are no extensions.
pub(super) fn header(
    path: &Path,
    grid: &VoxelGrid,
    element: Element,
    rescale: Rescale,
) -> Result<[u8; 352], IoError> {
    let dims = grid.dims();
    let axis = |size: u32| i16::try_from(size).ok();
    let (Some(nx), Some(ny), Some(nz)) = (axis(dims.x), axis(dims.y), axis(dims.z)) else {
        return Err(IoError::OutputShape {
            path: path.to_owned(),
            message: format!(
                "NIfTI-1 holds at most 32767 voxels along an axis, not {} x {} x {}",
                dims.x, dims.y, dims.z
            ),
        });
    };
    // A slope of 0 would be read as none.
    let [slope, intercept] = [rescale.slope, rescale.intercept].map(|v| v as f32);
    if !slope.is_normal() || !intercept.is_finite() {
        return Err(IoError::OutputShape {
            path: path.to_owned(),
            message: format!(
                "NIfTI-1 keeps its scaling in 32 bits, which do not hold {} and {}",
                rescale.slope, rescale.intercept
            ),
        });
    }
    let ras = LPS_FROM_RAS * grid.patient_from_voxel();
    let spacing = grid.spacing_mm();
    let turn = rotation(grid);
    let (mirror, quaternion) = turn.unwrap_or((1.0, DQuat::IDENTITY));

    let mut bytes = [0; 352];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &348_i32.to_le_bytes());
    put(38, b"r");
    for (n, size) in [3, nx, ny, nz, 1, 1, 1, 1].into_iter().enumerate() {
        put(40 + 2 * n, &size.to_le_bytes());
    }
    put(70, &code(element).to_le_bytes());
    put(72, &(element.size() as i16 * 8).to_le_bytes());
    let [x, y, z] = spacing.as_vec3().to_array();
    for (n, size) in [mirror, x, y, z].into_iter().enumerate() {
        put(76 + 4 * n, &size.to_le_bytes());
    }
    put(108, &352_f32.to_le_bytes());
    put(112, &slope.to_le_bytes());
    put(116, &intercept.to_le_bytes());
    // Millimetres.
    put(123, &[2]);
    put(148, b"m3d-viewer");
    // Codes 1: coordinates of the scanner. A sheared grid has no qform.
    put(252, &i16::from(turn.is_some()).to_le_bytes());
    put(254, &1_i16.to_le_bytes());
    let origin = ras.translation.as_vec3();
    let turn = quaternion.as_quat();
    let place = [turn.x, turn.y, turn.z, origin.x, origin.y, origin.z];
    for (n, value) in place.into_iter().enumerate() {
        put(256 + 4 * n, &value.to_le_bytes());
    }
    let columns = ras.to_cols_array_2d();
    for row in 0..3 {
        for (n, column) in columns.iter().enumerate() {
            put(280 + 16 * row + 4 * n, &(column[row] as f32).to_le_bytes());
        }
    }
    put(344, Version::SINGLE_1);
    Ok(bytes)
}

/// The sign of the k axis and the rotation in RAS, with a real part that is not negative; `None` when
/// the axes are not perpendicular.
fn rotation(grid: &VoxelGrid) -> Option<(f32, DQuat)> {
    let mut axes = LPS_FROM_RAS.matrix3 * grid.directions();
    let mirror = axes.determinant().signum();
    axes.z_axis *= mirror;
    let off = axes.transpose() * axes - DMat3::IDENTITY;
    if off.to_cols_array().iter().any(|v| v.abs() > 1e-5) {
        return None;
    }
    let turn = DQuat::from_mat3(&axes).normalize();
    Some((mirror as f32, if turn.w < 0.0 { -turn } else { turn }))
}

/// Refuses a name that [`write_nifti`] would refuse, before there is anything to write.
///
/// # Errors
/// For another ending than `.nii` and `.nii.gz`.
pub fn check_nifti_name(path: &Path) -> Result<(), IoError> {
    is_packed(path).map(|_| ())
}

/// Whether a name asks for a packed file.
fn is_packed(path: &Path) -> Result<bool, IoError> {
    let name = files::lower_name(path);
    let packed = name.ends_with(".nii.gz");
    let plain = Path::new(&name).extension().is_some_and(|e| e == "nii");
    if packed || plain {
        Ok(packed)
    } else {
        Err(IoError::OutputName(path.to_owned()))
    }
}

/// Writes header and voxels as a whole file.
pub(super) fn write(
    path: &Path,
    header: &[u8],
    voxels: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), IoError> {
    let packed = is_packed(path)?;
    whole_file::write(path, |out| {
        if !packed {
            out.write_all(header)?;
            return voxels(out);
        }
        let mut gzip = GzEncoder::new(out, Compression::fast());
        gzip.write_all(header)?;
        voxels(&mut gzip)?;
        gzip.finish().map(|_| ())
    })
}
