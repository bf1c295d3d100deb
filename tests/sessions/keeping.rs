//! What is done comes back.

use std::time::Duration;

use glam::DVec3;
use m3d_assistant::inference::Task;
use m3d_assistant::plan::StepKind;
use m3d_assistant::reply::Outcome;
use m3d_imaging::volume::Window;
use m3d_viewer::app::{
    Card, CardCaution, CardState, CardStep, Command, Edit, Effect, Frame, Links, Opening, Origin,
    Provenance, Shape, Topic,
};

use crate::support::*;

fn card(app: &m3d_viewer::app::Application, state: CardState) -> Card {
    let image = record(app).identity;
    let finding = app.workspace.findings[0].id;
    Card {
        plan: vec![CardStep {
            kind: StepKind::Segment,
            subject: Some("liver".into()),
            outcome: Some(Outcome::Answered),
        }],
        read_as: Some("liver".into()),
        outcome: Some(Outcome::Unusable),
        cautions: vec![CardCaution {
            code: "domain_region".into(),
            message: "no trunk".into(),
        }],
        prompt: "prompt".into(),
        text: "Sure, it is [SEG].".into(),
        state,
        findings: vec![finding],
        made_from: Some(Provenance {
            raw_text: "raw".into(),
            model_name: "small".into(),
            model_fingerprint: "abc".into(),
            model_licence: None,
            program_version: "0".into(),
            max_tokens: 100,
            temperature: 0.1,
            seed: u64::MAX,
            window: Window::new(-600.0, 1500.0),
            token_count: 3,
            timings_ms: vec![("prepare".into(), 1.0 / 3.0)],
            mask_voxel_mm: Some(DVec3::new(0.1, 0.2, 0.3)),
        }),
        ..Card::asked(
            image,
            0,
            Window::new(40.0, 400.5),
            "Where is the \"liver\"?\n\u{1F600}".into(),
            Some(Task::Seg),
        )
    }
}

/// Something of everything.
fn work(app: &mut m3d_viewer::app::Application) {
    let record = record(app);
    let image = &record.identity.key;
    let mut locked = mask_of(&record, "cyst, 3 mm");
    (locked.locked, locked.visible) = (true, false);
    locked.note = "see \u{e4}lso the \\ other one".into();
    let mut boxed = finding(image, "box", Shape::Box(patient_box(&record, 31.7)));
    boxed.source = Origin::File {
        name: "mask.nii.gz".into(),
        drawn_by: String::new(),
    };
    for edit in [
        Edit::add(mask_of(&record, "liver")),
        Edit::add(boxed),
        Edit::add(locked),
    ] {
        step(app, edit);
    }
    let region = Some(patient_box(&record, 0.1 + 0.2));
    let (image, frame) = (image.clone(), record.frame());
    step(app, Edit::Region { image, region });
    assert!(matches!(frame, Frame::Shared { .. }));
    let point_mm = Some(record.grid.centre_mm() + DVec3::new(0.1, 1.0 / 3.0, -7.7));
    act(
        app,
        [
            Effect::Edit(
                Edit::Cursor {
                    frame: frame.clone(),
                    point_mm,
                },
                None,
            ),
            Effect::Edit(Edit::Anchor { frame, point_mm }, None),
            Effect::Run(Command::Layout(
                m3d_viewer::app::StandardLayout::OneAndThree,
            )),
            Effect::Run(Command::Invert),
            Effect::Edit(
                Edit::Links(Links {
                    zoom: true,
                    window: false,
                }),
                None,
            ),
        ],
    );
    let view = app.active_view();
    let mut look = app.workspace.views[&view].look;
    (look.zoom, look.pan_mm.x) = (1.1_f64.powi(7), -1.0 / 3.0);
    act(app, [Effect::Edit(Edit::Look { id: view, look }, None)]);
    let mut display = app.workspace.display;
    display.mask_opacity = 0.7;
    act(app, [Effect::Edit(Edit::Display(display), None)]);
    let done = card(app, CardState::Done);
    let failed = card(app, CardState::Failed("no memory".into()));
    act(
        app,
        [done, failed].map(|card| Effect::Edit(Edit::card(card), None)),
    );
}

