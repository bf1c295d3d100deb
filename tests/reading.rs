//! Reading in the real window: several series, side by side and over one another, every change undone.

#[path = "support/window.rs"]
mod window;

use std::path::{Path, PathBuf};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use egui::accesskit::Role;
use egui::{Key, Modifiers, PointerButton, Pos2, Vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use m3d_imaging::geometry::Orientation;
use m3d_imaging::io;
use m3d_imaging::volume::VolumePreset;
use m3d_viewer::app::{
    Command, Effect, Outbox, Placement, Seen, StandardLayout, StartOptions, ViewId, ViewKind,
    Workspace,
};
use m3d_viewer::ui::Viewer;
use window::{
    axial, centre_of, choose_finding, click, drag, model, open_sample, sample, seen, start,
    start_with, type_question, wait, wait_for_answers, wait_for_model, wheel,
};

const AXIAL: ViewKind = ViewKind::Slice(Orientation::Axial);

/// The sample as two studies of one patient: the second a year before, in a frame of its own, lying 40 mm
/// lower.
fn two_studies(folder: &Path) {
    for (date, study, series, frame, shift) in [
        ("20250301", "1.2.1", "1.2.1.1", "1.2.1.9", 0.0),
        ("20240301", "1.2.2", "1.2.2.1", "1.2.2.9", -40.0),
    ] {
        let to = folder.join(date);
        std::fs::create_dir_all(&to).unwrap();
        for entry in std::fs::read_dir(sample()).unwrap() {
            let from = entry.unwrap().path();
            let Ok(mut image) = dicom_object::open_file(&from) else {
                continue;
            };
            let place = image.element(tags::IMAGE_POSITION_PATIENT).unwrap();
            let place = place.to_multi_float64().unwrap();
            let place = format!("{}\\{}\\{}", place[0], place[1], place[2] + shift);
            image.put_str(tags::IMAGE_POSITION_PATIENT, VR::DS, place);
            image.put_str(tags::PATIENT_NAME, VR::PN, "Doe^Jane");
            image.put_str(tags::PATIENT_ID, VR::LO, "1001");
            image.put_str(tags::STUDY_DATE, VR::DA, date);
            image.put_str(tags::STUDY_INSTANCE_UID, VR::UI, study);
            image.put_str(tags::SERIES_INSTANCE_UID, VR::UI, series);
            image.put_str(tags::FRAME_OF_REFERENCE_UID, VR::UI, frame);
            image.put_str(tags::SERIES_DESCRIPTION, VR::LO, format!("Abdomen {date}"));
            image
                .write_to_file(to.join(from.file_name().unwrap()))
                .unwrap();
        }
    }
}

fn open_two_studies() -> (tempfile::TempDir, Harness<'static, Viewer>) {
    let folder = tempfile::tempdir().unwrap();
    two_studies(folder.path());
    let mut harness = start(Some(folder.path().to_owned()), None);
    wait(&mut harness, "the first study", |v| {
        v.app.seen_active().is_some()
    });
    harness.run_steps(3);
    (folder, harness)
}

/// The views on screen, in reading order.
fn shown(harness: &Harness<Viewer>) -> Vec<ViewId> {
    harness.state().app.workspace.layout.shown()
}

fn of<'a>(harness: &'a Harness<Viewer>, id: ViewId) -> Seen<'a> {
    harness.state().app.seen(id).unwrap()
}

/// The study panel's entry of a series.
fn tile(harness: &Harness<Viewer>, description: &str) -> Pos2 {
    let title = format!("CT  {description}");
    let entry = harness.get_by_role_and_label(Role::Button, &title);
    entry.rect().center()
}

fn run(harness: &mut Harness<Viewer>, command: Command) {
    let mut outbox = Outbox::default();
    outbox.run(command);
    harness.state_mut().app.handle(&mut outbox);
    harness.run_steps(3);
}

