//! `bench`: how well a model answers.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::{ask, numbers, output};
use m3d_assistant::hub::{BuiltIn, ModelFolder, local};
use m3d_lab::evaluation::metrics::{BertScorer, WordNet};
use m3d_lab::evaluation::{
    Bench, BenchOptions, BenchTask, Engine, Helpers, Shard, SplitChoice, Summary, Wording, merge,
};
use m3d_model::{DTypeChoice, DeviceChoice};

/// Arguments of `bench`.
#[derive(Args, Debug)]
pub struct BenchArguments {
    #[command(subcommand)]
    command: BenchCommands,
}

#[derive(Debug, Subcommand)]
enum BenchCommands {
    /// Reports of whole images: BLEU-1, ROUGE-1, METEOR, and which findings they mention.
    Report(TaskArguments),
    /// Questions with four choices: accuracy, in all and per type.
    VqaClosed(TaskArguments),
    /// The same questions without choices: BLEU-1, ROUGE-1, METEOR.
    VqaOpen(TaskArguments),
    /// Where structures are: IoU of boxes, and how often what is absent is refused.
    Rec(TaskArguments),
    /// What is in a box: how often the right structure is named.
    Reg(TaskArguments),
    /// Masks of structures: Dice, and how often what is absent is refused.
    Seg(TaskArguments),
    /// Masks that answer questions: Dice.
    #[command(name = "refseg")]
    RefSeg(TaskArguments),
    /// Texts for images and images for texts, with M3D-CLIP: R@1, R@5, R@10.
    Retrieval(TaskArguments),
    /// Join what several shares of a run wrote.
    Merge(MergeArguments),
}

/// Arguments of a task.
#[derive(Args, Debug)]
struct TaskArguments {
    /// A folder in M3D-Data's layout, as data phantom writes it.
    data: PathBuf,
    /// The model: its folder or its name (see model list); the one in the settings, or the one that is built in,
    /// otherwise. For retrieval an M3D-CLIP, or a model with a folder clip in it; the built-in M3D-CLIP otherwise.
    #[arg(long, value_name = "DIR|NAME")]
    model: Option<PathBuf>,
    /// The folder of a LoRA adapter for the model.
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// The folder for the answers (samples.csv, summary.md); one beside the data otherwise. Answers that are there
    /// are not asked for again.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Take a share of the images, for job arrays: every N-th one. I counts from 1 to N; where an array's jobs are
    /// numbered from 0, give the number plus 1.
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    shard: Shard,
    /// Ask at most about the first N entries of the data's list.
    #[arg(long, value_name = "N", value_parser = numbers::tokens, allow_negative_numbers = true)]
    limit: Option<usize>,
    /// The part of the data: auto (tests where there are any, else all), test, validation, train or all.
    #[arg(long, value_name = "PART", default_value = "auto")]
    split: SplitChoice,
    /// How structures are asked for: name, description or both.
    #[arg(long, value_name = "W", default_value = "name")]
    wording: Wording,
    /// Ask about one data set of M3D-Seg alone, such as 0003.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Leave out structures of fewer voxels in the image the model sees.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = numbers::tokens, allow_negative_numbers = true)]
    least_voxels: usize,
    /// A folder with bert-base-uncased (config.json, vocab.txt, model.safetensors): BERTScore is computed, too.
    #[arg(long, value_name = "DIR")]
    bertscore: Option<PathBuf>,
    /// A folder with WordNet's files (index.noun, data.noun, noun.exc and so on): METEOR counts synonyms, too. The one
    /// that the environment variable M3D_WORDNET names otherwise.
    #[arg(long, value_name = "DIR")]
    wordnet: Option<PathBuf>,
    /// Where to compute: auto, cpu, cuda or metal.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// The number type of the weights: auto, f32, bf16, f16, q8_0 or q4k.
    #[arg(long, default_value = "auto")]
    dtype: DTypeChoice,
    /// Print one JSON document: {task, n, summary, published}.
    #[arg(long)]
    json: bool,
}

