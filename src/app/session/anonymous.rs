//! A session without the patient's identity.
//!
//! UIDs become digests of themselves with a random salt, so that whoever has the same images can tell (the
//! salt goes along) and nobody else can; the digest of an image's content stays. Names, dates and
//! descriptions are left out, and in the reader's words the patient's name, number and dates are blotted
//! out wherever they stand.

use std::collections::BTreeMap;

use m3d_imaging::volume::{Digest, ImageIdentity, ImageKey};

use super::content::{SavedShape, Session};
use crate::app::workspace::{Card, CardState, Finding, Frame, ImageRecord, Origin, Report};

/// What stands where a patient was named.
const NOBODY: &str = "anonymous";
const BLOT: &str = "…";

/// What an image is called where the patient's identity is left out.
pub(super) fn key(image: &ImageIdentity, salt: Digest) -> ImageKey {
    match &image.key {
        // The name of slices without a series is made from the patient; the content tells as much.
        ImageKey::File { .. } => ImageKey::File {
            sha256: Digest::of(&[*salt.bytes(), *image.digest.bytes()].concat()),
        },
        ImageKey::Dicom {
            patient,
            study_uid,
            series_uid,
            part,
        } => ImageKey::Dicom {
            patient: NOBODY.into(),
            // The patient goes in with a UID: numbers of patients are few enough to be tried.
            study_uid: hashed(salt, &[patient, study_uid]),
            series_uid: hashed(salt, &[patient, study_uid, series_uid]),
            part: *part,
        },
    }
}

fn hashed(salt: Digest, parts: &[&str]) -> String {
    let text = parts.join("\0");
    Digest::of(&[salt.bytes(), text.as_bytes()].concat()).to_string()
}

/// The session without the patient's identity.
pub(super) fn session(mut session: Session<SavedShape>, salt: Digest) -> Session<SavedShape> {
    let words = Words::of(&session.images);
    let (mut keys, mut frames) = (BTreeMap::new(), BTreeMap::new());
    for record in &mut session.images {
        let (named, frame) = (record.identity.key.clone(), record.frame());
        record.frame_uid = match &frame {
            Frame::Shared { patient, uid } => Some(hashed(salt, &[patient, uid])),
            Frame::Image(_) => None,
        };
        record.identity.key = key(&record.identity, salt);
        keys.insert(named, record.identity.key.clone());
        frames.insert(frame, record.frame());
        record.patient.clear();
        record.study_date.clear();
        record.description.clear();
    }
    let mut session = session.renamed(
        |key| keys.get(key).cloned(),
        |frame| frames.get(frame).cloned(),
    );
    for finding in &mut session.findings {
        blot_finding(finding, &words);
    }
    for card in &mut session.cards {
        blot_card(card, &words);
    }
    for text in session.report.iter_mut().flat_map(Report::texts_mut) {
        *text = words.blotted(text);
    }
    session
}

fn blot_finding(finding: &mut Finding<SavedShape>, words: &Words) {
    for text in [&mut finding.name, &mut finding.group, &mut finding.note] {
        *text = words.blotted(text);
    }
    if let Origin::File { name, .. } = &mut finding.source {
        // Files are named after patients all the time.
        name.clear();
    }
}

fn blot_card(card: &mut Card, words: &Words) {
    for text in [&mut card.question, &mut card.prompt, &mut card.text] {
        *text = words.blotted(text);
    }
    if let CardState::Failed(why) = &mut card.state {
        *why = words.blotted(why);
    }
    if let Some(made_from) = &mut card.made_from {
        made_from.raw_text = words.blotted(&made_from.raw_text);
    }
}

/// What names the patient: blotted out of texts.
struct Words {
    /// In lower case; parts of a name only where they are words of their own.
    names: Vec<String>,
    numbers: Vec<String>,
}

impl Words {
    fn of(images: &[ImageRecord]) -> Self {
        let (mut names, mut numbers) = (Vec::new(), Vec::new());
        for record in images {
            let name_parts = |name: &str| -> Vec<String> {
                let parts = name.split(|c: char| !c.is_alphanumeric());
                let words = parts.filter(|part| part.chars().count() > 1);
                words.map(str::to_lowercase).collect()
            };
            names.extend(name_parts(&record.patient));
            if let ImageKey::Dicom {
                patient,
                study_uid,
                series_uid,
                ..
            } = &record.identity.key
            {
                match patient.rsplit_once('@') {
                    Some((id, issuer)) => numbers.extend([id, issuer].map(str::to_lowercase)),
                    None => names.extend(name_parts(patient)),
                }
                numbers.extend([study_uid.clone(), series_uid.clone()]);
            }
            numbers.extend(record.frame_uid.clone());
            if let Some((year, rest)) = record.study_date.split_at_checked(4)
                && let Some((month, day)) = rest.split_at_checked(2)
            {
                numbers.push(record.study_date.clone());
                numbers.push(format!("{year}-{month}-{day}"));
                numbers.push(format!("{day}.{month}.{year}"));
                numbers.push(format!("{day}/{month}/{year}"));
                numbers.push(format!("{month}/{day}/{year}"));
            }
        }
        numbers.retain(|number| !number.is_empty());
        // A longer one may hold a shorter one.
        numbers.sort_by_key(|number| std::cmp::Reverse(number.len()));
        Self { names, numbers }
    }

    fn blotted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for number in &self.numbers {
            text = without(&text, number);
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(start) = rest.find(char::is_alphanumeric) {
            let (before, from) = rest.split_at(start);
            let end = from
                .find(|c: char| !c.is_alphanumeric())
                .unwrap_or(from.len());
            let (word, after) = from.split_at(end);
            out += before;
            let named = self.names.contains(&word.to_lowercase());
            out += if named { BLOT } else { word };
            rest = after;
        }
        out + rest
    }
}

/// A text with every occurrence of `number` blotted out, in whatever case its ASCII letters are.
fn without(text: &str, number: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while !rest.is_empty() {
        if let Some((head, tail)) = rest.split_at_checked(number.len())
            && (head.eq_ignore_ascii_case(number) || head.to_lowercase() == *number)
        {
            out += BLOT;
            rest = tail;
            continue;
        }
        let next = rest.char_indices().nth(1).map_or(rest.len(), |(at, _)| at);
        let (char, tail) = rest.split_at(next);
        out += char;
        rest = tail;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_numbers_and_dates_are_blotted_out_of_the_readers_words() {
        let words = Words {
            names: vec!["doe".into(), "jane".into()],
            numbers: vec!["2026-01-02".into(), "ab4711".into()],
        };
        let text = "Doe's lesion (AB4711), seen 2026-01-02 by doesburg; DOE^JANE.";
        let blotted = words.blotted(text);
        assert_eq!(blotted, "…'s lesion (…), seen … by doesburg; …^….");
        assert_eq!(words.blotted("größe 3 mm, Läsion"), "größe 3 mm, Läsion");
    }
}
