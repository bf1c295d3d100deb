//! Structures in files, before and after their voxels are read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};

use super::codes::{FoundCode, side_of, term_of};
use super::{rtstruct, seg};
use crate::geometry::VoxelGrid;
use crate::io::archive::Archive;
use crate::io::dicom::{DataSet, Facts, Notes, Object};
use crate::io::error::Refusal;
use crate::io::files::{self, Kind};
use crate::io::library::Source;
use crate::io::{IoError, Progress, Series, Warning};
use crate::terms::Term;
use crate::volume::Mask;

/// LABELMAP segmentations, younger than the dictionary.
const LABEL_MAP_SEGMENTATION_STORAGE: &str = "1.2.840.10008.5.1.4.1.1.66.7";

/// In which form structures are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// A DICOM segmentation.
    Segmentation,
    /// A DICOM radiotherapy structure set.
    StructureSet,
}

impl ObjectKind {
    /// DICOM's code (0008,0060).
    pub const fn code(self) -> &'static str {
        match self {
            Self::Segmentation => "SEG",
            Self::StructureSet => "RTSTRUCT",
        }
    }
}

/// A file with structures that lie on an image.
#[derive(Clone, Debug)]
pub struct ObjectOnTop {
    /// The file.
    pub path: PathBuf,
    /// Its form.
    pub kind: ObjectKind,
    /// SOP Instance UID (0008,0018).
    pub uid: String,
    /// Series Description (0008,103E).
    pub description: String,
    /// Patient ID (0010,0020).
    pub patient_id: String,
    /// Study Instance UID (0020,000D).
    pub study_uid: String,
    /// The series that it says it was drawn on.
    pub series_uids: Vec<String>,
    /// Frame of Reference UID (0020,0052): images that share it share its coordinates.
    pub frame_of_reference: Option<String>,
    /// What it holds.
    pub structures: Vec<Structure>,
    /// What a reader should know before it is loaded.
    pub warnings: Vec<Warning>,
    /// Where an archive was unpacked that it lies in.
    pub(in crate::io) unpacked: Option<Unpacked>,
}

/// A file of an archive, which stays unpacked as long as this lives.
#[derive(Clone, Debug)]
pub(in crate::io) struct Unpacked {
    file: PathBuf,
    _archive: Arc<Archive>,
}

impl ObjectOnTop {
    /// The file to read: of an archive the one unpacked.
    pub(in crate::io) fn file(&self) -> &Path {
        let unpacked = self.unpacked.as_ref();
        unpacked.map_or(&self.path, |unpacked| &unpacked.file)
    }

    /// An object of an archive, named by its path in it.
    pub(in crate::io) fn packed(mut self, archive: &Arc<Archive>) -> Self {
        let shown = archive.shown(&self.path);
        self.unpacked = Some(Unpacked {
            file: std::mem::replace(&mut self.path, shown),
            _archive: Arc::clone(archive),
        });
        self
    }
}

/// A structure in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// Its number in the file.
    pub number: u32,
    /// Its name there.
    pub name: String,
    /// What it is, where the lexicon knows its name or code.
    pub term: Option<&'static Term>,
    /// The colour recommended for it, red, green and blue.
    pub colour: Option<[u8; 3]>,
    /// DICOM's word for who drew it: `AUTOMATIC`, `SEMIAUTOMATIC` or `MANUAL`; empty where nothing says so.
    pub drawn_by: String,
}

/// A structure with its voxels on an image's grid.
#[derive(Clone, Debug)]
pub struct LoadedStructure {
    /// What the file says of it.
    pub structure: Structure,
    /// Its voxels.
    pub mask: Mask,
}

/// An object on an image's grid.
#[derive(Clone, Debug)]
pub struct LoadedObject {
    /// The structures, in the file's order; one without a voxel on this grid has an empty mask.
    pub structures: Vec<LoadedStructure>,
    /// What a reader should know: that it was resampled, cut off, or made of probabilities.
    pub warnings: Vec<Warning>,
}

/// How an object belongs to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Belongs {
    /// Not at all, as far as its file tells.
    No,
    /// It lies in the same coordinates, but was drawn on another series.
    SameSpace,
    /// It was drawn on this series.
    DrawnOn,
}

