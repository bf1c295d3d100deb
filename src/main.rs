//! The command: arguments, logging, dispatch.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::Parser;
use m3d_assistant::hub::local;
use m3d_imaging::io::IoError;
use m3d_viewer::app::{Settings, StartOptions, default_folder};
use m3d_viewer::cli::output::{self, OutputError};
use m3d_viewer::cli::{self, Arguments, WindowArguments};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(wrong) if wrong.use_stderr() => wrong.exit(),
        Err(help) => {
            let printed = help.print().and_then(|()| std::io::stdout().flush());
            return output::finish(printed.map_err(|e| OutputError::from(e).into()));
        }
    };
    let filter = EnvFilter::try_from_env("M3D_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would tell of a failing standard error there, and panic.
        .log_internal_errors(false)
        .init();
    output::finish(match &arguments.command {
        Some(command) => cli::run(command),
        None => open_window(arguments.window),
    })
}

fn open_window(window: WindowArguments) -> anyhow::Result<()> {
    if let Some(path) = &window.path {
        check_there(path)?;
    }
    let model = window.model.map(local::resolve_path).transpose()?;
    refuse_without_display()?;
    m3d_viewer::ui::run(StartOptions {
        path: window.path,
        model,
        models: local::search_folders(),
        settings_path: Settings::default_path(),
        sessions: default_folder(),
    })
    .map_err(|error| anyhow!("no window can be opened: {}", reason(&error.to_string())))
}

/// A wrong path is better told in the terminal than in a window.
fn check_there(path: &Path) -> Result<(), IoError> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(()),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            Err(IoError::NotFound(path.to_owned()))
        }
        Err(source) => Err(IoError::Unreadable {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Where windows come from X11 or Wayland, one of them must be named.
fn refuse_without_display() -> anyhow::Result<()> {
    let named = ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    let needed = cfg!(all(
        unix,
        not(any(
            target_os = "macos",
            target_os = "ios",
            target_os = "android"
        ))
    ));
    if needed && !named {
        bail!(
            "there is no display to open a window on; set DISPLAY or WAYLAND_DISPLAY, or use a \
             subcommand (m3d-viewer --help)"
        );
    }
    Ok(())
}

/// What went wrong, without the place in the window library's source (`os error at FILE:LINE: `).
fn reason(message: &str) -> &str {
    let source = message.split_once("os error at ");
    source
        .and_then(|(_, rest)| rest.split_once(": "))
        .map_or(message, |(_, reason)| reason)
}
