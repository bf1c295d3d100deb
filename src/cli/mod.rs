//! The command line: one file per subcommand; it prints and never computes.
//!
//! `--json` prints one JSON document on standard output and everything else goes to standard error.
//! The exit status is 0 when done, 1 with one clear line when something failed, 2 for bad usage.

mod anonymize;
mod ask;
mod bench;
mod convert;
mod data;
mod data_collect;
mod data_prepare;
mod info;
mod model;
mod model_progress;
mod model_quantize;
mod numbers;
pub mod output;
mod render;
mod source;
mod target;
mod train;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A viewer for 3-D medical images with an assistant inside. Research use only, not for diagnosis.
#[derive(Debug, Parser)]
#[command(name = "m3d-viewer", version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// What to do; without it the window opens.
    #[command(subcommand)]
    pub command: Option<Subcommands>,
    /// The window's arguments.
    #[command(flatten)]
    pub window: WindowArguments,
}

/// Arguments of the window.
#[derive(Args, Debug)]
pub struct WindowArguments {
    /// A folder or file with DICOM or NIfTI images to open.
    pub path: Option<PathBuf>,
    /// The model to use: its folder or its name (see model list).
    #[arg(long, value_name = "DIR|NAME")]
    pub model: Option<PathBuf>,
}

/// What can be done without the window.
#[derive(Debug, Subcommand)]
pub enum Subcommands {
    /// List the images in a file or folder, with their geometry and values.
    Info(info::InfoArguments),
    /// Write an image as NIfTI.
    Convert(convert::ConvertArguments),
    /// Copy images without the identity of the patient.
    Anonymize(anonymize::AnonymizeArguments),
    /// Draw one view of an image as PNG.
    Render(render::RenderArguments),
    /// Ask the assistant about an image.
    Ask(ask::AskArguments),
    /// List, fetch, verify and quantize models.
    Model(model::ModelArguments),
    /// Make data sets to train and to measure with.
    Data(data::DataArguments),
    /// Train a model, or go on training one.
    Train(train::TrainArguments),
    /// Measure how well a model answers, as M3D-Bench does.
    Bench(bench::BenchArguments),
}

/// Carries a subcommand out.
///
/// # Errors
/// Whatever went wrong, as one clear line.
pub fn run(command: &Subcommands) -> anyhow::Result<()> {
    match command {
        Subcommands::Info(arguments) => info::run(arguments),
        Subcommands::Convert(arguments) => convert::run(arguments),
        Subcommands::Anonymize(arguments) => anonymize::run(arguments),
        Subcommands::Render(arguments) => render::run(arguments),
        Subcommands::Ask(arguments) => ask::run(arguments),
        Subcommands::Model(arguments) => model::run(arguments),
        Subcommands::Data(arguments) => data::run(arguments),
        Subcommands::Train(arguments) => train::run(arguments),
        Subcommands::Bench(arguments) => bench::run(arguments),
    }
}
