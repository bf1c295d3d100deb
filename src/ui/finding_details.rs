//! The chosen finding: its name, what the reader makes of it, its figures.

use egui::{ComboBox, RichText, TextEdit, Ui};
use m3d_imaging::wording::readable_date;

use super::findings_panel::{figure_line, status_buttons};
use super::theme;
use crate::app::{
    Application, Command, DialogRequest, Edit, Effect, Finding, FindingChange, Measurement, Origin,
    Outbox, PatientBox, Reading, ReportAction, Shape, Step,
};

/// Shows the finding.
pub fn show(ui: &mut Ui, app: &Application, finding: &Finding, outbox: &mut Outbox) {
    let id = finding.id;
    let change = |outbox: &mut Outbox, change| {
        outbox.push(Effect::ChangeFindings(vec![id], change));
    };
    ui.horizontal(|ui| {
        let mut rgb = finding.colour.rgb();
        let picker = ui.color_edit_button_srgb(&mut rgb);
        if picker.on_hover_text("Colour").changed() {
            change(outbox, FindingChange::Colour(rgb));
        }
        let mut name = finding.name.clone();
        let field = ui.add(TextEdit::singleline(&mut name).desired_width(f32::INFINITY));
        field.widget_info(|| {
            let mut info = egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Name");
            info.current_text_value = Some(finding.name.clone());
            info
        });
        if field.changed() {
            outbox.push(Effect::Name(id, name));
        }
    });
    ui.horizontal_wrapped(|ui| {
        status_buttons(ui, &[finding], outbox);
        let mut locked = finding.locked;
        if ui
            .checkbox(&mut locked, "Lock")
            .on_hover_text("Safe from changes")
            .changed()
        {
            change(outbox, FindingChange::Locked(locked));
        }
        if app.diameter_mm(finding).is_some() {
            let mut target = finding.target;
            let hint = "Counts in the sum of target lesions (RECIST 1.1)";
            if ui
                .checkbox(&mut target, "Target")
                .on_hover_text(hint)
                .changed()
            {
                change(outbox, FindingChange::Target(target));
            }
        }
    });
    figures(ui, app, finding);
    provenance(ui, app, finding);
    pairing(ui, app, finding, outbox);
    if let Some(text) = text_field(ui, "Group", &finding.group) {
        change(outbox, FindingChange::Group(text));
    }
    if let Some(text) = text_field(ui, "Note", &finding.note) {
        change(outbox, FindingChange::Note(text));
    }
    actions(ui, finding, outbox);
}

/// A field for words; what was typed in this frame.
fn text_field(ui: &mut Ui, label_text: &str, text: &str) -> Option<String> {
    ui.horizontal(|ui| {
        let label = ui.weak(label_text);
        let mut text = text.to_owned();
        // Its own name, whatever comes to stand above it while it is written in.
        let field = TextEdit::singleline(&mut text)
            .id(egui::Id::unique((
                "field of the chosen finding",
                label_text,
            )))
            .desired_width(f32::INFINITY);
        let changed = ui.add(field).labelled_by(label.id).changed();
        changed.then_some(text)
    })
    .inner
}

fn figures(ui: &mut Ui, app: &Application, finding: &Finding) {
    let record = app.workspace.images.get(&finding.image);
    let open = app.resources.image(&finding.image, finding.time);
    let spacing = open
        .map(|open| open.series.stated.spacing)
        .unwrap_or_default();
    let measured = app.measured(finding);
    match &finding.shape {
        Shape::Mask(mask) => {
            if spacing == m3d_imaging::volume::Spacing::Patient {
                figure_line(ui, "Volume", &format!("{:.2} mL", mask.volume_ml()));
                let longest = measured.and_then(|m| m.longest_mm);
                let longest = longest.map(|mm| format!("{mm:.1} mm"));
                figure_line(ui, "Longest", longest.as_deref().unwrap_or("…"));
                if let Some(found) = measured.and_then(|m| m.in_plane) {
                    let text = format!("{:.1} mm (slice {})", found.length_mm, found.slice + 1);
                    figure_line(ui, "Longest in a slice", &text);
                }
            }
            figure_line(ui, "Voxels", &mask.count().to_string());
        }
        Shape::Box(found) => {
            let size = record.map(|r| found.on(&r.grid).size_mm(&r.grid));
            if let Some(size) = size {
                figure_line(ui, "Box", &crate::app::size_words(size, spacing));
            }
        }
        Shape::Measurement(drawn) => {
            if let Some(reading) = drawn.reading() {
                figure_line(ui, drawn.kind.name(), &reading.words(spacing));
                if let Reading::Region { perimeter_mm, .. } = reading {
                    let text = format!("{perimeter_mm:.1} {}", spacing.unit());
                    figure_line(ui, "Around", &text);
                }
            }
        }
    }
    if let Some(slices) = record.and_then(|record| crate::app::slices(finding, record)) {
        figure_line(ui, "Slices", &slices);
    }
    if let (Some(open), Some(values)) = (open, measured.and_then(|m| m.values)) {
        let [mean, range] = open.values_words(&values);
        figure_line(ui, "Values", &mean);
        figure_line(ui, "", &range);
        if finding.measurement().is_some() {
            let count = measured.map_or(0, |m| m.count);
            let voxels = ui.weak(format!(
                "{count} voxels, median {:.1}",
                values.median * open.scale().0
            ));
            voxels.on_hover_ui(|ui| histogram(ui, finding, open));
        }
    }
}

