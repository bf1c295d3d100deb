//! The viewer: panels around four views.

use std::path::PathBuf;
use std::sync::Arc;

use egui::{CentralPanel, CollapsingHeader, Key, Panel, ScrollArea, Ui};
use egui_wgpu::RenderState;

use super::assistant_panel::{self, Draft};
use super::canvas::Painters;
use super::dialogs::{Dialogs, Purpose};
use super::findings_panel::{self, FindingAction};
use super::study_panel::Thumbnails;
use super::viewports::Viewports;
use super::{
    command_ui, display_panel, models_dialog, notices_panel, status_bar, study_panel, theme,
    top_bar,
};
use crate::app::jobs::Waker;
use crate::app::{Application, Command, FindingId, FindingKind, StartOptions, ViewId};
use m3d_imaging::geometry::Orientation;

/// The window's state over the application's.
pub struct Viewer {
    /// The application.
    pub app: Application,
    painters: Option<Painters>,
    viewports: Viewports,
    dialogs: Dialogs,
    draft: Draft,
    thumbnails: Thumbnails,
}

impl Viewer {
    /// A viewer on egui's context; without a render state there are no pictures.
    pub fn new(ctx: &egui::Context, state: Option<&RenderState>, options: StartOptions) -> Self {
        theme::apply(ctx);
        let painters = state.map(Painters::new);
        let repaint = ctx.clone();
        let wake: Waker = Arc::new(move || repaint.request_repaint());
        let gpu = painters.as_ref().map(|p| p.gpu.clone());
        Self {
            app: Application::new(options, &wake, gpu),
            painters,
            viewports: Viewports::default(),
            dialogs: Dialogs::new(wake),
            draft: Draft::default(),
            thumbnails: Thumbnails::default(),
        }
    }

    fn run(&mut self, command: Command) {
        match command {
            Command::OpenFolder => self.dialogs.pick_folder(Purpose::Open, "Open a folder"),
            Command::OpenFile => self.dialogs.pick_file(Purpose::Open, "Open a file"),
            Command::OpenPath => self.dialogs.type_path(),
            Command::ChooseModel => {
                let title = "Choose the folder of a model";
                self.dialogs.pick_folder(Purpose::Model, title);
            }
            Command::NextLayout => self.app.next_layout(self.viewports.active),
            _ => self.app.run(command),
        }
    }

    fn take_chosen_paths(&mut self) {
        for (purpose, path) in self.dialogs.chosen() {
            match purpose {
                Purpose::Open => self.app.open(path),
                Purpose::Model => self.app.use_model(path.into()),
                Purpose::ExportMask(id) => self.export_mask(id, path),
            }
        }
    }

    fn export_mask(&mut self, id: FindingId, path: PathBuf) {
        let shown = self.app.document.shown.as_ref();
        let finding = shown.and_then(|shown| shown.findings.get(id));
        if let Some(FindingKind::Mask { mask, .. }) = finding.map(|f| &f.kind) {
            self.app.jobs.export_mask(path, Arc::clone(mask));
        }
    }

    fn arrow_keys(&mut self, ctx: &egui::Context) {
        let ViewId::Slice(orientation) = self.viewports.active else {
            return;
        };
        if ctx.egui_wants_keyboard_input() {
            return;
        }
        let steps = ctx.input(|i| {
            let pressed = |key: Key| i64::try_from(i.num_presses(key)).unwrap_or(0);
            pressed(Key::ArrowUp) + pressed(Key::ArrowRight) + 10 * pressed(Key::PageUp)
                - pressed(Key::ArrowDown)
                - pressed(Key::ArrowLeft)
                - 10 * pressed(Key::PageDown)
        });
        self.step(orientation, steps);
    }

    fn step(&mut self, orientation: Orientation, steps: i64) {
        if let (Some(shown), true) = (&mut self.app.document.shown, steps != 0) {
            shown.step_slice(orientation, steps);
        }
    }

