//! Going from study to study: what was arranged and done on each stays with it.

use std::collections::{BTreeMap, BTreeSet};

use m3d_imaging::io::Series;
use m3d_imaging::volume::ImageKey;

use super::jobs::LoadImage;
use super::session::Arrangement;
use super::workspace::{Edit, View, Workspace};
use super::{Application, History, StudyId};

/// The most studies whose steps are remembered beside the one on screen.
const MOST_DESKS: usize = 8;

/// What a reader leaves behind on going to another study: views and steps.
#[derive(Debug)]
pub(super) struct Desk {
    /// The study that was worked on.
    pub study: StudyId,
    pub arrangement: Arrangement,
    pub history: History,
}

impl Desk {
    fn images(&self) -> impl Iterator<Item = &ImageKey> {
        self.arrangement.views.iter().filter_map(|(_, view)| {
            let base = view.base()?;
            Some(&base.image)
        })
    }

    fn studies(&self) -> BTreeSet<StudyId> {
        self.images().map(StudyId::of).collect()
    }
}

/// The series that a study was opened for and that is not on screen yet.
#[derive(Debug)]
pub struct Arrival {
    /// The series.
    pub series: Series,
    /// Why it could not be read.
    pub failure: Option<String>,
}

impl Application {
    /// Clears the views for the series of another study. What was arranged and done is put aside, so that
    /// no picture stands beside the list of files of another patient.
    pub(super) fn leave_for(&mut self, series: Series) {
        self.jobs.cancel_kind(LoadImage::KIND);
        self.playback = None;
        let history = std::mem::take(&mut self.history);
        let study = self
            .active_study()
            .or_else(|| self.studies_on_views().next());
        if let Some(study) = study {
            self.desks.retain(|desk| desk.study != study);
            self.desks.push(Desk {
                study,
                arrangement: Arrangement::of(&self.workspace, self.active),
                history,
            });
            if self.desks.len() > MOST_DESKS {
                self.desks.remove(0);
            }
            let Workspace { views, layout, .. } = Workspace::default();
            let left: Vec<_> = self.workspace.views.keys().copied().collect();
            self.apply_all(views.into_iter().map(|(id, view)| Edit::view(id, view)));
            self.apply(Edit::Layout(layout));
            self.apply_all(left.into_iter().map(|id| Edit::View { id, view: None }));
            self.activate_a_shown_view();
        }
        self.arrival = Some(Arrival {
            series,
            failure: None,
        });
    }

    /// Brings the views and the steps of a study back when its image has come, if they were put aside.
    pub(super) fn return_to(&mut self, image: &ImageKey) {
        let study = StudyId::of(image);
        let own = self.desks.iter().rposition(|desk| desk.study == study);
        let at = own.or_else(|| {
            let shares = |desk: &Desk| {
                desk.studies().contains(&study) && desk.images().all(|image| self.is_listed(image))
            };
            self.desks.iter().rposition(shares)
        });
        if let Some(at) = at {
            let desk = self.desks.remove(at);
            self.history = desk.history;
            self.arrange_as(&desk.arrangement);
        }
    }

    /// The studies that views show, on screen or not.
    fn studies_on_views(&self) -> impl Iterator<Item = StudyId> + '_ {
        let layers = self.workspace.views.values().filter_map(View::base);
        layers.map(|base| StudyId::of(&base.image))
    }

    /// What was put aside of a study that no view shows.
    pub(super) fn desk_of(&mut self, study: StudyId) -> Option<&mut Desk> {
        if self.studies_on_views().any(|shown| shown == study) {
            return None;
        }
        self.desks.iter_mut().find(|desk| desk.study == study)
    }

    /// How the studies that no view shows were last looked at.
    pub(super) fn left_arrangements(&self) -> BTreeMap<StudyId, Arrangement> {
        let shown: BTreeSet<StudyId> = self.studies_on_views().collect();
        let left = self.desks.iter().filter(|d| !shown.contains(&d.study));
        left.map(|desk| (desk.study, desk.arrangement.clone()))
            .collect()
    }

    fn is_listed(&self, image: &ImageKey) -> bool {
        let Some(source) = self.resources.source(image) else {
            return false;
        };
        let library = self.library.as_ref();
        library.is_some_and(|library| library.series().any(|s| s.id() == source.id()))
    }

    /// Forgets what was put aside of studies: the work in it is another's now, or gone.
    pub(super) fn forget_desks(&mut self, is_one: impl Fn(StudyId) -> bool) {
        self.desks.retain(|desk| {
            let studies = desk.studies();
            !is_one(desk.study) && !studies.into_iter().any(&is_one)
        });
    }

    /// Why views are empty while a study is being opened, or since that was stopped.
    pub fn arrival_text(&self) -> Option<String> {
        let Arrival { series, failure } = self.arrival.as_ref()?;
        let name = format!("{} {}", series.modality_code, series.description);
        let goes_on = self.jobs.goes_on(&LoadImage::slot_of(series, 0)) || self.awaits_images();
        Some(match failure {
            _ if goes_on => "Loading…".into(),
            Some(failure) => format!("Not shown: {}\n{failure}", name.trim()),
            None => format!(
                "Cancelled: {}\nDouble-click the series to read it.",
                name.trim()
            ),
        })
    }

    /// Whether a view is one that an arriving series would fill.
    pub(super) fn awaits_arrival(&self) -> bool {
        let mut views = self.workspace.views.values();
        self.arrival.is_some() && views.all(|view: &View| view.base().is_none())
    }
}
