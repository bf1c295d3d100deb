//! Copies of studies from which nobody can be known: the Basic Application Level Confidentiality Profile
//! of DICOM (PS3.15 annex E), and NIfTI headers without their texts.
//!
//! First all headers are read, so that the names of one file are looked for in the texts of the others of
//! its study; then each file is copied with its header rewritten. Pixels and voxels are not decoded.

mod key;
mod nifti;
mod profile;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;

use rayon::prelude::*;

pub use key::AnonymizeKey;
pub(super) use profile::{Action, action};

use super::dicom::anonymize::{self as dicom, Facts, Identities};
use super::error::Refusal;
use super::files::{self, Kind};
use super::{IoError, Progress, Refused, Warning};
use target::Draft;

/// How copies are made.
#[derive(Clone, Debug)]
pub struct AnonymizeOptions {
    /// What UIDs and pseudonyms are made from.
    pub key: AnonymizeKey,
    /// Take pictures into whose pixels a name may be burned, too.
    pub keep_burned_in: bool,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Anonymized {
    /// Images written: files of DICOM, and NIfTI images in one file or two.
    pub images: usize,
    /// DICOM series written.
    pub series: usize,
    /// Files that were not copied, with the reason.
    pub refused: Vec<Refused>,
    /// What to know before the copies are given away.
    pub warnings: Vec<Warning>,
}

/// A file to be copied.
enum Plan {
    Dicom(Box<Facts>),
    Nifti {
        is_head: bool,
    },
    Pair {
        voxels: PathBuf,
        is_head: bool,
    },
    /// The voxels of a pair, which go with their header.
    PartOfPair,
}

/// Copies the images of a file or folder into the new or empty folder `out` without what identifies the
/// patient. DICOM keeps its transfer syntax and its pixels bit for bit; names of files are replaced. Files
/// that cannot be read, are no images, or may show a name in their pixels are refused and named.
///
/// # Errors
/// When the path cannot be read, `out` cannot be written, is not empty or lies within the path, or when
/// cancelled.
pub fn anonymize(
    path: &Path,
    out: &Path,
    options: &AnonymizeOptions,
    progress: &Progress,
) -> Result<Anonymized, IoError> {
    let (mut files, refused) = files::list(path, progress)?;
    if let [only] = files.as_slice()
        && let Some(header) = files::header_of_pair(only)
    {
        // The voxels of a pair were named by themselves: their header stands beside them.
        files = vec![header];
    }
    if files.is_empty() && refused.is_empty() {
        return Err(IoError::Empty(path.to_owned()));
    }
    target::prepare(path, out)?;
    let done = AtomicUsize::new(0);
    let plans: Vec<(PathBuf, Result<Plan, Refusal>)> = files
        .par_iter()
        .map(|file| {
            progress.check()?;
            let plan = plan(file, options);
            progress.step(&done, 2 * files.len());
            Ok((file.clone(), plan))
        })
        .collect::<Result<_, IoError>>()?;
    let run = Run::new(out, options, &plans)?;
    let written: Vec<Result<bool, Refused>> = plans
        .into_par_iter()
        .enumerate()
        .map(|(number, (file, plan))| {
            progress.check()?;
            let written = plan.and_then(|plan| run.write(&file, number + 1, &plan));
            progress.step(&done, 2 * files.len());
            Ok(written.map_err(|refusal| Refused::new(&file, refusal)))
        })
        .collect::<Result<_, IoError>>()?;
    Ok(run.report(refused, written))
}

fn plan(file: &Path, options: &AnonymizeOptions) -> Result<Plan, Refusal> {
    if let Some(header) = files::header_of_pair(file) {
        return match plan(&header, options) {
            Ok(Plan::Pair { voxels, .. }) if voxels == file => Ok(Plan::PartOfPair),
            _ => {
                let message = "voxels whose header cannot be read; they are not copied";
                Err(Refusal::new("pair", message))
            }
        };
    }
    let meta = match files::kind(file)? {
        Kind::Dicom { meta } => Some(meta),
        Kind::BareDicom => None,
        Kind::Nifti => {
            let text = nifti::description(file)? + &files::lower_name(file);
            let is_head = dicom::names_head(&text);
            return Ok(match files::voxels_of_pair(file) {
                Some(voxels) => Plan::Pair { voxels, is_head },
                None => Plan::Nifti { is_head },
            });
        }
        // An index names every patient; of other forms it is not known where identities hide.
        _ => {
            let message = "neither a DICOM object nor NIfTI; it is not copied";
            return Err(Refusal::new("not_an_image", message));
        }
    };
    let facts = Facts::read(file, meta)?;
    if !options.keep_burned_in {
        facts.refuse_burned_in()?;
    }
    Ok(Plan::Dicom(Box::new(facts)))
}

/// What all files of a run share.
struct Run<'a> {
    out: &'a Path,
    options: &'a AnonymizeOptions,
    /// The words that identify somebody, per study.
    identities: BTreeMap<String, Identities>,
    /// The numbers of the series, by their UIDs.
    series: BTreeMap<String, usize>,
    heads: BTreeSet<String>,
}

