//! Long work on named threads, with progress and cancel.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::thumbnail::thumbnail;
use super::{LoadedVolume, ModelResult, Revision, ShownLabels};
use crate::render::{Gpu, LabelTexture, Picture, RenderError, VolumeTexture};
use m3d_imaging::io::{self, IoError, Library, LoadedImage, Progress, Series, SeriesId};
use m3d_imaging::volume::{LabelMap, Mask, Volume};

/// Called from a job's thread when the window has something new to show.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// What a job gives back.
#[derive(Debug)]
pub enum JobResult {
    /// A path was searched for images.
    Scanned(PathBuf, Result<Library, IoError>),
    /// A series was read.
    Loaded(Box<Series>, Result<Box<LoadedSeries>, IoError>),
    /// The visible masks of an opening were made ready to draw.
    Labelled(Revision, Box<ShownLabels>),
    /// Small pictures of series.
    Thumbnails(Vec<(SeriesId, Picture)>),
    /// A mask was written.
    Exported(PathBuf, Result<(), IoError>),
    /// Something was done with models.
    Model(ModelResult),
}

/// A series that was read, and why it is not on the GPU if it is not.
#[derive(Debug)]
pub struct LoadedSeries {
    /// The image and what belongs to it.
    pub loaded: LoadedVolume,
    /// What went wrong with its copy on the GPU.
    pub render_error: Option<RenderError>,
}

/// A job under way, as the status bar shows it.
#[derive(Clone, Debug)]
pub struct Job {
    /// What is being done, without a patient's name.
    pub title: String,
    progress: Arc<AtomicU32>,
    cancelled: Arc<AtomicBool>,
    kind: Kind,
}

/// A new job replaces one of its own kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Scan,
    Load,
    Label,
    Thumbnails,
    Export,
    FindModels,
    FetchModel,
    VerifyModel,
}

impl Kind {
    /// Whether the end is told even of a job that was cancelled: what it has left on disk counts.
    const fn always_tells(self) -> bool {
        matches!(self, Self::FetchModel | Self::VerifyModel)
    }
}

impl Job {
    /// How far it is, 0 to 1.
    pub fn progress(&self) -> f32 {
        f32::from_bits(self.progress.load(Ordering::Relaxed))
    }

    /// Whether it was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Asks it to stop; its result will be dropped.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

/// The jobs under way.
pub struct Jobs {
    running: Vec<(u64, Job)>,
    next: u64,
    sender: Sender<(u64, JobResult)>,
    receiver: Receiver<(u64, JobResult)>,
    wake: Waker,
    gpu: Option<Gpu>,
}

impl Jobs {
    /// None yet. `wake` is called when one has news; images go to `gpu` as part of loading.
    pub fn new(wake: Waker, gpu: Option<Gpu>) -> Self {
        let (sender, receiver) = bounded(16);
        Self {
            running: Vec::new(),
            next: 0,
            sender,
            receiver,
            wake,
            gpu,
        }
    }

    /// Those under way.
    pub fn iter(&self) -> impl Iterator<Item = &Job> {
        self.running
            .iter()
            .map(|(_, job)| job)
            .filter(|job| !job.is_cancelled())
    }

    /// The last of a kind, also while it is being stopped.
    pub(super) fn of_kind(&self, kind: Kind) -> Option<&Job> {
        let mut jobs = self.running.iter().rev().map(|(_, job)| job);
        jobs.find(|job| job.kind == kind)
    }

    /// Searches a path for images.
    pub fn scan(&mut self, path: PathBuf) {
        self.start(Kind::Scan, "Searching for images".into(), move |progress| {
            let found = io::scan(&path, progress);
            JobResult::Scanned(path, found)
        });
    }

    /// Reads a series.
    pub fn load(&mut self, series: Series) {
        let title = format!("Loading {} {}", series.modality_code, series.description);
        let gpu = self.gpu.clone();
        self.start(Kind::Load, title, move |progress| {
            let loaded = io::load_image(&series, progress).map(|image| upload(gpu.as_ref(), image));
            JobResult::Loaded(Box::new(series), loaded.map(Box::new))
        });
    }

