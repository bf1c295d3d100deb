//! What a reader does with the report on a study.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use m3d_assistant::reply::sentences;
use m3d_imaging::terms::Lexicon;
use m3d_imaging::volume::ImageKey;

use super::jobs::WriteReport;
use super::report::{
    About, KeySource, ReportFormat, SentFinding, Sources, Templates, document, findings_out,
    section_for,
};
use super::workspace::{
    CardId, Content, Edit, Finding, FindingId, ImageRecord, KeyImage, KeyImageId, Piece, PieceId,
    Report, Sentence, StudyId, ViewKind,
};
use super::{Application, NoticeKind, Step};

/// What is done with a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportAction {
    /// Begin one on the image of the active view, with the template of this name.
    Begin(String),
    /// Remove it; it comes back by undo.
    Discard,
    /// Put a finding where its organ is spoken of.
    AddFinding(FindingId),
    /// Put a finding into the reader's words.
    InsertFinding {
        /// The finding.
        finding: FindingId,
        /// The words.
        into: PieceId,
        /// Behind so many of their characters.
        characters: usize,
    },
    /// Put the sentences of an answer, and what it found, where their subjects are spoken of, to be accepted.
    AddAnswer(CardId),
    /// Keep the slice of the active view as a picture.
    AddKeyImage,
    /// Write what is accepted, and of the rest what is ticked, in the form that the name asks for.
    Export {
        /// Where.
        path: PathBuf,
        /// What goes out unreviewed, piece by piece.
        ticked: BTreeSet<PieceId>,
    },
    /// Look for templates again.
    ReadTemplates,
    /// Write the built-in template to the reader's folder, to be changed.
    CopyTemplate,
}

impl Application {
    /// The report on the study of the active view.
    pub fn report(&self) -> Option<&Report> {
        self.workspace.reports.get(&self.active_study()?)
    }

