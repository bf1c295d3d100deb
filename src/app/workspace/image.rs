//! What the workspace knows of an image without its voxels.

use glam::{DVec3, UVec3};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::{ImageIdentity, ImageKey, Modality};
use serde::{Deserialize, Serialize};

/// The coordinates that images share: what links crosshairs and lets series lie over one another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// Frame of Reference UID (0020,0052) of one patient.
    Shared {
        /// The patient, as in [`ImageKey::Dicom`].
        patient: String,
        /// The UID.
        uid: String,
    },
    /// Of an image that names no frame.
    Image(ImageKey),
}

/// An image that work belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// What it is and what it was made of.
    pub identity: ImageIdentity,
    /// Size and place.
    pub grid: VoxelGrid,
    /// What made it.
    pub modality: Modality,
    /// Modality (0008,0060) as written.
    pub modality_code: String,
    /// Series Description (0008,103E).
    pub description: String,
    /// Time points.
    pub times: u32,
    /// Frame of Reference UID (0020,0052).
    pub frame_uid: Option<String>,
    /// The patient's name, for the screen alone.
    pub patient: String,
    /// Study Date (0008,0020), `YYYYMMDD`.
    pub study_date: String,
}

impl ImageRecord {
    /// The coordinates it lies in.
    pub fn frame(&self) -> Frame {
        match (&self.identity.key, &self.frame_uid) {
            (ImageKey::Dicom { patient, .. }, Some(uid)) => Frame::Shared {
                patient: patient.clone(),
                uid: uid.clone(),
            },
            (key, _) => Frame::Image(key.clone()),
        }
    }

    /// Whether another record is of the same voxels in the same place: what was found in one is in the other.
    pub fn is_same_image(&self, other: &Self) -> bool {
        self.identity == other.identity && self.grid == other.grid
    }

    /// Patient, date and series in one line, for the screen alone.
    pub fn title(&self) -> String {
        let parts = [
            self.patient.as_str(),
            self.study_date.as_str(),
            self.modality_code.as_str(),
            self.description.as_str(),
        ];
        let filled: Vec<&str> = parts.into_iter().filter(|p| !p.is_empty()).collect();
        filled.join(", ")
    }

    /// A patient point held inside the image.
    pub fn clamped(&self, point_mm: DVec3) -> DVec3 {
        let voxel = self.grid.voxel_from_patient().transform_point3(point_mm);
        if !voxel.is_finite() {
            return self.grid.middle_voxel_mm();
        }
        let inside = voxel.clamp(DVec3::ZERO, self.grid.dims().as_dvec3() - 1.0);
        self.grid.patient_from_voxel().transform_point3(inside)
    }

    /// The centre of the voxel nearest to a patient point, inside the image.
    pub fn on_a_voxel(&self, point_mm: DVec3) -> DVec3 {
        let voxel = self.grid.voxel_from_patient().transform_point3(point_mm);
        let rounded = self
            .grid
            .patient_from_voxel()
            .transform_point3(voxel.round());
        self.clamped(rounded)
    }

    /// Whether it is known to be of the same patient as another: the same image, or both name the same patient.
    pub fn is_same_patient(&self, other: &Self) -> bool {
        self.identity.key.is_same_patient(&other.identity.key)
    }

    /// The voxel at a patient point, when it is inside.
    pub fn voxel(&self, point_mm: DVec3) -> Option<UVec3> {
        let grid = &self.grid;
        grid.nearest(grid.voxel_from_patient().transform_point3(point_mm))
    }
}
