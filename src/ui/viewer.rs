//! The viewer: panels around the views.

use std::sync::Arc;

use egui::{CentralPanel, Key, Panel, Ui};
use egui_wgpu::RenderState;

use super::canvas::Painters;
use super::dialogs::Dialogs;
use super::quit::Quit;
use super::study_panel::Thumbnails;
use super::viewports::Viewports;
use super::{
    command_ui, fonts, models_dialog, notices_panel, patient_bar, status_bar, study_panel, theme,
    top_bar, work_panel,
};
use crate::app::jobs::Waker;
use crate::app::{Application, Command, Effect, Outbox, StartOptions, Tool, ViewKind};

/// The window's state over the application's.
pub struct Viewer {
    /// The application. Panels and views read it; it changes between frames alone.
    pub app: Application,
    painters: Option<Painters>,
    viewports: Viewports,
    dialogs: Dialogs,
    thumbnails: Thumbnails,
    quit: Quit,
    outbox: Outbox,
}

impl Viewer {
    /// A viewer on egui's context; without a render state there are no pictures.
    pub fn new(ctx: &egui::Context, state: Option<&RenderState>, options: StartOptions) -> Self {
        theme::apply(ctx);
        fonts::install(ctx);
        let painters = state.map(Painters::new);
        let repaint = ctx.clone();
        let wake: Waker = Arc::new(move || repaint.request_repaint());
        let gpu = painters.as_ref().map(|p| p.gpu.clone());
        Self {
            app: Application::new(options, &wake, gpu),
            painters,
            viewports: Viewports::default(),
            dialogs: Dialogs::new(wake),
            thumbnails: Thumbnails::default(),
            quit: Quit::default(),
            outbox: Outbox::default(),
        }
    }

    /// Carries out what was wished for, and asks for the frame that shows it.
    fn handle(&mut self, ctx: &egui::Context) {
        if !self.outbox.is_empty() {
            for request in self.app.handle(&mut self.outbox) {
                self.dialogs.open(request, &self.app);
            }
            ctx.request_repaint();
        }
        if let Some(playback) = &self.app.playback {
            let wait = playback
                .next
                .saturating_duration_since(std::time::Instant::now());
            ctx.request_repaint_after(wait);
        }
    }
}

/// A window at least so wide, in points, has room for panels on both sides.
const WIDE: f32 = 1200.0;

impl eframe::App for Viewer {
    fn logic(&mut self, ctx: &egui::Context, _: &mut eframe::Frame) {
        self.app.update();
        self.quit.hear(ctx, &self.app);
        self.dialogs.take_chosen(&self.app, &mut self.outbox);
        let dropped: Vec<_> = ctx.input(|i| {
            let files = i.raw.dropped_files.iter();
            files.map(|file| file.path().to_owned()).collect()
        });
        self.dialogs.offer(dropped, &self.app, &mut self.outbox);
        self.handle(ctx);
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        let Self {
            app,
            painters,
            viewports,
            dialogs,
            thumbnails,
            quit,
            outbox,
        } = self;
        let app = &*app;
        dialogs.show(&ctx, app, outbox);
        let mut typed = String::new();
        if !dialogs.is_typed_in() {
            typed = command_ui::keys(&ctx, app, outbox);
            arrow_keys(&ctx, app, outbox);
        }
        Panel::top("patient bar").show(ui, |ui| {
            patient_bar::show(ui, app, outbox);
        });
        Panel::top("top bar").show(ui, |ui| {
            top_bar::show(ui, app, outbox);
        });
        Panel::bottom("status bar").show(ui, |ui| {
            status_bar::show(ui, app, viewports.pointer, outbox);
        });
        let narrow = ctx.content_rect().width() < 1400.0;
        let side = |wide: f32, small: f32| if narrow { small } else { wide };
        let is_wide = ctx.content_rect().width() >= WIDE;
        if is_wide != app.is_wide {
            outbox.push(Effect::Wide(is_wide));
        }
        let panels = app.settings().panels;
        if panels.shows_study(is_wide) {
            Panel::left("study")
                .default_size(side(220.0, 180.0))
                .show(ui, |ui| study_panel::show(ui, app, thumbnails, outbox));
        }
        if panels.work {
            Panel::right("work")
                .default_size(side(300.0, 240.0))
                .show(ui, |ui| work_panel::show(ui, app, outbox));
        }
        let frame = egui::Frame::new().fill(ui.visuals().panel_fill);
        CentralPanel::no_frame().frame(frame).show(ui, |ui| {
            notices_panel::show(ui, &app.notices, outbox);
            if app.library.is_some() || !app.workspace.images.is_empty() {
                viewports.show(ui, app, painters.as_ref(), outbox);
            } else {
                welcome(ui, app, outbox);
            }
        });
        models_dialog::show(&ctx, app, outbox);
        quit.show(&ctx, app);
        drop_mark(&ctx);
        self.handle(&ctx);
        self.dialogs.type_ahead(&typed);
    }
}

/// Slices by arrow and page keys, in the active view.
fn arrow_keys(ctx: &egui::Context, app: &Application, outbox: &mut Outbox) {
    let Some(seen) = app.seen_active() else {
        return;
    };
    let ViewKind::Slice(orientation) = seen.view.kind else {
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
    if steps != 0 {
        outbox.look(seen.step_slice(orientation, steps));
    }
}

/// While files are dragged over the window: a frame, and what becomes of them.
fn drop_mark(ctx: &egui::Context) {
    if ctx.input(|i| i.raw.hovered_files.is_empty()) {
        return;
    }
    let rect = ctx.content_rect();
    let layer = egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("drop"));
    let painter = ctx.layer_painter(layer);
    painter.rect_filled(rect, 0.0, theme::VIEW_BACKGROUND.gamma_multiply(0.55));
    let stroke = egui::Stroke::new(4.0, theme::ACCENT);
    painter.rect_stroke(rect, 0.0, stroke, egui::StrokeKind::Inside);
    let font = egui::FontId::proportional(22.0);
    let centre = egui::Align2::CENTER_CENTER;
    painter.text(
        rect.center(),
        centre,
        "Drop to open",
        font,
        egui::Color32::WHITE,
    );
}

fn welcome(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
    ui.vertical_centered(|ui| {
        ui.add_space(ui.available_height() * 0.22);
        ui.heading("Open a study");
        ui.label(
            "Drop folders or files with DICOM, NIfTI or other images anywhere in this window.",
        );
        ui.add_space(8.0);
        ui.horizontal(|ui| {
            ui.add_space((ui.available_width() - 300.0).max(0.0) / 2.0);
            for command in [Command::OpenFolder, Command::OpenFile, Command::OpenPath] {
                command_ui::button(ui, app, command, outbox);
            }
        });
        ui.add_space(16.0);
        if !app.recent_studies().is_empty() {
            ui.strong("Recent studies");
            for recent in app.recent_studies().iter().take(8) {
                let button = ui.button(recent.title());
                let button = button.on_hover_text(recent.path.display().to_string());
                if button.clicked() {
                    outbox.push(Effect::OpenRecent(recent.study));
                }
            }
            ui.add_space(16.0);
        }
        let keys = [
            Command::Palette,
            Command::Keys,
            Command::UseTool(Tool::Window),
        ];
        let hints = keys.into_iter().filter_map(|command| {
            let shortcut = app.settings().keys.of(command)?;
            let keys = command_ui::key_text(ui.ctx(), &shortcut);
            Some(format!("{keys}: {}", command.tooltip().to_lowercase()))
        });
        let hints: Vec<String> = hints.collect();
        for hint in hints {
            ui.weak(hint);
        }
    });
}
