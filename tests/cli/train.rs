//! Trainings from a configuration to a model: broken off and gone on with, on phantoms and on folders.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};
use m3d_lab::training::TrainingConfig;
use m3d_model::{BuiltIn, Checkpoint, ClipCheckpoint, Lamed, ModelFolder, Tokenizer};

const SIZES: &str = r#"
seed = 7
save_minutes = 0.0001
weights = "f16"

[vocabulary]
tokens = 800
samples = 20

[data]
captions = 0.5
"#;
pub(super) const LAMED: &str = r#"
[model]
image_channel = 1
image_size = [8, 32, 32]
patch_size = [4, 8, 8]
hidden_size = 32
intermediate_size = 64
num_hidden_layers = 1
num_attention_heads = 2
num_key_value_heads = 2
rms_norm_eps = 1e-5
rope_theta = 10000.0
max_position_embeddings = 512
hidden_act = "silu"
tie_word_embeddings = false
mm_hidden_size = 32
mm_projector_type = "spp"
proj_layer_type = "mlp"
proj_layer_num = 2
proj_pooling_type = "spatial"
proj_pooling_size = 2
vision_select_layer = -1
vision_select_feature = "patch"
vision_config = { hidden_size = 32, mlp_dim = 64, num_layers = 1, num_heads = 2 }
seg_config = { embed_dim = 32, mlp_dim = 64, num_layers = 1, num_heads = 2, decoder_mlp_dim = 32, iou_head_hidden_dim = 16 }

[[stages]]
stage = "segmentation"
steps = 4
volumes = 2
masks = 3
rate = 1e-3

[[stages]]
stage = "projector"
steps = 2
volumes = 2
talks = 3
rate = 1e-3

[[stages]]
stage = "all"
steps = 4
volumes = 2
talks = 3
rate = 1e-3
accumulate = 2
vision_from_segmentation = true
lora = { rank = 2, alpha = 4.0, targets = ["qkv_proj", "down_proj"] }
"#;
const CLIP: &str = r#"
[clip]
img_size = [8, 32, 32]
patch_size = [4, 8, 8]
hidden_size = 32
mlp_dim = 64
num_layers = 1
num_heads = 2
language_config = { hidden_size = 32, num_hidden_layers = 1, num_attention_heads = 2, intermediate_size = 64, max_position_embeddings = 128 }

[[stages]]
stage = "contrast"
steps = 3
volumes = 4
rate = 1e-3
"#;

pub(super) fn configure(folder: &Path, name: &str, first: &str, rest: &str) -> PathBuf {
    let path = folder.join(format!("{name}.toml"));
    let text = format!("out = \"{name}\"\n{first}\n{SIZES}{rest}");
    std::fs::write(&path, text).unwrap();
    path
}

pub(super) fn viewer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_m3d-viewer"));
    command.args(arguments);
    command
}

