//! Decoding a stack of frames into one volume.

use std::sync::atomic::AtomicUsize;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::DicomSource;
use super::frame::{Frame, ImageFile};
use super::header::PixelElement;
use super::pixels::{Samples, digest};
use super::resample::{Resampled, resample};
use super::source::PixelSource;
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

/// Decodes the frames of one time point in parallel, each into its own part of one allocation.
pub(in crate::io) fn load(
    source: &DicomSource,
    series: &Series,
    time: u32,
    progress: &Progress,
) -> Result<LoadedImage, IoError> {
    let frames = source
        .times
        .get(time as usize)
        .map_or(&[][..], Vec::as_slice);
    let (volume, digest) = match &source.acquired_mm {
        None => decoded(frames, series.grid, series, progress)?,
        Some(acquired_mm) => {
            let (voxels, rescale, digest) = Job::new(frames, progress).voxels(series)?;
            let spacing = series.grid.spacing_mm().z;
            let stack = Resampled {
                acquired_mm,
                spacing_mm: spacing,
                slices: series.grid.dims().z,
            };
            let voxels = resample(&voxels, &stack).map_err(|r| r.at(&series.path))?;
            (volume(series.grid, voxels, rescale, series)?, digest)
        }
    };
    let key = source.name.key(digest);
    Ok(LoadedImage {
        volume,
        identity: ImageIdentity { key, digest },
    })
}

/// Decodes one slice of the first time point, as a volume of its own.
pub(in crate::io) fn load_slice(
    source: &DicomSource,
    series: &Series,
    k: u32,
    progress: &Progress,
) -> Result<Volume, IoError> {
    let frames = source.times.first().map_or(&[][..], Vec::as_slice);
    let k = k.min(series.grid.dims().z.saturating_sub(1));
    let grid = series.grid.slice(k);
    let Some(acquired_mm) = &source.acquired_mm else {
        let frames = frames.get(k as usize..=k as usize).unwrap_or_default();
        return decoded(frames, grid, series, progress).map(|(volume, _)| volume);
    };
    let at_mm = f64::from(k) * series.grid.spacing_mm().z;
    let after = acquired_mm
        .partition_point(|&mm| mm < at_mm)
        .min(frames.len().saturating_sub(1));
    let before = after.saturating_sub(1);
    let pair = frames.get(before..=after).unwrap_or_default();
    let (voxels, rescale, _) = Job::new(pair, progress).voxels(series)?;
    let pair_mm: Vec<f64> = acquired_mm
        .get(before..=after)
        .unwrap_or_default()
        .iter()
        .map(|mm| mm - at_mm)
        .collect();
    let stack = Resampled {
        acquired_mm: &pair_mm,
        spacing_mm: series.grid.spacing_mm().z,
        slices: 1,
    };
    let voxels = resample(&voxels, &stack).map_err(|r| r.at(&series.path))?;
    volume(grid, voxels, rescale, series)
}

fn decoded(
    frames: &[Frame],
    grid: VoxelGrid,
    series: &Series,
    progress: &Progress,
) -> Result<(Volume, Digest), IoError> {
    let (voxels, rescale, digest) = Job::new(frames, progress).voxels(series)?;
    Ok((volume(grid, voxels, rescale, series)?, digest))
}

fn volume(
    grid: VoxelGrid,
    voxels: Voxels,
    rescale: Rescale,
    series: &Series,
) -> Result<Volume, IoError> {
    Volume::new(grid, voxels, rescale, series.modality, series.units)
        .map_err(|error| Refusal::new("bad_rescale", error.to_string()).at(&series.path))
}

struct Job<'a> {
    frames: &'a [Frame],
    progress: &'a Progress<'a>,
}

/// Frames of one picture of one file, with where their voxels go: the slices of a mosaic are decoded once.
type Shared<'a, T> = Vec<(&'a Frame, &'a mut [T])>;

/// What is read of one file: its pictures by their number.
struct FileParts<'a, T> {
    file: &'a ImageFile,
    pictures: Vec<(u32, Shared<'a, T>)>,
}

impl<'a> Job<'a> {
    const fn new(frames: &'a [Frame], progress: &'a Progress<'a>) -> Self {
        Self { frames, progress }
    }

