//! What a reader does to masks by hand: strokes, outlines, regions, thresholds.

use std::sync::Arc;

use glam::DVec3;
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::edit::{Brush, EditError, Tip, ValueRange, paint_outline};
use m3d_imaging::volume::{ImageKey, Mask, MaskPatch, Paint, Volume};

use super::jobs::{AddArea, Area, PreviewThreshold};
use super::mask_tools::Threshold;
use super::workspace::{Edit, Finding, FindingId, Origin, Shape};
use super::{Application, MaskSettings, NoticeKind, Step};

/// Where something is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskPlace {
    /// The image.
    pub image: ImageKey,
    /// Its time point.
    pub time: u32,
    /// The axis of its grid that runs across the slice on screen, and the slice.
    pub slice: (usize, u32),
}

/// What the window wishes for masks.
#[derive(Clone, Debug, PartialEq)]
pub enum MaskAct {
    /// Moves the brush straight on.
    Stroke {
        /// Where.
        place: MaskPlace,
        /// From and to, in patient mm.
        ends_mm: [DVec3; 2],
        /// Whether it paints or erases.
        paint: Paint,
        /// The stroke that it is a part of.
        group: u64,
    },
    /// The stroke has ended.
    Rest,
    /// Fills an outline.
    Outline {
        /// Where.
        place: MaskPlace,
        /// Its corners in patient mm.
        corners_mm: Vec<DVec3>,
        /// Whether it is put in or taken out.
        paint: Paint,
    },
    /// Grows a region.
    Region {
        /// Where.
        place: MaskPlace,
        /// The click, in patient mm.
        seed_mm: DVec3,
        /// Whether it is put in or taken out.
        paint: Paint,
    },
    /// Changes sizes and ranges.
    Settings(MaskSettings),
    /// Shows what a range of values gives on the active image, or (`None`) no longer.
    Preview(Option<ValueRange>),
    /// Puts what the shown range gives into the chosen mask, or a new one.
    TakePreview,
}

/// The deviations around the mean of what lies near a click that a region takes in, and how near that is.
const REGION_DEVIATIONS: f32 = 2.5;
const REGION_NEAR_MM: f64 = 3.0;

impl Application {
    pub(super) fn handle_mask(&mut self, act: MaskAct) {
        match act {
            MaskAct::Stroke {
                place,
                ends_mm,
                paint,
                group,
            } => self.stroke(&place, ends_mm, paint, group),
            MaskAct::Rest => self.masks.painting = false,
            MaskAct::Outline {
                place,
                corners_mm,
                paint,
            } => {
                let range = self.limit();
                self.paint(&place, paint, Step::group(), "lasso", |mask, volume| {
                    paint_outline(mask, volume, &corners_mm, range, paint)
                });
            }
            MaskAct::Region {
                place,
                seed_mm,
                paint,
            } => self.region(place, seed_mm, paint),
            MaskAct::Settings(settings) => self.masks.settings = settings,
            MaskAct::Preview(range) => self.preview(range),
            MaskAct::TakePreview => self.take_preview(),
        }
    }

    /// The values that tools keep to, if they do.
    fn limit(&self) -> Option<ValueRange> {
        let settings = &self.masks.settings;
        settings.limit.then_some(settings.range)
    }

    /// The chosen mask on an image.
    pub fn chosen_mask(&self, image: &ImageKey) -> Option<&Finding> {
        let mut chosen = self.selected();
        chosen.find(|f| f.image == *image && f.mask().is_some())
    }

    fn stroke(&mut self, place: &MaskPlace, ends_mm: [DVec3; 2], paint: Paint, group: u64) {
        self.masks.painting = true;
        let settings = self.masks.settings;
        let (axis, slice) = place.slice;
        let brush = Brush {
            radius_mm: settings.size_mm / 2.0,
            tip: if settings.ball {
                Tip::Ball
            } else {
                Tip::Disc { axis, slice }
            },
            range: self.limit(),
        };
        let label = match paint {
            Paint::Add => "paint",
            Paint::Erase => "erase",
        };
        self.paint(place, paint, group, label, |mask, volume| {
            let grid = volume.grid();
            brush.stroke(
                mask,
                volume,
                ends_mm.map(|end| on_slice(grid, place.slice, end)),
                paint,
            )
        });
    }

    /// Changes the chosen mask as a part of a step, or makes a new one.
    fn paint(
        &mut self,
        place: &MaskPlace,
        paint: Paint,
        group: u64,
        label: &'static str,
        change: impl FnOnce(&Mask, &Volume) -> Result<MaskPatch, EditError>,
    ) {
        let Some(open) = self.resources.image(&place.image, place.time) else {
            return;
        };
        let volume = Arc::clone(&open.volume);
        let chosen = self.chosen_mask(&place.image);
        let chosen = chosen.map(|f| (f.id, f.name.clone(), f.mask().map(Arc::clone)));
        let Some((id, name, Some(mask))) = chosen else {
            if paint == Paint::Erase {
                return self.inform("Choose the mask to erase from in the list of findings.");
            }
            let mut mask = Mask::empty(*volume.grid());
            match change(&mask, &volume) {
                Ok(patch) if patch.is_empty() => {}
                Ok(patch) => {
                    mask.apply(patch);
                    self.add_mask(&place.image, place.time, mask, Some(group));
                }
                Err(error) => self.inform(&error.to_string()),
            }
            return;
        };
        if self.is_locked(id) {
            return;
        }
        match change(&mask, &volume) {
            Ok(patch) => {
                let step = Step::of_group(format!("{label} {name}"), group);
                self.put_patch(id, patch, step);
            }
            Err(error) => self.inform(&error.to_string()),
        }
    }

