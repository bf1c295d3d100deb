//! What was drawn and corrected becomes data to train with.

use std::path::Path;
use std::process::Command as Process;
use std::sync::Arc;

use glam::{DVec3, UVec3};
use m3d_imaging::io::{self, Progress};
use m3d_imaging::volume::edit::ValueRange;
use m3d_imaging::volume::{Mask, Paint, Window};
use m3d_model::BuiltIn;
use m3d_viewer::app::{
    Application, Card, CardState, CollectError, CollectOptions, Command, Draft, Edit, Effect,
    Finding, MaskAct, MaskOperation, MaskPlace, Origin, Provenance, Shape, StartOptions, Status,
    Step, collect,
};

use crate::support::*;

fn answered(app: &mut Application, model: &str) -> Origin {
    let card = Card {
        state: CardState::Done,
        made_from: Some(Provenance {
            raw_text: String::new(),
            model_name: model.into(),
            model_fingerprint: format!("{model} 1"),
            model_licence: None,
            program_version: "0".into(),
            max_tokens: 1,
            temperature: 0.0,
            seed: 0,
            window: Window::new(40.0, 400.0),
            token_count: 1,
            timings_ms: Vec::new(),
            mask_voxel_mm: None,
        }),
        ..Card::asked(
            record(app).identity,
            0,
            Window::new(40.0, 400.0),
            "?".into(),
            None,
        )
    };
    let id = card.id;
    step(app, Edit::card(card));
    Origin::Model(id)
}

/// Adds a ball as a finding.
fn add(app: &mut Application, name: &str, source: Origin, centre: UVec3) -> Finding {
    let record = record(app);
    let mask = Arc::new(ball(&record, centre, 15.0));
    let mut finding = finding(&record.identity.key, name, Shape::Mask(mask));
    finding.source = source;
    step(app, Edit::add(finding.clone()));
    finding
}

/// Paints a dab into a finding, as a reader does.
fn correct(app: &mut Application, finding: &Finding, centre: UVec3) {
    let record = record(app);
    let point = record
        .grid
        .patient_from_voxel()
        .transform_point3(centre.as_dvec3());
    let place = MaskPlace {
        image: record.identity.key.clone(),
        time: 0,
        slice: (2, centre.z),
    };
    let stroke = MaskAct::Stroke {
        place,
        ends_mm: [point, point + DVec3::X],
        paint: Paint::Add,
        group: Step::group(),
    };
    let effects = [
        Effect::Select(vec![finding.id]),
        Effect::Mask(stroke),
        Effect::Mask(MaskAct::Rest),
    ];
    act(app, effects);
}

fn saved(mut app: Application) {
    app.update();
    drop(app);
}

fn judge(app: &mut Application, finding: Finding, status: Status) {
    let judged = Finding {
        status: Some(status),
        ..finding
    };
    step(app, Edit::add(judged));
}

/// What the model of the correction is adapted with.
const ADAPT: &str = r#"
    out = "model"
    base = "small"
    seed = 1
    [data]
    folder = "prepared"
    [[stages]]
    stage = "segmentation"
    steps = 60
    volumes = 1
    masks = 1
    rate = 2e-4
    warm_up = 0.1
"#;

