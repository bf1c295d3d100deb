//! Opening files, reading series, and putting images into views.

use std::path::{Path, PathBuf};

use m3d_imaging::io::{IoError, Library, Series, SeriesId};
use m3d_imaging::volume::{ImageKey, VolumePreset};

use super::jobs::{DrawThumbnails, LoadImage, Scan, first_window};
use super::resources::{ImageTime, OpenImage};
use super::session::removal;
use super::workspace::{Edit, Frame, ImageRecord, Layer, Look, View, ViewId, ViewKind};
use super::{Application, NoticeKind, Opening, Placement, SESSION_EXTENSION, Step, StudyId};
use crate::render::{ColourMap, RenderError};

/// A folder may hold thousands of series; the first ones get a small picture.
const MOST_THUMBNAILS: usize = 100;

/// The opacity of an image laid over another.
const OVER: f32 = 0.5;

impl Application {
    /// Opens a file or folder in place of what is listed. What is shown stays until something else was
    /// found.
    pub fn open(&mut self, path: PathBuf) {
        self.open_paths(vec![path], Opening::Instead);
    }

    /// Opens files and folders, the first as `opening` says and the others beside it.
    pub fn open_paths(&mut self, paths: Vec<PathBuf>, opening: Opening) {
        self.notices.clear();
        let mut opening = opening;
        for path in paths {
            if path.extension().is_some_and(|e| e == SESSION_EXTENSION) {
                self.open_session(path);
                continue;
            }
            self.jobs.start(Scan { path, opening });
            opening = Opening::Beside;
        }
    }

    /// Shows a series of the library.
    pub fn show(&mut self, series: &SeriesId, placement: Placement) {
        let key = self.resources.key_of(series).cloned();
        if let Some(key) = key.filter(|key| self.resources.image(key, 0).is_some()) {
            return self.place(&key, 0, placement);
        }
        self.read_again(series, placement);
    }

    /// Clears the views for a listed series of another study.
    pub(super) fn leave_for_listed(&mut self, series: &SeriesId) {
        let listed = self.library.iter().flat_map(Library::series);
        let found: Vec<_> = listed.filter(|l| l.id() == *series).cloned().collect();
        if let Some(series) = found.into_iter().next() {
            self.leave_for(series);
        }
    }

    /// Where a series goes: the first one of a study that was opened fills the views.
    fn placement_on_arrival(&self, placement: Placement) -> Placement {
        match placement {
            Placement::Active | Placement::View(_) if self.awaits_arrival() => Placement::AllViews,
            placement => placement,
        }
    }

    fn read_again(&mut self, series: &SeriesId, placement: Placement) {
        let found = self.library.as_ref().and_then(|library| {
            let mut listed = library.series();
            listed.find(|listed| listed.id() == *series)
        });
        if let Some(series) = found.cloned() {
            self.load(series, 0, placement);
        }
    }

    fn load(&mut self, series: Series, time: u32, placement: Placement) {
        let gpu = self.gpu.clone();
        self.jobs.start(LoadImage {
            series,
            time,
            placement,
            gpu,
        });
    }

    /// A search has ended.
    pub(super) fn scanned(
        &mut self,
        path: &Path,
        opening: Opening,
        found: Result<Library, IoError>,
    ) {
        let library = match found {
            Ok(library) => library,
            Err(error) => return self.fail(&error),
        };
        let Some(series) = self.series_to_show(&library) else {
            if self.found_structures(&library) {
                return;
            }
            let text = library.nothing_opened(path);
            self.notices.add(NoticeKind::Error, text);
            return;
        };
        for listed in library.series() {
            self.resources.list(listed);
        }
        let refused = library.refused.len();
        if refused > 0 {
            let text = format!("Files not opened: {refused}. The study panel says why.");
            self.notices.add(NoticeKind::Warning, text);
        }
        match (opening, &mut self.library) {
            (Opening::Beside, Some(open)) => open.merge(library),
            (_, listed) => {
                *listed = Some(library);
                self.resources.thumbnails.clear();
            }
        }
        let listed = self.library.iter().flat_map(Library::series);
        let undrawn = listed.filter(|s| !self.resources.thumbnails.contains_key(&s.id()));
        let series_to_draw = undrawn.take(MOST_THUMBNAILS).cloned().collect();
        let nothing_shown = self.seen_active().is_none();
        let shown = (opening == Opening::Instead || nothing_shown).then_some(series);
        if opening == Opening::Instead
            && (!self.awaits_images() || !nothing_shown)
            && let Some(series) = &shown
        {
            self.leave_for_listed(series);
        }
        if opening == Opening::Instead {
            self.release_read_only();
        }
        if self.awaits_images() {
            self.look_for_images(Vec::new(), shown);
        } else if let Some(series) = shown {
            self.read_again(&series, Placement::AllViews);
        }
        self.jobs.start(DrawThumbnails {
            series: series_to_draw,
        });
    }

