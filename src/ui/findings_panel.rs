//! The findings of the patient: a list to choose from, and the chosen one with its figures.

use egui::{Align, ComboBox, Layout, RichText, Sense, TextEdit, Ui, vec2};
use m3d_imaging::volume::Spacing;

use super::{finding_details, theme};
use crate::app::{
    Application, Command, Effect, Finding, FindingChange, Order, Outbox, Reading, Shape, Status,
    TABLE_HEADER,
};

/// How the list is shown.
#[derive(Clone, Debug, Default)]
struct ListState {
    order: Order,
    words: String,
}

/// Shows the findings of all images of the patient.
pub fn show(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
    let id = ui.scope_id().with("findings");
    let mut state: ListState = ui.data(|data| data.get_temp(id)).unwrap_or_default();
    let listed = app.listed_findings(state.order, &state.words);
    if listed.is_empty() && state.words.is_empty() {
        ui.weak("Masks, boxes and measurements are listed here: yours, and those of answers.");
        return;
    }
    ui.horizontal(|ui| {
        let field = TextEdit::singleline(&mut state.words)
            .hint_text("Filter")
            .desired_width(90.0);
        ui.add(field);
        ComboBox::from_id_salt("order")
            .selected_text(state.order.name())
            .width(80.0)
            .show_ui(ui, |ui| {
                for order in Order::ALL {
                    ui.selectable_value(&mut state.order, order, order.name());
                }
            });
        ui.menu_button("Table", |ui| table_menu(ui, app, &listed, outbox));
    });
    ui.data_mut(|data| data.insert_temp(id, state));
    let mut heading: Option<&str> = None;
    for finding in &listed {
        if heading != Some(&finding.group) {
            if !finding.group.is_empty() {
                ui.label(RichText::new(&finding.group).strong());
            }
            heading = Some(&finding.group);
        }
        row(ui, app, finding, &listed, outbox);
    }
    if let Some((count, now, before)) = app.target_sum(&listed) {
        let before = before.filter(|before| *before > 0.0).map(|before| {
            let percent = (now / before - 1.0) * 100.0;
            format!("; prior {before:.1} mm, {percent:+.0} %")
        });
        let text = format!(
            "Targets: {count}, sum {now:.1} mm{}",
            before.unwrap_or_default()
        );
        ui.strong(text)
            .on_hover_text("The sum of the longest diameters of target lesions (RECIST 1.1)");
    }
    let chosen: Vec<&Finding> = app.selected().collect();
    if let [finding] = chosen.as_slice() {
        ui.separator();
        finding_details::show(ui, app, finding, outbox);
    } else if chosen.len() > 1 {
        ui.separator();
        several(ui, &chosen, outbox);
    }
}

fn table_menu(ui: &mut Ui, app: &Application, listed: &[&Finding], outbox: &mut Outbox) {
    if ui
        .button("Copy")
        .on_hover_text("For a spreadsheet: columns by tabs")
        .clicked()
    {
        let mut rows = vec![TABLE_HEADER.map(str::to_owned).to_vec()];
        rows.extend(app.findings_table(listed));
        let clean = |field: &String| field.replace(['\t', '\n', '\r'], " ");
        let lines = rows
            .iter()
            .map(|row| row.iter().map(clean).collect::<Vec<_>>().join("\t"));
        ui.ctx().copy_text(lines.collect::<Vec<_>>().join("\n"));
        ui.close();
    }
    super::command_ui::entry(ui, app, Command::ExportTable, outbox);
}

/// One line: whether it is drawn, its colour, its name, its size, who made it.
fn row(
    ui: &mut Ui,
    app: &Application,
    finding: &Finding,
    listed: &[&Finding],
    outbox: &mut Outbox,
) {
    let id = finding.id;
    ui.horizontal(|ui| {
        let mut visible = finding.visible;
        let shown = ui.checkbox(&mut visible, "").on_hover_text("Show or hide");
        shown.widget_info(|| {
            let label = format!("Show {}", finding.name);
            egui::WidgetInfo::selected(egui::Role::CheckBox, true, visible, label)
        });
        if shown.changed() {
            outbox.push(Effect::ChangeFindings(
                vec![id],
                FindingChange::Visible(visible),
            ));
        }
        let (swatch, _) = ui.allocate_exact_size(vec2(10.0, 12.0), Sense::hover());
        let colour = theme::finding_colour(finding.colour);
        ui.painter().rect_filled(swatch, 3.0, colour);
        let name = RichText::new(&finding.name);
        let name = match finding.status() {
            Status::Rejected => name.strikethrough().weak(),
            // What nobody has looked at is not the reader's yet.
            Status::Proposed => name.italics(),
            Status::Accepted => name,
        };
        let chosen = app.is_selected(id);
        let size = size_words(app, finding);
        let room = vec2(ui.available_width(), ui.spacing().interact_size.y);
        let label = egui::Button::selectable(chosen, name)
            .truncate()
            .right_text(size);
        let label = ui.add(label.min_size(room)).on_hover_text(hint(finding));
        if label.clicked() {
            choose(ui, app, finding, listed, outbox);
        }
        label.context_menu(|ui| {
            status_buttons(ui, &[finding], outbox);
            if ui.button("Remove").clicked() {
                outbox.push(Effect::Select(vec![id]));
                outbox.run(Command::Delete);
                ui.close();
            }
        });
    });
}

