//! The list of findings with their figures: as rows on the screen, and as a table for other programs.

use m3d_imaging::volume::ImageKey;
use m3d_imaging::volume::measure::{InPlane, Values};

use super::Application;
use super::resources::{Figures, Inside, OpenImage, Subject};
use super::workspace::{
    Finding, FindingId, ImageRecord, Measurement, Origin, PatientBox, Reading, Shape,
};

/// What findings are listed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they were made.
    #[default]
    Made,
    /// By name.
    Name,
    /// The largest first.
    Size,
    /// From the head to the feet.
    Height,
}

impl Order {
    /// All, as they are offered.
    pub const ALL: [Self; 4] = [Self::Made, Self::Name, Self::Size, Self::Height];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Made => "As made",
            Self::Name => "Name",
            Self::Size => "Size",
            Self::Height => "Head to feet",
        }
    }
}

/// How a finding stands to the one of an earlier study.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The day of the earlier study, `YYYYMMDD`; empty where it is not known.
    pub date: String,
    /// What is compared, earlier and now.
    pub sizes: [f64; 2],
    /// In what.
    pub unit: &'static str,
}

impl Change {
    /// How much more it is now, in percent; `None` from nothing.
    pub fn percent(&self) -> Option<f64> {
        let [before, now] = self.sizes;
        (before > 0.0).then(|| (now / before - 1.0) * 100.0)
    }

    /// `prior 18.0 mm, +33 %`.
    pub fn words(&self) -> String {
        let percent = self.percent().map(|percent| format!(", {percent:+.0} %"));
        let (before, unit) = (self.sizes[0], self.unit);
        format!("prior {before:.1} {unit}{}", percent.unwrap_or_default())
    }
}

/// The header of the table.
pub const HEADER: [&str; 25] = [
    "name",
    "kind",
    "group",
    "status",
    "source",
    "patient",
    "study_date",
    "image",
    "slices",
    "volume_ml",
    "longest_mm",
    "longest_in_slice_mm",
    "length_mm",
    "short_mm",
    "angle_deg",
    "area_mm2",
    "count",
    "mean",
    "std",
    "min",
    "max",
    "unit",
    "prior",
    "change_percent",
    "note",
];

impl Application {
    /// The findings of all images of the active image's patient, in an order, whose name, group or note has some words.
    pub fn listed_findings(&self, order: Order, words: &str) -> Vec<&Finding> {
        let Some(active) = self.seen_active().map(|seen| seen.record) else {
            return Vec::new();
        };
        let words = words.trim().to_lowercase();
        let fits = |finding: &&Finding| {
            let texts = [&finding.name, &finding.group, &finding.note];
            words.is_empty()
                || texts
                    .iter()
                    .any(|text| text.to_lowercase().contains(&words))
        };
        let ours = |finding: &&Finding| {
            let record = self.workspace.images.get(&finding.image);
            record.is_some_and(|record| record.is_same_patient(active))
        };
        let mut listed: Vec<&Finding> = self
            .workspace
            .findings
            .iter()
            .filter(ours)
            .filter(fits)
            .collect();
        match order {
            Order::Made => {}
            Order::Name => listed.sort_by_cached_key(|finding| finding.name.to_lowercase()),
            Order::Size => listed.sort_by(|a, b| size(b).total_cmp(&size(a))),
            Order::Height => listed.sort_by(|a, b| {
                let [a, b] = [a, b].map(|f| f.centre_mm().map_or(f64::NEG_INFINITY, |at| at.z));
                b.total_cmp(&a)
            }),
        }
        listed
    }

    /// What was measured inside a finding, at its own time point, unless it has changed since.
    pub fn measured(&self, finding: &Finding) -> Option<&Figures> {
        let record = self.workspace.images.get(&finding.image)?;
        let inside = Inside::of(finding, &record.grid)?;
        self.figures(Subject::Finding(finding.id), &inside, finding.time)
    }

    /// The values inside the chosen finding of what the active view shows, or else inside its box; none where they are even.
    pub(super) fn values_in_hand(&self) -> Option<Values> {
        let seen = self.seen_active()?;
        let image = &seen.layer.image;
        let chosen = self
            .selected()
            .filter(|finding| finding.image == *image)
            .last();
        let figures = if let Some(finding) = chosen {
            self.figures_of(finding, &seen)?
        } else {
            let inside = Inside::Box(seen.region()?);
            let subject = Subject::Region(image.clone());
            self.figures(subject, &inside, seen.layer.time)?
        };
        figures.values.filter(|values| values.max > values.min)
    }

