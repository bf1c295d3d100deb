//! Texts about phantoms, and M3D-Data's layout on disk.

use std::fs;
use std::path::Path;
use std::process::Command;

use m3d_viewer::dataset::{
    FindingKind, PairTask, Phantom, PhantomConfig, Random, Scene, Target, VqaType, box_text, pair,
    random_pair, report, templates, vqa,
};
use m3d_viewer::inference::{ModelBox, Task, build_prompt, recognise};
use m3d_viewer::io::{NpyValues, Progress, load, read_npy, scan};

fn scenes(count: u64) -> Vec<Scene> {
    let config = PhantomConfig::default();
    (0..count)
        .map(|seed| Scene::whole(&Phantom::new(seed, &config).unwrap()))
        .collect()
}

#[test]
fn reports_name_a_finding_if_and_only_if_it_is_there() {
    let mut random = Random::new(1, "reports");
    for scene in scenes(40) {
        for _ in 0..4 {
            let text = report(&scene, &mut random).to_lowercase();
            for kind in FindingKind::ALL {
                let named = text.contains(kind.name());
                assert_eq!(named, scene.has(kind), "{}: {text}", kind.name());
            }
            assert!(text.contains(scene.region.name()), "{text}");
            assert!(text.contains(&scene.plane.name().to_lowercase()) || text.contains("ct of"));
            assert!(text.len() < 1500 && text.ends_with('.') && !text.contains("  "));
            for finding in &scene.findings {
                if scene.sides(finding.kind).len() == 1
                    && let Some(side) = finding.side
                {
                    let enlarged = finding.kind == FindingKind::Splenomegaly;
                    assert!(enlarged || text.contains(side.name()), "{text}");
                }
            }
        }
    }
}

#[test]
fn questions_have_one_right_answer() {
    let mut random = Random::new(2, "vqa");
    let mut asked = [0; 6];
    for scene in scenes(40) {
        for kind in VqaType::ALL {
            let Some(item) = vqa(&scene, kind, &mut random) else {
                continue;
            };
            asked[usize::from(kind.number())] += 1;
            let mut choices = item.choices.to_vec();
            choices.sort();
            choices.dedup();
            assert_eq!(choices.len(), 4, "{item:?}");
            assert!(choices.iter().all(|c| !c.is_empty()), "{item:?}");
            assert!(
                item.closed_answer()
                    .starts_with(&format!("{}. ", item.letter()))
            );
            let prompt = build_prompt(Task::Chat, &item.closed_question(), None).unwrap();
            assert_eq!(prompt.text, format!(" {}", item.closed_question()));
            assert_eq!(recognise(&item.closed_question(), false), Task::Chat);
            check(&scene, kind, &item.question, item.answer(), &item.choices);
        }
    }
    assert!(asked[1..].iter().all(|&n| n >= 25), "{asked:?}");
}

/// That the answer is true and the other choices are not.
fn check(scene: &Scene, kind: VqaType, question: &str, answer: &str, choices: &[String; 4]) {
    let is_kind = |word: &str| {
        FindingKind::ALL
            .into_iter()
            .find(|k| k.name().eq_ignore_ascii_case(word))
    };
    let voxels = |word: &str| {
        let structure = m3d_viewer::dataset::Structure::from_name(word).unwrap();
        scene.voxels(Target::Structure(structure))
    };
    match kind {
        VqaType::Plane => assert_eq!(answer, scene.plane.name()),
        VqaType::Phase => assert!(answer.eq_ignore_ascii_case(scene.phase.name())),
        VqaType::Organ => {
            let seen = !question.contains(" not ");
            for choice in choices {
                let expected = (choice == answer) == seen;
                assert_eq!(voxels(choice) > 0, expected, "{question} {choice}");
            }
        }
        VqaType::Abnormality => {
            for choice in choices {
                let there = match is_kind(choice) {
                    Some(kind) => scene.has(kind),
                    None => choice == "No abnormality" && scene.findings.is_empty(),
                };
                assert_eq!(there, choice == answer, "{choice}");
            }
        }
        VqaType::Location => {
            let of_kind = |k: &FindingKind| question.contains(k.name());
            if let Some(kind) = FindingKind::ALL.into_iter().find(of_kind) {
                let mut findings = scene.findings.iter().filter(|f| f.kind == kind);
                let sides = scene.sides(kind);
                let told = match answer {
                    "Both sides" => sides.len() == 2,
                    "Right" | "Left" => {
                        sides.len() == 1 && sides[0].name().eq_ignore_ascii_case(answer)
                    }
                    place => findings.any(|f| f.place.eq_ignore_ascii_case(place)),
                };
                assert!(told, "{question} {answer}");
            }
        }
    }
}

