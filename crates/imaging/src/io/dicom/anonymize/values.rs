//! What the type of a value says, and values that mean nothing.

use dicom_core::VR;
use dicom_object::Tag;

use crate::io::dicom::dataset::known;
use crate::io::dicom::elements::Element;
pub(super) use crate::io::dicom::elements::inside;

/// The value type in the file, or in the dictionary where the file says none.
pub(super) fn vr(element: &Element) -> Option<VR> {
    match element.vr {
        Some(vr) if &vr != b"UN" => VR::from_binary(vr),
        _ => known(element.tag),
    }
}

pub(super) fn is_known_sequence(tag: Tag) -> bool {
    known(tag) == Some(VR::SQ)
}

pub(super) fn is_text(vr: Option<VR>) -> bool {
    let texts = [
        VR::LO,
        VR::SH,
        VR::ST,
        VR::LT,
        VR::UT,
        VR::UC,
        VR::UR,
        VR::AE,
    ];
    vr.is_some_and(|vr| texts.contains(&vr))
}

/// A value that means nothing.
pub(super) fn dummy(vr: Option<VR>) -> Vec<u8> {
    match vr {
        Some(VR::DA) => b"19000101".to_vec(),
        Some(VR::TM) => b"000000".to_vec(),
        Some(VR::DT) => b"19000101000000".to_vec(),
        Some(VR::AS) => b"000Y".to_vec(),
        Some(VR::DS | VR::IS) => b"0 ".to_vec(),
        Some(VR::US | VR::SS | VR::OB | VR::OW | VR::UN) | None => vec![0; 2],
        Some(VR::UL | VR::SL | VR::FL | VR::OF | VR::OL | VR::AT) => vec![0; 4],
        Some(VR::FD | VR::OD | VR::OV | VR::UV | VR::SV) => vec![0; 8],
        Some(VR::UI) => b"2.25.0".to_vec(),
        Some(_) => b"ANONYMIZED".to_vec(),
    }
}
