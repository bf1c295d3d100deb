//! The real window in tests: opened, waited for, driven.

#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use egui::accesskit::Role;
use egui::{Event, Modifiers, MouseWheelUnit, PointerButton, Pos2, Vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{By, Queryable};
use m3d_imaging::geometry::Orientation;
use m3d_model::demo::write_demo_checkpoint;
use m3d_viewer::app::{Card, ModelStatus, Seen, StartOptions, ViewKind};
use m3d_viewer::ui::Viewer;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The random checkpoint, written once for all tests.
pub fn model() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            write_demo_checkpoint(folder.path(), &root().join("tests/golden/tokenizer")).unwrap();
            folder
        })
        .path()
}

pub fn start(path: Option<PathBuf>, model: Option<&Path>) -> Harness<'static, Viewer> {
    start_with(StartOptions {
        path,
        model: model.map(Into::into),
        models: Vec::new(),
        settings_path: None,
        sessions: None,
    })
}

pub fn start_with(options: StartOptions) -> Harness<'static, Viewer> {
    Harness::builder()
        .with_size(Vec2::new(1280.0, 800.0))
        .with_step_dt(1.0 / 60.0)
        .wgpu()
        .build_eframe(move |cc| Viewer::new(&cc.egui_ctx, cc.wgpu_render_state.as_ref(), options))
}

pub fn sample() -> PathBuf {
    root().join("assets/sample/ct_abdomen")
}

/// Runs frames until `done` holds; work goes on in other threads meanwhile.
pub fn wait(harness: &mut Harness<Viewer>, what: &str, mut done: impl FnMut(&Viewer) -> bool) {
    let begin = Instant::now();
    while !done(harness.state()) {
        assert!(
            begin.elapsed() < Duration::from_mins(2),
            "waited in vain for {what}"
        );
        harness.step();
        std::thread::sleep(Duration::from_millis(10));
    }
    harness.step();
}

pub fn open_sample(model: Option<&Path>) -> Harness<'static, Viewer> {
    let mut harness = start(Some(sample()), model);
    wait(&mut harness, "the sample", |v| {
        v.app.seen_active().is_some()
    });
    harness.run_steps(3);
    harness
}

/// What the active view shows.
pub fn seen<'a>(harness: &'a Harness<Viewer>) -> Seen<'a> {
    harness.state().app.seen_active().unwrap()
}

/// What the view of a kind shows; there must be one on screen.
pub fn seen_as<'a>(harness: &'a Harness<Viewer>, kind: ViewKind) -> Seen<'a> {
    let app = &harness.state().app;
    let mut views = app.workspace.shown_views();
    let found = views.find(|(_, view)| view.kind == kind).unwrap();
    app.seen(found.0).unwrap()
}

/// What the axial view shows.
pub fn axial<'a>(harness: &'a Harness<Viewer>) -> Seen<'a> {
    seen_as(harness, ViewKind::Slice(Orientation::Axial))
}

/// The last question and its answer.
pub fn last_card(harness: &Harness<Viewer>) -> Card {
    let cards = &harness.state().app.workspace.cards;
    cards.last().unwrap().clone()
}

/// Waits for the end of all questions.
pub fn wait_for_answers(harness: &mut Harness<Viewer>) -> Card {
    // The question is asked after the frame that takes the click.
    harness.run_steps(2);
    wait(harness, "the answer", |v| !v.app.is_answering());
    harness.run_steps(3);
    last_card(harness)
}

/// Chooses a finding in the list by its name.
pub fn choose_finding(harness: &mut Harness<Viewer>, name: &str) {
    harness.key_press(egui::Key::F6);
    harness.run_steps(3);
    let row = By::new().role(Role::Button).label_contains(name);
    // Behind what the list of series calls so.
    harness.get_all(row).last().unwrap().click_accesskit();
    harness.run_steps(3);
}

pub fn centre_of(harness: &Harness<Viewer>, view: &str) -> Pos2 {
    harness.get_by_label(view).rect().center()
}

pub fn wheel(harness: &mut Harness<Viewer>, at: Pos2, notches: f32) {
    harness.hover_at(at);
    harness.step();
    harness.event(Event::MouseWheel {
        unit: MouseWheelUnit::Line,
        delta: Vec2::new(0.0, notches),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Unknown,
        modifiers: Modifiers::NONE,
    });
    harness.step();
}

pub fn drag(harness: &mut Harness<Viewer>, button: PointerButton, from: Pos2, to: Pos2) {
    let press = |pos, pressed| Event::PointerButton {
        pos,
        button,
        pressed,
        modifiers: Modifiers::NONE,
    };
    harness.event(Event::PointerMoved(from));
    harness.step();
    harness.event(press(from, true));
    harness.step();
    for n in 1..=4 {
        harness.event(Event::PointerMoved(from.lerp(to, n as f32 / 4.0)));
        harness.step();
    }
    harness.event(press(to, false));
    harness.step();
}

pub fn wait_for_model(harness: &mut Harness<Viewer>) {
    wait(harness, "the model", |v| {
        assert!(!matches!(&v.app.assistant.status, ModelStatus::Failed(_)));
        v.app.assistant.is_ready()
    });
}

pub fn type_question(harness: &mut Harness<Viewer>, text: &str) {
    harness.get_by_label("Question").focus();
    harness.step();
    harness.get_by_label("Question").type_text(text);
    harness.step();
}

/// Moves the pointer to a place and clicks there.
pub fn click(harness: &mut Harness<Viewer>, at: Pos2, button: PointerButton, times: usize) {
    harness.hover_at(at);
    harness.step();
    for pressed in [true, false].repeat(times) {
        harness.event(Event::PointerButton {
            pos: at,
            button,
            pressed,
            modifiers: Modifiers::NONE,
        });
        harness.step();
    }
    harness.run_steps(3);
}
