//! What structures are, in codes (PS3.16), and back.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;

use super::elements::{code, sequence};
use crate::terms::{Code, Kind, Lexicon, Side, Term};

const fn sct(value: &'static str, meaning: &'static str) -> Code {
    Code {
        scheme: "SCT",
        value,
        meaning,
    }
}

/// CID 7150.
const TISSUE: Code = sct("85756007", "Tissue");
const ANATOMY: Code = sct("123037004", "Anatomical Structure");
const ALTERED: Code = sct("49755003", "Morphologically Altered Structure");
/// CID 244.
pub(super) const LEFT: Code = sct("7771000", "Left");
pub(super) const RIGHT: Code = sct("24028007", "Right");
/// The scheme of what no public one has a code for; its values are the lexicon's names.
const OWN_SCHEME: &str = "99M3D";

/// A structure's place among the codes.
pub(super) struct Coded {
    /// CID 7150: tissue, anatomy, or what is wrong with it.
    pub category: InMemDicomObject,
    /// What it is, with the side as a modifier.
    pub kind: InMemDicomObject,
    /// Of a finding, where it lies.
    pub region: Option<InMemDicomObject>,
}

/// The codes of a term; of what has none, tissue: its name is the label then.
pub(super) fn coded(term: Option<&'static Term>) -> Coded {
    let category = match term.map(Term::kind) {
        Some(Kind::Finding) => ALTERED,
        Some(Kind::Tissue) | None => TISSUE,
        Some(_) => ANATOMY,
    };
    let with_side = |term: &'static Term, modifier: Tag| {
        let side = term.side().map(|side| match side {
            Side::Left => LEFT,
            Side::Right => RIGHT,
        });
        let mut kind = match (code_of(term), side) {
            (Some(found), _) => item(found),
            (None, _) => code(OWN_SCHEME, term.name(), term.name()),
        };
        if let Some(side) = side {
            kind.put(sequence(modifier, [item(side)]));
        }
        kind
    };
    let kind = term.map(|t| with_side(t, tags::SEGMENTED_PROPERTY_TYPE_MODIFIER_CODE_SEQUENCE));
    let organ = term.filter(|t| t.is_finding()).and_then(Term::organ);
    Coded {
        category: item(category),
        kind: kind.unwrap_or_else(|| item(TISSUE)),
        region: organ.map(|o| with_side(o, tags::ANATOMIC_REGION_MODIFIER_SEQUENCE)),
    }
}

/// A public code for a term: its own, of one side that of both, of a finding in an organ that of the finding.
fn code_of(term: &'static Term) -> Option<Code> {
    let unsided = term.unsided();
    let generic = || unsided.unwrap_or(term).generic().and_then(Term::code);
    term.code()
        .or_else(|| unsided.and_then(Term::code))
        .or_else(generic)
}

/// What a finding is and where it lies, for a report: of a lesion in the liver the lesion and the liver, of anatomy the
/// anatomy alone. The side is that of the term.
pub(super) fn finding_codes(term: &'static Term) -> (InMemDicomObject, Option<InMemDicomObject>) {
    let plain = |term: &'static Term| match code_of(term) {
        Some(found) => item(found),
        None => code(OWN_SCHEME, term.name(), term.name()),
    };
    let organ = term.organ().map(plain);
    // The side of anatomy stands where its place does.
    let site = organ.or_else(|| term.side().map(|_| plain(term)));
    (plain(term), site)
}

fn item(found: Code) -> InMemDicomObject {
    code(found.scheme, found.value, found.meaning)
}

/// The codes of a structure as elements of a segment or an observation.
pub(super) fn elements(coded: Coded, category: Tag, kind: Tag) -> Vec<InMemElement> {
    let mut elements = vec![
        sequence(category, [coded.category]),
        sequence(kind, [coded.kind]),
    ];
    elements.extend(
        coded
            .region
            .map(|r| sequence(tags::ANATOMIC_REGION_SEQUENCE, [r])),
    );
    elements
}

/// The term that a file's words mean: its label, or else the meaning of its code with the side that modifies it.
pub(super) fn term_of(label: &str, code: Option<&FoundCode>) -> Option<&'static Term> {
    let lexicon = Lexicon::built_in();
    let coded = || {
        let code = code?;
        let term = match code.scheme.as_str() {
            "SCT" | "SRT" | OWN_SCHEME => lexicon.get(&code.meaning)?,
            _ => return None,
        };
        Some(code.side.and_then(|side| term.on(side)).unwrap_or(term))
    };
    lexicon.get(label).or_else(coded)
}

/// A code as a file gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FoundCode {
    pub scheme: String,
    pub meaning: String,
    pub side: Option<Side>,
}

/// The side that a modifier's meaning names.
pub(super) fn side_of(meaning: &str) -> Option<Side> {
    match meaning.trim().to_lowercase().as_str() {
        "left" => Some(Side::Left),
        "right" => Some(Side::Right),
        _ => None,
    }
}