/// Runs it and gives what it says on standard error.
pub(super) fn run(arguments: &[&str]) -> String {
    let done = viewer(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{arguments:?}: {told}");
    told
}

/// A model that has learnt nothing but masks of classes.
fn train_first_stage(folder: &Path, name: &str) {
    let begin: Vec<&str> = LAMED.split("[[stages]]").take(2).collect();
    run(&[
        "train",
        text(&configure(folder, name, "", &begin.join("[[stages]]"))),
    ]);
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_training_that_was_killed_ends_as_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let whole = configure(folder.path(), "whole", "", LAMED);
    let broken = configure(folder.path(), "broken", "", LAMED);
    run(&["train", text(&whole)]);

    let mut child = viewer(&["train", text(&broken)])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let saved = || {
        let entries = std::fs::read_dir(folder.path().join("broken"));
        let names = entries.into_iter().flatten().flatten();
        names
            .filter(|e| e.file_name().to_string_lossy().starts_with("step-0000"))
            .any(|e| e.file_name() != "step-000000001")
    };
    while !saved() {
        assert!(begun.elapsed() < Duration::from_mins(2), "nothing is saved");
        std::thread::sleep(Duration::from_millis(3));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    run(&["train", text(&broken), "--resume"]);

    let read = |name: &str| std::fs::read(folder.path().join(name).join("model/model.safetensors"));
    assert!(
        read("whole").unwrap() == read("broken").unwrap(),
        "the weights differ"
    );
    let model = folder.path().join("whole/model");
    let checkpoint = Checkpoint::open(&model).unwrap();
    assert!(checkpoint.unused().is_empty());
    assert!(
        folder
            .path()
            .join("whole/adapter/adapter_model.safetensors")
            .is_file()
    );
    let rows = std::fs::read_to_string(folder.path().join("broken/losses.csv")).unwrap();
    assert_eq!(rows.lines().count(), 1 + 10, "{rows}");
    assert!(folder.path().join("whole/losses.png").is_file());

    // Never over what is there.
    let again = viewer(&["train", text(&whole)]).output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--resume"));
}

/// A batch system's log is read in an editor: whole lines, nothing that moves a cursor.
#[test]
fn without_a_terminal_there_are_plain_lines() {
    let folder = tempfile::tempdir().unwrap();
    let config = configure(folder.path(), "plain", "", LAMED);
    let told = run(&["train", text(&config)]);
    assert!(!told.contains(['\r', '\u{1b}', '\u{8}']), "{told:?}");
    let has = |begin: &str, end: &str| {
        let mut lines = told.lines();
        lines.any(|line| line.starts_with(begin) && line.contains(end))
    };
    for (stage, steps) in [("segmentation", 4), ("projector", 2), ("all", 4)] {
        assert!(
            has(
                &format!("stage {stage}: "),
                &format!("0 of {steps} steps are done")
            ),
            "{told}"
        );
    }
    // The first and the last of each stage.
    for step in ["segmentation 1", "segmentation 4", "all 7", "all 10"] {
        assert!(
            has(&format!("{step}: loss "), "volumes/s"),
            "{step}: {told}"
        );
    }
    assert!(has("saved ", "step-000000010"), "{told}");
    let model = folder.path().join("plain/model");
    assert!(has("the model is in ", text(&model)), "{told}");

    let told = run(&["model", "verify", text(&model)]);
    assert!(!told.contains(['\r', '\u{1b}', '\u{8}']), "{told:?}");
    assert!(told.contains("checking model.safetensors\n"), "{told}");
}

#[test]
fn a_clip_begins_with_the_vision_tower_of_a_model_and_learns() {
    let folder = tempfile::tempdir().unwrap();
    train_first_stage(folder.path(), "lamed");
    let clip = configure(folder.path(), "clip", "vision = \"lamed/model\"", CLIP);
    run(&["train", text(&clip)]);
    let checkpoint = ClipCheckpoint::open(folder.path().join("clip/model")).unwrap();
    assert!(checkpoint.unused().is_empty());
    // And back: M3D-LaMed takes its vision tower from M3D-CLIP.
    let stages = LAMED.split("[[stages]]").collect::<Vec<_>>();
    let rest = format!("{}[[stages]]{}", stages[0], stages[2]);
    let next = configure(folder.path(), "next", "vision = \"clip/model\"", &rest);
    run(&["train", text(&next)]);
    let tensor = |model: &str, name: &str| {
        let path = folder.path().join(model).join("model/model.safetensors");
        let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        tensors[name]
            .flatten_all()
            .unwrap()
            .to_vec1::<half::f16>()
            .unwrap()
    };
    let block = "blocks.0.mlp.linear1.weight";
    assert!(
        tensor("clip", &format!("vision_encoder.{block}"))
            == tensor("next", &format!("model.vision_tower.vision_tower.{block}")),
        "the projector's stage leaves the vision tower as it came"
    );
}

#[test]
fn a_base_brings_the_prompts_of_its_classes() {
    let folder = tempfile::tempdir().unwrap();
    train_first_stage(folder.path(), "first");
    // Words learn them, and the masks go on without moving them.
    let rest = r#"
[[stages]]
stage = "all"
steps = 2
volumes = 2
talks = 3
draw = false
rate = 1e-3
freeze = ["model.seg_module."]

[[stages]]
stage = "segmentation"
steps = 2
volumes = 2
masks = 2
dense = true
optimiser = "muon"
rate = 1e-3
freeze = ["training.class_prompts"]
"#;
    let head = "base = \"first/model\"\ndtype = \"bf16\"";
    let next = configure(folder.path(), "next", head, rest);
    run(&["train", text(&next)]);
    let read = |name: &str, file: &str| {
        std::fs::read(folder.path().join(name).join("model").join(file)).unwrap()
    };
    let prompts = "class_prompts.safetensors";
    assert!(read("first", prompts) == read("next", prompts));
    assert!(read("first", "model.safetensors") != read("next", "model.safetensors"));
    let losses = std::fs::read_to_string(folder.path().join("next/losses.csv")).unwrap();
    let dense = column(&losses, "dense");
    assert!(dense[..2] == [0.0; 2] && dense[2..].iter().all(|dense| *dense > 0.0));
}

/// From the binary alone: a configuration anywhere goes on from the model in the program, prompts of classes included.
#[test]
fn the_built_in_model_is_a_base() {
    let folder = tempfile::tempdir().unwrap();
    let rest = r#"
[[stages]]
stage = "segmentation"
steps = 1
volumes = 1
masks = 1
rate = 1e-4
freeze = ["training.class_prompts"]
"#;
    let next = configure(folder.path(), "next", "base = \"small\"", rest);
    run(&["train", text(&next)]);
    let model = folder.path().join("next/model");
    let (made, base) = (
        Checkpoint::open(&model).unwrap(),
        Checkpoint::open(BuiltIn::Small).unwrap(),
    );
    assert_eq!(made.config, base.config);
    // Its prompts, not new ones.
    let exported = folder.path().join("small");
    let told = run(&["model", "export", "small", text(&exported)]);
    assert!(told.contains("18 MB written"), "{told}");
    let prompts = |folder: &Path| {
        let path = folder.join("class_prompts.safetensors");
        let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        let prompts = tensors["training.class_prompts"]
            .to_dtype(DType::F32)
            .unwrap();
        prompts.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    assert!(prompts(&exported) == prompts(&model));
    run(&["model", "verify", text(&exported)]);
    let again = viewer(&["model", "export", "small", text(&exported)])
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(1));

    // A folder of that name beside the configuration is meant before the model in the program.
    let there = configure(folder.path(), "there", "base = \"small\"", rest);
    assert!(matches!(
        TrainingConfig::open(&there).unwrap().base,
        Some(ModelFolder::Disk(path)) if path == exported
    ));
    let lost = configure(folder.path(), "lost", "base = \"nothing\"", rest);
    let failed = viewer(&["train", text(&lost)]).output().unwrap();
    let told = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(
        told.contains("base: ") && told.contains("nothing is neither"),
        "{told}"
    );
}

/// What a model says of a text and an image: logits, image tokens, a mask.
fn says(checkpoint: &Checkpoint) -> Vec<f32> {
    let lamed = Lamed::load(checkpoint, &Device::Cpu, DType::F32, &|_| {}).unwrap();
    let pattern = |n: usize| {
        (0..n)
            .map(|i| (i * 37 % 101) as f32 / 101.0)
            .collect::<Vec<_>>()
    };
    let image = Tensor::from_vec(pattern(8 * 32 * 32), (1, 1, 8, 32, 32), &Device::Cpu).unwrap();
    let states = lamed.embed(&[1, 5, 9, 30]).unwrap();
    let states = lamed.decode(&states, &mut lamed.new_cache()).unwrap();
    let features = lamed.encode_segmentation(&image).unwrap();
    let prompt = Tensor::from_vec(pattern(32), (1, 32), &Device::Cpu).unwrap();
    let mask = lamed.decode_mask(&features, &prompt).unwrap();
    let logits = lamed.logits(&states).unwrap();
    let all = [logits, lamed.encode_image(&image).unwrap(), mask];
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    all.iter().flat_map(flat).collect()
}

fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

const ADAPTED: &str = r#"
[[stages]]
stage = "all"
steps = 3
volumes = 2
talks = 3
rate = 2e-2
lora = { rank = 2, alpha = 4.0, targets = ["q_proj", "v_proj", "down_proj"] }
"#;

/// The adapter is all that was learnt: with it the base says what the trained model says, to rounding in f32.
#[test]
fn an_adapter_on_its_base_is_the_trained_model() {
    let folder = tempfile::tempdir().unwrap();
    train_first_stage(folder.path(), "first");
    let exact = |name: &str, rest: &str| {
        let path = configure(folder.path(), name, "base = \"first/model\"", rest);
        let told = std::fs::read_to_string(&path).unwrap();
        std::fs::write(
            &path,
            told.replace("weights = \"f16\"", "weights = \"f32\""),
        )
        .unwrap();
        run(&["train", text(&path)])
    };
    let after = ADAPTED.replace("lora = ", "# ").replace("2e-2", "1e-3");
    let masks =
        "\n[[stages]]\nstage = \"segmentation\"\nsteps = 2\nvolumes = 1\nmasks = 2\nrate = 1e-2\n";
    for (name, rest) in [
        ("one", ADAPTED.to_owned()),
        // Other stages learn too, before and after; the last one the adapted matrices themselves.
        ("many", format!("{masks}{ADAPTED}{masks}")),
        ("twice", format!("{ADAPTED}{ADAPTED}")),
        ("whole", format!("{ADAPTED}{after}")),
    ] {
        let told = exact(name, &rest);
        assert!(
            told.contains("lora: q_proj is qkv_proj in this model"),
            "{told}"
        );
        let (base, adapter) = (folder.path().join("first/model"), folder.path().join(name));
        let trained = says(&Checkpoint::open(adapter.join("model")).unwrap());
        let adapter = adapter.join("adapter");
        let merged = Checkpoint::open_with_adapter(&base, Some(&adapter)).unwrap();
        let (plain, merged) = (says(&Checkpoint::open(&base).unwrap()), says(&merged));
        let (off, learnt) = (difference(&trained, &merged), difference(&trained, &plain));
        assert!(learnt > 0.05 && off < 1e-4, "{name}: {off} of {learnt}");
        // It names its base, and is opened by itself.
        assert_eq!(
            difference(&says(&Checkpoint::open(&adapter).unwrap()), &merged),
            0.0
        );
        if name == "one" {
            let settings = std::fs::read(adapter.join("adapter_config.json")).unwrap();
            let settings: serde_json::Value = serde_json::from_slice(&settings).unwrap();
            let targets = serde_json::json!(["down_proj", "qkv_proj"]);
            assert_eq!(settings["target_modules"], targets);
            let saved = settings["modules_to_save"].to_string();
            assert!(
                saved.contains("lm_head") && saved.contains("mm_projector"),
                "{saved}"
            );
            assert!(!saved.contains("layers"), "{saved}");
        }
    }
}

#[test]
fn targets_that_name_nothing_are_refused_before_anything_is_learnt() {
    let folder = tempfile::tempdir().unwrap();
    let rest = LAMED.replace("\"down_proj\"]", "\"query\"]");
    let path = configure(folder.path(), "wrong", "", &rest);
    let failed = viewer(&["train", text(&path)]).output().unwrap();
    let told = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        told.contains("called query") && told.contains("qkv_proj"),
        "{told}"
    );
    assert!(!told.contains("stage segmentation"), "{told}");
    assert!(!folder.path().join("wrong/losses.csv").exists());
}

fn column(losses: &str, name: &str) -> Vec<f64> {
    let (head, rows) = losses.split_once('\n').unwrap();
    let place = head.split(',').position(|other| other == name).unwrap();
    let number = |row: &str| row.split(',').nth(place).unwrap().parse().unwrap();
    rows.lines().map(number).collect()
}

#[test]
fn a_base_gets_finer_patches_and_its_vision_tower_is_told_facts() {
    let folder = tempfile::tempdir().unwrap();
    train_first_stage(folder.path(), "first");
    let rest = r#"
[[stages]]
stage = "all"
steps = 2
volumes = 2
talks = 3
dense = true
rate = 1e-3

[[stages]]
stage = "projector"
steps = 1
volumes = 2
talks = 3
rate = 1e-3

[[stages]]
stage = "all"
steps = 1
volumes = 2
findings = 0.5
dense = true
rate = 1e-3
"#;
    let head = "base = \"first/model\"\npatch_size = [4, 8, 4]\nseg_patch_size = [4, 4, 8]";
    let next = configure(folder.path(), "next", head, rest);
    run(&["train", text(&next)]);
    let losses = std::fs::read_to_string(folder.path().join("next/losses.csv")).unwrap();
    for name in ["dense", "facts"] {
        let values = column(&losses, name);
        assert!(
            values[0] > 0.0 && values[1] > 0.0 && values[2] == 0.0 && values[3] > 0.0,
            "{name}: {values:?}"
        );
    }
    let said = column(&losses, "text");
    assert!(said[..3].iter().all(|loss| *loss > 0.0) && said[3] == 0.0);
    let checkpoint = Checkpoint::open(folder.path().join("next/model")).unwrap();
    assert_eq!(checkpoint.config.grid(), [2, 4, 8]);
    assert_eq!(checkpoint.config.seg_grid(), [2, 8, 4]);
    assert!(checkpoint.unused().is_empty());
    let lamed = Lamed::load(&checkpoint, &Device::Cpu, DType::F32, &|_| {}).unwrap();
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let image = zeros(&[1, 1, 8, 32, 32]);
    assert_eq!(lamed.encode_image(&image).unwrap().dims(), [1, 8, 32]);
    let features = lamed.encode_segmentation(&image).unwrap();
    let mask = lamed.decode_mask(&features, &zeros(&[1, 32])).unwrap();
    assert_eq!(mask.dims(), [8, 32, 32]);
}

#[test]
fn a_folder_is_learnt_from_and_one_damaged_image_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    run(&[
        "data",
        "phantom",
        text(&data),
        "--count",
        "12",
        "--seed",
        "3",
        "--size",
        "8x32x32",
    ]);
    let damaged = data.join("M3D_Cap/ct_case/000000/image.npy");
    std::fs::write(damaged, "nothing").unwrap();
    for case in std::fs::read_dir(data.join("M3D_Cap/ct_case")).unwrap() {
        let text = "Wide azygos. ".repeat(20);
        std::fs::write(case.unwrap().path().join("text.txt"), text).unwrap();
    }
    let rest = LAMED.replace("[data]", "").replace("captions = 0.5", "");
    let path = configure(folder.path(), "from_folder", "", &rest);
    let told = std::fs::read_to_string(&path).unwrap();
    let told = told.replace("[data]", "[data]\nfolder = \"data\"");
    std::fs::write(&path, told).unwrap();
    // Stages come by the image again and again; it is told once, and counted at the end.
    let told = run(&["train", text(&path)]);
    let left_out: Vec<&str> = told
        .lines()
        .filter(|l| l.starts_with("left out: "))
        .collect();
    assert_eq!(left_out.len(), 1, "{told}");
    assert!(left_out[0].contains("ct_case/000000/image.npy"), "{told}");
    assert!(
        told.contains("\nimages and entries of the data that could not be used: 1;"),
        "{told}"
    );
    let model = folder.path().join("from_folder/model");
    Checkpoint::open(&model).unwrap();
    // A word that phantoms' texts never have is one piece, with the space before it.
    let words = Tokenizer::open(&model).unwrap();
    assert_eq!(words.encode("Wide azygos.").unwrap().len(), 4);

    let nothing = configure(folder.path(), "nothing", "", LAMED);
    let told = std::fs::read_to_string(&nothing).unwrap();
    std::fs::write(&nothing, told.replace("[data]", "[data]\nfolder = \".\"")).unwrap();
    let failed = viewer(&["train", text(&nothing)]).output().unwrap();
    assert_eq!(failed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&failed.stderr).contains("nothing to learn from"));
}

