//! What was found in a volume: masks and boxes, with undo.

use std::sync::Arc;

use super::Revision;
use m3d_imaging::geometry::VoxelBox;
use m3d_imaging::volume::{LabelMap, Mask};

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

impl FindingKind {
    /// The voxel-space middle of it; `None` for an empty mask.
    pub fn centre(&self) -> Option<glam::DVec3> {
        match self {
            Self::Mask { mask, .. } => mask.centroid(),
            Self::Box(voxel_box) => Some(voxel_box.centre()),
        }
    }
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

/// The findings of one series, in the order they came, with the steps that led there.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    list: Vec<Finding>,
    undo: Vec<Step>,
    redo: Vec<Step>,
    next_id: u64,
    masks: Revision,
}

/// What takes a change back, or makes it again.
#[derive(Clone, Debug)]
struct Step {
    /// The change in words.
    label: String,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    Insert(usize, Finding),
    Remove(FindingId),
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
        let id = FindingId(self.next_id);
        self.keep_step(format!("add {name}"), Change::Remove(id));
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
        if let Some(at) = self.list.iter().position(|f| f.id == id) {
            let finding = self.list.remove(at);
            let label = format!("remove {}", finding.name);
            self.keep_step(label, Change::Insert(at, finding));
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

    /// The step that would be taken back, and the one that would be taken again, in words.
    pub fn undo_redo_labels(&self) -> [Option<&str>; 2] {
        [&self.undo, &self.redo].map(|steps| steps.last().map(|step| step.label.as_str()))
    }

    /// Takes the last step back.
    pub fn undo(&mut self) {
        if let Some(step) = self.undo.pop() {
            let again = self.take(step);
            self.redo.push(again);
        }
    }

    /// Takes the last step taken back again.
    pub fn redo(&mut self) {
        if let Some(step) = self.redo.pop() {
            let back = self.take(step);
            self.undo.push(back);
        }
    }

    /// Takes a step and returns the one that leads back. A finding keeps the name it has now.
    fn take(&mut self, step: Step) -> Step {
        self.masks = self.masks.next();
        let Step { label, change } = step;
        let inverse = match change {
            Change::Insert(at, finding) => {
                let id = finding.id;
                self.list.insert(at.min(self.list.len()), finding);
                Change::Remove(id)
            }
            Change::Remove(id) => match self.list.iter().position(|f| f.id == id) {
                Some(at) => Change::Insert(at, self.list.remove(at)),
                None => Change::Remove(id),
            },
        };
        let change = inverse;
        Step { label, change }
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

    fn keep_step(&mut self, label: String, change: Change) {
        self.redo.clear();
        self.undo.push(Step { label, change });
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
        let [undo, redo] = findings.undo_redo_labels();
        assert_eq!((undo, redo), (Some("add spleen"), Some("remove liver")));
        findings.add("kidney".into(), FindingKind::Box(a_box));
        let [undo, redo] = findings.undo_redo_labels();
        assert_eq!((undo, redo), (Some("add kidney"), None));
    }

    #[test]
    fn a_new_name_outlives_steps_taken_back_and_again() {
        let mut findings = Findings::default();
        let a_box = VoxelBox::from_corners(DVec3::ZERO, DVec3::ONE);
        let liver = findings.add("liver".into(), FindingKind::Box(a_box));
        findings.add("spleen".into(), FindingKind::Box(a_box));
        findings.rename(liver, "segment 4".into());
        findings.undo();
        assert_eq!(findings.get(liver).unwrap().name, "segment 4");
        findings.redo();
        findings.remove(liver);
        findings.undo();
        assert_eq!(findings.get(liver).unwrap().name, "segment 4");
    }
}
