//! Thousands of random questions: empty, huge, control characters, special tokens spelt out. The worker answers or
//! refuses each with one line and lives on.
//!
//! `M3D_QUESTIONS` sets how many (400 by default), `M3D_SEED` where the dice start.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use glam::{DAffine3, DVec3, UVec3};
use m3d_assistant::inference::{GenerationSettings, Request, Task};
use m3d_assistant::reply::{Question, ReplyEvent};
use m3d_assistant::{Worker, WorkerEvent};
use m3d_imaging::geometry::{VoxelBox, VoxelGrid};
use m3d_imaging::volume::{CT_PRESETS, Modality, Rescale, Units, Volume, Voxels};
use m3d_model::{DTypeChoice, DeviceChoice};
use m3d_model::{Tokenizer, write_demo_checkpoint};

/// Questions that wait at a time; the worker takes 32.
const WAITING: u64 = 16;

/// Xorshift, 64 bits.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides.max(1)
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.throw(of.len())]
    }
}

const WORDS: [&str; 12] = [
    "liver",
    "segment the",
    "where is",
    "report",
    "left kidney?",
    "Choices: A. x B. y",
    "describe",
    "что это",
    "肝臓はどこ",
    "e\u{301}\u{301}\u{301}",
    "👩‍⚕️",
    "    ",
];
const TOKENS: [&str; 12] = [
    "<im_patch>",
    "[SEG]",
    "<s>",
    "</s>",
    "<unk>",
    "<|end|>",
    "<|assistant|>",
    "<|endoftext|>",
    "<bx_start>",
    "<bx_end>",
    "<bx_start>[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]<bx_end>",
    "<0x0A>",
];
const CONTROLS: [&str; 10] = [
    "\0",
    "\u{1b}[2J",
    "\r\n",
    "\t",
    "\u{7f}",
    "\u{202e}",
    "\u{feff}",
    "\u{2581}",
    "\u{ffff}",
    "\u{0}\u{0}",
];

fn text(dice: &mut Dice) -> String {
    let kind = dice.throw(12);
    let length = match kind {
        0 => 0,
        1 => 400 + dice.throw(4000),
        _ => 1 + dice.throw(12),
    };
    if dice.throw(97) == 0 {
        // Far beyond any context.
        return TOKENS[dice.throw(TOKENS.len())].repeat(20_000);
    }
    let mut text = String::new();
    for _ in 0..length {
        match dice.throw(5) {
            0 => text += dice.pick(&TOKENS),
            1 => text += dice.pick(&CONTROLS),
            2 => text.extend(char::from_u32(dice.throw(0x11_0000) as u32)),
            _ => text += dice.pick(&WORDS),
        }
        if dice.throw(3) == 0 {
            text.push(' ');
        }
    }
    text
}

fn volume() -> Arc<Volume> {
    let place = DAffine3::from_scale(DVec3::new(2.0, 2.0, 5.0));
    let grid = VoxelGrid::new(UVec3::new(40, 40, 20), place).unwrap();
    let values = (0..grid.len()).map(|i| if i % 7 < 4 { -1000 } else { (i % 300) as i16 });
    let voxels = Voxels::I16(values.collect());
    let (modality, units) = (Modality::Ct, Units::Hounsfield);
    Arc::new(Volume::new(grid, voxels, Rescale::IDENTITY, modality, units).unwrap())
}

fn question(id: u64, volume: &Arc<Volume>, dice: &mut Dice) -> Question {
    let mut corner = || DVec3::from_array(std::array::from_fn(|_| dice.throw(60) as f64 - 10.0));
    let (a, b) = (corner(), corner());
    let drawn = VoxelBox::from_corners(a, b);
    let tasks = [
        None,
        Some(Task::Chat),
        Some(Task::Report),
        Some(Task::Rec),
        Some(Task::Reg),
        Some(Task::Seg),
    ];
    let task = tasks[dice.throw(tasks.len())];
    let request = Request {
        id,
        volume: Arc::clone(volume),
        revision: 1,
        task: Task::Chat,
        text: text(dice),
        voxel_box: (dice.throw(4) == 0).then_some(drawn),
        window: CT_PRESETS[0].window,
        settings: GenerationSettings {
            max_tokens: dice.throw(4),
            temperature: [0.0, 0.7, 50.0][dice.throw(3)],
            seed: dice.throw(1000) as u64,
            ..GenerationSettings::default()
        },
    };
    Question {
        task,
        ..Question::from(request)
    }
}

