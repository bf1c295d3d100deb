//! What the File menu does with studies and sessions.

use std::path::PathBuf;
use std::sync::Arc;

use m3d_imaging::io::{Library, Series, SeriesId};
use m3d_imaging::volume::ImageKey;

use super::content::{Session, active_study};
use super::import::{Import, Match};
use super::jobs::{FindImages, Found, ReadSession, WriteSession};
use super::portable::Portable;
use super::saver::Order;
use super::{StudyId, restore};
use crate::app::jobs::Scan;
use crate::app::workspace::{Edit, View};
use crate::app::{Application, NoticeKind, Opening, Placement, Step};

const WHERE_ARE_THEY: &str = "The images of this session are not here. Open the folder or file they are in: \
                              they are known by their content.";

impl Application {
    /// Opens a recent study again.
    pub(in crate::app) fn open_recent(&mut self, study: StudyId) {
        let Some(sessions) = &mut self.sessions else {
            return;
        };
        let recent = sessions.recent.iter().find(|recent| recent.study == study);
        if let Some(path) = recent.map(|recent| recent.path.clone()) {
            sessions.wanted = Some(study);
            self.open_paths(vec![path], Opening::Instead);
        }
    }

    /// The series that files are opened for, of the study that was asked for if one was.
    pub(in crate::app) fn series_to_show(&mut self, library: &Library) -> Option<SeriesId> {
        let sessions = self.sessions.as_mut();
        let wanted = sessions.and_then(|sessions| sessions.wanted.take());
        let of_study = |series: &Series| {
            let key = series.key();
            key.is_some_and(|key| Some(StudyId::of(&key)) == wanted)
        };
        let studies = library.patients.iter().flat_map(|patient| &patient.studies);
        let study = studies
            .clone()
            .find(|study| study.series.iter().any(of_study));
        let first = study.and_then(|study| library.first_series_of(&study.uid));
        Some(first.or_else(|| library.first_series())?.id())
    }

    /// Removes everything that was saved of a study, and the study from the list of recent ones.
    pub(in crate::app) fn forget_study(&mut self, study: StudyId) {
        let Some(sessions) = &mut self.sessions else {
            return;
        };
        if sessions.is_opening(study) {
            let text = "The work on this study is still being read. Try again in a moment.";
            return self.notices.add(NoticeKind::Warning, text);
        }
        sessions.order(Order::Forget(study));
        if !sessions.studies.contains_key(&study) {
            return;
        }
        self.cancel_answers_about(study);
        self.remove_work_on(study);
        self.history.clear();
        self.forget_desks(|left| left == study);
        let reason =
            "This study was forgotten: nothing of it is saved. Open it again to work on it.";
        self.forbid(study, reason.into());
    }

    fn cancel_answers_about(&self, study: StudyId) {
        let cards = self.workspace.cards.iter();
        for card in cards.filter(|card| StudyId::of(&card.image.key) == study) {
            self.assistant.cancel(card.id);
        }
    }

    /// Writes the session of the active study to a file to take along.
    pub(in crate::app) fn save_session(&mut self, path: PathBuf, with_identity: bool) {
        let Some(study) = active_study(&self.workspace, self.active) else {
            return;
        };
        self.jobs.start(WriteSession {
            path,
            session: Session::of(&self.workspace, study, self.active),
            study,
            with_identity,
        });
    }

    /// Opens a session that was taken along.
    pub(in crate::app) fn open_session(&mut self, path: PathBuf) {
        self.jobs.start(ReadSession { path });
    }

    /// A session was read: its views are shown, and its work where its images are here.
    pub(super) fn session_read(&mut self, portable: Portable) {
        let mut import = Import::new(portable);
        let open: Vec<_> = self.workspace.images.values().cloned().collect();
        let met: Vec<Match> = open.iter().map(|record| import.meet(record)).collect();
        if met.contains(&Match::Changed) {
            self.tell_of_other_content();
        }
        let unknown = import.placeholders().filter(|record| {
            let known = &self.workspace.images;
            !known.contains_key(&record.identity.key)
        });
        let unknown: Vec<_> = unknown.cloned().collect();
        for record in unknown {
            self.apply(Edit::Image {
                key: record.identity.key.clone(),
                record: Some(Box::new(record)),
            });
        }
        if let Some(arrangement) = import.arranged().arrangement {
            self.arrange_as(&arrangement);
        }
        self.imports.push(import);
        self.bring_imports();
        let recent = self.recent_studies().iter();
        let paths = recent.map(|recent| recent.path.clone()).collect();
        self.look_for_images(paths, None);
    }

