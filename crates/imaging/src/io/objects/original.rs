//! The images that structures were drawn on, as an object that refers to them needs them.

use std::collections::HashSet;
use std::path::Path;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use glam::DVec3;

use super::elements::{PROGRAM, VERSION, new_uid, now, reference, shortened, text};
use super::found::read_again;
use crate::io::dicom::{ABOUT, Facts};
use crate::io::library::Source;
use crate::io::{IoError, Series};

/// Elements of the modules of patient, study and clinical trial (PS3.3 C.7.1, C.7.2), which every object of a study
/// repeats; those that must be there are written empty where the images have none.
const COPIED: &[(Tag, Option<VR>)] = &[
    (tags::TIMEZONE_OFFSET_FROM_UTC, None),
    (tags::STUDY_DATE, Some(VR::DA)),
    (tags::STUDY_TIME, Some(VR::TM)),
    (tags::ACCESSION_NUMBER, Some(VR::SH)),
    (tags::ISSUER_OF_ACCESSION_NUMBER_SEQUENCE, None),
    (tags::REFERRING_PHYSICIAN_NAME, Some(VR::PN)),
    (tags::STUDY_DESCRIPTION, None),
    (tags::PROCEDURE_CODE_SEQUENCE, None),
    (tags::PATIENT_NAME, Some(VR::PN)),
    (tags::PATIENT_ID, Some(VR::LO)),
    (tags::ISSUER_OF_PATIENT_ID, None),
    (tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE, None),
    (tags::PATIENT_BIRTH_DATE, Some(VR::DA)),
    (tags::PATIENT_BIRTH_TIME, None),
    (tags::PATIENT_SEX, Some(VR::CS)),
    (tags::OTHER_PATIENT_I_DS_SEQUENCE, None),
    (tags::PATIENT_AGE, None),
    (tags::PATIENT_SIZE, None),
    (tags::PATIENT_WEIGHT, None),
    (tags::PATIENT_COMMENTS, None),
    (tags::PATIENT_SPECIES_DESCRIPTION, None),
    (tags::PATIENT_IDENTITY_REMOVED, None),
    (tags::DEIDENTIFICATION_METHOD, None),
    (tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE, None),
    (tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED, None),
    (tags::CLINICAL_TRIAL_SPONSOR_NAME, None),
    (tags::CLINICAL_TRIAL_PROTOCOL_ID, None),
    (tags::CLINICAL_TRIAL_PROTOCOL_NAME, None),
    (tags::CLINICAL_TRIAL_SITE_ID, None),
    (tags::CLINICAL_TRIAL_SITE_NAME, None),
    (tags::CLINICAL_TRIAL_SUBJECT_ID, None),
    (tags::CLINICAL_TRIAL_SUBJECT_READING_ID, None),
    (tags::CLINICAL_TRIAL_TIME_POINT_ID, None),
    (tags::CLINICAL_TRIAL_TIME_POINT_DESCRIPTION, None),
    (tags::CLINICAL_TRIAL_COORDINATING_CENTER_NAME, None),
    (tags::STUDY_INSTANCE_UID, Some(VR::UI)),
    (tags::STUDY_ID, Some(VR::SH)),
];

/// What items of those may hold.
const IN_ITEMS: &[Tag] = &[
    tags::CODE_VALUE,
    tags::LONG_CODE_VALUE,
    tags::CODING_SCHEME_DESIGNATOR,
    tags::CODING_SCHEME_VERSION,
    tags::CODE_MEANING,
    tags::TYPE_OF_PATIENT_ID,
    tags::LOCAL_NAMESPACE_ENTITY_ID,
    tags::UNIVERSAL_ENTITY_ID,
    tags::UNIVERSAL_ENTITY_ID_TYPE,
];

/// How far a slice may lie from an image to be that image's, in mm.
const SAME_PLACE_MM: f64 = 0.01;

/// One image of the series.
pub(super) struct Instance {
    class: String,
    uid: String,
    /// Counted from 1, where its file has several.
    frame: Option<u32>,
    position_mm: Option<DVec3>,
}

impl Instance {
    /// A reference to it (PS3.3 10.3).
    pub fn reference(&self) -> InMemDicomObject {
        let mut item = reference(&self.class, &self.uid);
        if let Some(frame) = self.frame {
            item.put(text(
                tags::REFERENCED_FRAME_NUMBER,
                VR::IS,
                &frame.to_string(),
            ));
        }
        item
    }
}

/// The images that structures were drawn on.
pub(super) struct Original {
    header: InMemDicomObject,
    pub series_uid: String,
    pub study_uid: String,
    pub frame_of_reference: String,
    instances: Vec<Instance>,
}

impl Original {
    /// What the first file of a series says. `path` is the file to be written.
    ///
    /// # Errors
    /// When the series is no DICOM series or that file cannot be read any more.
    pub fn of(series: &Series, path: &Path) -> Result<Self, IoError> {
        let refused = |message: &str| IoError::OutputShape {
            path: path.to_owned(),
            message: message.to_owned(),
        };
        let Source::Dicom(source) = &series.source else {
            return Err(refused("the image is no DICOM image"));
        };
        let frames = source.times.first().map_or(&[][..], Vec::as_slice);
        let Some(first) = frames.first() else {
            return Err(refused("the series has no images"));
        };
        let wanted = |tag| {
            IN_ITEMS.contains(&tag)
                || ABOUT.contains(&tag)
                || tag == tags::POSITION_REFERENCE_INDICATOR
                || COPIED.iter().any(|(copied, _)| *copied == tag)
        };
        let header =
            read_again(first.path(), wanted).map_err(|refusal| refusal.at(first.path()))?;
        let facts = first.facts();
        let instances = frames.iter().map(|frame| Instance {
            class: class_of(frame.facts()),
            uid: frame.file.sop_uid.clone(),
            frame: (frame.file.frames > 1).then_some(frame.number + 1),
            position_mm: frame.place.map(|place| place.position_mm),
        });
        Ok(Self {
            series_uid: facts.series_uid.clone(),
            study_uid: facts.study_uid.clone(),
            frame_of_reference: facts.frame_uid.clone(),
            instances: instances
                .filter(|instance| !instance.uid.is_empty())
                .collect(),
            header: header.values.texts(),
        })
    }

