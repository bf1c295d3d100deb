//! Questions and answers with the small random checkpoint: it speaks nonsense, but every answer has a
//! box and a `[SEG]`, so the whole path runs.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use candle_core::{IndexOp, Tensor};
use glam::{DAffine3, DQuat, DVec3, UVec3};
use m3d_assistant::inference::{
    Answer, Event, GenerationSettings, InferenceError, Preparation, Request, Session, Task, prepare,
};
use m3d_assistant::reply::{Question, ReplyEvent};
use m3d_assistant::{Worker, WorkerEvent};
use m3d_imaging::geometry::{VoxelBox, VoxelGrid};
use m3d_imaging::volume::{CT_PRESETS, Modality, Rescale, Units, Volume, Voxels};
use m3d_model::{DTypeChoice, DeviceChoice};
use m3d_model::{Tokenizer, write_demo_checkpoint};

fn tokenizer_files() -> PathBuf {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let shared =
        std::env::var_os("M3D_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let folders = [
        root.join("tests/golden/tokenizer"),
        shared.join("goldens/tokenizer"),
    ];
    let found = folders
        .into_iter()
        .find(|f| f.join("tokenizer.model").is_file());
    found.expect("tests/golden/tokenizer is part of the repository")
}

fn demo() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_demo_checkpoint(folder.path(), &tokenizer_files()).unwrap();
    folder
}

fn load(folder: &Path) -> Session {
    Session::load(folder, DeviceChoice::Cpu, DTypeChoice::F32, &|_| {}).unwrap()
}

/// A body with a core on an oblique, anisotropic grid, in air.
fn volume() -> Arc<Volume> {
    let turn = DQuat::from_rotation_x(0.4) * DQuat::from_rotation_z(-0.3);
    let place = DAffine3::from_scale_rotation_translation(
        DVec3::new(1.5, 1.2, 4.0),
        turn,
        DVec3::new(9.0, -30.0, 70.0),
    );
    let grid = VoxelGrid::new(UVec3::new(72, 64, 24), place).unwrap();
    let centre = DVec3::new(36.0, 30.0, 12.0);
    let mut voxels = Vec::with_capacity(grid.len());
    for k in 0..24_u32 {
        for j in 0..64_u32 {
            for i in 0..72_u32 {
                let away = (UVec3::new(i, j, k).as_dvec3() - centre) / DVec3::new(30.0, 25.0, 10.0);
                let inside = away.length();
                voxels.push(match inside {
                    r if r < 0.4 => 160_i16,
                    r if r < 1.0 => 30 + i16::try_from((i * 3 + j * 5 + k * 7) % 23).unwrap(),
                    _ => -1000,
                });
            }
        }
    }
    let stored = Voxels::I16(voxels);
    Arc::new(
        Volume::new(
            grid,
            stored,
            Rescale::IDENTITY,
            Modality::Ct,
            Units::Hounsfield,
        )
        .unwrap(),
    )
}

/// What these tests' texts ask for.
fn task_of(text: &str) -> Task {
    match text {
        "" => Task::Reg,
        "where is the spleen" => Task::Rec,
        text if text.contains('?') => Task::Chat,
        _ => Task::Seg,
    }
}

fn request(text: &str) -> Request {
    Request {
        id: 1,
        volume: volume(),
        revision: 7,
        task: task_of(text),
        text: text.to_owned(),
        voxel_box: None,
        window: CT_PRESETS[0].window,
        settings: GenerationSettings {
            max_tokens: 96,
            ..GenerationSettings::default()
        },
    }
}

fn ask(session: &mut Session, request: &Request) -> Vec<Event> {
    let mut events = Vec::new();
    session.ask(request, &mut |event| events.push(event), &|| false);
    events
}

fn answer(events: &[Event]) -> Answer {
    match events.last() {
        Some(Event::Done(answer)) => (**answer).clone(),
        other => panic!("no answer but {other:?}"),
    }
}

fn failure(events: &[Event]) -> InferenceError {
    match events.last() {
        Some(Event::Failed(error)) => error.clone(),
        other => panic!("no failure but {other:?}"),
    }
}

fn stages(answer: &Answer) -> Vec<&'static str> {
    answer.timings_ms.iter().map(|(stage, _)| *stage).collect()
}

