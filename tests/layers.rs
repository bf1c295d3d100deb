//! What Cargo does not keep apart inside a package: no source file uses a layer that stands above its own or beside it.

use std::fs;
use std::path::{Path, PathBuf};

/// Each layer with its folder and all layers of this project it may use. Whole packages below are Cargo's to keep.
const LAYERS: &[(&str, &str, &[&str])] = &[
    ("geometry", "crates/imaging/src", &[]),
    ("wording", "crates/imaging/src", &[]),
    ("volume", "crates/imaging/src", &["geometry"]),
    ("io", "crates/imaging/src", &["terms", "volume", "geometry"]),
    ("survey", "crates/imaging/src", &["volume", "geometry"]),
    ("terms", "crates/imaging/src", &["geometry"]),
    ("hub", "crates/assistant/src", &[]),
    (
        "inference",
        "crates/assistant/src",
        &["terms", "wording", "volume", "geometry"],
    ),
    (
        "plan",
        "crates/assistant/src",
        &["inference", "terms", "wording"],
    ),
    (
        "reply",
        "crates/assistant/src",
        &[
            "plan",
            "inference",
            "survey",
            "terms",
            "wording",
            "volume",
            "geometry",
        ],
    ),
    (
        "dataset",
        "crates/lab/src",
        &["io", "wording", "volume", "geometry"],
    ),
    (
        "training",
        "crates/lab/src",
        &["inference", "dataset", "wording", "volume", "geometry"],
    ),
    (
        "evaluation",
        "crates/lab/src",
        &["inference", "dataset", "volume", "geometry", "io"],
    ),
    ("render", "src", &["volume", "geometry"]),
    (
        "app",
        "src",
        &[
            "reply",
            "plan",
            "terms",
            "inference",
            "hub",
            "render",
            "io",
            "survey",
            "volume",
            "geometry",
        ],
    ),
    (
        "ui",
        "src",
        &[
            "app",
            "reply",
            "plan",
            "terms",
            "inference",
            "hub",
            "render",
            "io",
            "survey",
            "wording",
            "volume",
            "geometry",
        ],
    ),
    (
        "cli",
        "src",
        &[
            "app",
            "reply",
            "plan",
            "terms",
            "training",
            "dataset",
            "evaluation",
            "inference",
            "hub",
            "render",
            "io",
            "survey",
            "wording",
            "volume",
            "geometry",
        ],
    ),
];

/// The packages that hold layers, as the sources name them.
const PACKAGES: [&str; 4] = ["crate::", "m3d_imaging::", "m3d_assistant::", "m3d_lab::"];

/// Packages that a layer may not use though its own package does.
const FOREIGN: &[(&str, &[&str])] = &[
    ("dataset", &["m3d_model", "m3d_engine"]),
    ("render", &["m3d_model", "m3d_engine"]),
    ("app", &["m3d_engine"]),
    ("ui", &["m3d_model", "m3d_engine"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

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

/// The layers that a line of source names as `PACKAGE::LAYER`.
fn used(line: &str) -> Vec<&str> {
    let code = line.split("//").next().unwrap_or_default();
    let after = |package: &'static str| code.split(package).skip(1);
    PACKAGES
        .into_iter()
        .flat_map(after)
        .map(|rest| {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            &rest[..end.unwrap_or(rest.len())]
        })
        .collect()
}

#[test]
fn imports_point_down() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (layer, folder, allowed) in LAYERS {
        let foreign = FOREIGN.iter().find(|(l, _)| l == layer);
        let foreign = foreign.map_or(&[][..], |(_, packages)| packages);
        for file in rust_files(&root().join(folder).join(layer)) {
            for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
                let mut told = |name: &str| {
                    wrong.push(format!(
                        "{}:{}: {layer} uses {name}",
                        file.display(),
                        number + 1
                    ));
                };
                for name in used(line) {
                    let is_layer = LAYERS.iter().any(|(l, ..)| *l == name);
                    if is_layer && name != *layer && !allowed.contains(&name) {
                        told(name);
                    }
                    seen += usize::from(is_layer);
                }
                for package in foreign.iter().filter(|p| line.contains(**p)) {
                    told(package);
                }
            }
        }
    }
    assert!(seen > 50, "the test reads no imports");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_folder_of_the_sources_is_a_known_layer() {
    for (_, folder, _) in LAYERS {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                assert!(
                    LAYERS.iter().any(|(l, f, _)| *l == name && f == folder),
                    "{name} is no known layer"
                );
            }
        }
    }
}

#[test]
fn only_the_window_knows_egui() {
    for (layer, folder, _) in LAYERS.iter().filter(|(l, ..)| *l != "ui") {
        for file in rust_files(&root().join(folder).join(layer)) {
            let text = fs::read_to_string(&file).unwrap();
            assert!(!text.contains("egui::"), "{} uses egui", file.display());
        }
    }
}

/// Panels and views read the application and put their wishes into an outbox.
#[test]
fn the_window_never_writes() {
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ui");
    let mut writers = Vec::new();
    for file in rust_files(&ui) {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        for word in [
            "&mut Application",
            "&mut Workspace",
            "&mut Resources",
            "app_mut",
        ] {
            assert!(!text.contains(word), "{name} holds `{word}`");
        }
        let calls = text.lines().filter(|line| line.contains("self.app."));
        writers.extend(calls.map(|line| format!("{name}: {}", line.trim())));
    }
    writers.sort();
    let allowed = [
        "viewer.rs: for request in self.app.handle(&mut self.outbox) {",
        "viewer.rs: if let Some(playback) = &self.app.playback {",
        "viewer.rs: self.app.update();",
    ];
    assert_eq!(writers, allowed);
}
