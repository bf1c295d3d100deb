//! A model from the hub into a plain folder, whole or not at all.
//!
//! Files arrive in `FOLDER.part`, each as `NAME.part` until its size and sum are right. The folder gets
//! its name last, so a folder with the name is complete.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::transfer::{Tally, transfer};
use super::{
    FetchRecord, FileRecord, Hub, HubError, LocalModel, Plan, PlannedFile, TransferProgress, disk,
    local,
};
use m3d_model::file_names;
use m3d_model::lock::lock_file;
use m3d_model::sums::{FileSum, remember};

/// Held while a process fetches into a folder.
const LOCK_FILE: &str = ".lock";

/// A model that is here now.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Its folder.
    pub folder: PathBuf,
    /// Whether it was here already.
    pub was_here: bool,
}

/// The folder that a model is fetched to below a folder of models, or `to`.
///
/// # Errors
/// When there is neither `to` nor a folder for models.
pub fn target(plan_folder: &str, to: Option<&Path>) -> Result<PathBuf, HubError> {
    match to {
        Some(to) => Ok(to.to_owned()),
        None => Ok(local::models_folder()
            .ok_or(HubError::NoModelsFolder)?
            .join(plan_folder)),
    }
}

/// Brings a model into `folder`. What an earlier, broken fetch has left is used.
///
/// # Errors
/// When something else is in the folder, the disk is full or not writable, the hub cannot be reached or
/// sends something else than it lists, or the caller stops. What has come is kept for the next time.
pub fn fetch(
    hub: &Hub,
    plan: &Plan,
    folder: &Path,
    progress: &TransferProgress,
) -> Result<Fetched, HubError> {
    let part = partial_folder(folder);
    if take_over(plan, folder, &part)? {
        return Ok(Fetched {
            folder: folder.to_owned(),
            was_here: true,
        });
    }
    fs::create_dir_all(&part).map_err(|e| HubError::write(&part, e))?;
    let lock = lock(&part)?;
    check_room(plan, &part)?;
    let mut record = FetchRecord {
        model: plan.name.to_string(),
        revision: plan.revision.as_str().to_owned(),
        commit: plan.commit.clone(),
        endpoint: hub.endpoint().to_owned(),
        files: plan.files.iter().map(recorded).collect(),
    };
    record.write(&part)?;
    let mut tally = Tally {
        progress: *progress,
        before: 0,
        total: plan.total_bytes(),
    };
    for (about, recorded) in plan.files.iter().zip(&mut record.files) {
        let sum = bring(hub, plan, about, &part, &tally)?;
        recorded.sha256 = Some(sum);
        tally.before += about.size;
    }
    record.write(&part)?;
    check_whole(plan, &part)?;
    drop(lock);
    // Windows renames no folder with an open file in it; elsewhere nobody misses it.
    let _ = fs::remove_file(part.join(LOCK_FILE));
    fs::rename(&part, folder).map_err(|e| HubError::write(folder, e))?;
    // What was summed on its way need not be read again for the model's fingerprint.
    let sums = record.files.iter().filter_map(|file| {
        Some(FileSum {
            name: file.name.clone(),
            size: file.size,
            sha256: file.sha256.clone()?,
        })
    });
    remember(folder, &sums.collect::<Vec<_>>());
    Ok(Fetched {
        folder: folder.to_owned(),
        was_here: false,
    })
}

/// Where a folder's files are until all have come.
fn partial_folder(folder: &Path) -> PathBuf {
    // `DIR/` and `.` must not put it inside.
    let whole = folder
        .canonicalize()
        .or_else(|_| std::path::absolute(folder));
    let whole = whole.unwrap_or_else(|_| folder.to_owned());
    let mut name = whole.components().collect::<PathBuf>().into_os_string();
    name.push(".part");
    PathBuf::from(name)
}

fn recorded(file: &PlannedFile) -> FileRecord {
    FileRecord {
        name: file.name.clone(),
        size: file.size,
        sha256: file.sha256.clone(),
    }
}

