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

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use m3d_assistant::hub;
use m3d_imaging::io::{self as images, IoError, Library, LoadedImage, Progress};
use m3d_imaging::terms::Lexicon;
use m3d_imaging::volume::{Combine, ImageKey, Mask, Modality};
use m3d_model::BuiltIn;
use serde::Serialize;
use serde_json::json;

use super::content::Session;
use super::store::Store;
use super::{EXTENSION, StudyId, portable, recent, saver};
use crate::app::workspace::{Finding, ImageRecord, Origin};

/// The licence of the built-in models.
const OUR_LICENCE: &str = "MIT OR Apache-2.0";

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

/// A mask that was collected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Source {
    name: String,
    voxels: usize,
    drawn_by: &'static str,
    corrected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    licence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
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

/// The licence of a model's weights, where this program knows it.
pub fn licence_of(model: &str) -> Option<&'static str> {
    match BuiltIn::named(model) {
        Some(_) => Some(OUR_LICENCE),
        None => hub::published(model).map(|published| published.licence),
    }
}

/// Whether a licence keeps from commercial use; one that is not known may.
fn may_forbid(licence: Option<&str>) -> bool {
    licence.is_none_or(|text| {
        let text = text.to_lowercase();
        [
            "non-commercial",
            "noncommercial",
            "non commercial",
            "-nc",
            "research use",
            "research only",
        ]
        .iter()
        .any(|words| text.contains(words))
    })
}

