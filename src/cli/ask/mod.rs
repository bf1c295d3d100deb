//! `ask`: a question about an image.

mod document;
mod labels;
mod many;

use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use glam::DVec3;

use super::output::{self, OutputError};
use super::{numbers, source, target};
use crate::app::{Settings, chosen_assistant};
use crate::render::RESEARCH_NOTICE;
use m3d_assistant::hub::{ModelFolder, local};
use m3d_assistant::inference::{self, GenerationSettings, OpenedModel, Session, Task};
use m3d_assistant::reply::{ImageFacts, Place, Question, Reply, ReplyEvent, ReplyWarning, respond};
use m3d_imaging::geometry::VoxelBox;
use m3d_imaging::io::Series;
use m3d_imaging::io::objects::{self, Drawn, DrawnBy};
use m3d_imaging::volume::{Digest, Volume};
use m3d_model::{DTypeChoice, DeviceChoice};

/// Arguments of `ask`.
#[derive(Args, Debug)]
pub struct AskArguments {
    /// A file or folder with images.
    path: PathBuf,
    /// The question; may be empty with `--task report`, or with a box to describe.
    #[arg(required_unless_present_any = ["questions", "labels"])]
    question: Option<String>,
    /// Answer the questions of a file, one JSON object a line with "question" and perhaps "id", "box", "task" and
    /// "seed"; print one JSON document a line.
    #[arg(long, value_name = "FILE.jsonl", conflicts_with_all = ["question", "labels", "mask_out"])]
    questions: Option<PathBuf>,
    /// Draw these structures into one label map (--mask-out), their names and volumes beside it as .json and .csv;
    /// "all" draws everything that the model knows.
    #[arg(
        long,
        value_name = "A,B,…",
        value_delimiter = ',',
        requires = "mask_out",
        conflicts_with = "question"
    )]
    labels: Vec<String>,
    /// The series, where there are several; the largest CT, MR or PET of the newest study otherwise.
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
    /// Write the mask of the answer here, on the image's grid: .nii.gz (several masks as labels 1, 2 … in their order), .dcm
    /// (DICOM SEG), .rtstruct.dcm, .stl or .obj.
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
    /// Answer although the image is none that the model was taught.
    #[arg(long)]
    anyway: bool,
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

pub(super) fn run(arguments: &AskArguments) -> anyhow::Result<()> {
    if arguments.task.0 == Some(Task::Reg) && arguments.corners.is_none() {
        bail!("describing a place needs a box: give the box with --box");
    }
    let mask_out = arguments.mask_out.as_deref();
    if let Some(out) = mask_out {
        target::check_structures(out)?;
    }
    let folder = assistant(arguments.model.clone())?;
    if let Some(model) = folder.built_in() {
        output::note(&format!("model {folder}: {}", model.about()));
    }
    let image = Image::read(&arguments.path, arguments.series.as_deref(), mask_out)?;
    let mut session = load(arguments, &folder)
        .with_context(|| format!("the model in {folder} cannot be used"))?;
    if let Some(questions) = &arguments.questions {
        return many::run(arguments, questions, &image, &mut session);
    }
    if let (Some(out), false) = (mask_out, arguments.labels.is_empty()) {
        return labels::run(arguments, out, &image, &mut session);
    }
    let text = arguments.question.clone().unwrap_or_default();
    let question = image.question(arguments, text);
    let (reply, words) = answer(&mut session, &question, arguments.json)?;
    if let Some(out) = mask_out {
        write_masks(out, &image.series, &reply)?;
    }
    // Only now: the mask is there, whoever has stopped to read the words.
    words?;
    if arguments.json {
        let document = document::of(&reply, &question, &image, &session);
        output::print(&format!("{}\n", serde_json::to_string_pretty(&document)?))?;
    } else {
        output::print(&document::places(&reply, &image.volume))?;
        // What a step that failed says stands in the answer already.
        let is_said = |w: &ReplyWarning| {
            reply.text.contains(&w.message)
                || image.series.warnings.iter().any(|said| said.code == w.code)
        };
        for warning in reply.warnings.iter().filter(|w| !is_said(w)) {
            output::note(&format!("caution ({}): {}", warning.code, warning.message));
        }
        output::note(RESEARCH_NOTICE);
    }
    Ok(())
}

