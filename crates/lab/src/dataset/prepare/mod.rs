//! A reader's own folders brought into M3D-Data's layout, as M3D's own preparation does it.
//!
//! | what is there | is taken for | becomes |
//! |---|---|---|
//! | `CASE/*.txt` beside slices, or folders of slices, as PNG or JPEG | M3D-Cap, raw | `M3D_Cap/ct_case/CASE` |
//! | `CASE/ct.nii.gz` and `CASE/segmentations/*.nii.gz` | TotalSegmentator | `M3D_Seg/TAG/CASE` |
//! | `imagesTr` and `labelsTr` (and `imagesTs`, `labelsTs`) | nnU-Net | `M3D_Seg/TAG/CASE` |
//! | `NAME.nii.gz` and `NAME_seg.nii.gz`, or `images` and `labels` | pairs by name | `M3D_Seg/TAG/CASE` |
//!
//! A case is written beside its place and moved there when it is whole, so that a run that was broken off goes
//! on where it stopped. A case that cannot be prepared is reported and left out. The split a case belongs to
//! follows from its name alone: cases that come later move none.

mod caption;
mod error;
mod index;
mod labelled;
mod labels;
mod names;
mod same_grid;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

pub use error::PrepareSetError;
pub use source::{Source, SourceKind};

use super::{Random, Split};
use m3d_imaging::io::{NpyArray, read_npy};

/// How a folder is to be prepared.
#[derive(Clone, Debug, PartialEq)]
pub struct PrepareOptions {
    /// Depth, height, width of the images.
    pub size: [usize; 3],
    /// The folder of M3D-Seg that labelled images go to, such as `0000`.
    pub tag: String,
    /// A JSON file that names the labels, where the folder has none or another is meant.
    pub names: Option<PathBuf>,
    /// The share of cases for tests, 0 to 1; of reports as many again are for validation.
    pub test_share: f64,
}

impl Default for PrepareOptions {
    fn default() -> Self {
        Self {
            size: [32, 256, 256],
            tag: "0000".to_owned(),
            names: None,
            test_share: 0.1,
        }
    }
}

/// Something to report about a case.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct CaseNote {
    /// The case's name.
    pub case: String,
    /// What there is to say, on one line.
    pub message: String,
}

/// What became of a folder.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct PrepareReport {
    /// What the folder was taken for.
    pub kind: SourceKind,
    /// Depth, height, width.
    pub size: [usize; 3],
    /// Cases that were prepared now.
    pub prepared: usize,
    /// Cases that were whole already.
    pub kept: usize,
    /// Cases that could not be prepared.
    pub refused: Vec<CaseNote>,
    /// What was left out of cases that were prepared.
    pub notes: Vec<CaseNote>,
    /// The names of the classes, in order; none of reports.
    pub classes: Vec<String>,
    /// Entries of the list (images with reports, or masks) for training, validation and tests.
    pub entries: [usize; 3],
}

/// What is reported while cases are prepared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CaseDone<'a> {
    /// Cases done with.
    pub done: usize,
    /// All cases.
    pub total: usize,
    /// The case just done with.
    pub case: &'a str,
    /// Why it was left out, if it was.
    pub refused: Option<&'a str>,
}

/// Prepares what was recognised in a folder and writes it below `out`.
///
/// # Errors
/// When the lists cannot be written, or nothing could be prepared.
pub fn prepare_set(
    source: &Source,
    out: &Path,
    options: &PrepareOptions,
    report: &mut dyn FnMut(CaseDone),
) -> Result<PrepareReport, PrepareSetError> {
    if options.size.contains(&0) {
        return Err(PrepareSetError::Size(options.size));
    }
    let tag = &options.tag;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if tag.is_empty() || tag.len() > LONGEST_TAG || !tag.chars().all(plain) {
        return Err(PrepareSetError::Tag(tag.clone()));
    }
    match source {
        Source::Captions(cases) => caption::prepare(cases, out, options, report),
        Source::Labelled(set) => labelled::prepare(set, out, options, report),
    }
}

const LONGEST_TAG: usize = 64;

/// That what is written will not lie in what is read.
///
/// # Errors
/// When it would.
pub fn keep_apart(source: &Path, out: &Path) -> Result<(), PrepareSetError> {
    let real = |path: &Path| {
        // The folder to write need not be there yet; the nearest one above it is.
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let above = whole.ancestors().find_map(|above| {
            let found = above.canonicalize().ok()?;
            Some(found.join(whole.strip_prefix(above).ok()?))
        });
        above.unwrap_or(whole)
    };
    if real(out).starts_with(real(source)) {
        return Err(PrepareSetError::Inside(out.to_owned()));
    }
    Ok(())
}

