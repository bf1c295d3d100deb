//! What is made again at need: voxels, textures, labels, thumbnails. None of it is the reader's work.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use m3d_imaging::geometry::{VoxelBox, VoxelGrid};
use m3d_imaging::io::{Series, SeriesId};
use m3d_imaging::volume::measure::{self, InPlane, Values};
use m3d_imaging::volume::{ImageIdentity, ImageKey, LabelMap, Mask, Modality, Statistics, Volume};

use super::{Finding, FindingColour, FindingId, MaskLook, Measurement, Revision, Shape};
use crate::render::overlay::figure;
use crate::render::{Gpu, LabelTexture, Picture, VolumeTexture};
use m3d_assistant::reply::ImageFacts;

/// A time point of an image: what voxels are kept by.
pub type ImageTime = (ImageKey, u32);

/// The voxels of one time point, figures of them, and their copy on the GPU where there is one.
#[derive(Clone, Debug)]
pub struct OpenImage {
    /// Where it was read from.
    pub series: Series,
    /// What it is.
    pub identity: ImageIdentity,
    /// The voxels.
    pub volume: Arc<Volume>,
    /// What it is beside its voxels: modality, region, what its file says.
    pub about: Arc<ImageFacts>,
    /// Figures of its values.
    pub statistics: Statistics,
    /// Its copy on the GPU; none without an adapter, or when it did not fit.
    pub texture: Option<Arc<VolumeTexture>>,
    /// Which reading this is; what is drawn of it carries it.
    pub revision: Revision,
}

impl OpenImage {
    /// What the image is shown as; CT has windows of its own.
    pub fn shown_as(&self) -> Modality {
        self.volume.modality().shown_as(&self.statistics)
    }

    /// Whether the values mean something in a unit.
    pub fn has_units(&self) -> bool {
        self.series.suv.is_some() || !self.volume.units().symbol().is_empty()
    }

    /// A value in the image's unit, and as a standardised uptake value where that is known: `5321 Bq/mL   SUVbw 4.2`.
    pub fn value_words(&self, value: f32) -> String {
        let own = format!("{} {}", figure(value), self.volume.units().symbol());
        let own = own.trim_end();
        match &self.series.suv {
            Some(suv) => {
                let uptake = figure(suv.of(f64::from(value)) as f32);
                format!("{own}   {} {uptake}", suv.kind)
            }
            None => own.to_owned(),
        }
    }

    /// Bytes on the CPU and on the GPU.
    pub fn byte_len(&self) -> usize {
        let texture = self.texture.as_ref().map_or(0, |t| t.byte_len() as usize);
        self.volume.byte_len() + texture
    }
}

/// The visible masks of an image in the form they are drawn in.
#[derive(Debug)]
pub struct ShownLabels {
    /// Changes with what is drawn.
    pub revision: Revision,
    /// The masks, each with its looks, in the order of their labels.
    pub sources: LabelSources,
    /// One label per voxel.
    pub map: LabelMap,
    /// Its copy on the GPU.
    pub texture: Option<LabelTexture>,
}

/// Which masks an image's labels are made from: compared by place in memory, for masks are copied on write.
#[derive(Clone, Debug, Default)]
pub struct LabelSources(pub Vec<(Arc<Mask>, (FindingColour, MaskLook))>);

impl PartialEq for LabelSources {
    fn eq(&self, other: &Self) -> bool {
        let mut pairs = self.0.iter().zip(&other.0);
        self.0.len() == other.0.len() && pairs.all(|(a, b)| Arc::ptr_eq(&a.0, &b.0) && a.1 == b.1)
    }
}

/// What values are measured in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A finding.
    Finding(FindingId),
    /// The box that the reader drew on an image.
    Region(ImageKey),
}

/// The inside of a subject as it was.
#[derive(Clone, Debug)]
pub enum Inside {
    /// A mask.
    Mask(Arc<Mask>),
    /// A box of the image's grid.
    Box(VoxelBox),
    /// A region on a plane.
    Flat(Measurement),
}

