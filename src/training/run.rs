//! A training from its configuration to a model.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};
use crossbeam_channel::{Receiver, bounded};
use rayon::prelude::*;
use serde_json::{Value, json};

use super::config::{Stage, StageConfig, TrainingConfig};
use super::log::{Log, Row};
use super::lora::{AdapterSettings, save_adapters};
use super::optimiser::{AdamW, global_norm, rate_part};
use super::phantoms::PhantomSamples;
use super::state::{self, Progress};
use super::step::{CLASS_PROMPTS, Lesson, add, gradients};
use super::vocabulary::Vocabulary;
use super::words::Words;
use super::{Gradients, Losses, Sample, Samples, TrainingError, Variables};
use crate::inference::DeviceChoice;
use crate::model::{Checkpoint, LamedConfig, Numbers, Tokenizer};

/// The two encoders, which are built alike.
const VISION_TOWER: &str = "model.vision_tower.vision_tower.";
const SEGMENTATION_ENCODER: &str = "model.seg_module.image_encoder.";
/// Batches that are made ahead.
const AHEAD: usize = 2;
/// Steps between two looks at the log's picture.
const FLUSH: Duration = Duration::from_mins(1);

/// What happens while training, in order.
#[derive(Clone, Debug)]
pub enum TrainingEvent {
    /// A stage begins, or goes on.
    Stage {
        /// Its name.
        name: &'static str,
        /// Its steps, and those that are done.
        steps: u64,
        /// Steps that are done.
        done: u64,
        /// Numbers that are learnt, and numbers in all.
        parameters: (usize, usize),
    },
    /// A step is done.
    Step {
        /// Its losses and rate.
        row: Row,
        /// Volumes a second, since the stage began or went on.
        volumes_per_sec: f64,
        /// Seconds left in the stage at this pace.
        left_secs: f64,
    },
    /// The state is on disk.
    Saved(PathBuf),
    /// All is done; the model is in this folder.
    Done(PathBuf),
}

/// Trains as a configuration says. With `resume` it goes on from the newest state where there is one.
///
/// # Errors
/// What the configuration, the data, the disk or the device has against it.
pub fn train(
    config: &TrainingConfig,
    resume: bool,
    report: &mut dyn FnMut(TrainingEvent),
) -> Result<(), TrainingError> {
    Trainer::open(config, resume)?.run(report)
}

struct Trainer<'a> {
    config: &'a TrainingConfig,
    numbers: Numbers,
    model: LamedConfig,
    words: Arc<Words>,
    /// Where the model's other files are.
    companions: PathBuf,
    variables: Variables,
    device: Device,
    progress: Progress,
    resumed: Option<state::State>,
}

impl<'a> Trainer<'a> {
    fn open(config: &'a TrainingConfig, resume: bool) -> Result<Self, TrainingError> {
        let out = &config.out;
        std::fs::create_dir_all(out).map_err(|e| TrainingError::io(out, e))?;
        let wrong = |message: String| TrainingError::Config {
            path: out.clone(),
            message,
        };
        let device: DeviceChoice = config.device.parse().map_err(|e| wrong(format!("{e}")))?;
        let device = device.open().map_err(|e| wrong(e.to_string()))?;
        let dtype = if config.dtype == "bf16" {
            DType::BF16
        } else {
            DType::F32
        };
        let resumed = if resume {
            state::newest(out, &device)?
        } else {
            None
        };
        if !resume && out.join("losses.csv").exists() {
            return Err(wrong(
                "there is a training already; go on with --resume or choose another out".into(),
            ));
        }
        let companions = out.join("model");
        std::fs::create_dir_all(&companions).map_err(|e| TrainingError::io(&companions, e))?;
        let base = config.base.as_deref().map(Checkpoint::open).transpose()?;
        if let Some(base) = &base {
            for name in state::COMPANIONS {
                let (from, to) = (base.folder.join(name), companions.join(name));
                if from.exists() {
                    std::fs::copy(&from, &to).map_err(|e| TrainingError::io(&from, e))?;
                }
            }
        } else if !companions.join("config.json").exists() {
            make_companions(config, &companions)?;
        }
        let path = companions.join("config.json");
        let text = std::fs::read(&path).map_err(|e| TrainingError::io(&path, e))?;
        let model = LamedConfig::from_json(&text).map_err(|e| TrainingError::state(&path, e))?;
        let end = match &base {
            Some(base) => base.stop_ids.first().copied(),
            None => model
                .eos_token_id
                .as_ref()
                .and_then(|ids| ids.to_vec().first().copied()),
        };
        let end = end.ok_or_else(|| {
            TrainingError::state(&path, "no token ends an answer; set eos_token_id")
        })?;
        let words = Arc::new(Words::new(Tokenizer::open(&companions)?, end));
        let mut variables = match &base {
            Some(base) => Variables::from_checkpoint(base, &device, &|_| {})?,
            None => Variables::new(&model, config.seed, &device)?,
        };
        let mut progress = Progress {
            seed: config.seed,
            ..Progress::default()
        };
        if let Some(state) = &resumed {
            progress = state.progress.clone();
            if progress.seed != config.seed || progress.stage > config.stages.len() {
                return Err(TrainingError::state(
                    &state.folder,
                    "it belongs to another configuration; choose another out",
                ));
            }
            // What an earlier stage learnt may be fixed in this one.
            variables = Variables::from_tensors(state.weights.clone(), &device);
        }
        Ok(Self {
            config,
            numbers: Numbers::plain(dtype),
            model,
            words,
            companions,
            variables,
            device,
            progress,
            resumed,
        })
    }

