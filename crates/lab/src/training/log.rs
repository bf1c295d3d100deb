//! The losses of every step in a table, and their curves in a picture.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::files::write_whole;
use super::plot::draw_curves;
use super::{Losses, TrainingError};

/// One step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Steps taken in all.
    pub step: u64,
    /// The stage's name.
    pub stage: &'static str,
    /// Samples seen in all.
    pub samples: u64,
    /// The learning rate.
    pub rate: f64,
    /// The losses.
    pub losses: Losses,
    /// The gradients' length before clipping.
    pub norm: f64,
    /// Seconds spent in all.
    pub secs: f64,
}

const HEAD: &str = "step,stage,samples,rate,loss,text,bce,dice,norm,secs,prompt,dense,facts\n";

/// `losses.csv` and `losses.png` in a folder.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Log {
    /// Opens the table and drops the rows after `step`, which will be written anew.
    pub fn open(out: &Path, step: u64) -> Result<Self, TrainingError> {
        let path = out.join("losses.csv");
        let io = |e| TrainingError::io(&path, e);
        let old = match fs::read_to_string(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io(e)),
            text => text.unwrap_or_default(),
        };
        let mut kept = HEAD.to_string();
        let whole = old.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole
            .lines()
            .skip(1)
            .filter(|l| number(l, 0).is_some_and(|n| n <= step as f64))
        {
            kept.push_str(line);
            kept.push('\n');
        }
        write_whole(&path, kept.as_bytes())?;
        let file = OpenOptions::new().append(true).open(&path).map_err(io)?;
        Ok(Self {
            file: BufWriter::new(file),
            path,
        })
    }

    /// Adds a row.
    pub fn add(&mut self, row: &Row) -> Result<(), TrainingError> {
        let Losses {
            text,
            bce,
            dice,
            prompt,
            dense,
            facts,
        } = row.losses;
        writeln!(
            self.file,
            "{},{},{},{:.3e},{:.5},{text:.5},{bce:.5},{dice:.5},{:.4},{:.1},{prompt:.5},{dense:.5},{facts:.5}",
            row.step,
            row.stage,
            row.samples,
            row.rate,
            row.losses.total(),
            row.norm,
            row.secs
        )
        .map_err(|e| TrainingError::io(&self.path, e))
    }

    /// Puts the rows on disk and draws the curves anew.
    pub fn flush(&mut self) -> Result<(), TrainingError> {
        self.file
            .flush()
            .map_err(|e| TrainingError::io(&self.path, e))?;
        let text = fs::read_to_string(&self.path).map_err(|e| TrainingError::io(&self.path, e))?;
        let column = |n: usize| -> Vec<(f64, f64)> {
            let rows = text.lines().skip(1);
            rows.filter_map(|line| Some((number(line, 0)?, number(line, n)?)))
                // A loss of exactly 0 was not asked for.
                .filter(|(_, loss)| *loss != 0.0)
                .collect()
        };
        let curves = [("text", column(5)), ("bce", column(6)), ("dice", column(7))];
        let path = self.path.with_extension("png");
        let png = draw_curves(&curves).map_err(|message| TrainingError::state(&path, message))?;
        write_whole(&path, &png)
    }
}

fn number(line: &str, column: usize) -> Option<f64> {
    line.split(',').nth(column)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: u64) -> Row {
        Row {
            step,
            stage: "all",
            samples: 8 * step,
            rate: 1e-3,
            losses: Losses {
                text: 1.0 / step as f64,
                bce: 0.5,
                dice: 0.25,
                prompt: 0.0,
                dense: 0.0,
                facts: 0.0,
            },
            norm: 1.0,
            secs: 2.0,
        }
    }

    #[test]
    fn a_table_that_is_gone_on_with_has_each_step_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::open(folder.path(), 0).unwrap();
        (1..=5).for_each(|step| log.add(&row(step)).unwrap());
        log.flush().unwrap();
        drop(log);
        // As if killed in the middle of a line.
        let path = folder.path().join("losses.csv");
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str("6,all,4");
        fs::write(&path, text).unwrap();
        let mut log = Log::open(folder.path(), 3).unwrap();
        (4..=6).for_each(|step| log.add(&row(step)).unwrap());
        log.flush().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let steps: Vec<f64> = text.lines().skip(1).filter_map(|l| number(l, 0)).collect();
        assert_eq!(steps, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let picture = image::open(folder.path().join("losses.png"))
            .unwrap()
            .to_rgb8();
        let colours: std::collections::HashSet<_> = picture.pixels().map(|p| p.0).collect();
        assert!(colours.len() >= 4, "three curves and their ground");
    }
}
