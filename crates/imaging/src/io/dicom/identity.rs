//! Which frames are of one series of one patient.
//!
//! Files of one export do not all name their patient alike. An empty identity agrees with the one that the rest of the
//! series has; two different ones never do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::facts::Facts;
use super::frame::Frame;
use crate::io::error::Refusal;
use crate::io::{Refused, Warning};

/// The frames of one series of one patient.
pub(super) struct SeriesFrames {
    pub facts: Arc<Facts>,
    pub frames: Vec<Frame>,
    pub warnings: Vec<Warning>,
}

/// Files frames under their series; those that could be of either of two patients are refused.
pub(super) fn by_series(frames: Vec<Frame>, refused: &mut Vec<Refused>) -> Vec<SeriesFrames> {
    type Key = (String, String, Option<PathBuf>);
    let mut series: BTreeMap<Key, Vec<Frame>> = BTreeMap::new();
    for frame in frames {
        let facts = frame.facts();
        // Without a series UID the folder is all there is to go by.
        let folder = frame
            .path()
            .parent()
            .filter(|_| facts.series_uid.is_empty());
        let key = (
            facts.study_uid.clone(),
            facts.series_uid.clone(),
            folder.map(ToOwned::to_owned),
        );
        series.entry(key).or_default().push(frame);
    }
    let mut found: Vec<SeriesFrames> = series
        .into_values()
        .flat_map(|frames| by_patient(frames, refused))
        .collect();
    fill_from_study(&mut found);
    found
}

/// Who a frame is of: ID with issuer, and name, as they are compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    id: String,
    issuer: String,
    name: String,
}

impl Identity {
    fn of(facts: &Facts) -> Self {
        Self {
            id: compared(&facts.patient_id),
            issuer: compared(&facts.patient_issuer),
            name: compared(&facts.patient_name),
        }
    }

    const fn fields(&self) -> [&String; 3] {
        [&self.id, &self.issuer, &self.name]
    }

    const fn fields_mut(&mut self) -> [&mut String; 3] {
        [&mut self.id, &mut self.issuer, &mut self.name]
    }

    /// Whether no field says something else.
    fn agrees(&self, other: &Self) -> bool {
        let pairs = self.fields().into_iter().zip(other.fields());
        pairs
            .into_iter()
            .all(|(a, b)| a.is_empty() || b.is_empty() || a == b)
    }
}

/// An identity without what does not tell patients apart.
pub(super) fn compared(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_uppercase()
}

fn by_patient(frames: Vec<Frame>, refused: &mut Vec<Refused>) -> Vec<SeriesFrames> {
    let mut known: Vec<Identity> = Vec::new();
    for frame in &frames {
        let identity = Identity::of(frame.facts());
        if !known.contains(&identity) {
            known.push(identity);
        }
    }
    // The fullest first: the others are looked for among them.
    known.sort_by_key(|i| i.fields().iter().filter(|field| field.is_empty()).count());
    let mut patients: Vec<Identity> = Vec::new();
    for identity in &known {
        let agreeing: Vec<usize> = (0..patients.len())
            .filter(|&n| patients.get(n).is_some_and(|p| p.agrees(identity)))
            .collect();
        match agreeing.as_slice() {
            [] => patients.push(identity.clone()),
            [one] => {
                if let Some(patient) = patients.get_mut(*one) {
                    for (field, value) in patient.fields_mut().into_iter().zip(identity.fields()) {
                        if field.is_empty() {
                            field.clone_from(value);
                        }
                    }
                }
            }
            _ => {}
        }
    }
    let mut found: Vec<Vec<Frame>> = patients.iter().map(|_| Vec::new()).collect();
    for frame in frames {
        let identity = Identity::of(frame.facts());
        let mut agreeing = found
            .iter_mut()
            .zip(&patients)
            .filter(|(_, patient)| patient.agrees(&identity))
            .map(|(frames, _)| frames);
        match (agreeing.next(), agreeing.next()) {
            (Some(frames), None) => frames.push(frame),
            _ => refused.push(Refused::of_frame(&frame, unclear())),
        }
    }
    found
        .into_iter()
        .filter(|frames| !frames.is_empty())
        .map(named)
        .collect()
}

fn unclear() -> Refusal {
    let message = "it does not say whose it is (Patient ID or name), and its series holds images of more than one \
                   patient; export the series again";
    Refusal::new("patient_unclear", message)
}

/// Frames of one patient, under the fullest of their identities.
fn named(frames: Vec<Frame>) -> SeriesFrames {
    let mut facts = frames
        .first()
        .map(|f| f.facts().clone())
        .unwrap_or_default();
    let mut missing = Vec::new();
    for (what, get) in IDENTITIES {
        let values = || frames.iter().map(|f| get(f.facts()));
        let empty = values().filter(|value| value.is_empty()).count();
        if let Some(value) = values().find(|value| !value.is_empty()) {
            get_mut(&mut facts, what).clone_from(value);
            if empty > 0 {
                missing.push(format!("{empty} of {} lack the {what}", frames.len()));
            }
        }
    }
    let warnings = if missing.is_empty() {
        Vec::new()
    } else {
        let message = format!(
            "{}; they are taken for the patient of the rest of their series",
            missing.join(", ")
        );
        vec![Warning::new("identity_missing", message)]
    };
    SeriesFrames {
        facts: Arc::new(facts),
        frames,
        warnings,
    }
}

type Get = fn(&Facts) -> &String;
const IDENTITIES: [(&str, Get); 3] = [
    ("patient ID", |facts| &facts.patient_id),
    ("issuer of the patient ID", |facts| &facts.patient_issuer),
    ("patient name", |facts| &facts.patient_name),
];

fn get_mut<'a>(facts: &'a mut Facts, what: &str) -> &'a mut String {
    match what {
        "patient ID" => &mut facts.patient_id,
        "patient name" => &mut facts.patient_name,
        _ => &mut facts.patient_issuer,
    }
}

/// A series without an identity takes that of its study, where all others of the study share one and what it says of
/// itself agrees with them.
fn fill_from_study(found: &mut [SeriesFrames]) {
    for (what, get) in IDENTITIES {
        let mut of_study: BTreeMap<String, Vec<Identity>> = BTreeMap::new();
        for series in found.iter().filter(|s| !s.facts.study_uid.is_empty()) {
            let identities = of_study.entry(series.facts.study_uid.clone()).or_default();
            identities.push(Identity::of(&series.facts));
        }
        let names: BTreeMap<String, String> = found
            .iter()
            .filter(|s| !get(&s.facts).is_empty())
            .map(|s| (s.facts.study_uid.clone(), get(&s.facts).clone()))
            .collect();
        for series in found.iter_mut().filter(|s| get(&s.facts).is_empty()) {
            let own = Identity::of(&series.facts);
            let others = of_study.get(&series.facts.study_uid);
            let agree = others.is_some_and(|others| {
                others.iter().all(|other| {
                    own.agrees(other) && others.iter().all(|third| other.agrees(third))
                })
            });
            let Some(name) = names.get(&series.facts.study_uid).filter(|_| agree) else {
                continue;
            };
            get_mut(Arc::make_mut(&mut series.facts), what).clone_from(name);
            let message =
                format!("its files lack the {what}; it is taken from the rest of the study");
            series
                .warnings
                .push(Warning::new("identity_missing", message));
        }
    }
}
