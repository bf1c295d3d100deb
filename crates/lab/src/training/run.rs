//! A training from its configuration to a model.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};
use crossbeam_channel::{Receiver, bounded};
use rayon::prelude::*;

use super::adapter_files::{Pair, read_pairs, save_adapter};
use super::config::{Stage, StageConfig, TrainingConfig};
use super::dense::{Cut, DENSE_HEAD};
use super::device_memory::keep_freed_memory;
use super::facts::FACTS_HEAD;
use super::files;
use super::folder::FolderSamples;
use super::log::{Log, Row};
use super::network::{CLIP_VISION, Network, SEGMENTATION_ENCODER, VISION};
use super::optimiser::{Optimiser, OptimiserSettings, global_norm, rate_part};
use super::phantoms::PhantomSamples;
use super::repatch::{centre, segmentation_as_vision};
use super::state::{self, TrainingProgress};
use super::step::{AnswerLoss, CLASS_PROMPTS, OWN, Objective, add, casts};
use super::{Gradients, Losses, Sample, Samples, TrainingError, Variables, Wanted};
use m3d_model::DeviceChoice;
use m3d_model::checkpoint::open_weights;
use m3d_model::sums::record_sums;
use m3d_model::{Checkpoint, LamedConfig, ModelFolder, Precision};

/// The auxiliary layers that an image encoder is supervised through.
const HEADS: [&str; 2] = [DENSE_HEAD, FACTS_HEAD];
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
        /// Trainable parameters, and parameters in all.
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
    /// Something to know about how the configuration is understood, in a line.
    Note(String),
    /// An image or an entry of the data cannot be used and is passed over: why, in a line. Each is told once.
    LeftOut(String),
    /// All is done.
    Done {
        /// The model's folder.
        model: PathBuf,
        /// Images and entries of the data that were passed over.
        left_out: usize,
    },
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
    precision: Precision,
    network: Network,
    /// Where the model's other files are.
    companions: PathBuf,
    variables: Variables,
    device: Device,
    progress: TrainingProgress,
    resumed: Option<state::State>,
    /// Why images and entries of the data were passed over.
    left_out: BTreeSet<String>,
    /// Keeps other trainings out.
    _lock: File,
}

impl<'a> Trainer<'a> {
    fn open(config: &'a TrainingConfig, resume: bool) -> Result<Self, TrainingError> {
        let out = &config.out;
        std::fs::create_dir_all(out).map_err(|e| TrainingError::io(out, e))?;
        let lock = files::lock(out)?;
        let wrong = |message: String| TrainingError::Config {
            path: out.clone(),
            message,
        };
        let device: DeviceChoice = config.device.parse().map_err(|e| wrong(format!("{e}")))?;
        let device = device.open().map_err(|e| wrong(e.to_string()))?;
        keep_freed_memory(&device);
        candle_core::cuda::set_gemm_reduced_precision_f32(config.dtype == "tf32");
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
        let network = Network::open(config, &companions)?;
        let mut variables = network.variables(config, &device)?;
        if let Some(folder) = &config.vision {
            begin_vision(&mut variables, &network, folder)?;
        }
        let mut progress = TrainingProgress {
            seed: config.seed,
            ..TrainingProgress::default()
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
            for (name, tensor) in state.own_tensors() {
                variables.add(name, tensor.clone());
            }
        }
        let mut trainer = Self {
            config,
            precision: Precision::plain(dtype),
            network,
            companions,
            variables,
            device,
            progress,
            resumed,
            left_out: BTreeSet::new(),
            _lock: lock,
        };
        trainer.take_class_prompts()?;
        Ok(trainer)
    }

    /// A base that was trained on phantoms brings the prompts of their classes.
    fn take_class_prompts(&mut self) -> Result<(), TrainingError> {
        let (Some(base), None, None) = (&self.config.base, &self.config.data.folder, &self.resumed)
        else {
            return Ok(());
        };
        let Some(prompts) = state::class_prompts(base, &self.device)? else {
            return Ok(());
        };
        let (config, classes) = self.classes()?;
        if prompts.dims() == [classes, config.seg_config.embed_dim] {
            self.variables.add(CLASS_PROMPTS, prompts);
        }
        Ok(())
    }

