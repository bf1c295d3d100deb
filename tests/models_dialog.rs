//! The Models dialog in the real window: using, verifying, fetching and cancelling.

#[path = "../crates/assistant/tests/model_fetch/server.rs"]
#[allow(dead_code)]
mod server;

use std::path::Path;
use std::time::{Duration, Instant};

use egui::Vec2;
use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use m3d_assistant::hub::{BuiltIn, FetchRecord, HubOptions, LocalModel, ModelFolder};
use m3d_model::write_demo_checkpoint;
use m3d_viewer::app::{ModelStatus, StartOptions};
use m3d_viewer::ui::Viewer;
use server::{Faults, Server};

const CLIP: &str = "GoodBaiBai88/M3D-CLIP";

/// A window that looks for models in `folder` alone and fetches there, with the built-in model in use.
fn start(folder: &Path, hub: Option<&Server>) -> Harness<'static, Viewer> {
    let folders = vec![folder.to_owned()];
    let mut harness = Harness::builder()
        .with_size(Vec2::new(1280.0, 900.0))
        .with_step_dt(1.0 / 60.0)
        .wgpu()
        .build_eframe(move |cc| {
            let options = StartOptions::default();
            Viewer::new(&cc.egui_ctx, cc.wgpu_render_state.as_ref(), options)
        });
    let models = &mut harness.state_mut().app.models;
    models.folders.clone_from(&folders);
    models.target = Some(folder.to_owned());
    models.hub = HubOptions {
        endpoint: hub.map_or_else(|| "http://127.0.0.1:1".into(), |hub| hub.endpoint.clone()),
        patience: Duration::from_secs(2),
        pauses: vec![Duration::from_millis(20)],
        ..HubOptions::default()
    };
    wait(&mut harness, "the built-in model", |v| {
        v.app.assistant.is_ready()
    });
    harness
}

fn wait(harness: &mut Harness<Viewer>, what: &str, mut done: impl FnMut(&Viewer) -> bool) {
    let begin = Instant::now();
    while !done(harness.state()) {
        assert!(
            begin.elapsed() < Duration::from_mins(1),
            "waited in vain for {what}"
        );
        harness.step();
        std::thread::sleep(Duration::from_millis(10));
    }
    harness.run_steps(3);
}

fn open(harness: &mut Harness<Viewer>) {
    harness.get_by_label("Models…").click();
    harness.step();
    wait(harness, "the list", |v| v.app.models.found.is_some());
    // The dialog grows around its middle.
    harness.run_steps(10);
}

/// The `n`-th of the `of` buttons with this label, from the top.
fn nth_button<'a>(
    harness: &'a Harness<Viewer>,
    label: &'a str,
    n: usize,
    of: usize,
) -> egui_kittest::Node<'a> {
    let buttons = harness.get_all_by_role_and_label(Role::Button, label);
    let mut buttons: Vec<_> = buttons.into_iter().collect();
    assert_eq!(buttons.len(), of, "{label}");
    buttons.remove(n)
}

fn press_nth(harness: &mut Harness<Viewer>, label: &str, n: usize, of: usize) {
    nth_button(harness, label, n, of).scroll_to_me();
    harness.run_steps(4);
    nth_button(harness, label, n, of).click();
    harness.run_steps(4);
}

fn press(harness: &mut Harness<Viewer>, label: &str) {
    press_nth(harness, label, 0, 1);
}

/// The last button of its kind: of the model in the folder, which stands after those that are built in.
fn press_last(harness: &mut Harness<Viewer>, label: &str) {
    let all = harness.get_all_by_role_and_label(Role::Button, label);
    let all = all.into_iter().count();
    press_nth(harness, label, all - 1, all);
}

/// The button of M3D-CLIP, the last published model.
fn press_last_fetch(harness: &mut Harness<Viewer>) {
    press_last(harness, "Fetch…");
}

