//! The application without a window: the reader's work, what it is drawn from, what is being done.
//!
//! One rule: the reader's work is a value (the [`Workspace`]), and every change of it is an [`Edit`] that
//! gives its inverse. Panels and views read the [`Application`] and put their wishes ([`Effect`]) into an
//! [`Outbox`]; after the frame [`Application::handle`] carries them out. Long work runs as [`jobs`] on
//! named threads and comes back as what it does to the application; [`Application::update`] drains them
//! and the model's worker once per frame. Voxels, textures and labels are [`Resources`]: made again at
//! need, dropped by bytes, never saved. What shows data carries a [`Revision`].

mod answers;
mod application;
mod arrange;
mod assistant;
mod box_edit;
mod command;
mod desk;
mod finding_change;
mod findings;
mod findings_table;
mod history;
pub mod jobs;
mod keys;
mod mask_edit;
mod mask_operations;
mod mask_tools;
mod measure_edit;
mod models;
mod notices;
mod opening;
mod outbox;
mod panels;
mod playback;
mod readings;
pub mod report;
mod reporting;
mod resources;
mod revision;
mod run;
mod screen;
mod seen;
mod session;
mod settings;
mod structures;
mod tool;
mod workspace;

pub use crate::render::RESEARCH_NOTICE;
pub use answers::{Draft, shortened};
pub use application::{Application, StartOptions, chosen_assistant};
pub use assistant::{Assistant, ModelStatus};
pub use box_edit::{BoxDrag, Side};
pub use command::Command;
pub use desk::Arrival;
pub use finding_change::FindingChange;
pub use findings_table::{Change, HEADER as TABLE_HEADER, Order, kind, slices, source};
pub use history::{History, Step};
pub use jobs::{JobId, THUMBNAIL_PX, first_window};
pub use keys::{KeyMap, Shortcut};
pub use mask_edit::{MaskAct, MaskPlace};
pub use mask_tools::{MaskOperation, MaskSettings, MaskTool, MaskWork, Threshold};
pub use measure_edit::{Drawing, Held, HeldPart};
pub use models::Models;
pub use notices::{Notice, NoticeKind, Notices, Topic};
pub use outbox::{DialogRequest, Effect, ModelAction, Opening, Outbox, Placement};
pub use panels::{Panels, WorkTab};
pub use playback::{Playback, USUAL_RATE};
pub use readings::size_words;
pub use reporting::ReportAction;
pub use resources::{
    Figures, ImageTime, Inside, LabelSources, OpenImage, Resources, ShownLabels, Subject,
};
pub use revision::Revision;
pub use screen::Screen;
pub use seen::{PointReading, Seen};
pub use session::{
    CollectError, CollectOptions, Collected, EXTENSION as SESSION_EXTENSION, LeftOut, Recent,
    collect, default_folder, licence_of,
};
pub use settings::Settings;
pub use structures::StructureFile;
pub use tool::Tool;
pub use workspace::{
    Card, CardCaution, CardId, CardState, CardStep, Content, Direction, Display, Edit, EditTarget,
    Finding, FindingColour, FindingId, Frame, ImageRecord, KeyImage, KeyImageId, Layer, Layout,
    Links, Look, MaskLook, Measurement, MeasurementKind, NamedLayout, Origin, PatientBox, Piece,
    PieceId, Provenance, Reading, Report, Section, SectionKind, Sentence, Shape, StandardLayout,
    Status, StudyId, Tree, View, ViewId, ViewKind, Workspace,
};
