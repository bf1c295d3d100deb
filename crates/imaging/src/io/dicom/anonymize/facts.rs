//! What must be known of an object before it is written.

use std::collections::BTreeMap;
use std::path::Path;

use dicom_dictionary_std::tags;
use dicom_object::Tag;

use super::identities::{IDENTITIES, Identities};
use crate::io::dicom::charset::{CharacterSet, TextKind};
use crate::io::dicom::elements::malformed;
use crate::io::dicom::open::{Opened, plain};
use crate::io::error::Refusal;

/// The longest value that is looked at.
pub(super) const LONGEST_VALUE: u32 = 1 << 16;

/// The elements at the top of the data set that are looked at, beside those that identify.
const WANTED: [Tag; 14] = [
    tags::SPECIFIC_CHARACTER_SET,
    tags::IMAGE_TYPE,
    tags::SOP_CLASS_UID,
    tags::SOP_INSTANCE_UID,
    tags::MODALITY,
    tags::STUDY_DESCRIPTION,
    tags::SERIES_DESCRIPTION,
    tags::BODY_PART_EXAMINED,
    tags::PROTOCOL_NAME,
    tags::STUDY_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
    tags::BURNED_IN_ANNOTATION,
    tags::RECOGNIZABLE_VISUAL_FEATURES,
    tags::IMAGE_COMMENTS,
];

/// What an object says of itself, and of whom it shows.
#[derive(Clone, Debug)]
pub(in crate::io) struct Facts {
    /// The offset of the File Meta group, if there is one.
    pub(super) meta: Option<u64>,
    pub(super) values: BTreeMap<Tag, String>,
    /// SOP Class UID (0008,0016), or that of the File Meta group.
    pub(super) class: String,
    /// SOP Instance UID (0008,0018), or that of the File Meta group.
    pub(super) instance: String,
    pub(super) charset: CharacterSet,
    /// Words by which somebody could be known.
    pub(in crate::io) identities: Identities,
}

impl Facts {
    /// Reads the top of the data set, up to the pixels.
    ///
    /// # Errors
    /// When the file is damaged, or no image or set of contours.
    pub(in crate::io) fn read(path: &Path, meta: Option<u64>) -> Result<Self, Refusal> {
        let mut opened = open_whole(path, meta)?;
        let (mut raw, mut is_image) = (BTreeMap::new(), false);
        while let Some(element) = opened.walker.next(opened.encoding)? {
            let tag = element.tag;
            match tag {
                tags::PIXEL_DATA | tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA => {
                    is_image = true;
                    break;
                }
                tags::ROI_CONTOUR_SEQUENCE => is_image = true,
                tags::CONTENT_SEQUENCE | tags::ENCAPSULATED_DOCUMENT => {
                    return Err(no_image(
                        "a report or a document, whose text cannot be cleaned",
                    ));
                }
                tags::DIRECTORY_RECORD_SEQUENCE => {
                    return Err(no_image(
                        "a directory of files, which the copy does not need",
                    ));
                }
                _ => {}
            }
            let wanted = WANTED.contains(&tag) || IDENTITIES.contains(&tag);
            match element.length.filter(|&n| wanted && n <= LONGEST_VALUE) {
                Some(length) => {
                    raw.insert(tag, opened.walker.value(length)?);
                }
                None => opened.walker.skip_value(&element, opened.encoding)?,
            }
        }
        if !is_image {
            return Err(no_image("neither an image nor contours"));
        }
        let declared = raw.get(&tags::SPECIFIC_CHARACTER_SET);
        let charset = CharacterSet::from_values(declared.map_or(&[], Vec::as_slice));
        let decode = |(tag, bytes): (Tag, Vec<u8>)| {
            let kind = if tag == tags::PATIENT_NAME {
                TextKind::Name
            } else {
                TextKind::Values
            };
            (tag, charset.decode(&bytes, kind).trim().to_owned())
        };
        let values: BTreeMap<Tag, String> = raw.into_iter().map(decode).collect();
        let or_meta = |tag, meta: String| {
            values
                .get(&tag)
                .cloned()
                .filter(|v| !v.is_empty())
                .unwrap_or(meta)
        };
        Ok(Self {
            meta,
            class: or_meta(tags::SOP_CLASS_UID, opened.meta.class),
            instance: or_meta(tags::SOP_INSTANCE_UID, opened.meta.instance),
            identities: Identities::of(&values),
            charset,
            values,
        })
    }

    /// A text at the top of the data set; empty where it is absent.
    pub(super) fn text(&self, tag: Tag) -> &str {
        self.values.get(&tag).map_or("", String::as_str)
    }

    /// Study Instance UID (0020,000D).
    pub(in crate::io) fn study(&self) -> &str {
        self.text(tags::STUDY_INSTANCE_UID)
    }

    /// Series Instance UID (0020,000E).
    pub(in crate::io) fn series(&self) -> &str {
        self.text(tags::SERIES_INSTANCE_UID)
    }
}

/// Opens an object of which nothing is lost: of one that is cut no copy is made.
pub(super) fn open_whole(path: &Path, meta: Option<u64>) -> Result<Opened, Refusal> {
    let opened = Opened::open(path, meta)?;
    if opened.is_damaged {
        return Err(malformed("its deflated data set"));
    }
    Ok(opened)
}

fn no_image(what: &str) -> Refusal {
    Refusal::new(
        "not_an_image",
        format!("{what}; it is not copied: leave it out, or clean it by hand"),
    )
}

/// A value of ASCII characters, several of them apart.
pub(super) fn parts(bytes: &[u8]) -> impl Iterator<Item = String> {
    bytes.split(|b| *b == b'\\').map(plain)
}
