//! From a path to a library.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use rayon::prelude::*;

use super::dicom::{self, Facts, Frame, KnownFacts};
use super::error::Refusal;
use super::files::{self, Kind};
use super::library::{self, Filed};
use super::nifti::{self, NiftiSource};
use super::{IoError, Library, Progress, Refused};

/// What one file turned out to be.
enum Found {
    Frames(Vec<Frame>),
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
    let known = KnownFacts::default();
    let found: Vec<_> = files
        .par_iter()
        .map(|file| {
            progress.check()?;
            let found = inspect(file, &known);
            progress.step(&done, files.len());
            Ok((file.as_path(), found))
        })
        .collect::<Result<_, IoError>>()?;

    let (mut frames, mut filed, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
    for (file, found) in found {
        match found {
            Ok(Found::Frames(found)) => frames.extend(found),
            Ok(Found::Nifti(source)) => filed.push(source.into_series(path)),
            Ok(Found::PairOf(header)) => pairs.push((file, header)),
            Err(Unread(refusal, facts)) => refused.push(match facts {
                Some(facts) => Refused::of_series(file, &facts, refusal),
                None => Refused::new(file, refusal),
            }),
        }
    }
    if files.len() == 1 && filed.is_empty() {
        // The voxels of a pair were opened by themselves: their header stands beside them.
        for (_, header) in &pairs {
            match inspect(header, &known) {
                Ok(Found::Nifti(source)) => filed.push(source.into_series(path)),
                Ok(_) => {}
                Err(Unread(refusal, _)) => refused.push(Refused::new(header, refusal)),
            }
        }
    }
    refuse_lone_halves(&pairs, &filed, &mut refused);
    dicom::stack(frames, path, &mut filed, &mut refused);
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

/// Why a file was not taken, and what it says of its series.
struct Unread(Refusal, Option<Arc<Facts>>);

impl From<Refusal> for Unread {
    fn from(refusal: Refusal) -> Self {
        Self(refusal, None)
    }
}

fn inspect(path: &Path, known: &KnownFacts) -> Result<Found, Unread> {
    if let Some(header) = files::header_of_pair(path) {
        return Ok(Found::PairOf(header));
    }
    let dicom = |meta| {
        dicom::inspect(path, meta, known)
            .map(Found::Frames)
            .map_err(|(refusal, facts)| Unread(refusal, facts))
    };
    match files::kind(path)? {
        Kind::Dicom { meta } => dicom(Some(meta)),
        Kind::BareDicom => dicom(None),
        Kind::Nifti => Ok(Found::Nifti(Box::new(nifti::inspect(path)?))),
        Kind::Other => Err(Refusal::new(
            "not_an_image",
            "neither a DICOM nor a NIfTI image",
        )
        .into()),
    }
}
