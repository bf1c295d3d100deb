//! `model`: the models on this machine, and where to get them.

use std::cell::Cell;
use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::model_progress::TransferDisplay;
use super::model_quantize::{self, QuantizeArguments};
use super::output;
use m3d_assistant::hub::{
    self, Hub, HubError, HubOptions, HubRevision, LocalModel, ModelFolder, ModelKind, ModelName,
    PUBLISHED, Published, TransferProgress, Verification, local, parameters_text, size_text,
};

/// Arguments of `model`.
#[derive(Args, Debug)]
pub struct ModelArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the models on this machine and the published ones.
    List(ListArguments),
    /// Download a model from the hub, or go on with a download that broke off.
    Fetch(FetchArguments),
    /// Read a model from end to end and say whether it is whole and sound.
    Verify(VerifyArguments),
    /// Write a model with its weights in fewer bits.
    Quantize(QuantizeArguments),
    /// Write the files of a model, as the built-in small, into a folder of their own.
    Export(ExportArguments),
}

#[derive(Args, Debug)]
struct ListArguments {
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct FetchArguments {
    /// phi3, llama2, clip, or OWNER/NAME as on the hub.
    name: String,
    /// A branch, tag or commit.
    #[arg(long, value_name = "R", default_value = "main")]
    revision: String,
    /// The folder to put the model into; by default a folder of its own among the models.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Accept the licence without being asked.
    #[arg(long)]
    yes: bool,
}

#[derive(Args, Debug)]
struct VerifyArguments {
    /// The model's folder or name.
    #[arg(value_name = "DIR")]
    model: String,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct ExportArguments {
    /// The model's name or folder.
    #[arg(value_name = "NAME")]
    model: String,
    /// The folder to write, new or empty.
    #[arg(value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn run(arguments: &ModelArguments) -> anyhow::Result<()> {
    match &arguments.action {
        Action::List(arguments) => list(arguments),
        Action::Fetch(arguments) => fetch(arguments),
        Action::Verify(arguments) => verify(arguments),
        Action::Quantize(arguments) => model_quantize::run(arguments),
        Action::Export(arguments) => export(arguments),
    }
}

#[derive(Serialize)]
struct Listing {
    /// Where models are fetched to.
    models_folder: Option<PathBuf>,
    here: Vec<Here>,
    published: Vec<PublishedReport>,
}

#[derive(Serialize)]
struct Here {
    #[serde(flatten)]
    model: LocalModel,
    complete: bool,
    built_in: bool,
}

#[derive(Serialize)]
struct PublishedReport {
    name: &'static str,
    short: &'static str,
    kind: ModelKind,
    bytes: u64,
    parameters: u64,
    numbers: &'static str,
    purpose: &'static str,
    licence: &'static str,
    notes: &'static str,
    /// The folder, when it is here and complete.
    here: Option<PathBuf>,
}

fn list(arguments: &ListArguments) -> anyhow::Result<()> {
    let found = local::find(&local::search_folders());
    let published = PUBLISHED.iter().map(|model| {
        let mut whole = found.iter().filter(|found| found.is_complete());
        let here = whole.find(|found| found.is_published(model));
        published_report(model, here.map(|found| found.folder.path().to_owned()))
    });
    let published = published.collect();
    let here = |model: LocalModel| Here {
        complete: model.is_complete(),
        built_in: model.folder.built_in().is_some(),
        model,
    };
    let listing = Listing {
        models_folder: local::models_folder(),
        here: found.into_iter().map(here).collect(),
        published,
    };
    if arguments.json {
        output::print(&format!("{}\n", serde_json::to_string_pretty(&listing)?))?;
    } else {
        output::print(&listing_text(&listing))?;
    }
    Ok(())
}

fn published_report(model: &Published, here: Option<PathBuf>) -> PublishedReport {
    PublishedReport {
        name: model.hub_name,
        short: model.short,
        kind: model.kind,
        bytes: model.bytes,
        parameters: model.parameters,
        numbers: model.numbers,
        purpose: model.purpose,
        licence: model.licence,
        notes: model.notes,
        here,
    }
}

fn listing_text(listing: &Listing) -> String {
    let mut text = String::from("On this machine\n");
    let mut line = |line: String| {
        text.push_str(&output::plain(&line));
        text.push('\n');
    };
    for Here {
        model, complete, ..
    } in &listing.here
    {
        line(format!("  {}  ({})", model.name, model.kind.name()));
        match model.folder.built_in() {
            Some(built_in) => line(format!("    built in. {}", built_in.about())),
            None => line(format!("    {}", model.folder)),
        }
        line(format!(
            "    {} parameters, {}, {}",
            parameters_text(model.parameters),
            if model.numbers.is_empty() {
                "no weights"
            } else {
                &model.numbers
            },
            size_text(model.bytes)
        ));
        if model.untrained {
            line("    random weights: what it says means nothing".into());
        }
        if !complete {
            line(format!("    incomplete: {}", model.missing.join(", ")));
        }
    }
    line("Published".into());
    for model in &listing.published {
        line(format!("  {}  {}", model.short, model.name));
        line(format!("    {} {}", model.purpose, model.notes));
        line(format!(
            "    {} parameters, {}, {}",
            parameters_text(model.parameters),
            model.numbers,
            size_text(model.bytes)
        ));
        line(format!("    licence: {}", model.licence));
        match &model.here {
            Some(folder) => line(format!("    here: {}", folder.display())),
            None => line(format!("    m3d-viewer model fetch {}", model.short)),
        }
    }
    text
}

fn fetch(arguments: &FetchArguments) -> anyhow::Result<()> {
    let name = ModelName::parse(&arguments.name)?;
    let revision = HubRevision::parse(&arguments.revision)?;
    if arguments.to.is_none()
        && let Some(model) = local::cached(&name, &revision, &local::search_folders())
    {
        output::note("it is here already, in the hub's own cache; give --to to fetch it anew");
        let folder = output::plain(&model.folder.to_string());
        return Ok(output::print(&format!("{folder}\n"))?);
    }
    let folder = hub::target(&name.folder_name(), arguments.to.as_deref())?;
    let options = HubOptions::from_env();
    if options.offline {
        return Err(HubError::Offline.into());
    }
    let known = hub::published(name.as_str());
    if let Some(model) = known {
        output::note(&format!("{name}: {}", model.purpose));
        output::note(&format!("licence: {}", model.licence));
        if !model.notes.is_empty() {
            output::note(&format!("note: {}", model.notes));
        }
    }
    output::note(&format!("page: {}/{name}", options.endpoint));
    let asked = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !arguments.yes && !asked {
        bail!("{name} is not fetched before its licence is accepted; read it and give --yes");
    }
    let hub = Hub::new(options)?;
    let plan = hub.plan(&name, &revision)?;
    if let Some(licence) = &plan.licence {
        output::note(&format!("licence on the hub: {licence}"));
    }
    output::note(&format!(
        "{} files, {}, to {}",
        plan.files.len(),
        size_text(plan.total_bytes()),
        folder.display()
    ));
    if !arguments.yes && !confirmed()? {
        bail!("{name} was not fetched: its licence was not accepted");
    }
    let shown = TransferDisplay::new(plan.total_bytes());
    let fetched = hub::fetch(
        &hub,
        &plan,
        &folder,
        &TransferProgress::new(&|status| shown.set(&status), &|| false),
    );
    shown.finish();
    let fetched = fetched?;
    if fetched.was_here {
        output::note("it is here already, complete");
    }
    output::print(&format!(
        "{}\n",
        output::plain(&fetched.folder.display().to_string())
    ))?;
    Ok(())
}

/// Asks on the terminal; anything but yes is no.
fn confirmed() -> anyhow::Result<bool> {
    output::note("Fetch it under this licence? [y/N]");
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .context("the answer cannot be read; give --yes")?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

/// Runs a job on a model that tells how much there is to do once it knows.
fn with_display<T>(job: impl FnOnce(&TransferProgress) -> T) -> T {
    let shown: Cell<Option<TransferDisplay>> = Cell::new(None);
    let done = job(&TransferProgress::new(
        &|status| {
            let bar = shown
                .take()
                .unwrap_or_else(|| TransferDisplay::new(status.total));
            bar.set(&status);
            shown.set(Some(bar));
        },
        &|| false,
    ));
    if let Some(bar) = shown.take() {
        bar.finish();
    }
    done
}

fn export(arguments: &ExportArguments) -> anyhow::Result<()> {
    let folder = local::resolve(&arguments.model)?;
    let bytes = with_display(|progress| hub::export(&folder, &arguments.out, progress))?;
    output::note(&format!(
        "{folder}: {} written to {}",
        size_text(bytes),
        arguments.out.display()
    ));
    Ok(())
}

fn verify(arguments: &VerifyArguments) -> anyhow::Result<()> {
    let folder = local::resolve(&arguments.model)?;
    let report = with_display(|progress| hub::verify(&folder, progress));
    let report = report.map_err(|error| no_checkpoint(error, &folder))?;
    if arguments.json {
        output::print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        output::print(&verification_text(&report))?;
    }
    match report.problems.as_slice() {
        [] => Ok(()),
        [only] => bail!("{only}"),
        [first, rest @ ..] => bail!("{first} (and {} more, listed above)", rest.len()),
    }
}

fn no_checkpoint(error: HubError, folder: &ModelFolder) -> anyhow::Error {
    match &error {
        HubError::Disk { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            anyhow::anyhow!(
                "{folder} holds no config.json and no adapter; give the folder of a checkpoint or an adapter"
            )
        }
        _ => error.into(),
    }
}

fn verification_text(report: &Verification) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", output::plain(&line));
    };
    line(format!("{}  ({})", report.folder, report.kind.name()));
    line(format!(
        "  parameters   {}",
        parameters_text(report.parameters)
    ));
    if let Some(config) = &report.config {
        line(format!(
            "  decoder      {} layers of {}, vocabulary of {}",
            config.num_hidden_layers, config.hidden_size, config.vocab_size
        ));
        let [d, h, w] = config.image_size;
        line(format!("  image        {d} x {h} x {w}"));
    }
    if let Some(fingerprint) = &report.fingerprint {
        line(format!("  fingerprint  {fingerprint}"));
    }
    line(format!(
        "  tensors      {} used, {} unused, {} missing",
        report.used,
        report.unused.len(),
        report.missing.len()
    ));
    for name in &report.unused {
        line(format!("    unused     {name}"));
    }
    for name in &report.missing {
        line(format!("    missing    {name}"));
    }
    for file in &report.files {
        let known = match &file.recorded {
            Some(sum) if *sum == file.sha256 => "as recorded",
            Some(_) => "NOT as recorded",
            None => "no sum was recorded",
        };
        line(format!("  {}  {}  {known}", file.sha256, file.name));
    }
    for note in &report.notes {
        line(format!("  note: {note}"));
    }
    for problem in &report.problems {
        line(format!("  problem: {problem}"));
    }
    if report.ok {
        line("  whole and sound".into());
    }
    text
}