/// Arguments of `bench merge`.
#[derive(Args, Debug)]
struct MergeArguments {
    /// The folders that --out named; the joined table and summary go into the first.
    #[arg(required = true)]
    out: Vec<PathBuf>,
    /// Print one JSON document: {task, n, summary, published}.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &BenchArguments) -> anyhow::Result<()> {
    let (task, arguments) = match &arguments.command {
        BenchCommands::Report(arguments) => (BenchTask::Report, arguments),
        BenchCommands::VqaClosed(arguments) => (BenchTask::VqaClosed, arguments),
        BenchCommands::VqaOpen(arguments) => (BenchTask::VqaOpen, arguments),
        BenchCommands::Rec(arguments) => (BenchTask::Rec, arguments),
        BenchCommands::Reg(arguments) => (BenchTask::Reg, arguments),
        BenchCommands::Seg(arguments) => (BenchTask::Seg, arguments),
        BenchCommands::RefSeg(arguments) => (BenchTask::RefSeg, arguments),
        BenchCommands::Retrieval(arguments) => (BenchTask::Retrieval, arguments),
        BenchCommands::Merge(arguments) => return join(arguments),
    };
    measure(task, arguments)
}

/// The most refused rows of the data that are told one by one.
const MOST_TOLD: usize = 5;

fn measure(task: BenchTask, arguments: &TaskArguments) -> anyhow::Result<()> {
    if !arguments.data.is_dir() {
        bail!(
            "{}: there is no such folder; give one in M3D-Data's layout",
            arguments.data.display()
        );
    }
    let folder = match (&arguments.model, task) {
        (None, BenchTask::Retrieval) => BuiltIn::SmallClip.into(),
        (asked, _) => ask::assistant(asked.clone())?,
    };
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => beside(&arguments.data, task, &folder)?,
    };
    let bench = Bench::open(BenchOptions {
        task,
        data: arguments.data.clone(),
        out: out.clone(),
        part: arguments.split,
        wording: arguments.wording,
        tag: arguments.tag.clone(),
        least_voxels: arguments.least_voxels,
        shard: arguments.shard,
        limit: arguments.limit,
    })?;
    for reason in bench.refused().iter().take(MOST_TOLD) {
        output::note(&format!("left out: {reason}"));
    }
    if let Some(more) = bench.refused().len().checked_sub(MOST_TOLD + 1) {
        output::note(&format!("left out: {} more rows", more + 1));
    }
    let named = std::env::var_os("M3D_WORDNET").filter(|name| !name.is_empty());
    let synonyms = arguments.wordnet.clone().or(named.map(PathBuf::from));
    let wordnet = synonyms.as_deref().map(WordNet::open).transpose()?;
    let open = arguments.bertscore.as_deref().map(BertScorer::open);
    let bertscore = open.transpose()?;
    let helpers = Helpers { wordnet, bertscore };
    let place = local::place(folder.clone(), arguments.adapter.clone());
    let percent = ask::percent("loading the model");
    let (device, dtype) = (arguments.device, arguments.dtype);
    let mut engine = Engine::load(task, &place, device, dtype, &percent)
        .with_context(|| format!("the model in {folder} cannot be used"))?;
    let bar = ProgressBar::new(bench.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} questions, {eta} left") {
        bar.set_style(style);
    }
    let mut progress = |done: usize| bar.set_position(done as u64);
    let summary = bench.run(&mut engine, &helpers, &mut progress, &|| false)?;
    bar.finish_and_clear();
    output::note(&format!("answers are in {}", out.display()));
    if arguments.shard.count() > 1 {
        output::note(&format!(
            "this is the share {} alone; when all are there: m3d-viewer bench merge {}",
            arguments.shard,
            out.display()
        ));
    }
    tell(&summary, arguments.json)
}

/// `DATA-bench/TASK-MODEL` beside the data.
fn beside(data: &Path, task: BenchTask, model: &ModelFolder) -> anyhow::Result<PathBuf> {
    let whole = data
        .canonicalize()
        .with_context(|| format!("{} cannot be read", data.display()))?;
    let mut folder = whole.file_name().unwrap_or_default().to_owned();
    folder.push("-bench");
    let answers = format!("{}-{}", task.name(), model.name());
    Ok(whole.with_file_name(folder).join(answers))
}

fn join(arguments: &MergeArguments) -> anyhow::Result<()> {
    let merged = merge(&arguments.out)?;
    for share in &merged.missing {
        output::note(&format!("the share {share} is missing"));
    }
    output::note(&format!("all rows are in {}", merged.table.display()));
    tell(&merged.summary, arguments.json)
}

fn tell(summary: &Summary, json: bool) -> anyhow::Result<()> {
    let text = if json {
        format!("{:#}\n", summary.json())
    } else {
        summary.markdown()
    };
    Ok(output::print(&output::plain_lines(&text))?)
}