    /// Makes the visible masks of an opening, each with its colour, ready to draw.
    pub fn label(
        &mut self,
        shown: Revision,
        masks: Vec<(Arc<Mask>, usize)>,
        volume: &Volume,
        revision: Revision,
    ) {
        let (gpu, grid) = (self.gpu.clone(), *volume.grid());
        self.start(Kind::Label, "Drawing masks".into(), move |_| {
            let map = LabelMap::from_masks(grid, masks.iter().map(|(mask, _)| &**mask));
            let texture = gpu.and_then(|gpu| {
                LabelTexture::upload(&gpu, &map)
                    .inspect_err(|error| tracing::warn!("masks are not drawn: {error}"))
                    .ok()
            });
            let labels = ShownLabels {
                revision,
                colours: masks.iter().map(|(_, colour)| *colour).collect(),
                map: Arc::new(map),
                texture: texture.map(Arc::new),
            };
            JobResult::Labelled(shown, Box::new(labels))
        });
    }

    /// Draws small pictures of series; those that cannot be read get none.
    pub fn thumbnails(&mut self, series: Vec<Series>) {
        self.start(
            Kind::Thumbnails,
            "Drawing thumbnails".into(),
            move |progress| {
                let silent = Progress::silent();
                let count = series.len().max(1) as f32;
                let mut drawn = Vec::new();
                for (n, series) in series.iter().enumerate() {
                    if progress.is_cancelled() {
                        break;
                    }
                    progress.set(n as f32 / count);
                    if let Ok(picture) = thumbnail(series, &silent) {
                        drawn.push((series.id(), picture));
                    }
                }
                JobResult::Thumbnails(drawn)
            },
        );
    }

    /// Writes a mask as NIfTI.
    pub fn export_mask(&mut self, path: PathBuf, mask: Arc<Mask>) {
        self.start(Kind::Export, "Writing the mask".into(), move |_| {
            let written = io::write_mask(&path, &mask);
            JobResult::Exported(path, written)
        });
    }

    /// What has finished since the last call; cancelled and replaced jobs are dropped.
    pub fn drain(&mut self) -> Vec<JobResult> {
        let mut done = Vec::new();
        while let Ok((id, result)) = self.receiver.try_recv() {
            let Some(at) = self.running.iter().position(|(n, _)| *n == id) else {
                continue;
            };
            let (_, job) = self.running.remove(at);
            if !job.is_cancelled() || job.kind.always_tells() {
                done.push(result);
            }
        }
        done
    }

    /// Runs `work` on a thread of its own; whether there was one to be had.
    pub(super) fn start(
        &mut self,
        kind: Kind,
        title: String,
        work: impl FnOnce(&Progress) -> JobResult + Send + 'static,
    ) -> bool {
        // Latest wins: a newer scan or load makes the older one pointless. Exports all count.
        if kind != Kind::Export {
            for (_, job) in &self.running {
                if job.kind == kind {
                    job.cancel();
                }
            }
        }
        let id = self.next;
        self.next += 1;
        let job = Job {
            title,
            progress: Arc::default(),
            cancelled: Arc::default(),
            kind,
        };
        self.running.push((id, job.clone()));
        let (sender, wake) = (self.sender.clone(), Arc::clone(&self.wake));
        let body = move || {
            let report = |share: f32| {
                let old = job.progress.swap(share.to_bits(), Ordering::Relaxed);
                // A repaint per percent is plenty.
                if (share * 100.0) as u32 != (f32::from_bits(old) * 100.0) as u32 {
                    wake();
                }
            };
            let result = work(&Progress::new(&report, &job.cancelled));
            // The window may be gone; then nobody wants the result.
            let _ = sender.send((id, result));
            wake();
        };
        let name = format!("job-{id}");
        if let Err(error) = std::thread::Builder::new().name(name).spawn(body) {
            tracing::error!("no thread for a job: {error}");
            self.running.retain(|(n, _)| *n != id);
            return false;
        }
        true
    }
}

fn upload(gpu: Option<&Gpu>, image: LoadedImage) -> LoadedSeries {
    let LoadedImage { volume, identity } = image;
    let statistics = volume.statistics();
    let texture = gpu.map(|gpu| VolumeTexture::upload(gpu, &volume));
    let (texture, render_error) = match texture {
        Some(Ok(texture)) => (Some(Arc::new(texture)), None),
        Some(Err(error)) => (None, Some(error)),
        None => (None, None),
    };
    LoadedSeries {
        loaded: LoadedVolume {
            volume: Arc::new(volume),
            identity,
            statistics,
            texture,
        },
        render_error,
    }
}
