//! A loaded model and the way from a question to its answer.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use candle_core::{DType, Device, IndexOp, Tensor};

use super::answer::{Answer, Event, ModelFacts, Request};
use super::cache::{CacheStats, CachedImage, ImageCache};
use super::detokenize::Detokenizer;
use super::prepared::PreparedAnswer;
use super::prompt::{Prompt, build_prompt};
use super::room::{Alternatives, choose, free_bytes};
use super::sampling::Sampler;
use super::{
    GenerationSettings, InferenceError, Knowledge, ModelBox, ModelFrame, Preparation, Task, prepare,
};
use m3d_engine::compute_on_this_thread;
use m3d_imaging::volume::{Mask, Volume, Window};
use m3d_model::device::device_name;
use m3d_model::{Checkpoint, Lamed, ModelPlace, Tokenizer};
use m3d_model::{DTypeChoice, DeviceChoice};

/// Positions the decoder reads at a time: what is read stays read when the reader cancels.
const CHUNK: usize = 128;
/// The longest question looked at, in bytes: more than any context holds.
const MOST_TEXT: usize = 1 << 17;

/// A checkpoint that was found complete, with the device it is to go to. Nothing heavy is read yet.
pub struct OpenedModel {
    checkpoint: Checkpoint,
    tokenizer: Tokenizer,
    device: Device,
    choice: DTypeChoice,
}

/// A loaded model with the images it has seen.
pub struct Session {
    lamed: Lamed,
    tokenizer: Tokenizer,
    stop_ids: Vec<u32>,
    facts: ModelFacts,
    alternatives: Alternatives,
    images: ImageCache,
}