impl Inside {
    /// What is inside of a finding of an image with this grid; none for what has no inside.
    pub fn of(finding: &Finding, grid: &VoxelGrid) -> Option<Self> {
        match &finding.shape {
            Shape::Mask(mask) => Some(Self::Mask(Arc::clone(mask))),
            Shape::Box(found) => Some(Self::Box(found.on(grid))),
            Shape::Measurement(drawn) => {
                let has_inside = drawn.kind.is_region();
                has_inside.then(|| Self::Flat((**drawn).clone()))
            }
        }
    }
}

impl PartialEq for Inside {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Mask(a), Self::Mask(b)) => Arc::ptr_eq(a, b),
            (Self::Box(a), Self::Box(b)) => a == b,
            (Self::Flat(a), Self::Flat(b)) => a.points_mm == b.points_mm,
            _ => false,
        }
    }
}

/// The values of an image inside something.
#[derive(Clone, Debug)]
pub struct Figures {
    /// The inside as it was.
    pub inside: Inside,
    /// The values; none where no value is finite.
    pub values: Option<Values>,
    /// How many voxels of a mask or a flat region count.
    pub count: usize,
    /// The longest diameter of a mask, in mm.
    pub longest_mm: Option<f64>,
    /// The longest diameter of a mask in one slice.
    pub in_plane: Option<InPlane>,
}

impl Figures {
    /// Measures the values of an image inside something. What cannot be measured has none.
    pub fn of(inside: Inside, volume: &Volume) -> Self {
        let (mut longest_mm, mut in_plane) = (None, None);
        let (values, count) = match &inside {
            Inside::Mask(mask) => {
                let measured = measure::measure(mask, volume, None).ok();
                longest_mm = measured.as_ref().map(|m| m.longest_diameter_mm.value);
                in_plane = measure::longest_in_plane(mask);
                (measured.and_then(|m| m.values), mask.count())
            }
            Inside::Box(voxel_box) => (measure::values_in_box(voxel_box, volume), 0),
            Inside::Flat(measurement) => {
                let region = measurement.region();
                let sorted = region
                    .map(|region| region.values(volume))
                    .unwrap_or_default();
                (Values::of_sorted(&sorted), sorted.len())
            }
        };
        Self {
            inside,
            values,
            count,
            longest_mm,
            in_plane,
        }
    }
}

/// An image with when it was last on screen.
#[derive(Debug)]
struct Kept {
    image: OpenImage,
    last_shown: u64,
}

/// Everything that is kept to draw from.
#[derive(Debug)]
pub struct Resources {
    images: BTreeMap<ImageTime, Kept>,
    /// Where images were read from, for when they are wanted again.
    sources: BTreeMap<ImageKey, Series>,
    /// The visible masks, as last drawn.
    labels: BTreeMap<ImageKey, ShownLabels>,
    /// The masks that were last sent to be drawn.
    labelled: BTreeMap<ImageKey, LabelSources>,
    /// What was measured at time points.
    pub figures: BTreeMap<(Subject, u32), Figures>,
    /// Small pictures of series, as far as they are drawn.
    pub thumbnails: HashMap<SeriesId, Picture>,
    revision: Revision,
    clock: u64,
    most_bytes: usize,
    /// Whether voxels were let go of since [`Self::take_freed`].
    freed: bool,
}

impl Resources {
    /// Nothing yet; images that are not on screen are kept while all take at most so many bytes.
    pub fn bounded(most_bytes: usize) -> Self {
        Self {
            images: BTreeMap::new(),
            sources: BTreeMap::new(),
            labels: BTreeMap::new(),
            labelled: BTreeMap::new(),
            figures: BTreeMap::new(),
            thumbnails: HashMap::new(),
            revision: Revision::default(),
            clock: 0,
            most_bytes,
            freed: false,
        }
    }

    /// A number for the next reading or drawing.
    pub const fn next_revision(&mut self) -> Revision {
        self.revision = self.revision.next();
        self.revision
    }

