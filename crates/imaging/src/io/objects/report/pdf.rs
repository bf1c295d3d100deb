//! A report as a document within a DICOM object (PS3.3 A.45.1).

use std::io;
use std::path::Path;

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

use crate::io::objects::elements::{code, sequence, shortened, text};
use crate::io::objects::file::{Syntax, save};
use crate::io::objects::original::Original;
use crate::io::{IoError, Series};

/// Writes the bytes of a PDF file as an Encapsulated PDF of the study of a series.
///
/// # Errors
/// When the series is no DICOM series or names no study, the bytes are no PDF or too many for one element, or reading the first image or
/// writing fails.
pub fn write_pdf(path: &Path, series: &Series, title: &str, pdf: &[u8]) -> Result<(), IoError> {
    let original = Original::named(series, path)?;
    let refused = |message: &str| IoError::OutputShape {
        path: path.to_owned(),
        message: message.to_owned(),
    };
    if !pdf.starts_with(b"%PDF-") {
        return Err(refused("the document is no PDF"));
    }
    let length = u32::try_from(pdf.len()).ok().filter(|n| *n < u32::MAX - 1);
    let length = length.ok_or_else(|| refused("the document is too large for one element"))?;
    let made = || -> io::Result<InMemDicomObject> {
        let class = uids::ENCAPSULATED_PDF_STORAGE;
        let mut object = original.document(class, "DOC", "Report")?;
        let mut bytes = pdf.to_vec();
        // A value has an even length; the next element tells how many bytes are the document's.
        bytes.resize(pdf.len().next_multiple_of(2), 0);
        for element in [
            text(tags::CONVERSION_TYPE, VR::CS, "SYN"),
            text(tags::ACQUISITION_DATE_TIME, VR::DT, ""),
            text(tags::BURNED_IN_ANNOTATION, VR::CS, "YES"),
            text(tags::DOCUMENT_TITLE, VR::ST, &shortened(title, 1024)),
            sequence(
                tags::CONCEPT_NAME_CODE_SEQUENCE,
                [code("LN", "18748-4", "Diagnostic Imaging Report")],
            ),
            text(tags::VERIFICATION_FLAG, VR::CS, "UNVERIFIED"),
            sequence(tags::SOURCE_INSTANCE_SEQUENCE, original.references()),
            text(
                tags::MIME_TYPE_OF_ENCAPSULATED_DOCUMENT,
                VR::LO,
                "application/pdf",
            ),
            DataElement::new(
                tags::ENCAPSULATED_DOCUMENT,
                VR::OB,
                PrimitiveValue::U8(bytes.into()),
            ),
            DataElement::new(
                tags::ENCAPSULATED_DOCUMENT_LENGTH,
                VR::UL,
                PrimitiveValue::from(length),
            ),
        ] {
            object.put(element);
        }
        Ok(object)
    };
    let object = made().map_err(|error| IoError::write(path, error))?;
    save(path, object, Syntax::Explicit)
}
