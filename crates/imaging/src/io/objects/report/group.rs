//! The measurements of one finding (TID 1410, 1411 and 1501).

use dicom_object::InMemDicomObject;
use glam::DVec3;

use super::content::{
    Relation, code_item, coded, container, dcm, number_item, place_item, sct, text_item, uid_item,
    with,
};
use super::{MeasuredFinding, Quantity, Region};
use crate::io::objects::codes::{LEFT, RIGHT, finding_codes};
use crate::io::objects::drawn::DrawnBy;
use crate::io::objects::elements::shortened;
use crate::io::objects::original::Original;
use crate::terms::{Code, Side};
use crate::volume::Digest;
use crate::volume::contours::regions;

const fn ucum(value: &'static str, meaning: &'static str) -> Code {
    Code {
        scheme: "UCUM",
        value,
        meaning,
    }
}

impl Quantity {
    /// The concept (CID 7469, 218) and the unit.
    const fn codes(self) -> (Code, Code) {
        match self {
            Self::Volume => (sct("118565006", "Volume"), ucum("cm3", "cubic centimeter")),
            Self::Length => (sct("410668003", "Length"), ucum("mm", "mm")),
            Self::LongAxis => (sct("103339001", "Long Axis"), ucum("mm", "mm")),
            Self::ShortAxis => (sct("103340004", "Short Axis"), ucum("mm", "mm")),
            Self::Area => (sct("42798000", "Area"), ucum("mm2", "square millimeter")),
            Self::Angle => (sct("1483009", "Angle"), ucum("deg", "Degree")),
            Self::MeanHounsfield => (
                dcm("112031", "Attenuation Coefficient"),
                ucum("[hnsf'U]", "Hounsfield unit"),
            ),
        }
    }
}

/// The group of a finding. Where the images share no frame of reference it has no place.
pub(super) fn group(
    finding: &MeasuredFinding,
    images: &Original,
    longest: &mut usize,
) -> InMemDicomObject {
    let mut below = vec![
        text_item(
            Relation::HasObsContext,
            dcm("112039", "Tracking Identifier"),
            &shortened(&finding.name, 200),
        ),
        uid_item(
            Relation::HasObsContext,
            dcm("112040", "Tracking Unique Identifier"),
            &tracking_uid(&images.study_uid, finding.number),
        ),
    ];
    below.extend(algorithm(&finding.by));
    below.extend(meaning(finding));
    let mut place = |relation, concept, graphic: &str, points: &[DVec3]| {
        place_item(
            relation,
            concept,
            graphic,
            points,
            &images.frame_of_reference,
            longest,
        )
    };
    let Parts { outlines, sources } = if images.frame_of_reference.is_empty() {
        Parts::default()
    } else {
        parts(&finding.region)
    };
    // One outline is a region of a plane, several are the surface of a volume.
    let (template, concept) = match outlines.len() {
        0 => ("1501", None),
        1 => ("1410", Some(dcm("111030", "Image Region"))),
        _ => ("1411", Some(dcm("121231", "Volume Surface"))),
    };
    for (outline, concept) in outlines.iter().zip(concept.into_iter().cycle()) {
        below.push(place(Relation::Contains, concept, "POLYGON", outline));
    }
    if template == "1411" {
        let concept = dcm("121232", "Source series for segmentation");
        below.push(uid_item(Relation::Contains, concept, &images.series_uid));
    }
    for (n, (quantity, value)) in finding.values.iter().enumerate() {
        let (concept, unit) = quantity.codes();
        let mut modifiers = Vec::new();
        if *quantity == Quantity::MeanHounsfield {
            modifiers.push(code_item(
                Relation::HasConceptMod,
                dcm("121401", "Derivation"),
                coded(sct("373098007", "Mean")),
            ));
        }
        let own = sources
            .get(n)
            .filter(|_| sources.len() == finding.values.len());
        let measured = own.map_or(&sources[..], std::slice::from_ref);
        for (graphic, points) in measured {
            let purpose = dcm("121112", "Source of Measurement");
            modifiers.push(place(Relation::InferredFrom, purpose, graphic, points));
        }
        below.push(with(number_item(concept, *value, unit), modifiers));
    }
    if let Some(comment) = &finding.comment {
        let concept = dcm("121106", "Comment");
        below.push(text_item(Relation::Contains, concept, comment));
    }
    container(dcm("125007", "Measurement Group"), Some(template), below)
}

/// What a place is written as.
#[derive(Default)]
struct Parts {
    /// Closed outlines.
    outlines: Vec<Vec<DVec3>>,
    /// Or else the kinds and the points that values are measured from.
    sources: Vec<(&'static str, Vec<DVec3>)>,
}

fn parts(region: &Region) -> Parts {
    let measured = |sources| Parts {
        sources,
        ..Parts::default()
    };
    let polygons = match region {
        Region::Mask(mask) => {
            let regions = regions(mask);
            let corners = regions.iter().map(|r| r.to_mm(&r.keyhole, mask.grid()));
            corners.collect()
        }
        Region::Polygons(polygons) => polygons.clone(),
        Region::Lines(lines) => {
            let lines = lines.iter().map(|points| ("POLYLINE", points.clone()));
            return measured(lines.collect());
        }
        Region::Point(point) => return measured(vec![("POINT", vec![*point])]),
    };
    let closed = polygons.into_iter().filter(|corners| corners.len() > 2);
    let closed = closed.map(|mut corners| {
        // The last corner is the first again (C.18.9.1.2).
        corners.extend(corners.first().copied());
        corners
    });
    Parts {
        outlines: closed.collect(),
        sources: Vec::new(),
    }
}

/// What it is and where it is found, in codes.
fn meaning(finding: &MeasuredFinding) -> Vec<InMemDicomObject> {
    let Some(term) = finding.term else {
        return Vec::new();
    };
    let (kind, site) = finding_codes(term);
    let mut items = vec![code_item(
        Relation::Contains,
        dcm("121071", "Finding"),
        kind,
    )];
    if let Some(site) = site {
        let side = term.side().map(|side| {
            let side = match side {
                Side::Left => LEFT,
                Side::Right => RIGHT,
            };
            let laterality = sct("272741003", "Laterality");
            code_item(Relation::HasConceptMod, laterality, coded(side))
        });
        let place = sct("363698007", "Finding Site");
        let site = code_item(Relation::HasConceptMod, place, site);
        items.push(with(site, side.into_iter().collect()));
    }
    items
}

/// TID 4019: what drew it.
fn algorithm(by: &DrawnBy) -> Vec<InMemDicomObject> {
    let Some((name, version)) = by.program() else {
        return Vec::new();
    };
    let item =
        |concept, words: &str| text_item(Relation::HasConceptMod, concept, &shortened(words, 200));
    vec![
        item(dcm("111001", "Algorithm Name"), name),
        item(dcm("111003", "Algorithm Version"), version),
    ]
}

/// The same for the same finding of a study, whenever it is written (PS3.5 B.2).
fn tracking_uid(study_uid: &str, number: u64) -> String {
    let digest = Digest::of(format!("{study_uid}\0{number}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.bytes()[..16]);
    // A UUID of version 8: made by a rule of our own.
    bytes[6] = bytes[6] & 0x0F | 0x80;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    format!("2.25.{}", u128::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracking_is_the_same_for_the_same_finding_alone() {
        let uid = tracking_uid("1.2.3", 7);
        assert_eq!(uid, tracking_uid("1.2.3", 7));
        assert_ne!(uid, tracking_uid("1.2.3", 8));
        assert_ne!(uid, tracking_uid("1.2.4", 7));
        assert!(uid.len() <= 64);
    }
}
