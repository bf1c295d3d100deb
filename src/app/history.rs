//! What was done, to be taken back and done again.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::workspace::{Edit, EditTarget, Workspace, fresh};

/// Which step an edit belongs to: edits of one group are taken back together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is called behind "Undo: ".
    pub label: Cow<'static, str>,
    /// Edits of the same group in a row are one step; `None` for a step by itself.
    pub group: Option<u64>,
}

impl Step {
    /// A name for the edits of one drag, or of anything else that is taken back together.
    pub fn group() -> u64 {
        fresh()
    }

    /// A step by itself.
    pub fn new(label: impl Into<Cow<'static, str>>) -> Self {
        Self {
            label: label.into(),
            group: None,
        }
    }

    /// A part of a longer step: a drag, an answer.
    pub fn of_group(label: impl Into<Cow<'static, str>>, group: u64) -> Self {
        Self {
            group: Some(group),
            ..Self::new(label)
        }
    }
}

/// A step's inverse edits, in the order they were recorded.
#[derive(Debug)]
struct Entry {
    step: Step,
    inverses: Vec<Edit>,
    bytes: usize,
}

impl Entry {
    fn new(step: Step, inverses: Vec<Edit>) -> Self {
        let bytes = inverses.iter().map(Edit::byte_len).sum();
        Self {
            step,
            inverses,
            bytes,
        }
    }

    /// Takes the step back in the workspace; the entry that does it again.
    fn reversed(self, workspace: &mut Workspace) -> Self {
        let edits = self.inverses.into_iter().rev();
        let again = edits.map(|edit| workspace.apply(edit)).collect();
        Self::new(self.step, again)
    }
}

/// The steps behind and ahead.
#[derive(Debug)]
pub struct History {
    undo: VecDeque<Entry>,
    redo: Vec<Entry>,
    most_bytes: usize,
}

impl Default for History {
    fn default() -> Self {
        Self::bounded(256 << 20)
    }
}

impl History {
    /// An empty history that forgets its oldest steps beyond so many bytes.
    pub const fn bounded(most_bytes: usize) -> Self {
        Self {
            undo: VecDeque::new(),
            redo: Vec::new(),
            most_bytes,
        }
    }

    /// Makes a change as (a part of) a step.
    pub fn apply(&mut self, workspace: &mut Workspace, edit: Edit, step: Step) {
        let removes = edit.removes_from_list();
        let inverse = workspace.apply(edit);
        self.redo.clear();
        let grouped = self.undo.back_mut();
        match grouped.filter(|last| step.group.is_some() && last.step.group == step.group) {
            Some(last) => {
                last.step.label = step.label;
                // Where the step has put a value before, the first inverse leads back behind both.
                let target = inverse.target();
                // An entry of a list that comes or goes has its place among the others.
                let replaced = !removes && !inverse.removes_from_list();
                let known = replaced
                    && target.is_some()
                    && last
                        .inverses
                        .iter()
                        .any(|earlier| covers(earlier.target().as_ref(), target.as_ref()));
                let joined = last
                    .inverses
                    .last_mut()
                    .and_then(|earlier| join(earlier, &inverse));
                if let Some(more) = joined {
                    last.bytes += more;
                } else if !known {
                    last.bytes += inverse.byte_len();
                    last.inverses.push(inverse);
                }
            }
            None => self.undo.push_back(Entry::new(step, vec![inverse])),
        }
        self.forget();
    }

    /// Whether the last step is of this group: then it can be cancelled.
    fn is_last(&self, group: u64) -> bool {
        let last = self.undo.back();
        last.is_some_and(|entry| entry.step.group == Some(group))
    }

    /// Takes a step back that is still being made, without a way to make it again.
    pub fn cancel(&mut self, workspace: &mut Workspace, group: u64) {
        if self.is_last(group)
            && let Some(entry) = self.undo.pop_back()
        {
            entry.reversed(workspace);
        }
    }

    /// Takes the last step back; what it was.
    pub fn undo(&mut self, workspace: &mut Workspace) -> Option<Cow<'static, str>> {
        let entry = self.undo.pop_back()?;
        let label = entry.step.label.clone();
        self.redo.push(entry.reversed(workspace));
        Some(label)
    }

    /// Makes the last step taken back again; what it was.
    pub fn redo(&mut self, workspace: &mut Workspace) -> Option<Cow<'static, str>> {
        let mut entry = self.redo.pop()?.reversed(workspace);
        // What comes next is a step of its own, even from the same hand.
        entry.step.group = None;
        let label = entry.step.label.clone();
        self.undo.push_back(entry);
        Some(label)
    }

    /// The step that would be taken back, in words.
    pub fn undo_label(&self) -> Option<&str> {
        self.undo.back().map(|entry| &*entry.step.label)
    }

    /// The step that would be made again, in words.
    pub fn redo_label(&self) -> Option<&str> {
        self.redo.last().map(|entry| &*entry.step.label)
    }

    /// Bytes that the steps keep alive.
    pub fn byte_len(&self) -> usize {
        let undo: usize = self.undo.iter().map(|entry| entry.bytes).sum();
        let redo: usize = self.redo.iter().map(|entry| entry.bytes).sum();
        undo + redo
    }

    /// Forgets everything: what is open is another's work.
    pub fn clear(&mut self) {
        self.undo.clear();
        self.redo.clear();
    }

    fn forget(&mut self) {
        while self.undo.len() > 1 && self.byte_len() > self.most_bytes {
            self.undo.pop_front();
        }
    }
}

/// Makes an inverse that was painted last take back a `later` one of the same mask too: a stroke is one patch however
/// long it is. By how many bytes it grew; `None` where they are something else.
fn join(earlier: &mut Edit, later: &Edit) -> Option<usize> {
    let before = earlier.byte_len();
    let (
        Edit::Paint { id, patch },
        Edit::Paint {
            id: same,
            patch: after,
        },
    ) = (earlier, later)
    else {
        return None;
    };
    if id != same {
        return None;
    }
    **patch = patch.as_ref().clone().joined(after.as_ref().clone());
    Some((size_of::<Edit>() + patch.bytes()).saturating_sub(before))
}

/// Whether taking back `earlier` also takes back a later edit of `later`.
fn covers(earlier: Option<&EditTarget>, later: Option<&EditTarget>) -> bool {
    match (earlier, later) {
        // A whole view comes back with how it looked.
        (Some(EditTarget::View(view)), Some(EditTarget::Look(look))) => view == look,
        (earlier, later) => earlier == later,
    }
}
