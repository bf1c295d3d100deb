//! The assistant: ask, read, click what was found.

use egui::{Align, Key, Layout, ProgressBar, RichText, ScrollArea, TextEdit, Ui};

use super::command_ui::button;
use super::theme;
use crate::app::{
    Application, Card, CardCaution, CardState, Command, Edit, Effect, ImageRecord, ModelStatus,
    Outbox, RESEARCH_NOTICE, ReportAction, Shape, Step, shortened,
};
use m3d_assistant::inference::{Knowledge, ModelBox, Task, build_prompt};
use m3d_assistant::plan::plan;
use m3d_assistant::reply::Outcome;

/// Shows the model and the conversation.
pub fn conversation(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
    model_line(ui, app, outbox);
    ui.separator();
    let cards = &app.workspace.cards;
    ScrollArea::vertical()
        .id_salt("cards")
        .auto_shrink(false)
        .stick_to_bottom(!cards.is_empty())
        .show(ui, |ui| {
            if cards.is_empty() {
                introduction(ui);
            }
            for card in cards {
                theme::card().show(ui, |ui| {
                    ui.set_width(ui.available_width());
                    show_card(ui, app, card, outbox);
                });
            }
        });
}

fn model_line(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
    match &app.assistant.status {
        ModelStatus::Absent => {
            ui.label(RichText::new("No model").color(theme::WARNING).strong());
            // First, so that a low window cuts off words and no button.
            ui.horizontal_wrapped(|ui| {
                button(ui, app, Command::ShowModels, outbox);
                button(ui, app, Command::ChooseModel, outbox);
            });
            ui.label(
                "To ask questions, use the small model that is built in, or fetch \
                 M3D-LaMed-Phi-3-4B (16.2 GB), both under Models; or choose the folder of a model \
                 that you have.",
            );
        }
        ModelStatus::Loading(share) => {
            ui.label("Loading the model…");
            ui.add(ProgressBar::new(*share));
        }
        ModelStatus::Ready(facts) => {
            ui.horizontal_wrapped(|ui| {
                ui.label(RichText::new(&facts.name).strong());
                ui.weak(format!(
                    "{:.1} M parameters, {}",
                    facts.parameters as f64 / 1e6,
                    facts.dtype
                ));
                button(ui, app, Command::ShowModels, outbox);
            });
            if let Some(model) = facts.folder.built_in() {
                ui.label(RichText::new(model.about()).small().color(theme::WARNING));
            }
            if facts.untrained {
                let text = "Random weights: what it says means nothing. It only shows the path.";
                ui.label(RichText::new(text).color(theme::WARNING));
            }
        }
        ModelStatus::Failed(message) => {
            ui.label(
                RichText::new("The model could not be loaded")
                    .color(theme::ERROR)
                    .strong(),
            );
            ui.label(message);
            ui.horizontal_wrapped(|ui| {
                button(ui, app, Command::ShowModels, outbox);
                button(ui, app, Command::ChooseModel, outbox);
            });
        }
    }
}

fn introduction(ui: &mut Ui) {
    ui.weak("Ask about the image on screen:");
    for example in [
        "liver — a phrase gives a mask",
        "Where is the spleen? — gives a box",
        "Box tool (B), drag, Describe — says what is in it",
        "How big is the liver? — measures it",
        "both kidneys, which is larger? — draws and compares them",
        "Draft report — drafts the findings",
    ] {
        ui.weak(format!("•  {example}"));
    }
}

fn show_card(ui: &mut Ui, app: &Application, card: &Card, outbox: &mut Outbox) {
    let shown = app.workspace.shown_views();
    let here = shown
        .into_iter()
        .any(|(_, view)| view.shows(&card.image.key));
    if !here {
        let record = app.workspace.images.get(&card.image.key);
        let title = record.map_or_else(String::new, ImageRecord::title);
        let text = format!("About another image: {title}");
        ui.label(RichText::new(text).small().color(theme::WARNING));
        ui.set_opacity(0.55);
    }
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new(&card.question).strong());
        if let Some(read_as) = &card.read_as {
            let text = format!("read as: {read_as}");
            ui.label(RichText::new(text).small().italics().color(theme::FAINT));
        }
        if let Some((text, colour)) = card.outcome.and_then(outcome_tag) {
            ui.label(RichText::new(text).small().color(colour));
        }
    });
    if !card.text.is_empty() {
        answer_text(ui, card, outbox);
    }
    // What a step that failed says stands in the answer already.
    let is_said = |message: &str| card.text.contains(message);
    let told = |c: &&CardCaution| !is_said(&c.message) && c.code != TAKEN_AS_CT;
    for caution in card.cautions.iter().filter(told) {
        ui.label(
            RichText::new(&caution.message)
                .small()
                .color(theme::WARNING),
        );
    }
    let is_refused = card.outcome == Some(Outcome::Unusable)
        && card.cautions.iter().any(|c| c.code.starts_with("domain_"));
    if here && is_refused && ui.small_button("Answer anyway").clicked() {
        outbox.push(Effect::AskAnyway(card.id));
    }
    ui.horizontal_wrapped(|ui| {
        if here {
            chips(ui, app, card, outbox);
        }
        state_line(ui, card, outbox);
    });
}

