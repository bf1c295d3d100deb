//! Copies without identities: nothing of the patient is left, and the images are the same.

#[path = "anonymize/support.rs"]
mod copies;
#[path = "import/support.rs"]
#[allow(dead_code, reason = "this test needs a part of it")]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use copies::{assert_nothing_identifies, files, images, made, options, run, values};
use dicom_core::{PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use m3d_imaging::io::{
    AnonymizeKey, AnonymizeOptions, Anonymized, IoError, Progress, anonymize, scan,
};
use support::{repository, shared};

#[test]
fn the_studies_of_the_tests_open_as_before_and_name_nobody() {
    for folder in [
        "tests/data/ibsi2_orientation/dicom",
        "tests/data/ibsi_pet/dicom",
        "assets/sample/ct_abdomen",
    ] {
        let path = repository(folder);
        let (out, done) = run(&path);
        assert!(done.images > 10, "{folder}: {done:?}");
        assert_eq!(images(&path), images(out.path()), "{folder}");
        assert_nothing_identifies(&path, out.path());
    }
}

#[test]
fn the_wide_collection_opens_as_before_and_names_nobody() {
    let mut seen = 0;
    for folder in [
        "mr_ge_adc_prostate",
        "ct_ge_tilt_uneven_head",
        "mr_transfer_syntaxes",
        "mr_siemens_mosaic",
        "mr_siemens_frag_jpegll",
        "mr_siemens_xa30_enhanced",
        "mr_12bit_signed_unsigned",
        "ct_siemens_j2k_abdomen",
        "highdicom_seg",
        "dcmqi_ct_seg",
        "bug_cases",
        "pydicom_test_files",
        "dicom2nifti_failing_a",
        "nifti_misc_niivue",
        "nifti_orientations_12",
    ] {
        let Some(path) = shared(folder) else { continue };
        let (out, done) = run(&path);
        eprintln!(
            "{folder}: {} images, {} series, {} refused",
            done.images,
            done.series,
            done.refused.len()
        );
        for refused in &done.refused {
            eprintln!("  {}: {}", refused.code, refused.path.display());
        }
        assert!(done.images > 0, "{folder}: {done:?}");
        let (before, after) = (images(&path), images(out.path()));
        for image in &after {
            assert!(before.contains(image), "{folder}: {image:?} of {before:#?}");
        }
        seen += after.len();
        assert_nothing_identifies(&path, out.path());
    }
    eprintln!("{seen} volumes compared");
}

#[test]
fn every_value_that_the_profile_names_goes_at_every_depth() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(folder.path(), "Doe^Jane.dcm", |object| {
        copies::put(object, tags::PATIENT_NAME, VR::PN, "Doe^Jane");
        copies::put(object, tags::PATIENT_ID, VR::LO, "MRN-4711");
        copies::put(object, tags::STUDY_DATE, VR::DA, "20210304");
        copies::put(object, tags::INSTITUTION_NAME, VR::LO, "Saint Elsewhere");
        copies::put(
            object,
            tags::MANUFACTURER_MODEL_NAME,
            VR::LO,
            "scanner of Doe",
        );
        copies::put(object, tags::MANUFACTURER, VR::LO, "ACME");
        // A private sequence, and one of the standard with a name and a UID deep within.
        object.put(copies::element(
            dicom_core::Tag(0x0009, 0x0010),
            VR::LO,
            "Doe^Jane",
        ));
        let inner = copies::item(|item| {
            copies::put(item, tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.2.3.99");
            copies::put(item, tags::OPERATORS_NAME, VR::PN, "Doe^Jane");
            copies::put(item, tags::CODE_MEANING, VR::LO, "seen by Jane");
            copies::put(item, tags::CODE_VALUE, VR::SH, "T-1");
        });
        let outer = copies::item(|item| {
            copies::put_items(item, tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, vec![inner]);
        });
        copies::put_items(object, tags::SOURCE_IMAGE_SEQUENCE, vec![outer]);
    });
    let (out, done) = run(folder.path());
    assert_eq!((done.images, done.series), (1, 1), "{done:?}");
    assert_nothing_identifies(&path, out.path());
    let written = files(out.path()).remove(0);
    assert!(written.ends_with("series_0001/image_000001.dcm"));
    let bytes = fs::read(&written).unwrap();
    assert_eq!(bytes[..128], [0; 128], "the preamble");
    for word in ["Doe", "Jane", "4711", "20210304", "Elsewhere", "1.2.3.99"] {
        assert!(!copies::holds(&bytes, word), "{word}");
    }
    let values = values(&written);
    let of = |tag| {
        values
            .iter()
            .find(|(t, _)| *t == tag)
            .map(|(_, text)| text.as_str())
    };
    assert!(of(tags::PATIENT_ID).unwrap().starts_with("ANON"));
    assert_eq!(of(tags::STUDY_DATE), Some(""));
    assert_eq!(of(tags::INSTITUTION_NAME), Some("ANONYMIZED"));
    assert_eq!(
        of(tags::MANUFACTURER),
        Some("ACME"),
        "what names nobody stays"
    );
    assert_eq!(of(tags::MANUFACTURER_MODEL_NAME), None, "it held the name");
    assert_eq!(of(tags::CODE_VALUE), Some("T-1"), "items stay");
    assert_eq!(of(tags::PATIENT_IDENTITY_REMOVED), Some("YES"));
    assert_eq!(
        of(tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED),
        Some("REMOVED")
    );
    assert!(
        of(tags::DEIDENTIFICATION_METHOD)
            .unwrap()
            .contains("m3d-viewer")
    );
    let codes = values.iter().filter(|(_, text)| text == "113100");
    assert_eq!(codes.count(), 1);
}

#[test]
fn one_key_gives_one_pseudonym_and_another_run_others() {
    let path = repository("tests/data/ibsi2_orientation/dicom");
    let with = |secret: &[u8]| {
        let out = tempfile::tempdir().unwrap();
        let options = AnonymizeOptions {
            key: AnonymizeKey::from_secret(secret),
            keep_burned_in: false,
        };
        anonymize(
            &path,
            &out.path().join("out"),
            &options,
            &Progress::silent(),
        )
        .unwrap();
        let library = scan(out.path(), &Progress::silent()).unwrap();
        assert_eq!(library.patients.len(), 1);
        let series = library.series().next().unwrap().uid.clone();
        (library.patients[0].id.clone(), series)
    };
    assert_eq!(with(b"one"), with(b"one"));
    let (one, two) = (with(b"one"), with(b"two"));
    assert!(one.0 != two.0 && one.1 != two.1);
}

#[test]
fn pictures_that_may_show_a_name_are_refused_unless_wanted() {
    for (modality, burned, is_refused) in [
        ("CT", "", false),
        ("CT", "NO", false),
        ("CT", "YES", true),
        ("MR", "unknown", true),
        ("US", "", true),
        ("US", "NO", true),
        ("SC", "", true),
        ("XA", "", true),
        ("RF", "", true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        made(folder.path(), "a.dcm", |object| {
            copies::put(object, tags::MODALITY, VR::CS, modality);
            if !burned.is_empty() {
                copies::put(object, tags::BURNED_IN_ANNOTATION, VR::CS, burned);
            }
        });
        let (_, done) = run(folder.path());
        let codes: Vec<_> = done.refused.iter().map(|refused| refused.code).collect();
        let expected: &[&str] = if is_refused { &["burned_in"] } else { &[] };
        assert_eq!(codes, expected, "{modality} {burned}");
        let out = tempfile::tempdir().unwrap();
        let keep = AnonymizeOptions {
            keep_burned_in: true,
            ..options()
        };
        let done = anonymize(
            folder.path(),
            &out.path().join("out"),
            &keep,
            &Progress::silent(),
        )
        .unwrap();
        assert_eq!(done.images, 1, "{modality} {burned} kept");
    }
    // A captured screen calls itself what was captured.
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), "a.dcm", |object| {
        copies::put(
            object,
            tags::SOP_CLASS_UID,
            VR::UI,
            uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
        );
    });
    assert_eq!(run(folder.path()).1.refused[0].code, "burned_in");
}

