//! The values of an image inside masks and boxes.

use std::sync::Arc;

use m3d_imaging::io::Progress;
use m3d_imaging::volume::{ImageKey, Volume};

use super::{Finish, Job, Slot};
use crate::app::resources::{Figures, Inside, Subject};

/// Measures the values of an image inside masks and boxes.
pub struct MeasureValues {
    /// The image.
    pub image: ImageKey,
    /// Its time point.
    pub time: u32,
    /// Its voxels.
    pub volume: Arc<Volume>,
    /// What is measured, and where.
    pub subjects: Vec<(Subject, Inside)>,
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
        let mut measured = Vec::with_capacity(self.subjects.len());
        for (subject, inside) in self.subjects {
            if progress.is_cancelled() {
                break;
            }
            measured.push(((subject, self.time), Figures::of(inside, &self.volume)));
        }
        Box::new(move |app| app.resources.figures.extend(measured))
    }
}
