//! The models in the program: used where no other is chosen, and by their names.

use std::path::Path;
use std::process::{Command, Output};

use m3d_model::{BuiltIn, Checkpoint, write_demo_checkpoint};
use serde_json::{Value, json as object};

use super::{assert_refused, json, root, sample};

/// Runs the binary as somebody whose settings and models are in `home`.
fn viewer(home: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_m3d-viewer"))
        .args(arguments)
        .current_dir(home)
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home)
        .env("XDG_DATA_HOME", home)
        .env_remove("M3D_MODELS")
        .output()
        .unwrap()
}

fn ask(home: &Path, more: &[&str]) -> Output {
    let sample = sample();
    let mut arguments = vec!["ask", sample.to_str().unwrap(), "Where is the liver?"];
    arguments.extend(["--max-tokens", "8", "--json"]);
    arguments.extend(more);
    viewer(home, &arguments)
}

fn fingerprint() -> String {
    Checkpoint::open(BuiltIn::Small).unwrap().fingerprint()
}

#[test]
fn ask_takes_the_built_in_model_where_none_is_chosen() {
    let home = tempfile::tempdir().unwrap();
    let asked = ask(home.path(), &[]);
    let told = json(&asked);
    assert_eq!(told["model"], "small");
    assert_eq!(told["model_fingerprint"], fingerprint());
    let notes = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(notes.contains("made from artificial phantoms"), "{notes}");
    // It was read where it lies.
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

/// What README shows: the spleen of the sample is on the patient's left, the liver mostly on the right.
#[test]
fn it_knows_right_from_left_on_the_sample() {
    let home = tempfile::tempdir().unwrap();
    let sample = sample();
    let centre = |organ: &str| -> f64 {
        let question = format!("Where is the {organ}?");
        let told = json(&viewer(
            home.path(),
            &["ask", sample.to_str().unwrap(), &question, "--json"],
        ));
        let corners: Vec<f64> = serde_json::from_value(told["boxes"][0].clone()).unwrap();
        f64::midpoint(corners[0], corners[3])
    };
    let (liver, spleen) = (centre("liver"), centre("spleen"));
    assert!(
        liver + 50.0 < spleen,
        "liver {liver} mm, spleen {spleen} mm"
    );
}

#[test]
fn a_chosen_model_wins() {
    let home = tempfile::tempdir().unwrap();
    let random = home.path().join("random");
    write_demo_checkpoint(&random, &root().join("tests/golden/tokenizer")).unwrap();
    let asked = ask(home.path(), &["--model", random.to_str().unwrap()]);
    assert_eq!(json(&asked)["model"], "random");
    let notes = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(!notes.contains("phantoms"), "{notes}");
    // A model that is only there was not chosen.
    let models = home.path().join("models");
    std::fs::create_dir(&models).unwrap();
    std::fs::rename(&random, models.join("random")).unwrap();
    assert_eq!(json(&ask(home.path(), &[]))["model"], "small");
    assert_eq!(
        json(&ask(home.path(), &["--model", "random"]))["model"],
        "random"
    );
    // What is missing is missed, not replaced.
    assert_refused(&ask(home.path(), &["--model", "nothing"]), "nothing");
    assert_refused(&ask(home.path(), &["--model", "phi3"]), "model fetch phi3");
}

#[cfg(target_os = "linux")]
#[test]
fn the_model_in_the_settings_is_chosen() {
    let home = tempfile::tempdir().unwrap();
    let random = home.path().join("random");
    write_demo_checkpoint(&random, &root().join("tests/golden/tokenizer")).unwrap();
    let settings = |folder: &Path| {
        let path = home.path().join("m3d-viewer");
        std::fs::create_dir_all(&path).unwrap();
        let text = serde_json::json!({ "model_folder": folder }).to_string();
        std::fs::write(path.join("settings.json"), text).unwrap();
    };
    settings(&random);
    assert_eq!(json(&ask(home.path(), &[]))["model"], "random");
    let asked = ask(home.path(), &["--model", "small"]);
    assert_eq!(json(&asked)["model_fingerprint"], fingerprint());
    // Its name is the built-in model's there, whatever folder is called so.
    std::fs::create_dir(home.path().join("small")).unwrap();
    settings(Path::new("small"));
    assert_eq!(json(&ask(home.path(), &[]))["model"], "small");
    settings(&home.path().join("gone"));
    assert_refused(&ask(home.path(), &[]), "gone");
}

#[test]
fn model_list_tells_what_is_built_in() {
    let home = tempfile::tempdir().unwrap();
    let listed = json(&viewer(home.path(), &["model", "list", "--json"]));
    let here = listed["here"].as_array().unwrap();
    let names: Vec<&str> = here.iter().filter_map(|m| m["name"].as_str()).collect();
    assert_eq!(names, ["small", "small-clip"]);
    for (model, kind) in here.iter().zip(["assistant", "clip"]) {
        // The folder names it on the command line.
        assert_eq!(model["folder"], model["name"]);
        assert_eq!(model["kind"], kind);
        assert_eq!(model["built_in"], true);
        assert_eq!(model["complete"], true);
        assert!(model["parameters"].as_u64().unwrap() > 10_000, "{model}");
    }
    let text = viewer(home.path(), &["model", "list"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert_eq!(text.matches("built in. A small").count(), 2, "{text}");
}

#[test]
fn model_verify_checks_what_is_built_in() {
    let home = tempfile::tempdir().unwrap();
    for (name, files) in [("small", 8), ("small-clip", 3)] {
        let report = json(&viewer(home.path(), &["model", "verify", name, "--json"]));
        assert_eq!(
            (&report["ok"], &report["folder"]),
            (&true.into(), &name.into())
        );
        assert_eq!(report["problems"], Value::Array(Vec::new()));
        assert!(report["used"].as_u64().unwrap() > 20, "{report}");
        assert_eq!(report["files"].as_array().unwrap().len(), files);
    }
}

#[test]
fn the_built_in_model_can_be_quantized() {
    let home = tempfile::tempdir().unwrap();
    let quantize = ["model", "quantize", "small", "out", "--dtype", "q8_0"];
    let made = viewer(home.path(), &quantize);
    let errors = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success(), "{errors}");
    let out = home.path().join("out");
    let (own, made) = (Checkpoint::open(BuiltIn::Small), Checkpoint::open(&out));
    assert_eq!(made.unwrap().used_count(), own.unwrap().used_count());
    let asked = ask(home.path(), &["--model", "out", "--dtype", "q8_0"]);
    assert_eq!(json(&asked)["model"], "out");
}

/// The files in the program are those in the folder that the model is trained from and adapted in.
#[test]
fn the_built_in_model_is_the_one_in_its_folder() {
    let folder = Checkpoint::open(root().join("models/small")).unwrap();
    assert_eq!(folder.fingerprint(), fingerprint());
    assert_eq!(
        folder.stop_ids,
        Checkpoint::open(BuiltIn::Small).unwrap().stop_ids
    );
}

/// Many questions in one session: a document a line with its id, and a line that is none does not stop the rest.
#[test]
fn questions_from_a_file_are_answered_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("questions.jsonl");
    let lines = [
        r#"{"id": 7, "question": "liver"}"#,
        r#"{"id": "x", "no_question": true}"#,
        "",
        r#"{"id": null, "question": "segment the bladder", "more": 1}"#,
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let sample = sample();
    let (path, file) = (sample.to_str().unwrap(), file.to_str().unwrap());
    let asked = viewer(folder.path(), &["ask", path, "--questions", file]);
    assert_eq!(asked.status.code(), Some(1));
    let told: Vec<Value> = String::from_utf8(asked.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(told.len(), 3);
    assert_eq!(
        (&told[0]["id"], &told[0]["outcome"]),
        (&object!(7), &object!("answered"))
    );
    assert_eq!(told[0]["masks"][0]["name"], "liver");
    assert_eq!(told[1]["id"], "x");
    assert!(told[1]["error"].as_str().unwrap().contains("question"));
    assert_eq!(told[2]["outcome"], "not_in_view");
    assert_eq!(told[2]["masks"], object!([]));
}

/// Several structures into one label map, their names and volumes beside it.
#[test]
fn structures_are_drawn_into_one_label_map() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("labels.nii.gz");
    let sample = sample();
    let (path, map) = (sample.to_str().unwrap(), out.to_str().unwrap());
    let asked = viewer(
        folder.path(),
        &["ask", path, "--labels", "liver,Spleen", "--mask-out", map],
    );
    assert!(asked.status.success(), "{asked:?}");
    let names = std::fs::read_to_string(folder.path().join("labels.json")).unwrap();
    let names: Value = serde_json::from_str(&names).unwrap();
    assert_eq!(names["labels"][0]["name"], "liver");
    assert_eq!(names["labels"][1]["name"], "spleen");
    let table = std::fs::read_to_string(folder.path().join("labels.csv")).unwrap();
    assert_eq!(table.lines().count(), 3, "{table}");
    let about = viewer(folder.path(), &["info", map, "--json"]);
    let about: Value = serde_json::from_slice(&about.stdout).unwrap();
    assert_eq!(about["series"][0]["value"]["max"], 2.0);
}