    /// The voxels of a time point, while they are here.
    pub fn image(&self, image: &ImageKey, time: u32) -> Option<&OpenImage> {
        let kept = self.images.get(&(image.clone(), time))?;
        Some(&kept.image)
    }

    /// The images that are here.
    pub fn images(&self) -> impl Iterator<Item = &OpenImage> {
        self.images.values().map(|kept| &kept.image)
    }

    /// Where an image can be read again.
    pub fn source(&self, image: &ImageKey) -> Option<&Series> {
        self.sources.get(image)
    }

    /// The image that a series was read as, if it was.
    pub fn key_of(&self, series: &SeriesId) -> Option<&ImageKey> {
        let mut sources = self.sources.iter();
        sources
            .find(|(_, source)| source.id() == *series)
            .map(|(key, _)| key)
    }

    /// Remembers where an image can be read whose name headers tell.
    pub fn list(&mut self, series: &Series) {
        if let Some(key) = series.key() {
            self.sources.entry(key).or_insert_with(|| series.clone());
        }
    }

    /// Keeps voxels, in place of an earlier reading of the same.
    pub fn keep(&mut self, image: OpenImage, time: u32) {
        let key = image.identity.key.clone();
        self.sources.insert(key.clone(), image.series.clone());
        let last_shown = self.clock;
        let earlier = self.images.insert((key, time), Kept { image, last_shown });
        self.freed |= earlier.is_some();
    }

    /// The visible masks of an image as they are drawn.
    pub fn labels(&self, image: &ImageKey) -> Option<&ShownLabels> {
        self.labels.get(image)
    }

    /// Notes which masks are sent to be drawn; whether they are others than the last ones.
    pub fn label(&mut self, image: &ImageKey, sources: &LabelSources) -> bool {
        let known = self.labelled.get(image);
        if known.map_or(sources.0.is_empty(), |known| known == sources) {
            return false;
        }
        self.labelled.insert(image.clone(), sources.clone());
        true
    }

    /// Puts labels, or takes them away where nothing is visible. Labels without a texture are shown by the
    /// one that is there: only the bricks that differ go to the GPU.
    pub fn put_labels(&mut self, image: ImageKey, labels: Option<ShownLabels>, gpu: Option<&Gpu>) {
        let earlier = self.labels.remove(&image);
        let Some(mut labels) = labels else {
            return;
        };
        let texture = earlier.and_then(|earlier| earlier.texture);
        if let (None, Some(mut texture), Some(gpu)) = (&labels.texture, texture, gpu) {
            match texture.update(gpu, &labels.map) {
                Ok(()) => labels.texture = Some(texture),
                Err(error) => tracing::warn!("masks are not drawn: {error}"),
            }
        }
        self.labels.insert(image, labels);
    }

    /// Bytes of all images.
    pub fn byte_len(&self) -> usize {
        self.images().map(OpenImage::byte_len).sum()
    }

    /// Whether voxels were let go of since the last call: their memory can go back to the system.
    pub const fn take_freed(&mut self) -> bool {
        std::mem::replace(&mut self.freed, false)
    }

    /// Drops what is not on screen and too much, the longest unseen first.
    pub fn drop_unseen(&mut self, shown: &[ImageTime]) {
        self.clock += 1;
        for at in shown {
            if let Some(kept) = self.images.get_mut(at) {
                kept.last_shown = self.clock;
            }
        }
        let mut bytes = self.byte_len();
        while bytes > self.most_bytes {
            let unseen = self.images.iter().filter(|(at, _)| !shown.contains(at));
            let oldest = unseen.min_by_key(|(_, kept)| kept.last_shown);
            let Some(at) = oldest.map(|(at, _)| at.clone()) else {
                break;
            };
            if let Some(kept) = self.images.remove(&at) {
                bytes -= kept.image.byte_len();
                self.freed = true;
            }
            if !self.images.keys().any(|(image, _)| *image == at.0) {
                self.labels.remove(&at.0);
                self.labelled.remove(&at.0);
            }
        }
    }
}