/// Milliseconds per stage.
#[derive(Default)]
struct Clock(Vec<(&'static str, f64)>);

impl Clock {
    fn lap<T>(&mut self, stage: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.0.push((stage, start.elapsed().as_secs_f64() * 1000.0));
        result
    }
}

/// What generation yields.
struct Generated {
    detokenizer: Detokenizer,
    /// The hidden states that produced a `[SEG]`, each `[1,1,hidden]`.
    seg_states: Vec<Tensor>,
    /// Whether it ended for want of room.
    truncated: bool,
}

fn go_on(cancelled: &dyn Fn() -> bool) -> Result<(), InferenceError> {
    if cancelled() {
        Err(InferenceError::Cancelled)
    } else {
        Ok(())
    }
}

/// Stops a network between two of its layers when the reader cancelled.
fn watch(cancelled: &dyn Fn() -> bool) -> impl FnMut(usize, &Tensor) -> ControlFlow<()> {
    move |_, _| {
        if cancelled() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl OpenedModel {
    /// Opens a published checkpoint folder as it is and checks that all is there.
    ///
    /// # Errors
    /// When the device or the number type is not to be had, the folder is not a whole checkpoint, or an adapter is
    /// damaged or for a model that is not here.
    pub fn open(
        place: &ModelPlace,
        device: DeviceChoice,
        dtype: DTypeChoice,
    ) -> Result<Self, InferenceError> {
        let device = device.open()?;
        let checkpoint = Checkpoint::open_at(place)?;
        let tokenizer = Tokenizer::open(&checkpoint.folder)?;
        Ok(Self {
            checkpoint,
            tokenizer,
            device,
            choice: dtype,
        })
    }

    /// Decides which dtype the weights are to be held in, `returned` bytes becoming free before they are read.
    ///
    /// # Errors
    /// When they do not fit into the free memory; the message says what would.
    pub fn check_room(mut self, returned: u64) -> Result<Self, InferenceError> {
        let free = free_bytes(&self.device).map(|free| free.saturating_add(returned));
        self.choice = choose(&self.checkpoint, &self.device, self.choice, free)?.choice;
        Ok(self)
    }

    /// Reads the weights; `progress` is called with 0 to 1. The thread that calls it is the one to ask on: it becomes one
    /// of the threads that compute.
    ///
    /// # Errors
    /// When a weight cannot be read or does not fit on the device.
    pub fn load(self, progress: &dyn Fn(f32)) -> Result<Session, InferenceError> {
        let held = choose(&self.checkpoint, &self.device, self.choice, None)?;
        let alternatives = Alternatives::new(held, &self.checkpoint, &self.device)?;
        let free = free_bytes(&self.device);
        compute_on_this_thread();
        let lamed = Lamed::load(&self.checkpoint, &self.device, held.precision, progress)
            .map_err(|error| alternatives.explain(error.into(), free))?;
        let config = lamed.config();
        let parameters = self.checkpoint.parameter_count();
        let folder = self.checkpoint.folder.clone();
        let knowledge = Knowledge::of(&folder)?;
        let facts = ModelFacts {
            name: self.checkpoint.name(),
            fingerprint: self.checkpoint.fingerprint(),
            parameters,
            bytes: held.bytes,
            device: device_name(&self.device),
            dtype: held.choice.name(),
            image_size: config.image_size,
            context: config.context_length(),
            untrained: config.untrained,
            knowledge,
            folder,
        };
        Ok(Session {
            lamed,
            tokenizer: self.tokenizer,
            stop_ids: self.checkpoint.stop_ids,
            facts,
            alternatives,
            images: ImageCache::bounded(ImageCache::SPARE_BYTES),
        })
    }
}

impl Session {
    /// Opens and loads a checkpoint; `progress` is called with 0 to 1. Dropping the session frees all.
    ///
    /// # Errors
    /// As [`OpenedModel::open`] and [`OpenedModel::load`].
    pub fn load(
        place: impl Into<ModelPlace>,
        device: DeviceChoice,
        dtype: DTypeChoice,
        progress: &dyn Fn(f32),
    ) -> Result<Self, InferenceError> {
        OpenedModel::open(&place.into(), device, dtype)?
            .check_room(0)?
            .load(progress)
    }

    /// What is known of the model.
    pub const fn facts(&self) -> &ModelFacts {
        &self.facts
    }

    /// What the model was taught.
    pub const fn knowledge(&self) -> &Knowledge {
        &self.facts.knowledge
    }

    /// How often an image was found ready.
    pub fn cache_stats(&self) -> CacheStats {
        self.images.stats()
    }

    /// Images kept at the moment.
    pub fn cached_images(&self) -> usize {
        self.images.len()
    }

    /// Keeps more than the least number of images only while all take at most so many bytes.
    pub const fn keep_images_within(&mut self, spare_bytes: usize) {
        self.images.spare_bytes = spare_bytes;
    }

    /// Forgets all images.
    pub fn forget_images(&mut self) {
        self.images.clear();
    }

    /// Answers a question. Events are emitted in order, the last one being `Done`, `Cancelled` or
    /// `Failed`. `cancelled` is asked between stages and before every token.
    pub fn ask(
        &mut self,
        request: &Request,
        emit: &mut dyn FnMut(Event),
        cancelled: &dyn Fn() -> bool,
    ) {
        let last = match self.try_ask(request, emit, cancelled) {
            Ok(answer) => Event::Done(Box::new(answer)),
            Err(InferenceError::Cancelled) => Event::Cancelled,
            Err(error) => Event::Failed(error),
        };
        emit(last);
    }

    /// As [`Self::ask`] without the last event.
    ///
    /// # Errors
    /// When it was cancelled, the question cannot be asked, or the model fails.
    pub(crate) fn try_ask(
        &mut self,
        request: &Request,
        emit: &mut dyn FnMut(Event),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Answer, InferenceError> {
        self.answer(request, emit, cancelled)
            .map_err(|error| self.explained(error))
    }

    /// Prepares and encodes a volume for the questions to come: first as for localisation and
    /// segmentation, then as for questions with `window`, last for masks. What is ready when it is
    /// cancelled is kept.
    ///
    /// # Errors
    /// When it was cancelled, the volume cannot be prepared, or the model fails.
    pub fn encode(
        &mut self,
        volume: &Volume,
        revision: u64,
        window: Window,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), InferenceError> {
        self.encode_all(volume, revision, window, cancelled)
            .map_err(|error| self.explained(error))
    }

    fn encode_all(
        &mut self,
        volume: &Volume,
        revision: u64,
        window: Window,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), InferenceError> {
        let caption = Preparation::Caption { window };
        let mut clock = Clock::default();
        for way in [Preparation::Segmentation, caption] {
            let mut entry = self.image(volume, revision, way, cancelled, &mut clock)?;
            let read = self.read_image(&mut entry, cancelled, &mut clock);
            self.images.put(entry);
            read?;
        }
        go_on(cancelled)?;
        let way = Preparation::Segmentation;
        let mut entry = self.image(volume, revision, way, cancelled, &mut clock)?;
        let features = self.features(&mut entry, cancelled, &mut clock);
        self.images.put(entry);
        features.map(drop)
    }

    fn answer(
        &mut self,
        request: &Request,
        emit: &mut dyn FnMut(Event),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Answer, InferenceError> {
        request.settings.check()?;
        let task = request.task;
        let words = |frame: Option<&ModelFrame>| prompt_of(task, request, frame);
        let way = task.preparation(request.window);
        let answer = self.answer_as(request, way, &words, emit, cancelled)?;
        Ok(answer.answer)
    }

    /// Answers a request about an image prepared in this way, with these words. Without a frame the words need only
    /// be as long as they will be.
    pub(super) fn answer_as(
        &mut self,
        request: &Request,
        way: Preparation,
        words: &dyn Fn(Option<&ModelFrame>) -> Result<Prompt, InferenceError>,
        emit: &mut dyn FnMut(Event),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<PreparedAnswer, InferenceError> {
        request.settings.check()?;
        // What cannot be asked is said before any work is done.
        self.token_ids(&words(None)?)?;
        let mut clock = Clock::default();
        let mut entry = self.image(
            &request.volume,
            request.revision,
            way,
            cancelled,
            &mut clock,
        )?;
        let prefix_len = self.prefix_len();
        let result = self.answer_about(&mut entry, request, words, emit, cancelled, clock);
        // Only the image stays in the cache.
        entry.keys.truncate(prefix_len);
        self.images.put(entry);
        result
    }

    fn answer_about(
        &self,
        entry: &mut CachedImage,
        request: &Request,
        words: &dyn Fn(Option<&ModelFrame>) -> Result<Prompt, InferenceError>,
        emit: &mut dyn FnMut(Event),
        cancelled: &dyn Fn() -> bool,
        mut clock: Clock,
    ) -> Result<PreparedAnswer, InferenceError> {
        emit(Event::Prepared);
        let prompt = words(Some(&entry.image.frame))?;
        let ids = self.token_ids(&prompt)?;
        emit(Event::Prompt(prompt.text.clone()));
        self.read_image(entry, cancelled, &mut clock)?;
        emit(Event::Encoded);
        let generated = clock.lap("generate", || {
            self.generate(entry, &ids, request.settings, emit, cancelled)
        })?;
        let text = generated.detokenizer.text(&self.tokenizer)?;
        let frame = entry.image.frame.clone();
        let boxes: Vec<_> = ModelBox::find_all(&text)
            .map(|b| frame.voxel_box(&b))
            .collect();
        for &found in &boxes {
            emit(Event::Box(found));
        }
        // The mask decoder doubles the patch grid twice.
        let mask_grid = self.lamed.config().seg_grid().map(|n| n * 4);
        let drawn_at_mm = frame.effective_voxel_mm(mask_grid);
        let (mask, logits) = if generated.seg_states.is_empty() {
            (None, None)
        } else {
            go_on(cancelled)?;
            let states = &generated.seg_states;
            let (mask, logits) = self.mask(entry, states, cancelled, &mut clock)?;
            let mask = Arc::new(mask);
            emit(Event::Mask(Arc::clone(&mask), drawn_at_mm));
            (Some(mask), Some(logits))
        };
        let answer = Answer {
            task: prompt.task,
            prompt: prompt.text,
            text,
            boxes,
            mask_voxel_mm: mask.is_some().then_some(drawn_at_mm),
            mask,
            model_name: self.facts.name.clone(),
            model_fingerprint: self.facts.fingerprint.clone(),
            settings: request.settings,
            timings_ms: clock.0,
            token_count: generated.detokenizer.ids().len(),
            truncated: generated.truncated,
            clipped_to: entry.image.clipped_to,
            crop: frame.crop(),
        };
        Ok(PreparedAnswer { answer, logits })
    }

    /// Where memory ran out, gives back what the images take and says what to choose.
    fn explained(&mut self, error: InferenceError) -> InferenceError {
        if !matches!(error, InferenceError::OutOfMemory { .. }) {
            return error;
        }
        self.forget_images();
        let free = free_bytes(self.lamed.device());
        let free = free.map(|free| free.saturating_add(self.facts.bytes));
        self.alternatives.explain(error, free)
    }

    /// Positions of `<s>` and the image tokens.
    fn prefix_len(&self) -> usize {
        1 + self.lamed.config().image_token_count()
    }

    /// The tokens of a prompt.
    ///
    /// # Errors
    /// When they and one token of an answer do not fit behind the image.
    fn token_ids(&self, prompt: &Prompt) -> Result<Vec<u32>, InferenceError> {
        let room = self.facts.context.saturating_sub(self.prefix_len() + 1);
        if prompt.text.len() > MOST_TEXT {
            // No token of words is longer than this many bytes on average.
            let asked = prompt.text.len() / 16;
            return Err(InferenceError::TooLong { asked, room });
        }
        let ids = self.tokenizer.encode_user_text(&prompt.text)?;
        if ids.len() > room {
            let asked = ids.len();
            return Err(InferenceError::TooLong { asked, room });
        }
        Ok(ids)
    }

    /// The cached image, or a new one prepared.
    fn image(
        &mut self,
        volume: &Volume,
        revision: u64,
        way: Preparation,
        cancelled: &dyn Fn() -> bool,
        clock: &mut Clock,
    ) -> Result<CachedImage, InferenceError> {
        if let Some(entry) = self.images.take(revision, way, volume.grid()) {
            return Ok(entry);
        }
        let size = self.facts.image_size;
        let image = clock.lap("prepare", || prepare(volume, way, size, cancelled))?;
        Ok(CachedImage {
            revision,
            image,
            prefix: None,
            keys: self.lamed.new_cache(),
            features: None,
        })
    }

    /// The prepared image as the networks take it: `[1,1,D,H,W]`.
    fn tensor(&self, entry: &CachedImage) -> Result<Tensor, InferenceError> {
        let [d, h, w] = entry.image.size;
        let shape = (1, 1, d, h, w);
        Ok(Tensor::from_slice(
            &entry.image.voxels,
            shape,
            self.lamed.device(),
        )?)
    }

    /// Lets the decoder read `<s>` and the image, as far as it has not yet.
    fn read_image(
        &self,
        entry: &mut CachedImage,
        cancelled: &dyn Fn() -> bool,
        clock: &mut Clock,
    ) -> Result<(), InferenceError> {
        let total = self.prefix_len();
        if entry.keys.len() >= total {
            return Ok(());
        }
        let prefix = if let Some(prefix) = &entry.prefix {
            prefix.clone()
        } else {
            go_on(cancelled)?;
            let prefix = clock.lap("encode image", || -> Result<Tensor, InferenceError> {
                let image = self
                    .lamed
                    .encode_image_probed(&self.tensor(entry)?, Some(&mut watch(cancelled)))?;
                let bos = self.lamed.embed(&[self.lamed.config().bos_token_id])?;
                Ok(Tensor::cat(
                    &[bos.clone(), image.to_dtype(bos.dtype())?],
                    1,
                )?)
            })?;
            entry.prefix.insert(prefix).clone()
        };
        clock.lap("read image", || -> Result<(), InferenceError> {
            while entry.keys.len() < total {
                go_on(cancelled)?;
                let start = entry.keys.len();
                let part = prefix.narrow(1, start, CHUNK.min(total - start))?;
                self.decode(&part, entry, cancelled)?;
            }
            Ok(())
        })?;
        entry.prefix = None;
        Ok(())
    }

    /// Reads embeddings behind those that an image's keys hold, unless cancelled.
    fn decode(
        &self,
        embeddings: &Tensor,
        entry: &mut CachedImage,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Tensor, InferenceError> {
        let watch = &mut watch(cancelled);
        Ok(self
            .lamed
            .decode_probed(embeddings, &mut entry.keys, Some(watch))?)
    }

    /// The segmentation network's features of the image, computed once.
    fn features(
        &self,
        entry: &mut CachedImage,
        cancelled: &dyn Fn() -> bool,
        clock: &mut Clock,
    ) -> Result<Tensor, InferenceError> {
        if let Some(features) = &entry.features {
            return Ok(features.clone());
        }
        let features = clock.lap(
            "encode segmentation",
            || -> Result<Tensor, InferenceError> {
                let image = self.tensor(entry)?;
                let watch = &mut watch(cancelled);
                Ok(self.lamed.encode_segmentation_probed(&image, Some(watch))?)
            },
        )?;
        Ok(entry.features.insert(features).clone())
    }

    /// Generates token after token behind the image and the prompt.
    fn generate(
        &self,
        entry: &mut CachedImage,
        prompt: &[u32],
        settings: GenerationSettings,
        emit: &mut dyn FnMut(Event),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Generated, InferenceError> {
        let seg_id = self.lamed.config().seg_token_id;
        let mut sampler = Sampler::new(settings);
        let mut detokenizer = Detokenizer::new(&self.tokenizer);
        let mut seg_states = Vec::new();
        let mut state = None;
        for part in prompt.chunks(CHUNK) {
            go_on(cancelled)?;
            let hidden = self.decode(&self.lamed.embed(part)?, entry, cancelled)?;
            state = Some(hidden.narrow(1, part.len() - 1, 1)?);
        }
        // The hidden state that the next token is read from, [1,1,hidden].
        let mut state = state.ok_or(InferenceError::EmptyQuestion)?;
        let mut truncated = false;
        for step in 0..settings.max_tokens {
            go_on(cancelled)?;
            let logits = self.lamed.logits(&state)?.i(0)?.to_vec1::<f32>()?;
            let id = sampler.pick(logits, detokenizer.ids())?;
            if self.stop_ids.contains(&id) {
                break;
            }
            // A [SEG] as the very first token does not count, as in the reference.
            if id == seg_id && step > 0 {
                seg_states.push(state.clone());
            }
            let piece = detokenizer.push(&self.tokenizer, id)?;
            if !piece.is_empty() {
                emit(Event::Token(piece));
            }
            if step + 1 == settings.max_tokens || entry.keys.len() >= self.facts.context {
                truncated = true;
                break;
            }
            go_on(cancelled)?;
            state = self.decode(&self.lamed.embed(&[id])?, entry, cancelled)?;
        }
        go_on(cancelled)?;
        let piece = detokenizer.finish(&self.tokenizer)?;
        if !piece.is_empty() {
            emit(Event::Token(piece));
        }
        Ok(Generated {
            detokenizer,
            seg_states,
            truncated,
        })
    }

    /// The mask of the `[SEG]` states, on the study's grid, and its logits on the prepared image's.
    fn mask(
        &self,
        entry: &mut CachedImage,
        seg_states: &[Tensor],
        cancelled: &dyn Fn() -> bool,
        clock: &mut Clock,
    ) -> Result<(Mask, Vec<f32>), InferenceError> {
        let features = self.features(entry, cancelled, clock)?;
        go_on(cancelled)?;
        let logits = clock.lap("draw mask", || -> Result<Vec<f32>, InferenceError> {
            let prompt = self.lamed.segmentation_prompt(seg_states)?;
            let logits = self.lamed.decode_mask(&features, &prompt)?;
            Ok(logits.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?)
        })?;
        if logits.iter().any(|v| v.is_nan()) {
            return Err(InferenceError::NotANumber);
        }
        let mask = clock.lap("bring mask home", || {
            entry.image.frame.mask_from_logits(&logits)
        });
        Ok((mask, logits))
    }
}

/// The prompt of a request. While the volume is not prepared and there is no frame, a stand-in has the
/// place of the box.
fn prompt_of(
    task: Task,
    request: &Request,
    frame: Option<&ModelFrame>,
) -> Result<Prompt, InferenceError> {
    let place = match (task, &request.voxel_box, frame) {
        (Task::Reg, Some(drawn), Some(frame)) => Some(frame.model_box(drawn)?),
        (Task::Reg, Some(_), None) => ModelBox::new([0.0; 6]),
        _ => None,
    };
    build_prompt(task, &request.text, place.as_ref())
}
