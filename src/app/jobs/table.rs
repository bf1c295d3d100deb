//! A table of findings to a file.

use std::path::PathBuf;

use m3d_imaging::io::Progress;

use super::{Finish, Job, Slot};
use crate::app::NoticeKind;

/// Writes a table as comma-separated values (RFC 4180).
pub struct WriteTable {
    /// Where.
    pub path: PathBuf,
    /// Its rows, the header first.
    pub rows: Vec<Vec<String>>,
}

impl Job for WriteTable {
    fn title(&self) -> String {
        "Writing the table".into()
    }

    fn slot(&self) -> Slot {
        Slot::Every
    }

    fn is_missed(&self) -> bool {
        true
    }

    fn run(self: Box<Self>, _: &Progress) -> Finish {
        let Self { path, rows } = *self;
        let lines = rows.iter().map(|row| {
            let fields: Vec<String> = row.iter().map(|field| quoted(field)).collect();
            fields.join(",") + "\r\n"
        });
        let written = std::fs::write(&path, lines.collect::<String>());
        Box::new(move |app| match written {
            Ok(()) => {
                let text = format!("Wrote {}", path.display());
                app.notices.add(NoticeKind::Info, text);
            }
            Err(error) => {
                let text = format!(
                    "The table could not be written: {error} ({})",
                    path.display()
                );
                app.notices.add(NoticeKind::Error, text);
            }
        })
    }
}

/// A field as RFC 4180 has it. What spreadsheets would take for a formula is led by an apostrophe.
fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '@', '\t', '\r'])
        || (field.starts_with(['+', '-']) && field.parse::<f64>().is_err());
    let field = if formula {
        format!("'{field}")
    } else {
        field.to_owned()
    };
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn fields_are_quoted_and_no_formula_is_run() {
        for (field, wanted) in [
            ("liver", "liver"),
            ("cyst, left", "\"cyst, left\""),
            ("5\" wide", "\"5\"\" wide\""),
            ("-12.5", "-12.5"),
            ("=1+1", "'=1+1"),
            ("-cmd", "'-cmd"),
        ] {
            assert_eq!(quoted(field), wanted);
        }
    }
}
