//! What was found in an image: masks, boxes and measurements.

use std::sync::Arc;

use glam::DVec3;
use m3d_imaging::geometry::{VoxelBox, VoxelGrid};
use m3d_imaging::volume::{ImageKey, Mask};
use serde::{Deserialize, Serialize};

use super::{CardId, FindingId, Measurement};

/// Two opposite corners in patient mm; with the axes of an image they name one box of its grid.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PatientBox {
    /// The corners.
    pub corners_mm: [DVec3; 2],
}

impl PatientBox {
    /// The box of a grid in the patient.
    pub fn of(voxel_box: &VoxelBox, grid: &VoxelGrid) -> Self {
        Self {
            corners_mm: voxel_box.patient_corners(grid),
        }
    }

    /// The box on a grid's own axes.
    pub fn on(&self, grid: &VoxelGrid) -> VoxelBox {
        VoxelBox::from_patient_corners(grid, self.corners_mm)
    }

    /// Its middle in patient mm.
    pub fn centre_mm(&self) -> DVec3 {
        self.corners_mm[0].midpoint(self.corners_mm[1])
    }
}

/// What a finding is made of, in patient mm.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A set of voxels of its image.
    Mask(Arc<Mask>),
    /// A box.
    Box(PatientBox),
    /// Lines, angles and regions on a plane.
    Measurement(Box<Measurement>),
}

/// Who made a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The reader.
    Reader,
    /// A model; the answer's card holds what it was made from.
    Model(CardId),
    /// A file.
    File {
        /// Its name.
        name: String,
        /// Who drew it, in DICOM's word (`AUTOMATIC`, `SEMIAUTOMATIC`, `MANUAL`); empty where the file does not say.
        #[serde(default)]
        drawn_by: String,
    },
}

/// What the reader makes of a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody has looked at it yet.
    #[default]
    Proposed,
    /// It is right.
    Accepted,
    /// It is wrong.
    Rejected,
}

impl Status {
    /// All, in the order of the list.
    pub const ALL: [Self; 3] = [Self::Proposed, Self::Accepted, Self::Rejected];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proposed => "Proposed",
            Self::Accepted => "Accepted",
            Self::Rejected => "Rejected",
        }
    }
}

/// The colour of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FindingColour {
    /// A place in the row of colours.
    Row(usize),
    /// Red, green and blue, as a file recommends them.
    Own([u8; 3]),
}

/// How a mask is drawn on slices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MaskLook {
    /// Its opacity, 0 to 1; as all masks where there is none.
    pub opacity: Option<f32>,
    /// Whether its outline alone is drawn.
    pub outline: bool,
}

/// The row of colours of findings, red, green and blue; it repeats.
const ROW: [[u8; 3]; 8] = [
    [255, 120, 90],
    [80, 200, 255],
    [150, 230, 110],
    [235, 140, 255],
    [214, 224, 70],
    [110, 150, 255],
    [255, 130, 180],
    [90, 225, 190],
];

impl FindingColour {
    /// Red, green and blue.
    pub const fn rgb(self) -> [u8; 3] {
        match self {
            Self::Row(place) => ROW[place % ROW.len()],
            Self::Own(rgb) => rgb,
        }
    }
}

/// A mask, a box or a measurement with a name. A session keeps masks in files of their own: there `S` names the file.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the list, and none depends on another"
)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding<S = Shape> {
    /// Its name in the workspace.
    pub id: FindingId,
    /// The image it belongs to.
    pub image: ImageKey,
    /// The time point.
    pub time: u32,
    /// What the reader calls it.
    pub name: String,
    /// Its colour.
    pub colour: FindingColour,
    /// Whether it is drawn.
    pub visible: bool,
    /// Whether it is safe from changes.
    pub locked: bool,
    /// A heading it is listed under; empty for none.
    pub group: String,
    /// Who made it.
    pub source: Origin,
    /// What the reader makes of it; what the reader drew is accepted unless he says otherwise.
    #[serde(default)]
    pub status: Option<Status>,
    /// Whether it counts in the sum of target lesions (RECIST 1.1).
    #[serde(default)]
    pub target: bool,
    /// The finding of an earlier study that it is compared with.
    #[serde(default)]
    pub earlier: Option<FindingId>,
    /// What it is.
    pub shape: S,
    /// The size of the voxels a model drew a mask in, in mm along i, j, k: what the outline is worth.
    pub drawn_at_mm: Option<DVec3>,
    /// Whether a reader has changed a mask that a model or a file brought.
    #[serde(default)]
    pub corrected: bool,
    /// How it is drawn, if it is a mask.
    #[serde(default)]
    pub mask_look: MaskLook,
    /// The reader's words on it.
    pub note: String,
}

