//! Structures of files, brought onto the images they lie on.

use std::sync::Arc;

use m3d_imaging::io::objects::{LoadedObject, LoadedStructure, ObjectOnTop, may_label};
use m3d_imaging::io::{IoError, Library, Series, SeriesId};
use m3d_imaging::volume::{ImageIdentity, ImageKey};

use super::jobs::{LoadImage, LoadStructures};
use super::workspace::{Edit, Finding, FindingColour, Origin, Shape};
use super::{Application, NoticeKind, Placement, Step};

/// Where structures are read from.
#[derive(Clone, Debug)]
pub enum StructureFile {
    /// A segmentation or a structure set.
    Object(Box<ObjectOnTop>),
    /// A series whose values are numbers of labels.
    LabelMap(Box<Series>),
}

impl StructureFile {
    /// The name of the file.
    pub fn name(&self) -> String {
        let path = match self {
            Self::Object(object) => &object.path,
            Self::LabelMap(series) => &series.path,
        };
        let name = path.file_name().unwrap_or(path.as_os_str());
        name.to_string_lossy().into_owned()
    }
}

/// Structures that wait for the image they were asked for on.
#[derive(Debug)]
pub(super) struct Waiting {
    from: StructureFile,
    onto: Series,
}

impl Application {
    /// The image that an object goes onto when nothing else is said: one that it was drawn on, or else one that shares
    /// its coordinates; of equals the one on screen.
    pub fn image_for(&self, object: &ObjectOnTop) -> Option<SeriesId> {
        let images = self.library.as_ref()?.images_of(object);
        let (_, best) = images.first()?;
        let shown = self.shown_series();
        let equals = images.iter().filter(|(_, belongs)| belongs == best);
        let ids: Vec<SeriesId> = equals.map(|(series, _)| series.id()).collect();
        let seen = ids.iter().find(|id| shown.contains(id));
        seen.or(ids.first()).cloned()
    }

    /// The images on screen that a series may be a label map of, each with its title.
    pub fn labelled_by(&self, series: &Series) -> Vec<(SeriesId, String)> {
        let shown = self.wanted_images().into_iter();
        let mut images: Vec<(SeriesId, String)> = shown
            .filter_map(|(key, _)| {
                let record = self.workspace.images.get(&key)?;
                let image = self.resources.source(&key)?.id();
                let other = image != series.id() && may_label(series, &record.grid);
                other.then(|| {
                    (
                        image,
                        format!("{} {}", record.modality_code, record.description),
                    )
                })
            })
            .collect();
        images.dedup();
        images
    }

    /// Reads structures onto an image; one that is not here is opened first.
    pub(super) fn load_structures(&mut self, from: StructureFile, onto: &SeriesId) {
        let key = self.resources.key_of(onto).cloned();
        let here = key.filter(|key| self.resources.images().any(|i| i.identity.key == *key));
        if let Some(key) = &here
            && self
                .workspace
                .shown_views()
                .any(|(_, view)| view.shows(key))
        {
            return self.start_structures(from, key);
        }
        let found = self.library.as_ref().and_then(|library| {
            let mut listed = library.series();
            listed.find(|series| series.id() == *onto).cloned()
        });
        let Some(series) = found else {
            return;
        };
        self.show(onto, Placement::Active);
        match here {
            Some(key) => self.start_structures(from, &key),
            None => self.waiting.push(Waiting { from, onto: series }),
        }
    }

    fn start_structures(&mut self, from: StructureFile, image: &ImageKey) {
        if self.refuses_work_on(image) {
            return;
        }
        if let Some(record) = self.workspace.images.get(image) {
            self.jobs.start(LoadStructures {
                from,
                image: record.identity.clone(),
                grid: record.grid,
            });
        }
    }

    /// An image was read: structures may wait for it.
    pub(super) fn meet_structures(&mut self, series: &SeriesId, image: &ImageKey) {
        let waiting = std::mem::take(&mut self.waiting);
        let (met, others) = waiting
            .into_iter()
            .partition(|waiting: &Waiting| waiting.onto.id() == *series);
        self.waiting = others;
        for Waiting { from, .. } in met {
            self.start_structures(from, image);
        }
    }

    /// Lets go of structures whose image is no longer being read.
    pub(super) fn forget_waiting(&mut self) {
        let jobs = &self.jobs;
        self.waiting
            .retain(|waiting| jobs.goes_on(&LoadImage::slot_of(&waiting.onto, 0)));
    }

    /// Structures were read: each is a finding, all are one step.
    pub(super) fn structures_loaded(
        &mut self,
        image: &ImageIdentity,
        file: &str,
        loaded: Result<LoadedObject, IoError>,
    ) {
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => return self.fail(&error),
        };
        let record = self.workspace.images.get(&image.key);
        if record.is_none_or(|record| record.identity != *image) {
            let text = format!("{file} was not loaded: its image has changed meanwhile.");
            return self.notices.add(NoticeKind::Warning, text);
        }
        for warning in &loaded.warnings {
            let text = format!("{file}: {}", warning.message);
            self.notices.add(NoticeKind::Warning, text);
        }
        let (empty, drawn): (Vec<_>, Vec<_>) = loaded
            .structures
            .into_iter()
            .partition(|loaded| loaded.mask.count() == 0);
        if !empty.is_empty() {
            let names: Vec<&str> = empty.iter().map(|l| l.structure.name.as_str()).collect();
            let names = super::shortened(&names.join(", "), 120);
            let text = format!("{file}: no voxel of this image is in {names}.");
            self.notices.add(NoticeKind::Warning, text);
        }
        let (group, label) = (Step::group(), format!("load {file}"));
        let mut first = None;
        for structure in drawn {
            let finding = self.finding_of(structure, &image.key, file);
            first.get_or_insert_with(|| finding.clone());
            let step = Step::of_group(label.clone(), group);
            self.change(Edit::add(finding), step);
        }
        if let Some(finding) = first {
            self.look_at(&finding);
        }
    }

    fn finding_of(&self, loaded: LoadedStructure, image: &ImageKey, file: &str) -> Finding {
        let LoadedStructure { structure, mask } = loaded;
        let own = structure.colour.or_else(|| structure.term?.colour());
        Finding {
            colour: own.map_or_else(|| self.workspace.next_colour(image), FindingColour::Own),
            source: Origin::File {
                name: file.to_owned(),
                drawn_by: structure.drawn_by,
            },
            ..Finding::new(image, structure.name, Shape::Mask(Arc::new(mask)))
        }
    }

    /// Files were found that hold structures alone: those that lie on listed images are listed beside them and loaded.
    /// Whether there are any.
    pub(super) fn found_structures(&mut self, found: &Library) -> bool {
        let Some(open) = &self.library else {
            return false;
        };
        let objects = found.objects.iter();
        let lies = |object: &&ObjectOnTop| !open.images_of(object).is_empty();
        let ours: Vec<ObjectOnTop> = objects.filter(lies).cloned().collect();
        if let Some(open) = self.library.as_mut().filter(|_| !ours.is_empty()) {
            open.merge(found.clone());
        }
        for object in &ours {
            if let Some(image) = self.image_for(object) {
                self.load_structures(StructureFile::Object(Box::new(object.clone())), &image);
            }
        }
        !ours.is_empty()
    }
}
