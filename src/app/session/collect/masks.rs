//! Which masks may be used, and where each is from.

use std::collections::BTreeMap;
use std::sync::Arc;

use m3d_assistant::hub;
use m3d_imaging::terms::Lexicon;
use m3d_imaging::volume::Mask;
use m3d_model::BuiltIn;
use serde::Serialize;

use super::{CollectOptions, LeftOut, Session};
use crate::app::workspace::{Finding, ImageRecord, Origin, Status};

/// The licence of the built-in models.
const OUR_LICENCE: &str = "MIT OR Apache-2.0";

/// A mask that was collected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Source {
    pub(super) name: String,
    voxels: usize,
    drawn_by: &'static str,
    status: &'static str,
    corrected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    licence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

/// The licence of a model's weights, where this program knows it.
pub fn licence_of(model: &str) -> Option<&'static str> {
    match BuiltIn::named(model) {
        Some(_) => Some(OUR_LICENCE),
        None => hub::published(model).map(|published| published.licence),
    }
}

/// Whether a licence keeps from commercial use; one that is not known may.
fn may_forbid(licence: Option<&str>) -> bool {
    licence.is_none_or(|text| {
        let text = text.to_lowercase();
        [
            "non-commercial",
            "noncommercial",
            "non commercial",
            "-nc",
            "research use",
            "research only",
        ]
        .iter()
        .any(|words| text.contains(words))
    })
}

/// An image with the masks of it that are collected.
pub(super) struct Case {
    pub(super) record: ImageRecord,
    pub(super) time: u32,
    pub(super) masks: Vec<(Arc<Mask>, Source)>,
}

/// The masks of a session that may be used, by image and time point.
pub(super) fn add_cases(
    session: &Session,
    options: &CollectOptions,
    cases: &mut Vec<Case>,
    left_out: &mut Vec<LeftOut>,
) {
    for record in &session.images {
        let mut times: BTreeMap<u32, Vec<(Arc<Mask>, Source)>> = BTreeMap::new();
        let ours = session
            .findings
            .iter()
            .filter(|f| f.image == record.identity.key);
        for finding in ours {
            let Some(mask) = finding.mask().filter(|mask| mask.count() > 0) else {
                continue;
            };
            let source = source_of(finding, session);
            let reason = if *mask.grid() != record.grid {
                Some("it lies on another grid than its image")
            } else if finding.status() == Status::Rejected {
                Some("the reader rejected it")
            } else if !(source.corrected
                || finding.status() == Status::Accepted
                || options.untouched)
            {
                Some("no reader has changed or accepted it; --untouched takes it")
            } else if source.drawn_by == "model"
                && !options.any_licence
                && may_forbid(source.licence.as_deref())
            {
                Some(
                    "its model's licence forbids commercial use or is not known; --any-licence takes it",
                )
            } else {
                None
            };
            match reason {
                Some(reason) => left_out.push(LeftOut {
                    case: record
                        .identity
                        .digest
                        .to_string()
                        .chars()
                        .take(12)
                        .collect(),
                    name: source.name,
                    reason: reason.into(),
                }),
                None => times
                    .entry(finding.time)
                    .or_default()
                    .push((Arc::clone(mask), source)),
            }
        }
        cases.extend(times.into_iter().map(|(time, masks)| Case {
            record: record.clone(),
            time,
            masks,
        }));
    }
}

fn source_of(finding: &Finding, session: &Session) -> Source {
    let name = finding.name.trim();
    let known = Lexicon::built_in().get(name);
    let name = known.map_or_else(|| name.to_lowercase(), |term| term.name().to_owned());
    let mut source = Source {
        name: if name.is_empty() { "mask".into() } else { name },
        voxels: finding.mask().map_or(0, |mask| mask.count()),
        drawn_by: "reader",
        status: finding.status().name(),
        corrected: finding.corrected,
        model: None,
        model_fingerprint: None,
        licence: None,
        file: None,
    };
    match &finding.source {
        Origin::Reader => {}
        Origin::File { name, .. } => (source.drawn_by, source.file) = ("file", Some(name.clone())),
        Origin::Model(card) => {
            source.drawn_by = "model";
            let card = session.cards.iter().find(|known| known.id == *card);
            if let Some(made_from) = card.and_then(|card| card.made_from.as_ref()) {
                let model = &made_from.model_name;
                let licence = made_from
                    .model_licence
                    .as_deref()
                    .or_else(|| licence_of(model));
                source.licence = licence.map(str::to_owned);
                source.model = Some(model.clone());
                source.model_fingerprint = Some(made_from.model_fingerprint.clone());
            }
        }
    }
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_that_forbid_commercial_use_are_known() {
        for free in ["MIT", "Apache-2.0", "CC-BY-4.0", OUR_LICENCE] {
            assert!(!may_forbid(Some(free)), "{free}");
        }
        for bound in [
            "CC-BY-NC-4.0",
            "non-commercial use only",
            "For research use only",
        ] {
            assert!(may_forbid(Some(bound)), "{bound}");
        }
        assert!(may_forbid(None));
        assert_eq!(licence_of("small"), Some(OUR_LICENCE));
        assert!(
            hub::PUBLISHED
                .iter()
                .all(|model| licence_of(model.short) == Some(model.licence))
        );
        assert_eq!(licence_of("somebody's own"), None);
    }
}
