//! The sums of a model's files: what they were when they were written, and what they were when last counted.
//!
//! Both are in a small file beside them. Whoever writes a model records its sums, so that a file that has changed since
//! is noticed. What is counted later is kept with size and time, so that a model of 16 GB is read once for its
//! fingerprint; where its folder cannot be written, that part is in the user's cache folder.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::checkpoint::open_weights;
use super::file_names::ADAPTER_WEIGHTS;
use super::{ModelError, ModelFolder};

/// The name of the file with the sums in a model's folder.
pub const SUMS_FILE: &str = "m3d-sums.json";
/// Largest file of sums that is read.
const MAX_BYTES: u64 = 16 << 20;
/// Bytes read at a time.
const CHUNK: usize = 4 << 20;
/// A file changed so shortly before it was counted may change again without another time.
const SETTLED: Duration = Duration::from_secs(2);

/// A file and its sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSum {
    /// Its name in the folder.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, 64 hexadecimal digits.
    pub sha256: String,
}

/// A sum with the time of the file that it was counted of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Counted {
    #[serde(flatten)]
    file: FileSum,
    /// When the file was last changed, in nanoseconds since 1970.
    modified_ns: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Sums {
    /// As the files were written.
    #[serde(default)]
    written: Vec<FileSum>,
    /// As they were counted later.
    #[serde(default)]
    counted: Vec<Counted>,
}

/// SHA-256, in hexadecimal, over the sorted lines `sha256  name` of a model's weight files, those of its adapter
/// included: what `sha256sum model*.safetensors | sort | sha256sum` prints.
pub fn fingerprint_of<'a>(files: impl IntoIterator<Item = &'a FileSum>) -> String {
    let lines = files
        .into_iter()
        .map(|f| format!("{}  {}\n", f.sha256, f.name));
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    hex(Sha256::digest(lines.concat()).as_ref())
}

/// The fingerprint of the model in a folder, of either kind, with an adapter or without.
///
/// # Errors
/// When there are no weights, or a file cannot be read.
pub fn model_fingerprint(
    folder: &ModelFolder,
    adapter: Option<&Path>,
) -> Result<String, ModelError> {
    let (files, _) = open_weights(folder)?;
    let names = files
        .iter()
        .filter_map(|file| file.path.file_name()?.to_str());
    let mut sums = file_sums(folder, &names.map(str::to_owned).collect::<Vec<_>>())?;
    if let Some(adapter) = adapter {
        sums.extend(file_sums(&adapter.into(), &[ADAPTER_WEIGHTS.to_owned()])?);
    }
    Ok(fingerprint_of(&sums))
}

/// The sums of files of a folder; those that were counted before and have not changed are not read again.
///
/// # Errors
/// When a file cannot be read.
pub fn file_sums(folder: &ModelFolder, names: &[String]) -> Result<Vec<FileSum>, ModelError> {
    let Some(path) = folder.on_disk() else {
        return names.iter().map(|name| count(folder, name)).collect();
    };
    let known = known_sums(path).counted;
    let found: Vec<(FileSum, bool)> = names
        .par_iter()
        .map(|name| {
            let now = size_and_time(path, name);
            let same = |known: &&Counted| {
                known.file.name == *name && now == Some((known.file.size, known.modified_ns))
            };
            match known.iter().find(same) {
                Some(known) => Ok((known.file.clone(), false)),
                None => Ok((count(folder, name)?, true)),
            }
        })
        .collect::<Result<_, ModelError>>()?;
    if found.iter().any(|(_, is_new)| *is_new) {
        let sums: Vec<FileSum> = found.iter().map(|(sum, _)| sum.clone()).collect();
        remember(path, &sums);
    }
    Ok(found.into_iter().map(|(sum, _)| sum).collect())
}

