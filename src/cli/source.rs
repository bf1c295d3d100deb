//! What every subcommand begins with: finding and reading an image.

use std::path::Path;

use anyhow::{Context, bail};

use super::{output, target};
use m3d_imaging::io::{self, Library, LoadedImage, Progress, Series};
use m3d_imaging::volume::Volume;

/// The series of a path that a command is about: the one named, or the one that files are opened for; and all that is there.
///
/// # Errors
/// When nothing can be opened there or there is no series of that name.
pub fn find_series(path: &Path, uid: Option<&str>) -> anyhow::Result<(Series, Library)> {
    let library = io::scan(path, &Progress::silent())?;
    let same = uid.map_or(0, |uid| library.series().filter(|s| s.uid == uid).count());
    if let Some(uid) = uid.filter(|_| same > 1) {
        bail!(
            "{}: {same} images of different patients or studies have the UID {uid}; open the folder with one of them",
            path.display()
        );
    }
    let found = match uid {
        Some(uid) => library.series().find(|s| s.uid == uid),
        None => library.first_series(),
    };
    match (found.cloned(), uid) {
        (Some(series), _) => Ok((series, library)),
        (None, Some(uid)) => {
            let known: Vec<&str> = library.series().map(|s| s.uid.as_str()).collect();
            bail!(
                "{}: there is no series {uid}; there are: {}",
                path.display(),
                known.join(", ")
            )
        }
        (None, None) => bail!(library.nothing_opened(path)),
    }
}

/// An image of a path with what its files say beside it.
pub struct ReadImage {
    /// The series.
    pub series: Series,
    /// The voxels, and what the image is.
    pub image: LoadedImage,
}

/// A series of a path, read, and what it is. `out`, the file to be written from it, must be none of those there.
///
/// # Errors
/// As [`find_series`], when `out` would write over what is read, or when the voxels cannot be read.
pub fn read_image(path: &Path, uid: Option<&str>, out: Option<&Path>) -> anyhow::Result<ReadImage> {
    let (series, library) = find_series(path, uid)?;
    if let Some(out) = out {
        target::refuse_input(out, &library)?;
    }
    for warning in &series.warnings {
        output::note(&format!("caution ({}): {}", warning.code, warning.message));
    }
    let image = io::load_image(&series, &Progress::silent())
        .with_context(|| format!("series {} cannot be read", series.uid))?;
    Ok(ReadImage { series, image })
}

/// The voxels alone of what [`read_image`] reads.
///
/// # Errors
/// As [`read_image`].
pub fn read(
    path: &Path,
    uid: Option<&str>,
    out: Option<&Path>,
) -> anyhow::Result<(Series, Volume)> {
    let ReadImage { series, image } = read_image(path, uid, out)?;
    Ok((series, image.volume))
}
