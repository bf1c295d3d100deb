//! Whether a checkpoint is whole and sound.

use std::collections::BTreeSet;
use std::path::Path;

use candle_core::DType;
use serde::Serialize;

use super::local::{self, LARGEST_CONFIG};
use super::weights::{not_finite, sum, weights_files};
use super::{FetchRecord, HubError, ModelKind, TransferProgress, TransferStage, TransferStatus};
use m3d_model::tensors::wanted_tensors;
use m3d_model::{Checkpoint, ClipCheckpoint, LamedConfig, ModelFolder, Precision, file_names};

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
    /// Sixteen digits that name it, where it can be opened.
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
    /// Its SHA-256 when it was fetched; none for files that were not.
    pub recorded: Option<String>,
}

/// Opens a checkpoint and reads every byte of it once.
///
/// What is wrong with it is in [`Verification::problems`], not an error.
///
/// # Errors
/// When the folder holds no `config.json`, a file cannot be read, or the caller stops.
pub fn verify(
    folder: impl Into<ModelFolder>,
    progress: &TransferProgress,
) -> Result<Verification, HubError> {
    let folder = &folder.into();
    let Some(found) = local::inspect(folder) else {
        return Err(HubError::read(
            &folder.file(file_names::CONFIG),
            std::io::Error::from(std::io::ErrorKind::NotFound),
        ));
    };
    let mut report = Verification {
        folder: folder.clone(),
        ok: false,
        kind: found.kind,
        config: None,
        fingerprint: None,
        parameters: found.parameters,
        used: 0,
        unused: Vec::new(),
        missing: Vec::new(),
        not_finite: Vec::new(),
        files: Vec::new(),
        problems: Vec::new(),
    };
    match found.kind {
        ModelKind::Assistant => open(folder, &mut report),
        ModelKind::Clip => open_clip(folder, &mut report),
    }
    // Without them the network would be whole and no text could be read.
    let tokenizer = found.kind.tokenizer_file();
    if folder.size(tokenizer).is_none() {
        let path = folder.file(tokenizer);
        let line = format!("{} is missing; fetch it", path.display());
        report.problems.push(line);
    }
    read_files(folder, &mut report, progress)?;
    let lines = report.not_finite.iter().map(|wrong| {
        let NotFinite { tensor, count } = wrong;
        format!("{tensor}: {count} of its numbers are infinite or no numbers; fetch the file again")
    });
    let lines: Vec<String> = lines.collect();
    report.problems.extend(lines);
    report.ok = report.problems.is_empty();
    Ok(report)
}

/// What the headers tell.
fn open(folder: &ModelFolder, report: &mut Verification) {
    match Checkpoint::open(folder) {
        Ok(checkpoint) => {
            report.used = checkpoint.used().len();
            report.unused = checkpoint.unused().to_vec();
            report.fingerprint = Some(checkpoint.fingerprint());
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

fn read_files(
    folder: &ModelFolder,
    report: &mut Verification,
    progress: &TransferProgress,
) -> Result<(), HubError> {
    let on_disk = folder.on_disk();
    let record = on_disk.and_then(|path| Some((path, FetchRecord::read(path)?)));
    let mut names: Vec<String> = Vec::new();
    if let Some((path, record)) = &record {
        for name in record.missing(path) {
            let line = format!("{name} is missing or has another size than when it was fetched");
            report.problems.push(line);
        }
        // The names in a record are as little to be trusted as any file's contents.
        let plain = |name: &&str| Path::new(name).file_name().is_some_and(|n| n == *name);
        let recorded = record.files.iter().map(|file| file.name.as_str());
        names.extend(recorded.filter(plain).map(str::to_owned));
    } else {
        names.push(file_names::CONFIG.to_owned());
        names.extend(weights_files(folder).0);
        names.extend([file_names::TOKENIZER, file_names::VOCABULARY].map(str::to_owned));
    }
    let sized = names.into_iter().filter_map(|name| {
        let size = folder.size(&name)?;
        Some((name, size))
    });
    let files: Vec<(String, u64)> = sized.collect();
    let (mut done, total) = (0, files.iter().map(|(_, size)| size).sum());
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
        let known = record
            .as_ref()
            .and_then(|(_, r)| r.files.iter().find(|f| f.name == name));
        let recorded = known.and_then(|file| file.sha256.clone());
        if recorded.as_ref().is_some_and(|sum| *sum != sha256) {
            report.problems.push(format!(
                "{name} is not what was fetched: its SHA-256 is {sha256}; fetch the model again"
            ));
        }
        report.files.push(FileCheck {
            name,
            size,
            sha256,
            recorded,
        });
    }
    Ok(())
}
