//! Whether a checkpoint is whole and sound.

use std::collections::BTreeSet;
use std::path::Path;

use candle_core::DType;
use serde::Serialize;

use super::local::{self, LARGEST_CONFIG};
use super::weights::{not_finite, sum, weights_files};
use super::{
    FetchRecord, FileRecord, HubError, ModelKind, TransferProgress, TransferStage, TransferStatus,
};
use m3d_model::sums::{
    FileSum, counted_before, file_sums, fingerprint_of, recorded_sums, remember,
};
use m3d_model::tensors::wanted_tensors;
use m3d_model::{
    Checkpoint, ClipCheckpoint, LamedConfig, ModelError, ModelFolder, Precision, Tokenizer,
    adapter_facts, base_folder, file_names, is_adapter,
};

/// Everything that was found out about a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verification {
    /// Its folder, on disk or in the program.
    pub folder: ModelFolder,
    /// Whether nothing is wrong.
    pub ok: bool,
    /// What it is for.
    pub kind: ModelKind,
    /// Its configuration, where it can be read.
    pub config: Option<LamedConfig>,
    /// What names it, 64 hexadecimal digits, from sums counted anew; of an adapter together with its model.
    pub fingerprint: Option<String>,
    /// Parameters in the files.
    pub parameters: u64,
    /// Tensors that the network takes.
    pub used: usize,
    /// Tensors that it does not need, sorted.
    pub unused: Vec<String>,
    /// Tensors that it needs and that are in no file.
    pub missing: Vec<String>,
    /// Tensors with infinite values or NaN.
    pub not_finite: Vec<NotFinite>,
    /// The files.
    pub files: Vec<FileCheck>,
    /// What is wrong, a line each.
    pub problems: Vec<String>,
    /// What could not be looked at, a line each.
    pub notes: Vec<String>,
}

/// A tensor with infinite values or NaN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotFinite {
    /// Its name.
    pub tensor: String,
    /// How many.
    pub count: u64,
}

/// A file and its sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileCheck {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 now.
    pub sha256: String,
    /// Its SHA-256 when it was fetched or written by this program; none for other files.
    pub recorded: Option<String>,
}

/// Opens a checkpoint or an adapter and reads every byte of it once.
///
/// What is wrong with it is in [`Verification::problems`], not an error.
///
/// # Errors
/// When the folder holds neither `config.json` nor an adapter, a file cannot be read, or the caller stops.
pub fn verify(
    folder: impl Into<ModelFolder>,
    progress: &TransferProgress,
) -> Result<Verification, HubError> {
    let folder = &folder.into();
    let adapter = folder.on_disk().filter(|_| is_adapter(folder));
    let found = adapter.map_or_else(|| local::inspect(folder), |_| None);
    let (kind, parameters) = match (&found, adapter) {
        (Some(found), _) => (found.kind, found.parameters),
        (None, Some(_)) => (ModelKind::Adapter, 0),
        (None, None) => {
            return Err(HubError::read(
                &folder.file(file_names::CONFIG),
                std::io::Error::from(std::io::ErrorKind::NotFound),
            ));
        }
    };
    let mut report = Verification {
        folder: folder.clone(),
        ok: false,
        kind,
        config: None,
        fingerprint: None,
        parameters,
        used: 0,
        unused: Vec::new(),
        missing: Vec::new(),
        not_finite: Vec::new(),
        files: Vec::new(),
        problems: Vec::new(),
        notes: Vec::new(),
    };
    let mut base = None;
    match (kind, adapter) {
        (ModelKind::Adapter, Some(path)) => base = open_adapter(path, &mut report),
        (ModelKind::Clip, _) => open_clip(folder, &mut report),
        _ => open(folder, &mut report),
    }
    // Without them the network would be whole and no text could be read.
    let tokenizer = kind.tokenizer_file();
    if let Some(tokenizer) = tokenizer.filter(|name| folder.size(name).is_none()) {
        let path = folder.file(tokenizer);
        let opened = Tokenizer::open(folder).err();
        let line = match opened.filter(|error| matches!(error, ModelError::OtherForm { .. })) {
            Some(other) => other.to_string(),
            None => format!("{} is missing; fetch it", path.display()),
        };
        report.problems.push(line);
    }
    read_files(folder, &mut report, progress)?;
    report.fingerprint = fingerprint(folder, base.as_ref(), &report);
    let lines = report.not_finite.iter().map(|wrong| {
        let NotFinite { tensor, count } = wrong;
        format!("{tensor}: {count} of its numbers are infinite or no numbers; fetch the file again")
    });
    let lines: Vec<String> = lines.collect();
    report.problems.extend(lines);
    report.ok = report.problems.is_empty();
    Ok(report)
}