/// The folder of the model in use.
fn in_use(viewer: &Viewer) -> Option<&ModelFolder> {
    match &viewer.app.assistant.status {
        ModelStatus::Ready(facts) => Some(&facts.folder),
        _ => None,
    }
}

/// The models that were found on disk.
fn on_disk(viewer: &Viewer) -> impl Iterator<Item = &LocalModel> {
    let found = viewer.app.models.found.iter().flatten();
    found.filter(|model| model.folder.on_disk().is_some())
}

fn demo(folder: &Path) {
    let tokenizer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tokenizer");
    write_demo_checkpoint(&folder.join("random"), &tokenizer).unwrap();
}

fn clip_files() -> Vec<(&'static str, Vec<u8>)> {
    let data = vec![0; 400_000];
    let shape = vec![100_000];
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, &data).unwrap();
    vec![
        ("config.json", b"{\"model_type\": \"m3d_clip\"}".to_vec()),
        ("vocab.txt", b"[PAD]\n".to_vec()),
        (
            "model.safetensors",
            safetensors::serialize([("x", view)], None).unwrap(),
        ),
    ]
}

#[test]
fn a_local_model_is_listed_verified_used_and_unloaded() {
    let folder = tempfile::tempdir().unwrap();
    demo(folder.path());
    let mut harness = start(folder.path(), None);
    open(&mut harness);
    harness.get_by_label_contains("Random weights");
    harness.get_by_label(folder.path().join("random").to_str().unwrap());
    press_last(&mut harness, "Verify");
    wait(&mut harness, "the verdict", |v| {
        v.app.models.verified.is_some()
    });
    harness.get_by_label_contains("Whole and sound");
    press_last(&mut harness, "Use");
    let random = ModelFolder::from(folder.path().join("random"));
    wait(&mut harness, "the model", |v| {
        assert!(!matches!(v.app.assistant.status, ModelStatus::Failed(_)));
        in_use(v) == Some(&random)
    });
    harness.get_by_label("in use");
    press(&mut harness, "Unload model");
    wait(&mut harness, "the memory", |v| {
        matches!(v.app.assistant.status, ModelStatus::Absent)
    });
    assert!(harness.query_by_label("in use").is_none());
    // The dialog goes on showing the models.
    harness.get_by_label("Look again");
}

#[test]
fn a_damaged_model_cannot_be_used_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    demo(folder.path());
    let weights = folder.path().join("random/model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    let mut harness = start(folder.path(), None);
    open(&mut harness);
    harness.get_by_label_contains("Incomplete: model.safetensors (damaged)");
    press_last(&mut harness, "Use");
    let built_in = ModelFolder::from(BuiltIn::Small);
    assert_eq!(in_use(harness.state()), Some(&built_in));
}

#[test]
fn the_built_in_models_are_listed_say_what_they_are_and_can_be_verified() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = start(folder.path(), None);
    open(&mut harness);
    assert_eq!(
        harness
            .get_all_by_label_contains("Built in. A small")
            .count(),
        2
    );
    harness.get_by_label("small-clip");
    harness.get_by_label("in use");
    assert!(harness.query_by_label("Copy folder path").is_none());
    for (n, model) in BuiltIn::ALL.into_iter().enumerate() {
        press_nth(&mut harness, "Verify", n, 2);
        wait(&mut harness, "the verdict", |v| {
            let verified = v.app.models.verified.as_ref();
            verified.is_some_and(|(folder, _)| folder.built_in() == Some(model))
        });
        harness.get_by_label_contains("Whole and sound");
    }
    press(&mut harness, "Unload model");
    wait(&mut harness, "the memory", |v| in_use(v).is_none());
    // Of the one that answers; the other's is disabled.
    press_nth(&mut harness, "Use", 0, 2);
    wait(&mut harness, "the model", |v| v.app.assistant.is_ready());
    harness.get_by_label("in use");
}