    /// A series was read.
    pub(super) fn loaded(
        &mut self,
        mut image: OpenImage,
        time: u32,
        placement: Placement,
        error: Option<&RenderError>,
    ) {
        if let Some(error) = error {
            let text = format!("The image cannot be drawn on the GPU: {error}");
            self.notices.add(NoticeKind::Warning, text);
        }
        let key = image.identity.key.clone();
        let placement = self.placement_on_arrival(placement);
        let record = self.record_of(&image);
        let known = self.workspace.images.get(&key);
        if let Some(known) = known.filter(|known| !known.is_same_image(&record)) {
            self.keep_earlier_of(&key, known.identity.digest);
            self.retire(&key);
            self.tell_of_change();
        }
        self.apply(Edit::Image {
            key: key.clone(),
            record: Some(Box::new(record)),
        });
        image.revision = self.resources.next_revision();
        let series = image.series.clone();
        self.unreadable.remove(&key);
        self.resources.keep(image, time);
        if placement != Placement::Wanted {
            self.place(&key, time, placement);
        }
        self.keep_work_on(&key, &series, placement == Placement::AllViews);
        self.meet_imports(&key);
        self.meet_structures(&series.id(), &key);
    }

    /// A series could not be read.
    pub(super) fn not_loaded(&mut self, series: &Series, error: &IoError) {
        let id = series.id();
        let key = self.resources.key_of(&id).cloned();
        self.unreadable.extend(key);
        if let Some(arrival) = self.arrival.as_mut().filter(|a| a.series.id() == id) {
            arrival.failure = Some(error.to_string());
        }
        self.fail(error);
    }

    /// Takes everything away that was found in an earlier content of an image.
    fn retire(&mut self, key: &ImageKey) {
        self.apply_all(removal(&self.workspace, |image| image == key));
        self.history.clear();
        let changed = StudyId::of(key);
        self.forget_desks(|study| study == changed);
    }

    fn record_of(&self, image: &OpenImage) -> ImageRecord {
        let series = &image.series;
        let listed = self.listed_study(&series.id());
        let (patient, study_date) = listed
            .map(|(patient, study)| (patient.to_owned(), study.date.clone()))
            .unwrap_or_default();
        ImageRecord {
            identity: image.identity.clone(),
            grid: *image.volume.grid(),
            modality: series.modality,
            modality_code: series.modality_code.clone(),
            description: series.description.clone(),
            times: u32::try_from(series.times).unwrap_or(u32::MAX),
            frame_uid: series.frame_of_reference.clone(),
            patient,
            study_date,
        }
    }

    /// Puts an image that is here into views.
    pub(super) fn place(&mut self, key: &ImageKey, time: u32, placement: Placement) {
        let Some(layer) = self.first_layer(key, time) else {
            return;
        };
        let placement = self.placement_on_arrival(placement);
        let arrives = self.arrival.take().is_some() && placement == Placement::AllViews;
        let (views, step) = match placement {
            Placement::Wanted => return,
            Placement::Over(view) => return self.lay_over(view, layer),
            Placement::AllViews => (self.workspace.views.keys().copied().collect(), None),
            Placement::Active if self.shows_one_image() => (
                self.workspace
                    .layout
                    .tree
                    .leaves()
                    .into_iter()
                    .copied()
                    .collect(),
                None,
            ),
            Placement::Active => (vec![self.active], Some(Step::group())),
            Placement::View(view) => (vec![view], Some(Step::group())),
        };
        for id in views {
            let kind = self.workspace.views.get(&id).map(|view| view.kind);
            let Some(view) = kind.and_then(|kind| self.new_view(kind, &layer)) else {
                continue;
            };
            let edit = Edit::view(id, view);
            match step {
                Some(group) => self.change(edit, Step::of_group("show series", group)),
                None => self.apply(edit),
            }
        }
        self.activate_a_shown_view();
        if arrives {
            self.return_to(key);
        }
        self.encode_active();
    }

