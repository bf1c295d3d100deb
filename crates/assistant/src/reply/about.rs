//! What is known of an image beside its voxels.

use m3d_imaging::survey::Survey;
use m3d_imaging::volume::{Stated, Statistics, Volume, Window};

/// What is known of an image beside its voxels: what it is, and what its file says.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageFacts {
    /// Modality, region, content, and what to be careful about.
    pub survey: Survey,
    /// What the file says of image and patient.
    pub stated: Stated,
    /// The window that questions and reports are prepared with where the reader sets none: soft tissue for CT, the usual
    /// range of values for what is none, whatever is on screen.
    pub window: Window,
}

impl ImageFacts {
    /// Of an image with the figures of its values, and what its file says.
    pub fn new(volume: &Volume, statistics: &Statistics, stated: Stated) -> Self {
        let survey = Survey::of(volume, &stated);
        Self {
            window: Window::for_volume(survey.modality, statistics),
            survey,
            stated,
        }
    }

    /// Of an image of which nothing is known but its voxels and their place, which is believed.
    pub fn of_volume(volume: &Volume) -> Self {
        let stated = Stated {
            side_known: true,
            ..Stated::NOTHING
        };
        Self::new(volume, &volume.statistics(), stated)
    }
}