/// Records the sums of all files of a folder as they were just written.
///
/// # Errors
/// When a file cannot be read, or the record cannot be written.
pub fn record_sums(folder: &Path) -> Result<(), ModelError> {
    let place = folder.join(SUMS_FILE);
    let model = ModelFolder::from(folder);
    let names = model.files();
    let written: Vec<FileSum> = names
        .par_iter()
        .filter(|name| is_recorded(name))
        .map(|name| count(&model, name))
        .collect::<Result<_, ModelError>>()?;
    let sums = Sums {
        written,
        counted: Vec::new(),
    };
    write(&place, &sums).map_err(|e| ModelError::io(&place, e))
}

/// Neither hidden, nor on its way, nor a record itself.
fn is_recorded(name: &str) -> bool {
    !name.starts_with('.') && !name.starts_with("m3d-") && !name.ends_with(".new")
}

/// The sums of a folder's files as they were written, where they were recorded.
pub fn recorded_sums(folder: &Path) -> Vec<FileSum> {
    read(&folder.join(SUMS_FILE)).unwrap_or_default().written
}

/// The sum that was counted last of a file whose size and time have not changed since.
pub fn counted_before(folder: &Path, name: &str) -> Option<String> {
    let (size, modified_ns) = size_and_time(folder, name)?;
    let counted = known_sums(folder).counted;
    let same = |c: &Counted| {
        (c.file.name.as_str(), c.file.size, c.modified_ns) == (name, size, modified_ns)
    };
    counted.into_iter().find(same).map(|c| c.file.sha256)
}

/// Keeps sums that were just counted. Where they cannot be kept they are counted again next time.
pub fn remember(folder: &Path, files: &[FileSum]) {
    let settled = SystemTime::now().checked_sub(SETTLED).and_then(since_1970);
    let fresh = files.iter().filter_map(|file| {
        let (size, modified_ns) = size_and_time(folder, &file.name)?;
        let sure = size == file.size && settled.is_some_and(|now| modified_ns < now);
        let file = file.clone();
        sure.then_some(Counted { file, modified_ns })
    });
    let fresh: Vec<Counted> = fresh.collect();
    if fresh.is_empty() {
        return;
    }
    let places = [beside(folder), in_cache(folder)];
    for place in places.into_iter().flatten() {
        let mut sums = read(&place).unwrap_or_default();
        let is_new = |c: &Counted| fresh.iter().any(|f| f.file.name == c.file.name);
        sums.counted.retain(|counted| !is_new(counted));
        sums.counted.extend(fresh.iter().cloned());
        match write(&place, &sums) {
            Ok(()) => return,
            Err(error) => tracing::debug!("{} is not kept: {error}", place.display()),
        }
    }
}

fn known_sums(folder: &Path) -> Sums {
    let mut sums = read(&folder.join(SUMS_FILE)).unwrap_or_default();
    let cached = in_cache(folder).and_then(|place| read(&place));
    sums.counted.extend(cached.unwrap_or_default().counted);
    sums
}

/// Beside the files, unless the folder is the hub's own cache, where links to files are kept and nothing else.
fn beside(folder: &Path) -> Option<PathBuf> {
    let mut above = folder.ancestors().skip(1).filter_map(Path::file_name);
    let is_hubs = above.next().is_some_and(|name| name == "snapshots")
        && above
            .next()
            .is_some_and(|name| name.to_string_lossy().starts_with("models--"));
    (!is_hubs).then(|| folder.join(SUMS_FILE))
}

/// The file for a folder in the user's cache folder, where the system has one.
fn in_cache(folder: &Path) -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "m3d-viewer")?;
    let whole = folder.canonicalize().ok()?;
    let name = hex(Sha256::digest(whole.as_os_str().as_encoded_bytes()).as_ref());
    Some(
        folders
            .cache_dir()
            .join("sums")
            .join(format!("{name}.json")),
    )
}

fn read(place: &Path) -> Option<Sums> {
    let file = super::error::open_file(place).ok()?;
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Writes under another name first: no other process ever reads half of it.
fn write(place: &Path, sums: &Sums) -> std::io::Result<()> {
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder)?;
    }
    let fresh = place.with_extension(format!("{}.new", std::process::id()));
    let text = serde_json::to_vec_pretty(sums).map_err(std::io::Error::other)?;
    fs::write(&fresh, text)?;
    fs::rename(&fresh, place).inspect_err(|_| {
        // The reason is reported; the file is of no use.
        let _ = fs::remove_file(&fresh);
    })
}