/// A click chooses and goes there; with Ctrl it adds or takes away, with Shift it chooses all between.
fn choose(ui: &Ui, app: &Application, finding: &Finding, listed: &[&Finding], outbox: &mut Outbox) {
    let mut ids: Vec<_> = app.selected().map(|f| f.id).collect();
    let modifiers = ui.input(|i| i.modifiers);
    let place = |id| listed.iter().position(|f| f.id == id);
    if modifiers.shift
        && let (Some(from), Some(to)) = (ids.last().and_then(|id| place(*id)), place(finding.id))
    {
        let (low, high) = (from.min(to), from.max(to));
        ids = listed[low..=high].iter().map(|f| f.id).collect();
    } else if modifiers.command {
        match ids.iter().position(|id| *id == finding.id) {
            Some(at) => drop(ids.remove(at)),
            None => ids.push(finding.id),
        }
    } else {
        ids = vec![finding.id];
        // Who looks at it already stays where he is.
        if !app.is_at(finding) {
            outbox.push(Effect::GoToFinding(finding.id));
        }
    }
    outbox.push(Effect::Select(ids));
}

/// The size of a finding in a word or two.
fn size_words(app: &Application, finding: &Finding) -> String {
    let open = app.resources.image(&finding.image, finding.time);
    let spacing = open.map_or(Spacing::Patient, |open| open.series.stated.spacing);
    match &finding.shape {
        Shape::Mask(mask) => match (spacing, mask.volume_ml()) {
            (Spacing::Patient, ml) if ml >= 10.0 => format!("{ml:.0} mL"),
            (Spacing::Patient, ml) => format!("{ml:.1} mL"),
            _ => format!("{} px", mask.count()),
        },
        Shape::Box(found) => {
            let record = app.workspace.images.get(&finding.image);
            let size = record.map(|r| found.on(&r.grid).size_mm(&r.grid));
            size.map_or_else(String::new, |size| crate::app::size_words(size, spacing))
        }
        Shape::Measurement(drawn) => {
            let reading = drawn.reading();
            reading.map_or_else(String::new, |reading: Reading| reading.words(spacing))
        }
    }
}

fn hint(finding: &Finding) -> String {
    let made = crate::app::source(finding);
    let note = if finding.note.is_empty() {
        String::new()
    } else {
        format!("\n{}", finding.note)
    };
    format!(
        "{}, {made}, {}{note}",
        crate::app::kind(finding),
        finding.status().name().to_lowercase()
    )
}

/// What can be done with several findings.
fn several(ui: &mut Ui, chosen: &[&Finding], outbox: &mut Outbox) {
    ui.strong(format!("{} findings", chosen.len()));
    ui.horizontal_wrapped(|ui| {
        status_buttons(ui, chosen, outbox);
        let ids = || chosen.iter().map(|f| f.id).collect::<Vec<_>>();
        for (label, change) in [
            ("Show", FindingChange::Visible(true)),
            ("Hide", FindingChange::Visible(false)),
        ] {
            if ui.small_button(label).clicked() {
                outbox.push(Effect::ChangeFindings(ids(), change));
            }
        }
        if ui.small_button("Remove").clicked() {
            outbox.run(Command::Delete);
        }
    });
}

/// Accept and reject.
pub(super) fn status_buttons(ui: &mut Ui, findings: &[&Finding], outbox: &mut Outbox) {
    let ids: Vec<_> = findings.iter().map(|f| f.id).collect();
    for (status, label, hint) in [
        (
            Status::Accepted,
            "Accept",
            "It is right: it may go into the report",
        ),
        (
            Status::Rejected,
            "Reject",
            "It is wrong: it is hidden and goes nowhere",
        ),
    ] {
        let on = findings.iter().all(|f| f.status() == status);
        let button = egui::Button::selectable(on, label).small();
        if ui.add(button).on_hover_text(hint).clicked() {
            let status = if on { Status::Proposed } else { status };
            let change = FindingChange::Status(status);
            outbox.push(Effect::ChangeFindings(ids.clone(), change));
            ui.close();
        }
    }
}

/// A quiet line of figures, the name to the left.
pub(super) fn figure_line(ui: &mut Ui, name: &str, value: &str) {
    ui.horizontal(|ui| {
        ui.weak(name);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| ui.label(value));
    });
}