#[test]
fn every_template_is_a_prompt_the_engine_passes_on_unchanged() {
    let fill = |form: &str, with: &str| templates::fill(form, with);
    let published = |forms: &[&str], count: usize| -> Vec<String> {
        forms[..count].iter().map(ToString::to_string).collect()
    };
    // The forms of the published model come first in each family.
    for (task, forms, with) in [
        (Task::Rec, published(templates::REC, 2), "spleen"),
        (
            Task::Rec,
            published(templates::REC_DESCRIBED, 1),
            "It filters blood.",
        ),
        (Task::Seg, published(templates::SEG, 2), "spleen"),
        (
            Task::Seg,
            published(templates::SEG_DESCRIBED, 1),
            "It filters blood.",
        ),
        (Task::Report, published(templates::REPORT, 2), ""),
    ] {
        for form in forms {
            let question = fill(&form, with);
            let prompt = build_prompt(task, &question, None).unwrap().text;
            let space = if task == Task::Report { "" } else { " " };
            assert_eq!(prompt, format!("{space}{question}"));
            assert_eq!(recognise(&question, false), task, "{question}");
        }
    }
    let place = ModelBox::new([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]).unwrap();
    for (typed, form) in [
        ("what is this", templates::REG[0]),
        ("describe", templates::REG_DESCRIBED[0]),
    ] {
        let wanted = fill(form, &place.to_string());
        let prompt = build_prompt(Task::Reg, typed, Some(&place)).unwrap().text;
        assert_eq!(prompt, format!(" {wanted}"));
    }
    for family in [
        templates::REC,
        templates::REC_DESCRIBED,
        templates::REC_ANSWER,
        templates::REG,
        templates::REG_DESCRIBED,
        templates::REG_ANSWER,
        templates::SEG,
        templates::SEG_DESCRIBED,
        templates::SEG_DESCRIBED_ANSWER,
    ] {
        for form in family {
            assert_eq!(form.matches("{}").count(), 1, "{form}");
        }
    }
}

#[test]
fn pairs_tell_the_truth() {
    let mut random = Random::new(3, "pairs");
    let (mut positive, mut negative) = (0, 0);
    for scene in scenes(24) {
        for target in Target::all() {
            for task in [PairTask::Rec, PairTask::Reg, PairTask::Seg] {
                for described in [false, true] {
                    let Some(made) = pair(&scene, task, target, described, &mut random) else {
                        assert!(task == PairTask::Reg || scene.shows(target).is_none());
                        continue;
                    };
                    let told = scene.model_box(target);
                    assert_eq!(made.present, told.is_some());
                    if !made.present {
                        assert_eq!(
                            made.answer,
                            format!("Sorry, there is no {}.", target.name())
                        );
                        negative += 1;
                        continue;
                    }
                    positive += 1;
                    let text = box_text(told.unwrap());
                    let written = ModelBox::new(told.unwrap()).unwrap();
                    assert_eq!(text, written.to_string());
                    match task {
                        PairTask::Rec => {
                            assert_eq!(ModelBox::parse(&made.answer), Some(written));
                            assert!(!made.question.contains("bx_start"));
                        }
                        PairTask::Reg => {
                            assert_eq!(ModelBox::parse(&made.question), Some(written));
                            assert!(made.answer.contains(target.name()));
                        }
                        PairTask::Seg => assert!(made.answer.contains("[SEG]")),
                    }
                    let named = made.question.to_lowercase().contains(target.name());
                    if task != PairTask::Reg {
                        assert_eq!(named, !described, "{}", made.question);
                    }
                }
            }
        }
        for _ in 0..20 {
            assert!(random_pair(&scene, 0.3, 0.3, &mut random).is_some());
        }
    }
    assert!(positive > 1000 && negative > 300, "{positive} {negative}");
}

