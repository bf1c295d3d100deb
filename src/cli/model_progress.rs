//! How far a download is, on standard error: a bar on a terminal, a few plain lines elsewhere.

use std::cell::{Cell, RefCell};
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use super::output;
use m3d_assistant::hub::{TransferStage, TransferStatus, size_text};

/// What is shown of a job on a model.
pub struct TransferDisplay {
    bar: Option<ProgressBar>,
    /// The last file and tenth that a line was written for.
    last: RefCell<(String, u64)>,
    stage: Cell<Option<TransferStage>>,
}

impl TransferDisplay {
    /// Nothing done yet of `total` bytes.
    pub fn new(total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total);
            let template = "{msg} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        });
        Self {
            bar,
            last: RefCell::default(),
            stage: Cell::new(None),
        }
    }

    /// Shows where the job stands.
    pub fn set(&self, status: &TransferStatus) {
        let what = match status.stage {
            TransferStage::Fetching => "",
            TransferStage::Checking => "checking ",
            TransferStage::Writing => "writing ",
            TransferStage::Waiting => "waiting to try again: ",
        };
        if let Some(bar) = &self.bar {
            if self.stage.replace(Some(status.stage)) != Some(status.stage) {
                // What was read from disk says nothing about the speed of the network.
                bar.reset_eta();
            }
            bar.set_message(format!("{what}{}", output::plain(status.file)));
            bar.set_position(status.done);
            return;
        }
        let tenth = status.done * 10 / status.total.max(1);
        let now = (format!("{what}{}", status.file), tenth);
        if *self.last.borrow() != now {
            output::note(&format!(
                "{:3} %  {} of {}  {}",
                status.done * 100 / status.total.max(1),
                size_text(status.done),
                size_text(status.total),
                now.0
            ));
            *self.last.borrow_mut() = now;
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