    /// The diameter that a target lesion counts with: of a line its length, of a mask the longest in one slice.
    pub fn diameter_mm(&self, finding: &Finding) -> Option<f64> {
        match &finding.shape {
            Shape::Mask(_) => Some(self.measured(finding)?.in_plane?.length_mm),
            Shape::Measurement(drawn) => match drawn.reading()? {
                Reading::Length(mm) | Reading::Diameters([mm, _]) => Some(mm),
                Reading::Angle(_) | Reading::Region { .. } => None,
            },
            Shape::Box(_) => None,
        }
    }

    /// How a finding has changed since the one of an earlier study that it is paired with: masks in mL, lines in mm,
    /// regions in mm².
    pub fn change_since(&self, finding: &Finding) -> Option<Change> {
        let earlier = self.workspace.finding(finding.earlier?)?;
        let (sizes, unit) = match (&earlier.shape, &finding.shape) {
            (Shape::Mask(before), Shape::Mask(now)) => {
                ([before.volume_ml(), now.volume_ml()], "mL")
            }
            (Shape::Measurement(before), Shape::Measurement(now)) => {
                match (before.reading()?, now.reading()?) {
                    (
                        Reading::Region {
                            area_mm2: before, ..
                        },
                        Reading::Region { area_mm2: now, .. },
                    ) => ([before, now], "mm²"),
                    (Reading::Angle(before), Reading::Angle(now)) => ([before, now], "°"),
                    _ => (
                        [self.diameter_mm(earlier)?, self.diameter_mm(finding)?],
                        "mm",
                    ),
                }
            }
            _ => (
                [self.diameter_mm(earlier)?, self.diameter_mm(finding)?],
                "mm",
            ),
        };
        let record = self.workspace.images.get(&earlier.image)?;
        Some(Change {
            date: record.study_date.clone(),
            sizes,
            unit,
        })
    }

    /// The findings of other studies of the patient that a finding may be paired with.
    pub fn earlier_findings(&self, finding: &Finding) -> Vec<&Finding> {
        let records = &self.workspace.images;
        let Some(ours) = records.get(&finding.image) else {
            return Vec::new();
        };
        let candidates = self.workspace.findings.iter().filter(|other| {
            let record = records.get(&other.image);
            // Files do not say whose they are: the reader does.
            let unsaid = matches!(other.image, ImageKey::File { .. })
                && matches!(finding.image, ImageKey::File { .. });
            other.image != finding.image
                && record.is_some_and(|record| unsaid || record.is_same_patient(ours))
                && std::mem::discriminant(&other.shape) == std::mem::discriminant(&finding.shape)
        });
        candidates.collect()
    }

    /// The sum of the diameters of the target lesions of an image (RECIST 1.1) with that of the lesions they are paired
    /// with, where all are.
    pub fn target_sum(&self, findings: &[&Finding]) -> Option<(usize, f64, Option<f64>)> {
        let targets: Vec<&&Finding> = findings.iter().filter(|f| f.target).collect();
        let now: Option<Vec<f64>> = targets.iter().map(|f| self.diameter_mm(f)).collect();
        let before: Option<Vec<f64>> = targets
            .iter()
            .map(|f| self.diameter_mm(self.workspace.finding(f.earlier?)?))
            .collect();
        let now = now.filter(|now| !now.is_empty())?;
        Some((
            now.len(),
            now.iter().sum(),
            before.map(|all| all.iter().sum()),
        ))
    }

    /// The findings as rows of [`HEADER`]'s columns.
    pub fn findings_table(&self, findings: &[&Finding]) -> Vec<Vec<String>> {
        findings
            .iter()
            .filter_map(|finding| self.table_row(finding))
            .collect()
    }

