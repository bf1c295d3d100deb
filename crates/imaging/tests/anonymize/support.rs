//! Walks over whole files, and files made for one question.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use dicom_core::header::Header as _;
use dicom_core::value::Value;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::mem::{InMemDicomObject, InMemElement};
use dicom_object::{FileMetaTableBuilder, OpenFileOptions};
use flate2::GzBuilder;
use m3d_imaging::io::{self, AnonymizeKey, AnonymizeOptions, Anonymized, Progress, voxels_sha256};
use tempfile::TempDir;

pub fn options() -> AnonymizeOptions {
    AnonymizeOptions {
        key: AnonymizeKey::from_secret(b"for tests"),
        keep_burned_in: false,
    }
}

/// The copies of everything under a path.
pub fn run(path: &Path) -> (TempDir, Anonymized) {
    let out = tempfile::tempdir().unwrap();
    let done = io::anonymize(path, out.path(), &options(), &Progress::silent()).unwrap();
    (out, done)
}

/// All files under a path, sorted.
pub fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let mut found: Vec<PathBuf> = fs::read_dir(path)
        .unwrap()
        .flat_map(|entry| files(&entry.unwrap().path()))
        .collect();
    found.sort();
    found
}

/// Voxels and place of every image under a path.
pub fn images(path: &Path) -> BTreeSet<String> {
    let library = io::scan(path, &Progress::silent()).unwrap();
    let open = |series| {
        let volume = io::load(series, &Progress::silent()).ok()?;
        let place = volume.grid().patient_from_voxel();
        Some(format!(
            "{} {} {place:?}",
            voxels_sha256(&volume),
            volume.grid().dims()
        ))
    };
    library.series().filter_map(open).collect()
}

/// Every value of a file as text, at every depth, pixels left out.
pub fn values(path: &Path) -> Vec<(Tag, String)> {
    let mut found = Vec::new();
    if let Ok(file) = OpenFileOptions::new()
        .read_until(tags::PIXEL_DATA)
        .open_file(path)
    {
        collect(&file, &mut found);
    }
    found
}

fn collect(object: &InMemDicomObject, found: &mut Vec<(Tag, String)>) {
    for element in object {
        match element.value() {
            Value::Sequence(items) => items.items().iter().for_each(|item| collect(item, found)),
            // A number may be anybody's.
            Value::Primitive(_) if [VR::IS, VR::DS].contains(&element.vr()) => {}
            Value::Primitive(_) => {
                let text = element
                    .to_str()
                    .map(|text| text.trim_end_matches([' ', '\0']).to_owned());
                found.push((element.tag(), text.unwrap_or_default()));
            }
            Value::PixelSequence(_) => {}
        }
    }
}

/// What identifies in a file: names, numbers, dates, places, and the UIDs of instances.
fn identifying(path: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let file = OpenFileOptions::new()
        .read_until(tags::PIXEL_DATA)
        .open_file(path);
    if let Ok(file) = file {
        gather(&file, &mut found);
    }
    found
}

fn gather(object: &InMemDicomObject, found: &mut BTreeSet<String>) {
    let places = [
        tags::PATIENT_ID,
        tags::ACCESSION_NUMBER,
        tags::INSTITUTION_NAME,
        tags::INSTITUTION_ADDRESS,
        tags::STATION_NAME,
        tags::DEVICE_SERIAL_NUMBER,
        tags::PATIENT_COMMENTS,
        tags::IMAGE_COMMENTS,
    ];
    // Schemes and classes are nobody's.
    let general = [
        tags::CODING_SCHEME_UID,
        tags::SOP_CLASS_UID,
        tags::REFERENCED_SOP_CLASS_UID,
        tags::CONTEXT_UID,
        tags::MAPPING_RESOURCE_UID,
    ];
    for element in object {
        if let Value::Sequence(items) = element.value() {
            items.items().iter().for_each(|item| gather(item, found));
            continue;
        }
        let (tag, vr) = (element.tag(), element.vr());
        let is_instance = vr == VR::UI && !general.contains(&tag);
        let names = vr == VR::PN || vr == VR::DA || vr == VR::DT || places.contains(&tag);
        if !(is_instance || names) {
            continue;
        }
        let text = element.to_str().unwrap_or_default().into_owned();
        for part in text.split(['\\', '=']) {
            let part = part.trim_matches([' ', '\0', '^']);
            // Dummies and the standard's own UIDs say nothing; shorter words stand anywhere.
            if part.len() >= 6
                && !part.starts_with("1.2.840.10008.")
                && !["ANONYMIZED", "REMOVED"].contains(&part)
            {
                found.insert(part.to_owned());
            }
        }
    }
}

