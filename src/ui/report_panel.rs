//! The report on the study: sections of words, findings and drafted sentences.

use egui::{Align, Id, Layout, RichText, ScrollArea, TextEdit, Ui};

use super::theme;
use crate::app::report::Sources;
use crate::app::report::{Check, checks, maker};
use crate::app::{
    Application, Content, DialogRequest, Edit, Effect, Finding, KeyImage, Outbox, Piece, PieceId,
    Report, ReportAction, Revision, Section, Sentence, Status, Step, StudyId,
};

/// Checks, with the state of the work that they were made on.
type Checked = ((Revision, Option<StudyId>), Vec<Check>);

/// Where the reader last wrote: the piece, and behind how many of its characters.
type Written = Option<(PieceId, usize)>;

fn written_id() -> Id {
    Id::unique("where the report was last written")
}

/// Shows the report on the study of the active view, or how to begin one.
pub fn show(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
    if app.seen_active().is_none() {
        ui.weak("The report of a study is written here.");
        return;
    }
    let Some(report) = app.report() else {
        begin(ui, app, outbox);
        return;
    };
    toolbar(ui, app, report, outbox);
    ui.separator();
    let sources = app.report_sources();
    let found = checked(ui, app, report, &sources);
    ScrollArea::vertical()
        .id_salt("report")
        .auto_shrink(false)
        .show(ui, |ui| {
            for (number, section) in report.sections.iter().enumerate() {
                let ours = found.iter().filter(|check| check.section == number);
                show_section(ui, report, section, &sources, ours, outbox);
            }
            key_images(ui, report, outbox);
        });
}

fn begin(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
    let modality = app.seen_active().map(|seen| &seen.record.modality_code);
    ui.label("Begin a report with a template:");
    for template in &app.templates.list {
        if modality.is_some_and(|modality| template.is_for(modality))
            && ui.button(&template.name).clicked()
        {
            act(outbox, ReportAction::Begin(template.name.clone()));
        }
    }
    ui.add_space(6.0);
    templates(ui, app, outbox);
    for trouble in &app.templates.troubles {
        ui.label(RichText::new(trouble).small().color(theme::WARNING));
    }
}

/// Where templates are, and what is done with them.
fn templates(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
    let Some(folder) = &app.templates.folder else {
        return;
    };
    let text = format!(
        "Your own templates are the .toml files in {}",
        folder.display()
    );
    ui.label(RichText::new(text).small().weak());
    ui.horizontal_wrapped(|ui| {
        let copy = ui.small_button("Copy the built-in one there");
        if copy
            .on_hover_text("As general.toml, to be changed")
            .clicked()
        {
            act(outbox, ReportAction::CopyTemplate);
        }
        if ui.small_button("Read templates again").clicked() {
            act(outbox, ReportAction::ReadTemplates);
        }
    });
}

fn toolbar(ui: &mut Ui, app: &Application, report: &Report, outbox: &mut Outbox) {
    ui.horizontal_wrapped(|ui| {
        if ui.button("Export…").clicked() {
            outbox.push(Effect::Dialog(DialogRequest::ExportReport));
        }
        ui.menu_button("Insert finding", |ui| insert_menu(ui, app, report, outbox))
            .response
            .on_hover_text("Where you last wrote; its words follow when it changes");
        let key = ui.button("Key image");
        if key
            .on_hover_text("Keep the slice of the active view")
            .clicked()
        {
            act(outbox, ReportAction::AddKeyImage);
        }
        ui.menu_button("…", |ui| {
            ui.weak(format!("Template: {}", report.template));
            if ui.button("Discard the report").clicked() {
                act(outbox, ReportAction::Discard);
                ui.close();
            }
        });
    });
}

