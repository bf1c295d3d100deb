//! What was found on disk: patients, their studies and series, and the files that were not taken.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::Archive;
use super::array::Array;
use super::dicom::{DicomSource, Facts, Frame};
use super::error::Refusal;
use super::objects::{Belongs, ObjectOnTop};
use super::refusals::RefusedGroup;
use super::{choice, refusals};
use crate::geometry::VoxelGrid;
use crate::volume::{ImageKey, Modality, Stated, Suv, Units, Window};

/// Everything found under a path.
#[derive(Clone, Debug, Default)]
pub struct Library {
    /// Patients in the order of their id and name, those without either last.
    pub patients: Vec<Patient>,
    /// Segmentations and structure sets, by their paths.
    pub objects: Vec<ObjectOnTop>,
    /// Every file that is in no series and no object, with the reason.
    pub refused: Vec<Refused>,
}

/// One patient; NIfTI files, which name nobody, share one with an empty name.
#[derive(Clone, Debug)]
pub struct Patient {
    /// The name as DICOM writes it (`Family^Given`).
    pub name: String,
    /// The hospital's identifier.
    pub id: String,
    /// Studies in the order of their date.
    pub studies: Vec<Study>,
}

/// One study; for NIfTI the folder.
#[derive(Clone, Debug)]
pub struct Study {
    /// Study Instance UID (0020,000D).
    pub uid: String,
    /// Study Date (0008,0020), `YYYYMMDD`.
    pub date: String,
    /// Study Description (0008,1030).
    pub description: String,
    /// Series in the order of their number.
    pub series: Vec<Series>,
}

/// One image that can be loaded as a volume.
#[derive(Clone, Debug)]
pub struct Series {
    /// Series Instance UID (0020,000E), with `#2`, `#3` behind it where one series held several
    /// volumes; for DICOM without one `no-uid/FOLDER/NUMBER` from the folder below the opened one
    /// and the series number; for NIfTI the path below the opened folder. Unique within a library unless the same
    /// UID was exported for different patients.
    pub uid: String,
    /// What made the image.
    pub modality: Modality,
    /// Modality (0008,0060) as written.
    pub modality_code: String,
    /// Series Description (0008,103E).
    pub description: String,
    /// Series Number (0020,0011).
    pub number: Option<i32>,
    /// The first file in slice order.
    pub path: PathBuf,
    /// Size and place.
    pub grid: VoxelGrid,
    /// Time points in the file, of which the first is loaded.
    pub times: usize,
    /// The unit of the values.
    pub units: Units,
    /// How they become standardised uptake values, where a PET's files tell.
    pub suv: Option<Suv>,
    /// What it is to the reader.
    pub role: Role,
    /// The windows that the file recommends (VOI LUT, PS3.3 C.11.2), those of the middle slice.
    pub windows: Vec<Window>,
    /// MONOCHROME1: low values are meant to look bright. The values themselves are as stored.
    pub inverted: bool,
    /// Frame of Reference UID (0020,0052): images of one patient that share it share their coordinates.
    pub frame_of_reference: Option<String>,
    /// What the file says of the image beside voxels and place.
    pub stated: Stated,
    /// What a reader should know about this image.
    pub warnings: Vec<Warning>,
    /// Where the slices were acquired from which those of the grid are interpolated: how far from the first, in mm along
    /// the stack. `None` where the grid's slices are those acquired.
    pub resampled_from_mm: Option<Vec<f64>>,
    pub(super) source: Source,
}

/// What an image is to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Slices with a place in the patient.
    Volume,
    /// A scout picture on which slices were planned.
    Localizer,
    /// A picture without a place in the patient: a projection, ultrasound, a screenshot.
    Picture,
}

/// Names one series among the files found, while they are listed; what an image is once it was read, its
/// [`ImageKey`] tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesId {
    /// Its first file.
    pub path: PathBuf,
    /// Its UID in the library.
    pub uid: String,
}

/// Where the voxels come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Dicom(Arc<DicomSource>),
    Array(Arc<Array>),
    /// Files of an archive, which are there while this is.
    Packed(Box<Self>, Arc<Archive>),
}