/// How often each value occurs in a region.
fn histogram(ui: &mut Ui, finding: &Finding, open: &crate::app::OpenImage) {
    const BARS: usize = 48;
    let region = finding.measurement().and_then(Measurement::region);
    let values = region
        .map(|region| region.values(&open.volume))
        .unwrap_or_default();
    let (Some(&low), Some(&high)) = (values.first(), values.last()) else {
        return;
    };
    let mut counts = [0_u32; BARS];
    for value in &values {
        let share = (value - low) / (high - low).max(f32::MIN_POSITIVE);
        counts[((share * BARS as f32) as usize).min(BARS - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    let (rect, _) = ui.allocate_exact_size(egui::vec2(240.0, 90.0), egui::Sense::hover());
    let width = rect.width() / BARS as f32;
    for (n, count) in counts.iter().enumerate() {
        let height = rect.height() * (*count as f32 / most as f32);
        let left = rect.left() + n as f32 * width;
        let bar = egui::Rect::from_min_max(
            egui::pos2(left, rect.bottom() - height),
            egui::pos2(left + width - 1.0, rect.bottom()),
        );
        ui.painter()
            .rect_filled(bar, 0.0, theme::finding_colour(finding.colour));
    }
    let [low, high] = [low, high].map(|value| open.value_words(value));
    figure_line(ui, &low, &high);
}

/// Who made it, and how coarse it was drawn.
fn provenance(ui: &mut Ui, app: &Application, finding: &Finding) {
    let quiet = |text: String| RichText::new(text).small().weak().italics();
    match &finding.source {
        Origin::File { name, drawn_by } => {
            ui.label(quiet(from_file(name, drawn_by)));
        }
        Origin::Model(card) => {
            let card = app.workspace.card(*card);
            let model = card.and_then(|card| card.made_from.as_ref());
            let model = model.map_or("the assistant", |made| made.model_name.as_str());
            let corrected = if finding.corrected {
                ", corrected by hand"
            } else {
                ""
            };
            ui.label(quiet(format!("by {model}{corrected}")));
        }
        Origin::Reader => {}
    }
    if let Some(mm) = finding.drawn_at_mm {
        let text = RichText::new(drawn_at(mm)).small();
        ui.label(text.color(theme::WARNING));
    }
}

fn pairing(ui: &mut Ui, app: &Application, finding: &Finding, outbox: &mut Outbox) {
    let candidates = app.earlier_findings(finding);
    if candidates.is_empty() && finding.earlier.is_none() {
        return;
    }
    let title = |other: &Finding| {
        let record = app.workspace.images.get(&other.image);
        let date = record.map(|record| readable_date(&record.study_date));
        format!("{} {}", other.name, date.unwrap_or_default())
    };
    let chosen = finding.earlier.and_then(|id| app.workspace.finding(id));
    ui.horizontal(|ui| {
        ui.weak("Prior");
        ComboBox::from_id_salt("prior")
            .selected_text(chosen.map_or("none".into(), title))
            .show_ui(ui, |ui| {
                let none = std::iter::once(None);
                for other in none.chain(candidates.iter().map(|f| Some(*f))) {
                    let id = other.map(|other| other.id);
                    let text = other.map_or("none".into(), title);
                    if ui.selectable_label(finding.earlier == id, text).clicked() {
                        let change = FindingChange::Earlier(id);
                        outbox.push(Effect::ChangeFindings(vec![finding.id], change));
                    }
                }
            });
    });
    if let Some(change) = app.change_since(finding) {
        ui.label(change.words());
    }
}

fn actions(ui: &mut Ui, finding: &Finding, outbox: &mut Outbox) {
    ui.horizontal_wrapped(|ui| {
        if ui.small_button("Go to").clicked() {
            outbox.push(Effect::GoToFinding(finding.id));
        }
        if finding.mask().is_some() && ui.small_button("Export…").clicked() {
            outbox.push(Effect::Dialog(DialogRequest::ExportMask(finding.id)));
        }
        if finding.measurement().is_none() {
            let hint = "Draw the reader's box around it, to ask about it";
            if ui
                .small_button("Box around it")
                .on_hover_text(hint)
                .clicked()
            {
                let region: Option<PatientBox> = finding.bounds();
                let image = finding.image.clone();
                let step = Step::new(format!("box around {}", finding.name));
                outbox.step(Edit::Region { image, region }, step);
            }
        }
        if ui.small_button("To report").clicked() {
            outbox.push(Effect::Report(ReportAction::AddFinding(finding.id)));
        }
        if ui.small_button("Remove").clicked() {
            outbox.push(Effect::Select(vec![finding.id]));
            outbox.run(Command::Delete);
        }
    });
}

/// Which file a finding is from, and who drew it.
fn from_file(name: &str, drawn_by: &str) -> String {
    let name = if name.is_empty() { "a file" } else { name };
    let by = match drawn_by {
        "AUTOMATIC" => ", drawn by a program",
        "SEMIAUTOMATIC" => ", drawn with a program's help",
        "MANUAL" => ", drawn by hand",
        _ => "",
    };
    format!("from {name}{by}")
}

/// How coarse the model's drawing is.
pub fn drawn_at(mm: glam::DVec3) -> String {
    format!(
        "drawn by the model at {:.1} × {:.1} × {:.1} mm per voxel",
        mm.x, mm.y, mm.z
    )
}