    fn run(mut self, report: &mut dyn FnMut(TrainingEvent)) -> Result<(), TrainingError> {
        self.check_targets(report)?;
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
            self.config.dtype_of_weights(),
        )?;
        record_sums(&folder)?;
        report(TrainingEvent::Done {
            model: folder,
            left_out: self.left_out.len(),
        });
        Ok(())
    }

    /// Tells what could not be read and was not told before: each stage opens the data anew.
    fn tell_left_out(&mut self, samples: &dyn Samples, report: &mut dyn FnMut(TrainingEvent)) {
        for reason in samples.take_left_out() {
            if self.left_out.insert(reason.clone()) {
                report(TrainingEvent::LeftOut(reason));
            }
        }
    }

    /// Decides what is learnt, and takes up the state where there is one.
    fn prepare(&mut self, stage: &StageConfig) -> Result<Optimiser, TrainingError> {
        if stage.vision_from_segmentation && self.progress.stage_step == 0 {
            let config = self.lamed()?;
            let encoder = segmentation_as_vision(&self.variables, config)?;
            self.variables
                .begin_as(self.network.vision_prefix(), |rest| {
                    encoder
                        .get(&format!("{SEGMENTATION_ENCODER}{rest}"))
                        .cloned()
                })?;
        }
        if let Some(value) = stage.centre
            && self.progress.stage_step == 0
        {
            let encoder = match stage.stage {
                Stage::Segmentation => SEGMENTATION_ENCODER,
                _ => self.network.vision_prefix(),
            };
            centre(&mut self.variables, encoder, value)?;
        }
        let is_kept = |name: &str| stage.freeze.iter().any(|start| name.starts_with(start));
        if stage.stage == Stage::Segmentation && self.variables.get(CLASS_PROMPTS).is_none() {
            let prompts = self.class_prompts()?;
            self.variables.add(CLASS_PROMPTS, prompts);
        }
        self.prepare_heads(stage)?;
        let learn = |name: &str| match stage.stage {
            Stage::Segmentation => name.starts_with("model.seg_module.") || name.starts_with(OWN),
            Stage::Projector => name.starts_with("model.mm_projector.") || HEADS.contains(&name),
            Stage::All if stage.lora.is_some() => {
                !name.starts_with("model.layers.")
                    && name != "model.norm.weight"
                    && (!name.starts_with(OWN) || HEADS.contains(&name))
            }
            Stage::All | Stage::Contrast => !name.starts_with(OWN) || HEADS.contains(&name),
        };
        self.variables.learn(|name| learn(name) && !is_kept(name))?;
        if let Some(lora) = &stage.lora {
            self.keep_base(stage)?;
            self.variables
                .adapt(&lora.targets, lora.rank, lora.alpha, self.config.seed)?;
        }
        let mut optimiser = Optimiser::new(OptimiserSettings {
            rounds: casts(&self.variables, self.precision),
            ..stage.optimiser()
        });
        if let Some(state) = self.resumed.take() {
            state.restore(&self.variables, &mut optimiser)?;
        }
        Ok(optimiser)
    }

    /// Auxiliary layers where the stage has some; those of an earlier stage go on where they fit.
    fn prepare_heads(&mut self, stage: &StageConfig) -> Result<(), TrainingError> {
        let mut heads = [None, None];
        if stage.dense {
            let (config, samples) = self.lamed_samples()?;
            let (classes, device) = (samples.class_count(), &self.device);
            heads = if stage.stage == Stage::Segmentation {
                [
                    Some(Cut::of_segmentation(config).new_head(classes, device)?),
                    None,
                ]
            } else {
                let facts = samples.fact_kinds();
                let width = config.vision_config.hidden_size;
                [
                    Some(Cut::of_vision(config).new_head(classes, device)?),
                    Some(facts.new_head(classes, width, device)?),
                ]
            };
        }
        for (name, head) in HEADS.into_iter().zip(heads) {
            let old = self.variables.get(name).map(Tensor::dims);
            match head {
                None => self.variables.remove(name),
                Some(head) if old != Some(head.dims()) => self.variables.add(name, head),
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Prompts as the mask decoder's own tokens begin.
    fn class_prompts(&self) -> Result<Tensor, TrainingError> {
        let (config, classes) = self.classes()?;
        let width = config.seg_config.embed_dim;
        let key = format!("{}/{CLASS_PROMPTS}", self.config.seed);
        let values: Vec<f32> = (0..classes * width)
            .map(|i| 0.5 * super::initial::normal(&key, i as u64))
            .collect();
        Ok(Tensor::from_vec(values, (classes, width), &self.device)?)
    }

    /// The network that outlines, and how many classes there are to outline.
    fn classes(&self) -> Result<(&LamedConfig, usize), TrainingError> {
        let (config, samples) = self.lamed_samples()?;
        Ok((config, samples.class_count()))
    }

    fn lamed_samples(&self) -> Result<(&LamedConfig, Arc<dyn Samples>), TrainingError> {
        let wanted = Wanted {
            masks: 1,
            ..Wanted::default()
        };
        Ok((self.lamed()?, self.samples(wanted)?))
    }

    fn lamed(&self) -> Result<&LamedConfig, TrainingError> {
        match &self.network {
            Network::Lamed { config, .. } => Ok(config),
            Network::Clip { .. } => Err(TrainingError::Data(
                "M3D-CLIP outlines nothing; its stage is called contrast".into(),
            )),
        }
    }

    fn samples(&self, wanted: Wanted) -> Result<Arc<dyn Samples>, TrainingError> {
        let words = match &self.network {
            Network::Lamed { words, .. } => Some(words.clone()),
            Network::Clip { .. } => None,
        };
        let (data, seed) = (&self.config.data, self.config.seed);
        let size = self.network.image_size();
        Ok(match &data.folder {
            Some(folder) => Arc::new(FolderSamples::open(
                folder, data, words, size, seed, wanted,
            )?),
            None => Arc::new(PhantomSamples::new(data, words, size, seed, wanted)),
        })
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
        let objective = match stage.stage {
            Stage::Segmentation => Objective::ClassMasks,
            Stage::Contrast => Objective::Contrastive,
            Stage::Projector | Stage::All => Objective::Answers(AnswerLoss {
                draw: stage.draw,
                balance: stage.balance,
                first: stage.first,
            }),
        };
        let mut wanted = Wanted::default();
        match objective {
            Objective::ClassMasks => wanted.masks = stage.masks,
            Objective::Answers(_) => wanted.questions = stage.talks,
            Objective::Contrastive => {}
        }
        wanted.labels = stage.dense;
        wanted.findings = stage.findings;
        let samples = self.samples(wanted)?;
        let batches = batches(Arc::clone(&samples), self.progress.samples, stage.volumes)?;
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
            let accumulated = self.accumulate(stage, objective, &batches);
            self.tell_left_out(&*samples, report);
            let (losses, sums, volumes) = accumulated?;
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
        objective: Objective,
        batches: &Receiver<Result<Vec<Sample>, TrainingError>>,
    ) -> Result<(Losses, Gradients, u64), TrainingError> {
        let (mut losses, mut sums, mut volumes) = (Losses::default(), Gradients::new(), 0);
        let part = 1.0 / stage.accumulate as f64;
        for _ in 0..stage.accumulate {
            let samples = batches
                .recv()
                .map_err(|_| TrainingError::Data("the thread that makes samples ended".into()))??;
            let (more, mut gradients) =
                self.network
                    .gradients(&self.variables, self.precision, objective, &samples)?;
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

    fn save(&self, optimiser: &Optimiser, log: &mut Log) -> Result<PathBuf, TrainingError> {
        log.flush()?;
        state::save(
            &self.config.out,
            &self.companions,
            &self.progress,
            &self.variables,
            optimiser,
        )
    }

    /// Adds the adapters to their matrices, and writes them for themselves with whatever else has been learnt: with them
    /// the base is the model as it is now. Stages after one with adapters go on to write what they learn.
    fn finish_stage(&mut self, stage: &StageConfig) -> Result<(), TrainingError> {
        let folder = self.config.out.join("adapter");
        let mut pairs = read_pairs(&folder, &self.device)?;
        if let Some(lora) = &stage.lora {
            for (module, adapter) in self.variables.adapters() {
                pairs.insert(module.clone(), Pair::of(module, adapter, lora));
            }
            self.variables.merge_adapters()?;
        }
        if !pairs.is_empty() {
            let base = Checkpoint::open(self.adapted())?;
            save_adapter(
                &folder,
                &base,
                &self.variables,
                &pairs,
                self.config.dtype_of_weights(),
            )?;
            record_sums(&folder)?;
        }
        Ok(())
    }

    /// The model that adapters are for: the base, or a new model as it was before they came.
    fn adapted(&self) -> ModelFolder {
        let own = || ModelFolder::from(self.config.out.join("base"));
        self.config.base.clone().unwrap_or_else(own)
    }

    /// Keeps a new model as it is before the first adapters: they would be for nothing else.
    fn keep_base(&self, stage: &StageConfig) -> Result<(), TrainingError> {
        let stages = &self.config.stages[..self.progress.stage.min(self.config.stages.len())];
        let first = stages.iter().all(|earlier| earlier.lora.is_none());
        if self.config.base.is_none() && stage.lora.is_some() && first {
            let folder = self.config.out.join("base");
            if self.progress.stage_step == 0 || !folder.exists() {
                let tensors = self.variables.tensors();
                state::save_model(&folder, &self.companions, tensors, DType::F32)?;
                record_sums(&folder)?;
            }
        }
        Ok(())
    }

    /// Looks for the targets of all stages: a wrong one is told before anything is learnt.
    fn check_targets(&self, report: &mut dyn FnMut(TrainingEvent)) -> Result<(), TrainingError> {
        let mut told = BTreeSet::new();
        for lora in self
            .config
            .stages
            .iter()
            .filter_map(|stage| stage.lora.as_ref())
        {
            let found = self.variables.targets(&lora.targets);
            let found = found.map_err(|e| TrainingError::Data(format!("lora: {e}")))?;
            told.extend(found.notes);
        }
        for note in told {
            report(TrainingEvent::Note(format!("lora: {note}")));
        }
        Ok(())
    }
}

/// Lets a vision transformer begin as that of another model, of either kind.
fn begin_vision(
    variables: &mut Variables,
    network: &Network,
    folder: &Path,
) -> Result<(), TrainingError> {
    let (files, _) = open_weights(folder)?;
    let names = |rest: &str| [VISION, CLIP_VISION].map(|prefix| format!("{prefix}{rest}"));
    let values = |rest: &str| {
        let found = files
            .iter()
            .flat_map(|file| names(rest).map(|name| (file, name)));
        let (file, name) = found
            .into_iter()
            .find(|(file, name)| file.shape(name).is_some())?;
        let values = file.values(&name).ok()?;
        Tensor::from_slice(&values, file.shape(&name)?, &Device::Cpu).ok()
    };
    Ok(variables.begin_as(network.vision_prefix(), values)?)
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
