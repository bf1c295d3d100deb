//! Which of the images found is the one that files were opened for.

use super::{Library, Role, Series, Study};
use crate::volume::Modality;

/// Words in the names of files that hold masks and labels.
const MASK_WORDS: [&str; 8] = [
    "seg",
    "segmentation",
    "mask",
    "masks",
    "label",
    "labels",
    "labelmap",
    "roi",
];

/// The largest CT, MR or PET of the newest study; without one the largest other volume, and last whatever there is. Masks,
/// label maps and localizers come after everything else. Of equals the first.
pub(super) fn first(library: &Library) -> Option<&Series> {
    best(library.patients.iter().flat_map(|patient| &patient.studies))
}

/// As [`first`], among some studies.
pub(super) fn best<'a>(studies: impl Iterator<Item = &'a Study>) -> Option<&'a Series> {
    let mut best: Option<(Rank, &Series)> = None;
    for study in studies {
        for series in &study.series {
            let rank = Rank::of(study, series);
            if best.as_ref().is_none_or(|(other, _)| rank > *other) {
                best = Some((rank, series));
            }
        }
    }
    best.map(|(_, series)| series)
}

/// The later in this order, the more likely.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rank<'a> {
    kind: Kind,
    date: &'a str,
    voxels: usize,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Labels,
    Localizer,
    Picture,
    OtherVolume,
    Volume,
}

impl<'a> Rank<'a> {
    fn of(study: &'a Study, series: &Series) -> Self {
        let is_body = matches!(series.modality, Modality::Ct | Modality::Mr | Modality::Pet);
        let kind = match series.role {
            _ if series.stated.label_map || is_named_mask(series) => Kind::Labels,
            Role::Localizer => Kind::Localizer,
            Role::Picture => Kind::Picture,
            Role::Volume if is_body => Kind::Volume,
            Role::Volume => Kind::OtherVolume,
        };
        Self {
            kind,
            date: &study.date,
            voxels: series.grid.len(),
        }
    }
}

/// Whether a file that says nothing of its modality is named as a mask.
fn is_named_mask(series: &Series) -> bool {
    series.modality == Modality::Other
        && series
            .description
            .split(|c: char| !c.is_alphanumeric())
            .any(|word| MASK_WORDS.contains(&word.to_lowercase().as_str()))
}