impl<'a> Run<'a> {
    fn new(
        out: &'a Path,
        options: &'a AnonymizeOptions,
        plans: &[(PathBuf, Result<Plan, Refusal>)],
    ) -> Result<Self, IoError> {
        let mut run = Self {
            out,
            options,
            identities: BTreeMap::new(),
            series: BTreeMap::new(),
            heads: BTreeSet::new(),
        };
        for (number, (_, plan)) in plans.iter().enumerate() {
            match plan {
                Ok(Plan::Dicom(facts)) => {
                    let words = run.identities.entry(facts.study().to_owned()).or_default();
                    words.join(&facts.identities);
                    let next = run.series.len() + 1;
                    let number = *run.series.entry(facts.series().to_owned()).or_insert(next);
                    if facts.shows_face() {
                        run.heads.insert(series_name(number));
                    }
                }
                Ok(Plan::Nifti { is_head: true } | Plan::Pair { is_head: true, .. }) => {
                    run.heads.insert(image_name(number + 1));
                }
                _ => {}
            }
        }
        for number in run.series.values() {
            let folder = out.join(series_name(*number));
            std::fs::create_dir(&folder).map_err(|error| IoError::write(&folder, error))?;
        }
        Ok(run)
    }

    /// Writes a copy; whether there was one to write.
    fn write(&self, file: &Path, number: usize, plan: &Plan) -> Result<bool, Refusal> {
        let name = image_name(number);
        match plan {
            Plan::PartOfPair => return Ok(false),
            Plan::Dicom(facts) => {
                let series = self.series.get(facts.series()).copied().unwrap_or_default();
                let folder = self.out.join(series_name(series));
                let mut draft = Draft::create(folder.join(format!("{name}.dcm")))?;
                let words = self
                    .identities
                    .get(facts.study())
                    .unwrap_or(&facts.identities);
                dicom::rewrite(file, facts, words, &self.options.key, draft.out())?;
                draft.keep()?;
            }
            Plan::Nifti { .. } => {
                let packed = nifti::is_packed(file);
                let ending = if packed { "nii.gz" } else { "nii" };
                let mut draft = Draft::create(self.out.join(format!("{name}.{ending}")))?;
                nifti::rewrite(file, draft.out(), packed)?;
                draft.keep()?;
            }
            Plan::Pair { voxels, .. } => {
                let packed = nifti::is_packed(file);
                let gz = if packed { ".gz" } else { "" };
                let mut header = Draft::create(self.out.join(format!("{name}.hdr{gz}")))?;
                let mut image = Draft::create(self.out.join(format!("{name}.img{gz}")))?;
                nifti::rewrite_pair(file, voxels, [header.out(), image.out()], packed)?;
                header.keep()?;
                image.keep()?;
            }
        }
        Ok(true)
    }

    fn report(self, mut refused: Vec<Refused>, written: Vec<Result<bool, Refused>>) -> Anonymized {
        let mut images = 0;
        for outcome in written {
            match outcome {
                Ok(is_image) => images += usize::from(is_image),
                Err(reason) => refused.push(reason),
            }
        }
        let mut series = 0;
        for number in self.series.values() {
            // A folder without a file goes again.
            let is_empty = std::fs::remove_dir(self.out.join(series_name(*number))).is_ok();
            series += usize::from(!is_empty);
        }
        let mut warnings = Vec::new();
        if !self.heads.is_empty() {
            let names: Vec<String> = self.heads.into_iter().collect();
            let message = format!(
                "a face can be drawn from images of the head, and known: {}; remove the face before they are \
                 given away",
                names.join(", ")
            );
            warnings.push(Warning::new("face", message));
        }
        Anonymized {
            images,
            series,
            refused,
            warnings,
        }
    }
}

fn series_name(number: usize) -> String {
    format!("series_{number:04}")
}

fn image_name(number: usize) -> String {
    format!("image_{number:06}")
}