    /// A view of one image as it is first seen.
    pub(super) fn new_view(&self, kind: ViewKind, layer: &Layer) -> Option<View> {
        let image = self.resources.image(&layer.image, layer.time)?;
        Some(View {
            kind,
            layers: vec![layer.clone()],
            look: Look::default(),
            preset: VolumePreset::for_modality(image.shown_as()),
        })
    }

    /// An image as the base of a view: as another view shows it, else as its file says.
    fn first_layer(&self, key: &ImageKey, time: u32) -> Option<Layer> {
        let layers = self.workspace.views.values().filter_map(View::base);
        let mut same = layers.filter(|layer| layer.image == *key);
        if let Some(layer) = same.next() {
            return Some(layer.clone());
        }
        let image = self.resources.image(key, time)?;
        let modality = image.volume.modality();
        Some(Layer {
            image: key.clone(),
            time,
            window: first_window(&image.series, modality, &image.statistics),
            invert: image.series.inverted,
            colour_map: ColourMap::Grey,
            opacity: 1.0,
        })
    }

    /// Lays an image over what a view shows.
    fn lay_over(&mut self, id: ViewId, mut layer: Layer) {
        let Some(view) = self.workspace.views.get(&id) else {
            return;
        };
        let Some(base) = view.base() else {
            return self.place(&layer.image.clone(), layer.time, Placement::View(id));
        };
        if view.layers.len() == Layer::MOST || view.shows(&layer.image) {
            let text = format!(
                "A view shows at most {} images, each once. Take one away first.",
                Layer::MOST
            );
            return self.notices.add(NoticeKind::Warning, text);
        }
        let frames = [&base.image, &layer.image]
            .map(|key| self.workspace.images.get(key).map(ImageRecord::frame));
        match &frames {
            [Some(a), Some(b)] if a == b => {}
            [Some(Frame::Image(_)), Some(Frame::Image(_))] => {
                let text = "These files do not say whether they share coordinates; check that the \
                            images lie on one another.";
                self.notices.add(NoticeKind::Warning, text);
            }
            _ => {
                let text = "These images have different coordinates (patient or Frame of Reference); \
                            they cannot be laid over one another. Show them side by side.";
                return self.notices.add(NoticeKind::Warning, text);
            }
        }
        let mut view = view.clone();
        layer.opacity = OVER;
        layer.colour_map = ColourMap::Hot;
        view.layers.push(layer);
        self.change(Edit::view(id, view), Step::new("lay over"));
    }

    /// The series that views on screen show.
    pub fn shown_series(&self) -> Vec<SeriesId> {
        let shown = self.wanted_images().into_iter();
        shown
            .filter_map(|(key, _)| Some(self.resources.source(&key)?.id()))
            .collect()
    }

    /// The images that views on screen show.
    pub(super) fn wanted_images(&self) -> Vec<ImageTime> {
        let views = self.workspace.shown_views();
        let layers = views.flat_map(|(_, view)| &view.layers);
        let mut wanted: Vec<ImageTime> = layers
            .map(|layer| (layer.image.clone(), layer.time))
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }

    /// Reads images again that views on screen show and that are not here.
    pub(super) fn load_wanted(&mut self, shown: &[ImageTime]) {
        let missing: Vec<(Series, u32)> = shown
            .iter()
            .filter(|(key, time)| self.resources.image(key, *time).is_none())
            .filter(|(key, _)| !self.unreadable.contains(key))
            .filter_map(|(key, time)| Some((self.resources.source(key)?.clone(), *time)))
            .filter(|(series, time)| !self.jobs.goes_on(&LoadImage::slot_of(series, *time)))
            .collect();
        for (series, time) in missing {
            self.load(series, time, Placement::Wanted);
        }
    }
}