impl<S> Finding<S> {
    /// The same finding made of something else.
    pub fn with_shape<T>(self, shape: T) -> Finding<T> {
        Finding {
            id: self.id,
            image: self.image,
            time: self.time,
            name: self.name,
            colour: self.colour,
            visible: self.visible,
            locked: self.locked,
            group: self.group,
            source: self.source,
            status: self.status,
            target: self.target,
            earlier: self.earlier,
            shape,
            drawn_at_mm: self.drawn_at_mm,
            corrected: self.corrected,
            mask_look: self.mask_look,
            note: self.note,
        }
    }
}

impl Finding {
    /// One that the reader has made, of the first time point, in the first colour.
    pub fn new(image: &ImageKey, name: impl Into<String>, shape: Shape) -> Self {
        Self {
            id: FindingId::fresh(),
            image: image.clone(),
            time: 0,
            name: name.into(),
            colour: FindingColour::Row(0),
            visible: true,
            locked: false,
            group: String::new(),
            source: Origin::Reader,
            status: None,
            target: false,
            earlier: None,
            shape,
            drawn_at_mm: None,
            corrected: false,
            mask_look: MaskLook::default(),
            note: String::new(),
        }
    }

    /// What the reader makes of it: what he drew is accepted, what a model or a file brought is proposed, until he says
    /// otherwise.
    pub fn status(&self) -> Status {
        let own = if self.source == Origin::Reader {
            Status::Accepted
        } else {
            Status::Proposed
        };
        self.status.unwrap_or(own)
    }

    /// Its mask, if it is one.
    pub const fn mask(&self) -> Option<&Arc<Mask>> {
        match &self.shape {
            Shape::Mask(mask) => Some(mask),
            Shape::Box(_) | Shape::Measurement(_) => None,
        }
    }

    /// The measurement, if it is one.
    pub fn measurement(&self) -> Option<&Measurement> {
        match &self.shape {
            Shape::Measurement(measurement) => Some(measurement),
            Shape::Mask(_) | Shape::Box(_) => None,
        }
    }

    /// The middle of it in patient mm; `None` for an empty mask.
    pub fn centre_mm(&self) -> Option<DVec3> {
        match &self.shape {
            Shape::Mask(mask) => {
                let place = mask.grid().patient_from_voxel();
                mask.centroid().map(|voxel| place.transform_point3(voxel))
            }
            Shape::Box(patient_box) => Some(patient_box.centre_mm()),
            Shape::Measurement(measurement) => measurement.centre_mm(),
        }
    }

    /// The box around it, in patient mm along its image's axes.
    pub fn bounds(&self) -> Option<PatientBox> {
        match &self.shape {
            Shape::Mask(mask) => {
                let voxel_box = mask.bounding_box()?;
                Some(PatientBox::of(&voxel_box, mask.grid()))
            }
            Shape::Box(patient_box) => Some(*patient_box),
            Shape::Measurement(measurement) => measurement
                .corners_mm()
                .map(|corners_mm| PatientBox { corners_mm }),
        }
    }

    /// Bytes it holds.
    pub fn byte_len(&self) -> usize {
        let shape = match &self.shape {
            Shape::Mask(mask) => mask.bytes(),
            Shape::Box(_) => 0,
            Shape::Measurement(measurement) => size_of::<Measurement>() + measurement.byte_len(),
        };
        size_of::<Self>() + self.name.len() + self.group.len() + self.note.len() + shape
    }
}
