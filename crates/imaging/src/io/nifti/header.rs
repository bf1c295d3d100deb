//! A NIfTI-1 header, checked against the size of its file.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use glam::{DAffine3, UVec3};
use nifti::{Endianness, NiftiHeader, NiftiType};

use super::orientation::placement;
use crate::geometry::VoxelGrid;
use crate::io::error::{MAX_VOLUME_BYTES, Refusal};
use crate::io::{Warning, files};
use crate::volume::{Rescale, Stated, Window};

/// Bytes of a NIfTI-1 header, and where voxels begin in a file that has no extensions.
const HEADER_BYTES: usize = 348;
const FIRST_VOXEL: u64 = 352;

/// NIFTI_INTENT_LABEL: the values are indices of labels.
const INTENT_LABEL: i16 = 1002;

/// Deflate packs at most this many bytes into one (zlib's own figure is 1032).
const MOST_PACKED: u64 = 1040;

/// What the import needs from the header.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub grid: VoxelGrid,
    pub times: usize,
    pub kind: NiftiType,
    pub big_endian: bool,
    pub rescale: Rescale,
    /// The file with the voxels, and where they begin in it (after unpacking).
    pub voxels: PathBuf,
    pub offset: u64,
    /// The display range (`cal_min`, `cal_max`), if the file has one.
    pub window: Option<Window>,
    pub stated: Stated,
    pub warnings: Vec<Warning>,
}

impl Header {
    /// Reads and checks the header of a `.nii`, `.nii.gz`, `.hdr` or `.hdr.gz` file.
    pub fn read(path: &Path) -> Result<Self, Refusal> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        open(path)?
            .take(HEADER_BYTES as u64)
            .read_to_end(&mut bytes)?;
        let big_endian = byte_order(&bytes)?;
        let header = NiftiHeader::from_reader(bytes.as_slice())
            .map_err(|error| malformed(&error.to_string()))?;
        if (header.endianness == Endianness::Big) != big_endian {
            return Err(malformed(
                "dim[0] is not a number of dimensions from 1 to 7",
            ));
        }
        let (dims, times) = sizes(&header)?;
        let kind = kind(&header)?;
        let count = voxel_count(dims, times)?;
        let is_pair = &header.magic == nifti::header::MAGIC_CODE_NI1;
        let voxels = if is_pair {
            files::voxels_of_pair(path).ok_or_else(|| {
                let message =
                    "the header of a pair without its voxels; put the .img file beside it";
                Refusal::new("pair", message)
            })?
        } else {
            path.to_owned()
        };
        let offset = offset(&header, is_pair)?;
        refuse_short(&voxels, offset, count, kind)?;

        let mut warnings = Vec::new();
        let place = placement(&header, dims, &mut warnings)?;
        refuse_absurd(&place.patient_from_voxel)?;
        let grid = VoxelGrid::new(dims, place.patient_from_voxel)
            .map_err(|error| Refusal::new("no_geometry", error.to_string()))?;
        if times > 1 {
            let message = format!("the first of {times} time points is shown");
            warnings.push(Warning::new("first_time_point", message));
        }
        if matches!(
            kind,
            NiftiType::Uint32 | NiftiType::Int64 | NiftiType::Uint64 | NiftiType::Float64
        ) {
            let message = "values are held as 32-bit floats (7 digits)";
            warnings.push(Warning::new("reduced_precision", message));
        }
        Ok(Self {
            grid,
            times,
            kind,
            big_endian,
            rescale: rescale(&header, &mut warnings),
            voxels,
            offset,
            window: (header.cal_max > header.cal_min)
                .then(|| Window::from_range(header.cal_min, header.cal_max)),
            stated: Stated {
                side_known: !place.is_guess,
                label_map: header.intent_code == INTENT_LABEL,
                ..Stated::NOTHING
            },
            warnings,
        })
    }
}

/// Opens a file, unpacking it when it is gzip, whatever its name says.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read>, Refusal> {
    unpacked(files::open(path)?)
}

/// The bytes of a file, unpacked when they are gzip.
pub(super) fn unpacked(file: impl Read + 'static) -> Result<Box<dyn Read>, Refusal> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    if is_gzip(&mut reader)? {
        Ok(Box::new(MultiGzDecoder::new(reader)))
    } else {
        Ok(Box::new(reader))
    }
}

fn is_gzip(reader: &mut impl BufRead) -> Result<bool, Refusal> {
    Ok(reader.fill_buf()?.starts_with(&[0x1F, 0x8B]))
}

pub(super) fn malformed(what: &str) -> Refusal {
    Refusal::new(
        "malformed",
        format!("not a sound NIfTI header ({what}); export the image again"),
    )
}

/// Whether the header is big endian, told by its own size.
fn byte_order(bytes: &[u8]) -> Result<bool, Refusal> {
    let size: [u8; 4] = match bytes.get(..4).and_then(|size| size.try_into().ok()) {
        Some(size) if bytes.len() == HEADER_BYTES => size,
        _ => {
            let message = format!(
                "{} of the {HEADER_BYTES} bytes of a NIfTI header are there; copy the file again",
                bytes.len()
            );
            return Err(Refusal::truncated(message));
        }
    };
    match (i32::from_le_bytes(size), i32::from_be_bytes(size)) {
        (348, _) => Ok(false),
        (_, 348) => Ok(true),
        (540, _) | (_, 540) => Err(Refusal::new(
            "nifti2",
            "a NIfTI-2 image, which is not read yet; convert it to NIfTI-1",
        )),
        _ => Err(Refusal::new(
            "not_an_image",
            "named like a NIfTI image but not one",
        )),
    }
}