#[test]
fn an_answer_streams_and_brings_a_box_and_a_mask_home() {
    let folder = demo();
    let mut session = load(folder.path());
    let request = request("left kidney");
    let events = ask(&mut session, &request);
    let answer = answer(&events);
    assert_eq!(answer.task, Task::Seg);
    assert_eq!(
        answer.prompt,
        " Can you segment the left kidney in this image?"
    );
    let mut streamed = String::new();
    let mut boxes = Vec::new();
    let mut order = Vec::new();
    for event in &events {
        order.push(match event {
            Event::Prepared => 0,
            Event::Prompt(prompt) => {
                assert_eq!(*prompt, answer.prompt);
                1
            }
            Event::Encoded => 2,
            Event::Token(piece) => {
                assert!(!piece.is_empty());
                streamed.push_str(piece);
                3
            }
            Event::Box(found) => {
                boxes.push(*found);
                4
            }
            Event::Mask(mask, _) => {
                assert_eq!(Some(mask), answer.mask.as_ref());
                5
            }
            Event::Done(_) => 6,
            other => panic!("{other:?}"),
        });
    }
    assert!(order.is_sorted(), "{order:?}");
    assert!(
        order.iter().filter(|&&n| n == 3).count() > 3,
        "it streams: {order:?}"
    );
    assert_eq!(streamed, answer.text);
    assert!(answer.text.contains("[SEG]"), "{}", answer.text);
    assert_eq!(boxes, answer.boxes);
    assert_eq!(boxes.len(), 1, "{}", answer.text);
    let whole = VoxelBox::whole(request.volume.grid());
    assert!(
        boxes[0].min.cmpge(whole.min - 1e-9).all() && boxes[0].max.cmple(whole.max + 1e-9).all()
    );
    let mask = answer.mask.as_ref().expect("a mask");
    assert_eq!(mask.grid(), request.volume.grid());
    assert!(answer.mask_voxel_mm.unwrap().cmpgt(DVec3::ZERO).all());
    assert_eq!(answer.model_fingerprint, session.facts().fingerprint);
    assert_eq!(answer.settings, request.settings);
    assert!(stages(&answer).contains(&"generate"));
}

/// One pass over everything, without cache or chunks, by the networks alone: the session's short cuts
/// change neither the words nor the mask, and `[SEG]` is read from the state that produced it.
#[test]
fn the_answer_is_what_the_networks_say() {
    let folder = demo();
    let request = request("left kidney");
    let found = answer(&ask(&mut load(folder.path()), &request));

    let device = candle_core::Device::Cpu;
    let checkpoint = m3d_model::Checkpoint::open(folder.path()).unwrap();
    let lamed =
        m3d_model::Lamed::load(&checkpoint, &device, candle_core::DType::F32, &|_| {}).unwrap();
    let tokenizer = Tokenizer::open(folder.path()).unwrap();
    let config = lamed.config();
    let size = config.image_size;
    let prepared = prepare(&request.volume, Preparation::Segmentation, size, &|| false).unwrap();
    let image =
        Tensor::from_slice(&prepared.voxels, (1, 1, size[0], size[1], size[2]), &device).unwrap();
    let prompt = tokenizer.encode_after_image(&found.prompt).unwrap();
    let mut ids: Vec<u32> = Vec::new();
    let mut states = Vec::new();
    loop {
        let mut parts = vec![
            lamed.embed(&[config.bos_token_id]).unwrap(),
            lamed.encode_image(&image).unwrap(),
            lamed.embed(&prompt).unwrap(),
        ];
        if !ids.is_empty() {
            parts.push(lamed.embed(&ids).unwrap());
        }
        let all = Tensor::cat(&parts, 1).unwrap();
        let hidden = lamed.decode(&all, &mut lamed.new_cache()).unwrap();
        let state = hidden.narrow(1, hidden.dim(1).unwrap() - 1, 1).unwrap();
        let scores = lamed
            .logits(&state)
            .unwrap()
            .i(0)
            .unwrap()
            .to_vec1::<f32>()
            .unwrap();
        let best = (0..scores.len())
            .max_by(|&a, &b| scores[a].total_cmp(&scores[b]))
            .unwrap() as u32;
        if checkpoint.stop_ids.contains(&best) {
            break;
        }
        if best == config.seg_token_id && !ids.is_empty() {
            states.push(state);
        }
        ids.push(best);
        if ids.len() == request.settings.max_tokens {
            break;
        }
    }
    assert_eq!(found.text, tokenizer.decode(&ids, true).unwrap());
    assert_eq!(found.token_count, ids.len());
    let features = lamed.encode_segmentation(&image).unwrap();
    let seg_prompt = lamed.segmentation_prompt(&states).unwrap();
    let logits = lamed.decode_mask(&features, &seg_prompt).unwrap();
    let logits: Vec<f32> = logits.flatten_all().unwrap().to_vec1().unwrap();
    let mask = prepared.frame.mask_from_logits(&logits);
    assert!(mask.dice(found.mask.as_ref().unwrap()) > 0.999);
}

