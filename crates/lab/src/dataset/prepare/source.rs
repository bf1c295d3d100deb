//! What a folder holds.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::{PrepareSetError, entries_of, name_of};
use crate::dataset::Split;

/// The kinds of folders that can be prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// Slices with reports, as M3D-Cap is published.
    Captions,
    /// An image and a folder of masks per case.
    TotalSegmentator,
    /// `imagesTr` and `labelsTr`.
    NnUnet,
    /// Images and label maps of the same name.
    Pairs,
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Captions => "slices with reports (M3D-Cap)",
            Self::TotalSegmentator => "images with a folder of masks each (TotalSegmentator)",
            Self::NnUnet => "images with label maps (nnU-Net)",
            Self::Pairs => "images and label maps paired by name",
        })
    }
}

/// A report with the series it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct CaptionCase {
    pub(super) group: String,
    pub(super) name: String,
    pub(super) text: PathBuf,
    /// The name and the slices of each series.
    pub(super) series: Vec<(String, Vec<PathBuf>)>,
}

/// An image with its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledCase {
    pub(super) name: String,
    pub(super) image: PathBuf,
    pub(super) labels: Labels,
    /// The split it belongs to, where its folder says so.
    pub(super) split: Option<Split>,
}

/// Where labels are.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Labels {
    /// One number per voxel.
    Map(PathBuf),
    /// A mask per class, with the class's name.
    Masks(Vec<(String, PathBuf)>),
    /// Nowhere.
    None,
}

/// All labelled images of a folder.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledSet {
    pub(super) kind: SourceKind,
    pub(super) cases: Vec<LabelledCase>,
    /// A file beside them that names the labels.
    pub(super) names: Option<PathBuf>,
}

/// What was found in a folder.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Reports with slices.
    Captions(Vec<CaptionCase>),
    /// Images with labels.
    Labelled(LabelledSet),
}

impl Source {
    /// Recognises a folder by what is in it.
    ///
    /// # Errors
    /// When it cannot be read or is none of the kinds.
    pub fn recognise(folder: &Path) -> Result<Self, PrepareSetError> {
        let entries = entries_of(folder)?;
        let labelled = |kind, cases: Vec<LabelledCase>| {
            (!cases.is_empty()).then(|| {
                Self::Labelled(LabelledSet {
                    kind,
                    cases,
                    names: names_file(&entries),
                })
            })
        };
        let split_folders = [
            ("imagesTr", "labelsTr", SourceKind::NnUnet, None),
            (
                "imagesTs",
                "labelsTs",
                SourceKind::NnUnet,
                Some(Split::Test),
            ),
            ("images", "labels", SourceKind::Pairs, None),
        ];
        let mut cases = Vec::new();
        let mut found = SourceKind::Pairs;
        for (images, labels, kind, split) in split_folders {
            let (images, labels) = (folder.join(images), folder.join(labels));
            if images.is_dir() && labels.is_dir() {
                found = kind;
                cases.extend(side_by_side(&images, &labels, split)?);
            }
        }
        if let Some(source) = labelled(found, cases) {
            return Ok(source);
        }
        if let Some(source) = labelled(SourceKind::TotalSegmentator, masks_per_case(&entries)?) {
            return Ok(source);
        }
        let captions = captions(folder, &entries)?;
        if !captions.is_empty() {
            return Ok(Self::Captions(captions));
        }
        labelled(SourceKind::Pairs, pairs(&entries))
            .ok_or_else(|| PrepareSetError::Unknown(folder.to_owned()))
    }

    /// What it was taken for.
    pub const fn kind(&self) -> SourceKind {
        match self {
            Self::Captions(_) => SourceKind::Captions,
            Self::Labelled(set) => set.kind,
        }
    }

