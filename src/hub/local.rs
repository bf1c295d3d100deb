//! The models on this machine.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::weights::{counts, weights_files};
use super::{HubError, Kind, ModelName, PUBLISHED, Record, published, size_text};
use crate::model::ModelPlace;
use crate::model::weights::WeightsFile;

/// The folder where models are looked for first, below where the program is started.
pub const HERE: &str = "models";
/// Largest configuration that is read.
const LARGEST_CONFIG: u64 = 1 << 20;

/// A checkpoint in a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LocalModel {
    /// The folder.
    pub folder: PathBuf,
    /// What to call it.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
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

/// The folders where models are looked for: `models/` where the program is started, then
/// [`models_folder`].
pub fn search_folders() -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from(HERE)];
    folders.extend(models_folder());
    folders
}

/// A model in this folder, with the models on this machine beside it: an adapter's own may be among them.
pub fn place(folder: PathBuf, adapter: Option<PathBuf>) -> ModelPlace {
    ModelPlace {
        folder,
        adapter,
        models: search_folders(),
    }
}

/// The models in these folders or right below them, complete or not, by name. Headers are read, no
/// weights.
pub fn find(folders: &[PathBuf]) -> Vec<LocalModel> {
    let mut found: Vec<LocalModel> = Vec::new();
    for folder in folders {
        let mut places = vec![folder.clone()];
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut below: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        below.sort();
        places.extend(below);
        for place in places {
            let is_new = !found.iter().any(|model| is_same(&model.folder, &place));
            if let (true, Some(model)) = (is_new, look(&place)) {
                found.push(model);
            }
        }
    }
    found
}

fn is_same(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// The first complete assistant in these folders, else the first that is none yet: its error will say
/// what is wrong.
pub fn first_assistant(folders: &[PathBuf]) -> Option<PathBuf> {
    let assistants = find(folders)
        .into_iter()
        .filter(|m| m.kind == Kind::Assistant);
    let (whole, broken): (Vec<_>, Vec<_>) = assistants.partition(LocalModel::is_complete);
    let first = whole.into_iter().next().or(broken.into_iter().next());
    first.map(|model| model.folder)
}

/// The folder of a model that a person names: a folder, a published model's name, or the name of one
/// that is here.
///
/// # Errors
/// When there is neither such a folder nor such a model; the message says how to get it.
pub fn resolve(text: &str) -> Result<PathBuf, HubError> {
    resolve_in(text, &search_folders())
}

/// As [`resolve`], for a path as the command line gives it.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_path(path: PathBuf) -> Result<PathBuf, HubError> {
    match path.to_str() {
        Some(text) => resolve(text),
        // No name is written in anything but Unicode.
        None => Ok(path),
    }
}

/// As [`resolve`], looking into these folders.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_in(text: &str, folders: &[PathBuf]) -> Result<PathBuf, HubError> {
    let path = PathBuf::from(text);
    if path.is_dir() {
        return Ok(path);
    }
    let wanted = published(text);
    let hub_name = wanted.map_or(text, |model| model.hub_name);
    let found = find(folders).into_iter().find(|model| {
        let folder = model.folder.file_name().map(|n| n.to_string_lossy());
        model.hub_name.as_deref() == Some(hub_name)
            || model.name == text
            || folder.is_some_and(|folder| folder == text)
    });
    match (found, wanted) {
        (Some(model), _) if model.is_complete() || wanted.is_none() => Ok(model.folder),
        (_, Some(model)) => Err(HubError::NotFetched {
            name: model.short.to_owned(),
            bytes: model.bytes,
        }),
        _ => Err(HubError::NotHere(text.to_owned())),
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
    let record = Record::read(folder)?;
    let bytes = folder_bytes(folder);
    let total = record.total_bytes();
    let name = ModelName::parse(&record.model).ok()?;
    let kind = published(&record.model).map_or(Kind::Assistant, |model| model.kind);
    let what = format!(
        "{} of {} have come; fetching it again goes on from there",
        size_text(bytes.min(total)),
        size_text(total)
    );
    Some(LocalModel {
        folder: folder.to_owned(),
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
pub fn inspect(folder: &Path) -> Option<LocalModel> {
    let mut missing = Vec::new();
    let file = File::open(folder.join("config.json")).ok()?;
    let mut text = Vec::new();
    let read = file.take(LARGEST_CONFIG).read_to_end(&mut text);
    let config: Value = read
        .ok()
        .and_then(|_| serde_json::from_slice(&text).ok())
        .unwrap_or_else(|| {
            missing.push("config.json (damaged)".to_owned());
            Value::Null
        });
    let has = |name: &str| folder.join(name).is_file();
    let is_clip = config["model_type"]
        .as_str()
        .is_some_and(|t| t.contains("clip"));
    let kind = if is_clip || (has("vocab.txt") && !has("tokenizer.model")) {
        Kind::Clip
    } else {
        Kind::Assistant
    };
    let tokenizer = match kind {
        Kind::Assistant => "tokenizer.model",
        Kind::Clip => "vocab.txt",
    };
    if !has(tokenizer) {
        missing.push(tokenizer.to_owned());
    }
    let (files, wrong) = weights_files(folder);
    missing.extend(wrong);
    let mut held: BTreeMap<String, u64> = BTreeMap::new();
    for path in files {
        match WeightsFile::open(&path) {
            Ok(file) => {
                for (kind, count) in counts(&file) {
                    *held.entry(kind).or_default() += count;
                }
            }
            Err(_) => missing.push(wrong_file(&path)),
        }
    }
    let record = Record::read(folder);
    let hub_name = record
        .as_ref()
        .map(|r| r.model.clone())
        .or_else(|| by_folder(folder));
    let name = hub_name.as_deref().map(last_part).map(str::to_owned);
    Some(LocalModel {
        folder: folder.to_owned(),
        name: name.unwrap_or_else(|| folder_name(folder)),
        kind,
        hub_name,
        commit: record.map(|r| r.commit),
        parameters: held.values().sum(),
        numbers: in_order(held),
        bytes: folder_bytes(folder),
        untrained: config["untrained"].as_bool().unwrap_or(false),
        missing,
    })
}

fn wrong_file(path: &Path) -> String {
    let name = folder_name(path);
    if path.exists() {
        format!("{name} (damaged)")
    } else {
        name
    }
}

fn folder_name(folder: &Path) -> String {
    let whole = folder.canonicalize();
    let named = whole.as_deref().unwrap_or(folder).file_name();
    named.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn last_part(hub_name: &str) -> &str {
    hub_name.rsplit('/').next().unwrap_or(hub_name)
}

/// The published model that a folder is named after.
fn by_folder(folder: &Path) -> Option<String> {
    let name = folder_name(folder);
    let model = PUBLISHED
        .iter()
        .find(|model| name == model.name().folder_name() || name == last_part(model.hub_name))?;
    Some(model.hub_name.to_owned())
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| entry.metadata().ok());
    files
        .filter(fs::Metadata::is_file)
        .map(|about| about.len())
        .sum()
}

/// The types of numbers, the most frequent first.
fn in_order(counts: BTreeMap<String, u64>) -> String {
    let mut types: Vec<(String, u64)> = counts.into_iter().collect();
    types.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let names: Vec<String> = types
        .into_iter()
        .map(|(name, _)| name.to_lowercase())
        .collect();
    names.join(", ")
}
