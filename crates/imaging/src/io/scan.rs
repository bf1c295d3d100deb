//! From a path to a library.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use rayon::prelude::*;

use super::archive::{self, Archive};
use super::array::Array;
use super::dicom::{self, Facts, Frame, KnownFacts};
use super::error::Refusal;
use super::files::{self, Kind};
use super::library::{self, Filed, Source};
use super::objects::{self, ObjectOnTop};
use super::pictures::{self, Picture};
use super::{IoError, Library, Progress, Refused};
use super::{dicomdir, metaimage, mgh, nifti, npy, nrrd};

/// What one file turned out to be.
enum Found {
    Frames(Vec<Frame>),
    Array(Box<Array>),
    Object(Box<ObjectOnTop>),
    Picture(Picture),
    /// The voxels of a `.hdr`/`.img` pair or the like.
    PairOf(PathBuf),
    /// The index of a medium: what it names is looked at anyway.
    Index,
}

/// What the files under a path make.
#[derive(Default)]
struct Sorted {
    filed: Vec<Filed>,
    on_top: Vec<ObjectOnTop>,
    refused: Vec<Refused>,
}

impl Sorted {
    fn refused(path: &Path, refusal: Refusal) -> Self {
        Self {
            refused: vec![Refused::new(path, refusal)],
            ..Self::default()
        }
    }

    fn into_library(self) -> Library {
        library::file(self.filed, self.on_top, self.refused)
    }
}

pub(super) fn scan(path: &Path, progress: &Progress) -> Result<Library, IoError> {
    if let Some(archive) = archive::around(path) {
        return inside(archive, path, progress);
    }
    let sorted = if path.is_file() {
        one_file(path, progress)?
    } else {
        let (files, refused) = files::list(path, progress)?;
        if files.is_empty() && refused.is_empty() {
            return Err(IoError::Empty(path.to_owned()));
        }
        sort(path, &files, refused, progress)?
    };
    Ok(sorted.into_library())
}

/// What lies at a path that leads into an archive.
fn inside(archive: &Path, path: &Path, progress: &Progress) -> Result<Library, IoError> {
    let mut sorted = unpacked(archive, progress)?;
    sorted
        .filed
        .retain(|filed| filed.series.path.starts_with(path));
    sorted.on_top.retain(|object| object.path.starts_with(path));
    sorted
        .refused
        .retain(|refused| refused.path.starts_with(path));
    if sorted.filed.is_empty() && sorted.on_top.is_empty() && sorted.refused.is_empty() {
        return Err(IoError::NotFound(path.to_owned()));
    }
    Ok(sorted.into_library())
}

/// A file that was asked for: an archive or an index is opened, of an image's voxels the header beside them.
fn one_file(path: &Path, progress: &Progress) -> Result<Sorted, IoError> {
    let files = [path.to_owned()];
    match files::kind(path) {
        Ok(Kind::Zip) => unpacked(path, progress),
        Ok(Kind::DicomDir) => indexed(path, progress),
        Ok(Kind::Picture) => {
            let array = pictures::inspect(path).and_then(|picture| pictures::single(&picture));
            Ok(match array {
                Ok(array) => Sorted {
                    filed: vec![array.into_series(path)],
                    ..Sorted::default()
                },
                Err(refusal) => Sorted::refused(path, refusal),
            })
        }
        _ => sort(path, &files, Vec::new(), progress),
    }
}

fn unpacked(path: &Path, progress: &Progress) -> Result<Sorted, IoError> {
    let (archive, mut refused) = Archive::unpack(path, progress)?;
    let archive = Arc::new(archive);
    let (files, unreadable) = files::list(archive.folder(), progress)?;
    if files.is_empty() && refused.is_empty() {
        return Err(IoError::Empty(path.to_owned()));
    }
    let found = sort(archive.folder(), &files, unreadable, progress)?;
    refused.extend(found.refused.into_iter().map(|mut refused| {
        refused.path = archive.shown(&refused.path);
        refused
    }));
    let filed = found.filed.into_iter().map(|filed| packed(filed, &archive));
    let on_top = found
        .on_top
        .into_iter()
        .map(|object| object.packed(&archive));
    Ok(Sorted {
        filed: filed.collect(),
        on_top: on_top.collect(),
        refused,
    })
}

