//! A published checkpoint folder, checked before a weight is read.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::OnceLock;

use candle_core::{DType, Device};
use serde::Deserialize;

use super::checkpoint_source::CheckpointSource;
use super::file_names::{CONFIG, GGUF, PICKLES, WEIGHTS, WEIGHTS_INDEX};
use super::lora::Adapter;
use super::lora_config::{base_folder, is_adapter};
use super::stop_ids::stop_ids;
use super::stored::Stored;
use super::sums;
use super::tensors::{WantedTensor, wanted_tensors};
use super::weights::WeightsFile;
use super::{LamedConfig, ModelError, ModelFolder, ModelPlace, Precision};
use m3d_engine::WeightFormat;

/// Largest JSON file of a checkpoint that is read.
const MAX_JSON_BYTES: u64 = 64 << 20;
/// Most files that an index may name.
const MAX_SHARDS: usize = 1024;
const CONFIG_HINT: &str = "choose the folder that holds the checkpoint's config.json and weights";
const WEIGHTS_HINT: &str =
    "fetch model.safetensors, or model.safetensors.index.json and all its parts";

/// A checkpoint whose every tensor is present with the shape that `config.json` implies.
#[derive(Debug)]
pub struct Checkpoint {
    /// The folder.
    pub folder: ModelFolder,
    /// Its `config.json`.
    pub config: LamedConfig,
    /// Tokens at which generation stops.
    pub stop_ids: Vec<u32>,
    files: Vec<WeightsFile>,
    /// Index into `files` of each tensor.
    place: BTreeMap<String, usize>,
    adapter: Option<Adapter>,
    wanted: Vec<WantedTensor>,
    unused: Vec<String>,
    fingerprint: OnceLock<String>,
}

impl Checkpoint {
    /// Opens a folder with `config.json` and `model.safetensors` (or its index and parts; where there are neither,
    /// `model.gguf`), reading headers only. A folder with a LoRA adapter is opened with the model that it names.
    ///
    /// # Errors
    /// The first thing found wrong: a missing or damaged file, an unsupported configuration, a missing, misshapen or
    /// unreadable tensor.
    pub fn open(folder: impl Into<ModelFolder>) -> Result<Self, ModelError> {
        Self::open_at(&ModelPlace::from(folder))
    }

    /// The same for a model with its adapter, or for an adapter whose model may be among others.
    ///
    /// # Errors
    /// As [`Self::open_with_adapter`], and when the model that an adapter names is not found.
    pub fn open_at(place: &ModelPlace) -> Result<Self, ModelError> {
        let folder = &place.folder;
        if let (None, Some(path)) = (&place.adapter, folder.on_disk())
            && is_adapter(folder)
        {
            return Self::open_with_adapter(base_folder(path, &place.models)?, Some(path));
        }
        Self::open_with_adapter(folder, place.adapter.as_deref())
    }