/// An image with the masks of it that are collected.
struct Case {
    record: ImageRecord,
    time: u32,
    masks: Vec<(Arc<Mask>, Source)>,
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

fn folder_in(out: &Path, name: &str) -> Result<PathBuf, CollectError> {
    let folder = out.join(name);
    match fs::create_dir_all(&folder) {
        Ok(()) => Ok(folder),
        Err(source) => Err(CollectError::Io {
            path: folder,
            source,
        }),
    }
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

fn name_of(case: &Case) -> String {
    let digest = case.record.identity.digest.to_string();
    let digest = digest.get(..12).unwrap_or(&digest);
    match case.time {
        0 => format!("case_{digest}"),
        time => format!("case_{digest}_t{time}"),
    }
}

/// The masks of a session that may be used, by image and time point.
fn add_cases(
    session: &Session,
    options: &CollectOptions,
    cases: &mut Vec<Case>,
    left_out: &mut Vec<LeftOut>,
) {
    for record in &session.images {
        let mut times: BTreeMap<u32, Vec<(Arc<Mask>, Source)>> = BTreeMap::new();
        let ours = session
            .findings
            .iter()
            .filter(|f| f.image == record.identity.key);
        for finding in ours {
            let Some(mask) = finding.mask().filter(|mask| mask.count() > 0) else {
                continue;
            };
            let source = source_of(finding, session);
            let reason = if *mask.grid() != record.grid {
                Some("it lies on another grid than its image")
            } else if source.drawn_by != "reader" && !source.corrected && !options.untouched {
                Some("no reader has changed it; --untouched takes it")
            } else if source.drawn_by == "model"
                && !options.any_licence
                && may_forbid(source.licence.as_deref())
            {
                Some(
                    "its model's licence forbids commercial use or is not known; --any-licence takes it",
                )
            } else {
                None
            };
            match reason {
                Some(reason) => left_out.push(LeftOut {
                    case: record
                        .identity
                        .digest
                        .to_string()
                        .chars()
                        .take(12)
                        .collect(),
                    name: source.name,
                    reason: reason.into(),
                }),
                None => times
                    .entry(finding.time)
                    .or_default()
                    .push((Arc::clone(mask), source)),
            }
        }
        cases.extend(times.into_iter().map(|(time, masks)| Case {
            record: record.clone(),
            time,
            masks,
        }));
    }
}

fn source_of(finding: &Finding, session: &Session) -> Source {
    let name = finding.name.trim();
    let known = Lexicon::built_in().get(name);
    let name = known.map_or_else(|| name.to_lowercase(), |term| term.name().to_owned());
    let mut source = Source {
        name: if name.is_empty() { "mask".into() } else { name },
        voxels: finding.mask().map_or(0, |mask| mask.count()),
        drawn_by: "reader",
        corrected: finding.corrected,
        model: None,
        model_fingerprint: None,
        licence: None,
        file: None,
    };
    match &finding.source {
        Origin::Reader => {}
        Origin::File { name, .. } => (source.drawn_by, source.file) = ("file", Some(name.clone())),
        Origin::Model(card) => {
            source.drawn_by = "model";
            let card = session.cards.iter().find(|known| known.id == *card);
            if let Some(made_from) = card.and_then(|card| card.made_from.as_ref()) {
                let model = &made_from.model_name;
                let licence = made_from
                    .model_licence
                    .as_deref()
                    .or_else(|| licence_of(model));
                source.licence = licence.map(str::to_owned);
                source.model = Some(model.clone());
                source.model_fingerprint = Some(made_from.model_fingerprint.clone());
            }
        }
    }
    source
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

/// Writes the label map of a case.
fn write_labels(path: &Path, case: &Case, labels: &[String]) -> Result<(), CollectError> {
    let grid = case.record.grid;
    // Masks of one name are one label; where two labels overlap the smaller one stands.
    let mut masks: Vec<Mask> = labels.iter().map(|_| Mask::empty(grid)).collect();
    for (mask, source) in &case.masks {
        if let Ok(label) = labels.binary_search(&source.name)
            && let Some(both) = masks[label].combined(mask, Combine::Union)
        {
            masks[label] = both;
        }
    }
    let mut order: Vec<usize> = (0..masks.len()).collect();
    order.sort_by_key(|&label| masks[label].count());
    let mut taken = Mask::empty(grid);
    for label in order {
        let free = masks[label].combined(&taken, Combine::Difference);
        masks[label] = free.unwrap_or_else(|| Mask::empty(grid));
        taken = taken
            .combined(&masks[label], Combine::Union)
            .unwrap_or(taken);
    }
    let masks: Vec<&Mask> = masks.iter().collect();
    images::write_labels(path, &grid, &masks)?;
    Ok(())
}

fn describe(
    out: &Path,
    collected: &Collected,
    found: &[(String, Case)],
) -> Result<(), CollectError> {
    let all_ct = found
        .iter()
        .all(|(_, case)| case.record.modality == Modality::Ct);
    let cases: Vec<serde_json::Value> = found
        .iter()
        .map(|(name, case)| {
            let masks: Vec<&Source> = case.masks.iter().map(|(_, source)| source).collect();
            json!({
                "case": name,
                "modality": case.record.modality_code,
                "image_digest": case.record.identity.digest.to_string(),
                "masks": masks,
            })
        })
        .collect();
    let mut labels = serde_json::Map::new();
    labels.insert("background".into(), json!(0));
    for (n, name) in (1..).zip(&collected.labels) {
        labels.insert(name.clone(), json!(n));
    }
    // nnU-Net normalises by what it is told an image is.
    let channel = if all_ct { "CT" } else { "image" };
    let data_set = json!({
        "channel_names": {"0": channel},
        "labels": labels,
        "numTraining": collected.cases,
        "file_ending": ".nii.gz",
    });
    let sources = json!({
        "program": concat!("m3d-viewer ", env!("CARGO_PKG_VERSION")),
        "cases": cases,
        "left_out": collected.left_out,
    });
    for (name, document) in [("dataset.json", data_set), ("sources.json", sources)] {
        let path = out.join(name);
        fs::write(&path, format!("{document:#}\n"))
            .map_err(|source| CollectError::Io { path, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_that_forbid_commercial_use_are_known() {
        for free in ["MIT", "Apache-2.0", "CC-BY-4.0", OUR_LICENCE] {
            assert!(!may_forbid(Some(free)), "{free}");
        }
        for bound in [
            "CC-BY-NC-4.0",
            "non-commercial use only",
            "For research use only",
        ] {
            assert!(may_forbid(Some(bound)), "{bound}");
        }
        assert!(may_forbid(None));
        assert_eq!(licence_of("small"), Some(OUR_LICENCE));
        assert!(
            hub::PUBLISHED
                .iter()
                .all(|model| licence_of(model.short) == Some(model.licence))
        );
        assert_eq!(licence_of("somebody's own"), None);
    }
}
