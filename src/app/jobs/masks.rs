//! Correcting masks where it takes long: operations on whole masks, regions and thresholds.

use std::sync::Arc;

use glam::DVec3;
use m3d_imaging::io::Progress;
use m3d_imaging::volume::edit::{self, EditError, Holes, ValueRange};
use m3d_imaging::volume::{ImageKey, Mask, Paint, Volume};

use super::{Finish, Job, Slot};
use crate::app::{FindingId, MaskOperation, MaskSettings};

/// More pieces than this become no masks of their own.
const MOST_PIECES: usize = 24;

/// Does something to a whole mask.
pub struct EditMask {
    /// The finding.
    pub id: FindingId,
    /// Its mask.
    pub mask: Arc<Mask>,
    /// The mask it is combined with.
    pub other: Option<Arc<Mask>>,
    /// The axis of the grid across the slices of the active view.
    pub axis: usize,
    /// What is done.
    pub operation: MaskOperation,
    /// By how much.
    pub settings: MaskSettings,
}

impl EditMask {
    fn edited(&self, cancelled: edit::Cancelled<'_>) -> Result<Vec<Mask>, EditError> {
        let (mask, settings) = (&*self.mask, &self.settings);
        let one = match self.operation {
            MaskOperation::Smooth => edit::smooth(mask, settings.smooth_mm, cancelled),
            MaskOperation::KeepLargest => edit::keep_largest(mask, cancelled),
            MaskOperation::RemoveIslands => {
                edit::remove_islands(mask, settings.island_ml, cancelled)
            }
            MaskOperation::FillHoles => edit::fill_holes(mask, Holes::Enclosed, cancelled),
            MaskOperation::FillHolesInSlices => {
                edit::fill_holes(mask, Holes::InSlices(self.axis), cancelled)
            }
            MaskOperation::Grow => edit::grow(mask, settings.move_mm, cancelled),
            MaskOperation::Shrink => edit::shrink(mask, settings.move_mm, cancelled),
            MaskOperation::FillBetween => edit::fill_between(mask, self.axis, cancelled),
            MaskOperation::Split => return edit::pieces(mask, MOST_PIECES, cancelled),
            MaskOperation::Union | MaskOperation::Intersect | MaskOperation::Subtract => {
                let how = self.operation.combines().zip(self.other.as_ref());
                let both = how.and_then(|(how, other)| mask.combined(other, how));
                both.ok_or(EditError::OtherGrid)
            }
        };
        one.map(|mask| vec![mask])
    }
}

impl Job for EditMask {
    fn title(&self) -> String {
        self.operation.name().into()
    }

    fn slot(&self) -> Slot {
        Slot::latest_for("edit-mask", format!("{:?}", self.id))
    }

    fn run(self: Box<Self>, progress: &Progress) -> Finish {
        let result = self.edited(&|| progress.is_cancelled());
        Box::new(move |app| app.finish_edit(self.id, &self.mask, self.operation, result))
    }
}

/// Which voxels of an image.
pub enum Area {
    /// Those joined to a click.
    Region {
        /// The click, in patient mm.
        seed_mm: DVec3,
        /// The values that count.
        range: ValueRange,
        /// How far it goes, in mm.
        reach_mm: Option<f64>,
    },
    /// All with values in a range.
    Threshold(ValueRange),
}

/// Puts an area into a mask, or takes it out.
pub struct AddArea {
    /// The image.
    pub image: ImageKey,
    /// Its time point.
    pub time: u32,
    /// Its voxels.
    pub volume: Arc<Volume>,
    /// The area.
    pub area: Area,
    /// Whether it is put in or taken out.
    pub paint: Paint,
    /// The mask; a new one where there is none.
    pub target: Option<FindingId>,
}

impl Job for AddArea {
    fn title(&self) -> String {
        match self.area {
            Area::Region { .. } => "Growing a region".into(),
            Area::Threshold(_) => "Taking a range of values".into(),
        }
    }

    fn slot(&self) -> Slot {
        Slot::Every
    }

    fn run(self: Box<Self>, progress: &Progress) -> Finish {
        let cancelled: edit::Cancelled<'_> = &|| progress.is_cancelled();
        let (label, area) = match self.area {
            Area::Region {
                seed_mm,
                range,
                reach_mm,
            } => {
                let region = edit::grow_region(&self.volume, seed_mm, range, reach_mm, cancelled);
                ("region in", region)
            }
            Area::Threshold(range) => {
                let area = edit::threshold(&self.volume, range, None, cancelled);
                ("threshold in", area)
            }
        };
        let (at, target, paint) = ((self.image, self.time), self.target, self.paint);
        Box::new(move |app| app.finish_area(at, target, label, paint, area))
    }
}

/// Shows what a range of values gives.
pub struct PreviewThreshold {
    /// The voxels.
    pub volume: Arc<Volume>,
    /// The range.
    pub range: ValueRange,
}

impl PreviewThreshold {
    /// The slot of all previews.
    pub const fn slot() -> Slot {
        Slot::latest("preview-threshold")
    }
}

impl Job for PreviewThreshold {
    fn title(&self) -> String {
        "Finding values".into()
    }

    fn slot(&self) -> Slot {
        Self::slot()
    }

    fn run(self: Box<Self>, progress: &Progress) -> Finish {
        let found = edit::threshold(&self.volume, self.range, None, &|| progress.is_cancelled());
        let (range, grid) = (self.range, *self.volume.grid());
        Box::new(move |app| {
            let threshold = app.masks.threshold.as_mut();
            if let (Some(threshold), Ok(mask)) = (threshold, found) {
                let image = app.resources.image(&threshold.image, threshold.time);
                if image.is_some_and(|open| *open.volume.grid() == grid) {
                    threshold.shown = Some((range, Arc::new(mask)));
                }
            }
        })
    }
}
