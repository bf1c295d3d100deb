//! Where a model is.

use std::path::{Path, PathBuf};

/// Where a model is asked for.
#[derive(Clone, Debug)]
pub struct ModelPlace {
    /// The model's folder; without `adapter` also an adapter's own, which names its model.
    pub folder: PathBuf,
    /// The folder of a LoRA adapter that is merged into the weights.
    pub adapter: Option<PathBuf>,
    /// Folders with models, in which the one that an adapter names is looked for too.
    pub models: Vec<PathBuf>,
}

impl From<PathBuf> for ModelPlace {
    fn from(folder: PathBuf) -> Self {
        Self {
            folder,
            adapter: None,
            models: Vec::new(),
        }
    }
}

impl From<&Path> for ModelPlace {
    fn from(folder: &Path) -> Self {
        folder.to_owned().into()
    }
}
