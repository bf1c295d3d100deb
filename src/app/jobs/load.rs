//! Reading a series: voxels, figures, and the copy on the GPU.

use std::sync::Arc;

use m3d_assistant::reply::ImageFacts;
use m3d_imaging::io::{self, LoadedImage, Progress, Series};
use m3d_imaging::volume::{Modality, Statistics, Window};

use super::{Finish, Job, Slot};
use crate::app::resources::OpenImage;
use crate::app::{Placement, Revision};
use crate::render::{Gpu, RenderError, VolumeTexture};

/// Reads one time point of a series.
pub struct LoadImage {
    /// The series.
    pub series: Series,
    /// The time point, from 0.
    pub time: u32,
    /// Where it is to be shown.
    pub placement: Placement,
    /// Where its copy goes, if anywhere.
    pub gpu: Option<Gpu>,
}

impl LoadImage {
    /// What readings are among the slots.
    pub const KIND: &str = "load";

    /// The slot of reading a series: one reading of it at a time.
    pub fn slot_of(series: &Series, time: u32) -> Slot {
        let id = series.id();
        let key = format!("{}\n{}\n{time}", id.path.display(), id.uid);
        Slot::latest_for(Self::KIND, key)
    }
}

impl Job for LoadImage {
    fn title(&self) -> String {
        let Series {
            modality_code,
            description,
            ..
        } = &self.series;
        format!("Loading {modality_code} {description}")
    }

    fn slot(&self) -> Slot {
        Self::slot_of(&self.series, self.time)
    }

    fn run(self: Box<Self>, progress: &Progress) -> Finish {
        let Self {
            series,
            time,
            placement,
            gpu,
        } = *self;
        match io::load_time(&series, time, progress) {
            Ok(image) => {
                let (image, error) = upload(gpu.as_ref(), series, image);
                Box::new(move |app| app.loaded(image, time, placement, error.as_ref()))
            }
            Err(error) => Box::new(move |app| app.not_loaded(&series, &error)),
        }
    }
}

fn upload(
    gpu: Option<&Gpu>,
    series: Series,
    image: LoadedImage,
) -> (OpenImage, Option<RenderError>) {
    let LoadedImage { volume, identity } = image;
    let statistics = volume.statistics();
    let about = ImageFacts::new(&volume, &statistics, series.stated.clone());
    let texture = gpu.map(|gpu| VolumeTexture::upload(gpu, &volume));
    let (texture, error) = match texture {
        Some(Ok(texture)) => (Some(Arc::new(texture)), None),
        Some(Err(error)) => (None, Some(error)),
        None => (None, None),
    };
    let image = OpenImage {
        series,
        identity,
        about: Arc::new(about),
        volume: Arc::new(volume),
        statistics,
        texture,
        revision: Revision::default(),
    };
    (image, error)
}

/// The window an image is first shown with: the file's own, else the modality's usual one. Files have none for colours
/// (PS3.3 C.11.2: for monochrome images).
pub fn first_window(series: &Series, modality: Modality, statistics: &Statistics) -> Window {
    let own = series.windows.first().filter(|_| !statistics.colour);
    own.copied()
        .unwrap_or_else(|| Window::for_volume(modality, statistics))
}
