//! Where the voxels of a NRRD are.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use super::fields::Fields;
use super::malformed;
use crate::io::array::{Number, Packing, Part, unpacked};
use crate::io::error::Refusal;
use crate::io::files;

/// The most files of one image.
const MOST_FILES: usize = 1 << 16;

pub(super) fn is_text(encoding: &str) -> bool {
    ["ascii", "text", "txt"].contains(&encoding.to_lowercase().as_str())
}

/// The files with voxels, each with equally many of the `bytes`.
pub(super) fn parts(
    fields: &Fields,
    path: &Path,
    number: Number,
    bytes: Option<u64>,
) -> Result<Vec<Part>, Refusal> {
    let encoding = fields.need("encoding")?.to_lowercase();
    let packing = match encoding.as_str() {
        "raw" => Packing::Plain,
        "gzip" | "gz" => Packing::Gzip,
        _ if is_text(&encoding) => Packing::Text(number),
        other => {
            let message = format!("its voxels are packed as {other}; save it as raw or gzip");
            return Err(Refusal::new("pixel_format", message));
        }
    };
    let (files, header) = match fields.get("data file") {
        Some(named) => (names(named, fields, path)?, 0),
        None => (vec![path.to_owned()], fields.length),
    };
    let each = bytes.map(|bytes| bytes / files.len().max(1) as u64);
    files
        .into_iter()
        .map(|path| part(fields, &path, header, packing, each))
        .collect()
}

fn part(
    fields: &Fields,
    path: &Path,
    header: u64,
    packing: Packing,
    bytes: Option<u64>,
) -> Result<Part, Refusal> {
    let lines = fields.count("line skip")?;
    let start = header + skipped_lines(path, header, lines)?;
    let skip = match (fields.count("byte skip")?, packing, bytes) {
        (-1, Packing::Plain, Some(bytes)) => {
            let length = files::open(path)?.metadata()?.len();
            length.saturating_sub(start).saturating_sub(bytes)
        }
        (skip, ..) => u64::try_from(skip).map_err(|_| malformed("byte skip"))?,
    };
    Ok(Part {
        path: path.to_owned(),
        start,
        packing,
        skip,
    })
}

/// Bytes of the lines that are passed over before the voxels.
fn skipped_lines(path: &Path, header: u64, lines: i64) -> Result<u64, Refusal> {
    if lines == 0 {
        return Ok(0);
    }
    let mut file = unpacked(path)?;
    std::io::copy(
        &mut std::io::Read::take(&mut file, header),
        &mut std::io::sink(),
    )?;
    let mut bytes = 0;
    for _ in 0..lines {
        let count = file.skip_until(b'\n')?;
        if count == 0 {
            break;
        }
        bytes += count as u64;
    }
    Ok(bytes)
}

/// The files that `data file` names: one, a list, or a pattern with the first number, the last and the step.
fn names(named: &str, fields: &Fields, path: &Path) -> Result<Vec<PathBuf>, Refusal> {
    let beside = |name: &str| files::beside(path, name);
    if named.starts_with("LIST") {
        if fields.listed.is_empty() {
            return Err(malformed("an empty list of files"));
        }
        return fields
            .listed
            .iter()
            .map(|name| beside(name.trim()))
            .collect();
    }
    if let [pattern, min, max, step, ..] = named.split_whitespace().collect::<Vec<_>>()[..]
        && pattern.contains('%')
    {
        let whole = |word: &str| word.parse::<i64>().map_err(|_| malformed("data file"));
        let (min, max, step) = (whole(min)?, whole(max)?, whole(step)?);
        let numbers =
            files::numbers(min, max, step, MOST_FILES).ok_or_else(|| malformed("data file"))?;
        return numbers
            .map(|n| beside(&files::printed(pattern, n).ok_or_else(|| malformed("data file"))?))
            .collect();
    }
    Ok(vec![beside(named)?])
}
