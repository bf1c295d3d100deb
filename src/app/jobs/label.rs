//! Making the visible masks of an image ready to draw.

use std::collections::BTreeSet;

use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::io::Progress;
use m3d_imaging::volume::{ImageKey, LabelMap, Mask};

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
    /// The slot of drawing the masks of an image.
    pub fn slot_of(image: &ImageKey) -> Slot {
        Slot::latest_for("label", format!("{image:?}"))
    }

    fn map(&self) -> LabelMap {
        let masks = || self.sources.0.iter().map(|(mask, _)| &**mask);
        if let Some((before, map)) = &self.earlier {
            let mut map = map.clone();
            let before: Vec<&Mask> = before.0.iter().map(|(mask, _)| &**mask).collect();
            let pairs = masks().zip(before.iter().copied());
            let changed = pairs.flat_map(|(a, b)| a.changed_since(b));
            // Those that came last, or are gone from there, count where something is inside.
            let come = masks().skip(before.len()).flat_map(Mask::occupied);
            let gone = before.iter().skip(self.sources.0.len());
            let gone = gone.flat_map(|mask| mask.occupied());
            let changed: BTreeSet<usize> = changed.chain(come).chain(gone).collect();
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
        Self::slot_of(&self.image)
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
