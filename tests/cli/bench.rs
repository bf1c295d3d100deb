//! `bench` as scripts use it: the real binary over a few phantoms. The model is the small random one, which answers
//! every question with one sentence that holds a box and a `[SEG]`, so every measure has something to measure.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, OnceLock};

use candle_core::{Device, Tensor};
use glam::{DAffine3, UVec3};
use m3d_assistant::inference::{
    Event, GenerationSettings, Preparation, Request, Session, Task, prepare,
};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::{CT_PRESETS, Modality, Rescale, Units, Volume, Voxels};
use m3d_lab::dataset::{FindingKind, Phantom, PhantomConfig};
use m3d_lab::evaluation::metrics::{
    bleu1, findings, has_letter, meteor, reference_iou, rouge1, written_box,
};
use m3d_model::clip::clip_tensors;
use m3d_model::{ClipConfig, rule, write_demo_checkpoint};
use m3d_model::{DTypeChoice, DeviceChoice};
use serde_json::{Value, json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Three phantoms and the models, made once for all tests.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn get() -> &'static Self {
        static PLACE: OnceLock<Place> = OnceLock::new();
        PLACE.get_or_init(|| {
            let place = Self {
                folder: tempfile::tempdir().unwrap(),
            };
            let made = viewer(&[
                "data",
                "phantom",
                &place.path("data"),
                "--count",
                "3",
                "--seed",
                "11",
                "--size",
                "16x32x32",
            ]);
            assert!(made.status.success(), "{}", stderr(&made));
            let model = PathBuf::from(place.path("model"));
            write_demo_checkpoint(&model, &root().join("tests/golden/tokenizer")).unwrap();
            write_clip(&model.join("clip"));
            place
        })
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Runs a task into a folder of its own.
    fn bench(&self, task: &str, out: &str, more: &[&str]) -> Output {
        let (data, model, out) = (self.path("data"), self.path("model"), self.path(out));
        let mut arguments = vec!["bench", task, &data, "--model", &model, "--out", &out];
        arguments.extend(["--device", "cpu", "--dtype", "f32"]);
        arguments.extend(more);
        viewer(&arguments)
    }
}

/// A small M3D-CLIP of the rule's weights.
fn write_clip(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let vocabulary = fs::read_to_string(root().join("tests/golden/wordpiece/vocab.txt")).unwrap();
    let config = json!({
        "model_type": "m3d_clip", "img_size": [8, 32, 16], "patch_size": [4, 16, 8], "in_channels": 1,
        "hidden_size": 48, "mlp_dim": 96, "num_layers": 1, "num_heads": 3,
        "language_config": {
            "vocab_size": vocabulary.lines().count(), "hidden_size": 48, "num_hidden_layers": 1,
            "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 40
        }
    });
    let parsed: ClipConfig = serde_json::from_value(config.clone()).unwrap();
    let tensors: HashMap<String, Tensor> = clip_tensors(&parsed)
        .unwrap()
        .into_iter()
        .map(|wanted| {
            let tensor = rule::tensor(&wanted.name, &wanted.shape, &Device::Cpu).unwrap();
            (wanted.name, tensor)
        })
        .collect();
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    fs::write(folder.join("vocab.txt"), vocabulary).unwrap();
    candle_core::safetensors::save(&tensors, folder.join("model.safetensors")).unwrap();
}

