//! The Models dialog: what is here, what is published, and what can be done with each.

use std::path::PathBuf;

use egui::{Align2, Label, ProgressBar, RichText, ScrollArea, Ui};

use super::command_ui::button;
use super::theme;
use crate::app::jobs::{Job, Jobs};
use crate::app::{Application, Command, ModelStatus, Models, NoticeKind};
use m3d_assistant::hub::{
    Kind, LocalModel, ModelFolder, PUBLISHED, Published, parameters_text, size_text,
};

/// What the reader chose.
enum Action {
    Use(ModelFolder),
    Verify(ModelFolder),
    CopyPath(PathBuf),
    Ask(&'static Published),
    Accept(&'static Published),
    Decline,
    Look,
}

/// Shows the dialog while it is open.
pub fn show(ctx: &egui::Context, app: &mut Application, commands: &mut Vec<Command>) {
    if !app.models.open {
        return;
    }
    let (mut open, mut action) = (true, None);
    let room = ctx.content_rect().size();
    egui::Window::new("Models")
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .anchor(Align2::CENTER_CENTER, [0.0, 0.0])
        .default_width((room.x - 80.0).clamp(280.0, 640.0))
        .show(ctx, |ui| {
            ui.set_width((room.x - 80.0).clamp(280.0, 640.0));
            ScrollArea::vertical()
                .max_height((room.y - 170.0).max(160.0))
                .auto_shrink([false, true])
                .show(ui, |ui| {
                    here(ui, app, commands, &mut action);
                    ui.add_space(6.0);
                    published(ui, &app.models, &app.jobs, &mut action);
                });
            ui.separator();
            ui.horizontal_wrapped(|ui| {
                button(ui, Command::ChooseModel, true, commands);
                if ui.button("Look again").clicked() {
                    action = Some(Action::Look);
                }
            });
        });
    app.models.open = open;
    if let Some(action) = action {
        act(ctx, app, action);
    }
}

fn act(ctx: &egui::Context, app: &mut Application, action: Action) {
    match action {
        Action::Use(folder) => app.use_model(folder),
        Action::Verify(folder) => app.models.verify(folder, &mut app.jobs),
        Action::CopyPath(folder) => {
            let text = folder.display().to_string();
            app.notices.add(NoticeKind::Info, format!("Copied {text}"));
            ctx.copy_text(text);
        }
        Action::Ask(model) => app.models.asking = Some(model),
        Action::Accept(model) => app.models.fetch(model, &mut app.jobs),
        Action::Decline => app.models.asking = None,
        Action::Look => app.models.look(&mut app.jobs),
    }
}

fn here(ui: &mut Ui, app: &Application, commands: &mut Vec<Command>, action: &mut Option<Action>) {
    ui.strong("On this machine");
    let Some(found) = &app.models.found else {
        ui.spinner();
        return;
    };
    let in_use = match &app.assistant.status {
        ModelStatus::Ready(facts) => Some(&facts.folder),
        _ => None,
    };
    for model in found {
        theme::card().show(ui, |ui| {
            ui.set_width(ui.available_width());
            let used = in_use.is_some_and(|folder| *folder == model.folder);
            about_local(ui, model, used);
            local_buttons(ui, app, model, used, commands, action);
            verdict(ui, &app.models, &model.folder);
        });
    }
}

fn about_local(ui: &mut Ui, model: &LocalModel, used: bool) {
    ui.horizontal_wrapped(|ui| {
        ui.strong(&model.name);
        ui.label(small(&facts(model.parameters, &model.numbers, model.bytes)));
        if used {
            ui.label(RichText::new("in use").small().color(theme::ACCENT));
        }
    });
    match model.folder.built_in() {
        Some(built_in) => ui.label(small(&format!("Built in. {}", built_in.about()))),
        None => ui.add(Label::new(small(&model.folder.to_string()).monospace()).wrap()),
    };
    if model.kind == Kind::Clip {
        ui.label(small(
            "Compares images with texts; the assistant cannot use it.",
        ));
    }
    if model.untrained {
        ui.label(warning("Random weights: what it says means nothing."));
    }
    if !model.is_complete() {
        let text = format!("Incomplete: {}", model.missing.join(", "));
        ui.label(warning(&text));
    }
}

fn local_buttons(
    ui: &mut Ui,
    app: &Application,
    model: &LocalModel,
    used: bool,
    commands: &mut Vec<Command>,
    action: &mut Option<Action>,
) {
    if let Some(job) = app.models.verifying(&model.folder, &app.jobs) {
        running(ui, job);
        return;
    }
    ui.horizontal_wrapped(|ui| {
        let folder = || model.folder.clone();
        let loading = matches!(app.assistant.status, ModelStatus::Loading(_));
        if used {
            button(ui, Command::UnloadModel, true, commands);
        } else {
            let usable = model.is_complete() && model.kind == Kind::Assistant && !loading;
            let press = ui.add_enabled(usable, egui::Button::new("Use"));
            if press
                .on_hover_text("Load it now and at the next start")
                .clicked()
            {
                *action = Some(Action::Use(folder()));
            }
        }
        let can_verify = model.is_complete() && !app.models.is_verifying();
        let press = ui.add_enabled(can_verify, egui::Button::new("Verify"));
        let hint = "Read every byte: sums, missing tensors, numbers that are none";
        if press.on_hover_text(hint).clicked() {
            *action = Some(Action::Verify(folder()));
        }
        if let Some(path) = model.folder.on_disk()
            && ui.button("Copy folder path").clicked()
        {
            *action = Some(Action::CopyPath(path.to_owned()));
        }
        if loading {
            ui.spinner();
        }
    });
}

fn verdict(ui: &mut Ui, models: &Models, folder: &ModelFolder) {
    match &models.verified {
        Some((about, Ok(text))) if about == folder => {
            ui.label(RichText::new(text).color(theme::ACCENT));
        }
        Some((about, Err(problems))) if about == folder => {
            for problem in problems {
                ui.label(RichText::new(problem).color(theme::ERROR));
            }
        }
        _ => {}
    }
}

fn published(ui: &mut Ui, models: &Models, jobs: &Jobs, action: &mut Option<Action>) {
    ui.strong("Published");
    if let Some(error) = &models.failed {
        ui.label(RichText::new(error).color(theme::ERROR));
    }
    for model in &PUBLISHED {
        theme::card().show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.horizontal_wrapped(|ui| {
                ui.strong(model.hub_name);
                ui.label(small(&facts(model.parameters, model.numbers, model.bytes)));
            });
            ui.label(model.purpose);
            if !model.notes.is_empty() {
                ui.label(small(model.notes));
            }
            let found = models.found.iter().flatten();
            let mut whole = found.filter(|found| found.is_published(model));
            if let Some(job) = models.fetching(model, jobs) {
                running(ui, job);
            } else if models.asking.is_some_and(|asked| asked == model) {
                licence(ui, models, model, action);
            } else if whole.any(LocalModel::is_complete) {
                ui.label(small(&format!("Licence: {}", model.licence)));
                ui.label(small("It is on this machine."));
            } else {
                ui.label(small(&format!("Licence: {}", model.licence)));
                let press = ui.add_enabled(!models.is_fetching(), egui::Button::new("Fetch…"));
                if press
                    .on_hover_text("See the licence, then download it")
                    .clicked()
                {
                    *action = Some(Action::Ask(model));
                }
            }
        });
    }
}

