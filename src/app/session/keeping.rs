//! The application keeps what the reader does, and brings back what was kept.

use m3d_imaging::io::{Series, SeriesId, Study};
use m3d_imaging::volume::{Digest, ImageKey};

use super::content::{Session, active_study};
use super::jobs::OpenStudy;
use super::saver::{News, Order, Snapshot};
use super::store::Opened;
use super::{Access, Recent, StudyId, common_path, disk, restore};
use crate::app::notices::Topic;
use crate::app::workspace::Edit;
use crate::app::{Application, NoticeKind};

impl Application {
    /// The study that the reader works on: that of the active view.
    pub fn active_study(&self) -> Option<StudyId> {
        active_study(&self.workspace, self.active)
    }

    /// The studies that were opened last, the latest first.
    pub fn recent_studies(&self) -> &[Recent] {
        self.sessions
            .as_ref()
            .map_or(&[], |sessions| &sessions.recent)
    }

    /// Whether what is done on a study is saved.
    pub fn is_kept(&self, study: StudyId) -> bool {
        let access = self.sessions.as_ref().and_then(|s| s.studies.get(&study));
        access == Some(&Access::Writable)
    }

    /// Why a study cannot be changed here, if it cannot.
    pub fn read_only(&self, study: StudyId) -> Option<&str> {
        self.sessions.as_ref()?.reason(study)
    }

    /// Whether the work on an image must not be changed; then the reader is told why.
    pub(in crate::app) fn refuses_work_on(&mut self, image: &ImageKey) -> bool {
        let study = StudyId::of(image);
        let Some(reason) = self.read_only(study).map(str::to_owned) else {
            return false;
        };
        let topic = Topic::ReadOnly(study);
        self.notices.stay(topic, NoticeKind::Warning, reason);
        true
    }

    /// Whether a step must not be made; then the reader is told why. How images are looked at is not refused.
    pub(in crate::app) fn refuses(&mut self, edit: &Edit) -> bool {
        let image = self.image_of(edit);
        image.is_some_and(|image| self.refuses_work_on(&image))
    }

    /// The image whose findings, boxes, answers or report an edit changes; none for how images are looked at.
    pub(in crate::app) fn image_of(&self, edit: &Edit) -> Option<ImageKey> {
        match edit {
            Edit::Finding { id, finding, .. } => {
                let known = self.workspace.finding(*id).or(finding.as_deref());
                known.map(|finding| finding.image.clone())
            }
            Edit::Paint { id, .. } => {
                let known = self.workspace.finding(*id);
                known.map(|finding| finding.image.clone())
            }
            Edit::Card { id, card, .. } => {
                let known = self.workspace.card(*id).or(card.as_deref());
                known.map(|card| card.image.key.clone())
            }
            Edit::Region { image, .. } => Some(image.clone()),
            Edit::Report { study, report } => {
                let known = self.workspace.reports.get(study).or(report.as_deref());
                known.map(|report| report.image.clone())
            }
            Edit::View { .. }
            | Edit::Look { .. }
            | Edit::Layout(_)
            | Edit::Cursor { .. }
            | Edit::Anchor { .. }
            | Edit::Links(_)
            | Edit::Display(_)
            | Edit::Image { .. } => None,
        }
    }

    /// An image was read: the work on its study is wanted.
    pub(in crate::app) fn keep_work_on(
        &mut self,
        image: &ImageKey,
        series: &Series,
        arranges: bool,
    ) {
        let study = StudyId::of(image);
        let Some(sessions) = &mut self.sessions else {
            return;
        };
        if let Some(access) = sessions.studies.get_mut(&study) {
            // The one that is to be shown may come second.
            if let Access::Opening { arranges: open } = access {
                *open |= arranges;
            }
            return;
        }
        let job = OpenStudy {
            sessions: sessions.folder(),
            study,
        };
        if self.jobs.start(job) {
            sessions.studies.insert(study, Access::Opening { arranges });
        } else {
            let reason = "The work on this study cannot be read now: the system has no thread for it. Open \
                          the study again.";
            self.forbid(study, reason.into());
        }
        self.remember_study(study, image, series);
    }