    fn right_panel(&mut self, ui: &mut Ui, commands: &mut Vec<Command>) {
        let mut wanted = None;
        let height = ui.available_height();
        Panel::bottom("findings and display")
            .resizable(true)
            .default_size((height * 0.38).min(320.0))
            .max_size(height * 0.45)
            .show(ui, |ui| {
                ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                    CollapsingHeader::new("Findings")
                        .default_open(true)
                        .show(ui, |ui| {
                            if let Some(shown) = &self.app.document.shown {
                                let grid = *shown.volume.grid();
                                let action = findings_panel::show(ui, &shown.findings, &grid);
                                if let Some(action) = action {
                                    wanted = self.act_on_finding(action);
                                }
                            }
                        });
                    CollapsingHeader::new("Display")
                        .default_open(true)
                        .show(ui, |ui| {
                            display_panel::show(ui, &mut self.app, commands);
                        });
                });
            });
        Panel::bottom("question").show(ui, |ui| {
            assistant_panel::ask_area(ui, &mut self.app, &mut self.draft, commands);
        });
        CentralPanel::default().show(ui, |ui| {
            ui.heading("Assistant");
            wanted = assistant_panel::conversation(ui, &mut self.app, commands).or(wanted);
        });
        if let Some(id) = wanted {
            self.go_to(id);
        }
    }

    fn act_on_finding(&mut self, action: FindingAction) -> Option<FindingId> {
        let shown = self.app.document.shown.as_mut()?;
        match action {
            FindingAction::GoTo(id) => return Some(id),
            FindingAction::Show(id, visible) => shown.findings.show(id, visible),
            FindingAction::Remove(id) => shown.findings.remove(id),
            FindingAction::Rename(id, name) => shown.findings.rename(id, name),
            FindingAction::UseAsBox(id) => {
                shown.region = match &shown.findings.get(id)?.kind {
                    FindingKind::Mask { mask, .. } => mask.bounding_box(),
                    FindingKind::Box(voxel_box) => Some(*voxel_box),
                };
            }
            FindingAction::Export(id) => {
                let purpose = Purpose::ExportMask(id);
                self.dialogs
                    .save_file(purpose, "Export the mask", "mask.nii.gz");
            }
        }
        None
    }

    fn go_to(&mut self, id: FindingId) {
        if let Some(shown) = &mut self.app.document.shown {
            shown.findings.show(id, true);
            if let Some(centre) = shown.findings.get(id).and_then(|f| f.kind.centre()) {
                shown.go_to_voxel(centre);
            }
        }
    }
}

impl eframe::App for Viewer {
    fn logic(&mut self, ctx: &egui::Context, _: &mut eframe::Frame) {
        self.app.update();
        self.take_chosen_paths();
        let dropped = ctx.input(|i| i.raw.dropped_files.first().map(|f| f.path().to_owned()));
        if let Some(path) = dropped {
            self.app.open(path);
        }
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        let mut commands = command_ui::pressed(&ctx);
        self.arrow_keys(&ctx);
        Panel::top("top bar").show(ui, |ui| {
            top_bar::show(ui, &self.app, &mut commands);
        });
        Panel::bottom("status bar").show(ui, |ui| {
            status_bar::show(ui, &self.app, self.viewports.pointer_mm);
        });
        let narrow = ctx.content_rect().width() < 1400.0;
        let side = |wide: f32, small: f32| if narrow { small } else { wide };
        Panel::left("study")
            .default_size(side(250.0, 200.0))
            .show(ui, |ui| {
                if let Some(id) = study_panel::show(ui, &self.app, &mut self.thumbnails) {
                    self.app.open_series(&id);
                }
            });
        Panel::right("assistant")
            .default_size(side(340.0, 280.0))
            .show(ui, |ui| self.right_panel(ui, &mut commands));
        let frame = egui::Frame::new().fill(ui.visuals().panel_fill);
        CentralPanel::no_frame().frame(frame).show(ui, |ui| {
            notices_panel::show(ui, &mut self.app.notices);
            if let Some(window) = self.app.document.shown.as_ref().map(|s| s.window) {
                let painters = self.painters.as_ref();
                self.viewports
                    .show(ui, &mut self.app, painters, &mut commands);
                let after = self.app.document.shown.as_ref().map(|s| s.window);
                if after != Some(window) {
                    // The panels were drawn before the views.
                    ctx.request_repaint();
                }
            } else {
                welcome(ui, &mut commands);
            }
        });
        models_dialog::show(&ctx, &mut self.app, &mut commands);
        if let Some(path) = self.dialogs.show(&ctx) {
            self.app.open(path);
        }
        for command in commands {
            self.run(command);
        }
    }
}

fn welcome(ui: &mut Ui, commands: &mut Vec<Command>) {
    ui.centered_and_justified(|ui| {
        ui.vertical_centered(|ui| {
            ui.add_space(ui.available_height() * 0.35);
            ui.heading("Open a study");
            ui.label("Drop a folder with DICOM files, or a NIfTI file, anywhere in this window.");
            ui.add_space(8.0);
            command_ui::button(ui, Command::OpenFolder, true, commands);
            command_ui::button(ui, Command::OpenFile, true, commands);
            command_ui::button(ui, Command::OpenPath, true, commands);
        });
    });
}