/// A series of an archive, named by its path in it.
fn packed(mut filed: Filed, archive: &Arc<Archive>) -> Filed {
    let at_top = filed.series.path.parent() == Some(archive.folder());
    let series = &mut filed.series;
    series.path = archive.shown(&series.path);
    if let Source::Array(_) = series.source {
        // Such images are filed by their folder.
        let folder = archive.shown(Path::new(&filed.study_uid));
        filed.study_uid = folder.to_string_lossy().into_owned();
        if at_top {
            let name = archive.path().file_stem().unwrap_or_default();
            let name = name.to_string_lossy().into_owned();
            if series.description == filed.study_description {
                series.description.clone_from(&name);
            }
            filed.study_description = name;
        }
    }
    series.source = Source::Packed(Box::new(series.source.clone()), Arc::clone(archive));
    filed
}

fn indexed(path: &Path, progress: &Progress) -> Result<Sorted, IoError> {
    let (files, refused) = match dicomdir::list(path) {
        Ok(listed) => listed,
        Err(refusal) => return Ok(Sorted::refused(path, refusal)),
    };
    let root = path.parent().unwrap_or(path);
    sort(root, &files, refused, progress)
}

/// Looks at every file, in parallel, and puts together what belongs together.
fn sort(
    root: &Path,
    files: &[PathBuf],
    mut refused: Vec<Refused>,
    progress: &Progress,
) -> Result<Sorted, IoError> {
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

    let (mut frames, mut filed) = (Vec::new(), Vec::new());
    let (mut pairs, mut pictures) = (Vec::new(), Vec::new());
    let mut on_top = Vec::new();
    let mut taken: Vec<PathBuf> = Vec::new();
    for (file, found) in found {
        match found {
            Ok(Found::Frames(found)) => {
                taken.push(file.to_owned());
                frames.extend(found);
            }
            Ok(Found::Array(array)) => {
                taken.push(file.to_owned());
                filed.push(array.into_series(root));
            }
            Ok(Found::Object(object)) => on_top.push(*object),
            Ok(Found::Picture(picture)) => pictures.push(picture),
            Ok(Found::PairOf(header)) => pairs.push((file, header)),
            Ok(Found::Index) if files.len() == 1 => return indexed(file, progress),
            Ok(Found::Index) => {}
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
                Ok(Found::Array(array)) => filed.push(array.into_series(root)),
                Ok(_) => {}
                Err(Unread(refusal, _)) => refused.push(Refused::new(header, refusal)),
            }
        }
    }
    for array in pictures::stacks(pictures, &taken, &mut refused) {
        filed.push(pictures::into_series(array, root));
    }
    refuse_lone_halves(&pairs, &filed, &mut refused);
    dicom::stack(frames, root, &mut filed, &mut refused);
    Ok(Sorted {
        filed,
        on_top,
        refused,
    })
}

/// The voxels of a pair are accounted for by the series of their header; else they are refused with it. Files with
/// voxels that no name tells looked like nothing.
fn refuse_lone_halves(pairs: &[(&Path, PathBuf)], filed: &[Filed], refused: &mut Vec<Refused>) {
    let taken: BTreeSet<&Path> = filed.iter().flat_map(|f| f.series.files()).collect();
    refused.retain(|refused| !taken.contains(refused.path.as_path()));
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
    let array = |array: Array| Found::Array(Box::new(array));
    let dicom = |meta| {
        dicom::inspect(path, meta, known)
            .map(Found::Frames)
            .or_else(|(refusal, facts)| match facts {
                Some(facts) if objects::is_object(&facts) => objects::inspect(path, meta, &facts)
                    .map(|object| Found::Object(Box::new(object)))
                    .map_err(|refusal| Unread(refusal, Some(facts))),
                facts => Err(Unread(refusal, facts)),
            })
    };
    Ok(match files::kind(path)? {
        Kind::Dicom { meta } => return dicom(Some(meta)),
        Kind::BareDicom => return dicom(None),
        Kind::DicomDir => Found::Index,
        Kind::Nifti => array(nifti::inspect(path)?),
        Kind::Nrrd => array(nrrd::inspect(path)?),
        Kind::MetaImage => array(metaimage::inspect(path)?),
        Kind::Mgh => array(mgh::inspect(path)?),
        Kind::Npy => array(npy::inspect(path)?),
        Kind::Picture => Found::Picture(pictures::inspect(path)?),
        Kind::Zip => {
            let message = "a zip archive, which is only looked into when it is opened itself; open it, or unpack it";
            return Err(Refusal::new("archive", message).into());
        }
        Kind::Other(refusal) => return Err(refusal.into()),
    })
}
