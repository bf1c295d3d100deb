//! The voxels of an array.

use std::io;
use std::ops::Range;
use std::path::Path;

use super::hashed_file::{HashedFile, SharedHash};
use super::number::{Number, Take};
use super::stream::{Broken, Stream};
use super::{Array, Header};
use crate::geometry::VoxelGrid;
use crate::io::error::{Refusal, reserve};
use crate::io::{IoError, LoadedImage, Progress, Series};
use crate::volume::{Digest, ImageIdentity, ImageKey, Rescale, Volume, Voxels};

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;

/// Reads the volume of one time point as the files stream (and unpack) by, and counts their digest.
pub(in crate::io) fn load(
    array: &Array,
    series: &Series,
    time: u32,
    progress: &Progress,
) -> Result<LoadedImage, IoError> {
    let hash = SharedHash::default();
    let count = || Some(hash.clone());
    if array.has_own_header() {
        // A header's bytes come first.
        let at = |refusal: Refusal| refusal.at(&array.path);
        let mut header = HashedFile::open(&array.path, count()).map_err(at)?;
        header.drain().map_err(|error| at(error.into()))?;
    }
    let slices = 0..array.grid.dims().z;
    let (voxels, rescale) = read(array, time, slices, count(), progress)?;
    let digest = Digest::finish(hash.borrow().clone());
    let key = ImageKey::File { sha256: digest };
    Ok(LoadedImage {
        volume: volume(array, series, array.grid, voxels, rescale)?,
        identity: ImageIdentity { key, digest },
    })
}

/// Reads slice `k` of the first volume alone, as a volume of its own.
pub(in crate::io) fn load_slice(
    array: &Array,
    series: &Series,
    k: u32,
    progress: &Progress,
) -> Result<Volume, IoError> {
    let k = k.min(array.grid.dims().z - 1);
    let (voxels, rescale) = read(array, 0, k..k + 1, None, progress)?;
    volume(array, series, array.grid.slice(k), voxels, rescale)
}

fn volume(
    array: &Array,
    series: &Series,
    grid: VoxelGrid,
    voxels: Voxels,
    rescale: Rescale,
) -> Result<Volume, IoError> {
    Volume::new(grid, voxels, rescale, series.modality, series.units)
        .map_err(|e| Refusal::new("bad_rescale", e.to_string()).at(&array.path))
}

/// All voxels of the first volume, and their rescale.
pub(in crate::io) fn voxels(
    array: &Array,
    progress: &Progress,
) -> Result<(Voxels, Rescale), IoError> {
    read(array, 0, 0..array.grid.dims().z, None, progress)
}

fn read(
    array: &Array,
    time: u32,
    slices: Range<u32>,
    hash: Option<SharedHash>,
    progress: &Progress,
) -> Result<(Voxels, Rescale), IoError> {
    let Header { element, parts, .. } = &array.header;
    let dims = array.grid.dims();
    let slice = u64::from(dims.x) * u64::from(dims.y);
    let size = element.size() as u64;
    let before = match element.take {
        Take::EachTime => 0,
        _ => u64::from(time) * array.grid.len() as u64,
    };
    let bytes = |k: u32| (before + u64::from(k) * slice) * size;
    let range = bytes(slices.start)..bytes(slices.end);
    let mut numbers = Numbers {
        count: (slice * u64::from(slices.end - slices.start)) as usize,
        stream: Stream::new(parts, array.bytes_per_part(), range, hash),
        path: &array.path,
        size: element.size(),
        progress,
    };
    let found = numbers.voxels(&array.header, time as usize)?;
    let path = numbers.path();
    numbers.stream.finish().map_err(|broken| match broken {
        Broken::Refused(error) => error,
        Broken::Io(error) => Refusal::from(error).at(path),
    })?;
    Ok(found)
}

struct Numbers<'a> {
    stream: Stream<'a>,
    path: &'a Path,
    /// Voxels to be read, and bytes of each.
    count: usize,
    size: usize,
    progress: &'a Progress<'a>,
}

