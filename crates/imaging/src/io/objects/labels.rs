//! Label maps in arrays: each number is a structure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{LoadedObject, LoadedStructure, Structure};
use crate::geometry::VoxelGrid;
use crate::io::array::Array;
use crate::io::error::Refusal;
use crate::io::library::Source;
use crate::io::{IoError, Progress, Series, Warning, files, nifti, nrrd};
use crate::terms::Lexicon;

/// The most bytes of a file with names.
const MOST_BYTES: u64 = 1 << 20;

/// What a file beside a label map says of a label.
pub(in crate::io) type Names = BTreeMap<u32, (String, Option<[u8; 3]>)>;

/// Whether a series may be a label map of an image: an array whose voxels are those of `grid`, in whatever order of axes.
/// Whether it is one its values tell, when it is loaded.
pub fn may_label(series: &Series, grid: &VoxelGrid) -> bool {
    array_of(&series.source).is_some() && nifti::same_voxels(&series.grid, grid)
}

fn array_of(source: &Source) -> Option<&Array> {
    match source {
        Source::Array(array) => Some(array),
        Source::Packed(source, _) => array_of(source),
        Source::Dicom(_) => None,
    }
}

/// The structures of a series that is a label map, as [`load_label_map`]; segments of a NRRD are named as their file
/// names them.
///
/// # Errors
/// As [`load_label_map`].
pub fn load_label_series(
    series: &Series,
    grid: &VoxelGrid,
    progress: &Progress,
) -> Result<LoadedObject, IoError> {
    let Some(array) = array_of(&series.source) else {
        let message = "a DICOM image is no label map; a segmentation (SEG) is";
        return Err(Refusal::new("no_labels", message).at(&series.path));
    };
    load_array(array, grid, progress)
}

/// The structures of a NIfTI label map whose voxels are those of `grid`, in whatever order of axes. Names, and colours,
/// are taken from a file beside it with the same name that ends in `.json` (as this program writes it, or an object of
/// numbers to names) or `.tsv` (columns `index`, `name` and perhaps `color`, as BIDS has it); a label without a name is
/// called "label 5".
///
/// # Errors
/// When the file is no label map, is damaged or lies on another grid, or when cancelled.
pub fn load_label_map(
    path: &Path,
    grid: &VoxelGrid,
    progress: &Progress,
) -> Result<LoadedObject, IoError> {
    std::fs::metadata(path).map_err(|error| IoError::unreadable(path, error))?;
    let array = nifti::inspect(path).map_err(|refusal| refusal.at(path))?;
    load_array(&array, grid, progress)
}

fn load_array(
    array: &Array,
    grid: &VoxelGrid,
    progress: &Progress,
) -> Result<LoadedObject, IoError> {
    let masks = nifti::read_label_masks(array, grid, progress)?;
    let (mut names, mut warnings) = names_beside(&array.path);
    if array.header.stated.label_map
        && let Some(segments) = nrrd::segments(&array.path)
    {
        if !segments.elsewhere.is_empty() {
            let message = format!(
                "only the first layer of segments is read; on others lie {}",
                segments.elsewhere.join(", ")
            );
            warnings.push(Warning::new("other_layers", message));
        }
        names.extend(segments.names);
    }
    if masks.is_empty() {
        warnings.push(Warning::new("empty", "it holds no label"));
    }
    let structures = masks.into_iter().map(|(number, mask)| {
        let (name, colour) = names
            .get(&number)
            .cloned()
            .unwrap_or_else(|| (format!("label {number}"), None));
        let term = Lexicon::built_in().get(&name);
        LoadedStructure {
            structure: Structure {
                number,
                colour: colour.or_else(|| term?.colour()),
                name,
                term,
                drawn_by: String::new(),
            },
            mask,
        }
    });
    Ok(LoadedObject {
        structures: structures.collect(),
        warnings,
    })
}