    fn table_row(&self, finding: &Finding) -> Option<Vec<String>> {
        let record = self.workspace.images.get(&finding.image)?;
        let open = self.resources.image(&finding.image, finding.time);
        let figures = self.measured(finding);
        let number = |value: Option<f64>| value.map_or_else(String::new, |v| format!("{v:.3}"));
        let measured = finding.measurement().and_then(Measurement::reading);
        let lengths = match measured {
            Some(Reading::Length(mm)) => [Some(mm), None],
            Some(Reading::Diameters([long, short])) => [Some(long), Some(short)],
            _ => [None; 2],
        };
        let angle = match measured {
            Some(Reading::Angle(degrees)) => Some(degrees),
            _ => None,
        };
        let area = match measured {
            Some(Reading::Region { area_mm2, .. }) => Some(area_mm2),
            _ => None,
        };
        let (factor, unit) = open.map_or((1.0, String::new()), OpenImage::scale);
        let values = figures.and_then(|f| f.values);
        let scaled = |pick: fn(&Values) -> f64| number(values.as_ref().map(|v| pick(v) * factor));
        let change = self.change_since(finding);
        let volume = finding.mask().map(|mask| mask.volume_ml());
        Some(vec![
            finding.name.clone(),
            kind(finding).to_owned(),
            finding.group.clone(),
            finding.status().name().to_lowercase(),
            source(finding).to_owned(),
            record.patient.clone(),
            record.study_date.clone(),
            record.description.clone(),
            slices(finding, record).unwrap_or_default(),
            number(volume),
            number(figures.and_then(|f| f.longest_mm)),
            number(
                figures
                    .and_then(|f| f.in_plane)
                    .map(|InPlane { length_mm, .. }| length_mm),
            ),
            number(lengths[0]),
            number(lengths[1]),
            number(angle),
            number(area),
            figures
                .filter(|f| f.count > 0)
                .map_or_else(String::new, |f| f.count.to_string()),
            scaled(|v| v.mean),
            scaled(|v| v.std),
            scaled(|v| v.min),
            scaled(|v| v.max),
            if unit.is_empty() && values.is_some() {
                "raw".into()
            } else {
                unit
            },
            number(change.as_ref().map(|change| change.sizes[0])),
            number(change.as_ref().and_then(Change::percent)),
            finding.note.clone(),
        ])
    }

    /// The finding before or after the chosen one in the list.
    pub(super) fn step_finding(&mut self, forward: bool) {
        let listed: Vec<FindingId> = self
            .listed_findings(Order::Made, "")
            .iter()
            .map(|f| f.id)
            .collect();
        let chosen = self.selected.last();
        let at = listed.iter().position(|id| Some(id) == chosen);
        let next = match (at, forward) {
            (Some(at), true) => (at + 1) % listed.len(),
            (Some(at), false) => (at + listed.len() - 1) % listed.len(),
            (None, true) => 0,
            (None, false) => listed.len().saturating_sub(1),
        };
        if let Some(&id) = listed.get(next) {
            self.select(vec![id]);
            self.go_to_finding(id);
        }
    }
}

/// What findings are sorted by: about how many mm across.
fn size(finding: &Finding) -> f64 {
    match &finding.shape {
        Shape::Mask(mask) => (mask.volume_ml() * 1000.0).cbrt(),
        Shape::Box(found) => found.corners_mm[0].distance(found.corners_mm[1]),
        Shape::Measurement(drawn) => match drawn.reading() {
            Some(Reading::Length(mm) | Reading::Diameters([mm, _])) => mm,
            Some(Reading::Region { area_mm2, .. }) => area_mm2.sqrt(),
            Some(Reading::Angle(_)) | None => 0.0,
        },
    }
}

/// What kind of finding it is.
pub fn kind(finding: &Finding) -> &'static str {
    match &finding.shape {
        Shape::Mask(_) => "Mask",
        Shape::Box(_) => "Box",
        Shape::Measurement(drawn) => drawn.kind.name(),
    }
}

/// Who made it.
pub const fn source(finding: &Finding) -> &'static str {
    match &finding.source {
        Origin::Reader => "by hand",
        Origin::Model(_) if finding.corrected => "assistant, corrected",
        Origin::Model(_) => "assistant",
        Origin::File { .. } => "file",
    }
}

/// The slices of the acquisition that it reaches over, counted from 1: `12` or `12-31`.
pub fn slices(finding: &Finding, record: &ImageRecord) -> Option<String> {
    let PatientBox { corners_mm } = finding.bounds()?;
    let last = f64::from(record.grid.dims().z) - 1.0;
    let inside = match finding.shape {
        // The sides of boxes are borders of voxels.
        Shape::Mask(_) | Shape::Box(_) => 0.5,
        Shape::Measurement(_) => 0.0,
    };
    let along = corners_mm.map(|at| record.grid.voxel_from_patient().transform_point3(at).z);
    let low = (along[0].min(along[1]) + inside).round().clamp(0.0, last) as u32 + 1;
    let high = (along[0].max(along[1]) - inside).round().clamp(0.0, last) as u32 + 1;
    Some(if low >= high {
        low.to_string()
    } else {
        format!("{low}-{high}")
    })
}