#[test]
fn masks_go_with_their_source_and_licence() {
    let folder = tempfile::tempdir().unwrap();
    let study = study(folder.path());
    let root = folder.path().join("work");
    let mut app = open(&root, &study);
    let image = record(&app);
    add(&mut app, " Hepar ", Origin::Reader, UVec3::new(200, 200, 9));
    let ours = answered(&mut app, "small");
    let theirs = answered(&mut app, "somebody's own");
    let spleen = add(&mut app, "spleen", ours.clone(), UVec3::new(300, 300, 9));
    correct(&mut app, &spleen, UVec3::new(320, 300, 9));
    add(&mut app, "pancreas", ours.clone(), UVec3::new(250, 250, 9));
    let rejected = add(&mut app, "aorta", Origin::Reader, UVec3::new(150, 250, 9));
    judge(&mut app, rejected, Status::Rejected);
    let accepted = add(&mut app, "stomach", ours, UVec3::new(150, 200, 9));
    judge(&mut app, accepted, Status::Accepted);
    let kidney = add(&mut app, "left kidney", theirs, UVec3::new(330, 250, 9));
    correct(&mut app, &kidney, UVec3::new(340, 250, 9));
    let corrected = app.workspace.finding(spleen.id).unwrap().clone();
    assert!(corrected.corrected);
    saved(app);

    let out = folder.path().join("out");
    let options = CollectOptions::default();
    let found = collect(&root, &out, &options, &Progress::silent()).unwrap();
    assert_eq!((found.cases, found.masks), (1, 3));
    assert_eq!(found.labels, ["liver", "spleen", "stomach"]);
    let left: Vec<&str> = found
        .left_out
        .iter()
        .map(|left| left.name.as_str())
        .collect();
    assert_eq!(left, ["pancreas", "aorta", "left kidney"]);
    assert!(found.left_out[2].reason.contains("--any-licence"));
    // No name, number or date of the patient.
    let text = std::fs::read_to_string(out.join("sources.json")).unwrap();
    let names: Vec<String> = everything(&out)
        .iter()
        .map(|p| p.display().to_string())
        .collect();
    for word in IDENTITY {
        assert!(!text.contains(word), "{word}");
        let inside = |name: &String| {
            name.trim_start_matches(&out.display().to_string())
                .contains(word)
        };
        assert!(!names.iter().any(inside), "{word}");
    }
    let sources: serde_json::Value = serde_json::from_str(&text).unwrap();
    let masks = sources["cases"][0]["masks"].as_array().unwrap();
    assert_eq!(masks[0]["drawn_by"], "reader");
    let spleen = &masks[1];
    assert_eq!(
        (&spleen["model"], &spleen["corrected"]),
        (&"small".into(), &true.into())
    );
    assert_eq!(spleen["licence"], "MIT OR Apache-2.0");

    // The voxels are those that were drawn.
    let case = sources["cases"][0]["case"].as_str().unwrap();
    let labels = scan(&out.join(format!("labelsTr/{case}.nii.gz")));
    let voxels = |label: f32| Mask::from_fn(image.grid, |v| labels.value(v) == Some(label)).count();
    assert_eq!(voxels(2.0), corrected.mask().unwrap().count());
    assert!(voxels(1.0) > 100);

    // All of it, where that is asked for.
    let all = CollectOptions {
        untouched: true,
        any_licence: true,
        ..CollectOptions::default()
    };
    let more = folder.path().join("all");
    let found = collect(&root, &more, &all, &Progress::silent()).unwrap();
    assert_eq!(
        found.labels,
        ["left kidney", "liver", "pancreas", "spleen", "stomach"]
    );
    assert_eq!(found.left_out.len(), 1);

    // And on to the layout that is trained with.
    let prepared = folder.path().join("prepared");
    let report = viewer(
        &["data", "prepare"],
        &[&out, &prepared],
        &["--size", "8,32,32", "--json"],
    );
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["prepared"], 1, "{report}");
    assert_eq!(report["refused"], serde_json::json!([]), "{report}");

    // Where something is already nothing is written, and what is no session is told.
    let again = collect(&root, &out, &options, &Progress::silent()).unwrap_err();
    assert!(matches!(again, CollectError::NotEmpty(_)));
    let new = folder.path().join("new");
    let none = collect(&study, &new, &options, &Progress::silent()).unwrap_err();
    assert!(matches!(none, CollectError::NoSessions(_)), "{none}");
    // An image that is gone is told.
    std::fs::rename(&study, folder.path().join("elsewhere")).unwrap();
    let gone = collect(&root, &new, &options, &Progress::silent()).unwrap_err();
    assert!(gone.to_string().contains("--images"), "{gone}");
    let options = CollectOptions {
        images: vec![folder.path().join("elsewhere")],
        ..options
    };
    let found = collect(&root, &new, &options, &Progress::silent()).unwrap();
    assert_eq!(found.masks, 3);
}

fn scan(path: &Path) -> m3d_imaging::volume::Volume {
    let library = io::scan(path, &Progress::silent()).unwrap();
    io::load(library.first_series().unwrap(), &Progress::silent()).unwrap()
}

/// Runs the program; what it printed.
fn viewer(command: &[&str], paths: &[&Path], more: &[&str]) -> Vec<u8> {
    let mut program = Process::new(env!("CARGO_BIN_EXE_m3d-viewer"));
    let output = program
        .args(command)
        .args(paths)
        .args(more)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    eprint!("{errors}");
    output.stdout
}

