//! Writing a report to a file.

use std::path::{Path, PathBuf};

use m3d_imaging::io::objects::{self, MeasuredFinding, ReportText};
use m3d_imaging::io::{IoError, Progress, Series};

use super::{Finish, Job, Slot};
use crate::app::NoticeKind;
use crate::app::report::{
    Document, KeySource, Picture, ReportFormat, SentFinding, markdown, pdf, plain_text,
};
use crate::render::{RESEARCH_NOTICE, SystemFonts};

/// Writes a report.
pub struct WriteReport {
    /// Where.
    pub path: PathBuf,
    /// In which form.
    pub format: ReportFormat,
    /// What is written; its pictures are drawn first.
    pub document: Document,
    /// What its pictures are drawn from.
    pub key_images: Vec<KeySource>,
    /// The series that DICOM objects refer to.
    pub series: Series,
    /// The findings that are measured in a structured report.
    pub findings: Vec<SentFinding>,
}

/// What was written, and what is to be said of it.
type Written = (Vec<PathBuf>, Option<String>);

impl Job for WriteReport {
    fn title(&self) -> String {
        "Writing the report".into()
    }

    fn slot(&self) -> Slot {
        Slot::Every
    }

    fn is_missed(&self) -> bool {
        true
    }

    fn run(self: Box<Self>, progress: &Progress) -> Finish {
        let written = self.write(progress);
        Box::new(move |app| match written {
            Ok((paths, remark)) => {
                let paths: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
                let text = format!("Wrote {}", paths.join(", "));
                app.notices.add(NoticeKind::Info, text);
                if let Some(remark) = remark {
                    app.notices.add(NoticeKind::Warning, remark);
                }
            }
            Err(why) => {
                let text = format!("The report was not written: {why}");
                app.notices.add(NoticeKind::Error, text);
            }
        })
    }
}

impl WriteReport {
    fn write(mut self, progress: &Progress) -> Result<Written, String> {
        let path = self.path.clone();
        // No image is written over.
        if self.series.files().iter().any(|file| same(file, &path)) {
            return Err(format!("{} is a file of the image", path.display()));
        }
        let words = |error: IoError| error.to_string();
        for source in &self.key_images {
            let picture = source.draw(progress).map_err(words)?;
            self.document.pictures.push(picture);
        }
        match self.format {
            ReportFormat::Text => put(&path, plain_text(&self.document).as_bytes())?,
            ReportFormat::Markdown => return self.write_markdown(),
            ReportFormat::Pdf => {
                let made = pdf(&self.document, &SystemFonts::default())?;
                put(&path, &made.bytes)?;
                return Ok((vec![path], lacking(&made.missing)));
            }
            ReportFormat::DicomPdf => {
                let made = pdf(&self.document, &SystemFonts::default())?;
                let title = "Radiology report";
                objects::write_pdf(&path, &self.series, title, &made.bytes).map_err(words)?;
                return Ok((vec![path], lacking(&made.missing)));
            }
            ReportFormat::StructuredReport => {
                let texts: Vec<ReportText> = self.document.texts();
                let findings: Vec<MeasuredFinding> =
                    self.findings.iter().map(SentFinding::measured).collect();
                objects::write_sr(&path, &self.series, &texts, &findings, RESEARCH_NOTICE)
                    .map_err(words)?;
            }
        }
        Ok((vec![path], None))
    }

    /// The text, and the pictures beside it.
    fn write_markdown(&self) -> Result<Written, String> {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let name = |n: usize| format!("{stem}-{}.png", n + 1);
        let mut paths = vec![self.path.clone()];
        for (n, Picture { picture, .. }) in self.document.pictures.iter().enumerate() {
            let path = self.path.with_file_name(name(n));
            let png = picture.png().map_err(|error| error.to_string())?;
            put(&path, &png)?;
            paths.push(path);
        }
        put(&self.path, markdown(&self.document, name).as_bytes())?;
        Ok((paths, None))
    }
}

fn same(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// Writes a file, whole or not at all.
fn put(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    let partial = PathBuf::from(partial);
    let written = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path));
    written.map_err(|error| {
        // What cannot be removed is told of by its name.
        let _ = std::fs::remove_file(&partial);
        format!("{}: {error}", path.display())
    })
}

/// What is said of letters that no font has.
fn lacking(missing: &[char]) -> Option<String> {
    if missing.is_empty() {
        return None;
    }
    let letters: String = missing.iter().take(20).collect();
    Some(format!(
        "No font of this computer has these letters of the report: {letters}. Their numbers (U+…) stand in their place; \
         install a font that has them and export again."
    ))
}
