//! Models that are recorded: what names one is the same in every command, and no byte of one changes unseen.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, SystemTime};

use m3d_model::sums::SUMS_FILE;
use m3d_model::{BuiltIn, ModelFolder, write_demo_checkpoint};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::train::{LAMED, configure, run, text, viewer};
use super::{json, root, sample};

fn hex(digest: impl AsRef<[u8]>) -> String {
    let digits = digest.as_ref().iter().flat_map(|b| [b >> 4, b & 15]);
    let digits = digits.map(|digit| char::from_digit(u32::from(digit), 16));
    digits.flatten().collect()
}

/// What `sha256sum FILES | sort | sha256sum` prints.
fn fingerprint(files: &[PathBuf]) -> String {
    let line = |path: &PathBuf| {
        let sum = hex(Sha256::digest(fs::read(path).unwrap()));
        format!("{sum}  {}\n", path.file_name().unwrap().display())
    };
    let mut lines: Vec<String> = files.iter().map(line).collect();
    lines.sort();
    hex(Sha256::digest(lines.concat()))
}

fn output(arguments: &[&str]) -> Output {
    viewer(arguments).output().unwrap()
}

fn verify(folder: &Path) -> (bool, Value) {
    let done = output(&["model", "verify", text(folder), "--json"]);
    let report = serde_json::from_slice(&done.stdout).unwrap();
    (done.status.success(), report)
}

fn asked(more: &[&str]) -> Value {
    let sample = sample();
    let mut arguments = vec!["ask", text(&sample), "Where is the liver?", "--json"];
    arguments.extend(["--max-tokens", "4"]);
    arguments.extend(more);
    json(&output(&arguments))
}

/// Turns a bit in the middle of a file and leaves its time.
fn flip(path: &Path) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
    let file = File::options().append(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

#[test]
fn one_fingerprint_names_a_model_everywhere() {
    let place = tempfile::tempdir().unwrap();
    let model = place.path().join("model");
    write_demo_checkpoint(&model, &root().join("tests/golden/tokenizer")).unwrap();
    let wanted = fingerprint(&[model.join("model.safetensors")]);
    let verified = verify(&model).1;
    assert_eq!(verified["fingerprint"], wanted.as_str(), "{verified}");
    let told = asked(&["--model", text(&model)]);
    assert_eq!(told["model_fingerprint"], wanted.as_str());
    let data = place.path().join("data");
    run(&[
        "data",
        "phantom",
        text(&data),
        "--count",
        "1",
        "--seed",
        "1",
    ]);
    let out = place.path().join("out");
    let bench = ["bench", "rec", text(&data), "--model", text(&model)];
    let rest = ["--split", "all", "--limit", "1", "--out", text(&out)];
    run(&[&bench[..], &rest].concat());
    let facts: Value = serde_json::from_slice(&fs::read(out.join("run.json")).unwrap()).unwrap();
    assert_eq!(facts["fingerprint"], wanted.as_str());

    // The one in the program, and its copy.
    let copy = place.path().join("small");
    run(&["model", "export", "small", text(&copy)]);
    let wanted = fingerprint(&[copy.join("model.safetensors")]);
    let built_in = ModelFolder::from(BuiltIn::Small);
    for folder in [built_in.path(), &copy] {
        assert_eq!(verify(folder).1["fingerprint"], wanted.as_str());
        let told = asked(&["--model", text(folder)]);
        assert_eq!(told["model_fingerprint"], wanted.as_str());
    }
}

#[test]
fn a_model_is_counted_once_and_anew_when_verified() {
    let place = tempfile::tempdir().unwrap();
    let model = place.path();
    write_demo_checkpoint(model, &root().join("tests/golden/tokenizer")).unwrap();
    let weights = model.join("model.safetensors");
    let file = File::options().append(true).open(&weights).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_mins(5))
        .unwrap();
    drop(file);
    let first = asked(&["--model", text(model)])["model_fingerprint"].clone();
    assert!(model.join(SUMS_FILE).is_file());
    // Nobody reads all of a large model to see that nothing has changed; whoever verifies it does.
    flip(&weights);
    assert_eq!(asked(&["--model", text(model)])["model_fingerprint"], first);
    let (ok, report) = verify(model);
    assert!(
        !ok && report["problems"][0]
            .as_str()
            .unwrap()
            .contains("last counted"),
        "{report}"
    );
    assert_eq!(report["fingerprint"], fingerprint(&[weights]).as_str());
}

#[test]
fn no_byte_of_what_was_made_here_changes_unseen() {
    let place = tempfile::tempdir().unwrap();
    run(&["train", text(&configure(place.path(), "out", "", LAMED))]);
    let (model, adapter) = (
        place.path().join("out/model"),
        place.path().join("out/adapter"),
    );
    let (packed, copy) = (place.path().join("packed"), place.path().join("copy"));
    run(&[
        "model",
        "quantize",
        text(&model),
        text(&packed),
        "--dtype",
        "bf16",
    ]);
    run(&["model", "export", text(&model), text(&copy)]);
    for (folder, file) in [
        (&model, "model.safetensors"),
        (&model, "tokenizer.model"),
        (&adapter, "adapter_model.safetensors"),
        (&adapter, "adapter_config.json"),
        (&packed, "model.gguf"),
        (&copy, "model.safetensors"),
    ] {
        let (ok, report) = verify(folder);
        assert!(ok, "{report}");
        let files = report["files"].as_array().unwrap();
        assert!(
            files.iter().all(|file| file["recorded"].is_string()),
            "{report}"
        );
        assert!(files.iter().any(|known| known["name"] == file), "{report}");
        let path = folder.join(file);
        let whole = fs::read(&path).unwrap();
        flip(&path);
        let (ok, report) = verify(folder);
        let told = report["problems"].to_string();
        assert!(
            !ok && told.contains(&format!("{file} is not what was written")),
            "{told}"
        );
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let (ok, report) = verify(folder);
        let told = report["problems"].to_string();
        assert!(
            !ok && told.contains("another size than when it was written"),
            "{told}"
        );
        fs::write(&path, whole).unwrap();
    }
}
