//! What the built-in models say of phantoms that they never saw, through the program as it is shipped. The bounds lie
//! below what `models/README.md` tells of two hundred phantoms, and far above what guessing would bring.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// Phantoms no training begins with: its seeds are beyond 2^32.
fn phantoms() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let out = folder.path().join("data");
            let made = viewer()
                .args(["data", "phantom", "--count", "40", "--seed", "5000"])
                .arg(&out)
                .output()
                .unwrap();
            assert!(made.status.success(), "{}", told(&made.stderr));
            folder
        })
        .path()
}

fn viewer() -> Command {
    Command::new(env!("CARGO_BIN_EXE_m3d-viewer"))
}

fn told(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Figures of the built-in model over all phantoms.
fn figures(task: &str) -> Value {
    let folder = phantoms();
    let done = viewer()
        .args(["bench", task])
        .arg(folder.join("data"))
        .args(["--split", "all", "--limit", "400", "--json", "--out"])
        .arg(folder.join(task))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", told(&done.stderr));
    let all: Value = serde_json::from_slice(&done.stdout).unwrap();
    println!("{task}: {}", all["summary"]);
    all["summary"].clone()
}

fn at_least(figures: &Value, name: &str, least: f64) {
    let figure = figures[name].as_f64();
    let figure = figure.unwrap_or_else(|| panic!("no {name} in {figures}"));
    assert!(figure >= least, "{name}: {figure} is below {least}");
}

#[test]
fn structures_are_named_found_and_outlined() {
    let named = figures("reg");
    at_least(&named, "name_accuracy", 0.88);
    let found = figures("rec");
    at_least(&found, "iou", 0.55);
    at_least(&found, "refused", 0.9);
    at_least(&figures("seg"), "dice", 0.68);
}

#[test]
fn questions_with_choices_are_answered() {
    let answered = figures("vqa-closed");
    at_least(&answered, "accuracy_plane", 0.9);
    at_least(&answered, "accuracy_organ", 0.85);
    at_least(&answered, "accuracy_location", 0.8);
    at_least(&answered, "accuracy_phase", 0.8);
    at_least(&answered, "accuracy_abnormality", 0.75);
}

#[test]
fn reports_mention_what_is_there() {
    let told = figures("report");
    at_least(&told, "finding_precision", 0.65);
    at_least(&told, "finding_recall", 0.65);
}

#[test]
fn reports_find_their_images() {
    // Among forty: guessing would find a twentieth of them.
    at_least(&figures("retrieval"), "r5", 0.92);
}
