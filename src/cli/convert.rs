//! `convert`: an image as NIfTI.

use std::path::PathBuf;

use clap::Args;

use super::{output, source, target};
use m3d_imaging::io;

/// Arguments of `convert`.
#[derive(Args, Debug)]
pub struct ConvertArguments {
    /// A file or folder with images.
    path: PathBuf,
    /// The NIfTI file to write (.nii or .nii.gz).
    out: PathBuf,
    /// The series, where there are several; the largest CT, MR or PET of the newest study otherwise.
    #[arg(long, value_name = "UID")]
    series: Option<String>,
}

pub(super) fn run(arguments: &ConvertArguments) -> anyhow::Result<()> {
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
