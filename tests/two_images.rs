//! What was found in one image never lies on another, however alike their files are.

#[path = "support/window.rs"]
mod window;

use std::path::{Path, PathBuf};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use m3d_imaging::io::{self, Progress, write_nifti};
use m3d_imaging::volume::{ImageIdentity, Rescale, Volume, Voxels};
use m3d_viewer::app::{Card, CardState, Effect, Outbox, Placement};
use m3d_viewer::ui::Viewer;
use window::{choose_finding, model, sample, seen, start, type_question, wait, wait_for_model};

fn sample_volume() -> Volume {
    let library = io::scan(&sample(), &Progress::silent()).unwrap();
    io::load(library.first_series().unwrap(), &Progress::silent()).unwrap()
}

/// The sample as `a/scan.nii.gz`, and mirrored, as another patient's, as `b/scan.nii.gz`.
fn two_files(folder: &Path) -> [PathBuf; 2] {
    let volume = sample_volume();
    let values = volume.values_f32();
    let width = volume.grid().dims().x as usize;
    let mirrored = values.chunks(width).flat_map(|row| row.iter().rev());
    let mirrored = Volume::new(
        *volume.grid(),
        Voxels::F32(mirrored.copied().collect()),
        Rescale::IDENTITY,
        volume.modality(),
        volume.units(),
    );
    let images = [("a", volume), ("b", mirrored.unwrap())];
    images.map(|(name, volume)| {
        let path = folder.join(name).join("scan.nii.gz");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_nifti(&path, &volume).unwrap();
        path
    })
}

fn identity(harness: &Harness<Viewer>) -> ImageIdentity {
    seen(harness).image.identity.clone()
}

fn open(harness: &mut Harness<Viewer>, path: &Path) {
    let before = identity(harness);
    harness.state_mut().app.open(path.to_owned());
    wait(harness, "the other image", |v| {
        // While it is read, nothing of the former one is on screen.
        v.app
            .seen_active()
            .is_some_and(|seen| seen.image.identity != before)
    });
    harness.run_steps(3);
}

fn ask(harness: &mut Harness<Viewer>, question: &str) {
    type_question(harness, question);
    harness.get_by_label("Ask").click();
    harness.step();
}

fn wait_for_answers(harness: &mut Harness<Viewer>) -> Card {
    let card = window::wait_for_answers(harness);
    assert_eq!(card.state, CardState::Done, "{card:?}");
    card
}

fn mask_count(harness: &Harness<Viewer>) -> usize {
    let findings = seen(harness).findings();
    findings.filter(|f| f.mask().is_some()).count()
}

/// The chips of the cards: buttons that lead to a mask of the image on screen.
fn chips(harness: &Harness<Viewer>) -> usize {
    let buttons = harness.query_all_by_role(Role::Button);
    buttons
        .filter(|b| {
            b.accesskit_node()
                .label()
                .is_some_and(|l| l.ends_with(" mL"))
        })
        .count()
}

#[test]
fn a_file_of_the_same_name_and_size_has_none_of_the_first_ones_findings() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = two_files(folder.path());
    let mut harness = start(Some(a.clone()), Some(model()));
    wait(&mut harness, "the first file", |v| {
        v.app.seen_active().is_some()
    });
    wait_for_model(&mut harness);
    ask(&mut harness, "left kidney");
    let answer = wait_for_answers(&mut harness);
    assert_eq!((mask_count(&harness), chips(&harness)), (1, 1));
    let first = identity(&harness);
    assert_eq!(answer.image, first);

    open(&mut harness, &b);
    assert_eq!((mask_count(&harness), chips(&harness)), (0, 0));
    assert!(seen(&harness).labels.is_none());
    harness.get_by_label_contains("About another image");

    // Coming back: the answer is alive, and the image need not be prepared or encoded again.
    open(&mut harness, &a);
    assert_eq!(identity(&harness), first);
    assert_eq!((mask_count(&harness), chips(&harness)), (1, 1));
    assert!(harness.query_by_label_contains("About another").is_none());
    ask(&mut harness, "left kidney");
    let again = wait_for_answers(&mut harness).made_from.unwrap();
    let stages: Vec<_> = again.timings_ms.iter().map(|(stage, _)| stage).collect();
    assert!(
        !stages.iter().any(|stage| *stage == "prepare"),
        "{stages:?}"
    );
    assert_eq!(again.raw_text, answer.made_from.unwrap().raw_text);
    let masks: Vec<_> = seen(&harness).findings().filter_map(|f| f.mask()).collect();
    assert_eq!(masks[0], masks[1]);
}

