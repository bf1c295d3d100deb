//! Key images: a slice as the reader kept it, with the findings that go out.

use std::collections::BTreeMap;
use std::sync::Arc;

use glam::DVec2;
use m3d_imaging::geometry::{SlicePlane, VoxelBox};
use m3d_imaging::io::{IoError, Progress, Series, load_time};
use m3d_imaging::volume::{LabelMap, Mask, Volume};

use super::document::Picture;
use crate::app::workspace::{Finding, FindingId, KeyImage, Look, Shape};
use crate::render::overlay::{
    BoxMark, CornerLine, CornerTexts, SliceOverlay, half_slice_mm, slice_lines, slice_marks,
    window_line,
};
use crate::render::{LabelStyle, LayerStyle, SliceConfig, annotate, cpu, pixels_per_point};

/// The longer side of a picture, in pixels, and the least of the shorter one.
const LONGER_PX: f64 = 900.0;
const SHORTER_PX: f64 = 450.0;

/// A key image with what it is drawn from.
#[derive(Clone, Debug)]
pub struct KeySource {
    /// What is shown.
    pub key: KeyImage,
    /// Where its voxels are read.
    pub series: Series,
    /// Its voxels, where they are here.
    pub volume: Option<Arc<Volume>>,
    /// The findings that are drawn.
    pub findings: Vec<Finding>,
    /// The figures that stand beside findings.
    pub words: BTreeMap<FindingId, String>,
    /// Opacity of masks, 0 to 1.
    pub mask_opacity: f32,
}

impl KeySource {
    /// Draws it; voxels that are not here are read.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn draw(&self, progress: &Progress) -> Result<Picture, IoError> {
        let volume = match &self.volume {
            Some(volume) => Arc::clone(volume),
            None => Arc::new(load_time(&self.series, self.key.time, progress)?.volume),
        };
        let (key, grid) = (&self.key, volume.grid());
        let plane = SlicePlane::new(grid, key.orientation);
        let size_px = size_of(plane.extent_mm(grid));
        let shown = |finding: &&Finding| finding.image == key.image && finding.time == key.time;
        let findings = || self.findings.iter().filter(shown);
        let masks: Vec<(&Arc<Mask>, &Finding)> = findings()
            .filter_map(|f| Some((f.mask()?, f)))
            .filter(|(mask, _)| mask.grid() == grid)
            .take(LabelMap::MOST)
            .collect();
        let labels = LabelMap::from_masks(*grid, masks.iter().map(|(mask, _)| &***mask));
        let config = SliceConfig {
            view: Look::default().slice_view(grid, key.orientation, key.point_mm, size_px),
            layers: vec![LayerStyle {
                invert: key.invert,
                ..LayerStyle::grey(key.window)
            }],
            labels: masks
                .iter()
                .map(|(_, finding)| LabelStyle {
                    colour: finding.colour.rgb().map(|c| f32::from(c) / 255.0),
                    opacity: finding.mask_look.opacity.unwrap_or(self.mask_opacity),
                    outline: finding.mask_look.outline,
                })
                .collect(),
        };
        let mut picture = cpu::slice(&[&volume], Some(&labels), &config);
        let boxes = findings().filter_map(|finding| match &finding.shape {
            Shape::Box(found) => {
                let [r, g, b] = finding.colour.rgb();
                Some(BoxMark {
                    grid: *grid,
                    region: VoxelBox::from_patient_corners(grid, found.corners_mm),
                    colour: [r, g, b, 255],
                    handles: false,
                    words: self.words_of(finding),
                    id: None,
                })
            }
            Shape::Mask(_) | Shape::Measurement(_) => None,
        });
        let half_mm = half_slice_mm(&plane, grid);
        let annotations = findings().filter_map(|f| f.annotation(self.words_of(f), half_mm, false));
        let sides_known = self.series.stated.side_known;
        let scale = pixels_per_point(size_px);
        let marks = slice_marks(&SliceOverlay {
            view: config.view,
            pixels_per_point: scale,
            crosshair_mm: None,
            boxes: boxes.collect(),
            annotations: annotations.collect(),
            texts: CornerTexts {
                // The patient's name stands in the report, in letters that pictures may lack.
                top_left: vec![CornerLine::new(self.series.modality_code.clone())],
                top_right: slice_lines(grid, &config.view, sides_known),
                bottom_left: vec![window_line(key.window, key.invert)],
            },
            spacing: self.series.stated.spacing,
            sides_known,
            notice: true,
        });
        annotate(&mut picture, &marks, &config.view, scale);
        let (slice, count) = (
            plane.slice_of(grid, key.point_mm) + 1,
            plane.slice_count(grid),
        );
        let plane = format!("{} {slice} of {count}", key.orientation.name());
        let caption = match key.caption.trim() {
            "" => plane,
            words => format!("{words} ({plane})"),
        };
        Ok(Picture { caption, picture })
    }
}

impl KeySource {
    fn words_of(&self, finding: &Finding) -> Vec<String> {
        let words = self.words.get(&finding.id).cloned();
        std::iter::once(finding.name.clone()).chain(words).collect()
    }
}

/// The size of a picture of a plane: its shape, and neither too long nor too narrow.
fn size_of(extent_mm: DVec2) -> DVec2 {
    let longer = extent_mm.max_element();
    if !(longer.is_finite() && longer > 0.0) {
        return DVec2::splat(LONGER_PX);
    }
    let size = extent_mm * (LONGER_PX / longer);
    size.max(DVec2::splat(SHORTER_PX)).round()
}