/// Whether the model is in the folder already. A folder of this model that has lost files becomes the
/// partial one, to be completed.
fn take_over(plan: &Plan, folder: &Path, part: &Path) -> Result<bool, HubError> {
    let occupied = |what: &str| HubError::Occupied {
        folder: folder.to_owned(),
        what: what.to_owned(),
    };
    let mut entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(_) if fs::symlink_metadata(folder).is_err() => return Ok(false),
        Err(e) => return Err(HubError::read(folder, e)),
    };
    if entries.next().is_none() {
        fs::remove_dir(folder).map_err(|e| HubError::write(folder, e))?;
        return Ok(false);
    }
    match FetchRecord::read(folder) {
        Some(record) if record.model != plan.name.as_str() => {
            Err(occupied(&format!("the model {}", record.model)))
        }
        Some(record) if record.commit != plan.commit => Err(occupied(&format!(
            "revision {} of the model",
            record.commit
        ))),
        Some(record) if record.missing(folder).is_empty() => Ok(true),
        Some(_) if part.exists() => Err(occupied("a part of the model, as does the folder .part")),
        Some(_) => {
            fs::rename(folder, part).map_err(|e| HubError::write(part, e))?;
            Ok(false)
        }
        None => Err(occupied("files that were not fetched by this program")),
    }
}

fn lock(part: &Path) -> Result<File, HubError> {
    let path = part.join(LOCK_FILE);
    let locked = lock_file(&path).map_err(|e| HubError::write(&path, e))?;
    locked.ok_or_else(|| HubError::Busy(part.to_owned()))
}

fn check_room(plan: &Plan, part: &Path) -> Result<(), HubError> {
    let size = |name: &str| fs::metadata(part.join(name)).map_or(0, |about| about.len());
    let have: u64 = plan
        .files
        .iter()
        .map(|file| size(&file.name) + size(&partial_name(file)))
        .sum();
    let needed = plan.total_bytes().saturating_sub(have);
    match disk::free_bytes(part) {
        Some(free) if free < needed => Err(HubError::NoRoom {
            folder: part.to_owned(),
            needed,
            free,
        }),
        _ => Ok(()),
    }
}

fn partial_name(file: &PlannedFile) -> String {
    format!("{}.part", file.name)
}

/// Brings one file; what is there of it is summed again, and small files without a sum come anew.
fn bring(
    hub: &Hub,
    plan: &Plan,
    about: &PlannedFile,
    part: &Path,
    tally: &Tally,
) -> Result<String, HubError> {
    let (done, partial) = (part.join(&about.name), part.join(partial_name(about)));
    if about.sha256.is_some() {
        if done.exists() {
            fs::rename(&done, &partial).map_err(|e| HubError::write(&partial, e))?;
        }
    } else {
        for old in [&done, &partial] {
            if old.exists() {
                fs::remove_file(old).map_err(|e| HubError::write(old, e))?;
            }
        }
    }
    let sum = transfer(hub, plan, about, &partial, tally)?;
    fs::rename(&partial, &done).map_err(|e| HubError::write(&done, e))?;
    Ok(sum)
}

/// The parts that the index names must all have been listed.
fn check_whole(plan: &Plan, part: &Path) -> Result<(), HubError> {
    let missing = match local::inspect(part) {
        Some(LocalModel { missing, .. }) => missing,
        None => vec![file_names::CONFIG.into()],
    };
    if missing.is_empty() {
        Ok(())
    } else {
        Err(HubError::NoCheckpoint {
            model: plan.name.to_string(),
            missing: missing.join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partial_folder_lies_beside_the_folder() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path().canonicalize().unwrap();
        let wanted = place.join("x.part");
        assert_eq!(partial_folder(&place.join("x")), wanted);
        assert_eq!(partial_folder(&place.join("x/")), wanted);
        fs::create_dir(place.join("x")).unwrap();
        assert_eq!(partial_folder(&place.join("x/.")), wanted);
    }
}