/// The three axes and the number of volumes behind them.
fn sizes(header: &NiftiHeader) -> Result<(UVec3, usize), Refusal> {
    let dim = header.dim().map_err(|e| malformed(&e.to_string()))?;
    if let Some(size) = dim.iter().find(|&&size| size > i16::MAX as u16) {
        return Err(malformed(&format!("a size of {}", *size as i16)));
    }
    let axis = |n: usize| dim.get(n).map_or(1, |&size| u32::from(size));
    let dims = UVec3::new(axis(0), axis(1), axis(2));
    if dims.min_element() < 2 {
        return Err(Refusal::new(
            "single_slice",
            format!(
                "{} x {} x {} voxels are a picture, no volume",
                dims.x, dims.y, dims.z
            ),
        ));
    }
    let times = dim
        .get(3..)
        .unwrap_or_default()
        .iter()
        .try_fold(1_usize, |n, &size| n.checked_mul(usize::from(size)));
    let times = times.ok_or_else(|| malformed("more time points than can be counted"))?;
    Ok((dims, times))
}

fn kind(header: &NiftiHeader) -> Result<NiftiType, Refusal> {
    let kind = header
        .data_type()
        .map_err(|_| malformed(&format!("data type {}", header.datatype)))?;
    match kind {
        NiftiType::Rgb24 | NiftiType::Rgba32 => Err(Refusal::new(
            "colour",
            "a colour image; export grey values to read it as a volume",
        )),
        NiftiType::Complex64 | NiftiType::Complex128 | NiftiType::Complex256 => Err(Refusal::new(
            "complex",
            "its voxels are complex numbers; export magnitude or phase",
        )),
        NiftiType::Float128 => Err(Refusal::new(
            "pixel_format",
            "its voxels are 128-bit floats; convert them to 32-bit ones",
        )),
        _ => Ok(kind),
    }
}

/// All voxels of the file; those of one volume must be holdable.
fn voxel_count(dims: UVec3, times: usize) -> Result<u64, Refusal> {
    let one = u64::from(dims.x) * u64::from(dims.y) * u64::from(dims.z);
    if one > MAX_VOLUME_BYTES / 4 {
        return Err(Refusal::new(
            "too_large",
            format!(
                "its header claims {} x {} x {} voxels, more than can be held; check the file or \
                 reduce the image",
                dims.x, dims.y, dims.z
            ),
        ));
    }
    one.checked_mul(times as u64)
        .ok_or_else(|| malformed("more voxels than can be counted"))
}

fn offset(header: &NiftiHeader, is_pair: bool) -> Result<u64, Refusal> {
    let offset = header.vox_offset;
    if !(0.0..1e9).contains(&offset) {
        return Err(malformed(&format!("voxels at byte {offset}")));
    }
    let offset = offset as u64;
    match (is_pair, offset) {
        (true, _) | (false, FIRST_VOXEL..) => Ok(offset),
        // Some writers leave it out.
        (false, 0) => Ok(FIRST_VOXEL),
        (false, _) => Err(malformed(&format!(
            "voxels at byte {offset}, in the header"
        ))),
    }
}

/// The file must be as long as its header says; a packed one as long as it can possibly unpack to. The
/// rest of a packed file shows itself when it is loaded.
fn refuse_short(path: &Path, offset: u64, count: u64, kind: NiftiType) -> Result<(), Refusal> {
    let file = files::open(path)?;
    let length = file.metadata()?.len();
    let packed = is_gzip(&mut BufReader::new(file))?;
    let most = if packed {
        length.saturating_mul(MOST_PACKED)
    } else {
        length
    };
    let wanted = count
        .checked_mul(kind.size_of() as u64)
        .and_then(|bytes| bytes.checked_add(offset));
    match wanted {
        Some(wanted) if wanted <= most => Ok(()),
        _ => Err(Refusal::truncated(format!(
            "its header announces {count} voxels of {} bytes, but the file has {length} bytes; copy it \
             again",
            kind.size_of()
        ))),
    }
}

/// Voxels of ten metres or a tenth of a micrometre are a wrong unit or a damaged header; every measure
/// would be wrong with them.
fn refuse_absurd(place: &DAffine3) -> Result<(), Refusal> {
    // A little wider than said: the header's numbers have 7 digits.
    const POSSIBLE_MM: std::ops::RangeInclusive<f64> = 0.99e-4..=1.01e4;
    let [x, y, z] = [0, 1, 2].map(|axis| place.matrix3.col(axis).length());
    if [x, y, z].iter().all(|mm| POSSIBLE_MM.contains(mm)) {
        return Ok(());
    }
    Err(Refusal::new(
        "absurd_spacing",
        format!(
            "its voxels measure {x:e} x {y:e} x {z:e} mm, which cannot be; convert it again from the \
             source"
        ),
    ))
}

/// A slope of 0 means none; one that is not a number is worth a word.
fn rescale(header: &NiftiHeader, warnings: &mut Vec<Warning>) -> Rescale {
    let (slope, intercept) = (header.scl_slope, header.scl_inter);
    if slope == 0.0 {
        return Rescale::IDENTITY;
    }
    if slope.is_finite() && intercept.is_finite() {
        return Rescale {
            slope: f64::from(slope),
            intercept: f64::from(intercept),
        };
    }
    let message =
        format!("its scaling (slope {slope}, intercept {intercept}) is no number and ignored");
    warnings.push(Warning::new("bad_rescale", message));
    Rescale::IDENTITY
}
