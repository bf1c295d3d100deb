//! What of a report leaves the program: what is accepted, and what is ticked, marked as unreviewed.

use std::collections::BTreeSet;

use super::words::{Sources, date_words, name_words};
use crate::app::workspace::{
    Content, Finding, FindingId, ImageRecord, Origin, Piece, PieceId, Report, SectionKind, Status,
};
use crate::render;

/// A part of a section's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its words.
    pub text: String,
    /// Who made it, where the reader has not accepted it: `unreviewed, by MODEL`.
    pub unreviewed: Option<String>,
}

/// A section in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionWords {
    /// The heading.
    pub heading: String,
    /// What it is for.
    pub kind: SectionKind,
    /// What it says.
    pub runs: Vec<Run>,
}

/// A key image with what is drawn over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// What is written under it.
    pub caption: String,
    /// The picture, with the research notice in it.
    pub picture: render::Picture,
}

/// A report as it is exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Patient, study and image: what they are called, and what they are.
    pub facts: Vec<(&'static str, String)>,
    /// The sections that say something.
    pub sections: Vec<SectionWords>,
    /// The key images.
    pub pictures: Vec<Picture>,
    /// What made it.
    pub made_by: String,
}

/// Why a report is not exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Nothing of it may go out.
    #[error(
        "There is nothing to export: the report has no words of yours, and nothing in it is accepted or ticked."
    )]
    Empty,
    /// Its image is not known.
    #[error("The image of this report is not here. Open it, and export again.")]
    NoImage,
}

/// What the reader has not accepted: each with its words and who made it.
pub fn unreviewed<'a>(
    report: &'a Report,
    sources: &'a Sources<'_>,
) -> impl Iterator<Item = (PieceId, Run)> + 'a {
    let pieces = report.pieces().filter(|piece| !sources.is_accepted(piece));
    pieces.filter_map(|piece| Some((piece.id, run(piece, sources)?)))
}

/// A piece in words; none for a finding that is no more, or that the reader has rejected.
fn run(piece: &Piece, sources: &Sources<'_>) -> Option<Run> {
    let (text, by) = match &piece.content {
        Content::Text(text) => (text.clone(), None),
        Content::Sentence(sentence) => (sentence.text.clone(), Some(sentence.model.clone())),
        Content::Finding(finding) => {
            let finding = sources.workspace.finding(*finding)?;
            if finding.status() == Status::Rejected {
                return None;
            }
            (sources.words(finding), Some(maker(finding, sources)))
        }
    };
    let by = by.filter(|_| !sources.is_accepted(piece));
    Some(Run {
        text,
        unreviewed: by.map(|by| format!("unreviewed, by {by}")),
    })
}

/// Who made a finding.
pub fn maker(finding: &Finding, sources: &Sources<'_>) -> String {
    match &finding.source {
        Origin::Reader => "the reader".to_owned(),
        Origin::Model(card) => {
            let card = sources.workspace.card(*card);
            let made_from = card.and_then(|card| card.made_from.as_ref());
            made_from.map_or_else(|| "a model".to_owned(), |m| m.model_name.clone())
        }
        Origin::File { name, .. } if name.is_empty() => "a file".to_owned(),
        Origin::File { name, .. } => name.clone(),
    }
}

/// A report as it is exported: what is accepted, and of the rest what is ticked. Key images are drawn by the caller.
///
/// # Errors
/// When nothing may go out, or the image of the report is not known.
pub fn document(
    report: &Report,
    sources: &Sources<'_>,
    ticked: &BTreeSet<PieceId>,
) -> Result<Document, DocumentError> {
    let images = &sources.workspace.images;
    let record = images.get(&report.image).ok_or(DocumentError::NoImage)?;
    let sections = report.sections.iter().map(|section| {
        let pieces = section.pieces.iter();
        let pieces = pieces.filter(|piece| goes_out(piece, sources, ticked));
        SectionWords {
            heading: section.heading.clone(),
            kind: section.kind,
            runs: pieces.filter_map(|piece| run(piece, sources)).collect(),
        }
    });
    let says = |section: &SectionWords| {
        let mut runs = section.runs.iter();
        runs.any(|run| !run.text.trim().is_empty())
    };
    let sections: Vec<SectionWords> = sections.filter(says).collect();
    if sections.is_empty() && report.key_images.is_empty() {
        return Err(DocumentError::Empty);
    }
    Ok(Document {
        facts: facts(record),
        sections,
        pictures: Vec::new(),
        made_by: format!("Made with m3d-viewer {}", env!("CARGO_PKG_VERSION")),
    })
}

fn goes_out(piece: &Piece, sources: &Sources<'_>, ticked: &BTreeSet<PieceId>) -> bool {
    sources.is_accepted(piece) || ticked.contains(&piece.id)
}

/// The findings of a report that go out: those that the reader has accepted, and of the others what is ticked. What is
/// rejected stays.
pub fn findings_out(
    report: &Report,
    sources: &Sources<'_>,
    ticked: &BTreeSet<PieceId>,
) -> BTreeSet<FindingId> {
    let out = report
        .pieces()
        .filter(|piece| goes_out(piece, sources, ticked));
    let findings = out.filter_map(|piece| match piece.content {
        Content::Finding(finding) => sources.workspace.finding(finding),
        _ => None,
    });
    let kept = findings.filter(|finding| finding.status() != Status::Rejected);
    kept.map(|finding| finding.id).collect()
}

