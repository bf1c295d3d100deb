//! The forms that reports are written in, and what goes into a structured report.

use std::path::Path;

use glam::DVec3;
use m3d_imaging::geometry::VoxelBox;
use m3d_imaging::io::objects::{DrawnBy, MeasuredFinding, Quantity, Region, ReportText, TextKind};
use m3d_imaging::terms::Lexicon;
use m3d_imaging::volume::Spacing;

use super::document::{Document, maker};
use super::words::{Sources, flow};
use crate::app::workspace::{
    Finding, ImageRecord, Measurement, MeasurementKind, Origin, Reading, SectionKind, Shape,
};

/// The forms that reports are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    /// `.pdf`.
    Pdf,
    /// `.md`, with pictures beside it.
    Markdown,
    /// `.txt`.
    Text,
    /// A DICOM object with the PDF in it, `.dcm`.
    DicomPdf,
    /// A DICOM structured report, `.sr.dcm`.
    StructuredReport,
}

impl ReportFormat {
    /// All forms, in the order they are offered.
    pub const ALL: [Self; 5] = [
        Self::Pdf,
        Self::Markdown,
        Self::Text,
        Self::DicomPdf,
        Self::StructuredReport,
    ];

    /// What it is called.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pdf => "PDF",
            Self::Markdown => "Markdown",
            Self::Text => "Plain text",
            Self::DicomPdf => "DICOM PDF",
            Self::StructuredReport => "DICOM SR",
        }
    }

    /// What names of its files end with.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Pdf => ".pdf",
            Self::Markdown => ".md",
            Self::Text => ".txt",
            Self::DicomPdf => ".dcm",
            Self::StructuredReport => ".sr.dcm",
        }
    }

    /// Whether it refers to DICOM images, and so cannot be without them.
    pub const fn is_dicom(self) -> bool {
        matches!(self, Self::DicomPdf | Self::StructuredReport)
    }

    /// The form that a file's name asks for.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_lowercase();
        // The longest ending counts.
        let fitting = Self::ALL.into_iter().filter(|f| name.ends_with(f.ending()));
        fitting.max_by_key(|format| format.ending().len())
    }
}

impl Document {
    /// The sections as texts of a structured report, under their headings.
    pub fn texts(&self) -> Vec<ReportText> {
        let texts = self.sections.iter().map(|section| {
            let kind = match section.kind {
                SectionKind::Indication => TextKind::Indication,
                SectionKind::Technique => TextKind::Technique,
                SectionKind::Comparison => TextKind::Comparison,
                SectionKind::Findings => TextKind::Finding,
                SectionKind::Impression => TextKind::Impression,
            };
            let words = flow(&section.runs);
            let words = words.trim();
            let text = match kind {
                TextKind::Finding => format!("{}: {words}", section.heading),
                _ => words.to_owned(),
            };
            ReportText { kind, text }
        });
        texts.collect()
    }
}

/// A finding of a structured report.
#[derive(Clone, Debug)]
pub struct SentFinding {
    finding: Finding,
    record: ImageRecord,
    mean_hu: Option<f64>,
    spacing: Spacing,
    by: DrawnBy,
    /// That nobody has reviewed it.
    comment: Option<String>,
}

impl SentFinding {
    /// A finding as it is now; none where its image is not known.
    pub fn new(finding: &Finding, is_reviewed: bool, sources: &Sources<'_>) -> Option<Self> {
        let record = sources.record(finding)?.clone();
        let about = sources.about.get(&finding.image);
        let made_by = maker(finding, sources);
        let by = match &finding.source {
            Origin::Reader => DrawnBy::Manual,
            Origin::Model(card) => {
                let card = sources.workspace.card(*card);
                let made_from = card.and_then(|card| card.made_from.as_ref());
                let version = made_from.map(|m| m.model_fingerprint.chars().take(12).collect());
                DrawnBy::Automatic {
                    name: made_by.clone(),
                    version: version.unwrap_or_default(),
                }
            }
            Origin::File { drawn_by, .. } => {
                let (name, version) = (made_by.clone(), String::new());
                match drawn_by.as_str() {
                    "AUTOMATIC" => DrawnBy::Automatic { name, version },
                    "SEMIAUTOMATIC" => DrawnBy::SemiAutomatic { name, version },
                    _ => DrawnBy::Manual,
                }
            }
        };
        Some(Self {
            finding: finding.clone(),
            record,
            mean_hu: sources.means.get(&finding.id).and_then(|(_, hu)| *hu),
            spacing: about.map_or(Spacing::Patient, |about| about.spacing),
            by,
            comment: (!is_reviewed).then(|| format!("unreviewed, by {made_by}")),
        })
    }

    /// Its place and what is measured of it.
    pub fn measured(&self) -> MeasuredFinding<'_> {
        let (region, values) = self.parts();
        let mean = self.mean_hu.map(|hu| (Quantity::MeanHounsfield, hu));
        MeasuredFinding {
            name: self.finding.name.clone(),
            term: Lexicon::built_in().get(&self.finding.name),
            number: self.finding.id.0,
            by: self.by.clone(),
            comment: self.comment.clone(),
            region,
            // Distances that are not the patient's are no measurements of the patient.
            values: match self.spacing {
                Spacing::Patient => values.into_iter().chain(mean).collect(),
                Spacing::Detector | Spacing::Unknown => mean.into_iter().collect(),
            },
        }
    }

    fn parts(&self) -> (Region<'_>, Vec<(Quantity, f64)>) {
        match &self.finding.shape {
            Shape::Mask(mask) => {
                let volume = (Quantity::Volume, mask.volume_ml());
                (Region::Mask(mask), vec![volume])
            }
            Shape::Box(found) => {
                let outlines = box_outlines(found.on(&self.record.grid), &self.record);
                (Region::Polygons(outlines), Vec::new())
            }
            Shape::Measurement(drawn) => of_measurement(drawn),
        }
    }
}