/// The findings of the study; a click puts one where the reader last wrote, or else where its organ is spoken of.
fn insert_menu(ui: &mut Ui, app: &Application, report: &Report, outbox: &mut Outbox) {
    let written: Written = ui.data(|data| data.get_temp(written_id())).flatten();
    let written = written.filter(|(piece, _)| report.piece(*piece).is_some());
    let study = app.active_study();
    let findings = app.workspace.findings.iter();
    let ours = findings.filter(|f| Some(StudyId::of(&f.image)) == study);
    let mut none = true;
    for finding in ours {
        none = false;
        let text = RichText::new(&finding.name).color(theme::finding_colour(finding.colour));
        if ui.button(text).clicked() {
            let action = match written {
                Some((into, characters)) => ReportAction::InsertFinding {
                    finding: finding.id,
                    into,
                    characters,
                },
                None => ReportAction::AddFinding(finding.id),
            };
            act(outbox, action);
            ui.close();
        }
    }
    if none {
        ui.weak("This study has no findings.");
    }
}

/// What is to be looked at again; found anew when the work has changed.
fn checked(ui: &Ui, app: &Application, report: &Report, sources: &Sources<'_>) -> Vec<Check> {
    let id = Id::unique("checks of the report");
    let state = (app.revision(), app.active_study());
    let kept: Option<Checked> = ui.data(|data| data.get_temp(id));
    if let Some((of, found)) = kept
        && of == state
    {
        return found;
    }
    let found = checks(report, sources);
    ui.data_mut(|data| data.insert_temp(id, (state, found.clone())));
    found
}

fn show_section<'a>(
    ui: &mut Ui,
    report: &Report,
    section: &Section,
    sources: &Sources<'_>,
    found: impl Iterator<Item = &'a Check>,
    outbox: &mut Outbox,
) {
    ui.add_space(4.0);
    ui.label(RichText::new(&section.heading).strong());
    for piece in &section.pieces {
        match &piece.content {
            Content::Text(text) => words(ui, report, piece, text, &section.heading, outbox),
            Content::Finding(_) => show_finding(ui, report, piece, sources, outbox),
            Content::Sentence(sentence) => {
                show_sentence(ui, report, piece, sentence, &section.heading, outbox);
            }
        }
    }
    for check in found {
        ui.label(RichText::new(&check.message).small().color(theme::WARNING));
    }
}

/// Words that the reader writes; all letters typed into one piece are one step.
fn words(
    ui: &mut Ui,
    report: &Report,
    piece: &Piece,
    text: &str,
    heading: &str,
    outbox: &mut Outbox,
) {
    let mut written = text.to_owned();
    let edit = TextEdit::multiline(&mut written)
        .id(Id::unique(("report", piece.id)))
        .desired_rows(1)
        .desired_width(f32::INFINITY);
    let shown = edit.show(ui);
    let response = shown.response.response;
    response.widget_info(|| {
        let label = format!("Report: {heading}");
        let mut info = egui::WidgetInfo::labeled(egui::Role::MultilineTextInput, true, label);
        info.current_text_value = Some(text.to_owned());
        info
    });
    if let Some(range) = shown.cursor_range.filter(|_| response.has_focus()) {
        let at: Written = Some((piece.id, range.primary.index.into()));
        ui.data_mut(|data| data.insert_temp(written_id(), at));
    }
    if response.changed() {
        let step = Step::of_group("write report", piece.id.0);
        change(outbox, report, step, |report| {
            report.write(piece.id, written);
        });
    }
}