    fn remember_study(&mut self, study: StudyId, image: &ImageKey, series: &Series) {
        let Some((patient, listed)) = self.listed_study(&series.id()) else {
            return;
        };
        let files: Vec<&Series> = match image {
            ImageKey::Dicom { .. } => listed.series.iter().collect(),
            ImageKey::File { .. } => vec![series],
        };
        let is_pair = || {
            series
                .files()
                .iter()
                .all(|f| f.file_prefix() == series.path.file_prefix())
        };
        let path = match image {
            // A header and its voxels beside it.
            ImageKey::File { .. } if is_pair() => std::path::absolute(&series.path).ok(),
            _ => common_path(files.iter().flat_map(|series| series.files())),
        };
        let description = match (listed.description.as_str(), series.path.file_name()) {
            ("", Some(name)) if listed.series.len() == 1 || patient.is_empty() => {
                name.to_string_lossy().into_owned()
            }
            (description, _) => description.to_owned(),
        };
        let Some(path) = path else {
            return;
        };
        let recent = Recent {
            study,
            patient: patient.to_owned(),
            date: listed.date.clone(),
            description,
            path,
            opened_secs: disk::now_secs(),
        };
        if let Some(sessions) = &self.sessions {
            sessions.order(Order::Remember(recent));
        }
    }

    /// The patient's name and the study of a series that is listed.
    pub(in crate::app) fn listed_study(&self, id: &SeriesId) -> Option<(&str, &Study)> {
        let patients = self.library.iter().flat_map(|library| &library.patients);
        let mut studies = patients.flat_map(|p| p.studies.iter().map(move |study| (p, study)));
        let found = studies.find(|(_, study)| study.series.iter().any(|s| s.id() == *id));
        found.map(|(patient, study)| (patient.name.as_str(), study))
    }

    /// The session of a study was read.
    pub(super) fn session_opened(&mut self, study: StudyId, opened: Opened) {
        let Some(sessions) = &mut self.sessions else {
            return;
        };
        let access = sessions.studies.remove(&study);
        let arranges = access == Some(Access::Opening { arranges: true });
        match opened {
            Opened::ReadOnly { session, reason } => {
                if let Some(session) = session {
                    self.bring_back(study, &session, arranges);
                }
                self.forbid(study, reason);
            }
            Opened::Writable {
                store,
                session,
                trouble,
            } => {
                sessions.order(Order::Adopt(study, *store));
                if let Some(session) = session {
                    self.bring_back(study, &session, arranges);
                }
                if let Some(sessions) = &mut self.sessions {
                    sessions.studies.insert(study, Access::Writable);
                }
                if let Some(trouble) = trouble {
                    self.notices.add(NoticeKind::Error, trouble);
                }
                // From now on it is among those to be saved.
                self.changes = self.changes.next();
            }
        }
        self.bring_imports();
    }

    pub(super) fn forbid(&mut self, study: StudyId, reason: String) {
        let topic = Topic::ReadOnly(study);
        self.notices
            .stay(topic, NoticeKind::Warning, reason.clone());
        if let Some(sessions) = &mut self.sessions {
            sessions.studies.insert(study, Access::ReadOnly { reason });
        }
    }

    fn bring_back(&mut self, study: StudyId, session: &Session, arranges: bool) {
        let restored = restore::work(session, &self.workspace);
        if let Some(image) = restored.changed.first() {
            self.keep_earlier(study, image.identity.digest);
            self.tell_of_change();
        }
        self.apply_all(restored.edits);
        // What the reader has gone on to meanwhile is not taken away again.
        let still_there = self.active_study() == Some(study);
        let arrangement = session.arrangement.as_ref();
        let arrangement = arrangement.filter(|_| arranges && still_there);
        if let Some(arrangement) = arrangement.filter(|a| self.can_show(a)) {
            self.arrange_as(arrangement);
        }
    }