fn viewer(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_m3d-viewer"))
        .args(arguments)
        .env_remove("M3D_WORDNET")
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn told(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// One line on standard error that names `what`, exit 1, nothing of a panic.
fn assert_refused(output: &Output, what: &str) {
    let text = stderr(output);
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

/// Rows by their columns' names.
fn rows(path: &str) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

fn number(row: &HashMap<String, String>, name: &str) -> f64 {
    row[name]
        .parse()
        .unwrap_or_else(|_| panic!("{name}: {row:?}"))
}

fn mean(
    rows: &[HashMap<String, String>],
    name: &str,
    fits: impl Fn(&HashMap<String, String>) -> bool,
) -> f64 {
    let numbers: Vec<f64> = rows
        .iter()
        .filter(|r| fits(r))
        .map(|r| number(r, name))
        .collect();
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

fn assert_near(found: &Value, wanted: f64, what: &str) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{what}: {found}"));
    assert!(
        (found - wanted).abs() < 1e-9,
        "{what}: {found} is not {wanted}"
    );
}

#[test]
fn reports_are_measured_row_by_row_and_a_run_goes_on_where_it_stopped() {
    let place = Place::get();
    let first = told(&place.bench("report", "report", &["--json"]));
    assert_eq!((&first["task"], &first["n"]), (&json!("report"), &json!(3)));
    let path = place.path("report/samples.csv");
    let written = rows(&path);
    assert_eq!(written.len(), 3);
    for row in &written {
        let (told, wanted) = (row["prediction"].as_str(), row["answer"].as_str());
        assert!(told.contains('['), "{told}");
        let text_file = format!(
            "data/M3D_Cap/{}",
            row["image"].replace("image.npy", "text.txt")
        );
        assert_eq!(
            wanted,
            fs::read_to_string(place.path(&text_file)).unwrap().trim()
        );
        assert!((number(row, "bleu1") - bleu1(told.trim(), wanted)).abs() < 1e-12);
        assert!((number(row, "rouge1") - rouge1(told.trim(), wanted)).abs() < 1e-12);
        assert!((number(row, "meteor") - meteor(told.trim(), wanted, None)).abs() < 1e-12);
        let names: Vec<&str> = findings(wanted)
            .into_iter()
            .map(FindingKind::name)
            .collect();
        assert_eq!(row["findings"], names.join("|"));
    }
    for name in ["bleu1", "rouge1", "meteor"] {
        assert_near(
            &first["summary"][name],
            mean(&written, name, |_| true),
            name,
        );
    }
    let markdown = fs::read_to_string(place.path("report/summary.md")).unwrap();
    assert!(
        markdown.contains("without WordNet's synonyms"),
        "{markdown}"
    );
    assert!(markdown.contains("no BERTScore"), "{markdown}");

    // Torn in the middle of the last row, and the first one marked, to see that it is not asked again.
    let whole = fs::read_to_string(&path).unwrap();
    let end = whole.trim_end().rfind('\n').unwrap() + 20;
    let torn = whole[..end].replacen(&written[0]["prediction"], "MARKED", 1);
    fs::write(&path, torn).unwrap();
    let again = told(&place.bench("report", "report", &["--json"]));
    let after = rows(&path);
    assert_eq!(after.len(), 3);
    assert_eq!(after[0]["prediction"], "MARKED");
    assert_eq!(after[1..], written[1..]);
    assert_eq!(again, first);

    // BERTScore and synonyms come with a folder each; their rows are never mixed with those without.
    let golden = root().join("tests/golden/metrics");
    let (bert, wordnet) = (golden.join("bert"), golden.join("wordnet"));
    let more = [
        "--json",
        "--bertscore",
        bert.to_str().unwrap(),
        "--wordnet",
        wordnet.to_str().unwrap(),
    ];
    let scored = told(&place.bench("report", "report-scored", &more));
    assert!(scored["summary"]["bertscore"].is_f64(), "{scored}");
    assert_refused(
        &place.bench("report", "report", &more),
        "synonyms: false there, true asked for",
    );
}

#[test]
fn shares_join_to_what_one_run_tells() {
    let place = Place::get();
    let whole = told(&place.bench("vqa-closed", "closed", &["--json"]));
    let summary = whole["summary"].as_object().unwrap();
    assert!(
        summary["accuracy"].is_f64() && summary["accuracy_plane"].is_f64(),
        "{whole}"
    );
    let written = rows(&place.path("closed/samples.csv"));
    assert!(written.iter().any(|row| row["type"] == "location"));
    for row in &written {
        let letter = row["letter"].chars().next().unwrap();
        assert!(row["question"].contains(" Choices: A. "), "{row:?}");
        assert_eq!(
            row["correct"] == "1",
            has_letter(&row["prediction"], letter)
        );
    }
    assert_near(
        &summary["accuracy"],
        mean(&written, "correct", |_| true),
        "accuracy",
    );

    for share in ["1/2", "2/2"] {
        let done = place.bench("vqa-closed", "shares", &["--shard", share]);
        assert!(done.status.success(), "{}", stderr(&done));
        if share == "1/2" {
            let early = viewer(&["bench", "merge", &place.path("shares")]);
            assert!(
                stderr(&early).contains("the share 2/2 is missing"),
                "{}",
                stderr(&early)
            );
        }
    }
    // Shares were counted from 0 once; what such a run has answered is kept and not asked for again.
    let shares = PathBuf::from(place.path("shares"));
    let named = |share: &str| {
        ["samples.?.csv", "run.?.json"].map(|name| shares.join(name.replace('?', share)))
    };
    let answered = fs::read(&named("2-of-2")[0]).unwrap();
    for (new, old) in named("2-of-2").iter().zip(named("0-of-2")) {
        fs::rename(new, old).unwrap();
    }
    let again = place.bench("vqa-closed", "shares", &["--shard", "2/2"]);
    assert!(again.status.success(), "{}", stderr(&again));
    assert_eq!(fs::read(&named("2-of-2")[0]).unwrap(), answered);
    assert!(!named("0-of-2").iter().any(|old| old.exists()));
    // A job array may also give each job a folder.
    let apart = Path::new(&place.path("shares")).join("apart");
    fs::create_dir(&apart).unwrap();
    for name in ["samples.2-of-2.csv", "run.2-of-2.json"] {
        fs::rename(
            Path::new(&place.path("shares")).join(name),
            apart.join(name),
        )
        .unwrap();
    }
    let folders = [place.path("shares"), place.path("shares/apart")];
    let joined = told(&viewer(&[
        "bench",
        "merge",
        &folders[0],
        &folders[1],
        "--json",
    ]));
    assert_eq!(joined, whole);
    let mut sorted = written;
    sorted.sort_by(|a, b| a["id"].cmp(&b["id"]));
    assert_eq!(rows(&place.path("shares/merged.csv")), sorted);

    let open = told(&place.bench("vqa-open", "open", &["--json", "--limit", "2"]));
    assert_eq!(open["n"], 2);
    assert!(open["summary"]["meteor"].is_f64());
}

#[test]
fn boxes_names_and_masks_are_measured() {
    let place = Place::get();
    let of =
        |presence: &'static str| move |row: &HashMap<String, String>| row["present"] == presence;

    let rec = told(&place.bench("rec", "rec", &["--json", "--limit", "36"]));
    let written = rows(&place.path("rec/samples.csv"));
    assert!(
        written.iter().any(of("yes")) && written.iter().any(of("no")),
        "{written:?}"
    );
    for row in written.iter().filter(|row| row["present"] == "yes") {
        let (told, wanted) = (written_box(&row["prediction"]), written_box(&row["box"]));
        assert!(wanted.is_some());
        assert!((number(row, "iou_reference") - reference_iou(told, wanted)).abs() < 1e-12);
        assert!((0.0..=1.0).contains(&number(row, "iou")));
        assert!(row["question"].contains(&row["class"]));
    }
    let summary = &rec["summary"];
    assert_near(&summary["iou"], mean(&written, "iou", of("yes")), "iou");
    assert_near(
        &summary["iou_reference"],
        mean(&written, "iou_reference", of("yes")),
        "iou_reference",
    );
    // The random model refuses nothing and never leaves the box out.
    assert_near(&summary["refused"], 0.0, "refused");
    assert_near(&summary["missed"], 0.0, "missed");

    let reg = told(&place.bench("reg", "reg", &["--json", "--limit", "3"]));
    assert!(
        reg["summary"]["name_accuracy"].is_f64() && reg["summary"]["bleu1"].is_f64(),
        "{reg}"
    );
    let described = ["--json", "--limit", "1", "--wording", "both"];
    let both = told(&place.bench("reg", "reg-both", &described));
    let written = rows(&place.path("reg-both/samples.csv"));
    assert_eq!(written.len(), 2);
    assert_eq!(both["n"], 2);
    assert!(written[1]["answer"].len() > written[0]["answer"].len() + 20);

    for (task, limit) in [("seg", "6"), ("refseg", "3")] {
        let seg = told(&place.bench(task, task, &["--json", "--limit", limit]));
        let written = rows(&place.path(&format!("{task}/samples.csv")));
        assert_near(
            &seg["summary"]["dice"],
            mean(&written, "dice", of("yes")),
            task,
        );
        assert_near(
            &seg["summary"]["dice_soft"],
            mean(&written, "dice_soft", of("yes")),
            task,
        );
        for row in written.iter().filter(|row| row["present"] == "yes") {
            assert!(
                number(row, "voxels_told") > 0.0 && number(row, "voxels") > 0.0,
                "{row:?}"
            );
            assert!((0.0..=1.0).contains(&number(row, "dice_soft")));
        }
    }
}

#[test]
fn texts_and_images_find_each_other() {
    let place = Place::get();
    let whole = told(&place.bench("retrieval", "retrieval", &["--json"]));
    assert_eq!(whole["n"], 3);
    for name in ["r1", "r5", "r10", "tr_r1"] {
        let share = whole["summary"][name].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&share));
    }
    assert_eq!(whole["summary"]["r5"], 1.0);
    let features = |row: &HashMap<String, String>, name: &str| -> Vec<f32> {
        let bits = (0..row[name].len() / 8).map(|n| &row[name][n * 8..][..8]);
        bits.map(|hex| f32::from_bits(u32::from_str_radix(hex, 16).unwrap()))
            .collect()
    };
    let written = rows(&place.path("retrieval/samples.csv"));
    let dot = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(x, y)| x * y).sum() };
    let mut found = 0.0;
    for (n, row) in written.iter().enumerate() {
        let image = features(row, "image_feature");
        assert!((dot(&image, &image) - 1.0).abs() < 1e-5);
        let scores: Vec<f32> = written
            .iter()
            .map(|r| dot(&image, &features(r, "text_feature")))
            .collect();
        let first = scores
            .iter()
            .position(|&v| v == scores.iter().copied().fold(f32::MIN, f32::max));
        found += f64::from(u8::from(first == Some(n)));
    }
    assert_near(&whole["summary"]["r1"], found / 3.0, "r1");
    for share in ["1/2", "2/2"] {
        assert!(
            place
                .bench("retrieval", "found", &["--shard", share])
                .status
                .success()
        );
    }
    let joined = told(&viewer(&["bench", "merge", &place.path("found"), "--json"]));
    assert_eq!(joined, whole);
}

