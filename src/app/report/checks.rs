//! What in a report may be wrong: sides, organs that are not in view, units and dates.
//!
//! A check says where to look again. It changes nothing, and what it says nothing of is not proved right.

use std::ops::Range;

use m3d_assistant::reply::{NOT_MEASURED, sentences};
use m3d_imaging::survey::InView;
use m3d_imaging::terms::{Lexicon, Mention, Side, Term};
use m3d_imaging::volume::{ImageKey, Modality};

use super::words::{About, Sources, needs_space};
use super::{dates, units};
use crate::app::workspace::{Content, Finding, Report, Section, SectionKind, StudyId};

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// Left and right.
    Side,
    /// Something that the image does not show.
    NotInView,
    /// A number and its unit.
    Units,
    /// A date.
    Date,
    /// A finding that is no more.
    Gone,
}

/// Something to look at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The section, counted from 0.
    pub section: usize,
    /// What it is about.
    pub kind: CheckKind,
    /// In words.
    pub message: String,
}

/// A section's words with the findings among them.
struct Flow<'a> {
    text: String,
    /// Where findings stand in the text.
    findings: Vec<(Range<usize>, &'a Finding)>,
    gone: usize,
}

impl<'a> Flow<'a> {
    fn of(section: &Section, sources: &Sources<'a>) -> Self {
        let (mut text, mut findings, mut gone) = (String::new(), Vec::new(), 0);
        for piece in &section.pieces {
            let (words, finding) = match &piece.content {
                Content::Text(text) => (text.clone(), None),
                Content::Sentence(sentence) => (sentence.text.clone(), None),
                Content::Finding(finding) => {
                    let Some(finding) = sources.workspace.finding(*finding) else {
                        gone += 1;
                        continue;
                    };
                    (sources.words(finding), Some(finding))
                }
            };
            if needs_space(&text, &words) {
                text.push(' ');
            }
            let start = text.len();
            text += &words;
            findings.extend(finding.map(|finding| (start..text.len(), finding)));
        }
        Self {
            text,
            findings,
            gone,
        }
    }
}

/// Everything to look at again, section by section.
pub fn checks(report: &Report, sources: &Sources<'_>) -> Vec<Check> {
    let mut found = Vec::new();
    for (number, section) in report.sections.iter().enumerate() {
        let flow = Flow::of(section, sources);
        let mut messages: Vec<(CheckKind, String)> = Vec::new();
        if flow.gone > 0 {
            let message = match flow.gone {
                1 => "a finding here was removed; it is left out".to_owned(),
                n => format!("{n} findings here were removed; they are left out"),
            };
            messages.push((CheckKind::Gone, message));
        }
        // Why images were made may speak of anything.
        let describes = matches!(
            section.kind,
            SectionKind::Findings | SectionKind::Impression
        );
        if describes {
            describe(&flow, report, sources, &mut messages);
        }
        let image = sources.workspace.images.get(&report.image);
        let date = image.map_or("", |record| record.study_date.as_str());
        for message in dates::check(&flow.text, date, section.kind == SectionKind::Comparison) {
            messages.push((CheckKind::Date, message));
        }
        for (kind, message) in messages {
            found.push(Check {
                section: number,
                kind,
                message,
            });
        }
    }
    found
}

/// Checks of sentences that describe the image.
fn describe(
    flow: &Flow<'_>,
    report: &Report,
    sources: &Sources<'_>,
    messages: &mut Vec<(CheckKind, String)>,
) {
    let about = sources.about.get(&report.image);
    let record = sources.workspace.images.get(&report.image);
    for range in sentences(&flow.text) {
        let sentence = &flow.text[range.clone()];
        let mentions = Lexicon::built_in().mentions(sentence);
        let inside = flow.findings.iter().filter_map(|(at, finding)| {
            let met = at.start < range.end && range.start < at.end;
            let local = at.start.saturating_sub(range.start)
                ..at.end.min(range.end).saturating_sub(range.start);
            met.then_some((local, *finding))
        });
        let inside: Vec<(Range<usize>, &Finding)> = inside.collect();
        sides(sentence, &mentions, &inside, report, sources, messages);
        not_in_view(sentence, &mentions, about, messages);
        if sentence.contains(NOT_MEASURED) {
            let message = "a number that nobody measured was struck out here: measure it, or take the \
                           sentence out";
            messages.push((CheckKind::Units, message.to_owned()));
        }
        if let Some(record) = record {
            let is_ct = record.modality == Modality::Ct || record.modality == Modality::Other;
            let size = record.grid.spacing_mm() * record.grid.dims().as_dvec3();
            for message in units::check(sentence, size.length(), is_ct) {
                messages.push((CheckKind::Units, message));
            }
        }
    }
}