    /// Whether an image of an arrangement is here, or can be read.
    fn can_show(&self, arrangement: &super::content::Arrangement) -> bool {
        let shown = arrangement.layout.shown();
        let mut views = arrangement
            .views
            .iter()
            .filter(|(id, _)| shown.contains(id));
        views.any(|(_, view)| {
            view.base()
                .is_some_and(|base| self.resources.source(&base.image).is_some())
        })
    }

    pub(in crate::app) fn arrange_as(&mut self, arrangement: &super::content::Arrangement) {
        self.apply_all(restore::arrangement(arrangement, &self.workspace));
        self.active = arrangement.active;
        self.activate_a_shown_view();
        self.encode_active();
    }

    /// An image is not what it was: the work on what it was is kept aside before it goes.
    pub(in crate::app) fn keep_earlier_of(&mut self, image: &ImageKey, digest: Digest) {
        self.keep_earlier(StudyId::of(image), digest);
    }

    fn keep_earlier(&self, study: StudyId, image: Digest) {
        if let Some(sessions) = &self.sessions {
            sessions.order(Order::KeepEarlier(study, image, self.snapshot()));
        }
    }

    pub(in crate::app) fn tell_of_change(&mut self) {
        let text = "This series has changed since it was last shown; what was found in it before is not \
                    drawn on it. That work is kept aside.";
        self.notices.add(NoticeKind::Warning, text);
    }

    fn snapshot(&self) -> Snapshot {
        let sessions = self.sessions.as_ref();
        Snapshot {
            workspace: self.workspace.clone(),
            active: self.active,
            left: self.left_arrangements(),
            studies: sessions.map(super::Sessions::writable).unwrap_or_default(),
        }
    }

    /// Hands the work over to be saved, if it has changed.
    pub(in crate::app) fn hand_over(&mut self) {
        let state = (self.changes, self.active);
        let Some(sessions) = &self.sessions else {
            return;
        };
        if sessions.handed_over == Some(state) || sessions.writable().is_empty() {
            return;
        }
        sessions.saver.hand_over(self.snapshot());
        if let Some(sessions) = &mut self.sessions {
            sessions.handed_over = Some(state);
        }
    }

    /// Hears what has become of it.
    pub(in crate::app) fn hear_saver(&mut self) {
        let Some(sessions) = &mut self.sessions else {
            return;
        };
        if sessions.saver.is_dead() {
            let text = "The reader's work is no longer saved: a fault of this program. Save the session as \
                        a file (Save session as…) and start it again.";
            return self.notices.stay(Topic::Saving, NoticeKind::Error, text);
        }
        let Some(News {
            saved,
            recent,
            troubles,
        }) = sessions.saver.news()
        else {
            return;
        };
        if let Some(recent) = recent {
            sessions.recent = recent;
        }
        for trouble in troubles {
            self.notices.add(NoticeKind::Error, trouble);
        }
        match saved {
            Some(Err(why)) => {
                let text = format!(
                    "Your work cannot be saved ({why}). It is tried again until it can; leave this window \
                     open."
                );
                self.notices.stay(Topic::Saving, NoticeKind::Error, text);
            }
            Some(Ok(())) => self.notices.settle(&Topic::Saving),
            None => {}
        }
    }

    /// Takes everything away that was found in the images of a study.
    pub(super) fn remove_work_on(&mut self, study: StudyId) {
        let edits = restore::removal(&self.workspace, |image| StudyId::of(image) == study);
        self.apply_all(edits);
    }

    /// Other files take the place of those that are listed: what could not be changed is let go, and may be
    /// changed when it is opened again.
    pub(in crate::app) fn release_read_only(&mut self) {
        let Some(sessions) = &mut self.sessions else {
            return;
        };
        let studies = sessions.studies.iter();
        let released: Vec<StudyId> = studies
            .filter(|(_, access)| matches!(access, Access::ReadOnly { .. }))
            .map(|(&study, _)| study)
            .collect();
        sessions
            .studies
            .retain(|study, _| !released.contains(study));
        self.forget_desks(|study| released.contains(&study));
        for study in released {
            self.notices.settle(&Topic::ReadOnly(study));
            self.remove_work_on(study);
        }
    }
}