#[test]
fn two_studies_lie_side_by_side_and_scroll_together() {
    let (_folder, mut harness) = open_two_studies();
    let first = seen(&harness).image.identity.clone();
    let other = if seen(&harness).record.study_date == "20240301" {
        "Abdomen 20250301"
    } else {
        "Abdomen 20240301"
    };
    run(&mut harness, Command::Layout(StandardLayout::OneByTwo));
    let [left, right] = shown(&harness)[..] else {
        panic!("two views")
    };
    // The second view waits for a series.
    assert!(harness.state().app.seen(right).is_none());
    harness.state_mut().app.activate(right);
    harness.run_steps(2);
    let entry = tile(&harness, other);
    click(&mut harness, entry, PointerButton::Primary, 2);
    wait(&mut harness, "the other study", |v| {
        v.app.seen(right).is_some()
    });
    assert_eq!(of(&harness, left).image.identity, first);
    assert_ne!(of(&harness, right).image.identity, first);
    harness.run_steps(3);

    // Their frames differ: one scrolls alone, until the reader ties them with one key.
    let position = |harness: &Harness<Viewer>, id| of(harness, id).cursor_mm();
    let views: Vec<Pos2> = harness
        .get_all_by_label("Axial view")
        .map(|view| view.rect().center())
        .collect();
    let before = (position(&harness, left), position(&harness, right));
    wheel(&mut harness, views[0], 2.0);
    harness.step();
    assert_eq!(position(&harness, right), before.1);
    assert!(position(&harness, left).z > before.0.z + 1.0);
    harness.key_press(Key::L);
    harness.run_steps(2);
    let before = (position(&harness, left), position(&harness, right));
    wheel(&mut harness, views[0], 3.0);
    harness.step();
    let moved = position(&harness, left) - before.0;
    assert!(moved.z > 1.0);
    assert!((position(&harness, right) - before.1).distance(moved) < 1e-9);
    // And the other way round.
    let before = position(&harness, left);
    wheel(&mut harness, views[1], -1.0);
    harness.step();
    assert!(position(&harness, left).z < before.z - 0.5);
    harness.key_press(Key::L);
    harness.run_steps(2);
    let before = position(&harness, right);
    wheel(&mut harness, views[0], 1.0);
    harness.step();
    assert_eq!(position(&harness, right), before);
}

#[test]
fn a_series_is_dragged_onto_a_view_and_with_shift_over_it() {
    let (_folder, mut harness) = open_two_studies();
    run(&mut harness, Command::Layout(StandardLayout::OneByTwo));
    let [left, right] = shown(&harness)[..] else {
        panic!("two views")
    };
    let first = of(&harness, left).record.description.clone();
    let pane = harness
        .get_all_by_role(Role::Image)
        .map(|view| view.rect().center())
        .max_by(|a, b| a.x.total_cmp(&b.x))
        .unwrap();
    let entry = tile(&harness, &first);
    drag(&mut harness, PointerButton::Primary, entry, pane);
    wait(&mut harness, "the series in the second view", |v| {
        v.app.seen(right).is_some()
    });
    assert_eq!(of(&harness, right).record.description, first);
    assert_eq!(of(&harness, left).record.description, first);
    // It can be taken back.
    harness.key_combination_modifiers(Modifiers::COMMAND, &[Key::Z]);
    harness.run_steps(2);
    assert!(harness.state().app.seen(right).is_none());
}

#[test]
fn the_context_menu_opens_without_a_drag() {
    let mut harness = open_sample(None);
    let at = centre_of(&harness, "Axial view");
    click(&mut harness, at, PointerButton::Secondary, 1);
    harness.get_by_label_contains("Maximise").click();
    harness.run_steps(3);
    assert!(harness.state().app.workspace.layout.maximised.is_some());
    // A drag with the right button zooms and opens nothing.
    let at = centre_of(&harness, "Axial view");
    drag(
        &mut harness,
        PointerButton::Secondary,
        at,
        at - Vec2::new(0.0, 40.0),
    );
    harness.run_steps(2);
    assert!(axial(&harness).view.look.zoom > 1.1);
    assert!(harness.query_by_label_contains("Maximise").is_none());
}

