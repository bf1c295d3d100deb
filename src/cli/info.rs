//! `info`: what is in a file or folder.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::source::nothing_opened;
use crate::io::{self, IoError, Progress, Series};
use crate::volume::Volume;

/// Arguments of `info`.
#[derive(Args, Debug)]
pub struct InfoArguments {
    /// A file or folder.
    path: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// Add the SHA-256 of the voxels (little-endian f32 after rescale, slice by slice).
    #[arg(long)]
    hash: bool,
}

#[derive(Serialize)]
struct Report {
    series: Vec<SeriesReport>,
    refused: Vec<RefusedReport>,
}

#[derive(Serialize)]
struct SeriesReport {
    uid: String,
    modality: String,
    description: String,
    path: PathBuf,
    dims: [u32; 3],
    spacing_mm: [f64; 3],
    /// Rows of the 4x4 matrix, patient mm in LPS.
    patient_from_voxel: [[f64; 4]; 4],
    units: &'static str,
    times: usize,
    value: ValueReport,
    warnings: Vec<WarningReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    voxels_sha256: Option<String>,
}

#[derive(Serialize)]
struct ValueReport {
    min: f32,
    max: f32,
    mean: f64,
    std: f64,
}

#[derive(Serialize)]
struct WarningReport {
    code: String,
    message: String,
}

#[derive(Serialize)]
struct RefusedReport {
    path: PathBuf,
    code: String,
    message: String,
}

pub(super) fn run(arguments: &InfoArguments) -> anyhow::Result<()> {
    let path = &arguments.path;
    let library = io::scan(path, &Progress::silent())?;
    let mut refused: Vec<RefusedReport> = library
        .refused
        .iter()
        .map(|r| RefusedReport {
            path: r.path.clone(),
            code: r.code.to_owned(),
            message: r.message.clone(),
        })
        .collect();
    let mut series = Vec::new();
    for found in library.series() {
        match io::load(found, &Progress::silent()) {
            Ok(volume) => series.push(describe(found, &volume, arguments.hash)),
            Err(error) => refused.push(unreadable(found, &error)),
        }
    }
    let report = Report { series, refused };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print_text(&report);
    }
    if report.series.is_empty() {
        match report.refused.first() {
            Some(first) if library.refused.is_empty() => bail!("{}", first.message),
            _ => bail!(nothing_opened(path, &library)),
        }
    }
    Ok(())
}

fn unreadable(series: &Series, error: &IoError) -> RefusedReport {
    RefusedReport {
        path: series.path.clone(),
        code: "unreadable".into(),
        message: error.to_string(),
    }
}

fn describe(series: &Series, volume: &Volume, hash: bool) -> SeriesReport {
    let grid = volume.grid();
    let statistics = volume.statistics();
    let rows = glam::DMat4::from(grid.patient_from_voxel()).transpose();
    SeriesReport {
        uid: series.uid.clone(),
        modality: series.modality_code.clone(),
        description: series.description.clone(),
        path: series.path.clone(),
        dims: grid.dims().to_array(),
        spacing_mm: grid.spacing_mm().to_array(),
        patient_from_voxel: rows.to_cols_array_2d(),
        units: volume.units().name(),
        times: series.times,
        value: ValueReport {
            min: statistics.min,
            max: statistics.max,
            mean: statistics.mean,
            std: statistics.std,
        },
        warnings: series
            .warnings
            .iter()
            .map(|w| WarningReport {
                code: w.code.to_owned(),
                message: w.message.clone(),
            })
            .collect(),
        voxels_sha256: hash.then(|| io::voxels_sha256(volume)),
    }
}

fn print_text(report: &Report) {
    for s in &report.series {
        println!("{} {}", s.modality, s.description);
        println!("  uid      {}", s.uid);
        println!("  file     {}", s.path.display());
        let [i, j, k] = s.dims;
        let [x, y, z] = s.spacing_mm;
        println!("  voxels   {i} x {j} x {k}, {x:.4} x {y:.4} x {z:.4} mm");
        let v = &s.value;
        println!(
            "  values   {} to {}, mean {:.4}, deviation {:.4} ({})",
            v.min, v.max, v.mean, v.std, s.units
        );
        if let Some(hash) = &s.voxels_sha256 {
            println!("  sha256   {hash}");
        }
        for warning in &s.warnings {
            println!("  warning  {}", warning.message);
        }
    }
    for r in &report.refused {
        println!("refused  {}: {}", r.path.display(), r.message);
    }
}
