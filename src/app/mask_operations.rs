//! What is done to a whole mask, as jobs, each of them one step.

use std::sync::Arc;

use m3d_imaging::geometry::Orientation;
use m3d_imaging::volume::edit::EditError;
use m3d_imaging::volume::{Combine, ImageKey, Mask, Paint};

use super::jobs::EditMask;
use super::workspace::{Edit, Finding, FindingId, Shape, ViewKind};
use super::{Application, MaskOperation, NoticeKind, Step};

impl Application {
    /// The chosen mask of the active image, and the one it is combined with: the next that is chosen, or else the other
    /// one where there are two.
    pub fn masks_in_hand(&self) -> Option<(&Finding, Option<&Finding>)> {
        let image = self.seen_active()?.layer.image.clone();
        let first = self.chosen_mask(&image)?;
        let grid = *first.mask()?.grid();
        let fits = |f: &&Finding| {
            f.id != first.id
                && f.image == image
                && f.mask().is_some_and(|mask| *mask.grid() == grid)
        };
        let mut all = self.workspace.findings.iter().filter(fits);
        let second = self
            .selected()
            .find(fits)
            .or_else(|| all.next().filter(|_| all.next().is_none()));
        Some((first, second))
    }

    /// Whether an operation would do something now.
    pub(super) fn can_edit_mask(&self, operation: MaskOperation) -> bool {
        self.masks_in_hand().is_some_and(|(first, second)| {
            !first.locked && (operation.combines().is_none() || second.is_some())
        })
    }

    pub(super) fn edit_mask(&mut self, operation: MaskOperation) {
        let Some((first, second)) = self.masks_in_hand() else {
            return;
        };
        let (id, Some(mask)) = (first.id, first.mask().map(Arc::clone)) else {
            return;
        };
        let other = second.and_then(|f| f.mask()).map(Arc::clone);
        let plane = match self.workspace.kind_of(self.active_view()) {
            ViewKind::Slice(orientation) => orientation,
            ViewKind::Volume => Orientation::Axial,
        };
        let place = Orientation::ALL.iter().position(|o| *o == plane);
        let axis = mask.grid().axes_of_planes()[place.unwrap_or(0)];
        if !self.is_locked(id) {
            let settings = self.masks.settings;
            self.jobs.start(EditMask {
                id,
                mask,
                other,
                axis,
                operation,
                settings,
            });
        }
    }

    /// Puts what came of an operation on the mask `before`: the first in its place, others as masks of their own.
    pub(super) fn finish_edit(
        &mut self,
        id: FindingId,
        before: &Arc<Mask>,
        operation: MaskOperation,
        result: Result<Vec<Mask>, EditError>,
    ) {
        let Some(finding) = self.workspace.finding(id).cloned() else {
            return;
        };
        let name = &finding.name;
        let verb = operation.name().to_lowercase();
        let same = finding.mask().is_some_and(|mask| Arc::ptr_eq(mask, before));
        let masks = match result {
            Err(EditError::Cancelled) => return,
            Err(error) => {
                let text = format!("{}: {name}: {error}.", operation.name());
                return self.notices.add(NoticeKind::Warning, text);
            }
            Ok(_) if !same || finding.locked => {
                let text = format!("{name} was changed meanwhile, so “{verb}” was not done.");
                return self.notices.add(NoticeKind::Warning, text);
            }
            Ok(masks) => masks,
        };
        let mut masks = masks.into_iter();
        let Some(first) = masks.next() else {
            return;
        };
        let patch = before.patch_to(&first);
        if patch.is_empty() {
            let text = format!("There was nothing to do for “{verb}” on {name}.");
            return self.notices.add(NoticeKind::Info, text);
        }
        let group = Step::group();
        let step = || Step::of_group(format!("{verb}: {name}"), group);
        self.put_patch(id, patch, step());
        for (piece, n) in masks.zip(2..) {
            let colour = self.workspace.next_colour(&finding.image);
            let piece = Finding {
                id: FindingId::fresh(),
                name: format!("{name} {n}"),
                colour,
                shape: Shape::Mask(Arc::new(piece)),
                ..finding.clone()
            };
            self.change(Edit::add(piece), step());
        }
        if first.count() == 0 {
            let text = format!("Nothing of {name} is left; undo brings it back.");
            self.notices.add(NoticeKind::Info, text);
        }
    }

    /// Puts an area into a mask or takes it out; into a new one where there is no target.
    pub(super) fn finish_area(
        &mut self,
        (image, time): (ImageKey, u32),
        target: Option<FindingId>,
        label: &str,
        paint: Paint,
        area: Result<Mask, EditError>,
    ) {
        let area = match area {
            Err(EditError::Cancelled) => return,
            Err(error) => return self.inform(&error.to_string()),
            Ok(area) => area,
        };
        let known = target.and_then(|id| self.workspace.finding(id));
        let known = known.and_then(|f| Some((f.id, f.name.clone(), Arc::clone(f.mask()?))));
        match (target, known) {
            (Some(_), None) => {}
            _ if area.count() == 0 => self.inform("There is nothing with these values."),
            (None, _) => self.add_mask(&image, time, area, None),
            (Some(_), Some((id, name, mask))) => {
                let how = match paint {
                    Paint::Add => Combine::Union,
                    Paint::Erase => Combine::Difference,
                };
                if let Some(after) = mask.combined(&area, how).filter(|_| !self.is_locked(id)) {
                    let step = Step::new(format!("{label} {name}"));
                    self.put_patch(id, mask.patch_to(&after), step);
                }
            }
        }
    }
}