impl ObjectOnTop {
    /// How it belongs to an image.
    pub fn belongs_to(&self, series: &Series) -> Belongs {
        let Source::Dicom(source) = &series.source else {
            return Belongs::No;
        };
        if self.series_uids.contains(&source.name.series_uid) {
            return Belongs::DrawnOn;
        }
        match (&self.frame_of_reference, &series.frame_of_reference) {
            (Some(own), Some(other)) if own == other => Belongs::SameSpace,
            _ => Belongs::No,
        }
    }
}

/// The voxels of an object on the grid of the image it is to lie on. What has another grid is resampled to the nearest
/// voxel in the patient's space, and a warning says so.
///
/// # Errors
/// When the file is damaged or has changed, or when cancelled.
pub fn load(
    object: &ObjectOnTop,
    grid: &VoxelGrid,
    progress: &Progress,
) -> Result<LoadedObject, IoError> {
    progress.check()?;
    match object.kind {
        ObjectKind::Segmentation => seg::load(object, grid, progress),
        ObjectKind::StructureSet => rtstruct::load(object, grid, progress),
    }
}

/// Whether a file is an object that lies on top of images.
pub(in crate::io) fn is_object(facts: &Facts) -> bool {
    kind_of(facts).is_some()
}

fn kind_of(facts: &Facts) -> Option<ObjectKind> {
    match (facts.sop_class.as_str(), facts.modality.as_str()) {
        (uids::SEGMENTATION_STORAGE | LABEL_MAP_SEGMENTATION_STORAGE, _) | (_, "SEG") => {
            Some(ObjectKind::Segmentation)
        }
        (uids::RT_STRUCTURE_SET_STORAGE, _) | (_, "RTSTRUCT") => Some(ObjectKind::StructureSet),
        _ => None,
    }
}

/// Lists what an object holds. `meta` is the offset of its File Meta group, if it has one.
///
/// # Errors
/// When it is damaged, or holds nothing.
pub(in crate::io) fn inspect(
    path: &Path,
    meta: Option<u64>,
    facts: &Facts,
) -> Result<ObjectOnTop, Refusal> {
    match kind_of(facts) {
        Some(ObjectKind::StructureSet) => rtstruct::inspect(path, meta),
        _ => seg::inspect(path, meta),
    }
}

/// What every object says of itself; structures are still to come.
pub(super) fn about(path: &Path, kind: ObjectKind, values: &DataSet) -> ObjectOnTop {
    let frame = values.text(tags::FRAME_OF_REFERENCE_UID);
    ObjectOnTop {
        unpacked: None,
        path: path.to_owned(),
        kind,
        uid: values.text(tags::SOP_INSTANCE_UID),
        description: values.text(tags::SERIES_DESCRIPTION),
        patient_id: values.text(tags::PATIENT_ID),
        study_uid: values.text(tags::STUDY_INSTANCE_UID),
        series_uids: Vec::new(),
        frame_of_reference: Some(frame).filter(|uid| !uid.is_empty()),
        structures: Vec::new(),
        warnings: Vec::new(),
    }
}

/// Reads a file again whose header was read before.
pub(super) fn read_again(path: &Path, wanted: fn(Tag) -> bool) -> Result<Object, Refusal> {
    match files::kind(path)? {
        Kind::Dicom { meta } => Object::read(path, Some(meta), wanted),
        Kind::BareDicom => Object::read(path, None, wanted),
        _ => Err(Refusal::new(
            "changed",
            "the file changed after it was found; open the folder again",
        )),
    }
}

/// The term of a structure by its name or the code in a sequence.
pub(super) fn term(name: &str, item: &DataSet, sequence: Tag) -> Option<&'static Term> {
    let code = item.item(sequence).map(|code| FoundCode {
        scheme: code.text(tags::CODING_SCHEME_DESIGNATOR),
        meaning: code.text(tags::CODE_MEANING),
        side: code
            .item(tags::SEGMENTED_PROPERTY_TYPE_MODIFIER_CODE_SEQUENCE)
            .and_then(|side| side_of(&side.text(tags::CODE_MEANING))),
    });
    term_of(name, code.as_ref())
}

/// Three numbers as a colour.
pub(super) fn three<T: TryFrom<i64>>(item: &DataSet, tag: Tag) -> Option<[T; 3]> {
    let numbers = item.numbers(tag, &Notes::default()).ok()?;
    let &[a, b, c] = numbers.as_slice() else {
        return None;
    };
    let [a, b, c] = [a, b, c].map(|n| T::try_from(n as i64).ok());
    Some([a?, b?, c?])
}
