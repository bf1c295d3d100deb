//! A published M3D-CLIP folder, checked before a weight is read.

use std::collections::{BTreeSet, HashMap};

use candle_core::{DType, Device, Tensor};

use super::{Clip, ClipConfig};
use crate::checkpoint::{Place, check, open_weights};
use crate::file_names::CONFIG;
use crate::source::TensorMap;
use crate::tensors::{WantedTensor, record};
use crate::weights::WeightsFile;
use crate::{ModelError, ModelFolder};

const MAX_CONFIG_BYTES: u64 = 1 << 20;
const CONFIG_HINT: &str =
    "choose the folder that holds M3D-CLIP's config.json and model.safetensors";

/// An M3D-CLIP checkpoint whose every tensor is present with the shape that `config.json` implies.
#[derive(Debug)]
pub struct ClipCheckpoint {
    /// The folder.
    pub folder: ModelFolder,
    /// Its `config.json`.
    pub config: ClipConfig,
    files: Vec<WeightsFile>,
    place: Place,
    wanted: Vec<WantedTensor>,
    unused: Vec<String>,
}

impl ClipCheckpoint {
    /// Opens a folder with `config.json` and `model.safetensors` (or its index and parts), reading headers only.
    ///
    /// # Errors
    /// The first thing found wrong: a missing or damaged file, an unsupported configuration, a missing, misshapen or
    /// unreadable tensor.
    pub fn open(folder: impl Into<ModelFolder>) -> Result<Self, ModelError> {
        let folder = folder.into();
        let path = folder.file(CONFIG);
        let text = folder.read(CONFIG, MAX_CONFIG_BYTES, CONFIG_HINT)?;
        let config: ClipConfig = serde_json::from_slice(&text).map_err(|e| ModelError::Json {
            path: path.clone(),
            message: e.to_string(),
        })?;
        config.validate().map_err(|error| match error {
            ModelError::Config(reason) => {
                ModelError::Config(format!("{reason} ({})", path.display()))
            }
            other => other,
        })?;
        let (files, place) = open_weights(&folder)?;
        let wanted = clip_tensors(&config)?;
        for tensor in &wanted {
            check(tensor, &folder, &files, &place)?;
        }
        let names: BTreeSet<&str> = wanted.iter().map(|tensor| tensor.name.as_str()).collect();
        let unused = place
            .keys()
            .filter(|name| !names.contains(name.as_str()))
            .cloned()
            .collect();
        Ok(Self {
            folder,
            config,
            files,
            place,
            wanted,
            unused,
        })
    }

    /// Tensors of the files that the network does not need, sorted; BERT's pooler in the published model.
    pub fn unused(&self) -> &[String] {
        &self.unused
    }

    /// Tensors that the network needs, in the order in which it takes them.
    pub fn used(&self) -> &[WantedTensor] {
        &self.wanted
    }

    /// Reads every tensor that the network needs, in f32, to be used on `device`.
    pub(super) fn read(&self, device: &Device) -> Result<TensorMap, ModelError> {
        Ok(TensorMap::new(self.tensors(&Device::Cpu)?, device))
    }

    /// Every tensor that the network needs by its name, in f32 on `device`.
    pub fn tensors(&self, device: &Device) -> Result<HashMap<String, Tensor>, ModelError> {
        let mut tensors = HashMap::new();
        for WantedTensor { name, shape, .. } in &self.wanted {
            let file = self.place.get(name).and_then(|&i| self.files.get(i));
            let file = file.ok_or_else(|| ModelError::MissingTensor {
                path: self.folder.path().to_path_buf(),
                tensor: name.clone(),
                expected: shape.clone(),
            })?;
            let values = file.values(name)?;
            let tensor = Tensor::from_slice(&values, shape.as_slice(), device)?;
            file.release(name);
            tensors.insert(name.clone(), tensor);
        }
        Ok(tensors)
    }
}

/// Lists the tensors that [`Clip`] asks for under this configuration, in the order it does. No weights are allocated.
pub fn clip_tensors(config: &ClipConfig) -> Result<Vec<WantedTensor>, ModelError> {
    record(
        |_| false,
        |source| Clip::new(config, source, DType::F32).map(drop),
    )
}