    /// How many cases there are.
    pub const fn len(&self) -> usize {
        match self {
            Self::Captions(cases) => cases.len(),
            Self::Labelled(set) => set.cases.len(),
        }
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A NIfTI file's name without its endings.
fn stem(path: &Path) -> Option<String> {
    let name = name_of(path);
    let lower = name.to_lowercase();
    let length = lower
        .strip_suffix(".nii.gz")
        .or_else(|| lower.strip_suffix(".nii"))?
        .len();
    Some(name.get(..length)?.to_owned())
}

/// nnU-Net's `dataset.json`, else a file whose name speaks of labels.
fn names_file(entries: &[PathBuf]) -> Option<PathBuf> {
    let named = |wanted: &dyn Fn(&str) -> bool| {
        let found = entries.iter().find(|path| {
            let name = name_of(path).to_lowercase();
            name.ends_with(".json") && wanted(&name)
        });
        found.cloned()
    };
    named(&|name| name == "dataset.json").or_else(|| named(&|name| name.contains("label")))
}

/// Images and label maps in two folders. Of an image with several channels (`_0000`, `_0001`) the first counts.
fn side_by_side(
    images: &Path,
    labels: &Path,
    split: Option<Split>,
) -> Result<Vec<LabelledCase>, PrepareSetError> {
    let maps: BTreeMap<String, PathBuf> = entries_of(labels)?
        .into_iter()
        .filter_map(|path| Some((stem(&path)?, path)))
        .collect();
    let mut cases = Vec::new();
    for image in entries_of(images)? {
        let Some(stem) = stem(&image) else { continue };
        let name = match stem.rsplit_once('_') {
            // Names may end with four digits of their own; what the labels are called decides.
            _ if maps.contains_key(&stem) => stem.as_str(),
            Some((name, "0000")) => name,
            Some((_, channel)) if channel.len() == 4 && channel.parse::<u16>().is_ok() => continue,
            _ => stem.as_str(),
        };
        cases.push(LabelledCase {
            name: name.to_owned(),
            labels: maps.get(name).cloned().map_or(Labels::None, Labels::Map),
            image,
            split,
        });
    }
    Ok(cases)
}

/// `CASE/ct.nii.gz` or `CASE/mri.nii.gz`, with `CASE/segmentations`.
fn masks_per_case(entries: &[PathBuf]) -> Result<Vec<LabelledCase>, PrepareSetError> {
    let mut cases = Vec::new();
    for folder in entries.iter().filter(|path| path.is_dir()) {
        let masks = folder.join("segmentations");
        let images = ["ct", "mri", "image"].map(|name| folder.join(format!("{name}.nii.gz")));
        let image = images.into_iter().find(|path| path.is_file());
        let (Some(image), true) = (image, masks.is_dir()) else {
            continue;
        };
        let named = |path: PathBuf| Some((stem(&path)?.replace('_', " "), path));
        cases.push(LabelledCase {
            name: name_of(folder),
            image,
            labels: Labels::Masks(entries_of(&masks)?.into_iter().filter_map(named).collect()),
            split: None,
        });
    }
    Ok(cases)
}

/// Words by which a file's name says that it holds labels.
const LABEL_WORDS: [&str; 9] = [
    "seg",
    "segm",
    "segmentation",
    "label",
    "labels",
    "labelmap",
    "mask",
    "masks",
    "gt",
];
/// Words by which it says that it holds an image.
const IMAGE_WORDS: [&str; 7] = ["ct", "mr", "mri", "pet", "img", "image", "volume"];

/// Images and label maps in one folder: `NAME[_ct].nii.gz` and `NAME_seg.nii.gz`.
fn pairs(entries: &[PathBuf]) -> Vec<LabelledCase> {
    let words = |stem: &str| -> Vec<String> {
        let parts = stem.split(['_', '-', '.']);
        parts.map(str::to_lowercase).collect()
    };
    let without = |words: &[String], list: &[&str]| -> Vec<String> {
        let kept = words.iter().filter(|word| !list.contains(&word.as_str()));
        kept.cloned().collect()
    };
    let files = entries.iter().filter(|path| path.is_file());
    let (maps, images): (Vec<_>, Vec<_>) = files
        .filter_map(|path| Some((stem(path)?, path.clone())))
        .partition(|(stem, _)| {
            words(stem)
                .iter()
                .any(|w| LABEL_WORDS.contains(&w.as_str()))
        });
    if maps.is_empty() {
        return Vec::new();
    }
    let cases = images.into_iter().map(|(name, image)| {
        let own = words(&name);
        let bare = without(&own, &IMAGE_WORDS);
        // The whole name first: `a_ct_seg` belongs to `a_ct` before it belongs to `a`.
        let map = [own, bare].into_iter().find_map(|key| {
            let mut of_key = maps
                .iter()
                .filter(|(stem, _)| without(&words(stem), &LABEL_WORDS) == key);
            of_key.next().map(|(_, path)| path.clone())
        });
        LabelledCase {
            name,
            image,
            labels: map.map_or(Labels::None, Labels::Map),
            split: None,
        }
    });
    cases.collect()
}

/// The groups that M3D-Cap's cases are published in.
const GROUPS: [&str; 2] = ["ct_case", "ct_quizze"];

/// `CASE` folders with a text, in the folder itself or in M3D-Cap's groups.
fn captions(folder: &Path, entries: &[PathBuf]) -> Result<Vec<CaptionCase>, PrepareSetError> {
    let mut cases = Vec::new();
    for group in GROUPS {
        let below = folder.join(group);
        if below.is_dir() {
            add_captions(group, &entries_of(&below)?, &mut cases)?;
        }
    }
    if cases.is_empty() {
        add_captions(GROUPS[0], entries, &mut cases)?;
    }
    Ok(cases)
}

fn add_captions(
    group: &str,
    folders: &[PathBuf],
    cases: &mut Vec<CaptionCase>,
) -> Result<(), PrepareSetError> {
    for folder in folders.iter().filter(|path| path.is_dir()) {
        let inside = entries_of(folder)?;
        let is_text = |path: &&PathBuf| name_of(path).to_lowercase().ends_with(".txt");
        let Some(text) = inside.iter().find(is_text).cloned() else {
            continue;
        };
        let mut series = Vec::new();
        let own = slices(&inside);
        if !own.is_empty() {
            series.push(("image".to_owned(), own));
        }
        for below in inside.iter().filter(|path| path.is_dir()) {
            let found = slices(&entries_of(below)?);
            if !found.is_empty() {
                series.push((name_of(below), found));
            }
        }
        cases.push(CaptionCase {
            group: group.to_owned(),
            name: name_of(folder),
            text,
            series,
        });
    }
    Ok(())
}

/// The slices among files, in the order of the numbers they are called by; files without one are left out.
fn slices(files: &[PathBuf]) -> Vec<PathBuf> {
    let mut slices: Vec<(u64, PathBuf)> = files
        .iter()
        .filter_map(|path| {
            let ending = path.extension()?.to_str()?.to_lowercase();
            let number = path.file_stem()?.to_str()?.parse().ok()?;
            let is_picture = ["png", "jpg", "jpeg"].contains(&ending.as_str());
            is_picture.then(|| (number, path.clone()))
        })
        .collect();
    slices.sort();
    slices.into_iter().map(|(_, path)| path).collect()
}
