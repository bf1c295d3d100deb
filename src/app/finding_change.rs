//! What a reader changes of several findings at once.

use super::workspace::{Finding, FindingColour, FindingId, Status};

/// One change of a finding.
#[derive(Clone, Debug, PartialEq)]
pub enum FindingChange {
    /// Draw it, or not.
    Visible(bool),
    /// Keep it safe from changes, or not.
    Locked(bool),
    /// What the reader makes of it.
    Status(Status),
    /// The heading it is listed under.
    Group(String),
    /// The reader's words on it.
    Note(String),
    /// Its colour.
    Colour([u8; 3]),
    /// Whether it counts among the target lesions.
    Target(bool),
    /// The finding of an earlier study it is compared with.
    Earlier(Option<FindingId>),
}

impl FindingChange {
    /// What it is called when it is taken back; `of` is what it is made on.
    pub fn label(&self, of: &str) -> String {
        match self {
            Self::Visible(true) => format!("show {of}"),
            Self::Visible(false) => format!("hide {of}"),
            Self::Locked(true) => format!("lock {of}"),
            Self::Locked(false) => format!("unlock {of}"),
            Self::Status(Status::Proposed) => format!("put {of} back"),
            Self::Status(Status::Accepted) => format!("accept {of}"),
            Self::Status(Status::Rejected) => format!("reject {of}"),
            Self::Group(_) => format!("group {of}"),
            Self::Note(_) => format!("note on {of}"),
            Self::Colour(_) => format!("colour {of}"),
            Self::Target(_) => format!("target {of}"),
            Self::Earlier(_) => format!("pair {of}"),
        }
    }

    /// The finding with the change. What is rejected is not drawn any more, what is accepted is.
    pub fn made(&self, finding: &Finding) -> Finding {
        let mut changed = finding.clone();
        match self {
            Self::Visible(visible) => changed.visible = *visible,
            Self::Locked(locked) => changed.locked = *locked,
            Self::Status(status) => {
                changed.status = Some(*status);
                changed.visible = *status != Status::Rejected;
            }
            Self::Group(group) => changed.group.clone_from(group),
            Self::Note(note) => changed.note.clone_from(note),
            Self::Colour(rgb) => changed.colour = FindingColour::Own(*rgb),
            Self::Target(target) => changed.target = *target,
            Self::Earlier(earlier) => changed.earlier = *earlier,
        }
        changed
    }
}