fn show_finding(
    ui: &mut Ui,
    report: &Report,
    piece: &Piece,
    sources: &Sources<'_>,
    outbox: &mut Outbox,
) {
    let Content::Finding(finding) = piece.content else {
        return;
    };
    ui.horizontal_wrapped(|ui| {
        let Some(found) = sources.workspace.finding(finding) else {
            ui.label(RichText::new("a finding that was removed").weak().italics());
            strike(ui, report, piece, outbox);
            return;
        };
        let text = RichText::new(sources.words(found));
        let text = match found.status() {
            Status::Accepted => text.color(theme::finding_colour(found.colour)),
            Status::Proposed => text.color(theme::FAINT).italics(),
            Status::Rejected => text.color(theme::FAINT).strikethrough(),
        };
        let chip = ui.add(egui::Button::new(text).wrap().small());
        if chip.on_hover_text("Go there in all views").clicked() {
            outbox.push(Effect::GoToFinding(finding));
        }
        if found.status() != Status::Accepted {
            let by = format!("by {}", maker(found, sources));
            ui.label(RichText::new(by).small().color(theme::FAINT));
            if ui.small_button("Accept").clicked() {
                let accepted = Finding {
                    status: Some(Status::Accepted),
                    ..found.clone()
                };
                outbox.step(Edit::add(accepted), Step::new("accept"));
            }
        }
        strike(ui, report, piece, outbox);
    });
}

fn show_sentence(
    ui: &mut Ui,
    report: &Report,
    piece: &Piece,
    sentence: &Sentence,
    heading: &str,
    outbox: &mut Outbox,
) {
    if sentence.accepted {
        words(ui, report, piece, &sentence.text, heading, outbox);
        ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
            strike(ui, report, piece, outbox);
            let by = format!("drafted by {}", sentence.model);
            ui.label(RichText::new(by).small().color(theme::FAINT));
        });
        return;
    }
    let text = RichText::new(&sentence.text).color(theme::FAINT).italics();
    ui.label(text);
    ui.horizontal_wrapped(|ui| {
        let by = format!("by {}", sentence.model);
        ui.label(RichText::new(by).small().color(theme::FAINT));
        if ui.small_button("Accept").clicked() {
            change(outbox, report, Step::new("accept"), |report| {
                report.accept(piece.id);
            });
        }
        let edit = ui.small_button("Edit");
        if edit.on_hover_text("Make it your own words").clicked() {
            let same = sentence.text.clone();
            change(outbox, report, Step::new("edit sentence"), |report| {
                report.write(piece.id, same);
            });
            let field = Id::unique(("report", piece.id));
            ui.memory_mut(|memory| memory.request_focus(field));
        }
        strike(ui, report, piece, outbox);
    });
}

fn strike(ui: &mut Ui, report: &Report, piece: &Piece, outbox: &mut Outbox) {
    let button = ui.small_button("Strike");
    if button.on_hover_text("Take it out of the report").clicked() {
        change(outbox, report, Step::new("strike"), |report| {
            report.strike(piece.id);
        });
    }
}

fn key_images(ui: &mut Ui, report: &Report, outbox: &mut Outbox) {
    if report.key_images.is_empty() {
        return;
    }
    ui.add_space(4.0);
    ui.label(RichText::new("Key images").strong());
    for (n, key) in report.key_images.iter().enumerate() {
        ui.horizontal(|ui| {
            ui.label(format!("{}. {}", n + 1, key.orientation.name()));
            let button = ui.small_button("Remove");
            if button.clicked() {
                change(outbox, report, Step::new("remove key image"), |report| {
                    report.key_images.remove(n);
                });
            }
            caption(ui, report, n, key, outbox);
        });
    }
}

fn caption(ui: &mut Ui, report: &Report, n: usize, key: &KeyImage, outbox: &mut Outbox) {
    let mut text = key.caption.clone();
    let edit = TextEdit::singleline(&mut text)
        .hint_text("Caption")
        .desired_width(f32::INFINITY);
    if ui.add(edit).changed() {
        let step = Step::of_group("write caption", key.id.0);
        change(outbox, report, step, |report| {
            report.key_images[n].caption = text;
        });
    }
}

/// Wishes for the report with a change.
fn change(outbox: &mut Outbox, report: &Report, step: Step, change: impl FnOnce(&mut Report)) {
    let mut changed = report.clone();
    change(&mut changed);
    outbox.step(Edit::report(changed), step);
}

fn act(outbox: &mut Outbox, action: ReportAction) {
    outbox.push(Effect::Report(action));
}
