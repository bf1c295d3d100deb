//! Reading and writing sessions on threads of their own.

use std::path::PathBuf;
use std::sync::Arc;

use m3d_imaging::io::{self, Progress, Series, SeriesId};

use super::content::Session;
use super::import::Wanted;
use super::store::Store;
use super::{StudyId, portable};
use crate::app::NoticeKind;
use crate::app::jobs::{Finish, Job, Slot};

/// Reads the session of a study.
pub(super) struct OpenStudy {
    /// The folder of all sessions.
    pub sessions: PathBuf,
    pub study: StudyId,
}

impl Job for OpenStudy {
    fn title(&self) -> String {
        "Opening the work on this study".into()
    }

    fn slot(&self) -> Slot {
        Slot::Every
    }

    /// Until its end is heard of, nothing is saved.
    fn ends_when_cancelled(&self) -> bool {
        true
    }

    fn run(self: Box<Self>, _: &Progress) -> Finish {
        let Self { sessions, study } = *self;
        let opened = Store::open(&sessions, study);
        Box::new(move |app| app.session_opened(study, opened))
    }
}

/// Writes a session to a file to take along.
pub(super) struct WriteSession {
    pub path: PathBuf,
    pub session: Session,
    pub study: StudyId,
    pub with_identity: bool,
}

impl Job for WriteSession {
    fn title(&self) -> String {
        "Writing the session".into()
    }

    fn slot(&self) -> Slot {
        Slot::Every
    }

    fn run(self: Box<Self>, _: &Progress) -> Finish {
        let Self {
            path,
            session,
            study,
            with_identity,
        } = *self;
        let written = portable::write(&path, session, study, with_identity);
        Box::new(move |app| match written {
            Ok(()) => {
                let text = format!("Wrote {}", path.display());
                app.notices.add(NoticeKind::Info, text);
            }
            Err(error) => app.notices.add(NoticeKind::Error, error.to_string()),
        })
    }
}

/// Reads a session from a file that was taken along.
pub(super) struct ReadSession {
    pub path: PathBuf,
}

impl Job for ReadSession {
    fn title(&self) -> String {
        "Reading the session".into()
    }

    fn slot(&self) -> Slot {
        Slot::Every
    }

    fn run(self: Box<Self>, _: &Progress) -> Finish {
        let read = portable::read(&self.path);
        Box::new(move |app| match read {
            Ok(portable) => app.session_read(portable),
            Err(error) => app.notices.add(NoticeKind::Error, error.to_string()),
        })
    }
}

/// Where images were found.
#[derive(Debug)]
pub(super) enum Found {
    /// Among the files that are listed.
    Listed(Vec<SeriesId>),
    /// In a file or folder that is not open.
    At(PathBuf),
    /// Nowhere.
    Nowhere,
}

/// Looks for the images of a session: by their names, which headers tell, then by their content.
pub(super) struct FindImages {
    pub wanted: Arc<Wanted>,
    /// The files that are listed.
    pub series: Vec<Series>,
    /// Where else to look.
    pub paths: Vec<PathBuf>,
    /// What is shown where none of them is listed.
    pub otherwise: Option<SeriesId>,
}

impl Job for FindImages {
    fn title(&self) -> String {
        "Looking for the images of the session".into()
    }

    fn slot(&self) -> Slot {
        Slot::latest("find images")
    }

    /// What was opened is shown, found or not.
    fn ends_when_cancelled(&self) -> bool {
        true
    }

    fn run(self: Box<Self>, progress: &Progress) -> Finish {
        let Self {
            wanted,
            series,
            paths,
            otherwise,
        } = *self;
        let found = find(&wanted, &series, &paths, progress);
        Box::new(move |app| app.images_found(found, otherwise.as_ref()))
    }
}

fn find(wanted: &Wanted, series: &[Series], paths: &[PathBuf], progress: &Progress) -> Found {
    let listed = among(wanted, series, progress);
    if !listed.is_empty() {
        return Found::Listed(listed);
    }
    let elsewhere: Vec<(&PathBuf, Vec<Series>)> = paths
        .iter()
        .filter_map(|path| {
            let library = io::scan(path, progress).ok()?;
            Some((path, library.series().cloned().collect()))
        })
        .collect();
    let named = elsewhere.iter().find(|(_, series)| {
        let mut series = series.iter();
        series.any(|series| wanted.is_named(series))
    });
    let found = named.or_else(|| {
        let mut elsewhere = elsewhere.iter();
        elsewhere.find(|(_, series)| !among(wanted, series, progress).is_empty())
    });
    found.map_or(Found::Nowhere, |(path, _)| Found::At((*path).clone()))
}

/// The series that are wanted. Those that headers do not name are read where they have the size of one.
fn among(wanted: &Wanted, series: &[Series], progress: &Progress) -> Vec<SeriesId> {
    let is_wanted = |series: &&Series| {
        wanted.is_named(series)
            || wanted.may_be(series)
                && !progress.is_cancelled()
                && io::load_image(series, progress)
                    .is_ok_and(|image| wanted.is_it(&image.identity, image.volume.grid()))
    };
    series.iter().filter(is_wanted).map(Series::id).collect()
}
