//! The file that says how a model is trained.

use std::path::{Path, PathBuf};

use candle_core::DType;
use serde::{Deserialize, Deserializer};

use super::TrainingError;
use super::optimiser::{OptimiserSettings, Rule};
use m3d_model::{BuiltIn, ModelFolder};

/// Largest configuration file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// A training from beginning to end. Paths are relative to the file's folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// Where everything is written.
    pub out: PathBuf,
    /// The seed of all that is random.
    #[serde(default)]
    pub seed: u64,
    /// `auto`, `cpu`, `cuda` or `metal`.
    #[serde(default = "auto")]
    pub device: String,
    /// `f32`; `tf32` to round the factors of products where an NVIDIA GPU computes them; or `bf16` to compute in bfloat16
    /// while weights stay in f32. On the CPU only the factors of products are rounded, and only where it has
    /// registers for them (AMX).
    #[serde(default = "f32_name")]
    pub dtype: String,
    /// Minutes between two saved states.
    #[serde(default = "five")]
    pub save_minutes: f64,
    /// A checkpoint to start from: its folder, or the name of a model in the program, as `small`; without it a new model
    /// of the sizes in `model` is made.
    #[serde(default, deserialize_with = "model_folder")]
    pub base: Option<ModelFolder>,
    /// The size, (D,H,W), that the patches of the base's vision tower get; smaller, it sees finer.
    #[serde(default)]
    pub patch_size: Option<[usize; 3]>,
    /// The size that the patches of the base's segmentation network get; smaller, its masks get finer.
    #[serde(default)]
    pub seg_patch_size: Option<[usize; 3]>,
    /// The new model's sizes, named as in `config.json`; the vocabulary's numbers are filled in.
    #[serde(default)]
    pub model: Option<toml::Table>,
    /// A new M3D-CLIP's sizes instead, named as in its `config.json`.
    #[serde(default)]
    pub clip: Option<toml::Table>,
    /// A model of either kind whose vision transformer the new one's begins as.
    #[serde(default)]
    pub vision: Option<PathBuf>,
    /// The dtype of the finished model's weights: `f32`, `f16` or `bf16`.
    #[serde(default = "f32_name")]
    pub weights: String,
    /// The new model's vocabulary.
    #[serde(default)]
    pub vocabulary: VocabularyConfig,
    /// What is learnt from.
    pub data: DataConfig,
    /// What is learnt, one stage after the other.
    pub stages: Vec<StageConfig>,
}

/// A new model's vocabulary.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VocabularyConfig {
    /// The most tokens.
    pub tokens: usize,
    /// Phantoms or images of the folder whose texts it is learnt from.
    pub samples: u64,
}

impl Default for VocabularyConfig {
    fn default() -> Self {
        Self {
            tokens: 1024,
            samples: 400,
        }
    }
}

/// What is learnt from: phantoms made on the way, or a folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// A folder in M3D-Data's layout; without it phantoms are made.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// How far phantoms stray from the usual, 0 to 1.
    #[serde(default = "one")]
    pub variety: f32,
    /// The first phantom's seed; the others count up from it.
    #[serde(default = "first_seed")]
    pub first_seed: u64,
    /// How many different phantoms there are.
    #[serde(default = "endless")]
    pub count: u64,
    /// The share of samples prepared as captions are, rather than as segmentation data.
    #[serde(default = "half")]
    pub captions: f32,
    /// The share of questions about what is not there.
    #[serde(default = "quarter")]
    pub negatives: f32,
    /// The share of questions that describe instead of name.
    #[serde(default = "fifth")]
    pub described: f32,
}

/// What a stage trains, M3D's steps and one before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The segmentation network alone, with one prompt for each class instead of words.
    Segmentation,
    /// The projector alone: the decoder learns to read the image tokens.
    Projector,
    /// Everything; with `lora` the decoder's matrices only through adapters.
    All,
    /// All of M3D-CLIP: which report belongs to which image.
    Contrast,
}

impl Stage {
    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Segmentation => "segmentation",
            Self::Projector => "projector",
            Self::All => "all",
            Self::Contrast => "contrast",
        }
    }
}

