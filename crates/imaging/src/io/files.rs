//! The files under a path, and what kind each is.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::array::unpacked;
use super::error::Refusal;
use super::{IoError, Progress, Refused, foreign, mgh};

/// All files under `root` in a fixed order, and what could not be looked at. Links to folders are
/// named instead of followed: they may lead in circles.
pub(super) fn list(
    root: &Path,
    progress: &Progress,
) -> Result<(Vec<PathBuf>, Vec<Refused>), IoError> {
    let about = fs::metadata(root).map_err(|error| IoError::unreadable(root, error))?;
    if !about.is_dir() {
        return Ok((vec![root.to_owned()], Vec::new()));
    }
    let (mut files, mut refused) = (Vec::new(), Vec::new());
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        progress.check()?;
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if folder == root => return Err(IoError::unreadable(root, error)),
            Err(error) => {
                refused.push(Refused::new(&folder, error.into()));
                continue;
            }
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry.path(),
                Err(error) => {
                    refused.push(Refused::new(&folder, error.into()));
                    continue;
                }
            };
            let is_link = fs::symlink_metadata(&entry).is_ok_and(|about| about.is_symlink());
            match fs::metadata(&entry) {
                Ok(about) if about.is_dir() && is_link => {
                    let message = "a link to a folder is not followed; open that folder itself";
                    refused.push(Refused::new(&entry, Refusal::new("link", message)));
                }
                Ok(about) if about.is_dir() => folders.push(entry),
                Ok(_) => files.push(entry),
                Err(error) => refused.push(Refused::new(&entry, error.into())),
            }
        }
    }
    files.sort();
    Ok((files, refused))
}

/// What a file looks like from its first bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// DICOM with its File Meta group at this offset (PS3.10 7.1).
    Dicom {
        meta: u64,
    },
    /// Perhaps a DICOM data set without preamble and meta group.
    BareDicom,
    /// The index of a DICOM medium.
    DicomDir,
    /// NIfTI-1 or -2 or ANALYZE, or a file named as one.
    Nifti,
    Nrrd,
    MetaImage,
    Mgh,
    Npy,
    /// PNG or JPEG.
    Picture,
    /// A zip archive that is no document.
    Zip,
    /// Anything else, and what it may be.
    Other(Refusal),
}

/// Media Storage SOP Class UID (0002,0002) of a DICOMDIR, 1.2.840.10008.1.3.10.
const DICOMDIR_CLASS: &[u8] = b"\x02\0\x02\0UI\x14\x001.2.840.10008.1.3.10";

/// Bytes that are looked at.
const HEAD: u64 = 1024;

/// The first bytes decide, those within where the file is gzip; the name only where they say nothing.
pub(super) fn kind(path: &Path) -> Result<Kind, Refusal> {
    let mut head = Vec::with_capacity(HEAD as usize);
    open(path)?.take(HEAD).read_to_end(&mut head)?;
    if !head.starts_with(&[0x1F, 0x8B]) {
        return Ok(plain_kind(path, &head));
    }
    let mut inside = Vec::with_capacity(HEAD as usize);
    // A damaged one is told by whoever reads on.
    let _ = unpacked(path)?.take(HEAD).read_to_end(&mut inside);
    Ok(match plain_kind(path, &inside) {
        kind @ (Kind::Nifti | Kind::Mgh) => kind,
        Kind::BareDicom | Kind::Other(_) => Kind::Other(foreign::refusal(&inside, true)),
        _ => {
            let message = "an image packed with gzip as a whole; unpack it and open that";
            Kind::Other(Refusal::new("packed", message))
        }
    })
}

fn plain_kind(path: &Path, head: &[u8]) -> Kind {
    let at = |offset: usize, length: usize| head.get(offset..offset + length);
    let is_index = head
        .windows(DICOMDIR_CLASS.len())
        .any(|w| w == DICOMDIR_CLASS);
    if at(128, 4) == Some(b"DICM") {
        return if is_index {
            Kind::DicomDir
        } else {
            Kind::Dicom { meta: 132 }
        };
    }
    if at(0, 4) == Some(b"DICM") {
        return Kind::Dicom { meta: 4 };
    }
    let header_size = at(0, 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    let nifti_size = header_size.is_some_and(|bytes| {
        [348, 540].contains(&i32::from_le_bytes(bytes))
            || [348, 540].contains(&i32::from_be_bytes(bytes))
    });
    let named = |endings: &[&str]| {
        let name = lower_name(path);
        endings.iter().any(|ending| name.ends_with(ending))
    };
    if nifti_size || named(&[".nii", ".nii.gz", ".hdr", ".hdr.gz"]) {
        return Kind::Nifti;
    }
    // A meta group without preamble, or a data set whose first group is 0008.
    match at(0, 4) {
        Some([2, 0, _, 0]) => return Kind::Dicom { meta: 0 },
        Some([8, 0, _, 0]) => return Kind::BareDicom,
        Some(b"PK\x03\x04" | b"PK\x05\x06") if !foreign::is_document(head) => return Kind::Zip,
        Some(b"NRRD") => return Kind::Nrrd,
        Some(b"\x89PNG" | [0xFF, 0xD8, 0xFF, _]) => return Kind::Picture,
        Some(b"\x93NUM") => return Kind::Npy,
        _ => {}
    }
    if mgh::is_head(head) || named(&[".mgh", ".mgz", ".mgh.gz"]) {
        return Kind::Mgh;
    }
    let meta = [b"ObjectType".as_slice(), b"NDims", b"Comment"];
    if meta.iter().any(|key| head.starts_with(key)) || named(&[".mha", ".mhd"]) {
        return Kind::MetaImage;
    }
    if named(&[".nrrd", ".nhdr"]) {
        return Kind::Nrrd;
    }
    Kind::Other(foreign::refusal(head, false))
}

/// Opens a file. Pipes and devices are refused unopened: they may never give a byte, or never end.
pub(super) fn open(path: &Path) -> Result<File, Refusal> {
    if !fs::metadata(path)?.is_file() {
        return Err(Refusal::new(
            "unreadable",
            "not a regular file (a pipe, a device or a folder); it is left alone",
        ));
    }
    Ok(File::open(path)?)
}

/// The file's name in lower case.
pub(super) fn lower_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
        .unwrap_or_default()
}

