//! The lines of a NRRD header.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::path::Path;

use super::malformed;
use crate::io::array::unpacked;
use crate::io::error::Refusal;

/// Names of segments and gradients of diffusion make long headers; none comes near this.
const MOST_HEADER: u64 = 1 << 22;

/// Fields and keys, and where the header ends.
#[derive(Debug, Default)]
pub(super) struct Fields {
    values: BTreeMap<String, String>,
    /// Key/value pairs (`key:=value`).
    pub keys: BTreeMap<String, String>,
    /// The names below `data file: LIST`.
    pub listed: Vec<String>,
    /// Bytes of the header with the empty line behind it.
    pub length: u64,
}

impl Fields {
    pub fn read(path: &Path) -> Result<Self, Refusal> {
        Self::parse(&mut unpacked(path)?)
    }

    pub fn parse(file: &mut dyn BufRead) -> Result<Self, Refusal> {
        let mut file = file.take(MOST_HEADER);
        let mut found = Self::default();
        let magic = found.line(&mut file)?.unwrap_or_default();
        match magic.strip_prefix("NRRD000") {
            Some("1" | "2" | "3" | "4" | "5") => {}
            _ => return Err(malformed(&format!("version {magic:?}"))),
        }
        let mut lists = false;
        while let Some(line) = found.line(&mut file)? {
            if line.is_empty() {
                return Ok(found);
            }
            if line.starts_with('#') {
                continue;
            }
            if lists {
                found.listed.push(line);
                continue;
            }
            if let Some((key, value)) = line.split_once(":=") {
                found.keys.insert(key.to_owned(), value.to_owned());
            } else if let Some((field, value)) = line.split_once(':') {
                let field = known_as(&field.trim().to_lowercase()).to_owned();
                let value = value.trim().to_owned();
                lists = field == "data file" && value.starts_with("LIST");
                found.values.insert(field, value);
            } else {
                return Err(malformed("a line without a colon"));
            }
        }
        // A detached header may end with its file.
        if file.limit() == 0 {
            return Err(malformed("a header of more than 4 MiB"));
        }
        if found.get("data file").is_none() {
            let message = "the file ends within its header; copy it again";
            return Err(Refusal::truncated(message));
        }
        Ok(found)
    }

    /// The next line without its end; `None` behind the last one.
    fn line(&mut self, file: &mut impl BufRead) -> Result<Option<String>, Refusal> {
        let mut line = Vec::new();
        let count = file.read_until(b'\n', &mut line)?;
        self.length += count as u64;
        if count == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
    }

    pub fn get(&self, field: &str) -> Option<&str> {
        self.values.get(field).map(String::as_str)
    }

    pub fn need(&self, field: &str) -> Result<&str, Refusal> {
        self.get(field)
            .ok_or_else(|| malformed(&format!("no {field}")))
    }

    /// The words of a field; none where it is not there.
    pub fn words(&self, field: &str) -> impl Iterator<Item = &str> {
        self.get(field).unwrap_or_default().split_whitespace()
    }

    /// A whole number, 0 where the field is not there.
    pub fn count(&self, field: &str) -> Result<i64, Refusal> {
        self.get(field).map_or(Ok(0), |word| {
            word.parse()
                .map_err(|_| malformed(&format!("{field} {word:?}")))
        })
    }
}

/// Fields with two names.
fn known_as(field: &str) -> &str {
    match field {
        "datafile" => "data file",
        "lineskip" => "line skip",
        "byteskip" => "byte skip",
        "centerings" => "centers",
        "axismins" => "axis mins",
        other => other,
    }
}
