//! `convert`: an image as NIfTI, or structures that lie on it in another form.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::{output, source, target};
use m3d_imaging::io::objects::{self, Belongs, Drawn, DrawnBy, LoadedObject, ObjectFormat};
use m3d_imaging::io::{self, Library, Progress, Series};

/// Arguments of `convert`.
#[derive(Args, Debug)]
pub struct ConvertArguments {
    /// A file or folder with images.
    path: PathBuf,
    /// The NIfTI file to write (.nii or .nii.gz); with --structures also .dcm (DICOM SEG), .rtstruct.dcm, .stl or .obj.
    out: PathBuf,
    /// The series, where there are several; the largest CT, MR or PET of the newest study otherwise.
    #[arg(long, value_name = "UID")]
    series: Option<String>,
    /// Write not the image but these structures on its grid: a DICOM SEG, an RTSTRUCT or a NIfTI label map.
    #[arg(long, value_name = "FILE")]
    structures: Option<PathBuf>,
}

pub(super) fn run(arguments: &ConvertArguments) -> anyhow::Result<()> {
    if let Some(structures) = &arguments.structures {
        return convert_structures(arguments, structures);
    }
    let out = &arguments.out;
    target::check_nifti(out)?;
    let (series, volume) = source::read(&arguments.path, arguments.series.as_deref(), Some(out))?;
    io::write_nifti(out, &volume)?;
    let dims = volume.grid().dims();
    output::note(&format!(
        "{} {}: {} x {} x {} voxels written to {}",
        series.modality_code,
        series.description,
        dims.x,
        dims.y,
        dims.z,
        out.display()
    ));
    Ok(())
}

fn convert_structures(arguments: &ConvertArguments, file: &Path) -> anyhow::Result<()> {
    let out = &arguments.out;
    target::check_structures(out)?;
    let (series, library) = source::find_series(&arguments.path, arguments.series.as_deref())?;
    target::refuse_input(out, &library)?;
    target::refuse_same(out, file)?;
    let format = objects::check(out, &series)?;
    let loaded = read_structures(file, &series)?;
    for warning in &loaded.warnings {
        output::note(&format!("caution ({}): {}", warning.code, warning.message));
    }
    let drawn: Vec<Drawn> = loaded.structures.iter().map(drawn).collect();
    objects::write(out, &series, &drawn)?;
    if format == ObjectFormat::Nifti && drawn.len() > 1 {
        let labels: Vec<_> = (1..)
            .zip(&drawn)
            .map(|(n, d)| json!({"label": n, "name": d.name}))
            .collect();
        let names = target::beside(out, "json");
        let text = serde_json::to_string_pretty(&json!({"labels": labels}))? + "\n";
        std::fs::write(names, text)?;
    }
    for structure in &drawn {
        output::note(&format!(
            "{}: {} voxels, {:.3} mL",
            structure.name,
            structure.mask.count(),
            structure.mask.volume_ml()
        ));
    }
    output::note(&format!("written to {}", out.display()));
    Ok(())
}

/// A structure as it is to be written again: by whom it was drawn stays as it was told; what nothing tells was drawn by hand
/// or by a program, and is called semi-automatic.
fn drawn(loaded: &objects::LoadedStructure) -> Drawn<'_> {
    let structure = &loaded.structure;
    let (name, version) = ("unknown".to_owned(), "unknown".to_owned());
    Drawn {
        name: &structure.name,
        term: structure.term,
        colour: structure.colour,
        mask: &loaded.mask,
        by: match structure.drawn_by.as_str() {
            "AUTOMATIC" => DrawnBy::Automatic { name, version },
            "MANUAL" => DrawnBy::Manual,
            _ => DrawnBy::SemiAutomatic { name, version },
        },
    }
}

/// The structures of a file on the grid of a series.
fn read_structures(file: &Path, series: &Series) -> anyhow::Result<LoadedObject> {
    let progress = Progress::silent();
    let found: Library = io::scan(file, &progress)?;
    if let [object] = found.objects.as_slice() {
        if object.belongs_to(series) == Belongs::No {
            output::note(&format!(
                "caution (other_image): {} does not say that it lies on this image; its coordinates are taken as the image's",
                file.display()
            ));
        }
        return Ok(objects::load(object, &series.grid, &progress)?);
    }
    if found.series().next().is_none() {
        bail!(found.nothing_opened(file));
    }
    Ok(objects::load_label_map(file, &series.grid, &progress)?)
}