/// The fingerprint of the model from the sums that were just counted, and those of an adapter's base.
fn fingerprint(
    folder: &ModelFolder,
    base: Option<&ModelFolder>,
    report: &Verification,
) -> Option<String> {
    let weights = if report.kind == ModelKind::Adapter {
        vec![file_names::ADAPTER_WEIGHTS.to_owned()]
    } else {
        weights_files(folder).0
    };
    let mut sums: Vec<FileSum> = Vec::new();
    for name in &weights {
        let file = report.files.iter().find(|file| file.name == *name)?;
        sums.push(FileSum {
            name: file.name.clone(),
            size: file.size,
            sha256: file.sha256.clone(),
        });
    }
    if report.kind == ModelKind::Adapter {
        let base = base?;
        sums.extend(file_sums(base, &weights_files(base).0).ok()?);
    }
    (!sums.is_empty()).then(|| fingerprint_of(&sums))
}

/// What an adapter's headers tell, by itself and on the model that it names, where that is on this machine.
fn open_adapter(path: &Path, report: &mut Verification) -> Option<ModelFolder> {
    match adapter_facts(path) {
        Ok(facts) => {
            report.used = facts.tensors;
            report.parameters = facts.parameters;
        }
        Err(error) => {
            report.problems.push(error.to_string());
            return None;
        }
    }
    let base = match base_folder(path, &local::search_folders()) {
        Ok(base) => base,
        Err(error) => {
            let line = format!("whether it fits its model was not looked at: {error}");
            report.notes.push(line);
            return None;
        }
    };
    match Checkpoint::open_with_adapter(&base, Some(path)) {
        Ok(checkpoint) => report.config = Some(checkpoint.config.clone()),
        Err(error) => report.problems.push(error.to_string()),
    }
    Some(base)
}

/// What the headers tell.
fn open(folder: &ModelFolder, report: &mut Verification) {
    match Checkpoint::open(folder) {
        Ok(checkpoint) => {
            report.used = checkpoint.used().len();
            report.unused = checkpoint.unused().to_vec();
            report.config = Some(checkpoint.config.clone());
        }
        Err(error) => {
            report.problems.push(error.to_string());
            report.missing = missing_tensors(folder).unwrap_or_default();
        }
    }
}

fn open_clip(folder: &ModelFolder, report: &mut Verification) {
    match ClipCheckpoint::open(folder) {
        Ok(checkpoint) => {
            report.used = checkpoint.used().len();
            report.unused = checkpoint.unused().to_vec();
        }
        Err(error) => report.problems.push(error.to_string()),
    }
}

/// All tensors that the configuration asks for and no file holds; opening stops at the first.
fn missing_tensors(folder: &ModelFolder) -> Option<Vec<String>> {
    let text = folder.read(file_names::CONFIG, LARGEST_CONFIG, "").ok()?;
    let config: LamedConfig = serde_json::from_slice(&text).ok()?;
    let (files, _) = weights_files(folder);
    let mut names = BTreeSet::new();
    for file in files.iter().filter_map(|name| folder.weights(name).ok()) {
        names.extend(file.names().cloned());
    }
    config.validate().ok()?;
    let precision = Precision::plain(DType::F32);
    let wanted = wanted_tensors(&config, precision, |name| names.contains(name));
    let wanted = wanted.ok()?.into_iter().map(|tensor| tensor.name);
    Some(wanted.filter(|name| !names.contains(name)).collect())
}

