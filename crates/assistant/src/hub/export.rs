//! A model's files written out into a folder of their own.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use super::{FetchRecord, HubError, TransferProgress, TransferStage, TransferStatus};
use m3d_model::ModelFolder;
use m3d_model::sums::{record_sums, recorded_sums};

/// Bytes copied at a time.
const CHUNK: usize = 1 << 20;

/// Writes the files of a model, in the program or on disk, into a new or empty folder; gives their bytes.
///
/// # Errors
/// When the folder holds something, a file cannot be read or written, or the caller stops.
pub fn export(
    model: &ModelFolder,
    out: &Path,
    progress: &TransferProgress,
) -> Result<u64, HubError> {
    let there = fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
    if there || out.is_file() {
        return Err(HubError::Occupied {
            folder: out.to_owned(),
            what: "something already".to_owned(),
        });
    }
    let names = model.files();
    let total = names.iter().filter_map(|name| model.size(name)).sum();
    fs::create_dir_all(out).map_err(|e| HubError::write(out, e))?;
    let mut done = 0;
    for name in &names {
        let (from, to) = (model.file(name), out.join(name));
        let part = out.join(format!("{name}.part"));
        let mut reader = model.open(name).map_err(|e| HubError::read(&from, e))?;
        let mut writer = File::create(&part).map_err(|e| HubError::write(&part, e))?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let got = reader
                .read(&mut chunk)
                .map_err(|e| HubError::read(&from, e))?;
            if got == 0 {
                break;
            }
            let written = writer.write_all(&chunk[..got]);
            written.map_err(|e| HubError::write(&part, e))?;
            done += got as u64;
            progress.set(TransferStatus {
                stage: TransferStage::Writing,
                file: name,
                done,
                total,
            });
            progress.check()?;
        }
        writer.sync_all().map_err(|e| HubError::write(&part, e))?;
        fs::rename(&part, &to).map_err(|e| HubError::write(&to, e))?;
    }
    // What its files were when they were made is copied with them.
    if recorded_sums(out).is_empty() && FetchRecord::read(out).is_none() {
        record_sums(out)?;
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::BuiltIn;

    #[test]
    fn a_built_in_model_lies_in_a_folder_as_it_lies_in_the_program() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("new/small");
        let model = ModelFolder::from(BuiltIn::Small);
        let bytes = export(&model, &out, &TransferProgress::silent()).unwrap();
        let copy = ModelFolder::from(out.as_path());
        let sizes = model
            .files()
            .into_iter()
            .filter_map(|name| copy.size(&name));
        assert_eq!(bytes, sizes.sum::<u64>());
        assert_eq!(recorded_sums(&out).len(), model.files().len());
        for name in model.files() {
            let limit = 1 << 26;
            assert!(copy.read(&name, limit, "").unwrap() == model.read(&name, limit, "").unwrap());
        }
        let again = export(&model, &out, &TransferProgress::silent()).unwrap_err();
        assert!(again.to_string().contains("another folder"), "{again}");
    }
}