#[test]
fn the_same_question_again_is_the_same_and_finds_the_image_ready() {
    let folder = demo();
    let mut session = load(folder.path());
    let first = answer(&ask(&mut session, &request("left kidney")));
    assert_eq!(session.cache_stats().hits, 0);
    for stage in [
        "prepare",
        "encode image",
        "read image",
        "encode segmentation",
    ] {
        assert!(stages(&first).contains(&stage), "{stage}");
    }
    let other = answer(&ask(&mut session, &request("where is the spleen")));
    assert_ne!(other.prompt, first.prompt);
    let again = answer(&ask(&mut session, &request("left kidney")));
    assert_eq!(session.cache_stats().hits, 2);
    assert_eq!(stages(&again), ["generate", "draw mask", "bring mask home"]);
    assert_eq!((&again.text, &again.boxes), (&first.text, &first.boxes));
    assert_eq!(again.mask, first.mask);
    assert_eq!(again.token_count, first.token_count);
}

#[test]
fn images_are_kept_apart_and_are_few() {
    let folder = demo();
    let mut session = load(folder.path());
    let mut question = request("Which plane is it?");
    let of =
        |session: &mut Session, q: &Request| stages(&answer(&ask(session, q))).contains(&"prepare");
    assert!(of(&mut session, &question));
    assert!(!of(&mut session, &question));
    question.revision += 1;
    assert!(of(&mut session, &question), "another revision");
    question.window = CT_PRESETS[3].window;
    assert!(of(&mut session, &question), "another window");
    question.task = Task::Seg;
    assert!(of(&mut session, &question), "another way of preparing");
    assert_eq!(session.cached_images(), 4, "small ones are all kept");
    session.keep_images_within(0);
    for revision in 100..110 {
        question.revision = revision;
        assert!(of(&mut session, &question));
    }
    assert!(session.cached_images() <= 3);
}

#[test]
fn cancelling_stops_within_one_token() {
    let folder = demo();
    let mut session = load(folder.path());
    let flag = Cell::new(false);
    let mut events = Vec::new();
    let mut emit = |event: Event| {
        if matches!(event, Event::Token(_)) {
            flag.set(true);
        }
        events.push(event);
    };
    session.ask(&request("left kidney"), &mut emit, &|| flag.get());
    let tokens = events
        .iter()
        .filter(|e| matches!(e, Event::Token(_)))
        .count();
    assert_eq!(tokens, 1);
    assert!(
        matches!(events.last(), Some(Event::Cancelled)),
        "{events:?}"
    );
    // The next question is not disturbed by the broken-off one.
    let after = answer(&ask(&mut session, &request("left kidney")));
    let fresh = answer(&ask(&mut load(folder.path()), &request("left kidney")));
    assert_eq!(after.text, fresh.text);
    assert_eq!(after.mask, fresh.mask);
}

#[test]
fn cancelling_before_anything_does_nothing() {
    let folder = demo();
    let mut session = load(folder.path());
    let mut events = Vec::new();
    session.ask(&request("left kidney"), &mut |e| events.push(e), &|| true);
    assert!(matches!(events[..], [Event::Cancelled]), "{events:?}");
}

#[test]
fn a_box_is_described_in_the_models_coordinates() {
    let folder = demo();
    let mut session = load(folder.path());
    let mut question = request("");
    let drawn = VoxelBox::from_corners(DVec3::new(40.0, 20.0, 8.0), DVec3::new(22.0, 41.0, 15.0));
    question.voxel_box = Some(drawn);
    let found = answer(&ask(&mut session, &question));
    assert_eq!(found.task, Task::Reg);
    let size = session.facts().image_size;
    let image = prepare(&question.volume, Preparation::Segmentation, size, &|| false).unwrap();
    let told = image.frame.model_box(&drawn).unwrap();
    assert!(
        found
            .prompt
            .contains(&format!("based on the box {told} in")),
        "{}",
        found.prompt
    );
    question.voxel_box = Some(VoxelBox::from_corners(
        DVec3::splat(-90.0),
        DVec3::splat(-80.0),
    ));
    assert_eq!(
        failure(&ask(&mut session, &question)),
        InferenceError::BoxOutside
    );
    question.voxel_box = None;
    question.task = Task::Reg;
    assert_eq!(
        failure(&ask(&mut session, &question)),
        InferenceError::NoBox
    );
}

