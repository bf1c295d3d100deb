//! `train`: a model from a configuration.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use super::output;
use m3d_lab::training::{Row, TrainingConfig, TrainingEvent, train};

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
    let mut shown = TrainingDisplay::new();
    let outcome = train(&config, arguments.resume, &mut |event| shown.show(event));
    shown.bar.finish_and_clear();
    Ok(outcome?)
}

/// Seconds between two lines where there is no bar.
const LINE_SECS: f64 = 60.0;

/// How far a training is, on standard error: a bar on a terminal, plain lines elsewhere.
struct TrainingDisplay {
    bar: ProgressBar,
    /// A running mean of the loss.
    smooth: Option<f64>,
    /// Seconds of training when the last line was written.
    last_line: Option<f64>,
}

impl TrainingDisplay {
    fn new() -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        Self {
            bar,
            smooth: None,
            last_line: None,
        }
    }

    fn show(&mut self, event: TrainingEvent) {
        match event {
            TrainingEvent::Stage {
                name,
                steps,
                done,
                parameters: (learnt, all),
            } => {
                self.line(&format!(
                    "stage {name}: {learnt} of {all} numbers are learnt, {done} of {steps} steps are done"
                ));
                self.bar.set_prefix(name);
                self.bar.set_length(steps);
                self.bar.set_position(done);
                self.smooth = None;
                self.last_line = None;
            }
            TrainingEvent::Step {
                row,
                volumes_per_sec,
                left_secs,
            } => self.step(&row, volumes_per_sec, left_secs),
            TrainingEvent::Saved(path) => {
                if self.bar.is_hidden() {
                    self.line(&format!("saved {}", path.display()));
                }
            }
            TrainingEvent::Note(note) => self.line(&note),
            TrainingEvent::LeftOut(reason) => self.line(&format!("left out: {reason}")),
            TrainingEvent::Done { model, left_out } => {
                if left_out > 0 {
                    self.line(&format!(
                        "images and entries of the data that could not be used: {left_out}; each is told above"
                    ));
                }
                self.line(&format!("the model is in {}", model.display()));
            }
        }
    }

    fn step(&mut self, row: &Row, volumes_per_sec: f64, left_secs: f64) {
        let losses = &row.losses;
        let total = losses.total();
        let mean = (self.smooth).map_or(total, |old: f64| old + 0.02 * (total - old));
        self.smooth = Some(mean);
        self.bar.inc(1);
        let left = HumanDuration(Duration::from_secs_f64(left_secs.clamp(0.0, 1e9)));
        let pace = format!("{volumes_per_sec:.2} volumes/s, {left} left");
        self.bar.set_message(format!("loss {mean:.3}, {pace}"));
        let is_last = self.bar.length() == Some(self.bar.position());
        let is_time = (self.last_line).is_none_or(|at| row.secs - at > LINE_SECS);
        if self.bar.is_hidden() && (is_last || is_time) {
            self.last_line = Some(row.secs);
            self.line(&format!(
                "{} {}: loss {mean:.3} (text {:.3}, bce {:.4}, dice {:.3}, prompt {:.3}, dense {:.3}, facts {:.3}), {pace}",
                row.stage,
                row.step,
                losses.text,
                losses.bce,
                losses.dice,
                losses.prompt,
                losses.dense,
                losses.facts
            ));
        }
    }

    /// A line of its own, above the bar where there is one. A hidden bar swallows lines.
    fn line(&self, text: &str) {
        self.bar.suspend(|| output::note(text));
    }
}
