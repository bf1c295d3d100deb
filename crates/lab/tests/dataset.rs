//! Texts about phantoms.

use m3d_assistant::inference::{ModelBox, Task, build_prompt};
use m3d_imaging::wording as templates;
use m3d_lab::dataset::{
    FindingKind, PairTask, Phantom, PhantomConfig, Random, Scene, Target, VqaType, box_text, pair,
    random_pair, report, vqa,
};

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
        let structure = m3d_lab::dataset::Structure::from_name(word).unwrap();
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
