//! The window: egui only. It reads the application, draws it, and puts what the reader wishes for into an
//! outbox; nothing here changes the application while a frame is drawn.

mod assistant_panel;
mod canvas;
mod command_ui;
mod dialogs;
mod display_panel;
mod file_browser;
mod file_dialogs;
mod finding_details;
mod findings_panel;
mod fonts;
mod icons;
mod keys_dialog;
mod mask_edit_panel;
mod mask_pointer;
mod measure_pointer;
mod models_dialog;
mod notices_panel;
mod paint_marks;
mod palette;
mod pane;
mod patient_bar;
mod portal;
mod quit;
mod report_dialog;
mod report_panel;
mod session_dialog;
mod slice_frame;
mod slice_overlay;
mod slice_pane;
mod slice_slider;
mod status_bar;
mod structure_list;
mod study_panel;
mod theme;
mod top_bar;
mod viewer;
mod viewports;
mod volume_pane;
mod wheel;
mod window;
mod window_choice;
mod work_panel;

pub use viewer::Viewer;
pub use window::run;
