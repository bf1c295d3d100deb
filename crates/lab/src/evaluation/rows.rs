//! Rows on disk: CSV (RFC 4180), a row per question, appended as they come; and what run they belong to.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{EvaluationError, Shard, Table};

/// The columns that every table begins with.
pub(super) const FIRST_COLUMNS: [&str; 3] = ["task", "id", "image"];

/// What rows have in common. Rows of runs that differ in any of this are never mixed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunFacts {
    pub task: String,
    pub data: String,
    pub part: String,
    pub wording: String,
    pub data_set: String,
    pub least_voxels: usize,
    pub model: String,
    pub fingerprint: String,
    #[serde(default)]
    pub settings: String,
    pub numbers: String,
    pub synonyms: bool,
    pub bertscore: bool,
}

impl RunFacts {
    /// What differs from another run: its name, here, there.
    pub fn differs(&self, other: &Self) -> Option<(&'static str, String, String)> {
        let pairs = |run: &Self| {
            [
                ("task", run.task.clone()),
                ("data", run.data.clone()),
                ("split", run.part.clone()),
                ("wording", run.wording.clone()),
                ("tag", run.data_set.clone()),
                ("least voxels", run.least_voxels.to_string()),
                ("model", format!("{} {}", run.model, run.fingerprint)),
                ("settings", run.settings.clone()),
                ("dtype", run.numbers.clone()),
                ("synonyms", run.synonyms.to_string()),
                ("bertscore", run.bertscore.to_string()),
            ]
        };
        let (own, others) = (pairs(self), pairs(other));
        let (at, (what, here)) = own
            .into_iter()
            .enumerate()
            .find(|(n, (_, here))| *here != others[*n].1)?;
        Some((what, here, others[at].1.clone()))
    }

    /// Reads one; `None` where the file is not there.
    ///
    /// # Errors
    /// When it is there and is none.
    pub fn read(path: &Path) -> Result<Option<Self>, EvaluationError> {
        match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|e| {
                EvaluationError::file(path, format!("it is damaged ({e}); remove it"))
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(EvaluationError::unreadable(path, error)),
        }
    }

    /// Writes it so that no other process ever sees half of it.
    pub fn write(&self, path: &Path) -> Result<(), EvaluationError> {
        let failed = |error| EvaluationError::write(path, error);
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| failed(std::io::Error::other(error)))?;
        let unfinished = path.with_extension("json.part");
        fs::write(&unfinished, format!("{text}\n")).map_err(failed)?;
        fs::rename(&unfinished, path).map_err(failed)
    }
}

/// The file of a share's rows.
pub(super) fn rows_path(out: &Path, shard: Shard) -> PathBuf {
    out.join(format!("samples{}.csv", shard.suffix()))
}

/// The file that tells what run a share's rows belong to.
pub(super) fn facts_path(out: &Path, shard: Shard) -> PathBuf {
    out.join(format!("run{}.json", shard.suffix()))
}

/// Gives the files of a last share the names they have now: a run that was begun when shares were counted from 0 goes on.
///
/// # Errors
/// When one cannot be renamed.
pub(super) fn rename_old(out: &Path, shard: Shard) -> Result<(), EvaluationError> {
    let Some(old) = shard.old_suffix() else {
        return Ok(());
    };
    for (old, new) in [
        (format!("run{old}.json"), facts_path(out, shard)),
        (format!("samples{old}.csv"), rows_path(out, shard)),
    ] {
        let old = out.join(old);
        if old.is_file() && !new.exists() {
            fs::rename(&old, &new).map_err(|error| EvaluationError::write(&new, error))?;
        }
    }
    Ok(())
}

/// The files of a folder whose names begin and end like this, in order.
pub(super) fn files_named(
    out: &Path,
    begin: &str,
    end: &str,
) -> Result<Vec<PathBuf>, EvaluationError> {
    let entries = fs::read_dir(out).map_err(|error| EvaluationError::unreadable(out, error))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
            name.is_some_and(|n| n.starts_with(begin) && n.ends_with(end))
        })
        .collect();
    files.sort();
    Ok(files)
}

/// A file of rows that grows.
pub(super) struct RowFile {
    path: PathBuf,
    file: File,
    /// What is there already.
    pub table: Table,
    /// The ids that are there.
    pub done: HashSet<String>,
}

impl RowFile {
    /// Opens a file of rows of a task, or begins one. A last row that was torn off is dropped.
    ///
    /// # Errors
    /// When it holds rows of another task or with other columns, is damaged, or cannot be written.
    pub fn open(path: &Path, task: &str, columns: &[&str]) -> Result<Self, EvaluationError> {
        let failed = |error| EvaluationError::write(path, error);
        let (table, whole) = if path.is_file() {
            read_table(path)?
        } else {
            (Table::default(), 0)
        };
        if !table.columns.is_empty() {
            check(path, &table, task, columns)?;
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(failed)?;
        file.set_len(whole).map_err(failed)?;
        let mut rows = Self {
            path: path.to_owned(),
            file,
            done: table
                .rows
                .iter()
                .map(|row| table.cell(row, "id").to_owned())
                .collect(),
            table,
        };
        if rows.table.columns.is_empty() {
            rows.table.columns = columns.iter().map(|&c| c.to_owned()).collect();
            let heading = rows.table.columns.clone();
            rows.write(&heading)?;
        }
        Ok(rows)
    }

    /// Adds a row, which is on disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&mut self, row: Vec<String>) -> Result<(), EvaluationError> {
        self.write(&row)?;
        self.done.insert(self.table.cell(&row, "id").to_owned());
        self.table.rows.push(row);
        Ok(())
    }

