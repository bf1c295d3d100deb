//! The window: egui only. It reads the application, draws it, and turns input into commands.

mod assistant_panel;
mod canvas;
mod command_ui;
mod dialogs;
mod display_panel;
mod findings_panel;
mod models_dialog;
mod notices_panel;
mod slice_frame;
mod slice_overlay;
mod slice_view;
mod status_bar;
mod study_panel;
mod theme;
mod top_bar;
mod viewer;
mod viewports;
mod volume_view;
mod window;

pub use viewer::Viewer;
pub use window::run;
