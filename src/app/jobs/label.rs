//! Making the visible masks of an image ready to draw.

use std::sync::Arc;

use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::io::Progress;
use m3d_imaging::volume::{ImageKey, LabelMap};

use super::{Finish, Job, Slot};
use crate::app::Revision;
use crate::app::resources::{LabelSources, ShownLabels};
use crate::render::{Gpu, LabelTexture};

/// Draws masks into one map of labels and brings it to the GPU.
pub struct DrawLabels {
    /// The image.
    pub image: ImageKey,
    /// Its size and place.
    pub grid: VoxelGrid,
    /// The masks, in label order.
    pub sources: LabelSources,
    /// What the result is called.
    pub revision: Revision,
    /// Where the copy goes, if anywhere.
    pub gpu: Option<Gpu>,
}

impl Job for DrawLabels {
    fn title(&self) -> String {
        "Drawing masks".into()
    }

    fn slot(&self) -> Slot {
        Slot::latest_for("label", format!("{:?}", self.image))
    }

    fn run(self: Box<Self>, _: &Progress) -> Finish {
        let masks = &self.sources.0;
        let labels = (!masks.is_empty()).then(|| {
            let map = LabelMap::from_masks(self.grid, masks.iter().map(|(mask, _)| &**mask));
            let texture = self.gpu.as_ref().and_then(|gpu| {
                LabelTexture::upload(gpu, &map)
                    .inspect_err(|error| tracing::warn!("masks are not drawn: {error}"))
                    .ok()
            });
            ShownLabels {
                revision: self.revision,
                colours: masks.iter().map(|(_, colour)| *colour).collect(),
                map: Arc::new(map),
                texture: texture.map(Arc::new),
            }
        });
        let image = self.image;
        Box::new(move |app| app.resources.put_labels(image, labels))
    }
}
