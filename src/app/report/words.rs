//! A report in words: what findings are called, and plain text and Markdown.

use std::collections::BTreeMap;

use m3d_imaging::geometry::{Orientation, SlicePlane};
use m3d_imaging::survey::Coverage;
use m3d_imaging::terms::Side;
use m3d_imaging::volume::{ImageKey, Spacing};

use super::document::{Document, Run};
use crate::app::size_words;
use crate::app::workspace::{
    Content, Finding, FindingId, ImageRecord, Piece, Shape, Status, Workspace,
};
use crate::render::RESEARCH_NOTICE;

/// What is known of an image beside its record, where its voxels or its file are here.
#[derive(Clone, Debug)]
pub struct About {
    /// What distances are worth.
    pub spacing: Spacing,
    /// Whether left and right are known.
    pub sides_known: bool,
    /// The heights of the body it shows, where they are known.
    pub coverage: Option<Coverage>,
}

/// What the words of a report are made from.
#[derive(Clone, Debug)]
pub struct Sources<'a> {
    /// The reader's work.
    pub workspace: &'a Workspace,
    /// What is known of its images.
    pub about: BTreeMap<ImageKey, About>,
    /// The mean of the values inside findings, in words and, where they are Hounsfield units, as a number.
    pub means: BTreeMap<FindingId, (String, Option<f64>)>,
}

/// How far from the middle of an image a finding lies clearly on a side, in mm.
const CLEARLY_MM: f64 = 15.0;
/// A narrower image may show one side alone, and its middle is not the patient's, in mm.
const NARROW_MM: f64 = 220.0;

impl Sources<'_> {
    /// Whether a piece is the reader's, by hand or by consent.
    pub fn is_accepted(&self, piece: &Piece) -> bool {
        match &piece.content {
            Content::Text(_) => true,
            Content::Sentence(sentence) => sentence.accepted,
            Content::Finding(finding) => {
                let finding = self.workspace.finding(*finding);
                finding.is_some_and(|finding| finding.status() == Status::Accepted)
            }
        }
    }

    /// What is known of the image of a finding.
    pub fn record(&self, finding: &Finding) -> Option<&ImageRecord> {
        self.workspace.images.get(&finding.image)
    }

    fn spacing(&self, finding: &Finding) -> Spacing {
        let about = self.about.get(&finding.image);
        about.map_or(Spacing::Patient, |about| about.spacing)
    }

    /// A finding in words: its name, its figures as they are now, and where it is.
    pub fn words(&self, finding: &Finding) -> String {
        let name = match finding.name.trim() {
            "" => "unnamed finding",
            name => name,
        };
        let parts = [
            Some(name.to_owned()),
            self.figures(finding),
            self.means.get(&finding.id).map(|(words, _)| words.clone()),
            self.slice(finding),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        parts.join(", ")
    }

    /// The figures of a finding, with their units; none where it has none.
    pub fn figures(&self, finding: &Finding) -> Option<String> {
        let record = self.record(finding)?;
        let spacing = self.spacing(finding);
        match &finding.shape {
            Shape::Mask(mask) if mask.count() == 0 => None,
            Shape::Mask(mask) => Some(match spacing {
                Spacing::Patient => volume_words(mask.volume_ml()),
                // A projection has no volume.
                Spacing::Detector | Spacing::Unknown => format!("{} pixels", mask.count()),
            }),
            Shape::Box(found) => {
                let size = found.on(&record.grid).size_mm(&record.grid);
                Some(format!("box of {}", size_words(size, spacing)))
            }
            Shape::Measurement(drawn) => drawn.reading().map(|reading| reading.words(spacing)),
        }
    }

    /// The axial slice that its middle is in, as the window counts.
    fn slice(&self, finding: &Finding) -> Option<String> {
        let record = self.record(finding)?;
        let centre = finding.centre_mm()?;
        let plane = SlicePlane::new(&record.grid, Orientation::Axial);
        let (slice, count) = (
            plane.slice_of(&record.grid, centre) + 1,
            plane.slice_count(&record.grid),
        );
        (count > 1).then(|| format!("axial slice {slice} of {count}"))
    }

    /// The side that a finding clearly lies on; none near the middle, and where sides are not known.
    pub fn side(&self, finding: &Finding) -> Option<Side> {
        let record = self.record(finding)?;
        let known = self.about.get(&finding.image);
        if !known.is_some_and(|about| about.sides_known) {
            return None;
        }
        let plane = SlicePlane::new(&record.grid, Orientation::Axial);
        if plane.extent_mm(&record.grid).x < NARROW_MM {
            return None;
        }
        // The patient's left is +x.
        let off_mm = finding.centre_mm()?.x - record.grid.centre_mm().x;
        let side = if off_mm > 0.0 {
            Side::Left
        } else {
            Side::Right
        };
        (off_mm.abs() > CLEARLY_MM).then_some(side)
    }
}

/// A volume with so many digits as it has.
fn volume_words(ml: f64) -> String {
    match ml {
        ml if ml < 10.0 => format!("{ml:.2} mL"),
        ml if ml < 100.0 => format!("{ml:.1} mL"),
        ml => format!("{ml:.0} mL"),
    }
}

/// A date as DICOM writes it (`YYYYMMDD`), to be read; as it is where it is none.
pub fn date_words(date: &str) -> String {
    let is_date = date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit());
    if is_date {
        format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..])
    } else {
        date.to_owned()
    }
}