#[test]
fn the_palette_runs_a_command_by_its_name() {
    let mut harness = open_sample(None);
    let before = axial(&harness).layer.invert;
    harness.key_combination_modifiers(Modifiers::COMMAND, &[Key::K]);
    harness.run_steps(2);
    harness.get_by_label("Command").type_text("inv");
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    assert_eq!(axial(&harness).layer.invert, !before);
    assert!(harness.query_by_label("Command").is_none());
}

#[test]
fn a_key_is_bound_anew_and_remembered() {
    let place = tempfile::tempdir().unwrap();
    let options = || StartOptions {
        path: Some(sample()),
        settings_path: Some(place.path().join("settings.json")),
        ..StartOptions::default()
    };
    let mut harness = start_with(options());
    let open = |harness: &mut Harness<Viewer>| {
        wait(harness, "the sample", |v| v.app.seen_active().is_some());
        harness.run_steps(3);
    };
    open(&mut harness);
    harness.key_press(Key::F1);
    harness.run_steps(4);
    harness.get_by_label("Key of Invert").click_accesskit();
    harness.run_steps(2);
    // W was the window tool's: it belongs to this command from now on.
    harness.key_press(Key::W);
    harness.run_steps(2);
    harness.key_press(Key::Escape);
    harness.run_steps(2);
    assert!(harness.query_by_label("Key of Invert").is_none());
    let check = |harness: &mut Harness<Viewer>| {
        let before = axial(harness).layer.invert;
        harness.key_press(Key::I);
        harness.run_steps(2);
        assert_eq!(axial(harness).layer.invert, before);
        harness.key_press(Key::W);
        harness.run_steps(2);
        assert_eq!(axial(harness).layer.invert, !before);
    };
    check(&mut harness);
    drop(harness);
    let mut harness = start_with(options());
    open(&mut harness);
    check(&mut harness);
}

/// What the reader's hand does.
type Hand = Box<dyn Fn(&mut Harness<Viewer>)>;

/// A change as the reader makes it, and how its step is called.
type Change = (&'static str, Hand);

#[test]
fn ten_different_changes_are_taken_back_and_made_again() {
    let mut harness = open_sample(Some(model()));
    wait_for_model(&mut harness);
    type_question(&mut harness, "left kidney");
    harness.get_by_label("Ask").click();
    wait_for_answers(&mut harness);
    // Seen from where the answer led to; looking is no step.
    let middle = centre_of(&harness, "Axial view");
    let press = |key: Key| -> Hand {
        Box::new(move |harness| {
            harness.key_press(key);
            harness.run_steps(2);
        })
    };
    let clicked = |label: &'static str| -> Hand {
        Box::new(move |harness| {
            harness.get_all_by_label(label).next().unwrap().click();
            harness.run_steps(2);
        })
    };
    let commanded = |command: Command| -> Hand { Box::new(move |harness| run(harness, command)) };
    let changes: Vec<Change> = vec![
        (
            "window",
            Box::new(move |harness| {
                let to = middle + Vec2::new(40.0, 20.0);
                drag(harness, PointerButton::Primary, middle, to);
            }),
        ),
        ("invert", press(Key::I)),
        (
            "draw box",
            Box::new(move |harness| {
                harness.key_press(Key::B);
                harness.step();
                let from = middle - Vec2::new(50.0, 40.0);
                drag(harness, PointerButton::Primary, from, middle);
            }),
        ),
        (
            "move box",
            Box::new(move |harness| {
                let grip = middle - Vec2::new(25.0, 20.0);
                drag(harness, PointerButton::Primary, grip, middle);
            }),
        ),
        ("clear box", press(Key::Delete)),
        (
            "rename",
            Box::new(|harness| {
                choose_finding(harness, "left kidney");
                let field = harness.get_all_by_role_and_label(Role::TextInput, "Name");
                let field = field.into_iter().next().unwrap();
                field.focus();
                field.type_text("?");
                harness.run_steps(2);
                harness.key_press(Key::Escape);
                harness.run_steps(2);
            }),
        ),
        ("remove", clicked("Remove")),
        (
            "3-D preset",
            commanded(Command::VolumePreset(VolumePreset::CtSoftTissue)),
        ),
        ("link", commanded(Command::LinkZoom)),
        (
            "layout",
            commanded(Command::Layout(StandardLayout::OneAndThree)),
        ),
    ];
    let work = |harness: &Harness<Viewer>| -> Workspace { harness.state().app.workspace.clone() };
    let mut states = vec![work(&harness)];
    for (name, change) in &changes {
        change(&mut harness);
        let label = harness.state().app.history.undo_label().unwrap();
        assert!(label.starts_with(name), "{label} for {name}");
        states.push(work(&harness));
        let [.., before, after] = &states[..] else {
            unreachable!()
        };
        assert_ne!(before, after, "{name} changed nothing");
    }
    for n in (0..changes.len()).rev() {
        let name = changes[n].0;
        harness.get_by_label_contains(&format!("Undo: {name}"));
        harness.key_combination_modifiers(Modifiers::COMMAND, &[Key::Z]);
        harness.run_steps(2);
        assert_eq!(work(&harness), states[n], "after undoing {name}");
    }
    for (n, (name, _)) in changes.iter().enumerate() {
        harness.get_by_label_contains(&format!("Redo: {name}"));
        harness.key_combination_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, &[Key::Z]);
        harness.run_steps(2);
        assert_eq!(work(&harness), states[n + 1], "after redoing {name}");
    }
    harness.run_steps(2);
}