fn names_beside(path: &Path) -> (Names, Vec<Warning>) {
    for (ending, read) in [
        ("json", of_json as fn(&str) -> Option<Names>),
        ("tsv", of_tsv),
    ] {
        let beside = beside(path, ending);
        let small = std::fs::metadata(&beside).is_ok_and(|m| m.is_file() && m.len() <= MOST_BYTES);
        let text = small
            .then(|| std::fs::read_to_string(&beside).ok())
            .flatten();
        let Some(text) = text else { continue };
        if let Some(names) = read(&text) {
            return (names, Vec::new());
        }
        let name = files::lower_name(&beside);
        let message = format!("{name} beside it is no list of names; labels have none");
        return (Names::new(), vec![Warning::new("no_names", message)]);
    }
    (Names::new(), Vec::new())
}

/// The file beside a label map with another ending.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let lower = name.to_lowercase();
    let endings = [
        ".nii.gz", ".nii", ".hdr.gz", ".hdr", ".nrrd", ".nhdr", ".mha", ".mhd",
    ];
    let length = endings
        .iter()
        .find(|e| lower.ends_with(*e))
        .map_or(0, |e| e.len());
    let stem = name.get(..name.len() - length).unwrap_or(&name);
    path.with_file_name(format!("{stem}.{ending}"))
}

/// `{"labels": [{"label": 1, "name": "liver"}]}` or `{"1": "liver"}`.
fn of_json(text: &str) -> Option<Names> {
    let document: Value = serde_json::from_str(text).ok()?;
    if let Some(labels) = document.get("labels").and_then(Value::as_array) {
        let entry = |entry: &Value| {
            let number = u32::try_from(entry.get("label")?.as_u64()?).ok()?;
            Some((number, (entry.get("name")?.as_str()?.to_owned(), None)))
        };
        return labels.iter().map(entry).collect();
    }
    let entries = document.as_object()?.iter();
    let entry = |(number, name): (&String, &Value)| {
        Some((
            number.trim().parse().ok()?,
            (name.as_str()?.to_owned(), None),
        ))
    };
    entries.map(entry).collect()
}

/// A table whose header names the columns.
fn of_tsv(text: &str) -> Option<Names> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next()?.split('\t').map(str::trim).collect();
    let column = |name: &str| header.iter().position(|h| h.eq_ignore_ascii_case(name));
    let (index, name) = (column("index")?, column("name")?);
    let colour = column("color");
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
        let number = cells.get(index)?.parse().ok()?;
        let digits = colour.and_then(|c| cells.get(c)?.strip_prefix('#'));
        let digits = digits.filter(|d| d.len() == 6);
        let rgb = digits.and_then(|d| u32::from_str_radix(d, 16).ok());
        let rgb = rgb.map(|n| [n >> 16, n >> 8, n].map(|v| v as u8));
        Some((number, ((*cells.get(name)?).to_owned(), rgb)))
    };
    lines
        .filter(|line| !line.trim().is_empty())
        .map(row)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_each_form() {
        let own = of_json(r#"{"labels": [{"label": 2, "name": "spleen", "code": null}]}"#).unwrap();
        assert_eq!(own[&2].0, "spleen");
        assert_eq!(of_json(r#"{"7": "aorta"}"#).unwrap()[&7].0, "aorta");
        assert_eq!(of_json("[1]"), None);
        assert_eq!(of_json(r#"{"a": "b"}"#), None);
        let bids = of_tsv("index\tname\tcolor\n1\tleft kidney\t#ff8000\n3\tliver\tn/a\n").unwrap();
        assert_eq!(bids[&1], ("left kidney".to_owned(), Some([255, 128, 0])));
        assert_eq!(bids[&3], ("liver".to_owned(), None));
        assert_eq!(of_tsv("a\tb\n"), None);
        let file = beside(Path::new("/x/Seg.NII.gz"), "json");
        assert_eq!(file, Path::new("/x/Seg.json"));
    }
}
