//! What labels are called.

use std::path::Path;

use serde_json::{Map, Value};

use super::PrepareSetError;

/// A class: its name and the labels it is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Class {
    pub name: String,
    pub labels: Vec<i64>,
}

/// The classes that a JSON file names: nnU-Net's `dataset.json` in either version, or a plain map of numbers
/// to names. Where a file holds several maps, as TotalSegmentator's tasks, the one called `total` counts.
pub(super) fn read_names(path: &Path) -> Result<Vec<Class>, PrepareSetError> {
    let bytes = std::fs::read(path).map_err(|source| PrepareSetError::Read {
        path: path.to_owned(),
        source,
    })?;
    let wrong = |message: String| PrepareSetError::File {
        path: path.to_owned(),
        message,
    };
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| wrong(format!("it is no JSON ({error}); mend it")))?;
    let top = value.as_object();
    let map = top.and_then(|top| {
        top.get("labels")
            .or_else(|| top.get("total"))
            .and_then(Value::as_object)
            .or(Some(top))
    });
    let classes = map.map(classes_in).unwrap_or_default();
    if classes.is_empty() {
        return Err(wrong(
            "it names no labels; write {\"labels\": {\"1\": \"liver\"}}".to_owned(),
        ));
    }
    Ok(classes)
}

fn classes_in(map: &Map<String, Value>) -> Vec<Class> {
    let mut classes: Vec<Class> = map
        .iter()
        .filter_map(|(key, value)| match (key.parse(), value) {
            (Ok(label), Value::String(name)) => Some(Class {
                name: plain(name),
                labels: vec![label],
            }),
            (Err(_), Value::Number(label)) => Some(Class {
                name: plain(key),
                labels: vec![label.as_i64()?],
            }),
            (Err(_), Value::Array(labels)) => Some(Class {
                name: plain(key),
                labels: labels.iter().filter_map(Value::as_i64).collect(),
            }),
            _ => None,
        })
        .filter(|class| {
            let background = class.labels == [0] || class.name.eq_ignore_ascii_case("background");
            let ignored = class.name.eq_ignore_ascii_case("ignore");
            !background && !ignored && !class.labels.is_empty() && !class.name.is_empty()
        })
        .collect();
    // Regions of several labels first come first, as nnU-Net orders them by their lowest label.
    classes.sort_by_key(|class| class.labels.iter().min().copied());
    classes
}

fn plain(name: &str) -> String {
    name.replace('_', " ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_naming_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dataset.json");
        for text in [
            r#"{"labels": {"background": 0, "kidney_left": 1, "tumor": [2, 3], "ignore": 4}}"#,
            r#"{"labels": {"0": "background", "1": "kidney left", "x": "y"}}"#,
            r#"{"total": {"1": "kidney_left"}, "body": {"1": "trunk"}}"#,
            r#"{"2": "tumor", "1": "kidney left"}"#,
        ] {
            std::fs::write(&path, text).unwrap();
            let classes = read_names(&path).unwrap();
            assert_eq!(classes[0].name, "kidney left", "{text}");
            assert_eq!(classes[0].labels, [1]);
            assert!(classes.len() <= 2);
        }
        for text in ["{}", "[]", "{\"labels\": {\"0\": \"background\"}}", "{"] {
            std::fs::write(&path, text).unwrap();
            assert!(read_names(&path).is_err(), "{text}");
        }
    }
}