#[test]
fn the_built_in_models_are_measured_where_none_is_chosen() {
    let place = Place::get();
    let (home, data) = (place.path("home"), place.path("home/data"));
    fs::create_dir_all(&data).unwrap();
    let made = ["data", "phantom", &data, "--count", "2", "--seed", "3"];
    assert!(viewer(&made).status.success());
    // Nobody's settings.
    let bench = |task: &str, more: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_m3d-viewer"))
            .args(["bench", task, &data, "--limit", "1", "--json"])
            .args(more)
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", &home)
            .current_dir(&home)
            .output()
            .unwrap()
    };
    let by_default = told(&bench("rec", &[]));
    let ranked = told(&bench("retrieval", &[]));
    // The answers are beside the data, under the models' names.
    let answers = Path::new(&home).join("data-bench");
    assert!(answers.join("rec-small/samples.csv").is_file());
    assert!(answers.join("retrieval-small-clip/samples.csv").is_file());
    // The same run by their names goes on where that one stopped: nothing is asked again.
    assert_eq!(told(&bench("rec", &["--model", "small"])), by_default);
    assert_eq!(
        told(&bench("retrieval", &["--model", "small-clip"])),
        ranked
    );
    assert_refused(
        &bench("retrieval", &["--model", "small"]),
        "needs an M3D-CLIP",
    );
    assert_refused(
        &bench("rec", &["--model", "small-clip"]),
        "needs an M3D-LaMed",
    );
}

