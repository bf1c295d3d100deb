//! `info`: what is in a file or folder.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::output;
use m3d_imaging::io::objects::ObjectOnTop;
use m3d_imaging::io::{self, IoError, Library, Progress, Role, Series};
use m3d_imaging::volume::{Spacing, Volume};

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
    /// The series that the other commands take where none is named.
    series_uid: Option<String>,
    series: Vec<SeriesReport>,
    objects: Vec<ObjectReport>,
    refused: Vec<RefusedReport>,
}

#[derive(Serialize)]
struct ObjectReport {
    kind: &'static str,
    description: String,
    path: String,
    /// The series that it was drawn on, as its file says.
    series: Vec<String>,
    structures: Vec<StructureReport>,
    warnings: Vec<WarningReport>,
}

#[derive(Serialize)]
struct StructureReport {
    number: u32,
    name: String,
    /// What the lexicon calls it.
    term: Option<String>,
    colour: Option<[u8; 3]>,
    drawn_by: String,
}

#[derive(Serialize)]
struct SeriesReport {
    uid: String,
    modality: String,
    description: String,
    path: String,
    dims: [u32; 3],
    spacing_mm: [f64; 3],
    /// Rows of the 4x4 matrix, patient mm in LPS.
    patient_from_voxel: [[f64; 4]; 4],
    units: &'static str,
    times: usize,
    /// What the image is to a reader: a volume, a localizer, or a picture without a place.
    role: &'static str,
    /// What distances are worth: those of the patient, of the detector, or unknown.
    spacing: &'static str,
    /// How values become standardised uptake values.
    #[serde(skip_serializing_if = "Option::is_none")]
    suv: Option<SuvReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resampled: Option<ResampledReport>,
    value: ValueReport,
    warnings: Vec<WarningReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    voxels_sha256: Option<String>,
}

#[derive(Serialize)]
struct SuvReport {
    /// The uptake value (g/mL) of a value of 1.
    factor: f64,
    kind: String,
}

#[derive(Serialize)]
struct ResampledReport {
    /// How far each acquired slice is from the first, along the stack.
    from_positions_mm: Vec<f64>,
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
    path: String,
    /// UID of the series the file is of, where that could be read.
    series: Option<String>,
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
            path: lossy(&r.path),
            series: r.series_uid.clone(),
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
    let objects: Vec<ObjectReport> = library.objects.iter().map(describe_object).collect();
    let series_uid = library.first_series().map(|series| series.uid.clone());
    let report = Report {
        series_uid,
        series,
        objects,
        refused,
    };
    if arguments.json {
        output::print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        output::print(&text(&report, &library))?;
    }
    if report.series.is_empty() && report.objects.is_empty() {
        match report.refused.first() {
            Some(first) if library.refused.is_empty() => bail!("{}", first.message),
            _ => bail!(library.nothing_opened(path)),
        }
    }
    Ok(())
}

/// A path as text, with a mark for what is no Unicode.
fn lossy(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn unreadable(series: &Series, error: &IoError) -> RefusedReport {
    RefusedReport {
        path: lossy(&series.path),
        series: Some(series.uid.clone()),
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
        path: lossy(&series.path),
        dims: grid.dims().to_array(),
        spacing_mm: grid.spacing_mm().to_array(),
        patient_from_voxel: rows.to_cols_array_2d(),
        units: volume.units().name(),
        times: series.times,
        role: match series.role {
            Role::Volume => "volume",
            Role::Localizer => "localizer",
            Role::Picture => "picture",
        },
        spacing: match series.stated.spacing {
            Spacing::Patient => "patient",
            Spacing::Detector => "detector",
            Spacing::Unknown => "unknown",
        },
        suv: series.suv.as_ref().map(|suv| SuvReport {
            factor: suv.factor,
            kind: suv.kind.to_string(),
        }),
        resampled: series
            .resampled_from_mm
            .clone()
            .map(|from_positions_mm| ResampledReport { from_positions_mm }),
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
            .chain(not_finite(volume))
            .collect(),
        voxels_sha256: hash.then(|| io::voxels_sha256(volume)),
    }
}

fn describe_object(object: &ObjectOnTop) -> ObjectReport {
    let structures = object.structures.iter().map(|s| StructureReport {
        number: s.number,
        name: s.name.clone(),
        term: s.term.map(|term| term.name().to_owned()),
        colour: s.colour,
        drawn_by: s.drawn_by.clone(),
    });
    let warnings = object.warnings.iter().map(|w| WarningReport {
        code: w.code.to_owned(),
        message: w.message.clone(),
    });
    ObjectReport {
        kind: object.kind.code(),
        description: object.description.clone(),
        path: lossy(&object.path),
        series: object.series_uids.clone(),
        structures: structures.collect(),
        warnings: warnings.collect(),
    }
}

/// Voxels without a value, which only shows once they are read.
fn not_finite(volume: &Volume) -> Option<WarningReport> {
    let rescale = volume.rescale();
    let count = volume.voxels().fold_chunks(
        || 0_usize,
        |count, stored| count + usize::from(!rescale.apply(stored).is_finite()),
        |a, b| a + b,
    );
    (count > 0).then(|| WarningReport {
        code: "not_finite".into(),
        message: format!(
            "{count} of {} voxels are no finite numbers and count in none of the values",
            volume.voxels().len()
        ),
    })
}

fn text(report: &Report, library: &Library) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        text.push_str(&output::plain(&line));
        text.push('\n');
    };
    for s in &report.series {
        line(format!("{} {}", s.modality, s.description));
        line(format!("  uid      {}", s.uid));
        line(format!("  file     {}", s.path));
        let [i, j, k] = s.dims;
        let [x, y, z] = s.spacing_mm;
        line(format!(
            "  voxels   {i} x {j} x {k}, {x:.4} x {y:.4} x {z:.4} mm"
        ));
        let v = &s.value;
        line(format!(
            "  values   {} to {}, mean {:.4}, deviation {:.4} ({})",
            v.min, v.max, v.mean, v.std, s.units
        ));
        if let Some(hash) = &s.voxels_sha256 {
            line(format!("  sha256   {hash}"));
        }
        for warning in &s.warnings {
            line(format!("  warning  {}", warning.message));
        }
    }
    for o in &report.objects {
        line(format!("{} {}", o.kind, o.description));
        line(format!("  file     {}", o.path));
        for uid in &o.series {
            line(format!("  lies on  {uid}"));
        }
        for s in &o.structures {
            line(format!(
                "  {:<8} {} ({})",
                s.number,
                s.name,
                s.drawn_by.to_lowercase()
            ));
        }
        for warning in &o.warnings {
            line(format!("  warning  {}", warning.message));
        }
    }
    for group in library.refused_groups() {
        line(format!("refused  {group}"));
    }
    // Those whose voxels could not be read, though their headers could.
    for r in report.refused.iter().skip(library.refused.len()) {
        line(format!("refused  {}: {}", r.path, r.message));
    }
    text
}