/// Said of nearly every NIfTI: it stands among the details.
const TAKEN_AS_CT: &str = "taken_as_ct";

/// What is said of an answer that is not what was asked for.
const fn outcome_tag(outcome: Outcome) -> Option<(&'static str, egui::Color32)> {
    match outcome {
        Outcome::Answered | Outcome::Measured => None,
        Outcome::Absent => Some(("not found", theme::FAINT)),
        Outcome::NotInView => Some(("not in view", theme::FAINT)),
        Outcome::NotKnown => Some(("not known", theme::FAINT)),
        Outcome::Unusable => Some(("not usable", theme::WARNING)),
    }
}

/// What the answer was made from, behind "…".
fn details(ui: &mut Ui, card: &Card) {
    let steps: Vec<String> = card.plan.iter().map(crate::app::CardStep::label).collect();
    ui.label(RichText::new(steps.join(" · ")).small());
    if !card.prompt.is_empty() {
        ui.label(RichText::new(&card.prompt).monospace().small());
    }
    if let Some(caution) = card.cautions.iter().find(|c| c.code == TAKEN_AS_CT) {
        ui.label(RichText::new(&caution.message).small().color(theme::FAINT));
    }
    let Some(made_from) = &card.made_from else {
        return;
    };
    let total: f64 = made_from.timings_ms.iter().map(|(_, ms)| ms).sum();
    let stages: Vec<String> = made_from
        .timings_ms
        .iter()
        .map(|(stage, ms)| format!("{stage} {ms:.0} ms"))
        .collect();
    let window = made_from.window;
    for line in [
        format!(
            "{:.1} s, {} tokens: {}",
            total / 1e3,
            made_from.token_count,
            stages.join(", ")
        ),
        format!(
            "{} {}, version {}",
            made_from.model_name,
            shortened(&made_from.model_fingerprint, 12),
            made_from.program_version
        ),
        format!("window {:.0} / {:.0}", window.centre, window.width),
    ] {
        ui.label(RichText::new(line).small().color(theme::FAINT));
    }
}

/// The answer's words: selectable, and a report can be edited, as a draft should be.
fn answer_text(ui: &mut Ui, card: &Card, outbox: &mut Outbox) {
    let editable = card.is_report() && card.state == CardState::Done;
    let response = if editable {
        let mut text = card.text.clone();
        let edit = TextEdit::multiline(&mut text).desired_width(f32::INFINITY);
        let response = ui.add(edit.desired_rows(3));
        if response.changed() {
            let mut changed = card.clone();
            changed.text = text;
            let step = Step::of_group("edit report", card.id.0.wrapping_add(1));
            outbox.step(Edit::card(changed), step);
        }
        response
    } else {
        let mut text = card.text.as_str();
        let edit = TextEdit::multiline(&mut text).desired_width(f32::INFINITY);
        ui.add(edit.desired_rows(1).frame(egui::Frame::NONE))
    };
    response.widget_info(|| {
        let mut info = egui::WidgetInfo::labeled(
            egui::Role::MultilineTextInput,
            editable,
            format!("Answer: {}", card.text),
        );
        info.current_text_value = Some(card.text.clone());
        info
    });
}

/// What the answer brought, each a button that leads there.
fn chips(ui: &mut Ui, app: &Application, card: &Card, outbox: &mut Outbox) {
    for id in &card.findings {
        let Some(finding) = app.workspace.finding(*id) else {
            continue;
        };
        let text = match &finding.shape {
            Shape::Mask(mask) => format!("{} {:.0} mL", finding.name, mask.volume_ml()),
            Shape::Box(_) => format!("{}: box", finding.name),
            Shape::Measurement(_) => finding.name.clone(),
        };
        let colour = theme::finding_colour(finding.colour);
        let chip = egui::Button::new(RichText::new(text).color(colour)).small();
        if ui
            .add(chip)
            .on_hover_text("Go there in all views")
            .clicked()
        {
            outbox.push(Effect::GoToFinding(*id));
        }
    }
}

