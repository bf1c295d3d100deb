//! What a reader does with findings.

use std::path::PathBuf;
use std::sync::Arc;

use super::Application;
use super::jobs::ExportMask;
use super::workspace::{Edit, Finding, FindingId};

impl Application {
    /// Goes to a finding in the views of its image, and shows it.
    pub(super) fn go_to_finding(&mut self, id: FindingId) {
        let Some(finding) = self.workspace.finding(id).cloned() else {
            return;
        };
        self.look_at(&finding);
        if !finding.visible {
            let mut finding = finding;
            finding.visible = true;
            self.apply(Edit::add(finding));
        }
    }

    /// Moves the crosshair to the middle of a finding: onto a voxel's centre, so that the slices shown are
    /// slices of the image.
    pub(super) fn look_at(&mut self, finding: &Finding) {
        let record = self.workspace.images.get(&finding.image);
        if let (Some(record), Some(centre)) = (record, finding.centre_mm()) {
            let point = record.on_a_voxel(centre);
            self.apply_all(self.workspace.cursor_to(&record.frame(), point));
        }
    }

    /// Writes a mask to a file.
    pub(super) fn export_mask(&mut self, id: FindingId, path: PathBuf) {
        let mask = self.workspace.finding(id).and_then(|f| f.mask());
        if let Some(mask) = mask.map(Arc::clone) {
            self.jobs.start(ExportMask { path, mask });
        }
    }
}
