//! Where a frame's attributes stand: in its own functional groups, in those shared by all frames (PS3.3 C.7.6.16), or
//! plainly in the data set.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::dataset::DataSet;
use super::elements::malformed;
use super::values::Notes;
use crate::io::error::Refusal;

/// One frame's view of a data set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Groups<'a> {
    root: &'a DataSet,
    shared: Option<&'a DataSet>,
    frame: Option<&'a DataSet>,
}

impl<'a> Groups<'a> {
    /// The views of all `count` frames of a file, in order.
    ///
    /// # Errors
    /// When there are groups, but not for each frame.
    pub fn of_frames(root: &'a DataSet, count: u32) -> Result<Vec<Self>, Refusal> {
        let shared = root.item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
        let own = root.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
        if !own.is_empty() && own.len() != count as usize {
            let message = format!("{count} frames, but functional groups of {}", own.len());
            return Err(malformed(&message));
        }
        let frame = |n: u32| Self {
            root,
            shared,
            frame: own.get(n as usize),
        };
        Ok((0..count).map(frame).collect())
    }

    /// Whether the file says something of each frame by itself.
    pub const fn has_own(&self) -> bool {
        self.frame.is_some()
    }

    /// The data set in which an attribute of the functional group `group` stands for this frame.
    pub fn holder(&self, group: Tag, tag: Tag) -> &'a DataSet {
        let inside = |data: Option<&'a DataSet>| data?.item(group).filter(|item| item.has(tag));
        inside(self.frame)
            .or_else(|| inside(self.shared))
            .unwrap_or(self.root)
    }

    pub fn numbers(&self, group: Tag, tag: Tag, notes: &Notes) -> Result<Vec<f64>, Refusal> {
        self.holder(group, tag).numbers(tag, notes)
    }

    pub fn number(&self, group: Tag, tag: Tag, notes: &Notes) -> Result<Option<f64>, Refusal> {
        self.holder(group, tag).number(tag, notes)
    }

    pub fn text(&self, group: Tag, tag: Tag) -> String {
        self.holder(group, tag).text(tag)
    }
}