/// The place of a measurement and what it comes to.
fn of_measurement(drawn: &Measurement) -> (Region<'_>, Vec<(Quantity, f64)>) {
    let lines = drawn.lines();
    let values = match drawn.reading() {
        Some(Reading::Length(mm)) => vec![(Quantity::Length, mm)],
        Some(Reading::Diameters([long, short])) => {
            vec![(Quantity::LongAxis, long), (Quantity::ShortAxis, short)]
        }
        Some(Reading::Angle(degrees)) => vec![(Quantity::Angle, degrees)],
        Some(Reading::Region { area_mm2, .. }) => vec![(Quantity::Area, area_mm2)],
        None => Vec::new(),
    };
    if lines.iter().all(|(_, closed)| *closed) {
        let outlines = lines.into_iter().map(|(points, _)| points);
        return (Region::Polygons(outlines.collect()), values);
    }
    let is_point = drawn.kind.is_words() || drawn.kind == MeasurementKind::Probe;
    if let Some(&point) = drawn.points_mm.first().filter(|_| is_point) {
        return (Region::Point(point), values);
    }
    let mut lines: Vec<Vec<DVec3>> = lines.into_iter().map(|(points, _)| points).collect();
    // As the values: the longer one first.
    if matches!(drawn.reading(), Some(Reading::Diameters(_))) {
        let length = |line: &Vec<DVec3>| match line.as_slice() {
            [a, b] => a.distance(*b),
            _ => 0.0,
        };
        lines.sort_by(|a, b| length(b).total_cmp(&length(a)));
    }
    (Region::Lines(lines), values)
}

/// The rectangles of a box on the slices it meets.
fn box_outlines(found: VoxelBox, record: &ImageRecord) -> Vec<Vec<DVec3>> {
    let place = record.grid.patient_from_voxel();
    let most = f64::from(record.grid.dims().z - 1);
    let (first, last) = (
        found.min.z.ceil().clamp(0.0, most),
        found.max.z.floor().clamp(0.0, most),
    );
    let slices = (first as u32)..=(last as u32);
    let outline = |k: u32| {
        let corners = [
            (found.min.x, found.min.y),
            (found.max.x, found.min.y),
            (found.max.x, found.max.y),
            (found.min.x, found.max.y),
        ];
        let corner = |(x, y)| place.transform_point3(DVec3::new(x, y, f64::from(k)));
        corners.map(corner).to_vec()
    };
    slices.map(outline).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(kind: MeasurementKind, points: &[[f64; 2]]) -> Measurement {
        Measurement {
            kind,
            points_mm: points.iter().map(|p| DVec3::new(p[0], p[1], 5.0)).collect(),
            axes: [DVec3::X, DVec3::Y],
            label_mm: None,
        }
    }

    #[test]
    fn measurements_go_out_with_what_they_were_measured_along() {
        // The line that was drawn first is the shorter one.
        let drawn = measured(
            MeasurementKind::Bidirectional,
            &[[0.0, 0.0], [3.0, 0.0], [1.0, -2.0], [1.0, 6.0]],
        );
        let (region, values) = of_measurement(&drawn);
        assert_eq!(
            values,
            [(Quantity::LongAxis, 8.0), (Quantity::ShortAxis, 3.0)]
        );
        let Region::Lines(lines) = region else {
            panic!("{region:?}");
        };
        let lengths: Vec<f64> = lines.iter().map(|l| l[0].distance(l[1])).collect();
        assert_eq!(lengths, [8.0, 3.0]);

        let drawn = measured(MeasurementKind::Rectangle, &[[0.0, 0.0], [4.0, 5.0]]);
        let (region, values) = of_measurement(&drawn);
        assert!(matches!(region, Region::Polygons(p) if p.len() == 1 && p[0].len() == 4));
        assert_eq!(values, [(Quantity::Area, 20.0)]);

        let drawn = measured(
            MeasurementKind::Angle,
            &[[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]],
        );
        let (region, values) = of_measurement(&drawn);
        assert!(matches!(region, Region::Lines(l) if l.len() == 1 && l[0].len() == 3));
        let [(Quantity::Angle, degrees)] = values[..] else {
            panic!("{values:?}");
        };
        assert!((degrees - 90.0).abs() < 1e-9);

        for kind in [MeasurementKind::Probe, MeasurementKind::Arrow] {
            let drawn = measured(kind, &[[1.0, 2.0], [4.0, 5.0]]);
            let (region, values) = of_measurement(&drawn);
            assert!(matches!(region, Region::Point(at) if at == DVec3::new(1.0, 2.0, 5.0)));
            assert!(values.is_empty());
        }
    }

    #[test]
    fn the_longest_ending_of_a_name_tells_the_form() {
        let of = |name: &str| ReportFormat::of(Path::new(name));
        assert_eq!(of("a/b.SR.dcm"), Some(ReportFormat::StructuredReport));
        assert_eq!(of("b.dcm"), Some(ReportFormat::DicomPdf));
        assert_eq!(of("b.pdf"), Some(ReportFormat::Pdf));
        assert_eq!(of("b.doc"), None);
        for format in ReportFormat::ALL {
            assert_eq!(of(&format!("report{}", format.ending())), Some(format));
        }
    }
}