    fn run(mut self, report: &mut dyn FnMut(TrainingEvent)) -> Result<(), TrainingError> {
        let mut log = Log::open(&self.config.out, self.progress.step)?;
        while let Some(stage) = self.config.stages.get(self.progress.stage) {
            self.run_stage(stage, &mut log, report)?;
            self.finish_stage(stage)?;
            self.progress.stage += 1;
            self.progress.stage_step = 0;
            self.progress.stage_secs = 0.0;
        }
        log.flush()?;
        let folder = self.config.out.join("model");
        state::save_model(
            &folder,
            &self.companions,
            self.variables.tensors(),
            DType::F32,
        )?;
        report(TrainingEvent::Done(folder));
        Ok(())
    }

    /// Decides what is learnt, and takes up the state where there is one.
    fn prepare(&mut self, stage: &StageConfig) -> Result<AdamW, TrainingError> {
        if stage.vision_from_segmentation && self.progress.stage_step == 0 {
            self.variables.copy(SEGMENTATION_ENCODER, VISION_TOWER)?;
        }
        let is_kept = |name: &str| stage.freeze.iter().any(|start| name.starts_with(start));
        if stage.stage == Stage::Segmentation {
            let saved = self
                .resumed
                .as_ref()
                .and_then(|state| state.class_prompts());
            let prompts = match saved {
                Some(saved) => saved.clone(),
                None => self.class_prompts()?,
            };
            self.variables.add(CLASS_PROMPTS, prompts);
        }
        let learn = |name: &str| match stage.stage {
            Stage::Segmentation => name.starts_with("model.seg_module.") || name == CLASS_PROMPTS,
            Stage::Projector => name.starts_with("model.mm_projector."),
            Stage::All if stage.lora.is_some() => {
                !name.starts_with("model.layers.") && name != "model.norm.weight"
            }
            Stage::All => true,
        };
        self.variables.learn(|name| learn(name) && !is_kept(name))?;
        if let Some(lora) = &stage.lora {
            self.variables
                .adapt(&lora.targets, lora.rank, lora.alpha, self.config.seed)?;
        }
        let mut optimiser = AdamW::new(stage.optimiser());
        if let Some(state) = self.resumed.take() {
            state.restore(&self.variables, &mut optimiser)?;
        }
        Ok(optimiser)
    }

    /// Prompts as the mask decoder's own tokens begin.
    fn class_prompts(&self) -> Result<Tensor, TrainingError> {
        let width = self.model.seg_config.embed_dim;
        let classes = self.samples([0, 1]).class_count();
        let key = format!("{}/{CLASS_PROMPTS}", self.config.seed);
        let values: Vec<f32> = (0..classes * width)
            .map(|i| 0.5 * super::initial::normal(&key, i as u64))
            .collect();
        Ok(Tensor::from_vec(values, (classes, width), &self.device)?)
    }