fn facts(record: &ImageRecord) -> Vec<(&'static str, String)> {
    let image = [record.modality_code.as_str(), record.description.as_str()];
    let image: Vec<&str> = image.into_iter().filter(|word| !word.is_empty()).collect();
    let facts = [
        ("Patient", name_words(&record.patient)),
        ("Study date", date_words(&record.study_date)),
        ("Image", image.join(", ")),
    ];
    let known = facts.into_iter().filter(|(_, words)| !words.is_empty());
    known.collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ball, chip, report, sentence, sources, workspace};
    use super::super::{markdown, plain_text, section_for};
    use super::*;
    use crate::app::workspace::{CardId, Edit, Shape};
    use glam::UVec3;
    use m3d_imaging::terms::Lexicon;
    use std::sync::Arc;

    #[test]
    fn nothing_that_is_not_accepted_goes_out_unticked_and_what_is_ticked_is_marked() {
        let left = UVec3::new(150, 50, 20);
        let findings = vec![
            ball(1, "left kidney cyst", left, Origin::Reader),
            ball(2, "liver lesion", left, Origin::Model(CardId(1))),
        ];
        let workspace = workspace(findings);
        let sources = sources(&workspace);
        let mut report = report();
        let lexicon = Lexicon::built_in();
        let kidney = section_for(&report, lexicon.get("left kidney").as_slice());
        let liver = section_for(&report, lexicon.get("liver").as_slice());
        report.push(kidney, chip(1));
        report.push(liver, chip(2));
        report.push(liver, sentence("Liver: normal."));
        let none = BTreeSet::new();
        let text = plain_text(&document(&report, &sources, &none).unwrap());
        assert!(
            text.contains("left kidney cyst, 5.02 mL, axial slice 21 of 50"),
            "{text}"
        );
        assert!(!text.contains("iver"), "{text}");
        let grey: Vec<_> = unreviewed(&report, &sources).collect();
        assert_eq!(grey.len(), 2);
        // One by one.
        let ticked = BTreeSet::from([grey[1].0]);
        let text = plain_text(&document(&report, &sources, &ticked).unwrap());
        assert!(
            text.contains("Liver: normal. [unreviewed, by small]"),
            "{text}"
        );
        assert!(!text.contains("lesion"), "{text}");
        let mut lesion = workspace.findings[1].clone();
        lesion.status = Some(Status::Rejected);
        let mut rejecting = workspace.clone();
        rejecting.apply(Edit::add(lesion.clone()));
        // What is rejected goes out by no tick.
        let sources_then = super::super::tests::sources(&rejecting);
        let all: BTreeSet<_> = report.pieces().map(|piece| piece.id).collect();
        let text = plain_text(&document(&report, &sources_then, &all).unwrap());
        assert!(!text.contains("liver lesion"), "{text}");
        assert_eq!(
            findings_out(&report, &sources_then, &all),
            [FindingId(1)].into()
        );
        lesion.status = Some(Status::Accepted);
        let mut workspace = workspace;
        workspace.apply(Edit::add(lesion));
        let sources = super::super::tests::sources(&workspace);
        let document = document(&report, &sources, &ticked).unwrap();
        for text in [
            plain_text(&document),
            markdown(&document, |_| String::new()),
        ] {
            assert!(text.contains("liver lesion"), "{text}");
            assert!(!text.contains("by a model"), "{text}");
            assert!(
                text.contains("Doe Jane") && text.contains("2024-02-29"),
                "{text}"
            );
            assert_eq!(text.matches(render::RESEARCH_NOTICE).count(), 2);
        }
    }

    #[test]
    fn a_finding_in_a_report_follows_when_it_changes_and_goes_when_it_is_removed() {
        let left = UVec3::new(150, 50, 20);
        let mut workspace = workspace(vec![ball(1, "cyst", left, Origin::Reader)]);
        let mut report = report();
        report.push(3, chip(1));
        let text = |workspace: &crate::app::Workspace, report: &Report| {
            let document = document(report, &sources(workspace), &BTreeSet::new());
            plain_text(&document.unwrap())
        };
        assert!(text(&workspace, &report).contains("cyst, 5.02 mL, axial slice 21"));
        let mut changed = workspace.findings[0].clone();
        changed.name = "kidney cyst".into();
        let mut mask = m3d_imaging::volume::Mask::empty(super::super::tests::record().grid);
        mask.insert(200 * 100 * 30);
        changed.shape = Shape::Mask(Arc::new(mask));
        workspace.apply(Edit::add(changed));
        assert!(text(&workspace, &report).contains("kidney cyst, 0.02 mL, axial slice 31"));
        workspace.apply(Edit::remove(crate::app::FindingId(1)));
        assert!(!text(&workspace, &report).contains("cyst"));
    }

    #[test]
    fn a_report_without_words_is_not_exported() {
        let workspace = workspace(Vec::new());
        let mut report = report();
        let technique = report.sections[1].pieces[0].id;
        report.write(technique, "  ".into());
        report.push(3, sentence("Liver: normal."));
        let empty = document(&report, &sources(&workspace), &BTreeSet::new());
        assert_eq!(empty, Err(DocumentError::Empty));
        report.image = m3d_imaging::volume::ImageKey::File {
            sha256: m3d_imaging::volume::Digest::of(b"another"),
        };
        let unknown = document(&report, &sources(&workspace), &BTreeSet::new());
        assert_eq!(unknown, Err(DocumentError::NoImage));
    }
}
