//! A report as measurements and codes: an Imaging Measurement Report (PS3.16 TID 1500).

use std::io;
use std::path::Path;

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

use super::content::{
    Relation, code_item, coded, container, dcm, heading, image_item, sct, text_item, uid_item,
};
use super::group::group;
use super::{MeasuredFinding, Region, ReportText, TextKind};
use crate::io::objects::elements::{PROGRAM, VERSION, code, item, new_uid, sequence, text};
use crate::io::objects::file::{Syntax, save};
use crate::io::objects::original::Original;
use crate::io::{IoError, Series};
use crate::terms::Code;

/// Bytes of a value whose length has 16 bits (PS3.5 7.1.2).
const MOST_BYTES: usize = 65_534;

impl TextKind {
    const fn concept(self) -> Code {
        match self {
            Self::Indication => dcm("121109", "Indications for Procedure"),
            Self::Technique => dcm("121065", "Procedure Description"),
            Self::Comparison => dcm("121069", "Previous Finding"),
            Self::Finding => dcm("121071", "Finding"),
            Self::Impression => dcm("121073", "Impression"),
        }
    }
}

/// Writes a report on a series as a Comprehensive 3D SR that nobody has verified. `notice` is what is to be said of all of
/// it.
///
/// # Errors
/// When the series is no DICOM series or names no study, there is nothing to write, a mask is empty or a number is not
/// finite, or reading the first image or writing fails.
pub fn write_sr(
    path: &Path,
    series: &Series,
    texts: &[ReportText],
    findings: &[MeasuredFinding],
    notice: &str,
) -> Result<(), IoError> {
    let original = Original::named(series, path)?;
    let refused = |message: String| IoError::OutputShape {
        path: path.to_owned(),
        message,
    };
    if texts.is_empty() && findings.is_empty() {
        return Err(refused("the report says nothing".to_owned()));
    }

    for finding in findings {
        if matches!(finding.region, Region::Mask(mask) if mask.count() == 0) {
            return Err(refused(format!("nothing is drawn of {:?}", finding.name)));
        }
        if finding.values.iter().any(|(_, value)| !value.is_finite()) {
            let name = &finding.name;
            return Err(refused(format!("a measurement of {name:?} is no number")));
        }
    }
    let mut longest = 0;
    let mut made = || -> io::Result<InMemDicomObject> {
        let class = uids::COMPREHENSIVE3_DSR_STORAGE;
        let mut object = original.document(class, "SR", "Report")?;
        put_document(&mut object, &original);
        let content = content(&original, series, texts, findings, notice, &mut longest)?;
        for element in heading(Some("1500")) {
            object.put(element);
        }
        for element in [
            text(tags::VALUE_TYPE, VR::CS, "CONTAINER"),
            sequence(
                tags::CONCEPT_NAME_CODE_SEQUENCE,
                [coded(dcm("126000", "Imaging Measurement Report"))],
            ),
            sequence(tags::CONTENT_SEQUENCE, content),
        ] {
            object.put(element);
        }
        Ok(object)
    };
    let object = made().map_err(|error| IoError::write(path, error))?;
    let syntax = if longest > MOST_BYTES {
        Syntax::Implicit
    } else {
        Syntax::Explicit
    };
    save(path, object, syntax)
}

/// The modules of the document (C.17.1, C.17.2).
fn put_document(object: &mut InMemDicomObject, original: &Original) {
    for element in [
        text(tags::COMPLETION_FLAG, VR::CS, "PARTIAL"),
        text(tags::PRELIMINARY_FLAG, VR::CS, "PRELIMINARY"),
        text(tags::VERIFICATION_FLAG, VR::CS, "UNVERIFIED"),
        sequence(tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, []),
        sequence(tags::PERFORMED_PROCEDURE_CODE_SEQUENCE, []),
        item(
            tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE,
            [
                item(
                    tags::REFERENCED_SERIES_SEQUENCE,
                    [
                        sequence(tags::REFERENCED_SOP_SEQUENCE, original.references()),
                        text(tags::SERIES_INSTANCE_UID, VR::UI, &original.series_uid),
                    ],
                ),
                text(tags::STUDY_INSTANCE_UID, VR::UI, &original.study_uid),
            ],
        ),
    ] {
        object.put(element);
    }
}

/// The items below the root, in the order of the template.
fn content(
    original: &Original,
    series: &Series,
    texts: &[ReportText],
    findings: &[MeasuredFinding],
    notice: &str,
    longest: &mut usize,
) -> io::Result<Vec<InMemDicomObject>> {
    let observer = Relation::HasObsContext;
    let program = format!("{PROGRAM} {VERSION}");
    let groups = findings.iter();
    let groups: Vec<InMemDicomObject> = groups.map(|f| group(f, original, longest)).collect();
    let images = original.references().into_iter().map(image_item).collect();
    let library = container(dcm("126200", "Image Library Group"), None, images);
    let comment = dcm("121106", "Comment");
    let said = texts.iter();
    let said = said.map(|t| text_item(Relation::Contains, t.kind.concept(), &t.text));
    let notice = text_item(Relation::Contains, comment, notice);
    let mut items = vec![
        // TID 1204.
        code_item(
            Relation::HasConceptMod,
            dcm("121049", "Language of Content Item and Descendants"),
            code("RFC5646", "en", "English"),
        ),
        // TID 1004: the program, for it knows no reader's name.
        code_item(
            observer,
            dcm("121005", "Observer Type"),
            coded(dcm("121007", "Device")),
        ),
        uid_item(observer, dcm("121012", "Device Observer UID"), &new_uid()?),
        text_item(observer, dcm("121013", "Device Observer Name"), &program),
        code_item(
            Relation::HasConceptMod,
            dcm("121058", "Procedure reported"),
            coded(procedure(&series.modality_code)),
        ),
        container(dcm("111028", "Image Library"), Some("1600"), vec![library]),
    ];
    if !groups.is_empty() {
        let concept = dcm("126010", "Imaging Measurements");
        items.push(container(concept, None, groups));
    }
    let qualitative = Code {
        scheme: "UMLS",
        value: "C0034375",
        meaning: "Qualitative Evaluations",
    };
    items.push(container(qualitative, None, said.chain([notice]).collect()));
    Ok(items)
}

/// CID 100.
fn procedure(modality: &str) -> Code {
    match modality {
        "CT" => sct("77477000", "Computed tomography"),
        "MR" => sct("113091000", "Magnetic resonance imaging"),
        "PT" => sct("82918005", "Positron emission tomography"),
        _ => sct("363679005", "Imaging procedure"),
    }
}
