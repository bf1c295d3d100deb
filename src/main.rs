//! The command: arguments, logging, dispatch.

use std::process::ExitCode;

use clap::Parser;
use m3d_viewer::app::{Settings, StartOptions};
use m3d_viewer::cli::{self, Arguments};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("M3D_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let outcome = match &arguments.command {
        Some(command) => cli::run(command),
        None => m3d_viewer::ui::run(StartOptions {
            path: arguments.window.path,
            model: arguments.window.model,
            settings_path: Settings::default_path(),
        })
        .map_err(anyhow::Error::from),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line, whatever the causes.
            eprintln!("error: {}", format!("{error:#}").replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}