/// A patient's name as DICOM writes it, to be read.
pub fn name_words(name: &str) -> String {
    let groups = name.split('=').map(|group| {
        let parts = group.split('^').map(str::trim);
        let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    });
    let groups: Vec<String> = groups.filter(|group| !group.is_empty()).collect();
    groups.join(" / ")
}

/// A run with its mark behind it.
pub fn run_words(run: &Run) -> String {
    match &run.unreviewed {
        Some(by) => format!("{} [{by}]", run.text.trim_end()),
        None => run.text.clone(),
    }
}

/// Joins runs: with a space where neither side has one and no punctuation follows.
pub fn flow(runs: &[Run]) -> String {
    let mut text = String::new();
    for run in runs {
        let words = run_words(run);
        if needs_space(&text, &words) {
            text.push(' ');
        }
        text += &words;
    }
    text
}

/// Whether a space belongs between two pieces of a text.
pub fn needs_space(before: &str, after: &str) -> bool {
    let ends = before.is_empty() || before.ends_with(|c: char| c.is_whitespace() || c == '(');
    let starts = after.is_empty()
        || after.starts_with(|c: char| c.is_whitespace() || ".,;:!?)。，；：".contains(c));
    !ends && !starts
}

/// A report as plain text.
pub fn plain_text(document: &Document) -> String {
    let mut lines = vec![
        "RADIOLOGY REPORT".to_owned(),
        RESEARCH_NOTICE.to_owned(),
        String::new(),
    ];
    let facts = document.facts.iter();
    lines.extend(facts.map(|(label, words)| format!("{label}: {words}")));
    for section in &document.sections {
        let text = flow(&section.runs);
        lines.extend([
            String::new(),
            section.heading.to_uppercase(),
            text.trim().to_owned(),
        ]);
    }
    for (n, picture) in (1..).zip(&document.pictures) {
        let caption = &picture.caption;
        lines.extend([String::new(), format!("Key image {n}: {caption}")]);
    }
    let made_by = document.made_by.clone();
    lines.extend([String::new(), made_by, RESEARCH_NOTICE.to_owned()]);
    lines.join("\n") + "\n"
}

/// A report as Markdown; `picture` names the file of a key image, counted from 0.
pub fn markdown(document: &Document, picture: impl Fn(usize) -> String) -> String {
    let notice = format!("**{RESEARCH_NOTICE}**");
    let mut blocks = vec!["# Radiology report".to_owned(), notice.clone()];
    let facts = document.facts.iter();
    let facts: Vec<String> = facts
        .map(|(label, words)| format!("- {label}: {}", escaped(words)))
        .collect();
    blocks.push(facts.join("\n"));
    for section in &document.sections {
        blocks.push(format!("## {}", escaped(&section.heading)));
        let text = flow(&section.runs);
        let lines: Vec<String> = text.trim().lines().map(escaped).collect();
        // Two spaces keep the reader's lines apart.
        blocks.push(lines.join("  \n"));
    }
    if !document.pictures.is_empty() {
        blocks.push("## Key images".to_owned());
    }
    for (n, shown) in document.pictures.iter().enumerate() {
        let caption = escaped(&shown.caption);
        blocks.push(format!("![{caption}](<{}>)", picture(n)));
        blocks.push(caption);
    }
    blocks.extend([escaped(&document.made_by), notice]);
    blocks.join("\n\n") + "\n"
}

/// A line without meaning to Markdown.
fn escaped(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for letter in line.chars() {
        if "\\`*_[]<>#|~$&".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    // A list or a heading begins with these.
    let begins = out.trim_start();
    let indent = out.len() - begins.len();
    let number = begins.trim_start_matches(|c: char| c.is_ascii_digit());
    if begins.starts_with(['-', '+', '=']) {
        out.insert(indent, '\\');
    } else if number.len() < begins.len() && number.starts_with(['.', ')']) {
        out.insert(out.len() - number.len(), '\\');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, by: Option<&str>) -> Run {
        Run {
            text: text.into(),
            unreviewed: by.map(str::to_owned),
        }
    }

    #[test]
    fn pieces_flow_with_spaces_where_they_belong() {
        let runs = [
            run("A cyst", None),
            run("left kidney cyst, 1.00 mL", None),
            run(", simple.", None),
            run("Liver: normal.", Some("unreviewed, by small")),
            run("\nMore", None),
        ];
        assert_eq!(
            flow(&runs),
            "A cyst left kidney cyst, 1.00 mL, simple. Liver: normal. [unreviewed, by small]\nMore"
        );
    }

    #[test]
    fn names_and_dates_are_readable() {
        assert_eq!(name_words("Zhang^San=张^三"), "Zhang San / 张 三");
        assert_eq!(name_words("Doe^Jane^^Dr"), "Doe Jane Dr");
        assert_eq!(date_words("20240229"), "2024-02-29");
        assert_eq!(date_words("unknown"), "unknown");
        assert_eq!(
            [0.034, 12.34, 1234.5].map(volume_words),
            ["0.03 mL", "12.3 mL", "1234 mL"]
        );
    }

    #[test]
    fn nothing_that_is_written_becomes_markup() {
        assert_eq!(
            escaped("a*b_[x](y) <z> #1"),
            "a\\*b\\_\\[x\\](y) \\<z\\> \\#1"
        );
        assert_eq!(escaped("12. rib"), "12\\. rib");
        assert_eq!(escaped("- normal"), "\\- normal");
        assert_eq!(escaped("12 mm"), "12 mm");
    }
}