fn side_of(mention: &Mention) -> Option<Side> {
    mention.side.or_else(|| mention.term.side())
}

/// Left and right in a sentence against where the findings in it lie, and against findings of the same name.
fn sides(
    sentence: &str,
    mentions: &[Mention],
    inside: &[(Range<usize>, &Finding)],
    report: &Report,
    sources: &Sources<'_>,
    messages: &mut Vec<(CheckKind, String)>,
) {
    for (at, finding) in inside {
        let Some(side) = sources.side(finding) else {
            continue;
        };
        let is_own = |m: &&Mention| at.contains(&m.bytes.start);
        let of = |side: Side| mentions.iter().filter(move |m| side_of(m) == Some(side));
        let name = finding.name.trim();
        let (here, other) = (side.name(), side.other().name());
        if of(side.other()).any(|m| is_own(&m)) {
            let message =
                format!("{name:?} lies on the patient's {here}, and its name says {other}");
            messages.push((CheckKind::Side, message));
        } else if of(side.other()).next().is_some() && of(side).next().is_none() {
            let message =
                format!("{name:?} lies on the patient's {here}, and the sentence says {other}");
            messages.push((CheckKind::Side, message));
        }
    }
    let is_named = |m: &Mention| inside.iter().any(|(at, _)| at.contains(&m.bytes.start));
    for mention in mentions
        .iter()
        .filter(|m| m.term.is_finding() && !is_named(m))
    {
        let Some(said) = side_of(mention) else {
            continue;
        };
        let places = alike(mention, &report.image, sources);
        if !places.is_empty() && places.iter().all(|&side| side == said.other()) {
            let words = &sentence[mention.bytes.clone()];
            let other = said.other().name();
            let message = format!("{words:?}: what is drawn of it lies on the patient's {other}");
            messages.push((CheckKind::Side, message));
        }
    }
}

/// On which sides the findings of a study lie that are called as a mention, whatever side their names say.
fn alike(mention: &Mention, image: &ImageKey, sources: &Sources<'_>) -> Vec<Side> {
    let lexicon = Lexicon::built_in();
    let study = StudyId::of(image);
    let plain = |term: &'static Term| term.unsided().unwrap_or(term);
    let wanted = plain(mention.term);
    let findings = sources.workspace.findings.iter();
    let ours = findings.filter(|finding| StudyId::of(&finding.image) == study);
    let alike = ours.filter(|finding| {
        let term = lexicon.get(&finding.name).map(plain);
        term.is_some_and(|term| term == wanted || term.generic() == Some(wanted))
    });
    alike.filter_map(|finding| sources.side(finding)).collect()
}

/// Words of a sentence that says itself that something is not shown.
const SAYS_SO: [&str; 8] = [
    "not in view",
    "not included",
    "not imaged",
    "not shown",
    "not covered",
    "outside the",
    "not visualised",
    "not visualized",
];

fn not_in_view(
    sentence: &str,
    mentions: &[Mention],
    about: Option<&About>,
    messages: &mut Vec<(CheckKind, String)>,
) {
    let lower = sentence.to_lowercase();
    let Some(coverage) = about.and_then(|about| about.coverage.as_ref()) else {
        return;
    };
    if SAYS_SO.iter().any(|words| lower.contains(words)) {
        return;
    }
    let mut told: Vec<&str> = Vec::new();
    for mention in mentions {
        let name = mention.term.name();
        let levels = mention.place.and_then(Term::levels);
        let levels = levels.or_else(|| mention.term.levels());
        let is_out = levels.is_some_and(|levels| coverage.shows(levels) == InView::Not);
        if is_out && !told.contains(&name) {
            told.push(name);
            let message = format!("{name}: this image does not show it");
            messages.push((CheckKind::NotInView, message));
        }
    }
}

