//! The two networks that can be trained, and the files that belong to each.

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use serde_json::{Value, json};

use super::contrast::contrast_gradients;
use super::files::write_whole;
use super::folder::FolderSamples;
use super::initial::Sizes;
use super::phantoms::PhantomSamples;
use super::repatch::{repatch, repatch_clip};
use super::step::{Objective, gradients};
use super::vocabulary::Vocabulary;
use super::wordpiece::learn_pieces;
use super::words::Words;
use super::{Gradients, Losses, Sample, TrainingConfig, TrainingError, Variables, Wanted};
use m3d_model::{Checkpoint, ClipCheckpoint, ClipConfig, LamedConfig, file_names};
use m3d_model::{Precision, Tokenizer, WordPieceTokenizer, clip::clip_tensors};

/// Where M3D-LaMed's vision transformer lies.
pub(super) const VISION: &str = "model.vision_tower.vision_tower.";
/// Where M3D-CLIP's lies.
pub(super) const CLIP_VISION: &str = "vision_encoder.";
/// Where SegVol's lies, which is built alike: the vision tower may begin as it.
pub(super) const SEGMENTATION_ENCODER: &str = "model.seg_module.image_encoder.";

/// Largest settings or tokenizer that is copied.
const LARGEST_COMPANION: u64 = 256 << 20;

/// What is trained, without its weights.
pub(super) enum Network {
    /// M3D-LaMed.
    Lamed {
        /// Its sizes.
        config: LamedConfig,
        /// What it reads and says.
        words: Arc<Words>,
    },
    /// M3D-CLIP.
    Clip {
        /// Its sizes.
        config: ClipConfig,
        /// What it reads.
        words: WordPieceTokenizer,
    },
}

impl Network {
    /// Writes the files of the model that is to be made into a folder, and reads them back; where there are such
    /// files already, they stay.
    pub fn open(training: &TrainingConfig, folder: &Path) -> Result<Self, TrainingError> {
        let path = folder.join(file_names::CONFIG);
        if let Some(base) = &training.base {
            if base.size(file_names::CONFIG).is_none() {
                return Err(TrainingError::Data(format!(
                    "base: {base} is neither a checkpoint's folder nor one of the models in the program (small, small-clip)"
                )));
            }
            for name in file_names::COMPANIONS {
                if base.size(name).is_some() {
                    let bytes = base.read(name, LARGEST_COMPANION, "")?;
                    write_whole(&folder.join(name), &bytes)?;
                }
            }
            set_patches(training, &path)?;
        } else if !path.exists() {
            match (&training.model, &training.clip) {
                (Some(sizes), _) => make_lamed(training, sizes, folder)?,
                (_, Some(sizes)) => make_clip(training, sizes, folder)?,
                // Refused when the configuration was checked.
                _ => {}
            }
        }
        let text = std::fs::read(&path).map_err(|e| TrainingError::io(&path, e))?;
        if folder.join(file_names::VOCABULARY).exists() {
            let config: ClipConfig = serde_json::from_slice(&text)
                .map_err(|e| TrainingError::state(&path, e.to_string()))?;
            config.validate()?;
            let words = WordPieceTokenizer::open(folder)?;
            return Ok(Self::Clip { config, words });
        }
        let config = LamedConfig::from_json(&text).map_err(|e| TrainingError::state(&path, e))?;
        let end = match &training.base {
            Some(base) => Checkpoint::open(base)?.stop_ids.first().copied(),
            None => config
                .eos_token_id
                .as_ref()
                .and_then(|ids| ids.to_vec().first().copied()),
        };
        let end = end.ok_or_else(|| {
            TrainingError::state(&path, "no token ends an answer; set eos_token_id")
        })?;
        let words = Arc::new(Words::new(Tokenizer::open(folder)?, end));
        Ok(Self::Lamed { config, words })
    }

    /// Its weights: those of the base where there is one, else new ones.
    pub fn variables(
        &self,
        training: &TrainingConfig,
        device: &Device,
    ) -> Result<Variables, TrainingError> {
        let variables = match (self, &training.base) {
            (Self::Lamed { config, .. }, Some(base)) => {
                let base = Checkpoint::open(base)?;
                let mut variables = Variables::from_checkpoint(&base, device, &|_| {})?;
                repatch(&mut variables, &base.config, config)?;
                variables
            }
            (Self::Clip { config, .. }, Some(base)) => {
                let base = ClipCheckpoint::open(base)?;
                let mut variables = Variables::from_tensors(base.tensors(device)?, device);
                repatch_clip(&mut variables, &base.config, config)?;
                variables
            }
            (Self::Lamed { config, .. }, None) => Variables::new(config, training.seed, device)?,
            (Self::Clip { config, .. }, None) => {
                let wanted = clip_tensors(config)?;
                Variables::drawn(wanted, &Sizes::of_clip(config), training.seed, device)?
            }
        };
        Ok(variables)
    }

    /// The size of the prepared image, (D,H,W).
    pub fn image_size(&self) -> [usize; 3] {
        match self {
            Self::Lamed { config, .. } => config.image_size,
            Self::Clip { config, .. } => config.img_size,
        }
    }

