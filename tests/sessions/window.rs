//! The real window: killed, and opened again.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use egui::{Key, PointerButton, Vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use m3d_viewer::app::{Command, StandardLayout, StartOptions, Topic, Workspace};
use m3d_viewer::ui::Viewer;

use crate::harness::{centre_of, drag, model, start_with, wait};
use crate::support::{notices, stays, study};

/// Names the folder of the study and the work of the window that is killed.
const CHILD: &str = "M3D_SESSIONS_WINDOW";

fn window(root: PathBuf, path: Option<PathBuf>) -> Harness<'static, Viewer> {
    start_with(StartOptions {
        path,
        model: Some(model().into()),
        sessions: Some(root),
        ..StartOptions::default()
    })
}

fn opened(folder: &Path) -> Harness<'static, Viewer> {
    let mut harness = window(folder.join("data"), Some(folder.join("study")));
    wait(&mut harness, "the study", |viewer| {
        let app = &viewer.app;
        app.active_study().is_some_and(|study| app.is_kept(study))
    });
    harness.run_steps(3);
    harness
}

fn as_text(workspace: &Workspace) -> String {
    format!("{:?} {:?}", workspace.regions, workspace.layout).replace('\n', " ")
}

/// The window that is killed: a box is drawn and the views are arranged, by hand.
#[test]
fn shows_until_it_is_killed() {
    let Some(folder) = std::env::var_os(CHILD) else {
        return;
    };
    let mut harness = opened(Path::new(&folder));
    harness.key_press(Key::B);
    harness.step();
    let middle = centre_of(&harness, "Axial view");
    let by = Vec2::new(60.0, 45.0);
    drag(
        &mut harness,
        PointerButton::Primary,
        middle - by,
        middle + by,
    );
    harness.key_press(Key::Space);
    harness.run_steps(3);
    let left = as_text(&harness.state().app.workspace);
    assert!(left.contains("corners_mm"), "{left}");
    println!("\nleft {left}");
    std::io::stdout().flush().unwrap();
    loop {
        harness.step();
        std::thread::sleep(Duration::from_millis(16));
    }
}

#[test]
fn a_window_that_is_killed_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    study(folder.path());
    let mut child = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "window::shows_until_it_is_killed", "--nocapture"])
        .env(CHILD, folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let left = lines.find_map(|line| Some(line.unwrap().strip_prefix("left ")?.to_owned()));
    std::thread::sleep(Duration::from_secs(2));
    child.kill().unwrap();
    child.wait().unwrap();

    let mut harness = opened(folder.path());
    let app = &harness.state().app;
    assert_eq!(Some(as_text(&app.workspace)), left);
    assert_eq!(notices(app), [""; 0]);
    let shown = app.workspace.layout.tree.leaves().len();
    assert_ne!(app.workspace.layout.tree, Workspace::default().layout.tree);
    wait(&mut harness, "the pictures", |viewer| {
        viewer.app.seen_active().is_some()
    });
    harness.run_steps(3);
    assert_eq!(harness.state().app.workspace.shown_views().count(), shown);
}

#[test]
fn a_second_window_says_that_it_only_looks() {
    let folder = tempfile::tempdir().unwrap();
    study(folder.path());
    let _first = opened(folder.path());
    let mut second = window(
        folder.path().join("data"),
        Some(folder.path().join("study")),
    );
    wait(&mut second, "the notice", |viewer| {
        let study = viewer.app.active_study();
        study.is_some_and(|study| stays(&viewer.app, &Topic::ReadOnly(study)))
    });
    second.run_steps(2);
    second.get_by_label_contains("open in another window");
    assert!(second.query_by_label("Dismiss").is_none());
    // A box is refused, arranging is not.
    second.key_press(Key::B);
    second.step();
    let middle = centre_of(&second, "Axial view");
    let by = Vec2::new(60.0, 45.0);
    drag(
        &mut second,
        PointerButton::Primary,
        middle - by,
        middle + by,
    );
    assert!(second.state().app.workspace.regions.is_empty());
    second
        .state_mut()
        .app
        .run(Command::Layout(StandardLayout::One));
    second.run_steps(3);
    assert_eq!(second.state().app.workspace.shown_views().count(), 1);
}

#[test]
fn recent_studies_and_questions_are_in_the_menu() {
    let folder = tempfile::tempdir().unwrap();
    study(folder.path());
    drop(opened(folder.path()));
    let mut harness = window(folder.path().join("data"), None);
    harness.run_steps(3);
    harness.get_by_label("Open").click();
    harness.run_steps(3);
    harness.get_by_label_contains("Open recent").click();
    harness.run_steps(3);
    // Also on the start page, below the menu.
    let listed = harness.get_all_by_label_contains("Wilhelmina");
    listed.last().unwrap().click();
    wait(&mut harness, "the study", |viewer| {
        let app = &viewer.app;
        app.active_study().is_some_and(|study| app.is_kept(study))
    });
    harness.run_steps(3);
    let study = harness.state().app.active_study().unwrap();
    harness.get_by_label("Open").click();
    harness.run_steps(3);
    harness.get_by_label_contains("Forget this study").click();
    harness.run_steps(3);
    assert!(harness.state().app.is_kept(study), "it is asked for first");
    harness.get_by_label("Forget the study").click();
    harness.run_steps(3);
    wait(&mut harness, "the list", |viewer| {
        viewer.app.recent_studies().is_empty()
    });
    assert!(!harness.state().app.is_kept(study));
}