fn run(arguments: &[&str], out: &Path) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_m3d-viewer"))
        .args(["data", "phantom"])
        .arg(out)
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.stdout.is_empty());
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn the_layout_on_disk_is_m3d_datas() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("set");
    let arguments = [
        "--count", "10", "--seed", "40", "--size", "16x48x48", "--format", "nifti",
    ];
    let (done, said) = run(&arguments, &out);
    assert!(done, "{said}");

    let index = |path: &str| -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(out.join(path)).unwrap()).unwrap()
    };
    let captions = index("M3D_Cap/M3D_Cap.json");
    assert_eq!(captions["train"].as_array().unwrap().len(), 8);
    assert_eq!(captions["test"].as_array().unwrap().len(), 1);
    let first = &captions["train"][0];
    let cap = out.join("M3D_Cap");
    let image = read_npy(&cap.join(first["image"].as_str().unwrap())).unwrap();
    assert_eq!(image.shape, [1, 16, 48, 48]);
    let text = fs::read_to_string(cap.join(first["text"].as_str().unwrap())).unwrap();
    assert!(text.contains("CT") || text.contains("omography"));

    let info = index("M3D_Seg/dataset_info.json");
    let names = info["0000"].as_array().unwrap();
    assert_eq!(names.len(), Target::all().count());
    let masks = index("M3D_Seg/0000/0000.json");
    assert_eq!(masks["train"].as_array().unwrap().len(), 9 * names.len());
    assert_eq!(masks["test"].as_array().unwrap().len(), names.len());
    let mut filled = 0;
    for (n, entry) in masks["train"].as_array().unwrap()[..names.len()]
        .iter()
        .enumerate()
    {
        let label = entry["label"].as_str().unwrap();
        assert!(label.ends_with(&format!("masks/mask_{n}.npy")));
        let mask = read_npy(&out.join("M3D_Seg").join(label)).unwrap();
        let NpyValues::U8(values) = mask.values else {
            panic!("masks are bytes");
        };
        if mask.shape == [1, 1, 1, 1] {
            assert_eq!(values, [0]);
        } else {
            assert_eq!(mask.shape, [1, 16, 48, 48]);
            assert!(values.contains(&1) && values.iter().all(|&v| v < 2));
            filled += 1;
        }
    }
    assert!(filled > 5);
    let image = read_npy(&out.join("M3D_Seg/0000/000000/image.npy")).unwrap();
    let NpyValues::F32(values) = image.values else {
        panic!("images are floats");
    };
    assert!(values.iter().all(|v| (0.0..=1.0).contains(v)));
    assert!(values.iter().any(|v| *v < 0.01) && values.iter().any(|v| *v > 0.8));

    let vqa = fs::read_to_string(out.join("M3D_VQA/M3D_VQA_train.csv")).unwrap();
    assert!(vqa.starts_with("Image Path,Question Type,Question,Choice A"));
    assert!(vqa.lines().count() > 25);
    let references = fs::read_to_string(out.join("M3D_RefSeg/M3D_RefSeg_train.csv")).unwrap();
    assert!(references.contains("[SEG]") && references.contains("Sorry, there is no"));
    for row in references.lines().skip(1) {
        let path = row.split(',').nth(1).unwrap();
        let NpyValues::U8(mask) = read_npy(&out.join(path)).unwrap().values else {
            panic!("masks are bytes");
        };
        assert_eq!(mask.contains(&1), row.contains("[SEG]"), "{row}");
    }

    // The viewer's volumes: the labels lie on the image, which is in Hounsfield units.
    let open = |name: &str| {
        let library = scan(&out.join("nifti").join(name), &Progress::silent()).unwrap();
        let series = library.series().next().unwrap().clone();
        load(&series, &Progress::silent()).unwrap()
    };
    let (volume, labels) = (open("000000.nii.gz"), open("000000_labels.nii.gz"));
    assert!(volume.grid().matches(labels.grid()));
    let config = PhantomConfig {
        size: [16, 48, 48],
        square_pixels: true,
        ..PhantomConfig::default()
    };
    let made = Phantom::new(40, &config).unwrap();
    assert_eq!(volume.voxels(), made.volume.voxels());
    assert!(volume.grid().matches(made.grid()));

    // The same again in another folder is the same, byte for byte; a folder in use is left alone.
    let again = folder.path().join("again");
    assert!(run(&arguments, &again).0);
    for path in ["M3D_VQA/M3D_VQA_train.csv", "M3D_Seg/0000/000003/image.npy"] {
        assert_eq!(
            fs::read(out.join(path)).unwrap(),
            fs::read(again.join(path)).unwrap()
        );
    }
    let before = fs::read_dir(&out).unwrap().count();
    let (done, said) = run(&["--count", "1", "--seed", "1"], &out);
    assert!(!done && said.contains("is not empty"), "{said}");
    assert_eq!(fs::read_dir(&out).unwrap().count(), before);
}

#[test]
fn bad_usage_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["--count", "0", "--seed", "1"][..],
        &["--count", "2"],
        &["--count", "2", "--seed", "1", "--size", "4x64x64"],
        &["--count", "2", "--seed", "1", "--size", "64x64"],
        &["--count", "2", "--seed", "1", "--variety", "2"],
    ] {
        let (done, said) = run(arguments, &folder.path().join("x"));
        assert!(!done && !said.is_empty());
    }
    assert!(!folder.path().join("x").exists());
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let (done, said) = run(&["--count", "1", "--seed", "1"], &file);
    assert!(!done && said.contains("file"), "{said}");
}