#[test]
fn a_model_is_fetched_only_after_its_licence_was_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Server::of(CLIP, &clip_files(), Faults::default());
    let mut harness = start(folder.path(), Some(&hub));
    open(&mut harness);
    assert_eq!(on_disk(harness.state()).count(), 0);
    press_last_fetch(&mut harness);
    // The licence, the size and the place are told; nothing has been asked of the hub.
    harness.get_by_label_contains("BERT base, which it is built on: Apache-2.0");
    harness.get_by_label_contains("792 MB will be downloaded to");
    assert!(hub.requests("main?blobs=true").is_empty());
    press(&mut harness, "Not now");
    press_last_fetch(&mut harness);
    press(&mut harness, "Accept the licence and fetch");
    wait(&mut harness, "the model", |v| {
        on_disk(v).filter(|model| model.is_complete()).count() == 1
    });
    let there = folder.path().join("GoodBaiBai88--M3D-CLIP");
    assert_eq!(FetchRecord::read(&there).unwrap().files.len(), 3);
    harness.get_by_label("It is on this machine.");
}

#[test]
fn a_fetch_can_be_cancelled_and_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Server::of(
        CLIP,
        &clip_files(),
        Faults {
            stall_after: Some(100_000),
            ..Faults::default()
        },
    );
    let mut harness = start(folder.path(), Some(&hub));
    open(&mut harness);
    press_last_fetch(&mut harness);
    press(&mut harness, "Accept the licence and fetch");
    wait(&mut harness, "the weights", |_| {
        !hub.requests("model.safetensors").is_empty()
    });
    // One button in the dialog, one in the status bar.
    harness.get_all_by_label("Cancel").next().unwrap().click();
    wait(&mut harness, "the end", |v| !v.app.models.is_fetching());
    wait(&mut harness, "what is left", |v| {
        on_disk(v).any(|model| !model.is_complete())
    });
    assert_eq!(harness.state().app.models.failed, None);
    harness.get_by_label_contains("have come");
    hub.set(Faults::default());
    press_last_fetch(&mut harness);
    press(&mut harness, "Accept the licence and fetch");
    wait(&mut harness, "the model", |v| {
        on_disk(v).any(LocalModel::is_complete)
    });
    let ranges = hub.requests("model.safetensors");
    assert!(ranges.last().unwrap().header("range").is_some());
}

#[test]
fn a_hub_that_is_not_there_is_told_in_the_dialog() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = start(folder.path(), None);
    open(&mut harness);
    press_last_fetch(&mut harness);
    press(&mut harness, "Accept the licence and fetch");
    wait(&mut harness, "the error", |v| v.app.models.failed.is_some());
    harness.get_by_label_contains("http://127.0.0.1:1 cannot be reached");
}

/// A picture for people to look at: `M3D_PICTURES=FOLDER cargo test --test models_dialog -- --ignored`.
#[test]
#[ignore = "draws a picture for people"]
fn a_picture_of_the_dialog() {
    let folder = tempfile::tempdir().unwrap();
    demo(folder.path());
    let mut harness = start(folder.path(), None);
    open(&mut harness);
    press_last(&mut harness, "Use");
    wait(&mut harness, "the model", |v| {
        in_use(v).is_some_and(|folder| folder.on_disk().is_some())
    });
    press_last(&mut harness, "Verify");
    wait(&mut harness, "the verdict", |v| {
        v.app.models.verified.is_some()
    });
    harness.remove_cursor();
    let out = std::env::var_os("M3D_PICTURES").unwrap_or_else(|| "out".into());
    std::fs::create_dir_all(&out).unwrap();
    let out = Path::new(&out);
    harness
        .render()
        .unwrap()
        .save(out.join("models.png"))
        .unwrap();
    press_last_fetch(&mut harness);
    harness.remove_cursor();
    harness
        .render()
        .unwrap()
        .save(out.join("models-licence.png"))
        .unwrap();
    harness.set_size(Vec2::new(900.0, 520.0));
    harness.run_steps(4);
    harness
        .render()
        .unwrap()
        .save(out.join("models-small.png"))
        .unwrap();
}