    /// Where its vision transformer's tensors are.
    pub fn vision_prefix(&self) -> &'static str {
        match self {
            Self::Lamed { .. } => VISION,
            Self::Clip { .. } => CLIP_VISION,
        }
    }

    /// Losses and gradients of a batch.
    pub fn gradients(
        &self,
        variables: &Variables,
        precision: Precision,
        objective: Objective,
        samples: &[Sample],
    ) -> Result<(Losses, Gradients), TrainingError> {
        match self {
            Self::Lamed { config, .. } => {
                gradients(config, variables, precision, objective, samples)
            }
            Self::Clip { config, words } => {
                contrast_gradients(config, words, variables, precision, samples)
            }
        }
    }
}

/// Writes the sizes of patches that a base is to get into its configuration.
fn set_patches(training: &TrainingConfig, path: &Path) -> Result<(), TrainingError> {
    if training.patch_size.is_none() && training.seg_patch_size.is_none() {
        return Ok(());
    }
    let text = std::fs::read(path).map_err(|e| TrainingError::io(path, e))?;
    let mut model: Value =
        serde_json::from_slice(&text).map_err(|e| TrainingError::state(path, e.to_string()))?;
    let is_clip = path.with_file_name(file_names::VOCABULARY).exists();
    if !is_clip {
        if !model["seg_config"].is_object() {
            model["seg_config"] = json!({});
        }
        let of_segmentation = &mut model["seg_config"]["patch_size"];
        if let Some(size) = training.seg_patch_size {
            *of_segmentation = json!(size);
        } else if of_segmentation.is_null() {
            // It keeps its patches where only the vision tower's change.
            let base = LamedConfig::from_json(&text).map_err(|e| TrainingError::state(path, e))?;
            *of_segmentation = json!(base.patch_size);
        }
    }
    if let Some(size) = training.patch_size {
        model["patch_size"] = json!(size);
    }
    write_whole(path, format!("{model:#}\n").as_bytes())
}

fn image_size(model: &Value, name: &str) -> [usize; 3] {
    model
        .get(name)
        .and_then(|size| serde_json::from_value(size.clone()).ok())
        .unwrap_or([32, 256, 256])
}

fn to_json(sizes: &toml::Table) -> Result<Value, TrainingError> {
    serde_json::to_value(sizes).map_err(|e| TrainingError::Data(e.to_string()))
}

fn write_config(model: &Value, folder: &Path) -> Result<(), TrainingError> {
    write_whole(
        &folder.join(file_names::CONFIG),
        format!("{model:#}\n").as_bytes(),
    )
}

/// Learns a vocabulary and writes it with the configuration of the new model.
fn make_lamed(
    training: &TrainingConfig,
    sizes: &toml::Table,
    folder: &Path,
) -> Result<(), TrainingError> {
    let mut model = to_json(sizes)?;
    let size = image_size(&model, "image_size");
    let texts = texts(training, size)?;
    let texts = texts.iter().map(String::as_str);
    let vocabulary = Vocabulary::learn(texts, training.vocabulary.tokens, size);
    let ids = vocabulary.ids();
    if let Value::Object(fields) = &mut model {
        for (name, value) in [
            ("architectures", json!(["LamedPhi3ForCausalLM"])),
            ("model_type", json!("lamed_phi3")),
            ("vocab_size", json!(ids.count)),
            ("bos_token_id", json!(ids.begin)),
            ("eos_token_id", json!(ids.end)),
            ("pad_token_id", json!(ids.end)),
            ("seg_token_id", json!(ids.seg)),
        ] {
            fields.insert(name.to_string(), value);
        }
    }
    LamedConfig::from_json(model.to_string().as_bytes()).map_err(|e| sizes_wrong("model", &e))?;
    vocabulary.write(folder)?;
    write_config(&model, folder)
}

fn make_clip(
    training: &TrainingConfig,
    sizes: &toml::Table,
    folder: &Path,
) -> Result<(), TrainingError> {
    let mut model = to_json(sizes)?;
    let texts = texts(training, image_size(&model, "img_size"))?;
    let pieces = learn_pieces(texts.iter().map(String::as_str), training.vocabulary.tokens);
    model["model_type"] = json!("m3d_clip");
    if !model["language_config"].is_object() {
        model["language_config"] = json!({});
    }
    model["language_config"]["vocab_size"] = json!(pieces.len());
    let config: ClipConfig = serde_json::from_value(model.clone())
        .map_err(|e| TrainingError::Data(format!("[clip]: {e}")))?;
    config.validate().map_err(|e| sizes_wrong("clip", &e))?;
    let vocabulary = pieces.join("\n") + "\n";
    write_whole(&folder.join(file_names::VOCABULARY), vocabulary.as_bytes())?;
    write_config(&model, folder)
}

fn sizes_wrong(table: &str, error: &dyn std::fmt::Display) -> TrainingError {
    TrainingError::Data(format!("[{table}]: {error}"))
}

/// Texts as the training will have them, to learn a vocabulary from.
fn texts(training: &TrainingConfig, size: [usize; 3]) -> Result<Vec<String>, TrainingError> {
    let (data, seed, count) = (&training.data, training.seed, training.vocabulary.samples);
    let Some(folder) = &data.folder else {
        return PhantomSamples::texts(size, data, seed, count);
    };
    let all = Wanted {
        questions: 1,
        ..Wanted::default()
    };
    let texts = FolderSamples::open(folder, data, None, size, seed, all)?.texts(count);
    if texts.is_empty() {
        return Err(TrainingError::Data(format!(
            "no text in {} could be read to learn a vocabulary from; see the log",
            folder.display()
        )));
    }
    Ok(texts)
}