    fn samples(&self, counts: [usize; 2]) -> Arc<dyn Samples> {
        Arc::new(PhantomSamples::new(
            &self.config.data,
            self.words.clone(),
            self.model.image_size,
            self.config.seed,
            counts,
        ))
    }

    fn run_stage(
        &mut self,
        stage: &StageConfig,
        log: &mut Log,
        report: &mut dyn FnMut(TrainingEvent),
    ) -> Result<(), TrainingError> {
        let mut optimiser = self.prepare(stage)?;
        report(TrainingEvent::Stage {
            name: stage.stage.name(),
            steps: stage.steps,
            done: self.progress.stage_step,
            parameters: self.variables.counts(),
        });
        let lesson = match stage.stage {
            Stage::Segmentation => Lesson::Classes,
            _ => Lesson::Talk,
        };
        let counts = match lesson {
            Lesson::Classes => [0, stage.masks],
            Lesson::Talk => [stage.talks, 0],
        };
        let batches = batches(self.samples(counts), self.progress.samples, stage.volumes)?;
        let begun = Instant::now();
        let (secs, stage_secs) = (self.progress.secs, self.progress.stage_secs);
        let mut seen = 0;
        let (mut saved, mut flushed) = (Instant::now(), Instant::now());
        while self.progress.stage_step < stage.steps {
            let by_steps = self.progress.stage_step as f64 / stage.steps as f64;
            let by_time = stage
                .hours
                .map_or(0.0, |h| self.progress.stage_secs / (3600.0 * h));
            let place = by_steps.max(by_time);
            if place >= 1.0 {
                break;
            }
            let (losses, sums, volumes) = self.accumulate(stage, lesson, &batches)?;
            let step = self.progress.step + 1;
            let norm = global_norm(&sums)?;
            if !norm.is_finite() || !losses.total().is_finite() {
                let loss = losses.total();
                return Err(TrainingError::Diverged { step, loss });
            }
            let rate = stage.rate * rate_part(place, stage.warm_up, stage.last_rate);
            let scale = (stage.clip_norm / norm.max(1e-12)).min(1.0);
            optimiser.step(self.variables.learnt(), &sums, scale, rate)?;

            seen += volumes;
            let elapsed = begun.elapsed().as_secs_f64();
            let progress = &mut self.progress;
            progress.step = step;
            progress.stage_step += 1;
            progress.samples += volumes;
            progress.secs = secs + elapsed;
            progress.stage_secs = stage_secs + elapsed;
            progress.optimiser_steps = optimiser.steps();
            let row = Row {
                step,
                stage: stage.stage.name(),
                samples: progress.samples,
                rate,
                losses,
                norm,
                secs: progress.secs,
            };
            log.add(&row)?;
            let by_steps = progress.stage_step as f64 / stage.steps as f64;
            let by_time = stage
                .hours
                .map_or(0.0, |h| progress.stage_secs / (3600.0 * h));
            report(TrainingEvent::Step {
                row,
                volumes_per_sec: seen as f64 / elapsed.max(1e-9),
                left_secs: progress.stage_secs * (1.0 / by_steps.max(by_time) - 1.0).max(0.0),
            });
            if flushed.elapsed() > FLUSH {
                log.flush()?;
                flushed = Instant::now();
            }
            if saved.elapsed().as_secs_f64() > 60.0 * self.config.save_minutes {
                report(TrainingEvent::Saved(self.save(&optimiser, log)?));
                saved = Instant::now();
            }
        }
        report(TrainingEvent::Saved(self.save(&optimiser, log)?));
        Ok(())
    }

