//! From a path to a library.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;

use rayon::prelude::*;

use super::dicom::{self, Slice};
use super::error::Refusal;
use super::files::{self, Kind};
use super::library::{self, Filed};
use super::nifti::{self, NiftiSource};
use super::{IoError, Library, Progress, Refused};

/// What one file turned out to be.
enum Found {
    Slice(Box<Slice>),
    Nifti(Box<NiftiSource>),
    /// The voxels of a `.hdr`/`.img` pair.
    PairOf(PathBuf),
}

pub(super) fn scan(path: &Path, progress: &Progress) -> Result<Library, IoError> {
    let (files, mut refused) = files::list(path, progress)?;
    if files.is_empty() && refused.is_empty() {
        return Err(IoError::Empty(path.to_owned()));
    }
    let done = AtomicUsize::new(0);
    let found: Vec<_> = files
        .par_iter()
        .map(|file| {
            progress.check()?;
            let found = inspect(file);
            progress.step(&done, files.len());
            Ok((file.as_path(), found))
        })
        .collect::<Result<_, IoError>>()?;

    let (mut slices, mut filed, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
    for (file, found) in found {
        match found {
            Ok(Found::Slice(slice)) => slices.push(*slice),
            Ok(Found::Nifti(source)) => filed.push(source.into_series(path)),
            Ok(Found::PairOf(header)) => pairs.push((file, header)),
            Err(refusal) => refused.push(Refused::new(file, refusal)),
        }
    }
    if files.len() == 1 && filed.is_empty() {
        // The voxels of a pair were opened by themselves: their header stands beside them.
        for (_, header) in &pairs {
            match inspect(header) {
                Ok(Found::Nifti(source)) => filed.push(source.into_series(path)),
                Ok(_) => {}
                Err(refusal) => refused.push(Refused::new(header, refusal)),
            }
        }
    }
    refuse_lone_halves(&pairs, &filed, &mut refused);
    dicom::stack(slices, path, &mut filed, &mut refused);
    Ok(library::file(filed, refused))
}

/// The voxels of a pair are accounted for by the series of their header; else they are refused with it.
fn refuse_lone_halves(pairs: &[(&Path, PathBuf)], filed: &[Filed], refused: &mut Vec<Refused>) {
    let taken: BTreeSet<&Path> = filed.iter().flat_map(|f| f.series.files()).collect();
    for (file, header) in pairs {
        if !taken.contains(file) {
            let message = format!(
                "the voxels of {}, which cannot be read as their header",
                files::lower_name(header)
            );
            refused.push(Refused::new(file, Refusal::new("pair", message)));
        }
    }
}

fn inspect(path: &Path) -> Result<Found, Refusal> {
    if let Some(header) = files::header_of_pair(path) {
        return Ok(Found::PairOf(header));
    }
    match files::kind(path)? {
        Kind::Dicom { meta } => dicom::inspect(path, Some(meta)).map(|s| Found::Slice(Box::new(s))),
        Kind::BareDicom => dicom::inspect(path, None).map(|s| Found::Slice(Box::new(s))),
        Kind::Nifti => nifti::inspect(path).map(|n| Found::Nifti(Box::new(n))),
        Kind::Other => Err(Refusal::new(
            "not_an_image",
            "neither a DICOM nor a NIfTI image",
        )),
    }
}