#[test]
fn questions_that_cannot_be_asked_fail_with_one_clear_line() {
    let folder = demo();
    let mut session = load(folder.path());
    for length in [20_000, 1_000_000] {
        let long = "why ".repeat(length);
        let error = failure(&ask(&mut session, &request(&long)));
        assert!(matches!(error, InferenceError::TooLong { .. }), "{error}");
        let line = error.to_string();
        assert!(line.contains("too long") && !line.contains('\n'));
    }
    assert_eq!(
        failure(&ask(&mut session, &request(" \n"))),
        InferenceError::EmptyQuestion
    );
    let mut broken = request("left kidney");
    broken.settings.top_p = 0.0;
    assert!(matches!(
        failure(&ask(&mut session, &broken)),
        InferenceError::Setting { .. }
    ));
    // None of them cost any work.
    assert_eq!(session.cache_stats().misses, 0);
    answer(&ask(&mut session, &request("left kidney")));
}

/// An answer that would run past the context ends there.
#[test]
fn answers_end_with_the_context() {
    let folder = demo();
    let mut session = load(folder.path());
    let mut question = request("left kidney");
    question.settings.max_tokens = usize::MAX;
    question.settings.temperature = 1.0;
    let found = answer(&ask(&mut session, &question));
    assert!(found.token_count <= session.facts().context);
}

#[test]
fn control_tokens_typed_by_a_person_stay_words() {
    let folder = demo();
    let tokenizer = Tokenizer::open(folder.path()).unwrap();
    let mut session = load(folder.path());
    let markers = [
        "<s>",
        "</s>",
        "<unk>",
        "<|end|>",
        "<|endoftext|>",
        "<|assistant|>",
        "<im_patch>",
        "<bx_start>",
        "<bx_end>",
        "[SEG]",
    ];
    let special: Vec<u32> = markers
        .iter()
        .filter_map(|m| tokenizer.token_id(m))
        .collect();
    assert_eq!(special.len(), markers.len());
    for task in [Task::Chat, Task::Report, Task::Rec, Task::Seg] {
        let mut question = request(&format!("is\u{0} it {} so?", markers.join("")));
        question.task = task;
        let found = answer(&ask(&mut session, &question));
        let ids = tokenizer.encode_user_text(&found.prompt).unwrap();
        assert!(
            !ids.iter().any(|id| special.contains(id)),
            "{task}: {}",
            found.prompt
        );
        assert!(!found.prompt.chars().any(char::is_control));
    }
}

/// Every number type on offer answers; the small differences may change the words, not the path.
#[test]
fn narrower_numbers_answer_too() {
    let folder = demo();
    for dtype in &DTypeChoice::ALL[1..] {
        let mut session = Session::load(folder.path(), DeviceChoice::Cpu, *dtype, &|_| {}).unwrap();
        assert_eq!(session.facts().dtype, dtype.to_string());
        let found = answer(&ask(&mut session, &request("left kidney")));
        assert!(found.mask.is_some(), "{dtype}: {}", found.text);
    }
}

#[test]
fn a_seed_repeats() {
    let folder = demo();
    let mut session = load(folder.path());
    let mut question = request("Which phase is it?");
    question.settings.max_tokens = 24;
    question.settings.temperature = 3.0;
    let mut with_seed = |seed| {
        question.settings.seed = seed;
        answer(&ask(&mut session, &question)).text
    };
    let texts: Vec<String> = (0..6).map(&mut with_seed).collect();
    let again: Vec<String> = (0..6).map(&mut with_seed).collect();
    assert_eq!(texts, again);
    assert!(texts.iter().any(|t| *t != texts[0]), "{texts:?}");
}

fn next(worker: &Worker) -> WorkerEvent {
    worker
        .events()
        .recv_timeout(Duration::from_mins(2))
        .expect("the worker answers")
}

fn loaded(worker: &Worker) -> Result<m3d_assistant::inference::ModelFacts, InferenceError> {
    loop {
        match next(worker) {
            WorkerEvent::Loading(part) => assert!((0.0..=1.0).contains(&part)),
            WorkerEvent::Loaded(facts) => return Ok(facts),
            WorkerEvent::LoadFailed(error) => return Err(error),
            other => panic!("{other:?}"),
        }
    }
}

