//! The application without a window: what is open, what was found, what is being done.
//!
//! Data flows one way. The window turns input into [`Command`]s and small edits of the
//! [`Document`]; long work runs as [`jobs`] on named threads and comes back as messages;
//! [`Application::update`] drains them once per frame. Everything that shows data carries a
//! [`Revision`], so a result made from an older study is dropped.

mod application;
mod assistant;
mod box_edit;
mod command;
mod document;
mod findings;
pub mod jobs;
mod models;
mod notices;
mod settings;
mod thumbnail;
mod view_state;

pub use crate::render::RESEARCH_NOTICE;
pub use application::{Application, StartOptions, chosen_assistant};
pub use assistant::{Assistant, Card, CardState, ModelStatus, shortened};
pub use box_edit::{BoxDrag, Side};
pub use command::{Command, Shortcut};
pub use document::{Document, LoadedVolume, Place, Shown, ShownLabels, first_window};
pub use findings::{Finding, FindingId, FindingKind, Findings};
pub use models::{ModelResult, Models};
pub use notices::{Notice, NoticeKind, Notices};
pub use settings::Settings;
pub use thumbnail::THUMBNAIL_PX;
pub use view_state::{Layout, SliceState, Tool, ViewId};

/// Counts the states of a thing; a result carries the revision it was made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// The next state.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