/// One stage.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageConfig {
    /// What it trains.
    pub stage: Stage,
    /// Steps of the optimiser.
    pub steps: u64,
    /// Ends the stage earlier; the learning rate then follows the time.
    #[serde(default)]
    pub hours: Option<f64>,
    /// Volumes in a batch.
    pub volumes: usize,
    /// Gradient accumulation: batches whose gradients are added up for a step.
    #[serde(default = "one_batch")]
    pub accumulate: usize,
    /// Questions asked about each volume; without any only the losses of `dense` are left.
    #[serde(default)]
    pub talks: usize,
    /// How likely each kind of finding is in a phantom; without it as likely as `data phantom` has them.
    #[serde(default)]
    pub findings: Option<f32>,
    /// Masks drawn in each volume, at most.
    #[serde(default)]
    pub masks: usize,
    /// Dense supervision: whether the image encoder is also trained to predict from each token what its patch holds; in the
    /// stage segmentation that of the segmentation network, elsewhere the vision tower, which is also trained on findings,
    /// plane, phase and region.
    #[serde(default)]
    pub dense: bool,
    /// Whether the masks that are asked for in words are drawn, and their losses learnt from. Where not, words learn only
    /// which prompt asks for which class, of those that a stage `segmentation` before has found.
    #[serde(default = "yes")]
    pub draw: bool,
    /// How far short answers weigh as much as long ones: with 0 every token counts alike, as published; with 1 every
    /// answer.
    #[serde(default)]
    pub balance: f32,
    /// How many times as much the first token of an answer weighs as each of the others, and in a structured report the
    /// first after each heading: it chooses the letter, the yes or the refusal that the rest only follows.
    #[serde(default = "one")]
    pub first: f32,
    /// The highest learning rate.
    pub rate: f64,
    /// The fraction of it that is left at the end.
    #[serde(default = "twentieth")]
    pub last_rate: f64,
    /// Warm-up: the fraction of the stage over which the rate rises.
    #[serde(default = "fiftieth")]
    pub warm_up: f64,
    /// The largest global norm of the gradient; a larger one is clipped to it.
    #[serde(default = "one_norm")]
    pub clip_norm: f64,
    /// The optimiser of matrices: `adamw` or `muon`.
    #[serde(default)]
    pub optimiser: Rule,
    /// Decoupled weight decay: the fraction of a matrix that is lost per step and unit of rate.
    #[serde(default = "hundredth")]
    pub weight_decay: f64,
    /// Whether the vision tower begins the stage as the segmentation network's image encoder: it has learnt
    /// from outlines where things are. Both must have the same sizes, but for the patches.
    #[serde(default)]
    pub vision_from_segmentation: bool,
    /// The value, 0 to 1, that the image encoder's patch embedding counts from when the stage begins: that of soft tissue,
    /// whose small differences are lost in a norm as long as most of each token tells how far it is from black.
    #[serde(default)]
    pub centre: Option<f32>,
    /// Prefixes of the names of tensors that are frozen.
    #[serde(default)]
    pub freeze: Vec<String>,
    /// Adapters on the decoder.
    #[serde(default)]
    pub lora: Option<LoraConfig>,
}

impl StageConfig {
    /// The optimiser's settings.
    pub fn optimiser(&self) -> OptimiserSettings {
        OptimiserSettings {
            rule: self.optimiser,
            weight_decay: self.weight_decay,
            ..OptimiserSettings::default()
        }
    }
}

/// Low-rank adapters.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraConfig {
    /// The rank; M3D took 16.
    pub rank: usize,
    /// The scale is alpha over rank; M3D took 32.
    pub alpha: f64,
    /// The matrices of the decoder's layers: what their names end with, without `.weight`, or `all-linear`. The usual
    /// names `q_proj`, `k_proj`, `v_proj`, `gate_proj` and `up_proj` stand for the fused matrices where there are those.
    pub targets: Vec<String>,
}

fn model_folder<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ModelFolder>, D::Error> {
    Ok(Option::<PathBuf>::deserialize(from)?.map(ModelFolder::Disk))
}

/// A folder below the configuration's wins over a model of that name in the program.
fn find_base(folder: &Path, base: &Path) -> ModelFolder {
    let path = folder.join(base);
    let named = base.to_str().filter(|_| !path.is_dir());
    named
        .and_then(BuiltIn::named)
        .map_or(ModelFolder::Disk(path), ModelFolder::BuiltIn)
}

fn auto() -> String {
    "auto".into()
}
fn f32_name() -> String {
    "f32".into()
}
fn five() -> f64 {
    5.0
}
fn one() -> f32 {
    1.0
}
/// Well away from the small seeds that tests and demonstrations use.
fn first_seed() -> u64 {
    1 << 32
}
fn endless() -> u64 {
    u64::MAX
}
fn half() -> f32 {
    0.5
}
fn quarter() -> f32 {
    0.25
}
fn fifth() -> f32 {
    0.2
}
fn yes() -> bool {
    true
}
fn one_batch() -> usize {
    1
}
fn twentieth() -> f64 {
    0.05
}
fn fiftieth() -> f64 {
    0.02
}
fn one_norm() -> f64 {
    1.0
}
fn hundredth() -> f64 {
    0.01
}

impl TrainingConfig {
    /// Reads and checks a configuration.
    pub fn open(path: &Path) -> Result<Self, TrainingError> {
        let length = std::fs::metadata(path).map_err(|e| TrainingError::io(path, e))?;
        let wrong = |message: String| TrainingError::Config {
            path: path.to_path_buf(),
            message,
        };
        if !length.is_file() || length.len() > MAX_BYTES {
            return Err(wrong("this is no configuration file".into()));
        }
        let text = std::fs::read_to_string(path).map_err(|e| TrainingError::io(path, e))?;
        let mut config: Self = toml::from_str(&text).map_err(|e| {
            let line = e.span().map_or(0, |span| {
                1 + text
                    .get(..span.start)
                    .unwrap_or_default()
                    .matches('\n')
                    .count()
            });
            wrong(format!("line {line}: {}", e.message().replace('\n', " ")))
        })?;
        config.check().map_err(wrong)?;
        let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let from_here = |path: &mut PathBuf| *path = folder.join(&*path);
        from_here(&mut config.out);
        if let Some(ModelFolder::Disk(base)) = &config.base {
            config.base = Some(find_base(&folder, base));
        }
        config.vision.iter_mut().for_each(from_here);
        config
            .data
            .folder
            .iter_mut()
            .for_each(|path| *path = folder.join(&*path));
        Ok(config)
    }

