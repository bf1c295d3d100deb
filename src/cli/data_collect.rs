//! `data collect`: what readers have drawn and corrected, as data to train with.

use std::path::PathBuf;

use clap::Args;

use super::output;
use crate::app::{CollectOptions, collect};
use m3d_imaging::io::Progress;

/// Arguments of `data collect`.
#[derive(Args, Debug)]
pub(super) struct CollectArguments {
    /// The folder of your work, a folder of sessions, or a session that was taken along (.m3dsession).
    sessions: PathBuf,
    /// The folder to write, as nnU-Net reads it and `data prepare` too; it must be empty or not there yet.
    out: PathBuf,
    /// A file or folder with images, where they are not where studies were opened; may be given several times.
    #[arg(long, value_name = "PATH")]
    images: Vec<PathBuf>,
    /// Take also masks of models and files that no reader has changed.
    #[arg(long)]
    untouched: bool,
    /// Take also masks drawn by weights that must not be used commercially or whose licence is not known.
    #[arg(long)]
    any_licence: bool,
    /// Print what was done as one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &CollectArguments) -> anyhow::Result<()> {
    let options = CollectOptions {
        images: arguments.images.clone(),
        untouched: arguments.untouched,
        any_licence: arguments.any_licence,
    };
    let (sessions, out) = (&arguments.sessions, &arguments.out);
    let collected = collect(sessions, out, &options, &Progress::silent())?;
    for left in &collected.left_out {
        let name = if left.name.is_empty() {
            "all of it"
        } else {
            &left.name
        };
        output::note(&format!(
            "{}: {name} was left out: {}",
            left.case, left.reason
        ));
    }
    output::note(&format!(
        "{} masks of {} images written to {}: {}",
        collected.masks,
        collected.cases,
        out.display(),
        collected.labels.join(", ")
    ));
    if arguments.json {
        output::print(&format!("{:#}\n", serde_json::to_value(&collected)?))?;
    }
    Ok(())
}
