//! `adapter_config.json` of a PEFT adapter, and the model it names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::checkpoint::has_weights;
use super::file_names::{ADAPTER_CONFIG, CONFIG};
use super::{BuiltIn, ModelError, ModelFolder, hub_cache};

const MAX_BYTES: u64 = 16 << 20;
const HINT: &str = "choose the folder that holds adapter_config.json and adapter_model.safetensors";
const MAX_RANK: usize = 1 << 16;

/// What an adapter's settings say that matters here.
#[derive(Debug)]
pub(super) struct LoraConfig {
    /// Whether the matrices it was made for are stored `[in,out]`.
    pub fan_in_fan_out: bool,
    /// Modules that have pairs; none where they are named by a pattern.
    pub target_modules: Vec<String>,
    /// Modules that are replaced.
    pub modules_to_save: Vec<String>,
    path: PathBuf,
    base: Option<String>,
    rank: usize,
    alpha: f64,
    root_scale: bool,
    ranks: BTreeMap<String, usize>,
    alphas: BTreeMap<String, f64>,
}

/// The file's fields; any may be null.
#[derive(Deserialize)]
struct Fields {
    peft_type: Option<String>,
    base_model_name_or_path: Option<String>,
    r: Option<usize>,
    lora_alpha: Option<f64>,
    use_rslora: Option<bool>,
    fan_in_fan_out: Option<bool>,
    target_modules: Option<Names>,
    modules_to_save: Option<Vec<String>>,
    bias: Option<String>,
    rank_pattern: Option<BTreeMap<String, usize>>,
    alpha_pattern: Option<BTreeMap<String, f64>>,
    use_dora: Option<bool>,
    lora_bias: Option<bool>,
    use_qalora: Option<bool>,
    layer_replication: Option<Value>,
    trainable_token_indices: Option<Value>,
    target_parameters: Option<Vec<Value>>,
}

/// Modules by name, or a pattern.
#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    List(Vec<String>),
    Pattern(#[allow(dead_code)] String),
}

impl LoraConfig {
    /// Reads the settings in an adapter's folder and refuses what is no plain LoRA.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let folder = ModelFolder::from(folder);
        let path = folder.file(ADAPTER_CONFIG);
        let text = folder.read(ADAPTER_CONFIG, MAX_BYTES, HINT)?;
        let fields: Fields = serde_json::from_slice(&text).map_err(|error| ModelError::Json {
            path: path.clone(),
            message: error.to_string(),
        })?;
        let config = Self::build(fields, path.clone());
        config.map_err(|message| ModelError::Adapter { path, message })
    }

    fn build(fields: Fields, path: PathBuf) -> Result<Self, String> {
        let kind = fields.peft_type.unwrap_or_default();
        if kind != "LORA" {
            return Err(format!(
                "it is an adapter of kind {kind:?}; only LORA can be merged"
            ));
        }
        let refused = [
            ("use_dora", fields.use_dora == Some(true)),
            ("lora_bias", fields.lora_bias == Some(true)),
            ("use_qalora", fields.use_qalora == Some(true)),
            ("layer_replication", fields.layer_replication.is_some()),
            (
                "trainable_token_indices",
                fields.trainable_token_indices.is_some(),
            ),
            (
                "target_parameters",
                fields
                    .target_parameters
                    .is_some_and(|list| !list.is_empty()),
            ),
        ];
        if let Some((name, _)) = refused.into_iter().find(|(_, set)| *set) {
            return Err(format!(
                "it uses {name}, which cannot be merged here; merge it with PEFT and open the result"
            ));
        }
        let bias = fields.bias.unwrap_or_else(|| "none".to_string());
        if !["none", "all", "lora_only"].contains(&bias.as_str()) {
            return Err(format!("bias is {bias:?}; known are none, all, lora_only"));
        }
        let rank = fields.r.ok_or("r is missing")?;
        let alpha = fields.lora_alpha.ok_or("lora_alpha is missing")?;
        let (ranks, alphas) = (
            fields.rank_pattern.unwrap_or_default(),
            fields.alpha_pattern.unwrap_or_default(),
        );
        if let Some(rank) = [rank]
            .iter()
            .chain(ranks.values())
            .find(|rank| !(1..=MAX_RANK).contains(*rank))
        {
            return Err(format!("the rank is {rank}, outside 1 to {MAX_RANK}"));
        }
        if ![alpha].iter().chain(alphas.values()).all(|a| a.is_finite()) {
            return Err("lora_alpha is no number".to_string());
        }
        let plain = |c: char| c.is_alphanumeric() || "._".contains(c);
        let mut patterns = ranks.keys().chain(alphas.keys());
        if let Some(pattern) = patterns.find(|pattern| !pattern.chars().all(plain)) {
            return Err(format!(
                "the pattern {pattern:?} of rank_pattern or alpha_pattern is no plain name"
            ));
        }
        Ok(Self {
            fan_in_fan_out: fields.fan_in_fan_out.unwrap_or(false),
            target_modules: match fields.target_modules {
                Some(Names::List(names)) => names,
                Some(Names::Pattern(_)) | None => Vec::new(),
            },
            modules_to_save: fields.modules_to_save.unwrap_or_default(),
            path,
            base: fields.base_model_name_or_path,
            rank,
            alpha,
            root_scale: fields.use_rslora.unwrap_or(false),
            ranks,
            alphas,
        })
    }

    /// Rank of the pair for a weight, and what its product is multiplied with: alpha over the rank, or over its root.
    pub fn rank_and_scale(&self, target: &str) -> (usize, f64) {
        let module = target.strip_suffix(".weight").unwrap_or(target);
        let names = |pattern: &String| {
            module
                .strip_suffix(pattern.as_str())
                .is_some_and(|before| before.is_empty() || before.ends_with('.'))
        };
        let rank = self.ranks.iter().find(|(pattern, _)| names(pattern));
        let rank = rank.map_or(self.rank, |(_, rank)| *rank);
        let alpha = self.alphas.iter().find(|(pattern, _)| names(pattern));
        let alpha = alpha.map_or(self.alpha, |(_, alpha)| *alpha);
        let divisor = if self.root_scale {
            (rank as f64).sqrt()
        } else {
            rank as f64
        };
        (rank, alpha / divisor)
    }
}

