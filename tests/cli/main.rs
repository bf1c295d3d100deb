//! The command line as scripts use it: the real binary, its documents and its exit status.

mod anonymize;
mod bench;
mod built_in;
mod data;
mod data_collect;
mod data_prepare;
mod fetch;
mod guards;
mod hub;
#[cfg(unix)]
mod pipes;
mod quantize;
#[path = "../../crates/model/tests/support/small_model.rs"]
mod small_model;
mod sums;
mod train;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use m3d_model::demo::write_demo_checkpoint;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sample() -> PathBuf {
    root().join("assets/sample/ct_abdomen")
}

fn viewer(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_m3d-viewer"))
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap()
}

/// One line on standard error that names `what`, exit 1, nothing of a panic.
fn assert_refused(output: &Output, what: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let errors: Vec<&str> = text.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{text}");
    assert!(
        errors[0].contains(what),
        "{} does not name {what}",
        errors[0]
    );
    assert!(!text.contains("panicked"), "{text}");
}

fn json(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn info_tells_the_sample_as_its_publisher_does() {
    let told = json(&viewer(&[
        "info",
        sample().to_str().unwrap(),
        "--json",
        "--hash",
    ]));
    let series = &told["series"][0];
    assert_eq!(series["dims"], serde_json::json!([512, 512, 20]));
    assert_eq!(series["modality"], "CT");
    assert_eq!(series["units"], "HU");
    assert_eq!(
        series["voxels_sha256"],
        "44352f6ea210f6924bc4a4e1bdd315093aa20dfc9abcc840ffed009fb57b6ac4"
    );
    let row = |n: usize| -> Vec<f64> {
        let row = series["patient_from_voxel"][n].as_array().unwrap();
        row.iter().map(|v| v.as_f64().unwrap()).collect()
    };
    let wanted = [
        [0.976_562_5, 0.0, 0.0, -249.5117],
        [0.0, 0.976_562_5, 0.0, -437.5117],
        [0.0, 0.0, 2.0, -804.5],
        [0.0, 0.0, 0.0, 1.0],
    ];
    for (n, wanted) in wanted.iter().enumerate() {
        for (found, wanted) in row(n).iter().zip(wanted) {
            assert!(
                (found - wanted).abs() < 1e-3,
                "row {n}: {found} is not {wanted}"
            );
        }
    }
}

#[test]
fn a_converted_image_is_the_same_image() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("ct.nii.gz");
    let written = viewer(&["convert", sample().to_str().unwrap(), out.to_str().unwrap()]);
    assert!(written.status.success());
    let before = json(&viewer(&[
        "info",
        sample().to_str().unwrap(),
        "--json",
        "--hash",
    ]));
    let after = json(&viewer(&[
        "info",
        out.to_str().unwrap(),
        "--json",
        "--hash",
    ]));
    assert_eq!(
        before["series"][0]["voxels_sha256"],
        after["series"][0]["voxels_sha256"]
    );
}

#[test]
fn render_draws_every_view_at_the_size_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for view in ["axial", "coronal", "sagittal", "volume"] {
        let out = folder.path().join(format!("{view}.png"));
        let drawn = viewer(&[
            "render",
            sample().to_str().unwrap(),
            out.to_str().unwrap(),
            "--view",
            view,
            "--size",
            "160x120",
            "--box",
            "-60,-250,-800,20,-190,-780",
        ]);
        assert!(
            drawn.status.success(),
            "{}",
            String::from_utf8_lossy(&drawn.stderr)
        );
        let picture = image::open(&out).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (160, 120));
        let bright = picture.pixels().filter(|p| p.0[0] > 60).count();
        assert!(bright > 160 * 120 / 50, "{view}: {bright} bright pixels");
    }
}

#[test]
fn ask_answers_with_text_a_box_and_a_mask_on_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    write_demo_checkpoint(&model, &root().join("tests/golden/tokenizer")).unwrap();
    let mask = folder.path().join("mask.nii.gz");
    let told = json(&viewer(&[
        "ask",
        sample().to_str().unwrap(),
        "Where is the liver?",
        "--task",
        "rec",
        "--model",
        model.to_str().unwrap(),
        "--mask-out",
        mask.to_str().unwrap(),
        "--json",
    ]));
    assert_eq!(told["task"], "rec");
    assert!(told["text"].as_str().unwrap().contains('['), "{told}");
    assert_eq!(told["boxes"].as_array().unwrap().len(), 1);
    assert!(told["timings_ms"].as_object().unwrap().len() > 2);
    // The mask is on the image's own grid, as render demands.
    let picture = folder.path().join("mask.png");
    let drawn = viewer(&[
        "render",
        sample().to_str().unwrap(),
        picture.to_str().unwrap(),
        "--view",
        "axial",
        "--mask",
        mask.to_str().unwrap(),
    ]);
    assert!(
        drawn.status.success(),
        "{}",
        String::from_utf8_lossy(&drawn.stderr)
    );
}

#[test]
fn bad_input_gets_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert_refused(&viewer(&["info", empty.to_str().unwrap()]), "empty");

    let texts = folder.path().join("texts");
    std::fs::create_dir(&texts).unwrap();
    std::fs::write(texts.join("notes.txt"), "not an image").unwrap();
    assert_refused(&viewer(&["info", texts.to_str().unwrap()]), "notes.txt");
    assert_refused(&viewer(&["info", "/no/such/place"]), "/no/such/place");

    let first = std::fs::read_dir(sample())
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| {
            p.file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with("CT."))
        })
        .unwrap();
    let bytes = std::fs::read(first).unwrap();
    let cut = folder.path().join("cut.dcm");
    std::fs::write(&cut, &bytes[..700]).unwrap();
    assert_refused(&viewer(&["info", cut.to_str().unwrap()]), "cut.dcm");

    let sample = sample();
    let sample = sample.to_str().unwrap();
    let no_model = viewer(&["ask", sample, "x", "--model", empty.to_str().unwrap()]);
    assert_refused(&no_model, "config.json");
    let out = folder.path().join("x.png");
    let no_series = viewer(&[
        "render",
        sample,
        out.to_str().unwrap(),
        "--view",
        "axial",
        "--series",
        "1.2.3",
    ]);
    assert_refused(&no_series, "1.2.3");
    assert!(!out.exists());
}

#[test]
fn bad_usage_exits_with_two() {
    for arguments in [
        &["render", "a", "b.png", "--view", "upside-down"][..],
        &["info"],
        &["ask", "a", "b", "--task", "sing"],
        &["render", "a", "b.png", "--view", "axial", "--at", "1,2"],
    ] {
        assert_eq!(viewer(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_question_longer_than_the_context_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    write_demo_checkpoint(folder.path(), &root().join("tests/golden/tokenizer")).unwrap();
    let question = "what is this ".repeat(4000);
    let model = folder.path().to_str().unwrap();
    let sample = sample();
    let asked = viewer(&["ask", sample.to_str().unwrap(), &question, "--model", model]);
    assert_refused(&asked, "the question is too long");
}