#[test]
fn heads_are_warned_of() {
    for (part, description, is_head) in [
        ("HEAD", "", true),
        ("", "cCT Schädel nativ", true),
        ("CHEST", "routine", false),
        ("", "", false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        made(folder.path(), "a.dcm", |object| {
            copies::put(object, tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
            copies::put(object, tags::BODY_PART_EXAMINED, VR::CS, part);
            copies::put(object, tags::SERIES_DESCRIPTION, VR::LO, description);
        });
        let codes: Vec<_> = run(folder.path())
            .1
            .warnings
            .iter()
            .map(|warning| warning.code)
            .collect();
        assert_eq!(codes == ["face"], is_head, "{part} {description}");
    }
}

#[test]
fn what_cannot_be_read_is_named_and_not_copied() {
    let folder = tempfile::tempdir().unwrap();
    let whole = made(folder.path(), "a.dcm", |_| {});
    let bytes = fs::read(&whole).unwrap();
    fs::write(folder.path().join("cut.dcm"), &bytes[..bytes.len() - 100]).unwrap();
    fs::write(folder.path().join("letter of Jane Doe.txt"), "Dear Jane").unwrap();
    made(folder.path(), "report.dcm", |object| {
        copies::put_items(object, tags::CONTENT_SEQUENCE, vec![]);
    });
    let (out, done) = run(folder.path());
    let mut codes: Vec<_> = done.refused.iter().map(|refused| refused.code).collect();
    codes.sort_unstable();
    assert_eq!(
        codes,
        ["not_an_image", "not_an_image", "truncated"],
        "{done:?}"
    );
    assert_eq!(files(out.path()).len(), 1);
}

#[test]
fn no_damage_makes_it_panic_or_leave_half_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let whole = made(folder.path(), "a.dcm", |object| {
        let item = copies::item(|item| {
            copies::put(item, tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.2.3");
        });
        copies::put_items(object, tags::SOURCE_IMAGE_SEQUENCE, vec![item]);
    });
    let bytes = fs::read(&whole).unwrap();
    fs::remove_file(whole).unwrap();
    for at in (132..bytes.len()).step_by(3) {
        let mut damaged = bytes.clone();
        damaged[at] = 0xFF;
        fs::write(folder.path().join(format!("{at}.dcm")), &damaged).unwrap();
        fs::write(folder.path().join(format!("{at}.cut.dcm")), &bytes[..at]).unwrap();
    }
    let (out, done) = run(folder.path());
    let parts = files(folder.path()).len();
    assert_eq!(files(out.path()).len(), done.images);
    assert_eq!(
        done.images + done.refused.len(),
        parts,
        "each file is copied or named"
    );
}

#[test]
fn nifti_loses_its_texts_and_keeps_its_voxels() {
    let folder = tempfile::tempdir().unwrap();
    let source = repository("tests/data/nifti_types/int16.nii");
    let mut bytes = fs::read(&source).unwrap();
    let header = bytes[..348].to_vec();
    for (at, text) in [
        (4, "Doe"),
        (14, "Jane Doe"),
        (148, "Jane Doe 1970"),
        (228, "doe.txt"),
        (328, "Jane"),
    ] {
        bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    // An extension with a comment, and something behind the voxels.
    let voxels = bytes.split_off(352);
    bytes[348] = 1;
    bytes[108..112].copy_from_slice(&(352.0_f32 + 32.0).to_le_bytes());
    bytes.extend(32_i32.to_le_bytes());
    bytes.extend(6_i32.to_le_bytes());
    bytes.extend(b"comment on Jane Doe.....");
    bytes.extend(&voxels);
    bytes.extend(b"Jane Doe");
    fs::write(folder.path().join("Jane Doe.nii"), &bytes).unwrap();
    copies::gzip(&folder.path().join("doe.nii.gz"), &bytes, "Jane Doe.nii");
    let (out, done) = run(folder.path());
    assert_eq!((done.images, done.refused.len()), (2, 0), "{done:?}");
    for file in files(out.path()) {
        let raw = fs::read(&file).unwrap();
        let plain = copies::unpacked(&raw);
        for word in ["Doe", "Jane", "1970", "doe"] {
            assert!(
                !copies::holds(&raw, word) && !copies::holds(&plain, word),
                "{word}"
            );
            assert!(!file.to_string_lossy().contains(word));
        }
        assert_eq!(plain[352..], voxels, "the voxels");
        // Sizes, types and places are as they were.
        for range in [40..108, 112..148, 252..328] {
            assert_eq!(plain[range.clone()], header[range.clone()], "{range:?}");
        }
    }
    assert_eq!(images(&source), images(&files(out.path())[0]));
}

#[test]
fn the_nifti_images_of_the_tests_open_as_before() {
    for folder in ["tests/data/nifti_types", "tests/data/orientations"] {
        let path = repository(folder);
        let (out, done) = run(&path);
        assert_eq!(images(&path), images(out.path()), "{folder}");
        assert!(done.images > 0);
    }
}

#[test]
fn the_copies_go_to_a_folder_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(folder.path(), "a.dcm", |_| {});
    let refuse = |path: &Path, out: PathBuf| {
        let error = anonymize(path, &out, &options(), &Progress::silent()).unwrap_err();
        assert!(matches!(error, IoError::OutputFolder { .. }), "{error}");
    };
    refuse(folder.path(), folder.path().join("out"));
    refuse(folder.path(), folder.path().join("new/../deep/out"));
    refuse(folder.path(), folder.path().to_owned());
    refuse(&path, folder.path().to_owned());
    refuse(&path, path.clone());
    assert_eq!(files(folder.path()).len(), 1);
    let other = tempfile::tempdir().unwrap();
    let done: Anonymized = anonymize(&path, other.path(), &options(), &Progress::silent()).unwrap();
    assert_eq!(done.images, 1, "an empty folder will do");
}

#[test]
fn slices_of_one_patient_stay_together_however_the_name_ends() {
    let folder = tempfile::tempdir().unwrap();
    for (index, name) in ["Doe^Jane", "Doe^Jane^^", "DOE^JANE "].iter().enumerate() {
        made(folder.path(), &format!("{index}.dcm"), |object| {
            copies::put(object, tags::PATIENT_NAME, VR::PN, name);
            object.put(dicom_object::mem::InMemElement::new(
                tags::INSTANCE_NUMBER,
                VR::IS,
                PrimitiveValue::from(index.to_string()),
            ));
        });
    }
    let (out, _) = run(folder.path());
    let names: BTreeSet<String> = files(out.path())
        .iter()
        .flat_map(|file| values(file))
        .filter(|(tag, _)| *tag == tags::PATIENT_NAME)
        .map(|(_, text)| text)
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
#[allow(deprecated, reason = "retired from the standard, not from archives")]
fn every_way_to_write_a_data_set_stays() {
    for syntax in [
        uids::IMPLICIT_VR_LITTLE_ENDIAN,
        uids::EXPLICIT_VR_LITTLE_ENDIAN,
        uids::EXPLICIT_VR_BIG_ENDIAN,
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = copies::made_in(folder.path(), "a.dcm", syntax, |object| {
            copies::put(object, tags::PATIENT_NAME, VR::PN, "Doe^Jane");
            let item = copies::item(|item| {
                copies::put(item, tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.2.3.99");
            });
            copies::put_items(object, tags::SOURCE_IMAGE_SEQUENCE, vec![item]);
        });
        let (out, done) = run(folder.path());
        assert_eq!(done.images, 1, "{syntax}: {done:?}");
        let open = |path: &Path| dicom_object::open_file(path).unwrap();
        let (before, after) = (open(&path), open(&files(out.path())[0]));
        assert_eq!(after.meta().transfer_syntax(), syntax);
        let pixels = |object: &dicom_object::DefaultDicomObject| {
            object
                .element(tags::PIXEL_DATA)
                .unwrap()
                .to_bytes()
                .unwrap()
                .into_owned()
        };
        assert_eq!(pixels(&before), pixels(&after), "{syntax}");
        assert_nothing_identifies(folder.path(), out.path());
        let sequence = after.element(tags::SOURCE_IMAGE_SEQUENCE).unwrap();
        assert_eq!(sequence.items().unwrap().len(), 1, "{syntax}");
        let instance = after
            .element(tags::SOP_INSTANCE_UID)
            .unwrap()
            .to_str()
            .unwrap();
        assert_eq!(instance, after.meta().media_storage_sop_instance_uid());
    }
}

#[test]
fn sequences_written_as_unknown_are_walked() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(folder.path(), "a.dcm", |_| {});
    let bytes = fs::read(&path).unwrap();
    let at = copies::find(&bytes, b"\x08\0\x60\0CS").unwrap();
    // Source Image Sequence (0008,2112) as UN, its item in implicit VR with a name and a UID.
    let mut item = b"\x08\0\x55\x11\x0A\0\0\x001.2.3.4.99".to_vec();
    item.extend(b"\x10\0\x10\0\x08\0\0\0Doe^Jane");
    let length = item.len() as u32;
    for defined in [true, false] {
        let mut sequence = b"\x08\0\x12\x21UN\0\0".to_vec();
        let whole = if defined { length + 8 } else { u32::MAX };
        sequence.extend(whole.to_le_bytes());
        sequence.extend(b"\xFE\xFF\0\xE0");
        sequence.extend(length.to_le_bytes());
        sequence.extend(&item);
        if !defined {
            sequence.extend(b"\xFE\xFF\xDD\xE0\0\0\0\0");
        }
        let patched = [&bytes[..at], &sequence, &bytes[at..]].concat();
        fs::write(&path, patched).unwrap();
        let (out, done) = run(folder.path());
        assert_eq!(done.images, 1, "{done:?}");
        let written = fs::read(&files(out.path())[0]).unwrap();
        assert!(!copies::holds(&written, "Doe") && !copies::holds(&written, "1.2.3.4.99"));
        assert!(
            copies::find(&written, b"\x08\0\x12\x21UN").is_some(),
            "it stays"
        );
        assert!(
            copies::find(&written, b"\x08\0\x55\x11").is_some(),
            "and its item"
        );
    }
}

#[test]
fn pairs_and_other_forms_of_nifti_lose_their_texts() {
    let folder = tempfile::tempdir().unwrap();
    let single = fs::read(repository("tests/data/nifti_types/int16.nii")).unwrap();
    let voxels = single[352..].to_vec();
    let mut pair = single[..348].to_vec();
    pair[344..348].copy_from_slice(b"ni1\0");
    pair[108..112].fill(0);
    pair[148..156].copy_from_slice(b"Jane Doe");
    fs::write(folder.path().join("doe.hdr"), &pair).unwrap();
    fs::write(
        folder.path().join("doe.img"),
        [&voxels[..], b"Jane Doe"].concat(),
    )
    .unwrap();
    // Analyze names the patient in its history.
    let mut analyze = pair.clone();
    analyze[344..348].fill(0);
    analyze[283..291].copy_from_slice(b"Jane Doe");
    fs::write(folder.path().join("old.hdr"), &analyze).unwrap();
    fs::write(folder.path().join("old.img"), &voxels).unwrap();
    // NIfTI-2 of one voxel in two bytes.
    let mut second = vec![0_u8; 544];
    second[..4].copy_from_slice(&540_i32.to_le_bytes());
    second[4..12].copy_from_slice(b"n+2\0\r\n\x1a\n");
    second[12..16].copy_from_slice(&[4, 0, 16, 0]);
    for (at, value) in [(16, 3_i64), (24, 1), (32, 1), (40, 1), (168, 544)] {
        second[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    for at in [240, 320, 508] {
        second[at..at + 8].copy_from_slice(b"Jane Doe");
    }
    second.extend([7, 0]);
    fs::write(folder.path().join("second.nii"), &second).unwrap();
    let (alone, done) = run(&folder.path().join("doe.img"));
    assert_eq!((done.images, files(alone.path()).len()), (1, 2), "{done:?}");
    let (out, done) = run(folder.path());
    assert_eq!((done.images, done.refused.len()), (3, 0), "{done:?}");
    let written = files(out.path());
    assert_eq!(written.len(), 5);
    for file in &written {
        let bytes = fs::read(file).unwrap();
        assert!(!copies::holds(&bytes, "Doe"), "{}", file.display());
        let expected = match file.extension().unwrap().to_str().unwrap() {
            "img" => &voxels,
            "nii" => &vec![7, 0],
            _ => continue,
        };
        assert!(bytes.ends_with(expected), "{}", file.display());
    }
    // Without a sound header both halves are named.
    fs::write(folder.path().join("old.hdr"), "no header").unwrap();
    let (_, done) = run(folder.path());
    assert_eq!((done.images, done.refused.len()), (2, 2), "{done:?}");
}