/// The built-in model draws the liver of the sample, a reader corrects it, and the model learns from that: the whole way
/// from a session to an adapted model. It is measured on the image that it was taught on.
#[test]
#[ignore = "takes minutes: it trains"]
fn corrections_adapt_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let study = study(folder.path());
    let root = folder.path().join("work");
    let options = StartOptions {
        path: Some(study),
        model: Some(BuiltIn::Small.into()),
        sessions: Some(root.clone()),
        ..StartOptions::default()
    };
    let mut app = Application::new(options, &(Arc::new(|| {}) as _), None);
    wait(&mut app, "study and model", |app| {
        let study = app.active_study();
        study.is_some_and(|study| app.is_kept(study)) && app.assistant.is_ready()
    });
    let draft = Draft {
        text: "segment the liver".into(),
        ..Draft::default()
    };
    act(&mut app, [Effect::Draft(draft), Effect::Run(Command::Ask)]);
    wait(&mut app, "the mask", |app| {
        !app.is_answering() && app.workspace.findings.iter().any(|f| f.mask().is_some())
    });
    let drawn = app.workspace.findings[0].clone();
    let before = Mask::clone(drawn.mask().unwrap());

    // The correction: what the click on the liver gives within the model's mask grown by 8 mm, smoothed.
    act(&mut app, [Effect::Select(vec![drawn.id])]);
    let image = record(&app);
    let operate = |app: &mut Application, operation| {
        act(app, [Effect::Run(Command::Mask(operation))]);
        wait(app, "the operation", |app| app.jobs.iter().next().is_none());
    };
    let mut settings = app.masks.settings;
    (settings.move_mm, settings.smooth_mm) = (8.0, 3.0);
    act(&mut app, [Effect::Mask(MaskAct::Settings(settings))]);
    operate(&mut app, MaskOperation::Grow);
    // Everything that is no soft tissue of the liver's values goes.
    let range = ValueRange::new(70.0, 180.0);
    let volume = Arc::clone(app.seen_active().unwrap().volume());
    let grown = Mask::clone(app.workspace.finding(drawn.id).unwrap().mask().unwrap());
    let blurred = Mask::from_fn(image.grid, |v| {
        grown.contains(v) && volume.value(v).is_some_and(|value| range.contains(value))
    });
    let patch = Box::new(grown.patch_to(&blurred));
    step(
        &mut app,
        Edit::Paint {
            id: drawn.id,
            patch,
        },
    );
    for operation in [
        MaskOperation::Smooth,
        MaskOperation::KeepLargest,
        MaskOperation::FillHoles,
    ] {
        operate(&mut app, operation);
    }
    let after = Mask::clone(app.workspace.finding(drawn.id).unwrap().mask().unwrap());
    eprintln!(
        "drawn {:.0} mL, corrected {:.0} mL, Dice of the two {:.3}",
        before.volume_ml(),
        after.volume_ml(),
        before.dice(&after)
    );
    saved(app);

    let [data, prepared, model] =
        ["data", "prepared", "model"].map(|name| folder.path().join(name));
    viewer(&["data", "collect"], &[&root, &data], &[]);
    viewer(
        &["data", "prepare"],
        &[&data, &prepared],
        &["--size", "32,64,64", "--test-share", "0"],
    );
    let config = folder.path().join("adapt.toml");
    std::fs::write(&config, ADAPT).unwrap();
    let measured = |model: &str| {
        let more = ["--model", model, "--split", "all", "--json"];
        let told = viewer(&["bench", "seg"], &[&prepared], &more);
        eprintln!("{}", String::from_utf8_lossy(&told));
        serde_json::from_slice::<serde_json::Value>(&told).unwrap()
    };
    let first = measured("small");
    viewer(&["train"], &[&config], &[]);
    let adapted = model.join("model");
    let second = measured(adapted.to_str().unwrap());
    let dice = |told: &serde_json::Value| told["summary"]["dice"].as_f64().unwrap();
    let [first, second] = [dice(&first), dice(&second)];
    eprintln!("Dice with the correction: {first:.3} before, {second:.3} after");
    assert!(second > first + 0.01);
}
