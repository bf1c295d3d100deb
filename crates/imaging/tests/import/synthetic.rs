//! DICOM slices made for one test each.

use std::path::Path;

use dicom_core::value::PixelFragmentSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use glam::DVec3;

/// A slice to be written: a CT of 4 rows and 3 columns unless a test says otherwise.
#[derive(Clone)]
pub struct Made {
    pub series: &'static str,
    pub row: DVec3,
    pub column: DVec3,
    pub position: DVec3,
    /// Between rows, between columns.
    pub spacing: [f64; 2],
    pub rows: u16,
    pub columns: u16,
    pub pixels: Vec<u16>,
    pub signed: bool,
    pub stored: u16,
    pub extra: Vec<(Tag, VR, String)>,
    /// A transfer syntax and one compressed frame, in place of `pixels`.
    pub compressed: Option<(&'static str, Vec<u8>)>,
}

impl Default for Made {
    fn default() -> Self {
        Self {
            series: "1.2.3.4",
            row: DVec3::X,
            column: DVec3::Y,
            position: DVec3::ZERO,
            spacing: [0.5, 0.25],
            rows: 4,
            columns: 3,
            pixels: (0..12).collect(),
            signed: false,
            stored: 16,
            extra: Vec::new(),
            compressed: None,
        }
    }
}

impl Made {
    /// With one more element.
    pub fn with(mut self, tag: Tag, vr: VR, value: &str) -> Self {
        self.extra.push((tag, vr, value.to_owned()));
        self
    }

    pub fn write(&self, path: &Path) {
        let text = |tag, vr, value: &str| DataElement::new(tag, vr, PrimitiveValue::from(value));
        let number = |tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
        let join = |values: &[f64]| {
            let words: Vec<_> = values.iter().map(|v| format!("{v:.10}")).collect();
            words.join("\\")
        };
        let name = path.to_string_lossy();
        let join_bytes = |sum: u64, byte: u8| sum.wrapping_mul(31).wrapping_add(u64::from(byte));
        let instance = format!("1.2.{}", name.bytes().fold(7, join_bytes));
        let (row, column) = (self.row, self.column);
        let mut image = InMemDicomObject::from_element_iter([
            text(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL"),
            text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
            text(tags::SOP_INSTANCE_UID, VR::UI, &instance),
            text(tags::MODALITY, VR::CS, "CT"),
            text(tags::PATIENT_NAME, VR::PN, "Test^Phantom"),
            text(tags::PATIENT_ID, VR::LO, "P1"),
            text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3"),
            text(tags::SERIES_INSTANCE_UID, VR::UI, self.series),
            text(
                tags::IMAGE_POSITION_PATIENT,
                VR::DS,
                &join(&self.position.to_array()),
            ),
            text(
                tags::IMAGE_ORIENTATION_PATIENT,
                VR::DS,
                &join(&[row.x, row.y, row.z, column.x, column.y, column.z]),
            ),
            text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
            text(tags::PIXEL_SPACING, VR::DS, &join(&self.spacing)),
            number(tags::SAMPLES_PER_PIXEL, 1),
            number(tags::ROWS, self.rows),
            number(tags::COLUMNS, self.columns),
            number(tags::BITS_ALLOCATED, 16),
            number(tags::BITS_STORED, self.stored),
            number(tags::HIGH_BIT, self.stored - 1),
            number(tags::PIXEL_REPRESENTATION, u16::from(self.signed)),
        ]);
        let mut syntax = uids::EXPLICIT_VR_LITTLE_ENDIAN;
        if let Some((uid, frame)) = &self.compressed {
            syntax = uid;
            // In two fragments, as some writers do.
            let (front, back) = frame.split_at(frame.len() / 4 * 2);
            let fragments =
                PixelFragmentSequence::new_fragments(vec![front.to_vec(), back.to_vec()]);
            image.put(DataElement::new(tags::PIXEL_DATA, VR::OB, fragments));
        } else {
            let pixels = PrimitiveValue::U16(self.pixels.clone().into());
            image.put(DataElement::new(tags::PIXEL_DATA, VR::OW, pixels));
        }
        for (tag, vr, value) in &self.extra {
            image.put(text(*tag, *vr, value));
        }
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(syntax)
            .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
            .media_storage_sop_instance_uid(instance)
            .build()
            .unwrap();
        image.with_exact_meta(meta).write_to_file(path).unwrap();
    }
}

/// `count` slices one `step` apart, each made by `change` from its place, in an order that is not theirs.
pub fn write_stack(
    folder: &Path,
    name: &str,
    count: usize,
    step: DVec3,
    change: impl Fn(usize, Made) -> Made,
) {
    for k in 0..count {
        let made = Made {
            position: DVec3::new(10.0, 20.0, 30.0) + step * k as f64,
            pixels: (0..12).map(|n| 100 * k as u16 + n).collect(),
            ..Made::default()
        };
        let order = (k * 7 + 3) % count;
        change(k, made).write(&folder.join(format!("{name}{order:03}_{k}.dcm")));
    }
}
