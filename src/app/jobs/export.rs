//! Writing a mask to a file.

use std::path::PathBuf;
use std::sync::Arc;

use m3d_imaging::io::{self, Progress};
use m3d_imaging::volume::Mask;

use super::{Finish, Job, Slot};
use crate::app::NoticeKind;

/// Writes a mask as NIfTI.
pub struct ExportMask {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub mask: Arc<Mask>,
}

impl Job for ExportMask {
    fn title(&self) -> String {
        "Writing the mask".into()
    }

    fn slot(&self) -> Slot {
        Slot::Every
    }

    fn is_missed(&self) -> bool {
        true
    }

    fn run(self: Box<Self>, _: &Progress) -> Finish {
        let Self { path, mask } = *self;
        let written = io::write_mask(&path, &mask);
        Box::new(move |app| match written {
            Ok(()) => {
                let text = format!("Wrote {}", path.display());
                app.notices.add(NoticeKind::Info, text);
            }
            Err(error) => app.fail(&error),
        })
    }
}
