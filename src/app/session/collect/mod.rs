//! What readers have drawn and corrected, as data to train with: an nnU-Net data set, which `data prepare` reads too.
//!
//! | name | what |
//! |---|---|
//! | `imagesTr/CASE_0000.nii.gz` | an image with masks |
//! | `labelsTr/CASE.nii.gz` | its masks as a label map; where two overlap the smaller one stands |
//! | `dataset.json` | the names of the labels, as nnU-Net's second version has them |
//! | `sources.json` | who drew each mask, by which model and under which licence, and what was left out |
//!
//! A case is named by the digest of its image: no name, number or date of a patient goes along.

mod layout;
mod masks;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use m3d_imaging::io::{self as images, IoError, Library, LoadedImage, Progress};
use m3d_imaging::volume::ImageKey;
use serde::Serialize;

use super::content::Session;
use super::store::Store;
use super::{EXTENSION, StudyId, portable, recent, saver};
use layout::{describe, folder_in, name_of, write_labels};
use masks::{Case, add_cases};

pub use masks::licence_of;

/// What is collected, and where images are looked for.
#[derive(Clone, Debug, Default)]
pub struct CollectOptions {
    /// Files and folders with images, beside those where studies were opened.
    pub images: Vec<PathBuf>,
    /// Also masks that no reader has changed.
    pub untouched: bool,
    /// Also masks drawn by weights that must not be used commercially, or under a licence that is not known.
    pub any_licence: bool,
}

/// Why nothing was collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// A folder or file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// There are no sessions.
    #[error(
        "{}: there are no sessions in it; give the folder of your work or a .{EXTENSION} file",
        .0.display()
    )]
    NoSessions(PathBuf),
    /// Something is there already.
    #[error("{}: it is not empty; give a new folder", .0.display())]
    NotEmpty(PathBuf),
    /// Nothing of what there is may be or can be used.
    #[error("no mask to collect: {0}")]
    Nothing(String),
    /// An image or a mask cannot be written.
    #[error(transparent)]
    Image(#[from] IoError),
}

/// A mask or an image that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The case, or the session.
    pub case: String,
    /// The mask; empty for all of it.
    pub name: String,
    /// Why, and what to do.
    pub reason: String,
}

/// What was collected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// Images.
    pub cases: usize,
    /// Masks.
    pub masks: usize,
    /// The names of the labels, the first one 1.
    pub labels: Vec<String>,
    /// What was left out.
    pub left_out: Vec<LeftOut>,
}

/// Collects the masks of sessions: a folder of all work, a folder of sessions, a session's folder, or a session that was
/// taken along.
///
/// # Errors
/// When there is no session, `out` is not empty, or nothing can be collected.
pub fn collect(
    sessions: &Path,
    out: &Path,
    options: &CollectOptions,
    progress: &Progress,
) -> Result<Collected, CollectError> {
    refuse_full(out)?;
    let mut collected = Collected::default();
    let mut cases = Vec::new();
    let mut any = false;
    for (name, read) in all_sessions(sessions)? {
        any = true;
        match read {
            Ok((session, bad)) => {
                let bad = bad.into_iter().map(|reason| LeftOut {
                    case: name.clone(),
                    name: String::new(),
                    reason,
                });
                collected.left_out.extend(bad);
                add_cases(&session, options, &mut cases, &mut collected.left_out);
            }
            Err(reason) => collected.left_out.push(LeftOut {
                case: name,
                name: String::new(),
                reason,
            }),
        }
    }
    if !any {
        return Err(CollectError::NoSessions(sessions.to_owned()));
    }
    let mut files = Files::new(sessions, options);
    let mut found = Vec::new();
    for case in cases {
        let name = name_of(&case);
        match files.find(&case, progress) {
            Ok(image) => {
                let folder = folder_in(out, "imagesTr")?;
                images::write_nifti(&folder.join(format!("{name}_0000.nii.gz")), &image.volume)?;
                found.push((name, case));
            }
            Err(reason) => collected.left_out.push(LeftOut {
                case: name,
                name: String::new(),
                reason,
            }),
        }
    }
    if found.is_empty() {
        // That a whole image is missing says more than what one mask lacks.
        let left = &collected.left_out;
        let whole = left.iter().find(|left| left.name.is_empty());
        let reason = whole.or(left.first()).map(|left| left.reason.clone());
        let reason =
            reason.unwrap_or_else(|| "no mask was drawn or corrected in these sessions".into());
        return Err(CollectError::Nothing(reason));
    }
    let names = found.iter().flat_map(|(_, case)| &case.masks);
    collected.labels = names.map(|(_, source)| source.name.clone()).collect();
    collected.labels.sort();
    collected.labels.dedup();
    for (name, case) in &found {
        let folder = folder_in(out, "labelsTr")?;
        write_labels(
            &folder.join(format!("{name}.nii.gz")),
            case,
            &collected.labels,
        )?;
        collected.masks += case.masks.len();
    }
    collected.cases = found.len();
    describe(out, &collected, &found)?;
    Ok(collected)
}

