//! What is remembered from one start to the next.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{KeyMap, NamedLayout, Panels};

/// The reader's settings. No patient data is ever in them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The model to load: its folder or its name; none for the one that is built in.
    pub model_folder: Option<PathBuf>,
    /// The reader's own keys.
    pub keys: KeyMap,
    /// The reader's own layouts, in the order of the menu.
    pub layouts: Vec<NamedLayout>,
    /// The panels beside the views.
    pub panels: Panels,
}

impl Settings {
    /// The file in the user's configuration folder; `None` where the system has no such folder.
    pub fn default_path() -> Option<PathBuf> {
        let folders = directories::ProjectDirs::from("", "", "m3d-viewer")?;
        Some(folders.config_dir().join("settings.json"))
    }

    /// Reads a settings file. A missing or unreadable file gives the defaults: settings are never a
    /// reason not to start.
    pub fn load(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let partial = path.with_extension("json.part");
        std::fs::write(&partial, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(partial, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{StandardLayout, ViewKind};

    #[test]
    fn settings_come_back_and_a_broken_file_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/settings.json");
        let settings = Settings {
            model_folder: Some("models/x".into()),
            layouts: vec![StandardLayout::OneAndThree.layout(ViewKind::Volume)],
            ..Settings::default()
        };
        settings.save(&path).unwrap();
        assert_eq!(Settings::load(&path), settings);
        std::fs::write(&path, "{ not json").unwrap();
        assert_eq!(Settings::load(&path), Settings::default());
    }
}
