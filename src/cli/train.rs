//! `train`: a model from a configuration.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use super::output;
use m3d_lab::training::{TrainingConfig, TrainingEvent, train};

/// Arguments of `train`.
#[derive(Args, Debug)]
pub struct TrainArguments {
    /// The file that says what is trained, on what and how long.
    config: PathBuf,
    /// Go on from the last state that was saved.
    #[arg(long)]
    resume: bool,
}

/// What a training's process is started with. Its own threads share out the samples of a batch: candle's, which wait
/// in a loop for parts of single sums, would only be in their way. And memory that was given back once is needed again
/// in the next step: asking the system for it anew costs a quarter of the time.
#[cfg(unix)]
const ENVIRONMENT: [(&str, &str); 5] = [
    ("CANDLE_NUM_THREADS", "1"),
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "1073741824"),
    ("MALLOC_TRIM_THRESHOLD_", "8589934592"),
    ("MALLOC_TOP_PAD_", "67108864"),
];

/// Begins this program anew with [`ENVIRONMENT`], unless that was done or somebody chose otherwise. Where it cannot,
/// training is only slower.
#[cfg(unix)]
fn start_anew() {
    use std::os::unix::process::CommandExt;
    if std::env::var_os(ENVIRONMENT[0].0).is_some() {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        let error = std::process::Command::new(program)
            .args(std::env::args_os().skip(1))
            .envs(ENVIRONMENT)
            .exec();
        tracing::debug!("training goes on in this process: {error}");
    }
}

pub(super) fn run(arguments: &TrainArguments) -> anyhow::Result<()> {
    let config = TrainingConfig::open(&arguments.config)?;
    #[cfg(unix)]
    start_anew();
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    let mut smooth = None;
    let mut shown = None;
    let outcome = train(&config, arguments.resume, &mut |event| match event {
        TrainingEvent::Stage {
            name,
            steps,
            done,
            parameters: (learnt, all),
        } => {
            bar.println(format!(
                "stage {name}: {learnt} of {all} numbers are learnt"
            ));
            bar.set_prefix(name);
            bar.set_length(steps);
            bar.set_position(done);
            smooth = None;
        }
        TrainingEvent::Step {
            row,
            volumes_per_sec,
            left_secs,
        } => {
            let total = row.losses.total();
            let mean = smooth.map_or(total, |old: f64| old + 0.02 * (total - old));
            smooth = Some(mean);
            bar.inc(1);
            let left = HumanDuration(Duration::from_secs_f64(left_secs.clamp(0.0, 1e9)));
            bar.set_message(format!(
                "loss {mean:.3}, {volumes_per_sec:.2} volumes/s, {left} left"
            ));
            // Without a terminal there is no bar: a line a minute instead.
            if bar.is_hidden() && shown.is_none_or(|at| row.secs - at > 60.0) {
                shown = Some(row.secs);
                output::note(&format!(
                    "{} {}: loss {mean:.3} (text {:.3}, bce {:.4}, dice {:.3}, prompt {:.3}, dense {:.3}, facts {:.3}), {volumes_per_sec:.2} volumes/s, {left} left",
                    row.stage,
                    row.step,
                    row.losses.text,
                    row.losses.bce,
                    row.losses.dice,
                    row.losses.prompt,
                    row.losses.dense,
                    row.losses.facts
                ));
            }
        }
        TrainingEvent::Saved(path) => tracing::info!("saved {}", path.display()),
        TrainingEvent::Done(path) => bar.println(format!("the model is in {}", path.display())),
    });
    bar.finish_and_clear();
    Ok(outcome?)
}