/// A series under two patients with the same UID, or with none: an export that went wrong, as archives
/// have.
fn two_patients(folder: &Path, series_uid: &str) {
    for (name, id) in [("Doe^Jane", "1001"), ("Roe^Richard", "1002")] {
        let to = folder.join(id);
        std::fs::create_dir_all(&to).unwrap();
        for entry in std::fs::read_dir(sample()).unwrap() {
            let from = entry.unwrap().path();
            let Ok(mut image) = dicom_object::open_file(&from) else {
                continue;
            };
            image.put_str(tags::PATIENT_NAME, VR::PN, name);
            image.put_str(tags::PATIENT_ID, VR::LO, id);
            image.put_str(tags::SERIES_INSTANCE_UID, VR::UI, series_uid);
            image
                .write_to_file(to.join(from.file_name().unwrap()))
                .unwrap();
        }
    }
}

fn check_two_patients(series_uid: &str) {
    let folder = tempfile::tempdir().unwrap();
    two_patients(folder.path(), series_uid);
    let mut harness = start(Some(folder.path().to_owned()), Some(model()));
    wait(&mut harness, "the first patient", |v| {
        v.app.seen_active().is_some()
    });
    wait_for_model(&mut harness);
    ask(&mut harness, "left kidney");
    wait_for_answers(&mut harness);
    assert_eq!(mask_count(&harness), 1);
    let first = (identity(&harness), seen(&harness).record.patient.clone());

    let entries = harness.state().app.library.as_ref().unwrap();
    let other = entries.series().map(io::Series::id);
    let other = other.filter(|id| *id != seen(&harness).image.series.id());
    let other: Vec<_> = other.collect();
    assert_eq!(other.len(), 1);
    let mut outbox = Outbox::default();
    outbox.push(Effect::Show(other[0].clone(), Placement::Active));
    harness.state_mut().app.handle(&mut outbox);
    wait(&mut harness, "the second patient", |v| {
        v.app
            .seen_active()
            .is_some_and(|seen| seen.image.identity != first.0)
    });
    assert_ne!(seen(&harness).record.patient, first.1);
    assert_eq!(mask_count(&harness), 0);
}

#[test]
fn one_series_uid_under_two_patients_is_two_images() {
    check_two_patients("1.2.826.0.1.3680043.8.498.1");
}

#[test]
fn the_same_slices_without_a_uid_under_two_patients_are_two_images() {
    check_two_patients("");
}

#[test]
fn an_answer_goes_to_its_own_image_whatever_is_shown_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = two_files(folder.path());
    let mut harness = start(Some(a.clone()), Some(model()));
    wait(&mut harness, "the first file", |v| {
        v.app.seen_active().is_some()
    });
    wait_for_model(&mut harness);
    // Enough before it that the mask comes after the other file is shown.
    for _ in 0..8 {
        harness
            .get_by_role_and_label(Role::Button, "Draft report")
            .click();
        harness.step();
    }
    ask(&mut harness, "left kidney");
    open(&mut harness, &b);
    assert!(harness.state().app.is_answering(), "too fast a model");
    wait_for_answers(&mut harness);
    assert_eq!(mask_count(&harness), 0);
    open(&mut harness, &a);
    assert!(mask_count(&harness) > 0);
}

#[test]
fn a_new_name_outlives_undo_which_says_what_it_takes_back() {
    let mut harness = start(Some(sample()), Some(model()));
    wait(&mut harness, "the sample", |v| {
        v.app.seen_active().is_some()
    });
    wait_for_model(&mut harness);
    for question in ["left kidney", "spleen"] {
        ask(&mut harness, question);
        wait_for_answers(&mut harness);
    }
    let names = |harness: &Harness<Viewer>| -> Vec<String> {
        seen(harness).findings().map(|f| f.name.clone()).collect()
    };
    choose_finding(&mut harness, "left kidney");
    let mut fields = harness.get_all_by_role_and_label(Role::TextInput, "Name");
    let first = fields.next().unwrap();
    first.focus();
    first.type_text("!");
    drop(fields);
    harness.run_steps(2);
    let renamed = names(&harness)[0].clone();
    assert!(renamed.contains('!'), "{renamed}");
    // The renamed finding is removed and comes back under its new name.
    let old = "left kidney";
    harness.get_all_by_label("Remove").next().unwrap().click();
    harness.run_steps(2);
    assert_ne!(names(&harness)[0], renamed);
    let undo = format!("Undo: remove {renamed}");
    harness.get_by_label(&undo).click();
    harness.run_steps(2);
    assert_eq!(names(&harness)[0], renamed);
    // The name itself is a step, however many letters were typed.
    let undo = format!("Undo: rename {renamed}");
    harness.get_by_label(&undo).click();
    harness.run_steps(2);
    assert_eq!(names(&harness)[0], old);
    let redo = format!("Redo: rename {renamed}");
    harness.get_by_label(&redo).click();
    harness.run_steps(2);
    assert_eq!(names(&harness)[0], renamed);
    // An answer with its box and its mask is one step.
    harness.key_combination_modifiers(Modifiers::COMMAND, &[Key::Z]);
    harness.run_steps(2);
    let before = names(&harness).len();
    harness.get_by_label("Undo: add spleen").click();
    harness.run_steps(2);
    assert_eq!(names(&harness).len(), before / 2);
}