fn state_line(ui: &mut Ui, card: &Card, outbox: &mut Outbox) {
    let small = |text: &str| RichText::new(text).small().color(theme::FAINT);
    match &card.state {
        CardState::Queued => {
            ui.label(small("Waiting"));
        }
        CardState::Reading => {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label(small("Reading the image"));
            });
        }
        CardState::Answering => {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label(small("Answering"));
            });
        }
        CardState::Cancelled => {
            ui.label(RichText::new("Cancelled").small().color(theme::WARNING));
        }
        CardState::Failed(message) => {
            ui.label(RichText::new(message).color(theme::ERROR));
        }
        CardState::Done => {
            if let Some(mm) = card.made_from.as_ref().and_then(|m| m.mask_voxel_mm) {
                let text = super::finding_details::drawn_at(mm);
                ui.label(RichText::new(text).small().color(theme::WARNING));
            }
            if ui.small_button("Copy").clicked() {
                ui.copy_text(format!("{}\n\n{RESEARCH_NOTICE}", card.text));
            }
            let to_report = ui.small_button("To report");
            if to_report
                .on_hover_text("Each sentence, to be accepted")
                .clicked()
            {
                outbox.push(Effect::Report(ReportAction::AddAnswer(card.id)));
            }
            let more = ui.menu_button("…", |ui| details(ui, card));
            more.response
                .on_hover_text("Steps, prompts and what it was made from");
        }
    }
}

/// Shows where questions are written; it is never scrolled away.
pub fn ask_area(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
    let seen = app.seen_active();
    let has_box = seen.is_some_and(|seen| seen.region().is_some());
    let ready = app.assistant.is_ready() && seen.is_some();
    let mut draft = app.draft.clone();
    ui.horizontal_wrapped(|ui| {
        button(ui, app, Command::Describe, outbox)
            .on_disabled_hover_text("Draw a box first (B), with a model loaded");
        button(ui, app, Command::Report, outbox);
        let automatic = "Auto".to_owned();
        let chosen = draft
            .task
            .map_or(automatic.clone(), |t| t.label().to_owned());
        egui::ComboBox::from_id_salt("task")
            .selected_text(chosen)
            .width(120.0)
            .show_ui(ui, |ui| {
                ui.selectable_value(&mut draft.task, None, automatic);
                for task in Task::ALL {
                    ui.selectable_value(&mut draft.task, Some(task), task.label());
                }
            })
            .response
            .widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Task"));
    });
    // Enter sends, Shift+Enter breaks the line.
    let newline = egui::KeyboardShortcut::new(egui::Modifiers::SHIFT, Key::Enter);
    let edit = TextEdit::multiline(&mut draft.text)
        .hint_text("Ask about this image")
        .desired_rows(3)
        .desired_width(f32::INFINITY)
        .return_key(newline);
    let response = ui.add_enabled(ready, edit);
    response.widget_info(|| {
        let mut info = egui::WidgetInfo::labeled(egui::Role::MultilineTextInput, ready, "Question");
        info.current_text_value = Some(draft.text.clone());
        info
    });
    // Always one line, so that nothing moves while the reader types.
    let preview = if draft.text.trim().is_empty() {
        "How the question is taken is shown here.".to_owned()
    } else {
        match draft.task {
            Some(task) => prompt_preview(task, &draft.text),
            None => plan_preview(app, &draft.text, has_box),
        }
    };
    let line = RichText::new(&preview).small().color(theme::FAINT);
    ui.add(egui::Label::new(line).truncate())
        .on_hover_text(&preview);
    if draft != app.draft {
        outbox.push(Effect::Draft(draft));
    }
    let entered =
        response.has_focus() && ui.input(|i| i.key_pressed(Key::Enter) && !i.modifiers.shift);
    ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
        let send = button(ui, app, Command::Ask, outbox)
            .on_hover_text("Enter; Shift+Enter breaks the line");
        if entered && app.can_run(Command::Ask) {
            outbox.run(Command::Ask);
        }
        if send.clicked() || entered {
            // Keys belong to the views again.
            response.surrender_focus();
        }
        button(ui, app, Command::CancelAnswer, outbox);
    });
}

/// The steps that a text will be taken for.
fn plan_preview(app: &Application, text: &str, has_box: bool) -> String {
    let open = Knowledge::default();
    let knowledge = match &app.assistant.status {
        ModelStatus::Ready(facts) => &facts.knowledge,
        _ => &open,
    };
    let plan = plan(text, has_box, knowledge);
    let read_as = plan.read_as.as_ref();
    let read_as = read_as.map_or_else(String::new, |names| format!("  (read as: {names})"));
    format!("Steps: {}{read_as}", plan.label())
}

/// The exact text the model will be given after the image; the box's numbers are not known before the
/// image is prepared.
fn prompt_preview(task: Task, text: &str) -> String {
    let place = ModelBox::new([0.0; 6]);
    match build_prompt(task, text, place.as_ref()) {
        Ok(prompt) => {
            let numbers = place.map(|p| p.to_string()).unwrap_or_default();
            format!("Prompt: {}", prompt.text.trim().replace(&numbers, "<box>"))
        }
        Err(error) => error.to_string(),
    }
}
