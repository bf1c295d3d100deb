//! Where a model is.

use std::path::PathBuf;

use super::ModelFolder;

/// Where a model is asked for.
#[derive(Clone, Debug)]
pub struct ModelPlace {
    /// The model's folder; without `adapter` also an adapter's own, which names its model.
    pub folder: ModelFolder,
    /// The folder of a LoRA adapter that is merged into the weights.
    pub adapter: Option<PathBuf>,
    /// Folders with models, in which the one that an adapter names is looked for too.
    pub models: Vec<PathBuf>,
}

impl<T: Into<ModelFolder>> From<T> for ModelPlace {
    fn from(folder: T) -> Self {
        Self {
            folder: folder.into(),
            adapter: None,
            models: Vec::new(),
        }
    }
}
