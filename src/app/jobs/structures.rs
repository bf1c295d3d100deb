//! Reading structures onto an image.

use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::io::{Progress, objects};
use m3d_imaging::volume::ImageIdentity;

use super::{Finish, Job, Slot};
use crate::app::StructureFile;

/// Reads the structures of a file on the grid of an image.
pub struct LoadStructures {
    /// The file.
    pub from: StructureFile,
    /// The image they go onto.
    pub image: ImageIdentity,
    /// Its size and place.
    pub grid: VoxelGrid,
}

impl Job for LoadStructures {
    fn title(&self) -> String {
        match &self.from {
            StructureFile::Object(object) => format!("Loading {}", object.kind.code()),
            StructureFile::LabelMap(_) => "Loading a label map".into(),
        }
    }

    fn slot(&self) -> Slot {
        Slot::latest_for(
            "structures",
            format!("{}{:?}", self.from.name(), self.image.key),
        )
    }

    fn run(self: Box<Self>, progress: &Progress) -> Finish {
        let Self { from, image, grid } = *self;
        let loaded = match &from {
            StructureFile::Object(object) => objects::load(object, &grid, progress),
            StructureFile::LabelMap(series) => objects::load_label_series(series, &grid, progress),
        };
        let name = from.name();
        Box::new(move |app| app.structures_loaded(&image, &name, loaded))
    }
}