/// Something a reader should know about an image that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Machine-readable: `first_time_point`, `no_orientation`, `uneven_spacing`, ...
    pub code: &'static str,
    /// In words.
    pub message: String,
}

impl Warning {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// A file that is in no series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The file.
    pub path: PathBuf,
    /// Series Instance UID of the series it is of, where that could be read.
    pub series_uid: Option<String>,
    /// Series Description of that series; empty where it has none.
    pub series_description: String,
    /// Machine-readable: `not_an_image`, `truncated`, `uneven_spacing`, ...
    pub code: &'static str,
    /// In words, with what to do.
    pub message: String,
}

impl Refused {
    pub(super) fn new(path: &Path, refusal: Refusal) -> Self {
        Self {
            path: path.to_owned(),
            series_uid: None,
            series_description: String::new(),
            code: refusal.code,
            message: refusal.message,
        }
    }

    /// A file that says which series it is of.
    pub(super) fn of_series(path: &Path, facts: &Facts, refusal: Refusal) -> Self {
        Self {
            series_uid: Some(facts.series_uid.clone()).filter(|uid| !uid.is_empty()),
            series_description: facts.series_description.clone(),
            ..Self::new(path, refusal)
        }
    }

    pub(super) fn of_frame(frame: &Frame, refusal: Refusal) -> Self {
        Self::of_series(frame.path(), frame.facts(), refusal)
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.message)
    }
}

impl Series {
    /// Its name in the library.
    pub fn id(&self) -> SeriesId {
        SeriesId {
            path: self.path.clone(),
            uid: self.uid.clone(),
        }
    }

    /// What the image is, where headers tell: for DICOM series with a UID. Of other images only the content
    /// tells, once it is read.
    pub fn key(&self) -> Option<ImageKey> {
        self.source.key()
    }

    /// The files the series is made of; DICOM's in slice order. Of one in an archive that is the archive.
    pub fn files(&self) -> Vec<&Path> {
        match &self.source {
            Source::Dicom(source) => source.files().collect(),
            Source::Array(array) => array.files().collect(),
            Source::Packed(_, archive) => vec![archive.path()],
        }
    }
}

impl Source {
    fn key(&self) -> Option<ImageKey> {
        match self {
            Self::Dicom(source) => source.name.key_without_content(),
            Self::Array(_) => None,
            Self::Packed(source, _) => source.key(),
        }
    }
}

impl Library {
    /// All series, patient by patient and study by study.
    pub fn series(&self) -> impl Iterator<Item = &Series> {
        self.patients
            .iter()
            .flat_map(|patient| &patient.studies)
            .flat_map(|study| &study.series)
    }

    /// Lists what another search found beside what is here. A series that is listed stays as it is.
    pub fn merge(&mut self, other: Self) {
        let known: std::collections::BTreeSet<SeriesId> = self.series().map(Series::id).collect();
        for mut patient in other.patients {
            for study in &mut patient.studies {
                study.series.retain(|series| !known.contains(&series.id()));
            }
            patient.studies.retain(|study| !study.series.is_empty());
            let same = |p: &&mut Patient| (&p.id, &p.name) == (&patient.id, &patient.name);
            let Some(listed) = self.patients.iter_mut().find(same) else {
                self.patients.push(patient);
                continue;
            };
            for study in patient.studies {
                let same = |s: &&mut Study| (&s.date, &s.uid) == (&study.date, &study.uid);
                match listed.studies.iter_mut().find(same) {
                    Some(listed) => listed.series.extend(study.series),
                    None => listed.studies.push(study),
                }
            }
        }
        self.patients.retain(|patient| !patient.studies.is_empty());
        for object in other.objects {
            if !self.objects.iter().any(|known| known.path == object.path) {
                self.objects.push(object);
            }
        }
        let new = other.refused.into_iter();
        let new: Vec<Refused> = new.filter(|r| !self.refused.contains(r)).collect();
        self.refused.extend(new);
    }