    /// Opens a model's folder, and a folder with a LoRA adapter (`adapter_config.json`, `adapter_model.safetensors`)
    /// that is merged into the weights as they are taken.
    ///
    /// # Errors
    /// As [`Self::open`]; and where the adapter is damaged, of a kind that cannot be merged, or for another model.
    pub fn open_with_adapter(
        folder: impl Into<ModelFolder>,
        adapter: Option<&Path>,
    ) -> Result<Self, ModelError> {
        let folder = folder.into();
        let config_text = folder.read(CONFIG, MAX_JSON_BYTES, CONFIG_HINT)?;
        let config = parse_config(&config_text, &folder.file(CONFIG))?;
        let (files, place) = open_weights(&folder)?;
        let adapter = adapter.map(Adapter::open).transpose()?;
        let wanted = wanted_tensors(&config, Precision::plain(DType::F32), |name| {
            place.contains_key(name)
        })?;
        let replaced = |name: &str| adapter.as_ref().is_some_and(|a| a.replaces(name));
        for tensor in wanted.iter().filter(|tensor| !replaced(&tensor.name)) {
            check(tensor, &folder, &files, &place)?;
        }
        let shapes: BTreeMap<&str, &[usize]> = wanted
            .iter()
            .map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice()))
            .collect();
        if let Some(adapter) = &adapter {
            // A tensor that the network does not need may be trained along.
            let stored = |name: &str| files.get(*place.get(name)?)?.shape(name);
            adapter
                .check(|name| Some(shapes.get(name).copied().or_else(|| stored(name))?.to_vec()))?;
        }
        let unused: Vec<String> = place
            .keys()
            .filter(|name| !shapes.contains_key(name.as_str()))
            .cloned()
            .collect();
        if let Some(tensor) = unused.iter().find(|name| changes_numbers(name)) {
            return Err(ModelError::UnknownTensor {
                path: folder.path().to_path_buf(),
                tensor: tensor.clone(),
            });
        }
        let stop_ids = stop_ids(&folder, &config)?;
        Ok(Self {
            folder,
            config,
            stop_ids,
            files,
            place,
            adapter,
            wanted,
            unused,
            fingerprint: OnceLock::new(),
        })
    }

    /// The folder's name, and the adapter's where there is one.
    pub fn name(&self) -> String {
        let name = self.folder.name();
        match &self.adapter {
            Some(adapter) => {
                let adapter = ModelFolder::from(adapter.folder.as_path());
                format!("{name} + {}", adapter.name())
            }
            None => name,
        }
    }

    /// The blocks that the weights are stored in, of two kinds the narrower; `None` where they are stored as plain
    /// numbers.
    pub fn packed_as(&self) -> Option<WeightFormat> {
        let stored = |stored| {
            let mut used = self.wanted.iter();
            used.any(|t| {
                let file = self.file_of(&t.name, &t.shape);
                file.and_then(|file| file.stored(&t.name))
                    .is_ok_and(|s| s == stored)
            })
        };
        if stored(Stored::Q4K) {
            Some(WeightFormat::Q4K)
        } else {
            stored(Stored::Q8_0).then_some(WeightFormat::Q8_0)
        }
    }

    /// Tensors of the files that the network does not need, sorted.
    pub fn unused(&self) -> &[String] {
        &self.unused
    }

    /// Tensors that the network needs, in the order in which it takes them.
    pub fn used(&self) -> &[WantedTensor] {
        &self.wanted
    }

    /// What names this checkpoint, the same everywhere: [`sums::fingerprint_of`] its weight files, the adapter's
    /// included, 64 hexadecimal digits. Files that were not counted before are read whole, once. Empty where one cannot be
    /// read, which whoever loads the checkpoint is told of.
    pub fn fingerprint(&self) -> String {
        let counted = || {
            let adapter = self
                .adapter
                .as_ref()
                .map(|adapter| adapter.folder.as_path());
            sums::model_fingerprint(&self.folder, adapter).unwrap_or_else(|error| {
                tracing::warn!("{error}");
                String::new()
            })
        };
        self.fingerprint.get_or_init(counted).clone()
    }

    /// Parameters in the files, used or not.
    pub fn parameter_count(&self) -> u64 {
        self.place
            .iter()
            .filter_map(|(name, &file)| self.files.get(file).map(|f| f.element_count(name)))
            .sum()
    }

    /// Parameters that the network takes.
    pub fn used_count(&self) -> u64 {
        self.wanted.iter().map(WantedTensor::count).sum()
    }

    /// Bytes that the model takes in memory when held in `precision`.
    pub fn memory_bytes(&self, precision: Precision) -> Result<u64, ModelError> {
        let wanted = wanted_tensors(&self.config, precision, |name| {
            self.place.contains_key(name)
        })?;
        Ok(wanted.iter().map(WantedTensor::bytes).sum())
    }

    /// Its tensors as a source of weights; `progress` is called with 0 to 1 as they are taken.
    pub fn source<'a>(
        &'a self,
        device: &Device,
        progress: &'a dyn Fn(f32),
    ) -> CheckpointSource<'a> {
        CheckpointSource::new(self, device, progress)
    }

    /// Whether there is a tensor of this name.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.place.contains_key(name) || self.adapter.as_ref().is_some_and(|a| a.replaces(name))
    }

    /// A tensor's values in f32.
    pub(super) fn values(&self, name: &str, shape: &[usize]) -> Result<Cow<'_, [f32]>, ModelError> {
        let base = || self.file_of(name, shape)?.values(name);
        match &self.adapter {
            Some(adapter) => adapter.apply(name, shape, base),
            None => base(),
        }
    }

    /// The blocks of a matrix that no adapter changes and that is stored as `format` holds it.
    pub(super) fn blocks(
        &self,
        name: &str,
        shape: &[usize],
        format: WeightFormat,
    ) -> Result<Option<&[u8]>, ModelError> {
        if self.adapter.as_ref().is_some_and(|a| a.touches(name)) {
            return Ok(None);
        }
        let file = self.file_of(name, shape)?;
        if file.stored(name)?.is_blocks_of(format) {
            file.blocks(name).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Tells that a tensor will not be needed soon.
    pub(super) fn release(&self, name: &str) {
        if let Some(file) = self.place.get(name).and_then(|&i| self.files.get(i)) {
            file.release(name);
        }
    }

    fn file_of(&self, name: &str, shape: &[usize]) -> Result<&WeightsFile, ModelError> {
        let found = self.place.get(name).and_then(|&i| self.files.get(i));
        found.ok_or_else(|| ModelError::MissingTensor {
            path: self.folder.path().to_path_buf(),
            tensor: name.to_string(),
            expected: shape.to_vec(),
        })
    }
}

/// Whether the reference would compute something with a tensor that the networks here do not take: a bias or a norm in
/// one of the decoder's layers. Older checkpoints hold the frequencies of the rotary embedding, which are computed.
fn changes_numbers(unused: &str) -> bool {
    unused.starts_with("model.layers.") && !unused.ends_with(".rotary_emb.inv_freq")
}

/// A file that does not parse is damaged; one that does may still describe another network.
fn parse_config(text: &[u8], path: &Path) -> Result<LamedConfig, ModelError> {
    let config: LamedConfig = serde_json::from_slice(text).map_err(|e| ModelError::Json {
        path: path.to_path_buf(),
        message: e.to_string(),
    })?;
    match config.validate() {
        Ok(()) => Ok(config),
        Err(ModelError::Config(reason)) => {
            Err(ModelError::Config(format!("{reason} ({})", path.display())))
        }
        Err(other) => Err(other),
    }
}

/// Which of several files holds a tensor, by the tensor's name.
pub type Place = BTreeMap<String, usize>;

#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

/// Whether a folder holds weights of a model.
pub(super) fn has_weights(folder: &ModelFolder) -> bool {
    [WEIGHTS, WEIGHTS_INDEX, GGUF]
        .iter()
        .any(|name| folder.has(name))
}

/// The weights files of a folder, and in which of them each tensor lies.
///
/// # Errors
/// When there is none, or one is missing or damaged.
pub fn open_weights(
    folder: impl Into<ModelFolder>,
) -> Result<(Vec<WeightsFile>, Place), ModelError> {
    let folder = folder.into();
    // The file with the exact weights wins.
    let only = if folder.has(WEIGHTS) {
        Some(WEIGHTS)
    } else if folder.has(WEIGHTS_INDEX) {
        None
    } else if folder.has(GGUF) {
        Some(GGUF)
    } else if let Some(pickle) = PICKLES.into_iter().find(|name| folder.has(name)) {
        return Err(ModelError::OtherForm {
            path: folder.file(pickle),
            wanted: WEIGHTS,
            how: "pickles may hold code and are not read; load the model with transformers and save it with \
                  save_pretrained(FOLDER, safe_serialization=True)",
        });
    } else {
        return Err(ModelError::MissingFile {
            path: folder.file(WEIGHTS),
            hint: WEIGHTS_HINT,
        });
    };
    if let Some(name) = only {
        let file = folder.weights(name)?;
        let place = file.names().map(|name| (name.clone(), 0)).collect();
        return Ok((vec![file], place));
    }
    let text = folder.read(WEIGHTS_INDEX, MAX_JSON_BYTES, WEIGHTS_HINT)?;
    let invalid = |message: String| ModelError::Json {
        path: folder.file(WEIGHTS_INDEX),
        message,
    };
    let index: Index = serde_json::from_slice(&text).map_err(|e| invalid(e.to_string()))?;
    let parts: BTreeSet<&String> = index.weight_map.values().collect();
    if parts.is_empty() || parts.len() > MAX_SHARDS {
        return Err(invalid(format!("it names {} weights files", parts.len())));
    }
    let mut files = Vec::new();
    let mut number = HashMap::new();
    for part in parts {
        // A name, not a way out of the folder.
        if Path::new(part).file_name().and_then(|n| n.to_str()) != Some(part) {
            return Err(invalid(format!("{part:?} is not a plain file name")));
        }
        number.insert(part, files.len());
        files.push(folder.weights(part)?);
    }
    let mut place = Place::new();
    for (i, file) in files.iter().enumerate() {
        place.extend(file.names().map(|name| (name.clone(), i)));
    }
    for (name, part) in &index.weight_map {
        let Some(&i) = number.get(part) else { continue };
        if files[i].shape(name).is_none() {
            return Err(ModelError::Weights {
                path: files[i].path.clone(),
                message: format!("the index says that it holds {name}, and it does not"),
            });
        }
        place.insert(name.clone(), i);
    }
    Ok((files, place))
}

pub(crate) fn check(
    tensor: &WantedTensor,
    folder: &ModelFolder,
    files: &[WeightsFile],
    place: &Place,
) -> Result<(), ModelError> {
    let found = place.get(&tensor.name).and_then(|&i| files.get(i));
    let Some((file, shape)) = found.and_then(|file| Some((file, file.shape(&tensor.name)?))) else {
        let path = match files {
            [only] => only.path.clone(),
            _ => folder.path().to_path_buf(),
        };
        return Err(ModelError::MissingTensor {
            path,
            tensor: tensor.name.clone(),
            expected: tensor.shape.clone(),
        });
    };
    if shape != tensor.shape {
        return Err(ModelError::TensorShape {
            path: file.path.clone(),
            tensor: tensor.name.clone(),
            expected: tensor.shape.clone(),
            found: shape.to_vec(),
        });
    }
    file.stored(&tensor.name).map(drop)
}
