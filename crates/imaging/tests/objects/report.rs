//! Reports as DICOM objects, looked at with dicom-object alone; `scripts/check_report.py` reads them with highdicom.

use std::path::PathBuf;

use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileDicomObject, InMemDicomObject, open_file};
use glam::DVec3;
use m3d_imaging::io::objects::{
    DrawnBy, MeasuredFinding, Quantity, Region, ReportText, TextKind, write_pdf, write_sr,
};
use m3d_imaging::terms::Lexicon;
use m3d_imaging::volume::Mask;

use super::write::{pet, shapes};
use crate::support::{repository, scan};

const NOTICE: &str = "Research use only, not for diagnosis";

fn kept(folder: &tempfile::TempDir) -> PathBuf {
    let asked = std::env::var_os("M3D_OBJECTS_OUT").map(PathBuf::from);
    asked.unwrap_or_else(|| folder.path().to_owned())
}

fn texts() -> Vec<ReportText> {
    let text = |kind, text: &str| ReportText {
        kind,
        text: text.into(),
    };
    vec![
        text(TextKind::Indication, "Staging, 张三."),
        text(TextKind::Technique, "PET."),
        text(
            TextKind::Finding,
            "Liver: two lesions,\nthe larger one round.",
        ),
        text(TextKind::Impression, "Größe unverändert."),
    ]
}

fn findings(masks: &[Mask]) -> Vec<MeasuredFinding<'_>> {
    let lexicon = Lexicon::built_in();
    let middle = masks[0].grid().middle_voxel_mm();
    let model = DrawnBy::Automatic {
        name: "M3D-LaMed".to_owned(),
        version: "small 1".to_owned(),
    };
    let square = [DVec3::ZERO, DVec3::X, DVec3::X + DVec3::Y, DVec3::Y];
    let square = square.map(|corner| middle + corner * 10.0).to_vec();
    let finding = |number, name: &str, region, values| MeasuredFinding {
        name: name.to_owned(),
        term: lexicon.get(name),
        number,
        by: DrawnBy::Manual,
        comment: None,
        region,
        values,
    };
    vec![
        MeasuredFinding {
            by: model,
            comment: Some("unreviewed, by M3D-LaMed".to_owned()),
            ..finding(
                1,
                "left kidney cyst",
                Region::Mask(&masks[0]),
                vec![(Quantity::Volume, masks[0].volume_ml())],
            )
        },
        finding(
            2,
            "liver lesion",
            Region::Polygons(vec![square]),
            vec![(Quantity::Area, 100.0), (Quantity::MeanHounsfield, -12.5)],
        ),
        finding(
            3,
            "Länge",
            Region::Lines(vec![vec![middle, middle + DVec3::X * 31.25]]),
            vec![(Quantity::Length, 31.25)],
        ),
        finding(4, "left lung", Region::Point(middle), Vec::new()),
    ]
}

fn word(object: &InMemDicomObject, tag: dicom_core::Tag) -> String {
    object.element(tag).unwrap().to_str().unwrap().into_owned()
}

fn items(object: &InMemDicomObject, tag: dicom_core::Tag) -> Vec<InMemDicomObject> {
    let element = object.element(tag);
    element.map_or_else(|_| Vec::new(), |e| e.items().unwrap().to_vec())
}

/// The items below one of a concept, by the concept's value.
fn below(object: &InMemDicomObject, concept: &str) -> Vec<InMemDicomObject> {
    let all = items(object, tags::CONTENT_SEQUENCE);
    let of = |item: &&InMemDicomObject| {
        let names = items(item, tags::CONCEPT_NAME_CODE_SEQUENCE);
        names
            .iter()
            .any(|name| word(name, tags::CODE_VALUE) == concept)
    };
    all.iter().filter(of).cloned().collect()
}