    /// The voxels, what gives them meaning, and the image's digest.
    fn voxels(&self, series: &Series) -> Result<(Voxels, Rescale, Digest), IoError> {
        let Some(first) = self.frames.first() else {
            return Err(Refusal::new("single_slice", "no slices").at(&series.path));
        };
        let rescale = first.rescale.unwrap_or(Rescale::IDENTITY);
        let storage = |frame: &Frame| {
            let format = &frame.file.format;
            (format.element, format.allocated, format.signed)
        };
        let uniform = self.frames.iter().all(|frame| {
            frame.rescale.unwrap_or(Rescale::IDENTITY) == rescale
                && storage(frame) == storage(first)
                && frame.table.is_none()
        });
        if first.file.format.is_colour() {
            let (voxels, digest) = self.fill(|samples, frame, out| {
                samples.colour(frame, out);
            })?;
            return Ok((Voxels::Rgb8(voxels), Rescale::IDENTITY, digest));
        }
        macro_rules! as_stored {
            ($type:ty, $kind:ident) => {{
                let (voxels, digest) = self.fill(|samples, frame, out| {
                    samples.grey(frame, out, |v| v as $type);
                })?;
                Ok((Voxels::$kind(voxels), rescale, digest))
            }};
        }
        match storage(first) {
            (PixelElement::Integer, 8, false) if uniform => as_stored!(u8, U8),
            (PixelElement::Integer, 8, true) if uniform => as_stored!(i8, I8),
            (PixelElement::Integer, 16, false) if uniform => as_stored!(u16, U16),
            (PixelElement::Integer, 16, true) if uniform => as_stored!(i16, I16),
            (PixelElement::Integer, 32, true) if uniform => as_stored!(i32, I32),
            // PET scales each slice by itself; the values are worked out in f64 and kept as f32.
            _ => {
                let (voxels, digest) = self.fill(meant)?;
                Ok((Voxels::F32(voxels), Rescale::IDENTITY, digest))
            }
        }
    }

    fn fill<T: Copy + Default + Send>(
        &self,
        write: impl Fn(&Samples, &Frame, &mut [T]) + Sync,
    ) -> Result<(Vec<T>, Digest), IoError> {
        let Some(first) = self.frames.first() else {
            return Ok((Vec::new(), Digest::of(&[])));
        };
        let per_slice = first.columns as usize * first.rows as usize;
        let count = per_slice * self.frames.len();
        let mut voxels = reserve::<T>(count as u64).map_err(|r| r.at(first.path()))?;
        voxels.resize(count, T::default());
        let done = AtomicUsize::new(0);
        let mut digests: Vec<(&str, Digest)> = self
            .by_file(&mut voxels, per_slice)
            .into_par_iter()
            .map(|FileParts { file, pictures }| {
                let at = |refusal: Refusal| refusal.at(&file.path);
                self.progress.check()?;
                let source = PixelSource::open(file).map_err(at)?;
                pictures
                    .into_par_iter()
                    .map(|(number, parts)| {
                        self.progress.check()?;
                        let (samples, raw) = Samples::read(&source, file, number).map_err(at)?;
                        let mut digests = Vec::with_capacity(parts.len());
                        for (frame, out) in parts {
                            write(&samples, frame, out);
                            digests.push((file.sop_uid.as_str(), digest(frame, &raw)));
                            self.progress.step(&done, self.frames.len());
                        }
                        Ok(digests)
                    })
                    .collect::<Result<Vec<_>, IoError>>()
            })
            .collect::<Result<Vec<_>, IoError>>()?
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        digests.sort_unstable();
        let mut hash = Sha256::new();
        for (_, part) in digests {
            hash.update(part.bytes());
        }
        Ok((voxels, Digest::finish(hash)))
    }

    /// The frames file by file and picture by picture, with the part of the volume that each fills.
    fn by_file<'v, T>(&'v self, voxels: &'v mut [T], per_slice: usize) -> Vec<FileParts<'v, T>> {
        let mut files: Vec<FileParts<T>> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for (frame, out) in self.frames.iter().zip(voxels.chunks_exact_mut(per_slice)) {
            let at = *places.entry(frame.path()).or_insert_with(|| {
                files.push(FileParts {
                    file: &frame.file,
                    pictures: Vec::new(),
                });
                files.len() - 1
            });
            let Some(FileParts { pictures, .. }) = files.get_mut(at) else {
                continue;
            };
            match pictures
                .iter_mut()
                .find(|(number, _)| *number == frame.number)
            {
                Some((_, parts)) => parts.push((frame, out)),
                None => pictures.push((frame.number, vec![(frame, out)])),
            }
        }
        files
    }
}

/// Writes what a frame's stored values mean.
fn meant(samples: &Samples, frame: &Frame, out: &mut [f32]) {
    let Rescale { slope, intercept } = frame.rescale.unwrap_or(Rescale::IDENTITY);
    let value = |stored: f64| (stored * slope + intercept) as f32;
    if frame.file.format.element != PixelElement::Integer {
        samples.float(frame, out, value);
    } else if let Some(table) = &frame.table {
        samples.grey(frame, out, |stored| f32::from(table.get(stored)));
    } else {
        samples.grey(frame, out, |stored| value(stored as f64));
    }
}
