//! `data prepare`: a reader's own folders to M3D-Data's layout.

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::data::size;
use super::output;
use m3d_lab::dataset::prepare::{PrepareOptions, Source, keep_apart, prepare_set};

/// Arguments of `data prepare`.
#[derive(Args, Debug)]
pub(super) struct PrepareArguments {
    /// The folder to read: cases with slices and a text (M3D-Cap), CASE/ct.nii.gz with CASE/segmentations
    /// (TotalSegmentator), imagesTr with labelsTr (nnU-Net), or NAME.nii.gz with NAME_seg.nii.gz.
    input: PathBuf,
    /// The folder to write. What is whole in it already is kept.
    out: PathBuf,
    /// Slices, rows and columns of each image.
    #[arg(long, value_name = "D,H,W", value_parser = size, default_value = "32,256,256")]
    size: [usize; 3],
    /// The folder of M3D-Seg that labelled images go to.
    #[arg(long, value_name = "NNNN", default_value = "0000")]
    tag: String,
    /// A JSON file that names the labels: {"1": "liver"}, or nnU-Net's dataset.json.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// The share of cases for tests, 0 to 1; of reports as many again are for validation.
    #[arg(long, value_name = "S", value_parser = share, default_value = "0.1")]
    test_share: f64,
    /// Print what was done as one JSON document.
    #[arg(long)]
    json: bool,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(v) if (0.0..=1.0).contains(&v) => Ok(v),
        _ => Err(format!("{text:?} is no number from 0 to 1")),
    }
}

pub(super) fn run(arguments: &PrepareArguments) -> anyhow::Result<()> {
    keep_apart(&arguments.input, &arguments.out)?;
    let source = Source::recognise(&arguments.input)?;
    output::note(&format!(
        "{}: {} cases of {}",
        arguments.input.display(),
        source.len(),
        source.kind()
    ));
    let options = PrepareOptions {
        size: arguments.size,
        tag: arguments.tag.clone(),
        names: arguments.labels.clone(),
        test_share: arguments.test_share,
    };
    let bar = ProgressBar::new(source.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} cases, {eta} left") {
        bar.set_style(style);
    }
    let report = prepare_set(&source, &arguments.out, &options, &mut |step| {
        bar.set_position(step.done as u64);
        if let Some(reason) = step.refused {
            bar.suspend(|| output::note(&format!("{} was left out: {reason}", step.case)));
        }
    });
    bar.finish_and_clear();
    let report = report?;
    for note in &report.notes {
        output::note(&format!("{}: {}", note.case, note.message));
    }
    let [train, validation, test] = report.entries;
    output::note(&format!(
        "{} cases prepared, {} kept, {} left out; {train} entries to train, {validation} to validate, \
         {test} to test in {}",
        report.prepared,
        report.kept,
        report.refused.len(),
        arguments.out.display()
    ));
    if arguments.json {
        output::print(&format!("{:#}\n", serde_json::to_value(&report)?))?;
    }
    Ok(())
}
