//! The values of an image inside masks.

use std::sync::Arc;

use m3d_imaging::io::Progress;
use m3d_imaging::volume::measure::values_inside;
use m3d_imaging::volume::{ImageKey, Mask, Volume};

use super::{Finish, Job, Slot};
use crate::app::FindingId;
use crate::app::resources::Figures;

/// Measures the values of an image inside masks.
pub struct MeasureValues {
    /// The image.
    pub image: ImageKey,
    /// Its time point.
    pub time: u32,
    /// Its voxels.
    pub volume: Arc<Volume>,
    /// The masks.
    pub masks: Vec<(FindingId, Arc<Mask>)>,
}

impl MeasureValues {
    /// The slot of measuring a time point.
    pub fn slot_of(image: &ImageKey, time: u32) -> Slot {
        Slot::latest_for("measure", format!("{image:?} {time}"))
    }
}

impl Job for MeasureValues {
    fn title(&self) -> String {
        "Measuring".into()
    }

    fn slot(&self) -> Slot {
        Self::slot_of(&self.image, self.time)
    }

    fn run(self: Box<Self>, progress: &Progress) -> Finish {
        let mut measured = Vec::with_capacity(self.masks.len());
        for (id, mask) in self.masks {
            if progress.is_cancelled() {
                break;
            }
            // What cannot be measured has no values; the list says how many voxels it has.
            let values = values_inside(&mask, &self.volume).ok().flatten();
            measured.push(((id, self.time), Figures { mask, values }));
        }
        Box::new(move |app| app.resources.figures.extend(measured))
    }
}
