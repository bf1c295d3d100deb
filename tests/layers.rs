//! The layers point down: no source file uses a layer that stands above its own or beside it.

use std::fs;
use std::path::{Path, PathBuf};

/// Each layer with all it may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("geometry", &[]),
    ("volume", &["geometry"]),
    ("model", &[]),
    ("wording", &[]),
    ("hub", &["model"]),
    ("io", &["volume", "geometry"]),
    ("render", &["volume", "geometry"]),
    ("inference", &["model", "wording", "volume", "geometry"]),
    ("dataset", &["io", "wording", "volume", "geometry"]),
    (
        "training",
        &[
            "inference",
            "dataset",
            "wording",
            "model",
            "volume",
            "geometry",
        ],
    ),
    (
        "evaluation",
        &["inference", "dataset", "model", "volume", "geometry", "io"],
    ),
    (
        "app",
        &["inference", "hub", "render", "io", "volume", "geometry"],
    ),
    (
        "ui",
        &[
            "app",
            "inference",
            "hub",
            "render",
            "io",
            "wording",
            "volume",
            "geometry",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "training",
            "dataset",
            "evaluation",
            "inference",
            "hub",
            "model",
            "render",
            "io",
            "wording",
            "volume",
            "geometry",
        ],
    ),
];

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

/// The layers that a line of source names as `crate::LAYER`.
fn used(line: &str) -> Vec<&str> {
    let code = line.split("//").next().unwrap_or_default();
    code.split("crate::")
        .skip(1)
        .map(|rest| {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            &rest[..end.unwrap_or(rest.len())]
        })
        .collect()
}

#[test]
fn imports_point_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (layer, allowed) in ALLOWED {
        for file in rust_files(&src.join(layer)) {
            for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
                for name in used(line) {
                    let is_layer = ALLOWED.iter().any(|(l, _)| *l == name);
                    if is_layer && name != *layer && !allowed.contains(&name) {
                        wrong.push(format!(
                            "{}:{}: {layer} uses {name}",
                            file.display(),
                            number + 1
                        ));
                    }
                    seen += usize::from(is_layer);
                }
            }
        }
    }
    assert!(seen > 50, "the test reads no imports");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_folder_of_the_sources_is_a_known_layer() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(src).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(
                ALLOWED.iter().any(|(l, _)| *l == name),
                "{name} is no known layer"
            );
        }
    }
}

#[test]
fn only_the_window_knows_egui() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (layer, _) in ALLOWED.iter().filter(|(l, _)| *l != "ui") {
        for file in rust_files(&src.join(layer)) {
            let text = fs::read_to_string(&file).unwrap();
            assert!(!text.contains("egui::"), "{} uses egui", file.display());
        }
    }
}
