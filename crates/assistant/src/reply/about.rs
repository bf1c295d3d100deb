//! What is known of an image beside its voxels.

use m3d_imaging::survey::Survey;
use m3d_imaging::volume::{Stated, Volume};

/// What is known of an image beside its voxels: what it is, and what its file says.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageFacts {
    /// Modality, region, content, and what to be careful about.
    pub survey: Survey,
    /// What the file says of image and patient.
    pub stated: Stated,
}

impl ImageFacts {
    /// Of an image and what its file says.
    pub fn new(volume: &Volume, stated: Stated) -> Self {
        Self {
            survey: Survey::of(volume, &stated),
            stated,
        }
    }

    /// Of an image of which nothing is known but its voxels and their place, which is believed.
    pub fn of_volume(volume: &Volume) -> Self {
        let stated = Stated {
            side_known: true,
            ..Stated::NOTHING
        };
        Self::new(volume, stated)
    }
}