#[test]
fn bad_input_gets_one_clear_line() {
    let place = Place::get();
    let (data, model) = (place.path("data"), place.path("model"));
    let clip = place.path("model/clip");
    let run = |task: &str, data: &str, model: &str, out: &str| {
        viewer(&[
            "bench",
            task,
            data,
            "--model",
            model,
            "--out",
            &place.path(out),
            "--limit",
            "1",
        ])
    };
    assert_refused(
        &run("report", "/no/such/place", &model, "bad"),
        "/no/such/place",
    );
    let empty = place.path("empty");
    fs::create_dir_all(&empty).unwrap();
    assert_refused(&run("seg", &empty, &model, "bad"), "holds no M3D-Seg");
    assert_refused(&run("report", &data, &empty, "bad"), "config.json");
    assert_refused(&run("report", &data, &clip, "bad"), "needs an M3D-LaMed");
    let plain = place.path("plain");
    fs::create_dir_all(&plain).unwrap();
    fs::copy(
        Path::new(&model).join("config.json"),
        Path::new(&plain).join("config.json"),
    )
    .unwrap();
    assert_refused(&run("retrieval", &data, &plain, "bad"), "needs an M3D-CLIP");
    let split = ["--split", "test"];
    assert_refused(
        &place.bench("report", "bad", &split),
        "nothing to ask for report in its part \"test\"",
    );
    let tag = ["--tag", "0042"];
    assert_refused(&place.bench("seg", "bad", &tag), "nothing to ask for seg");

    let other = place.path("other");
    fs::create_dir_all(&other).unwrap();
    let row = "task,id,image,question,answer,prediction\nrec,000000,a,b,c,d\n";
    fs::write(Path::new(&other).join("samples.csv"), row).unwrap();
    assert_refused(
        &run("report", &data, &model, "other"),
        "task: rec there, report asked for",
    );
    assert_refused(&viewer(&["bench", "merge", &empty]), "holds no rows");
    for words in [
        &["bench", "sing", &data][..],
        &["bench", "report", &data, "--shard", "5/2"],
        &["bench", "report", &data, "--shard", "0/2"],
    ] {
        assert_eq!(viewer(words).status.code(), Some(2), "{words:?}");
    }
}