fn last_of(worker: &Worker, wanted: u64) -> ReplyEvent {
    loop {
        match next(worker) {
            WorkerEvent::Question(
                id,
                event @ (ReplyEvent::Done(_) | ReplyEvent::Cancelled | ReplyEvent::Failed(_)),
            ) => {
                assert_eq!(id, wanted);
                return event;
            }
            WorkerEvent::Question(id, _) => assert_eq!(id, wanted),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_worker_survives_what_goes_wrong() {
    let folder = demo();
    let worker = Worker::start(|| {}).unwrap();
    let load =
        |folder: &Path| worker.load(folder.to_path_buf(), DeviceChoice::Cpu, DTypeChoice::Auto);
    worker
        .ask(Request {
            id: 1,
            ..request("left kidney")
        })
        .unwrap();
    assert!(matches!(
        last_of(&worker, 1),
        ReplyEvent::Failed(InferenceError::NoModel)
    ));
    let empty = tempfile::tempdir().unwrap();
    load(empty.path()).unwrap();
    let error = loaded(&worker).unwrap_err().to_string();
    assert!(
        !error.contains('\n') && error.contains("config.json"),
        "{error}"
    );
    load(folder.path()).unwrap();
    let facts = loaded(&worker).unwrap();
    assert!(facts.parameters > 0 && facts.bytes == facts.parameters * 4);
    assert_eq!((facts.device, facts.dtype), ("cpu", "f32"));
    worker
        .ask(Request {
            id: 2,
            ..request("left kidney")
        })
        .unwrap();
    assert!(matches!(last_of(&worker, 2), ReplyEvent::Done(_)));
    // A bad folder leaves the good model in place.
    load(empty.path()).unwrap();
    assert!(loaded(&worker).is_err());
    worker
        .ask(Question {
            id: 3,
            task: None,
            ..Question::from(request(""))
        })
        .unwrap();
    assert!(matches!(
        last_of(&worker, 3),
        ReplyEvent::Failed(InferenceError::EmptyQuestion)
    ));
    worker
        .ask(Request {
            id: 4,
            ..request("left kidney")
        })
        .unwrap();
    assert!(matches!(last_of(&worker, 4), ReplyEvent::Done(_)));
    worker.unload().unwrap();
    assert!(matches!(next(&worker), WorkerEvent::Unloaded));
    worker
        .ask(Request {
            id: 5,
            ..request("left kidney")
        })
        .unwrap();
    assert!(matches!(
        last_of(&worker, 5),
        ReplyEvent::Failed(InferenceError::NoModel)
    ));
}

#[test]
fn the_worker_encodes_ahead_and_cancels_by_number() {
    let folder = demo();
    let worker = Worker::start(|| {}).unwrap();
    // Asked for before there is a model: done when it has come.
    let volume = volume();
    worker.encode(Arc::clone(&volume), 7, CT_PRESETS[0].window);
    worker
        .load(
            folder.path().to_path_buf(),
            DeviceChoice::Cpu,
            DTypeChoice::Auto,
        )
        .unwrap();
    loaded(&worker).unwrap();
    match next(&worker) {
        WorkerEvent::Encoded { revision, result } => assert_eq!((revision, result), (7, Ok(()))),
        other => panic!("{other:?}"),
    }
    for (id, text) in [(1, "left kidney"), (2, "Which plane is it?")] {
        worker
            .ask(Request {
                id,
                ..request(text)
            })
            .unwrap();
        let ReplyEvent::Done(reply) = last_of(&worker, id) else {
            panic!("no answer")
        };
        let made: Vec<&str> = reply.answers().flat_map(stages).collect();
        assert!(!made.contains(&"prepare") && !made.contains(&"read image"));
    }
    // Three questions wait; the second is cancelled before its turn, the others are answered.
    for id in 11..=13 {
        worker
            .ask(Request {
                id,
                ..request("left kidney")
            })
            .unwrap();
    }
    worker.cancel(12);
    worker.cancel(99);
    assert!(matches!(last_of(&worker, 11), ReplyEvent::Done(_)));
    assert!(matches!(last_of(&worker, 12), ReplyEvent::Cancelled));
    assert!(matches!(last_of(&worker, 13), ReplyEvent::Done(_)));
    // A dropped worker ends, with a question running and its events unread.
    for id in 20..30 {
        worker
            .ask(Request {
                id,
                ..request("left kidney")
            })
            .unwrap();
    }
    drop(worker);
}