#[test]
fn a_study_comes_back_as_it_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let (root, study) = (folder.path().join("data"), study(folder.path()));
    let mut app = open(&root, &study);
    work(&mut app);
    let (left, view) = (app.workspace.clone(), app.active_view());
    // Closing the window saves what is pending, without another frame.
    drop(app);

    let mut app = start(&root, Some(&study));
    wait(&mut app, "the work", |app| !app.workspace.cards.is_empty());
    assert_eq!(app.workspace, left);
    assert_eq!(app.active_view(), view);
    assert_eq!(app.history.undo_label(), None);
    assert_eq!(notices(&app), [""; 0]);
    // Nothing was lost by opening it, and nothing more is brought when it goes on.
    wait(&mut app, "the images", |app| app.seen_active().is_some());
    drop(app);
    let mut app = start(&root, Some(&study));
    wait(&mut app, "the work", |app| app.workspace == left);
}

#[test]
fn files_have_names_without_a_patient_and_only_the_user_reads_them() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (root, study) = (folder.path().join("data"), study(folder.path()));
    let mut app = open(&root, &study);
    work(&mut app);
    drop(app);
    let found = everything(&root);
    assert!(
        found.iter().any(|p| p.ends_with("recent.json")),
        "{found:?}"
    );
    assert_eq!(
        found
            .iter()
            .filter(|p| p.extension().is_some_and(|e| e == "mask"))
            .count(),
        1
    );
    for path in found {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, wanted, "{}", path.display());
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        for word in IDENTITY {
            assert!(!name.contains(word), "{name}");
        }
        assert!(!name.contains(".part"), "{name}");
    }
}

#[test]
fn a_change_is_on_disk_within_two_seconds_without_another_frame() {
    let folder = tempfile::tempdir().unwrap();
    let (root, study) = (folder.path().join("data"), study(folder.path()));
    let mut app = open(&root, &study);
    let record = record(&app);
    step(&mut app, Edit::add(mask_of(&record, "seen once")));
    app.update();
    let file = session_folder(&root).join("session.json");
    let took = wait_for_text(&file, "seen once");
    assert!(took < Duration::from_secs(2), "{took:?}");
    // While changes go on it does not wait for a pause.
    let begin = std::time::Instant::now();
    let mut n = 0;
    while begin.elapsed() < Duration::from_secs(3) {
        let mut finding = app.workspace.findings[0].clone();
        finding.name = format!("edit {n}");
        step(&mut app, Edit::add(finding));
        app.update();
        n += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
    let saved = std::fs::read_to_string(file).unwrap();
    let at = (0..n)
        .rev()
        .find(|n| saved.contains(&format!("\"edit {n}\"")))
        .unwrap();
    assert!(n - at < 2000 / 20, "edit {at} of {n} was saved");
}

#[test]
fn masks_that_are_gone_leave_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (root, study) = (folder.path().join("data"), study(folder.path()));
    let mut app = open(&root, &study);
    let record = record(&app);
    let (a, mut b) = (mask_of(&record, "a"), mask_of(&record, "b"));
    let other = ball(&record, glam::UVec3::new(100, 100, 3), 5.0);
    b.shape = Shape::Mask(std::sync::Arc::new(other));
    let gone = b.id;
    step(&mut app, Edit::add(a));
    step(&mut app, Edit::add(b));
    app.update();
    let folder = session_folder(&root);
    wait_for_text(&folder.join("session.json"), "\"b\"");
    let masks = || std::fs::read_dir(folder.join("masks")).unwrap().count();
    assert_eq!(masks(), 2);
    step(&mut app, Edit::remove(gone));
    drop(app);
    assert_eq!(masks(), 1);
}

#[test]
fn an_answer_that_was_still_to_come_says_that_it_will_not() {
    let folder = tempfile::tempdir().unwrap();
    let (root, study) = (folder.path().join("data"), study(folder.path()));
    let mut app = open(&root, &study);
    let record = record(&app);
    step(&mut app, Edit::add(mask_of(&record, "a")));
    let open_card = card(&app, CardState::Answering);
    act(&mut app, [Effect::Edit(Edit::card(open_card), None)]);
    drop(app);
    let mut app = start(&root, Some(&study));
    wait(&mut app, "the card", |app| !app.workspace.cards.is_empty());
    let state = &app.workspace.cards[0].state;
    assert!(
        matches!(state, CardState::Failed(why) if why.contains("Ask again")),
        "{state:?}"
    );
}

