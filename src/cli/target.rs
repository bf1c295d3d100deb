//! Files to be written, checked before any work is done for them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::bail;

use m3d_imaging::io::objects::ObjectFormat;
use m3d_imaging::io::{self, Library};

/// Refuses a name that no NIfTI image can be written to.
///
/// # Errors
/// For another ending, a missing folder, or something there that is no file.
pub fn check_nifti(out: &Path) -> anyhow::Result<()> {
    io::check_nifti_name(out)?;
    check_place(out)
}

/// Refuses a name that structures cannot be written to.
///
/// # Errors
/// As [`check_nifti`].
pub fn check_structures(out: &Path) -> anyhow::Result<()> {
    ObjectFormat::of(out)?;
    check_place(out)
}

/// Refuses a name that no PNG picture can be written to.
///
/// # Errors
/// As [`check_nifti`].
pub fn check_png(out: &Path) -> anyhow::Result<()> {
    if !out
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("png"))
    {
        bail!(
            "{} names no format that can be written; use .png",
            out.display()
        );
    }
    check_place(out)
}

/// `M.json` beside `M.nii.gz`.
pub fn beside(out: &Path, extension: &str) -> PathBuf {
    const ENDINGS: [&str; 6] = [".nii.gz", ".nii", ".rtstruct.dcm", ".dcm", ".stl", ".obj"];
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let stem = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending));
    out.with_file_name(format!("{}.{extension}", stem.unwrap_or(&name)))
}

fn check_place(out: &Path) -> anyhow::Result<()> {
    let folder = match out.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        bail!(
            "{} cannot be written: there is no folder {}; make it first",
            out.display(),
            folder.display()
        );
    }
    if fs::metadata(out).is_ok_and(|about| !about.is_file()) {
        bail!(
            "{} cannot be written: something that is no file has this name; choose another",
            out.display()
        );
    }
    Ok(())
}

/// Refuses to write over what is being read: a study is the one copy somebody has.
///
/// # Errors
/// When `out` is a file of the library, by this name or by another.
pub fn refuse_input(out: &Path, library: &Library) -> anyhow::Result<()> {
    if out.exists() {
        for file in library.series().flat_map(io::Series::files) {
            refuse_same(out, file)?;
        }
        for object in &library.objects {
            refuse_same(out, &object.path)?;
        }
        for refused in &library.refused {
            refuse_same(out, &refused.path)?;
        }
    }
    Ok(())
}

/// Refuses `out` when it is `input`.
///
/// # Errors
/// When both are one file.
pub fn refuse_same(out: &Path, input: &Path) -> anyhow::Result<()> {
    if is_same(out, input) {
        bail!(
            "{} is one of the files being read and is not written over; choose another name",
            out.display()
        );
    }
    Ok(())
}

fn is_same(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        // Links have another path and the same number.
        if let (Ok(a), Ok(b)) = (fs::metadata(a), fs::metadata(b))
            && (a.dev(), a.ino()) == (b.dev(), b.ino())
        {
            return true;
        }
    }
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