/// The folder of the model that an adapter is for: what `base_model_name_or_path` names, if that is a folder (from
/// here, or from the adapter's), or a model of that name beside the adapter, in one of `models` or in the program.
///
/// # Errors
/// When the settings cannot be read or there is no such model.
pub fn base_folder(adapter: &Path, models: &[PathBuf]) -> Result<ModelFolder, ModelError> {
    let config = LoraConfig::open(adapter)?;
    let base = config.base.as_deref().unwrap_or_default().trim();
    let missing = |message: String| ModelError::Adapter {
        path: config.path.clone(),
        message,
    };
    if base.is_empty() {
        return Err(missing(
            "it names no base model; give the model's folder and the adapter's (--model and --adapter)"
                .to_string(),
        ));
    }
    let last = base.trim_end_matches(['/', '\\']);
    let last = last.rsplit(['/', '\\']).next().unwrap_or(last);
    let mut candidates = vec![PathBuf::from(base), adapter.join(base)];
    let beside = adapter.canonicalize().ok();
    let beside = beside.as_deref().and_then(Path::parent);
    for folder in beside
        .into_iter()
        .chain(models.iter().map(PathBuf::as_path))
    {
        candidates.push(folder.join(last));
        candidates.push(folder.join(base.replace('/', "--")));
        candidates.extend(hub_cache::snapshot(folder, base, "main").map(|(folder, _)| folder));
    }
    candidates
        .into_iter()
        .map(ModelFolder::Disk)
        .chain(BuiltIn::named(last).map(ModelFolder::BuiltIn))
        .find(|folder| folder.size(CONFIG).is_some() && has_weights(folder))
        .ok_or_else(|| {
            missing(format!(
                "its base model {base:?} is not on this machine; give the model's folder and the adapter's \
                 (--model and --adapter)"
            ))
        })
}

/// Whether a folder holds an adapter and no weights of a model; some trainers put the model's settings beside it.
pub fn is_adapter(folder: &ModelFolder) -> bool {
    folder.size(ADAPTER_CONFIG).is_some() && !has_weights(folder)
}
