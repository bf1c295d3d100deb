//! What questions as readers type them are taken for.

use std::path::PathBuf;

use m3d_assistant::inference::Knowledge;
use m3d_assistant::plan::{Plan, StepKind, plan};
use m3d_model::{BuiltIn, ModelFolder};

fn small() -> Knowledge {
    Knowledge::of(&ModelFolder::from(BuiltIn::Small)).unwrap()
}

fn told(plan: &Plan) -> (String, String) {
    let kinds: Vec<&str> = plan.steps.iter().map(|s| s.kind.name()).collect();
    let subjects: Vec<&str> = plan.subjects.iter().map(|t| t.name()).collect();
    (kinds.join(" "), subjects.join(", "))
}

#[test]
fn the_built_in_models_card_names_what_the_lexicon_knows() {
    let knowledge = small();
    assert_eq!(knowledge.targets().len(), 36);
    assert!(!knowledge.is_open() && knowledge.answers("phase") && !knowledge.answers("weather"));
}

/// Questions, the kinds of their steps, and what they are about.
const QUESTIONS: &[(&str, &str, &str)] = &[
    ("liver", "segment", "liver"),
    ("the liver, please", "segment", "liver"),
    (
        "Could you outline the pancreas for me?",
        "segment",
        "pancreas",
    ),
    (
        "both psoas muscles",
        "segment segment",
        "left psoas muscle, right psoas muscle",
    ),
    ("draw the ribs", "segment", "rib"),
    (
        "kidneys and spleen",
        "segment segment segment",
        "left kidney, right kidney, spleen",
    ),
    ("Where's the gallbladder located?", "find", "gallbladder"),
    ("locate teh stomch", "find", "stomach"),
    ("take me to the bladder", "find go", "bladder"),
    ("How large is the heart?", "segment measure", "heart"),
    ("volume of left kidney", "segment measure", "left kidney"),
    ("mean HU in the spleen", "segment measure", "spleen"),
    ("diameter of the aorta", "segment measure", "aorta"),
    (
        "Is the right kidney smaller than the left one?",
        "segment measure segment measure compare",
        "right kidney, left kidney",
    ),
    (
        "which lung is bigger",
        "segment measure segment measure compare",
        "left lung, right lung",
    ),
    (
        "number of kidneys",
        "segment segment measure",
        "left kidney, right kidney",
    ),
    (
        "Is there any sign of a rib fracture?",
        "ask",
        "rib fracture",
    ),
    ("r/o cholecystitis", "ask", "cholecystitis"),
    ("does she have ascites", "ask", "ascites"),
    ("any liver mets?", "ask", "liver metastasis"),
    ("Is the heart enlarged?", "ask", "heart"),
    ("does the pancreas look normal", "ask", "pancreas"),
    (
        "liver vs spleen HU",
        "segment measure segment measure",
        "liver, spleen",
    ),
    (
        "Is the spleen bigger than 12 cm?",
        "segment measure",
        "spleen",
    ),
    ("liver but not the spleen", "segment", "liver"),
    (
        "Y a-t-il un épanchement pleural ?",
        "ask",
        "pleural effusion",
    ),
    (
        "Is a kidney missing?",
        "ask ask",
        "left kidney, right kidney",
    ),
    ("contrast phase?", "ask", ""),
    ("write a report", "report", ""),
    ("what do you see here?", "report", ""),
    ("summarize this study", "report", ""),
    ("how many slices are there", "header", ""),
    ("patient age?", "header", ""),
    ("which plane is it", "header", ""),
    ("slice thickness", "header", ""),
    ("Who won the world cup?", "ask", ""),
    ("tell me a joke", "ask", ""),
    ("segment the flux capacitor", "segment", ""),
    ("脾在哪里", "find", "spleen"),
    ("测量肝脏体积", "segment measure", "liver"),
    ("有肾结石吗", "ask", "kidney stone"),
    (
        "What is the phase? Choices: A. arterial B. venous C. delayed D. plain",
        "ask",
        "",
    ),
];

#[test]
fn questions_become_steps() {
    let knowledge = small();
    for &(text, steps, subjects) in QUESTIONS {
        let found = plan(text, false, &knowledge);
        let (kinds, named) = told(&found);
        assert_eq!(
            (kinds.as_str(), named.as_str()),
            (steps, subjects),
            "{text}"
        );
    }
    let everything = plan("segment everything", false, &knowledge);
    assert_eq!(everything.steps.len(), 28);
    let most = plan("segment everything except the liver", false, &knowledge);
    assert_eq!(most.steps.len(), 27);
}

#[test]
fn a_box_is_described_unless_something_is_named() {
    let knowledge = small();
    for (text, kind) in [
        ("", StepKind::Describe),
        ("what is this?", StepKind::Describe),
        ("describe", StepKind::Describe),
        ("segment the liver", StepKind::Segment),
    ] {
        let found = plan(text, true, &knowledge);
        assert_eq!(found.steps[0].kind, kind, "{text}");
    }
}

#[test]
fn what_was_read_otherwise_is_told() {
    let knowledge = small();
    let read = |text: &str| plan(text, false, &knowledge).read_as;
    assert_eq!(read("spleen"), None);
    assert_eq!(read("SPLEEN"), None);
    assert_eq!(read("lt kidny").as_deref(), Some("left kidney"));
    assert_eq!(read("gall bladder").as_deref(), Some("gallbladder"));
}

/// A model without a card is asked for a large group by its name and for a pair one by one.
#[test]
fn a_model_that_knows_any_words_is_asked_for_groups_by_name() {
    let open = Knowledge::default();
    assert_eq!(told(&plan("ribs", false, &open)).1, "rib");
    assert_eq!(
        told(&plan("lungs", false, &open)).1,
        "left lung, right lung"
    );
}

#[test]
fn the_questions_of_readers_are_recognised() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let shared =
        std::env::var_os("M3D_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let path = shared.join("data/questions/open.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return;
    };
    let knowledge = small();
    let (mut right, mut count) = (0, 0);
    for line in text.lines() {
        let wanted: serde_json::Value = serde_json::from_str(line).unwrap();
        let words = |key: &str| -> Vec<String> {
            let list = wanted[key].as_array().cloned().unwrap_or_default();
            list.iter()
                .map(|v| v.as_str().unwrap().to_owned())
                .collect()
        };
        let question = wanted["question"].as_str().unwrap();
        let found = plan(question, false, &knowledge);
        let (kinds, said) = told(&found);
        let mut kinds = kinds.split(' ');
        let steps_there = words("steps").iter().all(|step| kinds.any(|k| k == step));
        let subjects_there = words("subjects").iter().all(|s| said.contains(s.as_str()));
        count += 1;
        if steps_there && subjects_there {
            right += 1;
        } else {
            eprintln!("{question:?}: {} | {said}", found.label());
        }
    }
    eprintln!("{right} of {count} recognised");
    assert!(f64::from(right) >= 0.95 * f64::from(count));
}