/// The image that is asked about.
struct Image {
    series: Series,
    digest: Digest,
    volume: Arc<Volume>,
    about: Arc<ImageFacts>,
}

impl Image {
    fn read(path: &Path, uid: Option<&str>, out: Option<&Path>) -> anyhow::Result<Self> {
        let found = source::read_image(path, uid, out)?;
        if let Some(out) = out {
            objects::check(out, &found.series)?;
        }
        let volume = found.image.volume;
        let about = ImageFacts::new(&volume, &volume.statistics(), found.series.stated.clone());
        Ok(Self {
            series: found.series,
            digest: found.image.identity.digest,
            volume: Arc::new(volume),
            about: Arc::new(about),
        })
    }

    /// A question about it, with the settings of the command line.
    fn question(&self, arguments: &AskArguments, text: String) -> Question {
        let grid = *self.volume.grid();
        Question {
            id: 0,
            volume: Arc::clone(&self.volume),
            revision: 0,
            about: Arc::clone(&self.about),
            text,
            task: arguments.task.0,
            voxel_box: arguments
                .corners
                .map(|corners| VoxelBox::from_patient_corners(&grid, corners)),
            window: None,
            settings: GenerationSettings {
                max_tokens: arguments.max_tokens,
                temperature: arguments.temperature,
                top_p: arguments.top_p,
                seed: arguments.seed,
                ..GenerationSettings::default()
            },
            anyway: arguments.anyway,
        }
    }
}

/// The masks of an answer as structures to be written, in its order.
fn drawn(reply: &Reply) -> Vec<Drawn<'_>> {
    let found = reply.found();
    found
        .filter_map(|found| match &found.place {
            Place::Mask(mask, _) => Some(Drawn {
                name: &found.name,
                term: found.term,
                colour: None,
                mask: mask.as_ref(),
                by: DrawnBy::Automatic {
                    name: reply.model_name.clone(),
                    version: reply.model_fingerprint.clone(),
                },
            }),
            Place::Box(_) => None,
        })
        .collect()
}

/// Writes the masks of an answer in the form that the name asks for.
fn write_masks(out: &Path, series: &Series, reply: &Reply) -> anyhow::Result<()> {
    let drawn = drawn(reply);
    if drawn.is_empty() {
        output::note(&format!(
            "the answer holds no mask; {} was not written",
            out.display()
        ));
        return Ok(());
    }
    Ok(objects::write(out, series, &drawn)?)
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

/// Asks. Where a task was chosen and no JSON is wanted, the model's words are printed as they come; else the answer is
/// printed when it is whole, because only then is it known what of it can stand. With the answer comes whether its
/// words could be printed.
fn answer(
    session: &mut Session,
    question: &Question,
    json: bool,
) -> anyhow::Result<(Reply, Result<(), OutputError>)> {
    let mut outcome = None;
    let mut words = Ok(());
    let mut begun = false;
    let streams = !json && question.task.is_some();
    respond(
        session,
        question,
        &mut |event| match event {
            ReplyEvent::Token(piece) if streams && words.is_ok() => {
                words = output::print(&output::plain_lines(&piece));
                begun = true;
            }
            ReplyEvent::Done(reply) => outcome = Some(Ok(*reply)),
            ReplyEvent::Failed(error) => outcome = Some(Err(error)),
            _ => {}
        },
        &|| false,
    );
    let reply = match outcome {
        Some(Ok(reply)) => reply,
        Some(Err(error)) => {
            if begun {
                let _ = output::print("\n");
            }
            return Err(error.into());
        }
        None => bail!("the question was not answered"),
    };
    if !json && words.is_ok() {
        let rest = if begun { "" } else { reply.text.as_str() };
        words = output::print(&format!("{}\n", output::plain_lines(rest)));
    }
    Ok((reply, words))
}
