//! Searching a path for images.

use std::path::PathBuf;

use m3d_imaging::io::{self, Progress};

use super::{Finish, Job, Slot};
use crate::app::Opening;

/// Searches a file or folder.
pub struct Scan {
    /// Where.
    pub path: PathBuf,
    /// What becomes of what is open.
    pub opening: Opening,
}

impl Job for Scan {
    fn title(&self) -> String {
        "Searching for images".into()
    }

    fn slot(&self) -> Slot {
        match self.opening {
            Opening::Instead => Slot::latest("scan"),
            Opening::Beside => Slot::Every,
        }
    }

    fn run(self: Box<Self>, progress: &Progress) -> Finish {
        let Self { path, opening } = *self;
        let found = io::scan(&path, progress);
        Box::new(move |app| app.scanned(&path, opening, found))
    }
}