/// What is recorded of a folder's files, and the word for how they came here.
fn recorded(folder: &Path) -> Option<(Vec<FileRecord>, &'static str)> {
    if let Some(record) = FetchRecord::read(folder) {
        return Some((record.files, "fetched"));
    }
    let written = recorded_sums(folder).into_iter().map(|file| FileRecord {
        name: file.name,
        size: file.size,
        sha256: Some(file.sha256),
    });
    let written: Vec<FileRecord> = written.collect();
    (!written.is_empty()).then_some((written, "written"))
}

/// The files to read: those recorded, and whatever the model is made of.
fn names(folder: &ModelFolder, kind: ModelKind, recorded: &[FileRecord]) -> BTreeSet<String> {
    // The names in a record are as little to be trusted as any file's contents.
    let plain = |name: &&str| Path::new(name).file_name().is_some_and(|n| n == *name);
    let recorded = recorded.iter().map(|file| file.name.as_str());
    let own: &[&str] = match kind {
        ModelKind::Adapter => &[file_names::ADAPTER_CONFIG, file_names::ADAPTER_WEIGHTS],
        _ => &file_names::COMPANIONS,
    };
    let weights = match kind {
        ModelKind::Adapter => Vec::new(),
        _ => weights_files(folder).0,
    };
    let names = recorded
        .filter(plain)
        .chain(own.iter().copied())
        .chain([file_names::CLASS_PROMPTS]);
    names.map(str::to_owned).chain(weights).collect()
}

fn read_files(
    folder: &ModelFolder,
    report: &mut Verification,
    progress: &TransferProgress,
) -> Result<(), HubError> {
    let on_disk = folder.on_disk();
    let (records, how) = on_disk.and_then(recorded).unwrap_or_default();
    for file in &records {
        if folder.size(&file.name) != Some(file.size) {
            report.problems.push(format!(
                "{} is missing or has another size than when it was {how}",
                file.name
            ));
        }
    }
    let sized = names(folder, report.kind, &records)
        .into_iter()
        .filter_map(|name| {
            let size = folder.size(&name)?;
            Some((name, size))
        });
    let files: Vec<(String, u64)> = sized.collect();
    let (mut done, total) = (0, files.iter().map(|(_, size)| size).sum());
    let mut counted = Vec::new();
    for (name, size) in files {
        let sha256 = sum(folder, &name, &mut |bytes| {
            done += bytes;
            progress.set(TransferStatus {
                stage: TransferStage::Checking,
                file: &name,
                done,
                total,
            });
            progress.check()
        })?;
        let is_weights = Path::new(&name).extension();
        let is_weights = is_weights.is_some_and(|e| e == "safetensors" || e == "gguf");
        if let Some(weights) = is_weights.then(|| folder.weights(&name).ok()).flatten() {
            let wrong = not_finite(&weights, &mut || progress.check())?;
            report.not_finite.extend(wrong);
        }
        let record = records.iter().find(|file| file.name == name);
        let recorded = record.and_then(|file| file.sha256.clone());
        let before = on_disk.and_then(|path| counted_before(path, &name));
        if recorded.as_ref().is_some_and(|sum| *sum != sha256) {
            report.problems.push(format!(
                "{name} is not what was {how}: its SHA-256 is {sha256}; fetch or make the model again"
            ));
        } else if before.is_some_and(|before| before != sha256) {
            report.problems.push(format!(
                "{name} holds other bytes than when it was last counted, and the same time: the disk may be failing; \
                 fetch or make the model again"
            ));
        }
        counted.push(FileSum {
            name: name.clone(),
            size,
            sha256: sha256.clone(),
        });
        report.files.push(FileCheck {
            name,
            size,
            sha256,
            recorded,
        });
    }
    if let Some(path) = on_disk {
        remember(path, &counted);
    }
    Ok(())
}