#[test]
fn a_configuration_that_cannot_be_is_told_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    for (first, rest, wanted) in [
        ("", "", "there is no stage"),
        ("base = \"x\"", LAMED, "give one of base"),
        ("weights = \"f8\"", LAMED, "duplicate key"),
        ("steps = 4", LAMED, "unknown field"),
        ("vision = \"nowhere\"", CLIP, "nowhere"),
    ] {
        let rest = if rest.is_empty() { "stages = []" } else { rest };
        let path = folder.path().join("wrong.toml");
        let text = if rest == "stages = []" {
            format!("out = \"o\"\n{rest}\n[data]\n")
        } else {
            format!("out = \"o\"\n{first}\n{SIZES}{rest}")
        };
        std::fs::write(&path, text).unwrap();
        let done = viewer(&["train", path.to_str().unwrap()]).output().unwrap();
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(1), "{first}: {told}");
        assert!(told.contains(wanted), "{wanted:?} is not in {told}");
        assert_eq!(told.trim().lines().count(), 1, "{told}");
        let _ = std::fs::remove_dir_all(folder.path().join("o"));
    }
    // What comes with the project can be read.
    for name in [
        "small-coarse.toml",
        "small.toml",
        "small-clip-coarse.toml",
        "small-clip.toml",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("models")
            .join(name);
        TrainingConfig::open(&path).unwrap();
    }
}
