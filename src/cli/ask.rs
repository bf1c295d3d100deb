//! `ask`: a question about an image.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use glam::DVec3;
use serde::Serialize;

use super::{numbers, source};
use crate::app::{Settings, chosen_model, first_window};
use crate::geometry::{VoxelBox, VoxelGrid};
use crate::inference::{self, Answer, DTypeChoice, DeviceChoice, Event, Request, Session, Task};
use crate::io;
use crate::render::RESEARCH_NOTICE;

/// Arguments of `ask`.
#[derive(Args, Debug)]
pub struct AskArguments {
    /// A file or folder with images.
    path: PathBuf,
    /// The question; may be empty with `--task report`, or with a box to describe.
    question: String,
    /// The series, where there are several; the largest otherwise.
    #[arg(long, value_name = "UID")]
    series: Option<String>,
    /// The folder of the model; the one in the settings or in models/ otherwise.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// What is asked for: auto (told from the words), chat, report, rec, reg or seg.
    #[arg(long, default_value = "auto", value_parser = parse_task)]
    task: TaskChoice,
    /// A box the question is about: two opposite corners in patient mm (LPS).
    #[arg(long = "box", value_name = "X0,Y0,Z0,X1,Y1,Z1", value_parser = numbers::corners, allow_hyphen_values = true)]
    corners: Option<[DVec3; 2]>,
    /// Write the mask of the answer here, as NIfTI on the image's grid.
    #[arg(long, value_name = "MASK")]
    mask_out: Option<PathBuf>,
    /// Where to compute: auto, cpu, cuda or metal.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// The number type of the weights: auto, f32, bf16, f16, q8_0 or q4k.
    #[arg(long, default_value = "auto")]
    dtype: DTypeChoice,
    /// The most tokens of the answer.
    #[arg(long, value_name = "N", default_value_t = 256)]
    max_tokens: usize,
    /// 0 always takes the likeliest token; higher values vary more.
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    temperature: f64,
    /// With a temperature: only the likeliest tokens that together have this share.
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    top_p: f64,
    /// With a temperature: the seed of the random choices.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// A task, or none to tell it from the words.
#[derive(Clone, Copy, Debug)]
struct TaskChoice(Option<Task>);

fn parse_task(text: &str) -> Result<TaskChoice, String> {
    match text {
        "auto" => Ok(TaskChoice(None)),
        named => named
            .parse()
            .map(|task| TaskChoice(Some(task)))
            .map_err(|error: inference::InferenceError| error.to_string()),
    }
}

#[derive(Serialize)]
struct Report<'a> {
    task: &'a str,
    prompt: &'a str,
    text: &'a str,
    /// Two opposite corners each, patient mm.
    boxes: Vec<[f64; 6]>,
    mask: Option<MaskReport>,
    timings_ms: BTreeMap<&'a str, f64>,
    model: &'a str,
    model_fingerprint: &'a str,
    notice: &'a str,
}

#[derive(Serialize)]
struct MaskReport {
    voxels: usize,
    volume_ml: f64,
    /// The size of the voxels the model drew it in, along i, j, k.
    drawn_at_mm: Option<[f64; 3]>,
}

pub(super) fn run(arguments: &AskArguments) -> anyhow::Result<()> {
    let settings = Settings::default_path().map(|path| Settings::load(&path));
    let folder = chosen_model(arguments.model.clone(), &settings.unwrap_or_default());
    let Some(folder) = folder else {
        bail!(
            "no model: give its folder with --model, or put one into models/ (README.md says \
             where to get it)"
        );
    };
    let (series, volume) = source::read(&arguments.path, arguments.series.as_deref())?;
    let grid = *volume.grid();
    let window = first_window(&series, volume.modality(), &volume.statistics());
    let request = Request {
        id: 0,
        volume: Arc::new(volume),
        revision: 0,
        task: arguments.task.0,
        text: arguments.question.clone(),
        voxel_box: arguments
            .corners
            .map(|corners| VoxelBox::from_patient_corners(&grid, corners)),
        window,
        settings: inference::Settings {
            max_tokens: arguments.max_tokens,
            temperature: arguments.temperature,
            top_p: arguments.top_p,
            seed: arguments.seed,
            ..inference::Settings::default()
        },
    };
    let mut session = Session::load(&folder, arguments.device, arguments.dtype, &loading())
        .with_context(|| format!("the model in {} cannot be used", folder.display()))?;
    let answer = answer(&mut session, &request, arguments.json)?;
    if let (Some(path), Some(mask)) = (&arguments.mask_out, &answer.mask) {
        io::write_mask(path, mask)?;
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report(&answer, &grid))?);
    } else {
        print_places(&answer, &grid);
    }
    Ok(())
}

/// Shows on a terminal how far loading is, one figure per percent.
fn loading() -> impl Fn(f32) {
    let shown = std::cell::Cell::new(None);
    move |share| {
        let percent = (share * 100.0) as u32;
        if shown.replace(Some(percent)) != Some(percent) && std::io::stderr().is_terminal() {
            let end = if percent == 100 { "\n" } else { "" };
            eprint!("\rloading the model: {percent:3} %{end}");
        }
    }
}

/// Asks, and prints the words as they come where no JSON is wanted.
fn answer(session: &mut Session, request: &Request, json: bool) -> anyhow::Result<Answer> {
    let mut outcome = None;
    session.ask(
        request,
        &mut |event| match event {
            Event::Token(piece) if !json => {
                print!("{piece}");
                // A broken pipe shows at the last line.
                let _ = std::io::stdout().flush();
            }
            Event::Done(answer) => outcome = Some(Ok(*answer)),
            Event::Failed(error) => outcome = Some(Err(error)),
            _ => {}
        },
        &|| false,
    );
    if !json {
        println!();
    }
    match outcome {
        Some(result) => Ok(result?),
        None => bail!("the question was not answered"),
    }
}

fn corners(region: &VoxelBox, grid: &VoxelGrid) -> [f64; 6] {
    let [a, b] = region.patient_corners(grid);
    [a.x, a.y, a.z, b.x, b.y, b.z]
}

fn report<'a>(answer: &'a Answer, grid: &VoxelGrid) -> Report<'a> {
    Report {
        task: answer.task.name(),
        prompt: &answer.prompt,
        text: &answer.text,
        boxes: answer.boxes.iter().map(|b| corners(b, grid)).collect(),
        mask: answer.mask.as_ref().map(|mask| MaskReport {
            voxels: mask.count(),
            volume_ml: mask.volume_ml(),
            drawn_at_mm: answer.mask_voxel_mm.map(|mm| mm.to_array()),
        }),
        timings_ms: answer.timings_ms.iter().copied().collect(),
        model: &answer.model_name,
        model_fingerprint: &answer.model_fingerprint,
        notice: RESEARCH_NOTICE,
    }
}

fn print_places(answer: &Answer, grid: &VoxelGrid) {
    for region in &answer.boxes {
        let mm = corners(region, grid).map(|c| format!("{c:.1}"));
        println!("box {} (mm, LPS)", mm.join(","));
    }
    if let Some(mask) = &answer.mask {
        println!("mask {} voxels, {:.2} mL", mask.count(), mask.volume_ml());
    }
    eprintln!("{RESEARCH_NOTICE}");
}
