//! What is written.

use std::fs;
use std::path::{Path, PathBuf};

use m3d_imaging::io as images;
use m3d_imaging::volume::{Combine, Mask, Modality};
use serde_json::json;

use super::masks::{Case, Source};
use super::{CollectError, Collected};

pub(super) fn folder_in(out: &Path, name: &str) -> Result<PathBuf, CollectError> {
    let folder = out.join(name);
    match fs::create_dir_all(&folder) {
        Ok(()) => Ok(folder),
        Err(source) => Err(CollectError::Io {
            path: folder,
            source,
        }),
    }
}

pub(super) fn name_of(case: &Case) -> String {
    let digest = case.record.identity.digest.to_string();
    let digest = digest.get(..12).unwrap_or(&digest);
    match case.time {
        0 => format!("case_{digest}"),
        time => format!("case_{digest}_t{time}"),
    }
}

/// Writes the label map of a case.
pub(super) fn write_labels(
    path: &Path,
    case: &Case,
    labels: &[String],
) -> Result<(), CollectError> {
    let grid = case.record.grid;
    // Masks of one name are one label; where two labels overlap the smaller one stands.
    let mut masks: Vec<Mask> = labels.iter().map(|_| Mask::empty(grid)).collect();
    for (mask, source) in &case.masks {
        if let Ok(label) = labels.binary_search(&source.name)
            && let Some(both) = masks[label].combined(mask, Combine::Union)
        {
            masks[label] = both;
        }
    }
    let mut order: Vec<usize> = (0..masks.len()).collect();
    order.sort_by_key(|&label| masks[label].count());
    let mut taken = Mask::empty(grid);
    for label in order {
        let free = masks[label].combined(&taken, Combine::Difference);
        masks[label] = free.unwrap_or_else(|| Mask::empty(grid));
        taken = taken
            .combined(&masks[label], Combine::Union)
            .unwrap_or(taken);
    }
    let masks: Vec<&Mask> = masks.iter().collect();
    images::write_labels(path, &grid, &masks)?;
    Ok(())
}

pub(super) fn describe(
    out: &Path,
    collected: &Collected,
    found: &[(String, Case)],
) -> Result<(), CollectError> {
    let all_ct = found
        .iter()
        .all(|(_, case)| case.record.modality == Modality::Ct);
    let cases: Vec<serde_json::Value> = found
        .iter()
        .map(|(name, case)| {
            let masks: Vec<&Source> = case.masks.iter().map(|(_, source)| source).collect();
            json!({
                "case": name,
                "modality": case.record.modality_code,
                "image_digest": case.record.identity.digest.to_string(),
                "masks": masks,
            })
        })
        .collect();
    let mut labels = serde_json::Map::new();
    labels.insert("background".into(), json!(0));
    for (n, name) in (1..).zip(&collected.labels) {
        labels.insert(name.clone(), json!(n));
    }
    // nnU-Net normalises by what it is told an image is.
    let channel = if all_ct { "CT" } else { "image" };
    let data_set = json!({
        "channel_names": {"0": channel},
        "labels": labels,
        "numTraining": collected.cases,
        "file_ending": ".nii.gz",
    });
    let sources = json!({
        "program": concat!("m3d-viewer ", env!("CARGO_PKG_VERSION")),
        "cases": cases,
        "left_out": collected.left_out,
    });
    for (name, document) in [("dataset.json", data_set), ("sources.json", sources)] {
        let path = out.join(name);
        fs::write(&path, format!("{document:#}\n"))
            .map_err(|source| CollectError::Io { path, source })?;
    }
    Ok(())
}
