//! Decoding a stack of slices into one volume.

use std::sync::atomic::AtomicUsize;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::DicomSource;
use super::pixels::decode;
use super::slice::Slice;
use crate::geometry::VoxelGrid;
use crate::io::error::{MAX_VOLUME_BYTES, Refusal, reserve};
use crate::io::{IoError, LoadedImage, Progress, Series};
use crate::volume::{Digest, ImageIdentity, Rescale, Volume, Voxels};

/// Refuses a grid whose voxels cannot be held, whatever their type.
pub(super) fn refuse_large(grid: VoxelGrid) -> Result<(), Refusal> {
    let voxels = grid.len() as u64;
    if voxels <= MAX_VOLUME_BYTES / 4 {
        return Ok(());
    }
    let message = format!("{voxels} voxels are more than can be held; open a part of the series");
    Err(Refusal::new("too_large", message))
}

/// Decodes the slices in parallel, each into its own part of one allocation.
pub(in crate::io) fn load(
    source: &DicomSource,
    series: &Series,
    progress: &Progress,
) -> Result<LoadedImage, IoError> {
    let (volume, digest) = decoded(&source.slices, series.grid, series, progress)?;
    let key = source.name.key(digest);
    Ok(LoadedImage {
        volume,
        identity: ImageIdentity { key, digest },
    })
}

/// Decodes one slice, as a volume of its own.
pub(in crate::io) fn load_slice(
    source: &DicomSource,
    series: &Series,
    k: u32,
    progress: &Progress,
) -> Result<Volume, IoError> {
    let last = source.slices.len().saturating_sub(1);
    let k = (k as usize).min(last);
    let slices = source.slices.get(k..=k).unwrap_or_default();
    let grid = series.grid.slice(k as u32);
    decoded(slices, grid, series, progress).map(|(volume, _)| volume)
}

fn decoded(
    slices: &[Slice],
    grid: VoxelGrid,
    series: &Series,
    progress: &Progress,
) -> Result<(Volume, Digest), IoError> {
    let job = Job {
        slices,
        grid,
        progress,
    };
    let (voxels, rescale, digest) = job.voxels().map_err(|failure| match failure {
        Failure::Io(error) => error,
        Failure::Refused(refusal) => refusal.at(&series.path),
    })?;
    let volume = Volume::new(grid, voxels, rescale, series.modality, series.units)
        .map_err(|error| Refusal::new("bad_rescale", error.to_string()).at(&series.path))?;
    Ok((volume, digest))
}

struct Job<'a> {
    slices: &'a [Slice],
    grid: VoxelGrid,
    progress: &'a Progress<'a>,
}

/// Something about the whole series, or about one of its files.
enum Failure {
    Io(IoError),
    Refused(Refusal),
}

impl Job<'_> {
    /// The voxels, what gives them meaning, and the image's digest.
    fn voxels(&self) -> Result<(Voxels, Rescale, Digest), Failure> {
        let Some(first) = self.slices.first() else {
            return Err(Failure::Refused(Refusal::new("single_slice", "no slices")));
        };
        let rescale = first.rescale.unwrap_or(Rescale::IDENTITY);
        let storage = |slice: &Slice| (slice.format.allocated, slice.format.signed);
        let uniform = self.slices.iter().all(|slice| {
            slice.rescale.unwrap_or(Rescale::IDENTITY) == rescale
                && storage(slice) == storage(first)
        });
        let mut digest = Digest::of(&[]);
        let voxels = match storage(first) {
            (8, false) if uniform => Voxels::U8(self.fill(|_, v| v as u8, &mut digest)?),
            (8, true) if uniform => Voxels::I8(self.fill(|_, v| v as i8, &mut digest)?),
            (16, false) if uniform => Voxels::U16(self.fill(|_, v| v as u16, &mut digest)?),
            (16, true) if uniform => Voxels::I16(self.fill(|_, v| v as i16, &mut digest)?),
            (32, true) if uniform => Voxels::I32(self.fill(|_, v| v as i32, &mut digest)?),
            // PET scales each slice by itself; the values are worked out in f64 and kept as f32.
            _ => {
                let value = |rescale: Rescale, v: i64| {
                    (v as f64 * rescale.slope + rescale.intercept) as f32
                };
                let voxels = Voxels::F32(self.fill(value, &mut digest)?);
                return Ok((voxels, Rescale::IDENTITY, digest));
            }
        };
        Ok((voxels, rescale, digest))
    }

    fn fill<T: Copy + Default + Send>(
        &self,
        convert: impl Fn(Rescale, i64) -> T + Sync,
        digest: &mut Digest,
    ) -> Result<Vec<T>, Failure> {
        let dims = self.grid.dims();
        let per_slice = dims.x as usize * dims.y as usize;
        let mut voxels = reserve::<T>(self.grid.len() as u64).map_err(Failure::Refused)?;
        voxels.resize(self.grid.len(), T::default());
        let done = AtomicUsize::new(0);
        let mut parts = voxels
            .par_chunks_mut(per_slice)
            .zip(self.slices)
            .map(|(out, slice)| {
                self.progress.check()?;
                let rescale = slice.rescale.unwrap_or(Rescale::IDENTITY);
                let part = decode(slice, out, |v| convert(rescale, v));
                let part = part.map_err(|r| r.at(&slice.path))?;
                self.progress.step(&done, self.slices.len());
                Ok((slice.sop_uid.as_str(), part))
            })
            .collect::<Result<Vec<_>, IoError>>()
            .map_err(Failure::Io)?;
        parts.sort_unstable();
        let mut hash = Sha256::new();
        for (_, part) in parts {
            hash.update(part.bytes());
        }
        *digest = Digest::finish(hash);
        Ok(voxels)
    }
}
