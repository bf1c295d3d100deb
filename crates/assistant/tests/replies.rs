//! What the built-in model and the program around it answer about a real CT (the sample: 4 cm of the upper abdomen) and
//! about images it never saw.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use m3d_assistant::inference::{GenerationSettings, Session};
use m3d_assistant::reply::{ImageFacts, Outcome, Question, Reply, ReplyEvent, respond};
use m3d_imaging::io::{Progress, load, scan};
use m3d_imaging::volume::{Modality, Units, Volume};
use m3d_model::{BuiltIn, DTypeChoice, DeviceChoice, ModelFolder};

fn sample() -> &'static Arc<Volume> {
    static SAMPLE: OnceLock<Arc<Volume>> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../assets/sample/ct_abdomen"
        );
        let library = scan(&PathBuf::from(path), &Progress::silent()).unwrap();
        let series = library.series().next().unwrap();
        Arc::new(load(series, &Progress::silent()).unwrap())
    })
}

fn session() -> MutexGuard<'static, Session> {
    static SESSION: OnceLock<Mutex<Session>> = OnceLock::new();
    let session = SESSION.get_or_init(|| {
        let place = ModelFolder::from(BuiltIn::Small);
        let (cpu, f32s) = (DeviceChoice::Cpu, DTypeChoice::F32);
        Mutex::new(Session::load(place, cpu, f32s, &|_| {}).unwrap())
    });
    session
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn question(volume: &Arc<Volume>, revision: u64, text: &str) -> Question {
    Question {
        id: 1,
        volume: Arc::clone(volume),
        revision,
        about: Arc::new(ImageFacts::of_volume(volume)),
        text: text.to_owned(),
        task: None,
        voxel_box: None,
        window: None,
        settings: GenerationSettings::default(),
        anyway: false,
    }
}

fn answer(question: &Question) -> Reply {
    let mut reply = None;
    let mut hear = |event| match event {
        ReplyEvent::Done(done) => reply = Some(*done),
        ReplyEvent::Failed(error) => panic!("{error}"),
        _ => {}
    };
    respond(&mut session(), question, &mut hear, &|| false);
    reply.unwrap()
}

fn ask(text: &str) -> Reply {
    answer(&question(sample(), 1, text))
}

fn codes(reply: &Reply) -> Vec<&str> {
    reply.warnings.iter().map(|w| w.code).collect()
}

#[test]
fn outcomes_are_those_of_the_image_and_the_models_card() {
    for (text, outcome, found) in [
        ("liver", Outcome::Answered, 1),
        ("LIVER and Spleen", Outcome::Answered, 2),
        ("wheres teh aorta", Outcome::Answered, 1),
        ("How big is the spleen?", Outcome::Measured, 1),
        ("mean HU of the liver", Outcome::Measured, 1),
        ("How many slices?", Outcome::Measured, 0),
        ("which plane", Outcome::Measured, 0),
        ("segment the bladder", Outcome::NotInView, 0),
        ("where is the brain", Outcome::NotInView, 0),
        ("segment L2", Outcome::NotKnown, 0),
        ("r/o appendicitis", Outcome::NotInView, 0),
        ("r/o pancreatitis", Outcome::NotKnown, 0),
        ("Any kidney stones?", Outcome::NotKnown, 0),
        ("What is the capital of France?", Outcome::NotKnown, 0),
        ("how old is she", Outcome::NotKnown, 0),
        ("what phase is this", Outcome::Answered, 0),
        ("give me a report", Outcome::Answered, 0),
    ] {
        let reply = ask(text);
        assert_eq!(reply.outcome, outcome, "{text}: {}", reply.text);
        assert_eq!(reply.found().count(), found, "{text}: {}", reply.text);
        assert!(!reply.text.is_empty(), "{text}");
        for token in ["[SEG]", "bx_start", "im_patch"] {
            assert!(!reply.text.contains(token), "{text}: {}", reply.text);
        }
    }
}

#[test]
fn what_the_image_cuts_is_told() {
    let reply = ask("How big is the liver?");
    assert!(
        codes(&reply).contains(&"cut_by_edge"),
        "{:?}",
        reply.warnings
    );
    assert!(reply.text.contains("at least"), "{}", reply.text);
    let compared = ask("Is the spleen larger than the liver?");
    assert!(
        compared.text.contains("cannot be told"),
        "{}",
        compared.text
    );
}

/// A finding is absent only as far as the model can tell, and with how often it misses one.
#[test]
fn an_absent_finding_comes_with_its_sensitivity() {
    let reply = ask("Is there a pleural effusion?");
    assert_eq!(reply.outcome, Outcome::Absent, "{}", reply.text);
    assert!(reply.text.contains("misses"), "{}", reply.text);
    assert!(
        !reply.text.to_lowercase().contains("there is no"),
        "{}",
        reply.text
    );
}

/// The same voxels as an MR: the built-in model is not asked, unless the reader says so.
#[test]
fn an_image_that_the_model_never_saw_is_not_asked_about() {
    let ct = sample();
    let (grid, rescale) = (*ct.grid(), ct.rescale());
    let mr = Volume::new(
        grid,
        ct.voxels().clone(),
        rescale,
        Modality::Mr,
        Units::Arbitrary,
    );
    let mr = Arc::new(mr.unwrap());
    for text in ["liver", "report", "Is there a fracture?"] {
        let reply = answer(&question(&mr, 2, text));
        assert_eq!(reply.outcome, Outcome::Unusable, "{text}: {}", reply.text);
        assert!(codes(&reply).iter().any(|c| c.starts_with("domain_")));
        assert_eq!(reply.answers().count(), 0, "{text}");
    }
    let mut anyway = question(&mr, 2, "liver");
    anyway.anyway = true;
    assert!(answer(&anyway).answers().count() > 0);
    let slices = answer(&question(&mr, 2, "how many slices"));
    assert_eq!(slices.outcome, Outcome::Measured);
}

/// Where the file does not say which way is left, what is called left is told to be a guess.
#[test]
fn a_side_that_the_file_does_not_tell_is_told() {
    let mut asked = question(sample(), 1, "left kidney");
    let mut about = (*asked.about).clone();
    about.stated.side_known = false;
    asked.about = Arc::new(about);
    let reply = answer(&asked);
    if reply.outcome.is_success() {
        assert!(
            codes(&reply).contains(&"side_unknown"),
            "{:?}",
            reply.warnings
        );
    }
    let mut found = question(sample(), 1, "where is the liver");
    found.about = asked.about;
    let reply = answer(&found);
    assert!(!reply.text.contains(" at "), "{}", reply.text);
}

/// The answers do not hang on the window on screen: it is no part of the question.
#[test]
fn the_window_that_answers_were_made_with_is_recorded() {
    let reply = ask("what phase is this");
    assert_eq!(reply.window, m3d_imaging::volume::Window::SOFT_TISSUE);
}