/// For a file of voxels by its name: the header beside it, if there is one.
pub(super) fn header_of_pair(path: &Path) -> Option<PathBuf> {
    const PAIRS: [(&str, &str); 5] = [
        (".img", ".hdr"),
        (".raw", ".mhd"),
        (".zraw", ".mhd"),
        (".raw", ".nhdr"),
        (".img", ".nhdr"),
    ];
    let mut pairs = PAIRS.iter();
    pairs.find_map(|(voxels, header)| sibling(path, voxels, header))
}

/// For the `.hdr` or `.hdr.gz` of a pair: the voxels beside it, if they are there.
pub(super) fn voxels_of_pair(path: &Path) -> Option<PathBuf> {
    sibling(path, ".hdr", ".img")
}

/// The file of the same name with `to` for `from`, compressed alike or not.
fn sibling(path: &Path, from: &str, to: &str) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let lower = name.to_lowercase();
    let (stem, gz) = match lower.strip_suffix(".gz") {
        Some(stem) => (stem, true),
        None => (lower.as_str(), false),
    };
    let stem = name.get(..stem.strip_suffix(from)?.len())?;
    let plain = format!("{stem}{to}");
    let packed = format!("{plain}.gz");
    let order = if gz { [packed, plain] } else { [plain, packed] };
    order
        .into_iter()
        .flat_map(|name| [name.clone(), name.replace(to, &to.to_uppercase())])
        .map(|name| path.with_file_name(name))
        .find(|path| path.is_file())
}

/// The file that a header names: in the header's folder or below it. One elsewhere is no part of an image that a person
/// opened.
pub(super) fn beside(header: &Path, name: &str) -> Result<PathBuf, Refusal> {
    let inside = |part: std::path::Component| {
        matches!(
            part,
            std::path::Component::Normal(_) | std::path::Component::CurDir
        )
    };
    if name.is_empty() || !Path::new(name).components().all(inside) {
        let message = format!(
            "its voxels are said to be in {name:?}, outside its folder; put both into one folder"
        );
        return Err(Refusal::new("pair", message));
    }
    let path = header.with_file_name(name);
    if path.is_file() {
        return Ok(path);
    }
    let message = format!("the header of an image without its voxels; put {name:?} beside it");
    Err(Refusal::new("pair", message))
}

/// The numbers from `min` to `max`, at most `most` of them.
pub(super) fn numbers(
    min: i64,
    max: i64,
    step: i64,
    most: usize,
) -> Option<impl Iterator<Item = i64>> {
    let count = max
        .checked_sub(min)?
        .checked_div(step)
        .filter(|&count| count >= 0)?;
    let count = usize::try_from(count)
        .ok()?
        .checked_add(1)
        .filter(|&count| count <= most)?;
    Some((0..count as i64).map(move |n| min + n * step))
}

/// A number in a file name as C's printf writes it (`%d`, `%03d`).
pub(super) fn printed(pattern: &str, number: i64) -> Option<String> {
    let (before, rest) = pattern.split_once('%')?;
    let (form, after) = rest.split_at(rest.find(['d', 'i', 'u'])?);
    let after = after.get(1..)?;
    let width: usize = if form.is_empty() {
        0
    } else {
        form.trim_start_matches('.').parse().ok()?
    };
    if width > 20 || after.contains('%') {
        return None;
    }
    let digits = if form.starts_with(['0', '.']) {
        format!("{number:0width$}")
    } else {
        format!("{number:width$}")
    };
    Some(format!("{before}{digits}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_printed_as_c_does() {
        let cases = [
            ("a%d.raw", 7, Some("a7.raw")),
            ("a%03d.raw", 7, Some("a007.raw")),
            ("a%.3d.raw", 1234, Some("a1234.raw")),
            ("a%s.raw", 7, None),
            ("a%09999999d", 7, None),
            ("a%d%d", 7, None),
            ("a", 7, None),
        ];
        for (pattern, number, wanted) in cases {
            assert_eq!(printed(pattern, number).as_deref(), wanted, "{pattern}");
        }
        let all = |min, max, step| numbers(min, max, step, 100).map(Iterator::collect::<Vec<_>>);
        assert_eq!(all(1, 7, 3), Some(vec![1, 4, 7]));
        assert_eq!(all(3, 1, -1), Some(vec![3, 2, 1]));
        assert_eq!(all(1, 7, 0), None);
        assert_eq!(all(1, 7, -1), None);
        assert_eq!(all(i64::MIN, i64::MAX, 1), None);
        assert_eq!(all(0, 1000, 1), None);
    }

    #[test]
    fn a_header_reaches_no_file_outside_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let header = folder.path().join("a.mhd");
        std::fs::write(folder.path().join("a.raw"), "x").unwrap();
        assert!(beside(&header, "a.raw").is_ok());
        for name in ["", "../a.raw", "/etc/passwd", "b.raw"] {
            assert_eq!(beside(&header, name).unwrap_err().code, "pair", "{name}");
        }
    }
}