    /// The dtype of the finished model's weights.
    pub(super) fn dtype_of_weights(&self) -> DType {
        match self.weights.as_str() {
            "f16" => DType::F16,
            "bf16" => DType::BF16,
            _ => DType::F32,
        }
    }

    fn check(&self) -> Result<(), String> {
        require(!self.stages.is_empty(), "there is no stage; add [[stages]]")?;
        let sources = [
            self.base.is_some(),
            self.model.is_some(),
            self.clip.is_some(),
        ];
        require(
            sources.into_iter().filter(|given| *given).count() == 1,
            "give one of base, a checkpoint's folder, [model], the sizes of a new M3D-LaMed, and [clip], those of a \
             new M3D-CLIP",
        )?;
        require(
            (self.patch_size.is_none() && self.seg_patch_size.is_none()) || self.base.is_some(),
            "patch_size and seg_patch_size change a base; a new model's patches are set in [model]",
        )?;
        require(
            (self.patch_size.is_none() && self.seg_patch_size.is_none())
                || self.stages.iter().all(|stage| stage.lora.is_none()),
            "an adapter does not fit a base whose patches are changed; change them in a training of its own and take \
             its model as the base",
        )?;
        require(
            ["f32", "f16", "bf16"].contains(&self.weights.as_str()),
            "weights must be \"f32\", \"f16\" or \"bf16\"",
        )?;
        require(
            ["f32", "tf32", "bf16"].contains(&self.dtype.as_str()),
            "dtype must be \"f32\", \"tf32\" or \"bf16\"",
        )?;
        let share = |x: f32| (0.0..=1.0).contains(&x);
        let data = &self.data;
        require(
            [data.variety, data.captions, data.negatives, data.described]
                .into_iter()
                .all(share),
            "variety, captions, negatives and described are shares from 0 to 1",
        )?;
        require(data.count > 0, "count must be at least 1")?;
        require(
            self.save_minutes.is_finite() && self.save_minutes > 0.0,
            "save_minutes must be above 0",
        )?;
        require(
            (512..=1 << 20).contains(&self.vocabulary.tokens) && self.vocabulary.samples > 0,
            "a vocabulary has 512 to 1048576 tokens and is learnt from at least one sample",
        )?;
        self.stages.iter().try_for_each(StageConfig::check)
    }
}

impl StageConfig {
    fn check(&self) -> Result<(), String> {
        let share = |x: f32| (0.0..=1.0).contains(&x);
        let name = self.stage.name();
        let positive = |x: f64| x.is_finite() && x > 0.0;
        require(
            self.steps > 0 && self.volumes > 0 && self.accumulate > 0,
            &format!("stage {name}: steps, volumes and accumulate must be at least 1"),
        )?;
        require(
            positive(self.rate) && positive(self.clip_norm) && self.hours.is_none_or(positive),
            &format!("stage {name}: rate, clip_norm and hours must be above 0"),
        )?;
        require(
            (0.0..1.0).contains(&self.warm_up) && (0.0..=1.0).contains(&self.last_rate),
            &format!("stage {name}: warm_up and last_rate are parts from 0 to 1"),
        )?;
        require(
            self.stage != Stage::Segmentation || self.masks > 0,
            &format!("stage {name}: masks must be at least 1"),
        )?;
        require(
            (0.0..=1.0).contains(&self.balance),
            &format!("stage {name}: balance is from 0 to 1"),
        )?;
        require(
            (1.0..=100.0).contains(&self.first),
            &format!("stage {name}: first is from 1 to 100"),
        )?;
        require(
            !self.dense || self.stage != Stage::Contrast,
            &format!("stage {name}: dense is for M3D-LaMed"),
        )?;
        require(
            self.stage != Stage::Contrast || self.volumes > 1,
            &format!("stage {name}: a batch needs at least 2 volumes to compare"),
        )?;
        require(
            matches!(self.stage, Stage::Segmentation | Stage::Contrast)
                || self.talks > 0
                || self.dense,
            &format!("stage {name}: talks must be at least 1, or dense true"),
        )?;
        require(
            self.findings.is_none_or(share),
            &format!("stage {name}: findings is a share from 0 to 1"),
        )?;
        require(
            self.centre.is_none_or(share),
            &format!("stage {name}: centre is a value of the image, from 0 to 1"),
        )?;
        require(
            self.lora
                .as_ref()
                .is_none_or(|l| l.rank > 0 && !l.targets.is_empty()),
            &format!("stage {name}: lora needs a rank and targets"),
        )?;
        Ok(())
    }
}

fn require(ok: bool, message: &str) -> Result<(), String> {
    if ok { Ok(()) } else { Err(message.to_string()) }
}
