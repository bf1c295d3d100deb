//! Sessions: the reader's work on each study, saved while it is done.
//!
//! A study's work is the part of the workspace that belongs to its images ([`content`]). It is kept in a
//! folder of its own ([`store`]), written by a thread that is handed a copy of the workspace whenever that
//! has changed ([`saver`]), and comes back by edits when an image of the study is read again ([`restore`]).
//! A study is open in one window at a time; another one, and work that this program cannot read or save,
//! can be looked at and not changed. Beside the sessions is a list of recent studies ([`recent`]), and a
//! session can be taken along as one file ([`portable`]), with the patient's identity or without
//! ([`anonymous`]).

mod anonymous;
mod collect;
mod content;
mod disk;
mod envelope;
mod exchange;
mod import;
mod jobs;
mod keeping;
mod portable;
mod recent;
mod restore;
mod saver;
mod store;
#[cfg(test)]
mod store_tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use collect::{CollectError, CollectOptions, Collected, LeftOut, collect, licence_of};
pub(super) use content::Arrangement;
pub use recent::Recent;
pub(super) use restore::removal;

use super::Revision;
use super::jobs::Waker;
use super::workspace::{StudyId, ViewId};
pub(super) use import::Import;
use saver::{Order, Saver};

/// What the names of session files end with.
pub const EXTENSION: &str = "m3dsession";

/// The folder where the reader's work is kept; `None` where the system has no such folder.
pub fn default_folder() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "m3d-viewer")?;
    Some(folders.data_dir().to_owned())
}

/// What may be done with a study.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Access {
    /// Its session is being read.
    Opening {
        /// Whether the views are arranged as they were.
        arranges: bool,
    },
    /// Its work is saved.
    Writable,
    /// It is looked at and not changed.
    ReadOnly {
        /// Why, and what to do.
        reason: String,
    },
}

/// The sessions of the studies that are open.
pub(super) struct Sessions {
    root: PathBuf,
    saver: Saver,
    studies: BTreeMap<StudyId, Access>,
    /// The state of the workspace, and the active view, that the saver has.
    handed_over: Option<(Revision, ViewId)>,
    recent: Vec<Recent>,
    /// The recent study that was asked for, until its files are found.
    wanted: Option<StudyId>,
}

impl Sessions {
    /// Begins to keep work in a folder.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(root: PathBuf, wake: &Waker) -> std::io::Result<Self> {
        let saver = Saver::start(root.clone(), Arc::clone(wake))?;
        Ok(Self {
            recent: recent::read(&root),
            root,
            saver,
            studies: BTreeMap::new(),
            handed_over: None,
            wanted: None,
        })
    }

    fn folder(&self) -> PathBuf {
        saver::sessions(&self.root)
    }

    fn writable(&self) -> BTreeSet<StudyId> {
        let studies = self.studies.iter();
        let writable = studies.filter(|(_, access)| **access == Access::Writable);
        writable.map(|(&study, _)| study).collect()
    }

    fn reason(&self, study: StudyId) -> Option<&str> {
        match self.studies.get(&study)? {
            Access::ReadOnly { reason } => Some(reason),
            Access::Opening { .. } | Access::Writable => None,
        }
    }

    fn is_opening(&self, study: StudyId) -> bool {
        matches!(self.studies.get(&study), Some(Access::Opening { .. }))
    }

    fn order(&self, order: Order) {
        self.saver.order(order);
    }
}

/// The folder that all files lie in, or the one file.
fn common_path<'a>(files: impl IntoIterator<Item = &'a Path>) -> Option<PathBuf> {
    let mut files = files.into_iter();
    let first = files.next()?.to_owned();
    let common = files.fold(first, |common, file| {
        let pairs = common.components().zip(file.components());
        pairs.take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
    });
    std::path::absolute(common).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_study_holds_all_its_files() {
        let common = |files: &[&str]| common_path(files.iter().map(Path::new));
        assert_eq!(common(&[]), None);
        assert_eq!(common(&["/a/b/x.nii"]), Some("/a/b/x.nii".into()));
        assert_eq!(common(&["/a/b/c/1", "/a/b/c/2"]), Some("/a/b/c".into()));
        assert_eq!(
            common(&["/a/b/c/1", "/a/b/d/1", "/a/bc"]),
            Some("/a".into())
        );
    }
}
