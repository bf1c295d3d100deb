//! The Models dialog: what is here, what is published, and what can be done with each.

use egui::{Align2, Label, ProgressBar, RichText, ScrollArea, Ui};

use super::command_ui::button;
use super::theme;
use crate::app::jobs::{Jobs, Running};
use crate::app::{
    Application, Command, Effect, ModelAction, ModelStatus, Models, NoticeKind, Outbox,
};
use m3d_assistant::hub::{
    LocalModel, ModelFolder, ModelKind, PUBLISHED, Published, parameters_text, size_text,
};

/// Shows the dialog while it is open.
pub fn show(ctx: &egui::Context, app: &Application, outbox: &mut Outbox) {
    if !app.models.open {
        return;
    }
    let mut open = true;
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
                    here(ui, app, outbox);
                    ui.add_space(6.0);
                    published(ui, &app.models, &app.jobs, outbox);
                });
            ui.separator();
            ui.horizontal_wrapped(|ui| {
                button(ui, app, Command::ChooseModel, outbox);
                if ui.button("Look again").clicked() {
                    outbox.push(Effect::Model(ModelAction::Look));
                }
            });
        });
    if !open {
        outbox.push(Effect::Model(ModelAction::Close));
    }
}

fn here(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
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
            local_buttons(ui, app, model, used, outbox);
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
    if model.kind == ModelKind::Clip {
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
    outbox: &mut Outbox,
) {
    if let Some(job) = app.models.verifying(&model.folder, &app.jobs) {
        running(ui, job, outbox);
        return;
    }
    ui.horizontal_wrapped(|ui| {
        let folder = || model.folder.clone();
        let loading = matches!(app.assistant.status, ModelStatus::Loading(_));
        if used {
            button(ui, app, Command::UnloadModel, outbox);
        } else {
            let usable = model.is_complete() && model.kind == ModelKind::Assistant && !loading;
            let press = ui.add_enabled(usable, egui::Button::new("Use"));
            if press
                .on_hover_text("Load it now and at the next start")
                .clicked()
            {
                outbox.push(Effect::Model(ModelAction::Use(folder())));
            }
        }
        let can_verify = model.is_complete() && !app.models.is_verifying();
        let press = ui.add_enabled(can_verify, egui::Button::new("Verify"));
        let hint = "Read every byte: sums, missing tensors, numbers that are none";
        if press.on_hover_text(hint).clicked() {
            outbox.push(Effect::Model(ModelAction::Verify(folder())));
        }
        if let Some(path) = model.folder.on_disk()
            && ui.button("Copy folder path").clicked()
        {
            let text = path.display().to_string();
            outbox.push(Effect::Notice(NoticeKind::Info, format!("Copied {text}")));
            ui.copy_text(text);
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

fn published(ui: &mut Ui, models: &Models, jobs: &Jobs, outbox: &mut Outbox) {
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
                running(ui, job, outbox);
            } else if models.asking.is_some_and(|asked| asked == model) {
                licence(ui, models, model, outbox);
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
                    outbox.push(Effect::Model(ModelAction::AskFor(model)));
                }
            }
        });
    }
}

/// The licence and what fetching costs, with the question.
fn licence(ui: &mut Ui, models: &Models, model: &'static Published, outbox: &mut Outbox) {
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
            outbox.push(Effect::Model(ModelAction::Fetch(model)));
        }
        if ui.button("Not now").clicked() {
            outbox.push(Effect::Model(ModelAction::Decline));
        }
    });
}

fn running(ui: &mut Ui, job: &Running, outbox: &mut Outbox) {
    ui.horizontal(|ui| {
        if job.is_cancelled() {
            ui.spinner();
            ui.label(small("Stopping; what has come is kept."));
            return;
        }
        if ui.small_button("Cancel").clicked() {
            outbox.push(Effect::CancelJob(job.id));
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
