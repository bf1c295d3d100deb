//! The models on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::weights::{counts, weights_files};
use super::{
    FetchRecord, HubError, HubRevision, ModelKind, ModelName, PUBLISHED, environment, published,
    size_text,
};
use m3d_model::{BuiltIn, ModelFolder, ModelPlace, file_names, hub_cache};

/// The folder where models are looked for first, below where the program is started.
pub const HERE: &str = "models";
/// Largest configuration that is read.
pub(super) const LARGEST_CONFIG: u64 = 1 << 20;

/// A checkpoint on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LocalModel {
    /// Its folder, on disk or in the program.
    pub folder: ModelFolder,
    /// What to call it.
    pub name: String,
    /// What it is for.
    pub kind: ModelKind,
    /// Its name on the hub, where that is known.
    pub hub_name: Option<String>,
    /// The commit that was fetched, where it was fetched.
    pub commit: Option<String>,
    /// Parameters in the files that are there.
    pub parameters: u64,
    /// How they are stored: `f32`, or `f32, bf16`, the most frequent first.
    pub numbers: String,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Its weights were never trained: what it answers means nothing.
    pub untrained: bool,
    /// What is missing or damaged, as far as headers tell; nothing when it is complete.
    pub missing: Vec<String>,
}

impl LocalModel {
    /// Whether nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Whether this is the published model.
    pub fn is_published(&self, model: &super::Published) -> bool {
        self.hub_name.as_deref() == Some(model.hub_name)
    }
}

/// Where models are fetched to: `M3D_MODELS`, else the user's folder for data; none where the system has
/// no such folder.
pub fn models_folder() -> Option<PathBuf> {
    match std::env::var_os("M3D_MODELS") {
        Some(folder) if !folder.is_empty() => Some(folder.into()),
        _ => {
            let folders = directories::ProjectDirs::from("", "", "m3d-viewer")?;
            Some(folders.data_dir().join("models"))
        }
    }
}

/// The folders where models are looked for: `models/` where the program is started, then [`models_folder`], and the
/// hub's own cache where there is one (`HF_HUB_CACHE`, or in `HF_HOME`).
pub fn search_folders() -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from(HERE)];
    folders.extend(models_folder());
    folders.extend(environment::cache().filter(|cache| cache.is_dir()));
    folders
}

/// A model of the hub's that its own libraries have downloaded, in the first of these folders that is their cache and
/// has it whole.
pub fn cached(name: &ModelName, revision: &HubRevision, folders: &[PathBuf]) -> Option<LocalModel> {
    let found = folders
        .iter()
        .filter_map(|folder| hub_cache::snapshot(folder, name.as_str(), revision.as_str()));
    let mut models = found.filter_map(|(folder, commit)| {
        let mut model = inspect(folder)?;
        last_part(name.as_str()).clone_into(&mut model.name);
        model.hub_name = Some(name.as_str().to_owned());
        model.commit = Some(commit);
        Some(model)
    });
    models.find(LocalModel::is_complete)
}

/// A model in this folder, with the models on this machine beside it: an adapter's own may be among them.
pub fn place(folder: ModelFolder, adapter: Option<PathBuf>) -> ModelPlace {
    ModelPlace {
        folder,
        adapter,
        models: search_folders(),
    }
}

/// The models in the program, then those in these folders or right below them, complete or not, by name. Headers
/// are read, no weights.
pub fn find(folders: &[PathBuf]) -> Vec<LocalModel> {
    let built_in = BuiltIn::ALL.map(inspect);
    let mut found: Vec<LocalModel> = built_in.into_iter().flatten().collect();
    for folder in folders {
        let mut places = vec![folder.clone()];
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut below: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        below.sort();
        places.extend(below);
        for place in places {
            let mut known = found.iter().filter_map(|model| model.folder.on_disk());
            let is_new = !known.any(|folder| is_same(folder, &place));
            if let (true, Some(model)) = (is_new, look(&place)) {
                found.push(model);
            }
        }
    }
    // Of all that may be in the hub's cache, what this program is for.
    let main = HubRevision::default();
    for published in &PUBLISHED {
        found.extend(cached(&published.name(), &main, folders));
    }
    found
}

fn is_same(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// The folder of a model that a person names: a folder on disk, a published model's name, or the name of one
/// that is here; what is built in comes before what is found.
///
/// # Errors
/// When there is neither such a folder nor such a model; the message says how to get it.
pub fn resolve(text: &str) -> Result<ModelFolder, HubError> {
    resolve_in(text, &search_folders())
}

/// As [`resolve`], for a path as the command line gives it.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_path(path: PathBuf) -> Result<ModelFolder, HubError> {
    match path.to_str() {
        Some(text) => resolve(text),
        // No name is written in anything but Unicode.
        None => Ok(path.into()),
    }
}