    /// Puts a patch on a mask, which is shown if it was not and noted as corrected; none where it changes nothing.
    pub(super) fn put_patch(&mut self, id: FindingId, patch: MaskPatch, step: Step) {
        if patch.is_empty() {
            return;
        }
        let finding = self.workspace.finding(id);
        let is_noted = |f: &&Finding| f.visible && (f.corrected || f.source == Origin::Reader);
        if let Some(finding) = finding.filter(|f| !is_noted(f)) {
            let noted = Finding {
                visible: true,
                corrected: finding.source != Origin::Reader,
                ..finding.clone()
            };
            self.change(Edit::add(noted), step.clone());
        }
        let patch = Box::new(patch);
        self.change(Edit::Paint { id, patch }, step);
    }

    /// Whether a mask is safe from changes: then the reader is told.
    pub(super) fn is_locked(&mut self, id: FindingId) -> bool {
        let locked = self.workspace.finding(id).filter(|f| f.locked);
        let text = locked.map(|f| format!("{} is locked: unlock it to change it.", f.name));
        if let Some(text) = &text {
            self.inform(text);
        }
        text.is_some()
    }

    /// A new mask of the reader's, which is chosen.
    pub(super) fn add_mask(&mut self, image: &ImageKey, time: u32, mask: Mask, group: Option<u64>) {
        let names: Vec<&str> = self
            .workspace
            .findings_of(image)
            .map(|f| f.name.as_str())
            .collect();
        let mut numbers = 1..;
        let name = numbers
            .by_ref()
            .map(|n: u32| format!("Mask {n}"))
            .find(|name| !names.contains(&name.as_str()));
        let name = name.unwrap_or_default();
        let id = FindingId::fresh();
        let step = Step {
            group,
            ..Step::new(format!("draw {name}"))
        };
        self.change(
            Edit::add(Finding {
                id,
                time,
                colour: self.workspace.next_colour(image),
                ..Finding::new(image, name, Shape::Mask(Arc::new(mask)))
            }),
            step,
        );
        self.select(vec![id]);
    }

    pub(super) fn inform(&mut self, text: &str) {
        self.notices.add(NoticeKind::Info, text);
    }

    fn region(&mut self, place: MaskPlace, seed_mm: DVec3, paint: Paint) {
        let Some(open) = self.resources.image(&place.image, place.time) else {
            return;
        };
        let volume = Arc::clone(&open.volume);
        let seed_mm = on_slice(volume.grid(), place.slice, seed_mm);
        let near = || ValueRange::around(&volume, seed_mm, REGION_NEAR_MM, REGION_DEVIATIONS);
        let Some(range) = self.limit().or_else(near) else {
            return self.inform(&EditError::Seed.to_string());
        };
        let reach_mm = Some(self.masks.settings.reach_mm);
        let area = Area::Region {
            seed_mm,
            range,
            reach_mm,
        };
        self.add_area(place.image, place.time, volume, area, paint);
    }

    fn add_area(
        &mut self,
        image: ImageKey,
        time: u32,
        volume: Arc<Volume>,
        area: Area,
        paint: Paint,
    ) {
        let target = self.chosen_mask(&image).map(|f| f.id);
        if target.is_none() && paint == Paint::Erase {
            return self.inform("Choose the mask to take it out of in the list of findings.");
        }
        if target.is_none_or(|id| !self.is_locked(id)) {
            self.jobs.start(AddArea {
                image,
                time,
                volume,
                area,
                paint,
                target,
            });
        }
    }

    fn preview(&mut self, range: Option<ValueRange>) {
        let active = self
            .seen_active()
            .map(|seen| (seen.layer.image.clone(), seen.layer.time));
        let earlier = self.masks.threshold.take();
        self.masks.threshold = range.zip(active).map(|(range, (image, time))| {
            let same = earlier.filter(|t| t.image == image && t.time == time);
            Threshold {
                image,
                time,
                range,
                shown: same.and_then(|t| t.shown),
            }
        });
    }

    fn take_preview(&mut self) {
        let Some(Threshold {
            image, time, range, ..
        }) = self.masks.threshold.take()
        else {
            return;
        };
        if let Some(open) = self.resources.image(&image, time) {
            let volume = Arc::clone(&open.volume);
            self.add_area(image, time, volume, Area::Threshold(range), Paint::Add);
        }
    }

    /// Lets what is shown of a threshold follow the range that is chosen: the next one is made when the last is here, so
    /// that a range that is dragged is seen on the way.
    pub(super) fn follow_threshold(&mut self) {
        let Some(threshold) = &self.masks.threshold else {
            return;
        };
        let is_shown = threshold
            .shown
            .as_ref()
            .is_some_and(|(range, _)| *range == threshold.range);
        if is_shown || self.jobs.goes_on(&PreviewThreshold::slot()) {
            return;
        }
        let open = self.resources.image(&threshold.image, threshold.time);
        if let Some(volume) = open.map(|open| Arc::clone(&open.volume)) {
            let range = threshold.range;
            self.jobs.start(PreviewThreshold { volume, range });
        }
    }
}

/// A patient point moved across a slice onto the middle of it.
fn on_slice(grid: &VoxelGrid, (axis, slice): (usize, u32), point_mm: DVec3) -> DVec3 {
    let mut voxel = grid.voxel_from_patient().transform_point3(point_mm);
    voxel[axis.min(2)] = f64::from(slice);
    grid.patient_from_voxel().transform_point3(voxel)
}