    fn accumulate(
        &self,
        stage: &StageConfig,
        lesson: Lesson,
        batches: &Receiver<Result<Vec<Sample>, TrainingError>>,
    ) -> Result<(Losses, Gradients, u64), TrainingError> {
        let (mut losses, mut sums, mut volumes) = (Losses::default(), Gradients::new(), 0);
        let part = 1.0 / stage.accumulate as f64;
        for _ in 0..stage.accumulate {
            let samples = batches
                .recv()
                .map_err(|_| TrainingError::Data("the thread that makes samples ended".into()))??;
            let (more, mut gradients) =
                gradients(&self.model, &self.variables, self.numbers, lesson, &samples)?;
            if stage.accumulate > 1 {
                for gradient in gradients.values_mut() {
                    *gradient = (&*gradient * part)?;
                }
            }
            losses = losses.plus(more, part);
            add(&mut sums, gradients)?;
            volumes += samples.len() as u64;
        }
        Ok((losses, sums, volumes))
    }

    fn save(&self, optimiser: &AdamW, log: &mut Log) -> Result<PathBuf, TrainingError> {
        log.flush()?;
        state::save(
            &self.config.out,
            &self.companions,
            &self.progress,
            &self.variables,
            optimiser,
        )
    }

    /// Writes the adapters for themselves and adds them to their matrices.
    fn finish_stage(&mut self, stage: &StageConfig) -> Result<(), TrainingError> {
        if let Some(lora) = &stage.lora {
            let folder = self.config.out.join("adapter");
            std::fs::create_dir_all(&folder).map_err(|e| TrainingError::io(&folder, e))?;
            let base = self.config.base.as_deref().unwrap_or(Path::new(""));
            let settings = AdapterSettings {
                base: &base.to_string_lossy(),
                rank: lora.rank,
                alpha: lora.alpha,
                targets: &lora.targets,
            };
            save_adapters(&folder, self.variables.adapters().iter(), &settings)?;
            self.variables.merge_adapters()?;
        }
        self.variables.remove(CLASS_PROMPTS);
        Ok(())
    }
}

/// Makes batches on a thread of its own, a few ahead of who takes them. It ends when nobody does any more.
fn batches(
    samples: Arc<dyn Samples>,
    first: u64,
    volumes: usize,
) -> Result<Receiver<Result<Vec<Sample>, TrainingError>>, TrainingError> {
    let (sender, receiver) = bounded(AHEAD);
    let work = move || {
        let mut next = first;
        loop {
            let batch: Result<Vec<Sample>, TrainingError> = (0..volumes as u64)
                .into_par_iter()
                .map(|n| samples.sample(next + n))
                .collect();
            next += volumes as u64;
            let failed = batch.is_err();
            if sender.send(batch).is_err() || failed {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("samples".into())
        .spawn(work)
        .map_err(|e| TrainingError::Data(format!("no thread for the samples: {e}")))?;
    Ok(receiver)
}

/// Learns a vocabulary and writes it with the configuration of the new model.
fn make_companions(config: &TrainingConfig, folder: &Path) -> Result<(), TrainingError> {
    let mut model = serde_json::to_value(config.model.clone().unwrap_or_default())
        .map_err(|e| TrainingError::Data(e.to_string()))?;
    let size: [usize; 3] = model
        .get("image_size")
        .and_then(|size| serde_json::from_value(size.clone()).ok())
        .unwrap_or([32, 256, 256]);
    let texts = PhantomSamples::texts(size, &config.data, config.seed, config.vocabulary.samples)?;
    let texts = texts.iter().map(String::as_str);
    let vocabulary = Vocabulary::learn(texts, config.vocabulary.tokens, size);
    let ids = vocabulary.ids();
    if let Value::Object(fields) = &mut model {
        for (name, value) in [
            ("architectures", json!(["LamedPhi3ForCausalLM"])),
            ("model_type", json!("lamed_phi3")),
            ("torch_dtype", json!("float32")),
            ("vocab_size", json!(ids.count)),
            ("bos_token_id", json!(ids.begin)),
            ("eos_token_id", json!(ids.end)),
            ("pad_token_id", json!(ids.end)),
            ("seg_token_id", json!(ids.seg)),
        ] {
            fields.insert(name.to_string(), value);
        }
    }
    let text = format!("{model:#}\n");
    LamedConfig::from_json(text.as_bytes())
        .map_err(|e| TrainingError::Data(format!("[model]: {e}")))?;
    vocabulary.write(folder)?;
    super::files::write_whole(&folder.join("config.json"), text.as_bytes())
}