#[test]
fn a_second_window_looks_and_does_not_touch() {
    let folder = tempfile::tempdir().unwrap();
    let (root, study) = (folder.path().join("data"), study(folder.path()));
    let mut first = open(&root, &study);
    let record = record(&first);
    step(&mut first, Edit::add(mask_of(&record, "of the first")));
    first.update();
    let file = session_folder(&root).join("session.json");
    wait_for_text(&file, "of the first");

    let mut second = start(&root, Some(&study));
    wait(&mut second, "the notice", |app| {
        app.active_study()
            .is_some_and(|study| app.read_only(study).is_some())
    });
    let topic = Topic::ReadOnly(active(&second));
    assert!(stays(&second, &topic));
    assert_eq!(second.workspace.findings.len(), 1, "the work is shown");
    step(&mut second, Edit::add(mask_of(&record, "of the second")));
    assert_eq!(second.workspace.findings.len(), 1);
    assert_eq!(second.history.undo_label(), None);
    let image = record.identity.key.clone();
    let region = Some(patient_box(&record, 3.0));
    step(&mut second, Edit::Region { image, region });
    second.ask("What is it?", None);
    assert!(second.workspace.regions.is_empty() && second.workspace.cards.is_empty());
    // Looking stays possible, and the notice cannot be clicked away.
    act(
        &mut second,
        [Effect::Run(Command::Invert), Effect::Dismiss(0)],
    );
    assert!(second.seen_active().unwrap().layer.invert);
    assert!(stays(&second, &topic));
    let before = std::fs::read(&file).unwrap();
    drop(second);
    assert_eq!(std::fs::read(&file).unwrap(), before);

    // Once the first has closed, it can be opened again to be changed.
    let mut second = start(&root, Some(&study));
    wait(&mut second, "the notice", |app| stays(app, &topic));
    let gone = first.workspace.findings[0].id;
    step(&mut first, Edit::remove(gone));
    step(&mut first, Edit::add(mask_of(&record, "at last")));
    drop(first);
    act(
        &mut second,
        [Effect::Open(vec![study.clone()], Opening::Instead)],
    );
    wait(&mut second, "the study", |app| {
        app.active_study().is_some_and(|study| app.is_kept(study))
    });
    assert!(!stays(&second, &topic));
    let names: Vec<&str> = second
        .workspace
        .findings
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(names, ["at last"]);
    step(&mut second, Edit::add(mask_of(&record, "of the second")));
    assert_eq!(second.workspace.findings.len(), 2);
}

#[test]
fn work_on_two_studies_is_kept_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (root, dicom) = (folder.path().join("data"), study(folder.path()));
    let file = folder.path().join("scan.nii.gz");
    as_file(&dicom, &file);

    let mut app = open(&root, &dicom);
    let a = active(&app);
    let first = record(&app);
    step(&mut app, Edit::add(mask_of(&first, "in DICOM")));
    act(
        &mut app,
        [Effect::Open(vec![file.clone()], Opening::Instead)],
    );
    wait(&mut app, "the file", |app| {
        app.active_study()
            .is_some_and(|study| study != a && app.is_kept(study))
    });
    let second = record(&app);
    step(&mut app, Edit::add(mask_of(&second, "in NIfTI")));
    step(&mut app, Edit::add(mask_of(&first, "in DICOM, later")));
    drop(app);
    for (path, wanted) in [
        (&dicom, &["in DICOM", "in DICOM, later"][..]),
        (&file, &["in NIfTI"]),
    ] {
        let mut app = open(&root, path);
        wait(&mut app, "the work", |app| {
            !app.workspace.findings.is_empty()
        });
        let names: Vec<&str> = app
            .workspace
            .findings
            .iter()
            .map(|f| f.name.as_str())
            .collect();
        assert_eq!(names, wanted);
        assert_eq!(app.seen_active().unwrap().findings().count(), wanted.len());
    }
}