/// The licence and what fetching costs, with the question.
fn licence(ui: &mut Ui, models: &Models, model: &'static Published, action: &mut Option<Action>) {
    ui.label(RichText::new(format!("Licence: {}", model.licence)).color(theme::WARNING));
    ui.hyperlink(format!("{}/{}", models.hub.endpoint, model.hub_name));
    let target = models.target_of(model);
    let place = target.map_or_else(
        || "nowhere: set M3D_MODELS to a folder".to_owned(),
        |folder| folder.display().to_string(),
    );
    let text = format!("{} will be downloaded to {place}", size_text(model.bytes));
    ui.label(text);
    ui.horizontal_wrapped(|ui| {
        if ui.button("Accept the licence and fetch").clicked() {
            *action = Some(Action::Accept(model));
        }
        if ui.button("Not now").clicked() {
            *action = Some(Action::Decline);
        }
    });
}

fn running(ui: &mut Ui, job: &Job) {
    ui.horizontal(|ui| {
        if job.is_cancelled() {
            ui.spinner();
            ui.label(small("Stopping; what has come is kept."));
            return;
        }
        if ui.small_button("Cancel").clicked() {
            job.cancel();
        }
        ui.add(ProgressBar::new(job.progress()).show_percentage());
    });
}

fn facts(parameters: u64, numbers: &str, bytes: u64) -> String {
    match numbers {
        "" => size_text(bytes),
        _ => format!(
            "{} parameters, {numbers}, {}",
            parameters_text(parameters),
            size_text(bytes)
        ),
    }
}

fn small(text: &str) -> RichText {
    RichText::new(text).small().color(theme::FAINT)
}

fn warning(text: &str) -> RichText {
    RichText::new(text).color(theme::WARNING)
}