/// As [`resolve`], looking into these folders.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_in(text: &str, folders: &[PathBuf]) -> Result<ModelFolder, HubError> {
    let path = PathBuf::from(text);
    if path.is_dir() {
        return Ok(path.into());
    }
    let wanted = published(text);
    let hub_name = wanted.map_or(text, |model| model.hub_name);
    let found = find(folders).into_iter().find(|model| {
        let folder = model.folder.path().file_name().map(|n| n.to_string_lossy());
        model.hub_name.as_deref() == Some(hub_name)
            || model.name == text
            || folder.is_some_and(|folder| folder == text)
    });
    let cached = || {
        let name = ModelName::parse(hub_name).ok()?;
        cached(&name, &HubRevision::default(), folders)
    };
    let whole = |model: &LocalModel| model.is_complete() || wanted.is_none();
    match (found.filter(whole).or_else(cached), wanted) {
        (Some(model), _) => Ok(model.folder),
        (None, Some(model)) => Err(HubError::NotFetched {
            name: model.short.to_owned(),
            bytes: model.bytes,
        }),
        (None, None) => Err(HubError::NotHere(text.to_owned())),
    }
}

/// A model in this folder, whole or on its way.
fn look(folder: &Path) -> Option<LocalModel> {
    if folder.extension().is_some_and(|e| e == "part") {
        return on_its_way(folder);
    }
    inspect(folder)
}

/// What a broken fetch has left.
fn on_its_way(folder: &Path) -> Option<LocalModel> {
    let record = FetchRecord::read(folder)?;
    let folder = ModelFolder::from(folder);
    let bytes = folder_bytes(&folder);
    let total = record.total_bytes();
    let name = ModelName::parse(&record.model).ok()?;
    let kind = published(&record.model).map_or(ModelKind::Assistant, |model| model.kind);
    let what = format!(
        "{} of {} have come; fetching it again goes on from there",
        size_text(bytes.min(total)),
        size_text(total)
    );
    Some(LocalModel {
        folder,
        name: last_part(name.as_str()).to_owned(),
        kind,
        hub_name: Some(record.model),
        commit: Some(record.commit),
        parameters: 0,
        numbers: String::new(),
        bytes,
        untrained: false,
        missing: vec![what],
    })
}

/// The checkpoint in a folder; none where there is no `config.json`.
pub fn inspect(folder: impl Into<ModelFolder>) -> Option<LocalModel> {
    let folder = folder.into();
    let mut missing = Vec::new();
    if !folder.has(file_names::CONFIG) {
        return None;
    }
    let config: Value = folder
        .read(file_names::CONFIG, LARGEST_CONFIG, "")
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_else(|| {
            missing.push(format!("{} (damaged)", file_names::CONFIG));
            Value::Null
        });
    let has = |name: &str| folder.size(name).is_some();
    let is_clip = config["model_type"]
        .as_str()
        .is_some_and(|t| t.contains("clip"));
    let kind = if is_clip || (has(file_names::VOCABULARY) && !has(file_names::TOKENIZER)) {
        ModelKind::Clip
    } else {
        ModelKind::Assistant
    };
    if let Some(tokenizer) = kind.tokenizer_file().filter(|name| !has(name)) {
        missing.push(tokenizer.to_owned());
    }
    let (files, wrong) = weights_files(&folder);
    missing.extend(wrong);
    let mut held: BTreeMap<String, u64> = BTreeMap::new();
    for name in files {
        match folder.weights(&name) {
            Ok(file) => {
                for (kind, count) in counts(&file) {
                    *held.entry(kind).or_default() += count;
                }
            }
            Err(_) if folder.has(&name) => missing.push(format!("{name} (damaged)")),
            Err(_) => missing.push(name),
        }
    }
    let record = folder.on_disk().and_then(FetchRecord::read);
    let hub_name = record
        .as_ref()
        .map(|r| r.model.clone())
        .or_else(|| by_folder(&folder.name()));
    let name = hub_name.as_deref().map(last_part).map(str::to_owned);
    Some(LocalModel {
        name: name.unwrap_or_else(|| folder.name()),
        kind,
        hub_name,
        commit: record.map(|r| r.commit),
        parameters: held.values().sum(),
        numbers: in_order(held),
        bytes: folder_bytes(&folder),
        untrained: config["untrained"].as_bool().unwrap_or(false),
        missing,
        folder,
    })
}

fn last_part(hub_name: &str) -> &str {
    hub_name.rsplit('/').next().unwrap_or(hub_name)
}

/// The published model that a folder is named after.
fn by_folder(name: &str) -> Option<String> {
    let model = PUBLISHED
        .iter()
        .find(|model| name == model.name().folder_name() || name == last_part(model.hub_name))?;
    Some(model.hub_name.to_owned())
}

fn folder_bytes(folder: &ModelFolder) -> u64 {
    let files = folder.files();
    files.iter().filter_map(|name| folder.size(name)).sum()
}

/// The dtypes, the most frequent first.
fn in_order(counts: BTreeMap<String, u64>) -> String {
    let mut types: Vec<(String, u64)> = counts.into_iter().collect();
    types.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let names: Vec<String> = types
        .into_iter()
        .map(|(name, _)| name.to_lowercase())
        .collect();
    names.join(", ")
}
