//! Content items of a structured report (PS3.3 C.17.3).

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use glam::DVec3;

use crate::io::objects::elements::{code, decimals, sequence, text};
use crate::terms::Code;

/// How an item belongs to the one above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Contains,
    HasObsContext,
    HasConceptMod,
    InferredFrom,
}

impl Relation {
    const fn word(self) -> &'static str {
        match self {
            Self::Contains => "CONTAINS",
            Self::HasObsContext => "HAS OBS CONTEXT",
            Self::HasConceptMod => "HAS CONCEPT MOD",
            Self::InferredFrom => "INFERRED FROM",
        }
    }
}

/// A concept of DICOM's own (PS3.16 Annex D).
pub(super) const fn dcm(value: &'static str, meaning: &'static str) -> Code {
    Code {
        scheme: "DCM",
        value,
        meaning,
    }
}

/// A concept of SNOMED CT, as PS3.16 prints it.
pub(super) const fn sct(value: &'static str, meaning: &'static str) -> Code {
    Code {
        scheme: "SCT",
        value,
        meaning,
    }
}

/// A code as an item of a sequence.
pub(super) fn coded(found: Code) -> InMemDicomObject {
    code(found.scheme, found.value, found.meaning)
}

fn new(relation: Relation, kind: &str, concept: Option<Code>) -> InMemDicomObject {
    let mut item = InMemDicomObject::from_element_iter([
        text(tags::RELATIONSHIP_TYPE, VR::CS, relation.word()),
        text(tags::VALUE_TYPE, VR::CS, kind),
    ]);
    if let Some(concept) = concept {
        item.put(sequence(tags::CONCEPT_NAME_CODE_SEQUENCE, [coded(concept)]));
    }
    item
}

/// The same item with others below it.
pub(super) fn with(mut item: InMemDicomObject, below: Vec<InMemDicomObject>) -> InMemDicomObject {
    if !below.is_empty() {
        item.put(sequence(tags::CONTENT_SEQUENCE, below));
    }
    item
}

/// A heading over others, by the template that it follows, if it is one.
pub(super) fn container(
    concept: Code,
    template: Option<&str>,
    below: Vec<InMemDicomObject>,
) -> InMemDicomObject {
    let mut item = new(Relation::Contains, "CONTAINER", Some(concept));
    for element in heading(template) {
        item.put(element);
    }
    with(item, below)
}

/// What a heading has beside its concept.
pub(super) fn heading(template: Option<&str>) -> Vec<dicom_object::mem::InMemElement> {
    let mut elements = vec![text(tags::CONTINUITY_OF_CONTENT, VR::CS, "SEPARATE")];
    elements.extend(template.map(|number| {
        let template = InMemDicomObject::from_element_iter([
            text(tags::MAPPING_RESOURCE, VR::CS, "DCMR"),
            text(tags::TEMPLATE_IDENTIFIER, VR::CS, number),
        ]);
        sequence(tags::CONTENT_TEMPLATE_SEQUENCE, [template])
    }));
    elements
}

/// A coded value.
pub(super) fn code_item(
    relation: Relation,
    concept: Code,
    value: InMemDicomObject,
) -> InMemDicomObject {
    let mut item = new(relation, "CODE", Some(concept));
    item.put(sequence(tags::CONCEPT_CODE_SEQUENCE, [value]));
    item
}

/// A text of any length; lines are kept.
pub(super) fn text_item(relation: Relation, concept: Code, words: &str) -> InMemDicomObject {
    let mut item = new(relation, "TEXT", Some(concept));
    let kept = |c: &char| !c.is_control() || *c == '\n';
    let words: String = words.chars().filter(kept).collect();
    let words = words.replace('\n', "\r\n");
    item.put(text(tags::TEXT_VALUE, VR::UT, &words));
    item
}

/// A UID.
pub(super) fn uid_item(relation: Relation, concept: Code, uid: &str) -> InMemDicomObject {
    let mut item = new(relation, "UIDREF", Some(concept));
    item.put(text(tags::UID, VR::UI, uid));
    item
}

/// A number with its unit.
pub(super) fn number_item(concept: Code, value: f64, unit: Code) -> InMemDicomObject {
    let mut item = new(Relation::Contains, "NUM", Some(concept));
    let measured = InMemDicomObject::from_element_iter([
        sequence(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, [coded(unit)]),
        DataElement::new(
            tags::FLOATING_POINT_VALUE,
            VR::FD,
            PrimitiveValue::from(value),
        ),
        decimals(tags::NUMERIC_VALUE, [value]),
    ]);
    item.put(sequence(tags::MEASURED_VALUE_SEQUENCE, [measured]));
    item
}

/// An image.
pub(super) fn image_item(reference: InMemDicomObject) -> InMemDicomObject {
    let mut item = new(Relation::Contains, "IMAGE", None);
    item.put(sequence(tags::REFERENCED_SOP_SEQUENCE, [reference]));
    item
}

/// A place in the patient (C.18.9); `longest` grows to the bytes of the longest one.
pub(super) fn place_item(
    relation: Relation,
    concept: Code,
    graphic: &str,
    points_mm: &[DVec3],
    frame_of_reference: &str,
    longest: &mut usize,
) -> InMemDicomObject {
    let mut item = new(relation, "SCOORD3D", Some(concept));
    let numbers: Vec<f32> = points_mm
        .iter()
        .flat_map(|p| p.as_vec3().to_array())
        .collect();
    *longest = (numbers.len() * size_of::<f32>()).max(*longest);
    for element in [
        floats(tags::GRAPHIC_DATA, numbers),
        text(tags::GRAPHIC_TYPE, VR::CS, graphic),
        text(
            tags::REFERENCED_FRAME_OF_REFERENCE_UID,
            VR::UI,
            frame_of_reference,
        ),
    ] {
        item.put(element);
    }
    item
}

fn floats(tag: Tag, numbers: Vec<f32>) -> dicom_object::mem::InMemElement {
    DataElement::new(tag, VR::FL, PrimitiveValue::F32(numbers.into()))
}
