//! Who is on screen: the patient and the study of the active view, above everything else.

use egui::{Align, Layout, RichText, Ui};
use m3d_imaging::wording::readable_date;

use super::command_ui::small_icon;
use super::{theme, top_bar};
use crate::app::{Application, Command, Outbox};

/// Shows the bar: menus, the patient and the study, and what hides the panels.
pub fn show(ui: &mut Ui, app: &Application, outbox: &mut Outbox) {
    ui.horizontal(|ui| {
        top_bar::menus(ui, app, outbox);
        ui.separator();
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            for command in [Command::WorkPanel, Command::StudyPanel, Command::Palette] {
                small_icon(ui, app, command, outbox);
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| who(ui, app));
        });
    });
}

fn who(ui: &mut Ui, app: &Application) {
    let Some(seen) = app.seen_active() else {
        ui.weak("Nothing is open");
        return;
    };
    if app.screen.anonymous {
        ui.label(RichText::new("Name hidden").italics());
        return;
    }
    let record = seen.record;
    let stated = &seen.image.series.stated;
    let patient = if record.patient.is_empty() {
        "No name"
    } else {
        &record.patient
    };
    ui.add(egui::Label::new(RichText::new(patient).strong().size(15.0)).truncate());
    let about = [sex_and_age(&stated.patient_sex, &stated.patient_age)];
    for text in about.into_iter().filter(|text| !text.is_empty()) {
        ui.label(text);
    }
    let study = [
        readable_date(&record.study_date),
        record.description.clone(),
    ];
    let study: Vec<String> = study.into_iter().filter(|text| !text.is_empty()).collect();
    let study = RichText::new(study.join("   ")).color(theme::FAINT);
    ui.add(egui::Label::new(study).truncate());
}

/// `F 61 y`, from DICOM's words (PS3.5 6.2: `061Y`).
fn sex_and_age(sex: &str, age: &str) -> String {
    let count = age
        .trim_end_matches(|c: char| c.is_ascii_alphabetic())
        .trim_start_matches('0');
    let unit = match age.chars().last() {
        Some('Y') => "y",
        Some('M') => "months",
        Some('W') => "weeks",
        Some('D') => "days",
        _ => "",
    };
    let age = if count.is_empty() || unit.is_empty() {
        String::new()
    } else {
        format!("{count} {unit}")
    };
    format!("{} {age}", sex.trim()).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::sex_and_age;

    #[test]
    fn ages_are_read_as_dicom_writes_them() {
        for (sex, age, wanted) in [
            ("F", "061Y", "F 61 y"),
            ("M", "003M", "M 3 months"),
            ("O", "", "O"),
            ("", "010D", "10 days"),
            ("F", "61", "F"),
        ] {
            assert_eq!(sex_and_age(sex, age), wanted);
        }
    }
}
