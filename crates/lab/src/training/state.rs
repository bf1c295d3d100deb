//! What is kept on disk so that a training that was broken off goes on.
//!
//! ```text
//! OUT/step-000001200/   a whole model: config.json, model.safetensors, the tokenizer's files
//!     training.safetensors   optimiser, adapters and whatever else the public model has no place for
//!     training.json          where the training stands
//! ```
//!
//! A state is written into a folder of another name, which is renamed when all is on disk; the last two are kept.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::files::write_whole;
use super::optimiser::Optimiser;
use super::step::{CLASS_PROMPTS, OWN};
use super::{TrainingError, Variables};
use m3d_model::{ModelFolder, file_names};

/// Where a training stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingProgress {
    /// What the training's configuration was: another one cannot go on from here.
    pub seed: u64,
    /// The stage that is being learnt, from 0.
    pub stage: usize,
    /// Steps taken in it.
    pub stage_step: u64,
    /// Steps taken in all.
    pub step: u64,
    /// Samples seen in all: the number of the next one.
    pub samples: u64,
    /// Seconds spent in this stage.
    pub stage_secs: f64,
    /// Seconds spent in all.
    pub secs: f64,
    /// Steps of the optimiser.
    pub optimiser_steps: u64,
}

/// How many states are kept.
const KEPT: usize = 2;
const PROGRESS: &str = "training.json";
const OWN_TENSORS: &str = "training.safetensors";
const ADAPTER: &str = "adapter.";
/// Largest file of class prompts that is read.
const MAX_PROMPT_BYTES: u64 = 64 << 20;

/// Writes a state; `companions` is the folder with the model's other files.
pub(super) fn save(
    out: &Path,
    companions: &Path,
    progress: &TrainingProgress,
    variables: &Variables,
    optimiser: &Optimiser,
) -> Result<PathBuf, TrainingError> {
    let fresh = out.join("step.new");
    match fs::remove_dir_all(&fresh) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(TrainingError::io(&fresh, e));
        }
        _ => fs::create_dir_all(&fresh).map_err(|e| TrainingError::io(&fresh, e))?,
    }
    let mut own = optimiser.state();
    own.extend(
        variables
            .tensors()
            .into_iter()
            .filter(|(name, _)| name.starts_with(OWN)),
    );
    for (module, adapter) in variables.adapters() {
        for (name, var) in adapter.vars(module) {
            own.insert(format!("{ADAPTER}{name}"), var.as_detached_tensor());
        }
    }
    save_tensors(&own, &fresh.join(OWN_TENSORS))?;
    save_model(&fresh, companions, variables.tensors(), DType::F32)?;
    let json = serde_json::to_string_pretty(progress).unwrap_or_default();
    write_whole(&fresh.join(PROGRESS), json.as_bytes())?;
    sync(&fresh);
    let place = out.join(format!("step-{:09}", progress.step));
    // A training that goes on may come to the same step again.
    if place.exists() {
        fs::remove_dir_all(&place).map_err(|e| TrainingError::io(&place, e))?;
    }
    fs::rename(&fresh, &place).map_err(|e| TrainingError::io(&place, e))?;
    sync(out);
    for old in states(out)?.iter().rev().skip(KEPT) {
        fs::remove_dir_all(old).map_err(|e| TrainingError::io(old, e))?;
    }
    Ok(place)
}

/// Writes a model that is done with its other files, its weights in `dtype`; what is there is replaced at the end.
pub(super) fn save_model(
    folder: &Path,
    companions: &Path,
    tensors: impl IntoIterator<Item = (String, Tensor)>,
    dtype: DType,
) -> Result<(), TrainingError> {
    fs::create_dir_all(folder).map_err(|e| TrainingError::io(folder, e))?;
    for name in file_names::COMPANIONS {
        let (from, to) = (companions.join(name), folder.join(name));
        if from.exists() && from != to {
            fs::copy(&from, &to).map_err(|e| TrainingError::io(&from, e))?;
        }
    }
    let (own, tensors): (Vec<_>, Vec<_>) = tensors
        .into_iter()
        .partition(|(name, _)| name.starts_with(OWN));
    let tensors = tensors
        .into_iter()
        .map(|(name, tensor)| Ok((name, tensor.to_dtype(dtype)?)))
        .collect::<candle_core::Result<HashMap<_, _>>>()?;
    save_tensors(&tensors, &folder.join(file_names::WEIGHTS))?;
    match own.into_iter().find(|(name, _)| name == CLASS_PROMPTS) {
        Some(prompts) => save_tensors(
            &HashMap::from([prompts]),
            &folder.join(file_names::CLASS_PROMPTS),
        ),
        None => Ok(()),
    }
}