    /// Whether a session waits for images.
    pub(in crate::app) fn awaits_images(&self) -> bool {
        self.imports.iter().any(|import| import.missing_count() > 0)
    }

    /// Looks for the images that sessions wait for, among the files that are listed and then at `paths`.
    pub(in crate::app) fn look_for_images(
        &mut self,
        paths: Vec<PathBuf>,
        otherwise: Option<SeriesId>,
    ) {
        if !self.awaits_images() {
            return;
        }
        let listed = self.library.iter().flat_map(Library::series);
        self.jobs.start(FindImages {
            wanted: Arc::new(Import::wanted(&self.imports)),
            series: listed.cloned().collect(),
            paths,
            otherwise,
        });
    }

    /// The search for a session's images has ended.
    pub(super) fn images_found(&mut self, found: Found, otherwise: Option<&SeriesId>) {
        match found {
            Found::Listed(series) => {
                for id in series {
                    self.show(&id, Placement::Wanted);
                }
            }
            Found::At(path) => {
                let opening = Opening::Beside;
                self.jobs.start(Scan { path, opening });
            }
            Found::Nowhere => {
                self.notices.add(NoticeKind::Warning, WHERE_ARE_THEY);
                if let Some(series) = otherwise {
                    self.leave_for_listed(series);
                    self.show(series, Placement::AllViews);
                }
            }
        }
    }

    /// An image was read: sessions may wait for it.
    pub(in crate::app) fn meet_imports(&mut self, image: &ImageKey) {
        let Some(record) = self.workspace.images.get(image).cloned() else {
            return;
        };
        let (mut here, mut changed, mut arrangement) = (false, false, None);
        for import in &mut self.imports {
            match import.meet(&record) {
                Match::None => {}
                Match::Changed => changed = true,
                Match::Here => {
                    here = true;
                    arrangement = import.arranged().arrangement;
                }
            }
        }
        if changed {
            self.tell_of_other_content();
        }
        if !here {
            return;
        }
        self.bring_imports();
        let is_shown = self
            .workspace
            .shown_views()
            .any(|(_, view)| view.shows(image));
        match arrangement {
            _ if is_shown => {}
            Some(arrangement) => self.arrange_as(&arrangement),
            None => self.place(image, 0, Placement::AllViews),
        }
    }

    fn tell_of_other_content(&mut self) {
        let text = "An image has the name of one in the session and another content; what was found in that \
                    one is not drawn on it.";
        self.notices.add(NoticeKind::Warning, text);
    }

    /// Puts the work of sessions from elsewhere into the workspace where its images are here and what was
    /// done on them here is read.
    pub(super) fn bring_imports(&mut self) {
        let mut imports = std::mem::take(&mut self.imports);
        for import in &mut imports {
            let ready = |image: &ImageKey| {
                let sessions = self.sessions.as_ref();
                sessions.is_none_or(|sessions| !sessions.is_opening(StudyId::of(image)))
            };
            let record = |image: &ImageKey| self.workspace.images.get(image).cloned();
            let (names, session) = import.take_ready(ready, record);
            for (old, new) in names.iter().filter(|(old, new)| old != new) {
                self.rename_image(old, new);
            }
            let group = Step::group();
            for edit in restore::replacing(&session, &self.workspace) {
                self.change(edit, Step::of_group("open session", group));
            }
            for edit in restore::places(&session) {
                self.apply(edit);
            }
        }
        imports.retain(|import| !import.is_done());
        self.imports = imports;
    }

    /// An image that views show under the name it has in a session is here under its own.
    fn rename_image(&mut self, old: &ImageKey, new: &ImageKey) {
        let views = self.workspace.views.iter();
        let renamed: Vec<Edit> = views
            .filter(|(_, view)| view.shows(old))
            .map(|(&id, view)| {
                let mut view: View = view.clone();
                for layer in view.layers.iter_mut().filter(|layer| layer.image == *old) {
                    layer.image = new.clone();
                }
                Edit::view(id, view)
            })
            .collect();
        self.apply_all(renamed);
        self.apply(Edit::Image {
            key: old.clone(),
            record: None,
        });
    }
}