    /// Why nothing could be opened below `path`, in one line with the most telling reason: what is no
    /// image at all tells less than what is wrong with one.
    pub fn nothing_opened(&self, path: &Path) -> String {
        if self.refused.is_empty() && !self.objects.is_empty() {
            return format!(
                "{}: there are structures and no image that they lie on; open the folder of the study",
                path.display()
            );
        }
        let mut reasons = self.refused.iter();
        let telling = reasons.find(|r| r.code != "not_an_image");
        let first = telling
            .or(self.refused.first())
            .map_or_else(String::new, |r| format!("; the first: {r}"));
        let files = match self.refused.len() {
            1 => "1 file was".to_owned(),
            n => format!("{n} files were"),
        };
        let place = path.display();
        format!("{place}: no image could be opened, {files} refused{first}")
    }

    /// The image that files are opened for: the largest CT, MR or PET of the newest study, never a mask, a label map or
    /// a localizer where there is anything else; of equals the first.
    pub fn first_series(&self) -> Option<&Series> {
        choice::first(self)
    }

    /// As [`Self::first_series`], among the studies of this UID.
    pub fn first_series_of(&self, study_uid: &str) -> Option<&Series> {
        let studies = self.patients.iter().flat_map(|patient| &patient.studies);
        choice::best(studies.filter(|study| study.uid == study_uid))
    }

    /// The images that an object lies on: those it was drawn on first, then those that share its coordinates. An image of
    /// another patient is none of them, whatever its UIDs say.
    pub fn images_of(&self, object: &ObjectOnTop) -> Vec<(&Series, Belongs)> {
        let id = |text: &str| text.trim().to_owned();
        let own = id(&object.patient_id);
        let patients = self.patients.iter();
        let same =
            patients.filter(|p| own.is_empty() || p.id.trim().is_empty() || id(&p.id) == own);
        let series = same.flat_map(|p| p.studies.iter().flat_map(|study| &study.series));
        let belongs = series.map(|series| (series, object.belongs_to(series)));
        let mut images: Vec<_> = belongs.filter(|(_, b)| *b != Belongs::No).collect();
        images.sort_by_key(|(_, belongs)| std::cmp::Reverse(*belongs));
        images
    }

    /// The refused files, put together by series and reason.
    pub fn refused_groups(&self) -> Vec<RefusedGroup<'_>> {
        refusals::groups(&self.refused)
    }
}

/// A series with the names it is filed under.
pub(super) struct Filed {
    pub patient_id: String,
    pub patient_name: String,
    pub study_uid: String,
    pub study_date: String,
    pub study_description: String,
    pub series: Series,
}

/// Files series under their patients and studies and puts everything in a fixed order.
pub(super) fn file(
    filed: Vec<Filed>,
    objects: Vec<ObjectOnTop>,
    mut refused: Vec<Refused>,
) -> Library {
    type Studies = BTreeMap<(String, String), Study>;
    let mut patients: BTreeMap<(String, String), Studies> = BTreeMap::new();
    for entry in filed {
        let study = patients
            .entry((entry.patient_id, entry.patient_name))
            .or_default()
            .entry((entry.study_date.clone(), entry.study_uid.clone()))
            .or_insert_with(|| Study {
                uid: entry.study_uid,
                date: entry.study_date,
                description: entry.study_description,
                series: Vec::new(),
            });
        study.series.push(entry.series);
    }
    refused.sort_by(|a, b| a.path.cmp(&b.path));
    let patients = patients.into_iter().map(|((id, name), studies)| Patient {
        name,
        id,
        studies: studies
            .into_values()
            .map(|mut study| {
                study
                    .series
                    .sort_by(|a, b| (a.number, &a.uid, &a.path).cmp(&(b.number, &b.uid, &b.path)));
                study
            })
            .collect(),
    });
    let mut patients: Vec<Patient> = patients.collect();
    // Files that name nobody come last.
    patients.sort_by_key(|p| p.id.is_empty() && p.name.is_empty());
    let mut library = Library {
        patients,
        objects,
        refused,
    };
    refusals::warn(&mut library);
    library
}