#[test]
fn a_report_is_written_with_measurements_and_codes_and_is_not_verified() {
    let folder = tempfile::tempdir().unwrap();
    let path = kept(&folder).join("report.sr.dcm");
    let series = pet();
    let masks = shapes(&series);
    let findings = findings(&masks);
    write_sr(&path, &series, &texts(), &findings, NOTICE).unwrap();
    let read: FileDicomObject<InMemDicomObject> = open_file(&path).unwrap();
    assert_eq!(
        word(&read, tags::SOP_CLASS_UID),
        uids::COMPREHENSIVE3_DSR_STORAGE
    );
    assert_eq!(word(&read, tags::VERIFICATION_FLAG), "UNVERIFIED");
    assert_eq!(word(&read, tags::MODALITY), "SR");
    let original = open_file(series.files()[0]).unwrap();
    for tag in [tags::PATIENT_ID, tags::STUDY_INSTANCE_UID] {
        assert_eq!(word(&read, tag), word(&original, tag));
    }
    assert!(read.get(tags::FRAME_OF_REFERENCE_UID).is_none());
    let template = &items(&read, tags::CONTENT_TEMPLATE_SEQUENCE)[0];
    assert_eq!(word(template, tags::TEMPLATE_IDENTIFIER), "1500");
    let groups = below(&below(&read, "126010")[0], "125007");
    assert_eq!(groups.len(), 4);
    // The volume of the mask, to the last digit, and the contours around it.
    let volume = &below(&groups[0], "118565006")[0];
    let value = &items(volume, tags::MEASURED_VALUE_SEQUENCE)[0];
    let found = value.element(tags::FLOATING_POINT_VALUE).unwrap();
    assert_eq!(found.to_float64().unwrap(), masks[0].volume_ml());
    let regions = below(&groups[0], "121231");
    let slices = (0..series.grid.dims().z).filter(|&k| {
        let mut slice = vec![0; (series.grid.dims().x * series.grid.dims().y) as usize];
        masks[0].read_slice(k, &mut slice);
        slice.contains(&1)
    });
    assert!(regions.len() >= slices.count());
    for region in &regions {
        assert_eq!(word(region, tags::GRAPHIC_TYPE), "POLYGON");
        let data = region.element(tags::GRAPHIC_DATA).unwrap();
        let data = data.to_multi_float32().unwrap();
        assert_eq!(data[..3], data[data.len() - 3..]);
    }
    assert_eq!(below(&groups[0], "121106").len(), 1);
    assert!(below(&groups[1], "121106").is_empty());
    // What is said.
    let said = &below(&read, "C0034375")[0];
    let impression = &below(said, "121073")[0];
    assert_eq!(word(impression, tags::TEXT_VALUE), "Größe unverändert.");
    assert_eq!(word(&below(said, "121106")[0], tags::TEXT_VALUE), NOTICE);
}

#[test]
fn the_same_finding_is_tracked_by_the_same_uid_in_every_report() {
    let folder = tempfile::tempdir().unwrap();
    let series = pet();
    let masks = shapes(&series);
    let uids = ["a.dcm", "b.dcm"].map(|name| {
        let path = folder.path().join(name);
        write_sr(&path, &series, &[], &findings(&masks), NOTICE).unwrap();
        let read = open_file(&path).unwrap();
        let groups = below(&below(&read, "126010")[0], "125007");
        let tracked = groups.iter().map(|group| {
            let item = &below(group, "112040")[0];
            word(item, tags::UID)
        });
        (
            word(&read, tags::SOP_INSTANCE_UID),
            tracked.collect::<Vec<_>>(),
        )
    });
    assert_ne!(uids[0].0, uids[1].0);
    assert_eq!(uids[0].1, uids[1].1);
}

#[test]
fn a_document_is_kept_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let series = pet();
    // An odd length.
    let pdf = b"%PDF-1.7\n%%EOF\n".to_vec();
    assert_eq!(pdf.len() % 2, 1);
    let path = folder.path().join("report.dcm");
    write_pdf(&path, &series, "Report, 张三", &pdf).unwrap();
    let read = open_file(&path).unwrap();
    assert_eq!(
        word(&read, tags::SOP_CLASS_UID),
        uids::ENCAPSULATED_PDF_STORAGE
    );
    assert_eq!(word(&read, tags::VERIFICATION_FLAG), "UNVERIFIED");
    assert_eq!(word(&read, tags::DOCUMENT_TITLE), "Report, 张三");
    let length = read.element(tags::ENCAPSULATED_DOCUMENT_LENGTH).unwrap();
    let length = length.to_int::<u32>().unwrap() as usize;
    let bytes = read.element(tags::ENCAPSULATED_DOCUMENT).unwrap();
    assert_eq!(&bytes.to_bytes().unwrap()[..length], pdf);
}

#[test]
fn what_cannot_be_a_report_is_refused_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.dcm");
    let series = pet();
    let masks = shapes(&series);
    assert!(write_sr(&path, &series, &[], &[], NOTICE).is_err());
    let mut broken = findings(&masks);
    broken[2].values[0].1 = f64::NAN;
    assert!(write_sr(&path, &series, &[], &broken, NOTICE).is_err());
    let empty = [Mask::empty(series.grid)];
    let mut nothing = findings(&masks);
    nothing[0].region = Region::Mask(&empty[0]);
    assert!(write_sr(&path, &series, &[], &nothing, NOTICE).is_err());
    assert!(write_pdf(&path, &series, "Report", b"no document").is_err());
    // An image that is none of DICOM has no patient and no study to refer to.
    let nifti = scan(&repository("tests/data/orientations/RAS.nii.gz"));
    let nifti = nifti.first_series().unwrap();
    assert!(write_sr(&path, nifti, &texts(), &[], NOTICE).is_err());
    assert!(write_pdf(&path, nifti, "Report", b"%PDF-1.7").is_err());
    assert!(!path.exists());
}
