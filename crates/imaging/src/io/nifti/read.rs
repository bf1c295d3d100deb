//! The voxels of a NIfTI file.

use std::io::{self, Read};
use std::path::Path;

use nifti::NiftiType;

use super::NiftiSource;
use super::hashed_file::HashedFile;
use super::header::{Header, open, unpacked};
use crate::io::error::{Refusal, reserve};
use crate::io::{IoError, LoadedImage, Progress, Series};
use crate::volume::{ImageIdentity, ImageKey, Rescale, Volume, Voxels};

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;

/// Reads the volume of one time point as the file streams (and unpacks) by, and counts the file's digest.
pub(in crate::io) fn load(
    source: &NiftiSource,
    series: &Series,
    time: u32,
    progress: &Progress,
) -> Result<LoadedImage, IoError> {
    let whole = &source.header;
    let before = u64::from(time) * whole.grid.len() as u64 * whole.kind.size_of() as u64;
    let header = &Header {
        offset: whole.offset + before,
        ..whole.clone()
    };
    let at = |refusal: Refusal| refusal.at(&header.voxels);
    // Of a pair the header's bytes count, too.
    let before = (header.voxels != source.path).then_some(source.path.as_path());
    let file = HashedFile::open(&header.voxels, before).map_err(at)?;
    let stream = unpacked(file.reader()).map_err(at)?;
    let (voxels, rescale) = read_from(stream, header, progress)?;
    let digest = file.digest().map_err(|e| at(e.into()))?;
    let volume = Volume::new(header.grid, voxels, rescale, series.modality, series.units)
        .map_err(|e| Refusal::new("bad_rescale", e.to_string()).at(&source.path))?;
    let key = ImageKey::File { sha256: digest };
    Ok(LoadedImage {
        volume,
        identity: ImageIdentity { key, digest },
    })
}

/// Reads slice `k` of the first volume alone, as a volume of its own.
pub(in crate::io) fn load_slice(
    source: &NiftiSource,
    series: &Series,
    k: u32,
    progress: &Progress,
) -> Result<Volume, IoError> {
    let whole = &source.header;
    let k = k.min(whole.grid.dims().z - 1);
    let grid = whole.grid.slice(k);
    let before = u64::from(k) * grid.len() as u64 * whole.kind.size_of() as u64;
    let header = Header {
        grid,
        offset: whole.offset + before,
        ..whole.clone()
    };
    let (voxels, rescale) = read(&header, progress)?;
    Volume::new(grid, voxels, rescale, series.modality, series.units)
        .map_err(|e| Refusal::new("bad_rescale", e.to_string()).at(&source.path))
}

/// The voxels and their rescale.
pub(super) fn read(header: &Header, progress: &Progress) -> Result<(Voxels, Rescale), IoError> {
    let source = open(&header.voxels).map_err(|refusal| refusal.at(&header.voxels))?;
    read_from(source, header, progress)
}

fn read_from(
    mut source: Box<dyn Read>,
    header: &Header,
    progress: &Progress,
) -> Result<(Voxels, Rescale), IoError> {
    let at = |refusal: Refusal| refusal.at(&header.voxels);
    let skipped = io::copy(&mut source.by_ref().take(header.offset), &mut io::sink());
    skipped.map_err(|e| cut(&header.voxels, e, 0, header.grid.len()))?;
    let mut stream = Stream {
        source,
        path: &header.voxels,
        count: header.grid.len(),
        progress,
    };
    let Rescale { slope, intercept } = header.rescale;
    let value = |stored: f64| (stored * slope + intercept) as f32;
    let big = header.big_endian;
    macro_rules! number {
        ($type:ty) => {
            move |bytes| {
                if big {
                    <$type>::from_be_bytes(bytes)
                } else {
                    <$type>::from_le_bytes(bytes)
                }
            }
        };
    }
    let voxels = match header.kind {
        NiftiType::Uint8 => Voxels::U8(stream.read(number!(u8))?),
        NiftiType::Int8 => Voxels::I8(stream.read(number!(i8))?),
        NiftiType::Uint16 => Voxels::U16(stream.read(number!(u16))?),
        NiftiType::Int16 => Voxels::I16(stream.read(number!(i16))?),
        NiftiType::Int32 => Voxels::I32(stream.read(number!(i32))?),
        NiftiType::Float32 => Voxels::F32(stream.read(number!(f32))?),
        // The rest does not fit a stored type; values are worked out in f64 before they are rounded.
        NiftiType::Uint32 => {
            let number = number!(u32);
            let voxels = stream.read(|bytes| value(f64::from(number(bytes))))?;
            return Ok((Voxels::F32(voxels), Rescale::IDENTITY));
        }
        NiftiType::Int64 => {
            let number = number!(i64);
            let voxels = stream.read(|bytes| value(number(bytes) as f64))?;
            return Ok((Voxels::F32(voxels), Rescale::IDENTITY));
        }
        NiftiType::Uint64 => {
            let number = number!(u64);
            let voxels = stream.read(|bytes| value(number(bytes) as f64))?;
            return Ok((Voxels::F32(voxels), Rescale::IDENTITY));
        }
        NiftiType::Float64 => {
            let number = number!(f64);
            let voxels = stream.read(|bytes| value(number(bytes)))?;
            return Ok((Voxels::F32(voxels), Rescale::IDENTITY));
        }
        other => {
            let message = format!("voxels of type {other:?} are not read");
            return Err(at(Refusal::new("pixel_format", message)));
        }
    };
    Ok((voxels, header.rescale))
}

struct Stream<'a> {
    source: Box<dyn Read>,
    path: &'a Path,
    count: usize,
    progress: &'a Progress<'a>,
}

impl Stream<'_> {
    /// All voxels, each made of `N` bytes.
    fn read<T, const N: usize>(
        &mut self,
        number: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, IoError> {
        let mut voxels = reserve::<T>(self.count as u64).map_err(|r| r.at(self.path))?;
        let mut buffer = vec![0; CHUNK];
        while voxels.len() < self.count {
            self.progress.check()?;
            let bytes = (self.count - voxels.len()).saturating_mul(N).min(CHUNK);
            let chunk = &mut buffer[..bytes];
            self.source
                .read_exact(chunk)
                .map_err(|e| cut(self.path, e, voxels.len(), self.count))?;
            let (numbers, _) = chunk.as_chunks::<N>();
            voxels.extend(numbers.iter().map(|&bytes| number(bytes)));
            self.progress.set(voxels.len() as f32 / self.count as f32);
        }
        Ok(voxels)
    }
}

/// The stream ended or broke: how far it came.
fn cut(path: &Path, error: io::Error, have: usize, wanted: usize) -> IoError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::InvalidData => Refusal::truncated(format!(
            "the file is damaged or cut short: about {have} of {wanted} voxels can be read; copy it again"
        ))
        .at(path),
        _ => IoError::unreadable(path, error),
    }
}
