//! A session from elsewhere, until its images are here.

use std::collections::BTreeMap;

use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::io::Series;
use m3d_imaging::volume::{Digest, ImageIdentity, ImageKey};

use super::anonymous;
use super::content::Session;
use super::portable::Portable;
use crate::app::workspace::{Frame, ImageRecord};

/// What is looked for: the images of sessions that are not here.
#[derive(Debug)]
pub(super) struct Wanted(Vec<(ImageRecord, Option<Digest>)>);

impl Wanted {
    /// Whether headers name a series as one of them.
    pub fn is_named(&self, series: &Series) -> bool {
        let key = series.key();
        key.is_some_and(|key| {
            self.0
                .iter()
                .any(|(record, salt)| is_named(record, *salt, &key))
        })
    }

    /// Whether a series has the size of one.
    pub fn may_be(&self, series: &Series) -> bool {
        let mut wanted = self.0.iter();
        wanted.any(|(record, _)| record.grid.dims() == series.grid.dims())
    }

    /// Whether an image is one of them.
    pub fn is_it(&self, identity: &ImageIdentity, grid: &VoxelGrid) -> bool {
        let mut wanted = self.0.iter();
        wanted.any(|(record, _)| is_content(record, identity, grid))
    }
}

/// Whether a session calls an image so, whatever it holds.
fn is_named(record: &ImageRecord, salt: Option<Digest>, key: &ImageKey) -> bool {
    let Some(salt) = salt else {
        return record.identity.key == *key;
    };
    let identity = ImageIdentity {
        key: key.clone(),
        digest: record.identity.digest,
    };
    anonymous::key(&identity, salt) == record.identity.key
}

fn is_content(record: &ImageRecord, identity: &ImageIdentity, grid: &VoxelGrid) -> bool {
    record.identity.digest == identity.digest && record.grid == *grid
}

/// What became of an image of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// It is not here.
    Missing,
    /// It is here under this name, and its work is still to be put into the workspace.
    Here(ImageKey),
    /// Its work is in the workspace.
    Brought(ImageKey),
    /// It is not what it was.
    Changed,
}

/// A session that was opened from a file.
#[derive(Debug)]
pub(in crate::app) struct Import {
    portable: Portable,
    /// The images that the session needs, by what it calls them.
    images: BTreeMap<ImageKey, State>,
}

/// What an image that was read means for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    None,
    /// It was waited for.
    Here,
    /// It is another image under the same name.
    Changed,
}

impl Import {
    pub(super) fn new(portable: Portable) -> Self {
        let session = &portable.session;
        let needed = |image: &ImageKey| {
            let views = session.arrangement.iter().flat_map(|a| &a.views);
            session.findings.iter().any(|f| f.image == *image)
                || session.cards.iter().any(|card| card.image.key == *image)
                || session.regions.iter().any(|(of, _)| of == image)
                || session.report.iter().any(|report| report.is_about(image))
                || views.into_iter().any(|(_, view)| view.shows(image))
        };
        let images = session.images.iter().map(|record| &record.identity.key);
        let images = images.filter(|image| needed(image));
        Self {
            images: images
                .map(|image| (image.clone(), State::Missing))
                .collect(),
            portable,
        }
    }

    fn missing(&self) -> impl Iterator<Item = &ImageRecord> {
        let records = self.portable.session.images.iter();
        records.filter(|r| self.images.get(&r.identity.key) == Some(&State::Missing))
    }

    /// How many of its images are not here.
    pub(super) fn missing_count(&self) -> usize {
        self.missing().count()
    }

    /// Whether nothing more is to come of it.
    pub(super) fn is_done(&self) -> bool {
        let mut states = self.images.values();
        states.all(|state| matches!(state, State::Brought(_) | State::Changed))
    }

    /// An image is here.
    pub(super) fn meet(&mut self, open: &ImageRecord) -> Match {
        let is_it = |r: &&ImageRecord| is_content(r, &open.identity, &open.grid);
        let salt = self.portable.salt;
        let called = |r: &&ImageRecord| is_named(r, salt, &open.identity.key);
        let (key, state, met) = if let Some(record) = self.missing().find(is_it) {
            let here = State::Here(open.identity.key.clone());
            (record.identity.key.clone(), here, Match::Here)
        } else if let Some(record) = self.missing().find(called) {
            (record.identity.key.clone(), State::Changed, Match::Changed)
        } else {
            return Match::None;
        };
        self.images.insert(key, state);
        met
    }

    /// The images that are not here, as they are to be looked for.
    pub(super) fn wanted<'a>(imports: impl IntoIterator<Item = &'a Self>) -> Wanted {
        let imports = imports.into_iter();
        let wanted = imports.flat_map(|import| {
            let missing = import.missing().cloned();
            missing.map(|record| (record, import.portable.salt))
        });
        Wanted(wanted.collect())
    }

    /// The whole session under the names that its images have here, or else in the session.
    pub(super) fn arranged(&self) -> Session {
        let name = |key: &ImageKey| match self.images.get(key) {
            Some(State::Here(here) | State::Brought(here)) => Some(here.clone()),
            _ => Some(key.clone()),
        };
        self.portable
            .session
            .clone()
            .renamed(name, |frame| Some(frame.clone()))
    }

    /// What is known of the images that are not here, as the session calls them.
    pub(super) fn placeholders(&self) -> impl Iterator<Item = &ImageRecord> {
        self.missing()
    }

    /// The names that images have got since the last call with what they were called in the session, and
    /// the work on those that `ready` holds for, under their names here.
    pub(super) fn take_ready(
        &mut self,
        ready: impl Fn(&ImageKey) -> bool,
        record: impl Fn(&ImageKey) -> Option<ImageRecord>,
    ) -> (Vec<(ImageKey, ImageKey)>, Session) {
        let mut names = BTreeMap::new();
        let mut frames = BTreeMap::new();
        for old in &self.portable.session.images {
            let key = &old.identity.key;
            let Some(State::Here(here)) = self.images.get(key).cloned() else {
                continue;
            };
            let Some(open) = record(&here).filter(|_| ready(&here)) else {
                continue;
            };
            frames.insert(old.frame(), open.frame());
            names.insert(key.clone(), here.clone());
            self.images.insert(key.clone(), State::Brought(here));
        }
        let session = self.portable.session.clone();
        let mut session = session.renamed(
            |key| names.get(key).cloned(),
            |frame: &Frame| frames.get(frame).cloned(),
        );
        for card in &mut session.cards {
            if let Some(open) = record(&card.image.key) {
                card.image = open.identity;
            }
        }
        (names.into_iter().collect(), session)
    }
}