/// The split that a case of this name belongs to.
fn split_of(name: &str, test_share: f64, validation: bool) -> Split {
    // The upper 53 bits make a number from 0 up to 1.
    let place = (Random::new(0, name).bits() >> 11) as f64 / (1_u64 << 53) as f64;
    if place < test_share {
        Split::Test
    } else if validation && place < 2.0 * test_share {
        Split::Validation
    } else {
        Split::Train
    }
}

/// Counts what is done, and what could not be.
struct Counter<'a> {
    done: usize,
    total: usize,
    report: &'a mut dyn FnMut(CaseDone),
    prepared: usize,
    kept: usize,
    refused: Vec<CaseNote>,
    notes: Vec<CaseNote>,
}

/// What became of a case.
enum Outcome {
    Prepared(Vec<String>),
    Kept,
}

impl<'a> Counter<'a> {
    fn new(total: usize, report: &'a mut dyn FnMut(CaseDone)) -> Self {
        Self {
            done: 0,
            total,
            report,
            prepared: 0,
            kept: 0,
            refused: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether the case can be listed.
    fn count(&mut self, case: &str, outcome: Result<Outcome, String>) -> bool {
        self.done += 1;
        let note = |message: String| CaseNote {
            case: case.to_owned(),
            message,
        };
        let refused = match outcome {
            Ok(Outcome::Prepared(notes)) => {
                self.prepared += 1;
                self.notes.extend(notes.into_iter().map(note));
                None
            }
            Ok(Outcome::Kept) => {
                self.kept += 1;
                None
            }
            Err(message) => {
                self.refused.push(note(message.clone()));
                Some(message)
            }
        };
        (self.report)(CaseDone {
            done: self.done,
            total: self.total,
            case,
            refused: refused.as_deref(),
        });
        refused.is_none()
    }

    fn report(
        self,
        kind: SourceKind,
        size: [usize; 3],
        classes: Vec<String>,
        entries: [usize; 3],
    ) -> Result<PrepareReport, PrepareSetError> {
        if self.prepared + self.kept == 0 {
            let first = self.refused.into_iter().next();
            return Err(PrepareSetError::Nothing {
                total: self.total,
                first: first.map_or_else(String::new, |n| format!("{}: {}", n.case, n.message)),
            });
        }
        Ok(PrepareReport {
            kind,
            size,
            prepared: self.prepared,
            kept: self.kept,
            refused: self.refused,
            notes: self.notes,
            classes,
            entries,
        })
    }
}

/// Writes a folder beside its place and moves it there when `fill` is done with it.
fn write_whole(
    place: &Path,
    fill: impl FnOnce(&Path) -> Result<Vec<String>, String>,
) -> Result<Vec<String>, String> {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let part = place.with_file_name(format!(".{name}.part"));
    let failed = |what: &Path, error: std::io::Error| {
        format!(
            "{} cannot be written ({error}); check the folder and the free space",
            what.display()
        )
    };
    // What a run left that was broken off.
    if part.exists() {
        fs::remove_dir_all(&part).map_err(|e| failed(&part, e))?;
    }
    fs::create_dir_all(&part).map_err(|e| failed(&part, e))?;
    let notes = fill(&part).inspect_err(|_| {
        // The reason is reported; what is left of the folder goes with the next run at the latest.
        let _ = fs::remove_dir_all(&part);
    })?;
    fs::rename(&part, place).map_err(|e| failed(place, e))?;
    Ok(notes)
}

/// Whether a prepared image is there; an error where there is one of another size.
fn is_whole(image: &Path, size: [usize; 3]) -> Result<bool, String> {
    if !image.is_file() {
        return Ok(false);
    }
    let [d, h, w] = size;
    match read_npy(image) {
        Ok(NpyArray { shape, .. }) if shape == [1, d, h, w] => Ok(true),
        Ok(NpyArray { shape, .. }) => Err(format!(
            "{} has the shape {shape:?} already; give another folder or the same --size",
            image.display()
        )),
        Err(error) => Err(format!(
            "{error}; remove the case's folder to prepare it again"
        )),
    }
}

/// The names of a folder's entries that are no hidden files, in order.
fn entries_of(folder: &Path) -> Result<Vec<PathBuf>, PrepareSetError> {
    let failed = |source| PrepareSetError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// A path's last part as text.
fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_from_names() {
        let parts = |share: f64, validation: bool| {
            let mut counts = [0; 3];
            for n in 0..2000 {
                counts[split_of(&format!("case_{n:04}"), share, validation) as usize] += 1;
            }
            counts
        };
        assert_eq!(parts(0.0, true), [2000, 0, 0]);
        assert_eq!(parts(1.0, true), [0, 0, 2000]);
        let [train, validation, test] = parts(0.1, true);
        assert!(train > 1500 && (150..250).contains(&validation) && (150..250).contains(&test));
        assert_eq!(parts(0.1, false)[1], 0);
        assert_eq!(split_of("a", 0.1, true), split_of("a", 0.1, true));
    }
}