    /// One write for a whole row, so that rows are torn as seldom as can be.
    fn write(&mut self, row: &[String]) -> Result<(), EvaluationError> {
        let written = line(row).and_then(|bytes| {
            self.file.write_all(&bytes)?;
            self.file.flush()
        });
        written.map_err(|error| EvaluationError::write(&self.path, error))
    }
}

/// A row as it is written.
fn line(row: &[String]) -> std::io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(row).map_err(std::io::Error::other)?;
    writer
        .into_inner()
        .map_err(|e| std::io::Error::other(e.to_string()))
}

/// Writes a whole table.
pub(super) fn write_table(path: &Path, table: &Table) -> Result<(), EvaluationError> {
    let written = || -> std::io::Result<()> {
        let mut bytes = line(&table.columns)?;
        for row in &table.rows {
            bytes.extend(line(row)?);
        }
        fs::write(path, bytes)
    };
    written().map_err(|error| EvaluationError::write(path, error))
}

/// Reads a table, and how many bytes of the file its whole rows take. A last row without its line end is left out.
pub(super) fn read_table(path: &Path) -> Result<(Table, u64), EvaluationError> {
    let bytes = fs::read(path).map_err(|error| EvaluationError::unreadable(path, error))?;
    let whole = whole_rows(&bytes);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(&bytes[..whole]);
    let mut table = Table::default();
    for record in reader.records() {
        let record = record.map_err(|error| {
            EvaluationError::file(
                path,
                format!("it is no table of answers ({error}); give another --out"),
            )
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let row: Vec<String> = record.iter().map(str::to_owned).collect();
        if table.columns.is_empty() {
            table.columns = row;
        } else if row.len() == table.columns.len() {
            table.rows.push(row);
        } else {
            return Err(EvaluationError::Row {
                path: path.to_owned(),
                line,
                message: format!(
                    "has {} cells under {} columns",
                    row.len(),
                    table.columns.len()
                ),
            });
        }
    }
    Ok((table, whole as u64))
}

/// Up to where the last row with its line end goes.
fn whole_rows(bytes: &[u8]) -> usize {
    let (mut quoted, mut end) = (false, 0);
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => end = at + 1,
            _ => {}
        }
    }
    end
}

fn check(path: &Path, table: &Table, task: &str, columns: &[&str]) -> Result<(), EvaluationError> {
    let other = |what, found: String, wanted: String| EvaluationError::OtherRun {
        path: path.to_owned(),
        what,
        found,
        wanted,
    };
    let named = table.rows.first().map(|row| table.cell(row, "task"));
    if let Some(found) = named.filter(|&found| found != task) {
        let found = if found.is_empty() { "none" } else { found };
        return Err(other("task", found.to_owned(), task.to_owned()));
    }
    if table.columns != columns {
        return Err(other("columns", table.columns.join(" "), columns.join(" ")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, text: &str) -> Vec<String> {
        ["rec", id, "image", text].map(str::to_owned).to_vec()
    }

    const COLUMNS: [&str; 4] = ["task", "id", "image", "text"];

    /// Wherever the file is cut off, the whole rows come back and the next row is appended behind them.
    #[test]
    fn a_torn_row_is_dropped_wherever_it_is_torn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples.csv");
        let mut rows = RowFile::open(&path, "rec", &COLUMNS).unwrap();
        let texts = ["plain", "with, \"quotes\"\nand lines\r\n", "größe"];
        let mut ends = vec![fs::metadata(&path).unwrap().len()];
        for (n, text) in texts.iter().enumerate() {
            rows.append(row(&n.to_string(), text)).unwrap();
            ends.push(fs::metadata(&path).unwrap().len());
        }
        drop(rows);
        let whole = fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let kept = ends
                .iter()
                .filter(|&&end| end <= cut as u64)
                .count()
                .saturating_sub(1);
            let mut rows = RowFile::open(&path, "rec", &COLUMNS).unwrap();
            assert_eq!(rows.done.len(), kept, "cut at {cut}");
            rows.append(row("last", "x")).unwrap();
            drop(rows);
            let (table, _) = read_table(&path).unwrap();
            assert_eq!(table.rows.len(), kept + 1, "cut at {cut}");
            for (n, row) in table.rows[..kept].iter().enumerate() {
                assert_eq!(row[3], texts[n]);
            }
        }
    }

    #[test]
    fn rows_of_another_task_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples.csv");
        RowFile::open(&path, "rec", &COLUMNS)
            .unwrap()
            .append(row("1", "a"))
            .unwrap();
        let before = fs::read(&path).unwrap();
        let error = RowFile::open(&path, "seg", &COLUMNS)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("task: rec there, seg asked for"), "{error}");
        let error = RowFile::open(&path, "rec", &["task", "id"]).err().unwrap();
        assert!(error.to_string().contains("columns"), "{error}");
        fs::write(&path, b"task,id,image,text\nrec,1,image\n").unwrap();
        let error = RowFile::open(&path, "rec", &COLUMNS)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("line 2"), "{error}");
        fs::write(&path, before).unwrap();
    }
}
