//! Measurements in words and numbers, as the list, the pictures and tables give them.

use glam::DVec3;
use m3d_imaging::volume::Spacing;
use m3d_imaging::volume::measure::Values;

use super::resources::{Figures, Inside, OpenImage, Subject};
use super::workspace::{Finding, Measurement, MeasurementKind, PatientBox, Reading};
use super::{Application, Seen};
use crate::render::overlay::{Annotation, figure};

impl Reading {
    /// In words, in what lengths of the image are worth: `24.1 mm`, `24.1 × 18.0 mm`, `34.2°`, `412 mm²`.
    pub fn words(&self, spacing: Spacing) -> String {
        let unit = spacing.unit();
        match *self {
            Self::Length(mm) => format!("{mm:.1} {unit}"),
            Self::Diameters([long, short]) => format!("{long:.1} × {short:.1} {unit}"),
            Self::Angle(degrees) => format!("{degrees:.1}°"),
            Self::Region { area_mm2, .. } => match spacing {
                Spacing::Unknown => format!("{} px²", figure(area_mm2 as f32)),
                Spacing::Detector => format!("{} mm² at the detector", figure(area_mm2 as f32)),
                Spacing::Patient => format!("{} mm²", figure(area_mm2 as f32)),
            },
        }
    }
}

impl Finding {
    /// A measurement as slices that are twice `half_mm` thick show it; none for other findings.
    pub fn annotation(&self, words: Vec<String>, half_mm: f64, chosen: bool) -> Option<Annotation> {
        let drawn = self.measurement()?;
        let [r, g, b] = self.colour.rgb();
        Some(Annotation {
            lines: drawn.lines(),
            arrow: drawn.kind == MeasurementKind::Arrow,
            handles: drawn.handles(),
            words,
            words_at_mm: drawn.label_mm,
            normal: drawn.normal(),
            half_mm,
            colour: [r, g, b, 255],
            chosen,
            id: self.id.0,
        })
    }
}

impl OpenImage {
    /// A factor and a unit: values as readers compare them, uptake where that is known.
    pub fn scale(&self) -> (f64, String) {
        match &self.series.suv {
            Some(suv) => (suv.of(1.0), suv.kind.to_string()),
            None => (1.0, self.volume.units().symbol().to_owned()),
        }
    }

    /// Mean, deviation and range in words, in two lines.
    pub fn values_words(&self, values: &Values) -> [String; 2] {
        let (factor, unit) = self.scale();
        let number = |value: f64| figure((value * factor) as f32);
        let words = |text: String| format!("{text} {unit}").trim_end().to_owned();
        [
            words(format!(
                "mean {} ± {}",
                number(values.mean),
                number(values.std)
            )),
            words(format!("{} to {}", number(values.min), number(values.max))),
        ]
    }
}

impl Application {
    /// What was measured inside a subject at a time point, unless it has changed since.
    pub fn figures(&self, subject: Subject, inside: &Inside, time: u32) -> Option<&Figures> {
        let found = self.resources.figures.get(&(subject, time))?;
        (found.inside == *inside).then_some(found)
    }

    /// What was measured inside a finding of what a view shows.
    pub fn figures_of(&self, finding: &Finding, seen: &Seen<'_>) -> Option<&Figures> {
        let inside = Inside::of(finding, seen.grid())?;
        self.figures(Subject::Finding(finding.id), &inside, seen.layer.time)
    }

    /// What stands beside a measurement on a picture, line by line.
    pub fn measurement_words(
        &self,
        finding: &Finding,
        drawn: &Measurement,
        seen: &Seen<'_>,
    ) -> Vec<String> {
        let image = seen.image;
        let mut lines = Vec::new();
        let unnamed = finding.name.starts_with(drawn.kind.name());
        if drawn.kind.is_words() || !unnamed {
            lines.push(finding.name.clone());
        }
        let spacing = image.series.stated.spacing;
        lines.extend(drawn.reading().map(|reading| reading.words(spacing)));
        if drawn.kind == MeasurementKind::Probe {
            let value = drawn.points_mm.first().map(|point| seen.place(*point));
            let value = value.and_then(|place| place.value);
            lines.push(value.map_or("outside".into(), |value| image.value_words(value)));
        }
        if let Some(figures) = self.figures_of(finding, seen) {
            let values = figures.values.map(|values| image.values_words(&values));
            lines.extend(values.into_iter().flatten());
        }
        lines
    }

    /// What stands beside a box on a picture: its size, and the mean of the values inside.
    pub fn box_words(&self, subject: Subject, found: &PatientBox, seen: &Seen<'_>) -> Vec<String> {
        let voxel_box = found.on(seen.grid());
        let size = voxel_box.size_mm(seen.grid());
        let mut lines = vec![size_words(size, seen.image.series.stated.spacing)];
        let figures = self.figures(subject, &Inside::Box(voxel_box), seen.layer.time);
        let values = figures.and_then(|figures| figures.values);
        lines.extend(values.map(|values| {
            let [mean, _] = seen.image.values_words(&values);
            mean
        }));
        lines
    }
}

/// The size of a box; of a projection, which has no depth, width and height.
pub fn size_words(size: DVec3, spacing: Spacing) -> String {
    match spacing {
        Spacing::Patient => format!("{:.0} × {:.0} × {:.0} mm", size.x, size.y, size.z),
        other => format!("{:.0} × {:.0} {}", size.x, size.y, other.unit()),
    }
}
