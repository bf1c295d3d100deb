//! The models that are measured.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use glam::{DAffine3, UVec3};
use sha2::{Digest, Sha256};

use super::{BenchTask, EvaluationError};
use crate::dataset::read::ImageArray;
use m3d_assistant::inference::{
    GenerationSettings, InferenceError, OpenedModel, PreparedAnswer, Request, Session,
};
use m3d_imaging::geometry::VoxelGrid;
use m3d_imaging::volume::{Modality, Rescale, Units, Volume, Voxels, Window};
use m3d_model::resize::trilinear;
use m3d_model::sums::model_fingerprint;
use m3d_model::{Clip, ClipCheckpoint, ModelFolder, ModelPlace, WordPieceTokenizer, file_names};
use m3d_model::{DTypeChoice, DeviceChoice};

/// The most tokens of an answer: the benchmark's.
const MOST_TOKENS: usize = 256;
/// Largest configuration that is read.
const LARGEST_CONFIG: u64 = 1 << 20;

/// A loaded model, with what tells it from others.
pub struct Engine {
    pub(super) model: Model,
    fingerprint: String,
    settings: String,
}

/// The two kinds of models.
pub(super) enum Model {
    /// M3D-LaMed, which answers.
    Answers(Box<Session>),
    /// M3D-CLIP, which ranks.
    Ranks(Box<Ranker>),
}

/// M3D-CLIP with the tokenizer of its texts.
pub struct Ranker {
    clip: Clip,
    tokenizer: WordPieceTokenizer,
    folder: ModelFolder,
}

/// What a folder's `config.json` says it is.
#[derive(serde::Deserialize)]
struct Kind {
    #[serde(default)]
    model_type: String,
}

fn is_clip(folder: &ModelFolder) -> bool {
    let text = folder
        .read(file_names::CONFIG, LARGEST_CONFIG, "")
        .unwrap_or_default();
    serde_json::from_slice::<Kind>(&text).is_ok_and(|kind| kind.model_type == "m3d_clip")
}

impl Engine {
    /// Loads the model that a task needs from a folder; `progress` is called with 0 to 1. For retrieval the folder is
    /// M3D-CLIP's, or one with a folder `clip` in it.
    ///
    /// # Errors
    /// When the folder holds a model of the other kind or none, or it does not fit into memory.
    pub fn load(
        task: BenchTask,
        place: &ModelPlace,
        device: DeviceChoice,
        dtype: DTypeChoice,
        progress: &dyn Fn(f32),
    ) -> Result<Self, EvaluationError> {
        let folder = &place.folder;
        if task == BenchTask::Retrieval {
            let ranker = Ranker::load(folder, device, dtype)?;
            return Ok(Self {
                fingerprint: model_fingerprint(&ranker.folder, None)
                    .map_err(EvaluationError::Model)?,
                settings: settings(&[&ranker.folder]),
                model: Model::Ranks(Box::new(ranker)),
            });
        }
        if is_clip(folder) {
            return Err(EvaluationError::WrongModel {
                folder: folder.path().to_owned(),
                found: "an M3D-CLIP, which ranks and does not answer",
                task: task.name(),
                wanted: "an M3D-LaMed",
            });
        }
        let session = OpenedModel::open(place, device, dtype)?
            .check_room(0)?
            .load(progress)?;
        // An adapter's folder names the model it is for, which is where the session's files are.
        let adapter = place.adapter.as_ref().map(ModelFolder::from);
        let mut folders = vec![folder, &session.facts().folder];
        folders.extend(&adapter);
        folders.dedup();
        Ok(Self {
            fingerprint: session.facts().fingerprint.clone(),
            settings: settings(&folders),
            model: Model::Answers(Box::new(session)),
        })
    }

    /// The model's name.
    pub fn name(&self) -> String {
        match &self.model {
            Model::Answers(session) => session.facts().name.clone(),
            Model::Ranks(ranker) => ranker.folder.name(),
        }
    }

    /// The fingerprint of its weights, the same as `ask` and `model verify` tell.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Sixteen hexadecimal digits over its settings and its tokenizer: the same weights may be computed otherwise.
    pub fn settings(&self) -> &str {
        &self.settings
    }

    /// What its weights are held in.
    pub fn numbers(&self) -> &'static str {
        match &self.model {
            Model::Answers(session) => session.facts().dtype,
            Model::Ranks(_) => "f32",
        }
    }
}

impl Ranker {
    fn load(
        folder: &ModelFolder,
        device: DeviceChoice,
        dtype: DTypeChoice,
    ) -> Result<Self, EvaluationError> {
        let inner = folder.on_disk().map(|path| path.join("clip"));
        let folder = match inner.filter(|inner| inner.is_dir()) {
            Some(inner) if !is_clip(folder) => inner.into(),
            _ => folder.clone(),
        };
        if folder.size(file_names::CONFIG).is_some() && !is_clip(&folder) {
            return Err(EvaluationError::WrongModel {
                folder: folder.path().to_owned(),
                found: "no M3D-CLIP and has no folder clip in it",
                task: BenchTask::Retrieval.name(),
                wanted: "an M3D-CLIP",
            });
        }
        if !matches!(dtype, DTypeChoice::Auto | DTypeChoice::F32) {
            let message = format!("M3D-CLIP is computed in f32, not in {dtype}; leave --dtype out");
            return Err(InferenceError::Unsupported(message).into());
        }
        let checkpoint = ClipCheckpoint::open(&folder)?;
        let tokenizer = WordPieceTokenizer::open(&folder)?;
        let clip = Clip::load(
            &checkpoint,
            &device.open().map_err(InferenceError::from)?,
            DType::F32,
        )?;
        Ok(Self {
            clip,
            tokenizer,
            folder,
        })
    }