#[cfg(test)]
mod tests {
    use glam::UVec3;

    use super::super::tests::{ball, chip, report, sentence, sources, workspace};
    use super::*;
    use crate::app::workspace::{Origin, Piece};

    const LEFT: UVec3 = UVec3::new(150, 50, 20);
    const RIGHT: UVec3 = UVec3::new(40, 50, 20);
    const MIDDLE: UVec3 = UVec3::new(101, 50, 20);

    /// The kinds of checks of a findings section of these pieces, with these findings in the workspace.
    fn kinds(findings: &[(u64, &str, UVec3)], pieces: Vec<Piece>) -> Vec<CheckKind> {
        let findings = findings
            .iter()
            .map(|(id, name, at)| ball(*id, name, *at, Origin::Reader));
        let workspace = workspace(findings.collect());
        let mut report = report();
        let last = report.sections.len() - 2;
        for piece in pieces {
            report.push(last, piece);
        }
        let found = checks(&report, &sources(&workspace));
        found.into_iter().map(|check| check.kind).collect()
    }

    #[test]
    fn sides_are_compared_with_where_findings_lie() {
        use CheckKind::Side;
        let text = |words: &str| Piece::text(words);
        for (findings, pieces, wanted) in [
            // The name.
            (
                vec![(1, "right lung nodule", LEFT)],
                vec![chip(1)],
                vec![Side],
            ),
            (vec![(1, "left lung nodule", LEFT)], vec![chip(1)], vec![]),
            (
                vec![(1, "right lung nodule", MIDDLE)],
                vec![chip(1)],
                vec![],
            ),
            // The words around it.
            (
                vec![(1, "nodule", LEFT)],
                vec![text("In the right upper lobe"), chip(1), text(", smooth.")],
                vec![Side],
            ),
            (
                vec![(1, "nodule", LEFT)],
                vec![text("The right lung is clear. In the left lung"), chip(1)],
                vec![],
            ),
            (
                vec![(1, "nodule", LEFT)],
                vec![text("The left lung has, unlike the right lung,"), chip(1)],
                vec![],
            ),
            // A sentence without a finding in it.
            (
                vec![(1, "left pleural effusion", LEFT)],
                vec![text("Right pleural effusion.")],
                vec![Side],
            ),
            (
                vec![
                    (1, "pleural effusion", LEFT),
                    (2, "pleural effusion", RIGHT),
                ],
                vec![sentence("Right pleural effusion.")],
                vec![],
            ),
            (
                vec![(1, "left kidney", LEFT)],
                vec![text("Right lung normal.")],
                vec![],
            ),
        ] {
            assert_eq!(
                kinds(&findings, pieces.clone()),
                wanted,
                "{findings:?} {pieces:?}"
            );
        }
    }

    #[test]
    fn organs_that_are_not_shown_are_told_once_a_sentence_and_not_where_it_is_said() {
        use CheckKind::NotInView;
        for (text, wanted) in [
            ("The bladder is normal.", vec![NotInView]),
            ("Bladder normal, no stone in the bladder.", vec![NotInView]),
            ("The bladder is not in view.", vec![]),
            ("The lungs are clear.", vec![]),
        ] {
            let mut found = kinds(&[], vec![Piece::text(text)]);
            found.dedup();
            assert_eq!(found, wanted, "{text}");
        }
    }

    #[test]
    fn an_indication_may_speak_of_anything() {
        let workspace = workspace(Vec::new());
        let mut report = report();
        report.push(0, Piece::text("Bladder carcinoma. Staging of the chest."));
        assert_eq!(checks(&report, &sources(&workspace)), []);
    }

    #[test]
    fn numbers_that_nobody_measured_and_findings_that_are_gone_are_told() {
        let drafted = sentence("A nodule of [not measured] in the lung.");
        let gone = chip(99);
        assert_eq!(
            kinds(&[], vec![drafted, gone]),
            [CheckKind::Gone, CheckKind::Units]
        );
    }
}