    /// The same for an object that is nothing without its study.
    ///
    /// # Errors
    /// Likewise, and when the images name no study or no series.
    pub fn named(series: &Series, path: &Path) -> Result<Self, IoError> {
        let original = Self::of(series, path)?;
        if original.study_uid.is_empty() || original.series_uid.is_empty() {
            return Err(IoError::OutputShape {
                path: path.to_owned(),
                message: "the images name no study and series that it could belong to".to_owned(),
            });
        }
        Ok(original)
    }

    /// The image whose first voxel lies there.
    pub fn at(&self, position_mm: DVec3) -> Option<&Instance> {
        let near = |at: DVec3| at.distance(position_mm) < SAME_PLACE_MM;
        self.instances
            .iter()
            .find(|i| i.position_mm.is_some_and(near))
    }

    /// References to the files of all images, each once.
    pub fn references(&self) -> Vec<InMemDicomObject> {
        let mut seen = HashSet::new();
        let new = self
            .instances
            .iter()
            .filter(|i| seen.insert(i.uid.as_str()));
        new.map(|i| reference(&i.class, &i.uid)).collect()
    }

    /// A new object of the same study: the modules of patient, study and equipment, with UIDs of its own.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn derived(
        &self,
        class: &str,
        modality: &str,
        about: &str,
    ) -> std::io::Result<InMemDicomObject> {
        let mut object = InMemDicomObject::new_empty();
        for (tag, needed) in COPIED {
            match (self.header.get(*tag), needed) {
                (Some(element), _) => {
                    object.put(element.clone());
                }
                (None, Some(vr)) => {
                    object.put(text(*tag, *vr, ""));
                }
                (None, None) => {}
            }
        }
        let [date, time] = now();
        for element in [
            text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
            text(tags::SOP_CLASS_UID, VR::UI, class),
            text(tags::SOP_INSTANCE_UID, VR::UI, &new_uid()?),
            text(tags::SERIES_INSTANCE_UID, VR::UI, &new_uid()?),
            text(tags::MODALITY, VR::CS, modality),
            text(tags::SERIES_NUMBER, VR::IS, "1000"),
            text(tags::INSTANCE_NUMBER, VR::IS, "1"),
            text(tags::SERIES_DESCRIPTION, VR::LO, &shortened(about, 64)),
            text(tags::INSTANCE_CREATION_DATE, VR::DA, &date),
            text(tags::INSTANCE_CREATION_TIME, VR::TM, &time),
            text(tags::SERIES_DATE, VR::DA, &date),
            text(tags::SERIES_TIME, VR::TM, &time),
            text(tags::MANUFACTURER, VR::LO, PROGRAM),
            text(tags::MANUFACTURER_MODEL_NAME, VR::LO, PROGRAM),
            text(tags::DEVICE_SERIAL_NUMBER, VR::LO, "0"),
            text(tags::SOFTWARE_VERSIONS, VR::LO, VERSION),
            text(
                tags::FRAME_OF_REFERENCE_UID,
                VR::UI,
                &self.frame_of_reference,
            ),
            text(
                tags::POSITION_REFERENCE_INDICATOR,
                VR::LO,
                &read_text(&self.header, tags::POSITION_REFERENCE_INDICATOR),
            ),
        ] {
            object.put(element);
        }
        Ok(object)
    }

    /// A new document of the same study: an object without a place, of today.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn document(
        &self,
        class: &str,
        modality: &str,
        about: &str,
    ) -> std::io::Result<InMemDicomObject> {
        let mut object = self.derived(class, modality, about)?;
        for tag in [
            tags::FRAME_OF_REFERENCE_UID,
            tags::POSITION_REFERENCE_INDICATOR,
        ] {
            object.remove_element(tag);
        }
        let [date, time] = [
            read_text(&object, tags::SERIES_DATE),
            read_text(&object, tags::SERIES_TIME),
        ];
        object.put(text(tags::CONTENT_DATE, VR::DA, &date));
        object.put(text(tags::CONTENT_TIME, VR::TM, &time));
        Ok(object)
    }
}

/// The first value of an element as text; empty where there is none.
fn read_text(header: &InMemDicomObject, tag: Tag) -> String {
    let value = header.get(tag).and_then(|element| element.to_str().ok());
    value.map_or_else(String::new, |v| {
        v.trim_end_matches(['\0', ' ']).trim().to_owned()
    })
}

/// The class of an image; what names none is named by its modality.
fn class_of(facts: &Facts) -> String {
    let named = facts.sop_class.as_str();
    let class = match facts.modality.as_str() {
        _ if !named.is_empty() => named,
        "CT" => uids::CT_IMAGE_STORAGE,
        "MR" => uids::MR_IMAGE_STORAGE,
        "PT" => uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE,
        _ => uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
    };
    class.to_owned()
}
