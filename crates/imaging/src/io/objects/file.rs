//! DICOM objects to files.

use std::io;
use std::path::Path;

use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

use crate::io::{IoError, whole_file};

/// How an object's elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// Explicit VR Little Endian.
    Explicit,
    /// Implicit VR Little Endian: for texts of more than 65534 bytes.
    Implicit,
}

/// Writes an object as a whole file.
///
/// # Errors
/// When writing fails.
pub(super) fn save(path: &Path, object: InMemDicomObject, syntax: Syntax) -> Result<(), IoError> {
    let word = |tag| {
        let value = object.get(tag).and_then(|e| e.to_str().ok());
        value.map_or_else(String::new, std::borrow::Cow::into_owned)
    };
    let syntax = match syntax {
        Syntax::Explicit => uids::EXPLICIT_VR_LITTLE_ENDIAN,
        Syntax::Implicit => uids::IMPLICIT_VR_LITTLE_ENDIAN,
    };
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(syntax)
        .media_storage_sop_class_uid(word(tags::SOP_CLASS_UID))
        .media_storage_sop_instance_uid(word(tags::SOP_INSTANCE_UID))
        .build()
        .map_err(|error| IoError::write(path, io::Error::other(error)))?;
    let object = object.with_exact_meta(meta);
    whole_file::write(path, |out| object.write_all(out).map_err(io::Error::other))
}