    /// What the words of the active study's report are made from.
    pub fn report_sources(&self) -> Sources<'_> {
        let study = self.active_study();
        let ours = |image: &ImageKey| Some(StudyId::of(image)) == study;
        let mut about = BTreeMap::new();
        for key in self.workspace.images.keys().filter(|key| ours(key)) {
            let open = self.resources.image(key, 0);
            let source = open.map(|open| &open.series);
            let Some(series) = source.or_else(|| self.resources.source(key)) else {
                continue;
            };
            let known = About {
                spacing: series.stated.spacing,
                sides_known: series.stated.side_known,
                coverage: open.and_then(|open| open.about.survey.coverage),
            };
            about.insert(key.clone(), known);
        }
        let findings = self.workspace.findings.iter().filter(|f| ours(&f.image));
        Sources {
            workspace: &self.workspace,
            about,
            means: findings
                .filter_map(|finding| Some((finding.id, self.mean_of(finding)?)))
                .collect(),
        }
    }

    /// The mean of the values inside a finding, once it is measured.
    fn mean_of(&self, finding: &Finding) -> Option<(String, Option<f64>)> {
        let image = self.resources.image(&finding.image, finding.time)?;
        if !image.has_units() {
            return None;
        }
        let values = self.measured(finding)?.values?;
        let [mean, _] = image.values_words(&values);
        let is_hounsfield = image.volume.units().symbol() == "HU" && image.series.suv.is_none();
        Some((mean, is_hounsfield.then_some(values.mean)))
    }

    pub(super) fn handle_report(&mut self, action: ReportAction) {
        match action {
            ReportAction::Begin(name) => {
                if let Some(report) = self.new_report(&name) {
                    self.change(Edit::report(report), Step::new("begin report"));
                }
            }
            ReportAction::Discard => {
                if let Some(study) = self.active_study() {
                    let edit = Edit::Report {
                        study,
                        report: None,
                    };
                    self.change(edit, Step::new("discard report"));
                }
            }
            ReportAction::AddFinding(id) => self.add_finding_to_report(id, None),
            ReportAction::InsertFinding {
                finding,
                into,
                characters,
            } => self.add_finding_to_report(finding, Some((into, characters))),
            ReportAction::AddAnswer(card) => self.add_answer_to_report(card),
            ReportAction::AddKeyImage => self.add_key_image(),
            ReportAction::Export { path, ticked } => self.export_report(path, &ticked),
            ReportAction::ReadTemplates => {
                let folder = self.templates.folder.clone();
                self.templates = Templates::read(folder);
                for trouble in self.templates.troubles.clone() {
                    self.notices.add(NoticeKind::Warning, trouble);
                }
            }
            ReportAction::CopyTemplate => {
                let (kind, text) = match self.templates.copy_built_in() {
                    Ok(path) => (
                        NoticeKind::Info,
                        format!(
                            "Wrote {}. Change it, then read templates again.",
                            path.display()
                        ),
                    ),
                    Err(error) => (
                        NoticeKind::Error,
                        format!("The template was not written: {error}"),
                    ),
                };
                self.notices.add(kind, text);
            }
        }
    }

    fn new_report(&self, template: &str) -> Option<Report> {
        let record = self.seen_active()?.record;
        Some(self.templates.named(template)?.begin(record))
    }

    /// The report on a study, or a new one with the first template that fits.
    fn report_or_new(&self, study: StudyId) -> Option<Report> {
        if let Some(report) = self.workspace.reports.get(&study) {
            return Some(report.clone());
        }
        let record = self.seen_active()?.record;
        let templates = self.templates.list.iter();
        let mut fitting = templates.filter(|t| t.is_for(&record.modality_code));
        let report = fitting.next()?.begin(record);
        (StudyId::of(&report.image) == study).then_some(report)
    }

    fn add_finding_to_report(&mut self, id: FindingId, place: Option<(PieceId, usize)>) {
        let Some(finding) = self.workspace.finding(id) else {
            return;
        };
        let Some(mut report) = self.report_or_new(StudyId::of(&finding.image)) else {
            return;
        };
        let name = finding.name.clone();
        if report.has(id) && place.is_none() {
            let text = format!("{name} is in the report already.");
            return self.notices.add(NoticeKind::Info, text);
        }
        let piece = chip(finding);
        if let Some((into, characters)) = place {
            report.insert(into, characters, piece);
        } else {
            let term = Lexicon::built_in().get(&name);
            report.push(section_for(&report, term.as_slice()), piece);
        }
        let step = Step::new(format!("add {name} to the report"));
        self.change(Edit::report(report), step);
    }

    fn add_answer_to_report(&mut self, id: CardId) {
        let Some(card) = self.workspace.card(id) else {
            return;
        };
        let Some(mut report) = self.report_or_new(StudyId::of(&card.image.key)) else {
            return;
        };
        let model = card.made_from.as_ref();
        let model = model.map_or("a model", |made_from| made_from.model_name.as_str());
        for range in sentences(&card.text) {
            let text = card.text[range].trim();
            if !text.chars().any(char::is_alphanumeric) {
                continue;
            }
            // A finding tells more of what a sentence is about than the organ that heads it.
            let mentions = Lexicon::built_in().mentions(text);
            let mut terms: Vec<_> = mentions.iter().map(|m| m.term).collect();
            terms.sort_by_key(|term| !term.is_finding());
            let sentence = Sentence {
                text: text.to_owned(),
                card: id,
                model: model.to_owned(),
                accepted: false,
            };
            let piece = Piece::new(Content::Sentence(sentence));
            report.push(section_for(&report, &terms), piece);
        }
        for id in &card.findings {
            let Some(finding) = self.workspace.finding(*id) else {
                continue;
            };
            if !report.has(*id) {
                let term = Lexicon::built_in().get(&finding.name);
                report.push(section_for(&report, term.as_slice()), chip(finding));
            }
        }
        self.change(Edit::report(report), Step::new("add answer to the report"));
    }

    fn add_key_image(&mut self) {
        let Some(seen) = self.seen_active() else {
            return;
        };
        let ViewKind::Slice(orientation) = seen.view.kind else {
            let text = "Choose a slice first: key images are slices.";
            return self.notices.add(NoticeKind::Info, text);
        };
        let key = KeyImage {
            id: KeyImageId::fresh(),
            image: seen.layer.image.clone(),
            time: seen.layer.time,
            orientation,
            point_mm: seen.cursor_mm(),
            window: seen.layer.window,
            invert: seen.layer.invert,
            caption: String::new(),
        };
        if let Some(mut report) = self.report_or_new(StudyId::of(&key.image)) {
            report.key_images.push(key);
            self.change(Edit::report(report), Step::new("add key image"));
        }
    }

    fn export_report(&mut self, path: PathBuf, ticked: &BTreeSet<PieceId>) {
        match self.prepared_export(path, ticked) {
            Ok(job) => {
                self.jobs.start(job);
            }
            Err(why) => self.notices.add(NoticeKind::Error, why),
        }
    }

    /// What a report is written from.
    fn prepared_export(
        &self,
        path: PathBuf,
        ticked: &BTreeSet<PieceId>,
    ) -> Result<WriteReport, String> {
        let format = ReportFormat::of(&path).ok_or_else(|| {
            let endings = ReportFormat::ALL.map(ReportFormat::ending).join(", ");
            format!(
                "{}: the name of a report ends with one of {endings}",
                path.display()
            )
        })?;
        let report = self.report().ok_or("There is no report to export.")?;
        let sources = self.report_sources();
        let document = document(report, &sources, ticked).map_err(|error| error.to_string())?;
        let no_image = "The image of this report is not here. Open it, and export again.";
        let series = self.resources.source(&report.image).ok_or(no_image)?;
        let out = findings_out(report, &sources, ticked);
        let findings: Vec<Finding> = self
            .workspace
            .findings
            .iter()
            .filter(|finding| out.contains(&finding.id))
            .cloned()
            .collect();
        let mut key_images = Vec::new();
        for key in &report.key_images {
            let series = self.resources.source(&key.image).ok_or(no_image)?;
            let open = self.resources.image(&key.image, key.time);
            let words = findings.iter().filter_map(|finding| {
                let words = sources.figures(finding)?;
                Some((finding.id, words))
            });
            key_images.push(KeySource {
                key: key.clone(),
                series: series.clone(),
                volume: open.map(|open| Arc::clone(&open.volume)),
                findings: findings.clone(),
                words: words.collect(),
                mask_opacity: self.workspace.display.mask_opacity,
            });
        }
        let accepted = findings_out(report, &sources, &BTreeSet::new());
        let frame = self
            .workspace
            .images
            .get(&report.image)
            .map(ImageRecord::frame);
        // Places are told in the coordinates of the report's image.
        let here = findings.iter().filter(|finding| {
            let record = self.workspace.images.get(&finding.image);
            record.map(ImageRecord::frame) == frame
        });
        let sent = here.filter_map(|finding| {
            SentFinding::new(finding, accepted.contains(&finding.id), &sources)
        });
        Ok(WriteReport {
            path,
            format,
            document,
            key_images,
            series: series.clone(),
            findings: sent.collect(),
        })
    }
}

/// A finding as a piece of a report.
fn chip(finding: &Finding) -> Piece {
    Piece::new(Content::Finding(finding.id))
}