impl<'a> Numbers<'a> {
    fn path(&self) -> &'a Path {
        self.stream.path().unwrap_or(self.path)
    }

    fn voxels(&mut self, header: &Header, time: usize) -> Result<(Voxels, Rescale), IoError> {
        let Header {
            element,
            big_endian,
            rescale,
            ..
        } = *header;
        let Rescale { slope, intercept } = rescale;
        let value = |stored: f64| (stored * slope + intercept) as f32;
        let (number, width) = (element.number, element.number.size());
        let part = move |bytes: &[u8], n: usize| {
            number.value(bytes.get(n * width..).unwrap_or_default(), big_endian)
        };
        let index = match element.take {
            Take::First => 0,
            Take::EachTime => time,
            Take::Magnitude => {
                // The intercept belongs to the real part, as in numpy.
                let voxels = self.map(|bytes| {
                    let (real, imaginary) = (part(bytes, 0), part(bytes, 1));
                    (real * slope + intercept).hypot(imaginary * slope) as f32
                })?;
                return Ok((Voxels::F32(voxels), Rescale::IDENTITY));
            }
            Take::Colour => {
                let steps = if width == 1 { 1.0 } else { 257.0 };
                let voxels = self.map(|bytes| {
                    [0, 1, 2].map(|channel| (part(bytes, channel) / steps).round() as u8)
                })?;
                return Ok((Voxels::Rgb8(voxels), Rescale::IDENTITY));
            }
        };
        macro_rules! kept {
            ($variant:ident, $type:ty) => {
                Voxels::$variant(self.pick(index, move |bytes| {
                    if big_endian {
                        <$type>::from_be_bytes(bytes)
                    } else {
                        <$type>::from_le_bytes(bytes)
                    }
                })?)
            };
        }
        let voxels = match number {
            Number::U8 => kept!(U8, u8),
            Number::I8 => kept!(I8, i8),
            Number::U16 => kept!(U16, u16),
            Number::I16 => kept!(I16, i16),
            Number::I32 => kept!(I32, i32),
            Number::F32 => kept!(F32, f32),
            // The rest does not fit a stored type; values are worked out in f64 before they are rounded.
            Number::U32 | Number::U64 | Number::I64 | Number::F64 => {
                let voxels = self.map(|bytes| value(part(bytes, index)))?;
                return Ok((Voxels::F32(voxels), Rescale::IDENTITY));
            }
        };
        Ok((voxels, rescale))
    }

    /// Number `index` of each voxel, made of `N` bytes.
    fn pick<T, const N: usize>(
        &mut self,
        index: usize,
        number: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, IoError> {
        let size = self.size;
        self.chunks(|chunk, voxels| {
            if size == N {
                let (numbers, _) = chunk.as_chunks::<N>();
                voxels.extend(numbers.iter().map(|&bytes| number(bytes)));
            } else {
                let each = chunk.chunks_exact(size);
                let bytes = each.filter_map(|voxel| voxel.get(index * N..)?.first_chunk::<N>());
                voxels.extend(bytes.map(|&bytes| number(bytes)));
            }
        })
    }

    /// Every voxel, made of all its bytes.
    fn map<T>(&mut self, voxel: impl Fn(&[u8]) -> T) -> Result<Vec<T>, IoError> {
        let size = self.size;
        self.chunks(|chunk, voxels| voxels.extend(chunk.chunks_exact(size).map(&voxel)))
    }

    fn chunks<T>(&mut self, take: impl Fn(&[u8], &mut Vec<T>)) -> Result<Vec<T>, IoError> {
        let mut voxels = reserve::<T>(self.count as u64).map_err(|r| r.at(self.path))?;
        let most = (CHUNK / self.size).max(1);
        let mut buffer = vec![0; most.min(self.count) * self.size];
        while voxels.len() < self.count {
            self.progress.check()?;
            let have = voxels.len();
            let chunk = &mut buffer[..(self.count - have).min(most) * self.size];
            if let Err(broken) = self.stream.fill(chunk) {
                return Err(self.broken(broken, have));
            }
            take(chunk, &mut voxels);
            self.progress.set(voxels.len() as f32 / self.count as f32);
        }
        Ok(voxels)
    }

    /// The stream ended or broke: how far it came.
    fn broken(&self, broken: Broken, have: usize) -> IoError {
        let error = match broken {
            Broken::Refused(error) => return error,
            Broken::Io(error) => error,
        };
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidData => Refusal::truncated(format!(
                "the file is damaged or cut short: about {have} of {} voxels can be read; copy it again",
                self.count
            ))
            .at(self.path()),
            _ => IoError::unreadable(self.path(), error),
        }
    }
}
