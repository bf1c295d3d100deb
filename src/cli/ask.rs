//! `ask`: a question about an image.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use glam::DVec3;
use serde::Serialize;

use super::output::{self, OutputError};
use super::{numbers, source, target};
use crate::app::{Settings, chosen_assistant, first_window};
use crate::render::RESEARCH_NOTICE;
use m3d_assistant::hub::{ModelFolder, local};
use m3d_assistant::inference::{self, Answer, Event, OpenedModel, Request, Session, Task};
use m3d_imaging::geometry::{VoxelBox, VoxelGrid};
use m3d_imaging::io;
use m3d_model::{DTypeChoice, DeviceChoice};

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
    /// The model: its folder or its name (see model list); the one in the settings, or the one that is
    /// built in, otherwise.
    #[arg(long, value_name = "DIR|NAME")]
    model: Option<PathBuf>,
    /// The folder of a LoRA adapter for the model.
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
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
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = numbers::tokens, allow_negative_numbers = true)]
    max_tokens: usize,
    /// 0 always takes the likeliest token; higher values vary more.
    #[arg(long, value_name = "T", default_value_t = 0.0, value_parser = numbers::temperature, allow_negative_numbers = true)]
    temperature: f64,
    /// With a temperature: only the likeliest tokens that together have this share.
    #[arg(long, value_name = "P", default_value_t = 1.0, value_parser = numbers::share, allow_negative_numbers = true)]
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
            .map_err(|error: m3d_model::UnknownChoice| error.to_string()),
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
    if arguments.task.0 == Some(Task::Reg) && arguments.corners.is_none() {
        bail!("describing a place needs a box: give the box with --box");
    }
    let mask_out = arguments.mask_out.as_deref();
    if let Some(out) = mask_out {
        target::check_nifti(out)?;
    }
    let folder = assistant(arguments.model.clone())?;
    if let Some(model) = folder.built_in() {
        output::note(&format!("model {folder}: {}", model.about()));
    }
    let (series, volume) = source::read(&arguments.path, arguments.series.as_deref(), mask_out)?;
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
        settings: inference::GenerationSettings {
            max_tokens: arguments.max_tokens,
            temperature: arguments.temperature,
            top_p: arguments.top_p,
            seed: arguments.seed,
            ..inference::GenerationSettings::default()
        },
    };
    let mut session = load(arguments, &folder)
        .with_context(|| format!("the model in {folder} cannot be used"))?;
    let (answer, words) = answer(&mut session, &request, arguments.json)?;
    match (mask_out, &answer.mask) {
        (Some(path), Some(mask)) => io::write_mask(path, mask)?,
        (Some(path), None) => output::note(&format!(
            "the answer holds no mask; {} was not written",
            path.display()
        )),
        (None, _) => {}
    }
    // Only now: the mask is there, whoever has stopped to read the words.
    words?;
    if arguments.json {
        let document = serde_json::to_string_pretty(&report(&answer, &grid))?;
        output::print(&format!("{document}\n"))?;
    } else {
        output::print(&places(&answer, &grid))?;
        output::note(RESEARCH_NOTICE);
    }
    Ok(())
}

/// The assistant that was asked for, or the one to use otherwise.
pub(super) fn assistant(asked: Option<PathBuf>) -> anyhow::Result<ModelFolder> {
    if let Some(asked) = asked {
        return Ok(local::resolve_path(asked)?);
    }
    let settings = Settings::default_path().map(|path| Settings::load(&path));
    Ok(chosen_assistant(&settings.unwrap_or_default()))
}

fn load(
    arguments: &AskArguments,
    folder: &ModelFolder,
) -> Result<Session, inference::InferenceError> {
    let place = local::place(folder.clone(), arguments.adapter.clone());
    OpenedModel::open(&place, arguments.device, arguments.dtype)?
        .check_room(0)?
        .load(&percent("loading the model"))
}

/// Shows on a terminal how far `doing` is, one figure per percent.
pub(super) fn percent(doing: &str) -> impl Fn(f32) {
    let shown = std::cell::Cell::new(None);
    move |share| {
        let percent = (share * 100.0) as u32;
        if shown.replace(Some(percent)) != Some(percent) && std::io::stderr().is_terminal() {
            let end = if percent == 100 { "\n" } else { "" };
            let mut out = std::io::stderr().lock();
            let _ = write!(out, "\r{doing}: {percent:3} %{end}");
            let _ = out.flush();
        }
    }
}

/// Asks, and prints the words as they come where no JSON is wanted. With the answer comes whether its
/// words could be printed.
fn answer(
    session: &mut Session,
    request: &Request,
    json: bool,
) -> anyhow::Result<(Answer, Result<(), OutputError>)> {
    let mut outcome = None;
    let mut words = Ok(());
    let mut begun = false;
    session.ask(
        request,
        &mut |event| match event {
            Event::Token(piece) if !json && words.is_ok() => {
                words = output::print(&output::plain_lines(&piece));
                begun = true;
            }
            Event::Done(answer) => outcome = Some(Ok(*answer)),
            Event::Failed(error) => outcome = Some(Err(error)),
            _ => {}
        },
        &|| false,
    );
    let answered = matches!(outcome, Some(Ok(_)));
    if !json && words.is_ok() && (begun || answered) {
        words = output::print("\n");
    }
    match outcome {
        Some(result) => Ok((result?, words)),
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

/// The places of an answer, a line each.
fn places(answer: &Answer, grid: &VoxelGrid) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    for region in &answer.boxes {
        let mm = corners(region, grid).map(|c| format!("{c:.1}"));
        let _ = writeln!(text, "box {} (mm, LPS)", mm.join(","));
    }
    if let Some(mask) = &answer.mask {
        let (voxels, ml) = (mask.count(), mask.volume_ml());
        let _ = writeln!(text, "mask {voxels} voxels, {ml:.2} mL");
    }
    text
}
