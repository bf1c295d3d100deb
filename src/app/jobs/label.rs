//! Making the visible masks of an image ready to draw.

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
    /// The masks that were drawn before, and their map: only bricks in which they differ are drawn anew.
    pub earlier: Option<(LabelSources, LabelMap)>,
    /// What the result is called.
    pub revision: Revision,
    /// Where a first copy goes; `None` where there is no adapter, or a copy that can be brought up to date.
    pub upload_to: Option<Gpu>,
}

impl DrawLabels {
    fn map(&self) -> LabelMap {
        let masks = || self.sources.0.iter().map(|(mask, _)| &**mask);
        if let Some((before, map)) = &self.earlier
            && before.0.len() == self.sources.0.len()
        {
            let mut map = map.clone();
            let pairs = masks().zip(before.0.iter().map(|(mask, _)| &**mask));
            let changed: Vec<usize> = pairs.flat_map(|(a, b)| a.changed_since(b)).collect();
            map.update(masks(), changed);
            return map;
        }
        LabelMap::from_masks(self.grid, masks())
    }
}

impl Job for DrawLabels {
    fn title(&self) -> String {
        "Drawing masks".into()
    }

    fn slot(&self) -> Slot {
        Slot::latest_for("label", format!("{:?}", self.image))
    }

    fn run(self: Box<Self>, _: &Progress) -> Finish {
        let image = self.image.clone();
        let labels = (!self.sources.0.is_empty()).then(|| {
            let map = self.map();
            let texture = self.upload_to.as_ref().and_then(|gpu| {
                LabelTexture::upload(gpu, &map)
                    .inspect_err(|error| tracing::warn!("masks are not drawn: {error}"))
                    .ok()
            });
            ShownLabels {
                revision: self.revision,
                sources: self.sources,
                map,
                texture,
            }
        });
        Box::new(move |app| {
            let gpu = app.gpu.clone();
            app.resources.put_labels(image, labels, gpu.as_ref());
        })
    }
}