/// Questions about a prepared image are those about the volume it was prepared from.
#[test]
fn a_prepared_image_is_asked_about_as_its_volume_is() {
    let place = Place::get();
    let config = PhantomConfig {
        size: [16, 32, 32],
        ..PhantomConfig::default()
    };
    let volume = Phantom::new(5, &config).unwrap().volume;
    let folder = PathBuf::from(place.path("model"));
    let mut session = Session::load(&folder, DeviceChoice::Cpu, DTypeChoice::F32, &|_| {}).unwrap();
    let size = session.facts().image_size;
    let image = prepare(&volume, Preparation::Segmentation, size, &|| false).unwrap();
    let [d, h, w] = size.map(|n| u32::try_from(n).unwrap());
    let grid = VoxelGrid::new(UVec3::new(w, h, d), DAffine3::IDENTITY).unwrap();
    let prepared = Volume::new(
        grid,
        Voxels::F32(image.voxels.clone()),
        Rescale::IDENTITY,
        Modality::Other,
        Units::Arbitrary,
    )
    .unwrap();
    let mut request = Request {
        id: 1,
        volume: Arc::new(volume),
        revision: 1,
        task: Task::Seg,
        text: "Can you segment the liver in this image?".to_owned(),
        voxel_box: None,
        window: CT_PRESETS[0].window,
        settings: GenerationSettings::default(),
    };
    let mut wanted = None;
    session.ask(
        &request,
        &mut |event| {
            if let Event::Done(answer) = event {
                wanted = Some(*answer);
            }
        },
        &|| false,
    );
    let wanted = wanted.unwrap();
    request.volume = Arc::new(prepared);
    request.revision = 2;
    let found = session.ask_prepared(&request, &|| false).unwrap();
    assert_eq!(
        (&found.answer.text, &found.answer.prompt),
        (&wanted.text, &wanted.prompt)
    );
    let logits = found.logits.unwrap();
    assert_eq!(
        Some(image.frame.mask_from_logits(&logits)),
        wanted.mask.map(|m| (*m).clone())
    );
    // A second question finds the image encoded.
    let again = session.ask_prepared(&request, &|| false).unwrap();
    let stages: Vec<&str> = again
        .answer
        .timings_ms
        .iter()
        .map(|(stage, _)| *stage)
        .collect();
    assert!(
        !stages.contains(&"encode image") && !stages.contains(&"encode segmentation"),
        "{stages:?}"
    );
}