/// The prompts of classes that a model was trained with, beside its weights; `None` where there are none.
pub(super) fn class_prompts(
    folder: &ModelFolder,
    device: &Device,
) -> Result<Option<Tensor>, TrainingError> {
    if !folder.has(file_names::CLASS_PROMPTS) {
        return Ok(None);
    }
    let path = folder.file(file_names::CLASS_PROMPTS);
    let bytes = folder.read(file_names::CLASS_PROMPTS, MAX_PROMPT_BYTES, "")?;
    let mut tensors = candle_core::safetensors::load_buffer(&bytes, device)?;
    match tensors.remove(CLASS_PROMPTS) {
        Some(prompts) if prompts.rank() == 2 => Ok(Some(prompts.to_dtype(DType::F32)?)),
        _ => Err(TrainingError::state(
            &path,
            format!("there is no matrix {CLASS_PROMPTS} in it"),
        )),
    }
}

pub(super) fn save_tensors(
    tensors: &HashMap<String, Tensor>,
    path: &Path,
) -> Result<(), TrainingError> {
    let fresh = path.with_extension("new");
    candle_core::safetensors::save(tensors, &fresh)?;
    let synced = File::open(&fresh).and_then(|file| file.sync_all());
    synced.map_err(|e| TrainingError::io(&fresh, e))?;
    fs::rename(&fresh, path).map_err(|e| TrainingError::io(path, e))
}

/// Folders cannot be synced everywhere; where they cannot, the system does it in its own time.
fn sync(folder: &Path) {
    let _ = File::open(folder).and_then(|f| f.sync_all());
}

/// The states in a folder, oldest first.
fn states(out: &Path) -> Result<Vec<PathBuf>, TrainingError> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(out) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        entries => entries.map_err(|e| TrainingError::io(out, e))?,
    };
    for entry in entries {
        let path = entry.map_err(|e| TrainingError::io(out, e))?.path();
        let name = path
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default();
        let digits = name.strip_prefix("step-").unwrap_or_default();
        if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// A state that was read back.
pub(super) struct State {
    pub folder: PathBuf,
    pub progress: TrainingProgress,
    pub weights: HashMap<String, Tensor>,
    own: HashMap<String, Tensor>,
}

/// The newest state that can be read; `None` where there is none at all.
///
/// # Errors
/// When there are states and all of them are damaged.
pub(super) fn newest(out: &Path, device: &Device) -> Result<Option<State>, TrainingError> {
    let mut failed = None;
    for folder in states(out)?.into_iter().rev() {
        match read(&folder, device) {
            Ok(state) => return Ok(Some(state)),
            Err(error) => {
                tracing::warn!("{error}; the one before is taken");
                failed = failed.or(Some(error));
            }
        }
    }
    failed.map_or(Ok(None), Err)
}

fn read(folder: &Path, device: &Device) -> Result<State, TrainingError> {
    let path = folder.join(PROGRESS);
    let json = fs::read(&path).map_err(|e| TrainingError::io(&path, e))?;
    let progress =
        serde_json::from_slice(&json).map_err(|e| TrainingError::state(&path, e.to_string()))?;
    let load = |name: &str| {
        let path = folder.join(name);
        candle_core::safetensors::load(&path, device)
            .map_err(|e| TrainingError::state(&path, e.to_string().lines().next().unwrap_or("")))
    };
    Ok(State {
        folder: folder.to_path_buf(),
        progress,
        weights: load(file_names::WEIGHTS)?,
        own: load(OWN_TENSORS)?,
    })
}

impl State {
    /// Tensors that the public model has no place for, by name.
    pub fn own_tensors(&self) -> impl Iterator<Item = (&String, &Tensor)> {
        self.own.iter().filter(|(name, _)| name.starts_with(OWN))
    }

    /// Fills what is learnt and the optimiser.
    pub fn restore(
        mut self,
        variables: &Variables,
        optimiser: &mut Optimiser,
    ) -> Result<(), TrainingError> {
        let wrong = |e: candle_core::Error| {
            let message = e.to_string();
            let line = message.lines().next().unwrap_or_default();
            TrainingError::state(
                &self.folder,
                format!("{line}; it belongs to another training"),
            )
        };
        let mut learnt = self.weights;
        let (moments, own): (HashMap<_, _>, HashMap<_, _>) = self
            .own
            .drain()
            .partition(|(name, _)| name.starts_with("first.") || name.starts_with("second."));
        for (name, tensor) in own {
            let name = name.strip_prefix(ADAPTER).unwrap_or(&name).to_string();
            learnt.insert(name, tensor);
        }
        variables.restore(&learnt).map_err(wrong)?;
        optimiser.restore(self.progress.optimiser_steps, &moments);
        Ok(())
    }
}