fn size_and_time(folder: &Path, name: &str) -> Option<(u64, u64)> {
    let about = fs::metadata(folder.join(name)).ok()?;
    Some((about.len(), since_1970(about.modified().ok()?)?))
}

fn since_1970(time: SystemTime) -> Option<u64> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
}

fn count(folder: &ModelFolder, name: &str) -> Result<FileSum, ModelError> {
    let failed = |e| ModelError::io(&folder.file(name), e);
    let mut file = folder.open(name).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut size = 0;
    loop {
        let got = file.read(&mut chunk).map_err(failed)?;
        if got == 0 {
            break;
        }
        hash.update(&chunk[..got]);
        size += got as u64;
    }
    Ok(FileSum {
        name: name.to_owned(),
        size,
        sha256: hex(hash.finalize().as_ref()),
    })
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
    digits
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn age(path: &Path) {
        let file = File::options().append(true).open(path).unwrap();
        let then = SystemTime::now() - Duration::from_mins(1);
        file.set_modified(then).unwrap();
    }

    fn sum(folder: &Path) -> String {
        let sums = file_sums(&folder.into(), &["w".to_owned()]).unwrap();
        sums[0].sha256.clone()
    }

    /// `printf 'abc' | sha256sum`
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_file_is_counted_again_only_when_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (folder, file) = (folder.path(), folder.path().join("w"));
        fs::write(&file, "abc").unwrap();
        assert_eq!(sum(folder), ABC);
        // It may still be changing: nothing is kept.
        assert_eq!(counted_before(folder, "w"), None);
        age(&file);
        assert_eq!(sum(folder), ABC);
        assert_eq!(counted_before(folder, "w").as_deref(), Some(ABC));
        // What is kept is believed.
        let kept = folder.join(SUMS_FILE);
        let text = fs::read_to_string(&kept).unwrap();
        fs::write(&kept, text.replace(ABC, &"0".repeat(64))).unwrap();
        assert_eq!(sum(folder), "0".repeat(64));
        // Another time, or another size, and it is not.
        fs::write(&file, "abc").unwrap();
        assert_eq!(sum(folder), ABC);
    }

    #[test]
    fn what_was_written_is_recorded_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (folder, file) = (folder.path(), folder.path().join("w"));
        fs::write(&file, "abc").unwrap();
        fs::write(folder.join(".lock"), "").unwrap();
        record_sums(folder).unwrap();
        fs::write(&file, "abd").unwrap();
        age(&file);
        assert_ne!(sum(folder), ABC);
        let recorded = recorded_sums(folder);
        assert_eq!(recorded.len(), 1);
        assert_eq!((recorded[0].sha256.as_str(), recorded[0].size), (ABC, 3));
        // A damaged record is as none.
        fs::write(folder.join(SUMS_FILE), "{").unwrap();
        assert!(recorded_sums(folder).is_empty());
        assert_ne!(sum(folder), ABC);
    }

    #[test]
    fn the_fingerprint_is_what_sha256sum_makes_of_it() {
        let file = |name: &str, sha256: &str| FileSum {
            name: name.into(),
            size: 0,
            sha256: sha256.into(),
        };
        let files = [file("b", "11"), file("a", "22")];
        // `printf '11  b\n22  a\n' | sha256sum`
        let wanted = "8aa1762aa9d328e460141f6baa2fc0998502197abeab19e9ec61605bd59c7711";
        assert_eq!(fingerprint_of(&files), wanted);
        assert_eq!(fingerprint_of(files.iter().rev()), wanted);
    }

    #[test]
    fn the_hubs_cache_gets_no_files_of_ours() {
        let own = Path::new("/x/models--a--b/snapshots/0123");
        assert_eq!(beside(own), None);
        assert!(beside(Path::new("/x/snapshots/0123")).is_some());
    }
}
