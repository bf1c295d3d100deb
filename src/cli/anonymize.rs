//! `anonymize`: copies without the patient's identity.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use super::output;
use m3d_imaging::io::{self, AnonymizeKey, AnonymizeOptions, Anonymized, Progress};

/// Arguments of `anonymize`.
#[derive(Args, Debug)]
pub struct AnonymizeArguments {
    /// A file or folder with DICOM or NIfTI images.
    path: PathBuf,
    /// The folder for the copies; it must be new or empty.
    out: PathBuf,
    /// A file with the key of the pseudonyms, made if it does not exist: with the same key another run gives the
    /// same pseudonyms. Keep it secret. Without it a random key is used and forgotten.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Also copy pictures into whose pixels a name may be burned (ultrasound, captured screens, angiography).
    #[arg(long)]
    keep_burned_in: bool,
    /// Print what was done as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &AnonymizeArguments) -> anyhow::Result<()> {
    let key = match &arguments.key {
        Some(file) if file.starts_with(&arguments.out) => bail!(
            "{} would lie among the copies; keep the key elsewhere",
            file.display()
        ),
        Some(file) => AnonymizeKey::from_file(file)?,
        None => {
            AnonymizeKey::random().context("no random key could be made; name one with --key")?
        }
    };
    let options = AnonymizeOptions {
        key,
        keep_burned_in: arguments.keep_burned_in,
    };
    let done = io::anonymize(
        &arguments.path,
        &arguments.out,
        &options,
        &Progress::silent(),
    )?;
    for warning in &done.warnings {
        output::note(&format!("warning: {}", warning.message));
    }
    for refused in &done.refused {
        output::note(&format!("not copied: {refused}"));
    }
    if arguments.json {
        output::print(&format!("{:#}\n", document(&done)))?;
    }
    if done.images == 0 {
        bail!(
            "nothing under {} could be copied; see the reasons above",
            arguments.path.display()
        );
    }
    output::note(&format!(
        "{} images copied to {}, {} files not copied",
        done.images,
        arguments.out.display(),
        done.refused.len()
    ));
    Ok(())
}

fn document(done: &Anonymized) -> serde_json::Value {
    let refused = done.refused.iter().map(|refused| {
        json!({
            "path": refused.path.to_string_lossy(),
            "code": refused.code,
            "message": refused.message,
        })
    });
    let warnings = done.warnings.iter();
    let warnings =
        warnings.map(|warning| json!({ "code": warning.code, "message": warning.message }));
    json!({
        "images": done.images,
        "series": done.series,
        "refused": refused.collect::<Vec<_>>(),
        "warnings": warnings.collect::<Vec<_>>(),
    })
}
