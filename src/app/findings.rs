//! What a reader does with findings.

use std::path::PathBuf;
use std::sync::Arc;

use m3d_imaging::volume::Mask;

use super::Application;
use super::jobs::{ExportMask, MeasureValues};
use super::resources::ImageTime;
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

    /// Measures the masks of images on screen whose values have a unit, where that was not done yet.
    pub(super) fn measure_findings(&mut self, shown: &[ImageTime]) {
        for (image, time) in shown {
            let Some(open) = self.resources.image(image, *time).filter(|i| i.has_units()) else {
                continue;
            };
            let is_known = |id: FindingId, mask: &Arc<Mask>| {
                let known = self.resources.figures.get(&(id, *time));
                known.is_some_and(|known| Arc::ptr_eq(&known.mask, mask))
            };
            let findings = self.workspace.findings_of(image);
            let masks = findings.filter_map(|f| Some((f.id, Arc::clone(f.mask()?))));
            let masks: Vec<_> = masks.filter(|(id, mask)| !is_known(*id, mask)).collect();
            if masks.is_empty() || self.jobs.goes_on(&MeasureValues::slot_of(image, *time)) {
                continue;
            }
            self.jobs.start(MeasureValues {
                image: image.clone(),
                time: *time,
                volume: Arc::clone(&open.volume),
                masks,
            });
        }
        let workspace = &self.workspace;
        let figures = &mut self.resources.figures;
        figures.retain(|(id, _), _| workspace.finding(*id).is_some());
    }

    /// Writes a mask to a file.
    pub(super) fn export_mask(&mut self, id: FindingId, path: PathBuf) {
        let mask = self.workspace.finding(id).and_then(|f| f.mask());
        if let Some(mask) = mask.map(Arc::clone) {
            self.jobs.start(ExportMask { path, mask });
        }
    }
}
