//! What a reader does with findings.

use std::path::PathBuf;
use std::sync::Arc;

use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::io::Series;
use m3d_imaging::volume::ImageKey;

use super::findings_table::{HEADER, Order};
use super::jobs::{ExportMask, MeasureValues, WriteTable};
use super::resources::{Figures, ImageTime, Inside, Subject};
use super::workspace::{Edit, Finding, FindingId, View};
use super::{Application, FindingChange, Placement, Step};

impl Application {
    /// Goes to a finding in the views of its image, and shows it.
    pub(super) fn go_to_finding(&mut self, id: FindingId) {
        let Some(finding) = self.workspace.finding(id).cloned() else {
            return;
        };
        self.show_image_of(&finding);
        self.look_at(&finding);
        if !finding.visible {
            let mut finding = finding;
            finding.visible = true;
            self.apply(Edit::add(finding));
        }
    }

    /// Whether the active view shows a finding where the crosshair is.
    pub fn is_at(&self, finding: &Finding) -> bool {
        let Some(seen) = self
            .seen_active()
            .filter(|seen| seen.layer.image == finding.image)
        else {
            return false;
        };
        let voxel = |at| seen.grid().voxel_from_patient().transform_point3(at);
        finding.visible
            && finding.bounds().is_some_and(|bounds| {
                let [a, b] = bounds.corners_mm.map(voxel);
                let at = voxel(seen.cursor_mm());
                at.cmpge(a.min(b) - 0.5).all() && at.cmple(a.max(b) + 0.5).all()
            })
    }

    /// Puts the image of a finding into the active view where no view shows it.
    fn show_image_of(&mut self, finding: &Finding) {
        let shows = |view: &View| view.base().is_some_and(|base| base.image == finding.image);
        if self.workspace.shown_views().any(|(_, view)| shows(view)) {
            return;
        }
        if let Some(series) = self.resources.source(&finding.image).map(Series::id) {
            self.show(&series, Placement::View(self.active));
        }
    }

    /// Writes the figures of findings to a file as comma-separated values.
    pub(super) fn export_table(&mut self, path: PathBuf) {
        let listed = self.listed_findings(Order::Made, "");
        let mut rows = vec![HEADER.map(str::to_owned).to_vec()];
        rows.extend(self.findings_table(&listed));
        self.jobs.start(WriteTable { path, rows });
    }

    /// Changes findings in one step.
    pub(super) fn change_findings(&mut self, ids: &[FindingId], change: &FindingChange) {
        let label = change.label(&self.called(ids));
        let group = Step::group();
        for id in ids {
            if let Some(finding) = self.workspace.finding(*id) {
                let changed = change.made(finding);
                let step = Step::of_group(label.clone(), group);
                self.change(Edit::add(changed), step);
            }
        }
    }

    /// What findings are called together: one by its name, several by how many they are.
    fn called(&self, ids: &[FindingId]) -> String {
        match ids {
            [id] => self
                .workspace
                .finding(*id)
                .map_or_else(String::new, |f| f.name.clone()),
            several => format!("{} findings", several.len()),
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

    /// Measures the values inside what lies on images on screen, where that was not done yet: flat regions at once,
    /// masks and boxes as a job.
    pub(super) fn measure_findings(&mut self, shown: &[ImageTime]) {
        for (image, time) in shown {
            let Some(open) = self.resources.image(image, *time) else {
                continue;
            };
            let volume = Arc::clone(&open.volume);
            let unmeasured = self.insides_of(image, open.volume.grid()).into_iter();
            let unmeasured = unmeasured.filter(|(subject, inside)| {
                let known = self.resources.figures.get(&(subject.clone(), *time));
                known.is_none_or(|known| known.inside != *inside)
            });
            let (flat, solid): (Vec<_>, Vec<_>) =
                unmeasured.partition(|(_, inside)| matches!(inside, Inside::Flat(_)));
            for (subject, inside) in flat {
                let figures = Figures::of(inside, &volume);
                self.resources.figures.insert((subject, *time), figures);
            }
            let busy = self.jobs.goes_on(&MeasureValues::slot_of(image, *time));
            if !solid.is_empty() && !busy {
                self.jobs.start(MeasureValues {
                    image: image.clone(),
                    time: *time,
                    volume,
                    subjects: solid,
                });
            }
        }
        let workspace = &self.workspace;
        let figures = &mut self.resources.figures;
        figures.retain(|(subject, _), _| match subject {
            Subject::Finding(id) => workspace.finding(*id).is_some(),
            Subject::Region(image) => workspace.regions.contains_key(image),
        });
    }

    /// Everything on an image that has an inside.
    fn insides_of(&self, image: &ImageKey, grid: &VoxelGrid) -> Vec<(Subject, Inside)> {
        let found = self.workspace.findings_of(image).filter_map(|finding| {
            let subject = Subject::Finding(finding.id);
            Some((subject, Inside::of(finding, grid)?))
        });
        let region = self.workspace.regions.get(image);
        let region = region.map(|region| {
            let inside = Inside::Box(region.on(grid));
            (Subject::Region(image.clone()), inside)
        });
        found.chain(region).collect()
    }

    /// Gives a finding another name; all letters typed into one name are one step.
    pub(super) fn name_finding(&mut self, id: FindingId, name: String) {
        if let Some(finding) = self.workspace.finding(id) {
            let step = Step::of_group(format!("rename {name}"), id.0);
            let changed = Finding {
                name,
                ..finding.clone()
            };
            self.change(Edit::add(changed), step);
        }
    }

    /// Chooses findings; those that are not there any more are left out.
    pub(super) fn select(&mut self, ids: Vec<FindingId>) {
        self.selected = ids;
        let workspace = &self.workspace;
        self.selected.retain(|id| workspace.finding(*id).is_some());
    }

    /// The findings that are chosen, in the order in which they were.
    pub fn selected(&self) -> impl Iterator<Item = &Finding> {
        let chosen = self.selected.iter();
        chosen.filter_map(|id| self.workspace.finding(*id))
    }

    /// Whether a finding is chosen.
    pub fn is_selected(&self, id: FindingId) -> bool {
        self.selected.contains(&id)
    }

    /// Removes the chosen findings that are not locked; where none is chosen, the box of the active image.
    pub(super) fn delete_selected(&mut self) {
        let chosen = self.selected().filter(|finding| !finding.locked);
        let removed: Vec<FindingId> = chosen.map(|f| f.id).collect();
        if self.selected().next().is_none() {
            return self.clear_box();
        }
        let label = format!("remove {}", self.called(&removed));
        let group = Step::group();
        for id in removed {
            self.change(Edit::remove(id), Step::of_group(label.clone(), group));
        }
        self.select(self.selected.clone());
    }

    /// Writes a mask to a file.
    pub(super) fn export_mask(&mut self, id: FindingId, path: PathBuf) {
        let mask = self.workspace.finding(id).and_then(|f| f.mask());
        if let Some(mask) = mask.map(Arc::clone) {
            self.jobs.start(ExportMask { path, mask });
        }
    }
}