/// Looks for every identifying value of each file under `path` in every value and name of its copy: the
/// number in a copy's name is the place of its original among the sorted files.
pub fn assert_nothing_identifies(path: &Path, out: &Path) {
    let mut originals = files(path);
    originals.sort();
    for file in files(out) {
        let name = file
            .strip_prefix(out)
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let number = name.rsplit('_').next().unwrap().split('.').next().unwrap();
        let words = identifying(&originals[number.parse::<usize>().unwrap() - 1]);
        let copied = values(&file);
        assert!(words.is_empty() || copied.len() > 10, "{name} is read");
        for (tag, text) in copied {
            // A maker of software can be the institution that contributed, too.
            for word in words.iter().filter(|_| tag != tags::MANUFACTURER) {
                assert!(
                    !text.contains(word.as_str()),
                    "{name}: {tag} {text} holds {word}"
                );
            }
        }
        assert!(
            words.iter().all(|word| !name.contains(word.as_str())),
            "{name}"
        );
    }
}

/// Whether bytes hold a word.
pub fn holds(bytes: &[u8], word: &str) -> bool {
    bytes
        .windows(word.len())
        .any(|part| part == word.as_bytes())
}

pub fn gzip(path: &Path, bytes: &[u8], name: &str) {
    let file = fs::File::create(path).unwrap();
    let mut out = GzBuilder::new()
        .filename(name)
        .write(file, flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap();
}

pub fn unpacked(bytes: &[u8]) -> Vec<u8> {
    if !bytes.starts_with(&[0x1F, 0x8B]) {
        return bytes.to_vec();
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes)
        .read_to_end(&mut plain)
        .unwrap();
    plain
}

pub fn element(tag: Tag, vr: VR, text: &str) -> InMemElement {
    DataElement::new(tag, vr, PrimitiveValue::from(text))
}

pub fn put(object: &mut InMemDicomObject, tag: Tag, vr: VR, text: &str) {
    object.put(element(tag, vr, text));
}

pub fn put_items(object: &mut InMemDicomObject, tag: Tag, items: Vec<InMemDicomObject>) {
    object.put(DataElement::new(
        tag,
        VR::SQ,
        dicom_core::value::DataSetSequence::from(items),
    ));
}

pub fn item(fill: impl FnOnce(&mut InMemDicomObject)) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    fill(&mut item);
    item
}

/// Where bytes stand in others.
pub fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|found| found == part)
}

/// A CT slice of 8 x 8 pixels, with what `fill` puts in.
pub fn made(folder: &Path, name: &str, fill: impl FnOnce(&mut InMemDicomObject)) -> PathBuf {
    made_in(folder, name, uids::EXPLICIT_VR_LITTLE_ENDIAN, fill)
}

/// As [`made`], in a transfer syntax.
pub fn made_in(
    folder: &Path,
    name: &str,
    syntax: &str,
    fill: impl FnOnce(&mut InMemDicomObject),
) -> PathBuf {
    let mut object = InMemDicomObject::new_empty();
    for (tag, vr, text) in [
        (tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        (tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4.5.6"),
        (tags::MODALITY, VR::CS, "CT"),
        (tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3.4.1"),
        (tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.4.2"),
        (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
    ] {
        put(&mut object, tag, vr, text);
    }
    for (tag, number) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, 8),
        (tags::COLUMNS, 8),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 16),
        (tags::HIGH_BIT, 15),
        (tags::PIXEL_REPRESENTATION, 0_u16),
    ] {
        object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(number)));
    }
    let pixels: Vec<u16> = (0..64).collect();
    object.put(DataElement::new(
        tags::PIXEL_DATA,
        VR::OW,
        PrimitiveValue::U16(pixels.into()),
    ));
    fill(&mut object);
    let path = folder.join(name);
    object
        .with_meta(FileMetaTableBuilder::new().transfer_syntax(syntax))
        .unwrap()
        .write_to_file(&path)
        .unwrap();
    path
}