    /// The features of an image, which is resized where the model sees another size.
    pub(super) fn image_features(&self, image: &ImageArray) -> Result<Vec<f32>, EvaluationError> {
        let features = self
            .tensor(image)
            .and_then(|image| Ok(self.clip.image_features(&image)?.flatten_all()?.to_vec1()?));
        features.map_err(EvaluationError::Model)
    }

    fn tensor(&self, image: &ImageArray) -> Result<Tensor, m3d_model::ModelError> {
        let [d, h, w] = image.size;
        let stored = Tensor::from_slice(&image.voxels, (1, d, h, w), &Device::Cpu)?;
        let size = self.clip.config().img_size;
        let stored = if size == image.size {
            stored
        } else {
            trilinear(&stored, size)?
        };
        Ok(stored.unsqueeze(0)?)
    }

    /// The features of a text.
    pub(super) fn text_features(&self, text: &str) -> Result<Vec<f32>, EvaluationError> {
        let limit = self.clip.config().text_length();
        let features = self.tokenizer.encode(text, limit).and_then(|ids| {
            let features = self.clip.text_features(&[ids])?;
            Ok(features.flatten_all()?.to_vec1()?)
        });
        features.map_err(EvaluationError::Model)
    }
}

/// The names of records of sums, which say nothing of how a model computes.
const RECORDS: &str = "m3d-";
/// Largest file of settings or of a tokenizer that is looked at.
const LARGEST_SETTINGS: u64 = 256 << 20;

/// Sixteen hexadecimal digits over the settings and the tokenizer in folders.
fn settings(folders: &[&ModelFolder]) -> String {
    let mut digest = Sha256::new();
    for folder in folders {
        for name in folder.files() {
            let ending = Path::new(&name).extension().and_then(|e| e.to_str());
            if name.starts_with(RECORDS) || !matches!(ending, Some("json" | "model" | "txt")) {
                continue;
            }
            digest.update(name.as_bytes());
            // A file that cannot be read is reported by whoever loads the model.
            digest.update(folder.read(&name, LARGEST_SETTINGS, "").unwrap_or_default());
        }
    }
    let sum = digest.finalize();
    sum[..8].iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An image in front of a model that answers.
pub(super) struct ImageSession<'a> {
    session: &'a mut Session,
    volume: Arc<Volume>,
    number: u64,
    cancelled: &'a dyn Fn() -> bool,
}

impl<'a> ImageSession<'a> {
    /// Puts an image in front of the model; `number` is that of no other image of this session.
    pub fn new(
        session: &'a mut Session,
        image: ImageArray,
        name: &str,
        number: u64,
        cancelled: &'a dyn Fn() -> bool,
    ) -> Result<Self, EvaluationError> {
        let size = image.size;
        let wrong = || EvaluationError::Image {
            image: name.to_owned(),
            size,
        };
        let [d, h, w] = size.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        let grid = VoxelGrid::new(UVec3::new(w, h, d), DAffine3::IDENTITY).map_err(|_| wrong())?;
        let voxels = Voxels::F32(image.voxels);
        let volume = Volume::new(
            grid,
            voxels,
            Rescale::IDENTITY,
            Modality::Other,
            Units::Arbitrary,
        )
        .map_err(|_| wrong())?;
        Ok(Self {
            session,
            volume: Arc::new(volume),
            number,
            cancelled,
        })
    }

    /// The image's size as it is stored: depth, height, width.
    pub fn stored_size(&self) -> [usize; 3] {
        let dims = self.volume.grid().dims();
        [dims.z, dims.y, dims.x].map(|n| n as usize)
    }

    /// The size the model sees.
    pub fn model_size(&self) -> [usize; 3] {
        self.session.facts().image_size
    }

    /// Asks greedily. A question that does not fit into the model's context is `None`.
    pub fn ask(
        &mut self,
        task: BenchTask,
        question: &str,
    ) -> Result<Option<PreparedAnswer>, EvaluationError> {
        let request = Request {
            id: 0,
            volume: Arc::clone(&self.volume),
            revision: self.number,
            task: task.inference(),
            text: question.to_owned(),
            voxel_box: None,
            window: Window::new(0.5, 1.0),
            settings: GenerationSettings {
                max_tokens: MOST_TOKENS,
                ..GenerationSettings::default()
            },
        };
        match self.session.ask_prepared(&request, self.cancelled) {
            Ok(answer) => Ok(Some(answer)),
            Err(InferenceError::TooLong { asked, room }) => {
                tracing::warn!("a question of {asked} tokens does not fit into {room}; no answer");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}
