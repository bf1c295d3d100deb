//! Lists in CSV tables (RFC 4180), columns by name.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::{ListRow, ReadError};

/// A table read a row at a time.
pub(super) struct Table {
    reader: Reader<BufReader<File>>,
    heading: Vec<String>,
    file: Arc<Path>,
}

/// One row.
pub(super) struct Line<'a> {
    record: &'a ByteRecord,
    heading: &'a [String],
    /// Where it stands.
    pub place: ListRow,
}

/// Names of columns are compared without case, and `_` counts as a space.
fn plain(name: &str) -> String {
    name.trim_matches(['\u{feff}', ' ', '\t'])
        .to_lowercase()
        .replace('_', " ")
}

impl Table {
    /// Opens a table that has all of these columns.
    pub fn open(file: &Arc<Path>, wanted: &[&str]) -> Result<Self, ReadError> {
        let failed = |source| ReadError::unreadable(file, source);
        let open = File::open(file).map_err(failed)?;
        let mut reader = ReaderBuilder::new()
            .flexible(true)
            .from_reader(BufReader::new(open));
        let heading: Vec<String> = reader
            .byte_headers()
            .map_err(|error| damaged(file, &error))?
            .iter()
            .map(|name| plain(&String::from_utf8_lossy(name)))
            .collect();
        for column in wanted {
            if !heading.contains(&plain(column)) {
                let message = format!(
                    "its first line names no column {column:?} (it names {}); give M3D-Data's table",
                    heading.join(", ")
                );
                return Err(ReadError::file(file, message));
            }
        }
        Ok(Self {
            reader,
            heading,
            file: Arc::clone(file),
        })
    }

    /// Hands each row to `row`.
    pub fn each(mut self, mut row: impl FnMut(&Line)) -> Result<(), ReadError> {
        let mut record = ByteRecord::new();
        while self
            .reader
            .read_byte_record(&mut record)
            .map_err(|error| damaged(&self.file, &error))?
        {
            let line = record.position().map_or(0, csv::Position::line);
            row(&Line {
                record: &record,
                heading: &self.heading,
                place: ListRow::line(&self.file, line),
            });
        }
        Ok(())
    }
}

fn damaged(file: &Path, error: &csv::Error) -> ReadError {
    ReadError::file(file, format!("it is no table ({error}); copy it again"))
}

impl Line<'_> {
    /// A cell, trimmed; `None` where the table has no such column, the row ends before it, or it is empty.
    /// What is no UTF-8 is replaced.
    pub fn cell(&self, column: &str) -> Option<String> {
        let column = plain(column);
        let at = self.heading.iter().position(|name| *name == column)?;
        let text = String::from_utf8_lossy(self.record.get(at)?);
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A cell that must not be empty.
    pub fn needed(&self, column: &str) -> Result<String, ReadError> {
        self.cell(column).ok_or_else(|| {
            let message = format!("its cell {column:?} is empty; complete the row or remove it");
            self.place.error(message)
        })
    }
}