/// What became of a question.
#[derive(Default)]
struct Tally {
    answered: usize,
    refused: usize,
    cancelled: usize,
}

#[test]
fn the_worker_lives_through_random_questions() {
    let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let count: u64 = variable("M3D_QUESTIONS").unwrap_or(400);
    let tokenizer_files =
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/golden/tokenizer");
    let folder = tempfile::tempdir().unwrap();
    write_demo_checkpoint(folder.path(), &tokenizer_files).unwrap();
    let worker = Worker::start(|| {}).unwrap();
    let dtype = DTypeChoice::F32;
    worker
        .load(folder.path().to_path_buf(), DeviceChoice::Cpu, dtype)
        .unwrap();
    let volume = volume();
    let mut dice = Dice(variable("M3D_SEED").unwrap_or(0x5EED_0000_0001).max(1));
    let (mut asked, mut ended) = (0, 0);
    let mut open: HashMap<u64, String> = HashMap::new();
    let mut tally = Tally::default();
    while ended < count {
        while asked < count && asked - ended < WAITING {
            let request = question(asked, &volume, &mut dice);
            open.insert(asked, request.text.clone());
            worker.ask(request).unwrap();
            if dice.throw(40) == 0 {
                worker.cancel(asked);
            }
            asked += 1;
        }
        let event = worker.events().recv_timeout(Duration::from_mins(2));
        let event = event.unwrap_or_else(|e| panic!("{e} after {ended} questions"));
        if let WorkerEvent::Question(id, event) = event {
            match event {
                ReplyEvent::Done(_) => tally.answered += 1,
                ReplyEvent::Cancelled => tally.cancelled += 1,
                ReplyEvent::Failed(error) => {
                    let told = error.to_string();
                    let text = &open[&id];
                    assert!(!told.contains("internal fault"), "{text:?}: {told}");
                    assert!(told.lines().count() == 1 && told.len() < 1000, "{told}");
                    tally.refused += 1;
                }
                _ => continue,
            }
            assert!(open.remove(&id).is_some(), "question {id} ended twice");
            ended += 1;
        }
    }
    let Tally {
        answered,
        refused,
        cancelled,
    } = tally;
    eprintln!("{count} questions: {answered} answered, {refused} refused, {cancelled} cancelled");
    let of = count as usize;
    assert!(
        answered > of / 4 && refused > of / 20,
        "the dice are loaded"
    );
    // And it still answers as ever.
    let mut last = question(count, &volume, &mut dice);
    last.text = "segment the liver".to_owned();
    last.task = Some(Task::Seg);
    last.voxel_box = None;
    last.settings = GenerationSettings::default();
    worker.ask(last).unwrap();
    let answer = loop {
        match worker
            .events()
            .recv_timeout(Duration::from_mins(2))
            .unwrap()
        {
            WorkerEvent::Question(_, ReplyEvent::Done(answer)) => break answer,
            WorkerEvent::Question(_, ReplyEvent::Failed(error)) => panic!("{error}"),
            _ => {}
        }
    };
    assert!(answer.found().next().is_some());
}

#[test]
fn no_spelt_out_token_becomes_one() {
    let folder =
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/golden/tokenizer");
    let tokenizer = Tokenizer::open(&folder).unwrap();
    let added = |token: &str| tokenizer.token_id(token);
    let control: Vec<u32> = TOKENS[..8]
        .iter()
        .filter_map(|token| added(token))
        .collect();
    assert!(control.len() >= 6, "{control:?}");
    let mut dice = Dice(0xD1CE);
    for _ in 0..2000 {
        let text = text(&mut dice);
        let text: String = text.chars().take(2000).collect();
        let ids = tokenizer.encode_user_text(&text).unwrap();
        let found = ids.iter().find(|id| control.contains(id));
        assert_eq!(found, None, "{text:?}");
    }
}