fn refuse_full(out: &Path) -> Result<(), CollectError> {
    let failed = |source| CollectError::Io {
        path: out.to_owned(),
        source,
    };
    match fs::read_dir(out).map(|mut entries| entries.next().is_none()) {
        Ok(false) => return Err(CollectError::NotEmpty(out.to_owned())),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    Ok(())
}

/// A session with its name, and what of it cannot be read; or why it cannot be.
type Read = (String, Result<(Session, Vec<String>), String>);

fn all_sessions(path: &Path) -> Result<Vec<Read>, CollectError> {
    let taken_along = |file: &Path| {
        let read = portable::read(file).map_err(|error| error.to_string());
        (
            file_name(file),
            read.map(|portable| (portable.session, Vec::new())),
        )
    };
    if path.is_file() {
        return Ok(vec![taken_along(path)]);
    }
    let is_session = |folder: &Path| folder.join("session.json").is_file();
    if is_session(path) {
        return Ok(vec![(file_name(path), Store::look(path))]);
    }
    let below = saver::sessions(path);
    let folder = if below.is_dir() { &below } else { path };
    let failed = |source| CollectError::Io {
        path: folder.to_owned(),
        source,
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        entries.push(entry.map_err(failed)?.path());
    }
    entries.sort();
    let is_file = |path: &PathBuf| path.extension().is_some_and(|e| e == EXTENSION);
    let read = entries.iter().filter_map(|entry| match entry {
        folder if is_session(folder) => Some((file_name(folder), Store::look(folder))),
        file if is_file(file) => Some(taken_along(file)),
        _ => None,
    });
    Ok(read.collect())
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Where images are.
struct Files {
    /// Where studies were opened.
    opened: BTreeMap<StudyId, PathBuf>,
    others: Vec<PathBuf>,
    scanned: BTreeMap<PathBuf, Library>,
}

impl Files {
    fn new(sessions: &Path, options: &CollectOptions) -> Self {
        let list = recent::read(sessions).into_iter();
        Self {
            opened: list.map(|recent| (recent.study, recent.path)).collect(),
            others: options.images.clone(),
            scanned: BTreeMap::new(),
        }
    }

    /// Reads the image of a case; why it cannot be, in words.
    fn find(&mut self, case: &Case, progress: &Progress) -> Result<LoadedImage, String> {
        let key = &case.record.identity.key;
        let opened = self.opened.get(&StudyId::of(key)).cloned();
        for path in opened.into_iter().chain(self.others.clone()) {
            if !self.scanned.contains_key(&path) {
                match images::scan(&path, progress) {
                    Ok(library) => drop(self.scanned.insert(path.clone(), library)),
                    Err(_) => continue,
                }
            }
            let series = self.scanned[&path]
                .series()
                .filter(|series| match (key, series.key()) {
                    (ImageKey::Dicom { .. }, known) => known.as_ref() == Some(key),
                    (ImageKey::File { .. }, known) => known.is_none(),
                });
            for series in series {
                match images::load_time(series, case.time, progress) {
                    Ok(image) if image.identity == case.record.identity => return Ok(image),
                    Ok(image) if image.identity.key == *key => {
                        return Err("the image has changed since it was drawn on".into());
                    }
                    _ => {}
                }
            }
        }
        Err("its image was not found; say with --images where it is".into())
    }
}