/// A public study beside the project, if it is there.
fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("M3D_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let path = root.join("data").join(path);
    if !path.exists() {
        eprintln!("{} is not there; the test is skipped", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn pet_lies_over_ct_in_colour() {
    let Some(folder) = shared("ibsi_sts008_ct_mr_pet/dicom") else {
        return;
    };
    let mut harness = start(Some(folder), None);
    wait(&mut harness, "the study", |v| v.app.seen_active().is_some());
    let series: Vec<io::Series> = {
        let library = harness.state().app.library.as_ref().unwrap();
        library.series().cloned().collect()
    };
    let of_modality = |code: &str| {
        let mut found = series.iter().filter(|s| s.modality_code == code);
        found.next().unwrap().id()
    };
    let show = |harness: &mut Harness<Viewer>, series, placement| {
        let mut outbox = Outbox::default();
        outbox.push(Effect::Show(series, placement));
        harness.state_mut().app.handle(&mut outbox);
    };
    show(&mut harness, of_modality("CT"), Placement::AllViews);
    wait(&mut harness, "the CT", |v| {
        v.app
            .seen_active()
            .is_some_and(|s| s.record.modality_code == "CT")
    });
    harness.run_steps(3);
    let rect = harness.get_by_label("Axial view").rect().shrink(40.0);
    let coloured = |harness: &mut Harness<Viewer>| {
        let picture = harness.render().unwrap();
        let pixels = picture.enumerate_pixels();
        pixels
            .filter(|(x, y, _)| rect.contains(Pos2::new(*x as f32, *y as f32)))
            .filter(|(_, _, p)| i32::from(p.0[0]) - i32::from(p.0[2]) > 40)
            .count()
    };
    let before = coloured(&mut harness);
    let view = axial(&harness).id;
    show(&mut harness, of_modality("PT"), Placement::Over(view));
    wait(&mut harness, "the PET over it", |v| {
        v.app.seen(view).is_some_and(|s| s.layers().count() == 2)
    });
    harness.run_steps(4);
    let after = coloured(&mut harness);
    assert!(
        after > before + 500,
        "{before} then {after} coloured pixels"
    );
    assert_eq!(axial(&harness).view.kind, AXIAL);
    assert_eq!(harness.state().app.history.undo_label(), Some("lay over"));
}
