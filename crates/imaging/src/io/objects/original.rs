//! The images that structures were drawn on, as an object that refers to them needs them.

use std::path::Path;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{InMemDicomObject, OpenFileOptions};
use glam::DVec3;

use super::elements::{PROGRAM, VERSION, new_uid, now, shortened, text};
use crate::io::error::Refusal;
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
    (tags::ETHNIC_GROUP, None),
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

/// How far a slice may lie from an image to be that image's, in mm.
const SAME_PLACE_MM: f64 = 0.01;

/// One image of the series.
pub(super) struct Instance {
    pub class: String,
    pub uid: String,
    position_mm: DVec3,
}

/// The images that structures were drawn on.
pub(super) struct Original {
    header: InMemDicomObject,
    pub series_uid: String,
    pub study_uid: String,
    pub frame_of_reference: String,
    pub instances: Vec<Instance>,
}

impl Original {
    /// What the first file of a series says. `path` is the file to be written.
    ///
    /// # Errors
    /// When the series is no DICOM series or that file cannot be read any more.
    pub fn of(series: &Series, path: &Path) -> Result<Self, IoError> {
        let Source::Dicom(source) = &series.source else {
            return Err(IoError::OutputShape {
                path: path.to_owned(),
                message: "the image is no DICOM image, so there are no patient and study to refer to; write .nii.gz, \
                          .stl or .obj"
                    .to_owned(),
            });
        };
        // The import has read this file before: it is well-formed.
        let opened = OpenFileOptions::new()
            .read_until(tags::PIXEL_DATA)
            .open_file(&series.path)
            .map_err(|error| Refusal::new("unreadable", error.to_string()).at(&series.path))?;
        let header = opened.into_inner();
        let word = |tag| read_text(&header, tag);
        let class = word(tags::SOP_CLASS_UID);
        let instances = source.slices.iter().map(|slice| Instance {
            class: class.clone(),
            uid: slice.sop_uid.clone(),
            position_mm: slice.position_mm,
        });
        Ok(Self {
            series_uid: word(tags::SERIES_INSTANCE_UID),
            study_uid: word(tags::STUDY_INSTANCE_UID),
            frame_of_reference: word(tags::FRAME_OF_REFERENCE_UID),
            instances: instances.collect(),
            header,
        })
    }

    /// The image whose first voxel lies there.
    pub fn at(&self, position_mm: DVec3) -> Option<&Instance> {
        let near = |i: &&Instance| i.position_mm.distance(position_mm) < SAME_PLACE_MM;
        self.instances.iter().find(near)
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
}

/// The first value of an element as text; empty where there is none.
fn read_text(header: &InMemDicomObject, tag: Tag) -> String {
    let value = header.get(tag).and_then(|element| element.to_str().ok());
    value.map_or_else(String::new, |v| {
        v.trim_end_matches(['\0', ' ']).trim().to_owned()
    })
}
