//! What was found in a volume: masks and boxes, with undo.

use std::sync::Arc;

use super::Revision;
use crate::geometry::VoxelBox;
use crate::volume::{LabelMap, Mask};

/// Names one finding of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FindingId(u64);

/// What a finding is made of.
#[derive(Clone, Debug)]
pub enum FindingKind {
    /// A set of voxels.
    Mask {
        /// The voxels.
        mask: Arc<Mask>,
        /// The size of the voxels the model drew it in, in mm along i, j, k: what the outline is
        /// worth.
        drawn_at_mm: Option<glam::DVec3>,
    },
    /// A box.
    Box(VoxelBox),
}

/// A mask or a box with a name.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its name in the document.
    pub id: FindingId,
    /// What the reader calls it.
    pub name: String,
    /// Its place in the theme's row of colours.
    pub colour: usize,
    /// Whether it is drawn.
    pub visible: bool,
    /// What it is.
    pub kind: FindingKind,
}

impl Finding {
    /// The voxel-space middle of it; `None` for an empty mask.
    pub fn centre(&self) -> Option<glam::DVec3> {
        match &self.kind {
            FindingKind::Mask { mask, .. } => mask.centroid(),
            FindingKind::Box(voxel_box) => Some(voxel_box.centre()),
        }
    }
}

/// The findings of one series, in the order they came, with the steps that led there.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    list: Vec<Finding>,
    undo: Vec<Vec<Finding>>,
    redo: Vec<Vec<Finding>>,
    next_id: u64,
    masks: Revision,
}

/// Masks are shared, so a step costs little; still, there is an end.
const MOST_STEPS: usize = 64;

impl Findings {
    /// All findings, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.list.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// One finding.
    pub fn get(&self, id: FindingId) -> Option<&Finding> {
        self.list.iter().find(|f| f.id == id)
    }

    /// Adds one, visible, in the next colour.
    pub fn add(&mut self, name: String, kind: FindingKind) -> FindingId {
        self.keep_step();
        let id = FindingId(self.next_id);
        self.list.push(Finding {
            id,
            name,
            colour: self.next_id as usize,
            visible: true,
            kind,
        });
        self.next_id += 1;
        self.masks = self.masks.next();
        id
    }

    /// Takes one away.
    pub fn remove(&mut self, id: FindingId) {
        if self.get(id).is_some() {
            self.keep_step();
            self.list.retain(|f| f.id != id);
            self.masks = self.masks.next();
        }
    }

    /// Shows or hides one.
    pub fn show(&mut self, id: FindingId, visible: bool) {
        if let Some(finding) = self.list.iter_mut().find(|f| f.id == id) {
            finding.visible = visible;
            self.masks = self.masks.next();
        }
    }

    /// Gives one another name.
    pub fn rename(&mut self, id: FindingId, name: String) {
        if let Some(finding) = self.list.iter_mut().find(|f| f.id == id) {
            finding.name = name;
        }
    }

    /// Whether there is a step to take back, and one to take again.
    pub fn can_undo_redo(&self) -> (bool, bool) {
        (!self.undo.is_empty(), !self.redo.is_empty())
    }

    /// Takes the last step back.
    pub fn undo(&mut self) {
        if let Some(before) = self.undo.pop() {
            self.redo.push(std::mem::replace(&mut self.list, before));
            self.masks = self.masks.next();
        }
    }

    /// Takes the last step taken back again.
    pub fn redo(&mut self) {
        if let Some(after) = self.redo.pop() {
            self.undo.push(std::mem::replace(&mut self.list, after));
            self.masks = self.masks.next();
        }
    }

    /// Changes whenever what is drawn of the masks does.
    pub const fn mask_revision(&self) -> Revision {
        self.masks
    }

    /// The visible masks, with their place in the row of colours, in label order (1, 2, ...).
    pub fn visible_masks(&self) -> Vec<(&Arc<Mask>, usize)> {
        self.list
            .iter()
            .filter(|f| f.visible)
            .filter_map(|f| match &f.kind {
                FindingKind::Mask { mask, .. } => Some((mask, f.colour)),
                FindingKind::Box(_) => None,
            })
            .take(LabelMap::MOST)
            .collect()
    }

    fn keep_step(&mut self) {
        self.redo.clear();
        self.undo.push(self.list.clone());
        if self.undo.len() > MOST_STEPS {
            self.undo.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use glam::DVec3;

    use super::*;

    #[test]
    fn steps_are_taken_back_and_again() {
        let mut findings = Findings::default();
        let a_box = VoxelBox::from_corners(DVec3::ZERO, DVec3::ONE);
        let first = findings.add("liver".into(), FindingKind::Box(a_box));
        let second = findings.add("spleen".into(), FindingKind::Box(a_box));
        findings.remove(first);
        assert!(findings.get(first).is_none());
        findings.undo();
        assert!(findings.get(first).is_some());
        findings.undo();
        assert!(findings.get(second).is_none());
        findings.redo();
        assert!(findings.get(second).is_some());
        assert_eq!(findings.can_undo_redo(), (true, true));
        findings.add("kidney".into(), FindingKind::Box(a_box));
        assert_eq!(findings.can_undo_redo(), (true, false));
    }
}
